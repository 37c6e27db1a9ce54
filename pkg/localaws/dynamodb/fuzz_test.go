package dynamodb

import (
	"encoding/json"
	"testing"
)

// FuzzExpressions looks for what makes the parsers or what follows them panic,
// or changes an item that others share.
func FuzzExpressions(f *testing.F) {
	for _, text := range []string{
		"#a = :v", "a.b[1].#a <> :v and not (size(a) in (:v, :w))", "a between :v and :w or begins_with(a,:v)", "attribute_type(#a, :v)",
		"SET a = b + :v, #a.b[0] = if_not_exists(a, :v) remove l[1], m.x add n :v delete s :w", "SET l = list_append(l, :w)", "a, b.c[0], #a", "((a = :v))", "a = é",
	} {
		f.Add(text)
	}
	const stored = `{"a":{"S":"x"},"n":{"N":"1"},"s":{"SS":["x","y"]},"l":{"L":[{"S":"x"},{"N":"2"}]},"m":{"M":{"x":{"S":"y"}}}}`
	values := map[string]json.RawMessage{":v": json.RawMessage(`{"N":"1"}`), ":w": json.RawMessage(`{"SS":["x"]}`)}
	f.Fuzz(func(t *testing.T, text string) {
		var i item
		if err := json.Unmarshal([]byte(stored), &i); err != nil {
			t.Fatal(err)
		}
		before, _ := json.Marshal(i)
		fresh := func() *aliases {
			a, err := newAliases(map[string]string{"#a": "m"}, values, map[string]*string{"UpdateExpression": &text})
			if err != nil {
				t.Fatal(err)
			}
			return a
		}
		if n, err := fresh().condition("FilterExpression", &text); err == nil {
			_ = n.holds(i)
			_ = n.holds(nil)
			_, _ = (&table{}).keyCondition(schema{"a", "n"}, n)
		}
		if paths, err := fresh().projection(&text); err == nil {
			_ = i.projected(paths)
		}
		if u, err := fresh().update(&text); err == nil {
			if changed, err := u.apply(i); err == nil {
				_ = changed.projected(u.paths)
			}
		}
		if after, _ := json.Marshal(i); string(after) != string(before) {
			t.Errorf("%q changed %s to %s", text, before, after)
		}
	})
}
