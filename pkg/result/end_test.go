package result_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"errand/pkg/result"
)

// The end of a run is its command's; the task's has ECS's clean-up in it.
func TestEndOfTheCommand(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		stopped time.Time
		seconds string
		row     string
		subject string
	}{
		{"known", time.Date(2026, 11, 20, 2, 0, 33, 306e6, time.UTC), "2.3", "Ended       Fri 2026-11-20 02:00:33 UTC", "after 2.3s"},
		{"a whole second", time.Date(2026, 11, 20, 2, 0, 41, 6e6, time.UTC), "10.0", "Ended       Fri 2026-11-20 02:00:41 UTC", "after 10s"},
		{"not known", time.Time{}, "430.2", "Ended       Fri 2026-11-20 02:07:41 UTC", "after 7m10s"},
		{"before the start", time.Date(2026, 11, 20, 1, 0, 0, 0, time.UTC), "430.2", "Ended       Fri 2026-11-20 02:07:41 UTC", "after 7m10s"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := failed()
			r.ExecutionStoppedAt = tc.stopped
			var got struct {
				ExecutionStoppedAt time.Time
				DurationSeconds    json.RawMessage
			}
			if err := json.Unmarshal(r.JSON(1<<18), &got); err != nil {
				t.Fatal(err)
			}
			if string(got.DurationSeconds) != tc.seconds || !got.ExecutionStoppedAt.Equal(tc.stopped) {
				t.Errorf("got %s and %s", got.DurationSeconds, got.ExecutionStoppedAt)
			}
			if text := r.Text(1 << 18); !strings.Contains(text, tc.row+"\n") {
				t.Errorf("%s is not in\n%s", tc.row, text)
			}
			if subject := r.Subject(); !strings.HasSuffix(subject, tc.subject) {
				t.Errorf("subject %s", subject)
			}
		})
	}
}

func TestLimitsAndReasonsOfContainers(t *testing.T) {
	t.Parallel()
	r := failed()
	r.Limits = &result.Limits{Memory: 512}
	r.Containers[0].Reason = "OutOfMemoryError:\nContainer killed \x1b[31m" + strings.Repeat("x", 2000)
	kept := r.Containers[0].Reason
	var got struct {
		Limits     map[string]int
		Containers []result.Container
	}
	if err := json.Unmarshal(r.JSON(1<<18), &got); err != nil {
		t.Fatal(err)
	}
	want := failed().Containers
	want[0].Reason = ("OutOfMemoryError: Container killed " + strings.Repeat("x", 2000))[:1<<10] + "…"
	if diff := cmp.Diff(want, got.Containers); diff != "" {
		t.Errorf("containers (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]int{"memory": 512}, got.Limits); diff != "" {
		t.Errorf("limits (-want +got):\n%s", diff)
	}
	if r.Containers[0].Reason != kept {
		t.Error("the result itself was changed")
	}
}
