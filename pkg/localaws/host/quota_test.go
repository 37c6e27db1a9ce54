package host_test

import (
	"slices"
	"testing"
	"time"

	"errand/pkg/localaws/host"
	"errand/pkg/localaws/localtest"
)

func TestLimit(t *testing.T) {
	t.Parallel()
	type quota struct {
		burst      int
		perSecond  float64
		operations []string
	}
	for _, tt := range []struct {
		name   string
		quotas []quota
		calls  string // a letter each is a call of that operation, a dot is half a second
		want   string // of each call: y or n
	}{
		{"none", nil, "rrr", "yyy"},
		{"a burst and the rate", []quota{{2, 1, []string{"r"}}}, "rrr.r.rr", "yynnyn"},
		{"no more than the burst comes back", []quota{{2, 4, []string{"r"}}}, "rr......rrr", "yyyyn"},
		{"another operation", []quota{{1, 1, []string{"r"}}}, "rrss", "ynyy"},
		{"a shared one", []quota{{2, 1, []string{"r", "s"}}}, "rsr..s", "yyny"},
		{"two, of which each is needed", []quota{{3, 1, []string{"r", "s"}}, {1, 1, []string{"r"}}}, "rrsss", "ynyyn"},
		{"replaced", []quota{{1, 1, []string{"r", "s"}}, {3, 1, []string{"s", "r"}}}, "rrrr", "yyyn"},
		{"ended", []quota{{1, 1, []string{"r"}}, {0, 0, []string{"r"}}}, "rr", "yy"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			clock := localtest.NewClock(time.Unix(1, 0))
			h := host.New("eu-west-1", "123456789012", "", nil, clock)
			for _, q := range tt.quotas {
				operations := slices.Clone(q.operations)
				h.Limit(q.burst, q.perSecond, operations...)
				if !slices.Equal(operations, q.operations) {
					t.Errorf("the caller's list became %v", operations)
				}
			}
			got, calls := "", 0
			for _, c := range tt.calls {
				if c == '.' {
					clock.Advance(time.Second / 2)
					continue
				}
				acted, verdict := false, "y"
				calls++
				if err := h.Call(t.Context(), string(c), func() error { acted = true; return nil }); err != nil {
					verdict = "n"
					if want := "ThrottlingException: Rate exceeded"; err.Error() != want || acted {
						t.Errorf("got %q, acted: %t, want %q", err, acted, want)
					}
				}
				got += verdict
			}
			if got != tt.want {
				t.Errorf("%s: got %s, want %s", tt.calls, got, tt.want)
			}
			if n := h.Calls("r") + h.Calls("s"); n != calls {
				t.Errorf("%d calls were counted, want %d", n, calls)
			}
		})
	}
}

// A call that is throttled uses up no fault.
func TestLimitComesBeforeFaults(t *testing.T) {
	t.Parallel()
	h := host.New("eu-west-1", "123456789012", "", nil, localtest.NewClock(time.Unix(1, 0)))
	h.Limit(1, 1, "r")
	h.Inject(host.Fault{Operation: "r", Code: "C", Message: "m", Skip: 1})
	var got []string
	for range 2 {
		text := ""
		if err := h.Call(t.Context(), "r", func() error { return nil }); err != nil {
			text = err.Error()
		}
		got = append(got, text)
	}
	h.Limit(0, 0, "r")
	if err := h.Call(t.Context(), "r", func() error { return nil }); err != nil {
		got = append(got, err.Error())
	}
	if want := []string{"", "ThrottlingException: Rate exceeded", "C: m"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
