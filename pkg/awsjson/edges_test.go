package awsjson_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"errand/pkg/awsjson"
)

// What is plain is shown up to 64 characters.
func TestNames(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("n", 64)
	for name, want := range map[string]string{
		"a": "a", "A_b-9": "A_b-9", long: long, long + "n": "…", "": "…", "9a": "…", "a b": "…", "A=b": "…", "é": "…", "a.b": "…",
	} {
		if got := awsjson.Name(name); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
}

// Numbers that the field cannot hold, and fields that come twice, are told and not
// taken.
func TestNumbersAndRepeats(t *testing.T) {
	t.Parallel()
	type document struct {
		Small *int32
		Large int64
	}
	for _, tc := range []struct {
		text string
		want document
		bad  []awsjson.Problem
	}{
		{`{"small": 2147483647, "large": 9223372036854775807}`, document{new(int32(2147483647)), 9223372036854775807}, nil},
		{`{"small": 2147483648}`, document{new(int32(0)), 0}, []awsjson.Problem{{Path: "small", Text: "must be an integer of 32 bits"}}},
		{`{"small": -2147483649}`, document{new(int32(0)), 0}, []awsjson.Problem{{Path: "small", Text: "must be an integer of 32 bits"}}},
		{`{"large": 9223372036854775808}`, document{}, []awsjson.Problem{{Path: "large", Text: "must be an integer of 64 bits"}}},
		{`{"large": 1, "large": 2}`, document{nil, 1}, []awsjson.Problem{{Path: "large", Text: "given twice"}}},
	} {
		var got document
		bad := awsjson.Decode([]byte(tc.text), &got, awsjson.Advice{})
		if diff := cmp.Diff(tc.want, got) + cmp.Diff(tc.bad, bad); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.text, diff)
		}
	}
}
