package launch_test

import (
	"strings"
	"testing"

	"errand/pkg/launch"
)

// ECS takes a startedBy of 128 characters, and so does the launcher.
func TestLongestStartedBy(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]string{127: "STARTED", 128: "STARTED", 129: "REJECTED"} {
		s := start(t, func(c *launch.Config) {
			c.StartedByPrefix = "errand/" + strings.Repeat("s", n-64-len("errand//")) + "/"
		})
		answer, err := s.invoke(t, `{"job": "`+strings.Repeat("j", 64)+`"}`)
		if err != nil || answer.Status != want {
			t.Errorf("%d characters: %+v, %v; want %s", n, answer, err, want)
		}
	}
}
