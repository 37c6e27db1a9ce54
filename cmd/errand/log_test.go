package main

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A line that CloudWatch Logs shows late is in the result, and a job that writes
// nothing is asked for once: two pages, of which the second says that there is no
// other.
func TestLateLines(t *testing.T) {
	t.Parallel()
	type log struct {
		Status  string
		Lines   []string
		Settled bool
	}
	type outcome struct {
		Log   log
		Pages int
	}
	for _, tt := range []struct {
		name, payload string
		late          time.Duration
		want          outcome
	}{
		{"3 seconds late", `{"job": "a", "command": ["echo", "done"]}`, 3 * time.Second, outcome{log{"ok", []string{"done"}, true}, 2}},
		{"5 seconds late", `{"job": "a", "command": ["echo", "done"]}`, 5 * time.Second, outcome{log{"ok", []string{"done"}, true}, 2}},
		{"9 seconds late", `{"job": "a", "command": ["echo", "done"]}`, 9 * time.Second, outcome{log{"ok", []string{"done"}, true}, 2}},
		{"silent", `{"job": "a", "command": ["true"]}`, 0, outcome{log{"empty", nil, true}, 2}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, brisk)
			w.Server.LagLogs(tt.late)
			w.launch(t, tt.payload)
			results := decoded[struct{ Log log }](t, w.messages(t, 1))
			if diff := cmp.Diff(tt.want, outcome{results[0].Log, w.Server.Calls("GetLogEvents")}); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
