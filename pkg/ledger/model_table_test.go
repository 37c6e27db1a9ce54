package ledger

import "testing"

func TestModel(t *testing.T) {
	for _, c := range []struct {
		name string
		setting
	}{
		{"plain", setting{deliveries: 2, refusals: true, crashes: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.setting.crashes = uint8(crashes(t, int(c.setting.crashes)))
			m := model{c.setting}
			f := m.space().search(m.start())
			t.Logf("%d states", f.states)
			for k, names := range f.first {
				t.Errorf("%v:%s", k, trace(names))
			}
		})
	}
}
