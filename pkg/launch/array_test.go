package launch_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Of an array people are told of the first hundred payloads, each under its own name.
func TestAHundredPayloadsOfAnArrayAreTold(t *testing.T) {
	t.Parallel()
	for _, n := range []int{99, 100, 101} {
		s := start(t)
		var parts, want []string
		for i := range n {
			parts = append(parts, fmt.Sprintf(`{"job": "j", "runId": "r-%d"}`, i))
			if i < 100 {
				want = append(want, fmt.Sprintf("r-%d", i))
			}
		}
		const rest = ", and errand takes one at a time: none of them was run; set the batch size of the pipe to 1, or send each by itself"
		_, err := s.invoke(t, "["+strings.Join(parts, ",")+"]")
		if text := fmt.Sprintf("the payload came in an array of %d", n) + rest; err == nil || err.Error() != text {
			t.Errorf("%d payloads: got %v, want %s", n, err, text)
		}
		var told []string
		for _, r := range s.published(t) {
			told = append(told, r["runId"].(string))
		}
		slices.Sort(told)
		slices.Sort(want)
		if diff := cmp.Diff(want, told); diff != "" {
			t.Errorf("%d payloads, told (-want +got):\n%s", n, diff)
		}
	}
}
