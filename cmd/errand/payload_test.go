package main

import (
	"bytes"
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"errand/pkg/payload"
)

func TestFunctionFor(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ payload, want string }{
		{`{"job": "a"}`, "launcher"},
		{`{"job": "a", "method": "run-task"}`, "launcher"},
		{`{"job": "a", "method": "exec"}`, "executor"},
		{`{"job": "a", "service": "web", "command": ["ls"]}`, "launcher"},
		{`{"detail-type": "Errand Job", "detail": {"job": "a", "method": "exec"}}`, "executor"},
		{`{"detail-type": "Errand Job", "detail": {"job": "a"}, "method": "exec"}`, "launcher"},
		// What nothing can be made of is for the launcher to refuse.
		{`{"detail-type": "Another", "detail": {"job": "a", "method": "exec"}}`, "launcher"},
		{`{"detail-type": "Errand Job"}`, "launcher"},
		{`{"job": "a", "Method": "exec"}`, "launcher"},
		{`{"job": "a", "method": ["exec"]}`, "launcher"},
		{`{"job": "a", "method": "Exec"}`, "launcher"},
		{`["exec"]`, "launcher"},
		{`{"method": "exec"`, "launcher"},
		{``, "launcher"},
	} {
		if got := functionFor([]byte(tc.payload)); got != tc.want {
			t.Errorf("%s: got %s, want %s", tc.payload, got, tc.want)
		}
	}
}

func TestScheduled(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 20, 3, 0, 41, 5, time.FixedZone("CET", 3600))
	input := `{"job": "a", "scheduledTime": "<aws.scheduler.scheduled-time>", "command": ["x", "<aws.scheduler.schedule-arn>", "<aws.scheduler.execution-id>", "try <aws.scheduler.attempt-number>", "<b>"]}`
	p, _, err := payload.Decode(scheduled([]byte(input), now))
	if err != nil || len(p.Command) != 5 {
		t.Fatalf("%v, command %q", err, p.Command)
	}
	if want := time.Date(2026, 11, 20, 2, 0, 0, 0, time.UTC); !p.ScheduledTime.Equal(want) {
		t.Errorf("scheduled for %v, want %v", p.ScheduledTime, want)
	}
	if uuid := `^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`; !regexp.MustCompile(uuid).MatchString(p.Command[2]) {
		t.Errorf("execution id %q", p.Command[2])
	}
	p.Command[2] = "id"
	want := []string{"x", "arn:aws:scheduler:eu-west-1:123456789012:schedule/errand-local/try", "id", "try 1", "<b>"}
	if diff := cmp.Diff(want, p.Command); diff != "" {
		t.Errorf("command (-want +got):\n%s", diff)
	}
}

var firstJob = regexp.MustCompile(`\{\s*"job"`)

// What the documents and the examples show can be tried as it stands there.
func TestPayloadsToRead(t *testing.T) {
	t.Parallel()
	tried := map[string]int{}
	for _, file := range []string{
		"README.md", "docs/exec.md", "examples/cloudformation/scheduled-job.yaml", "examples/cloudformation/live-command.yaml",
	} {
		text, err := os.ReadFile("../../" + file)
		if err != nil {
			t.Fatal(err)
		}
		for _, at := range firstJob.FindAllIndex(text, -1) {
			// A payload may stand in YAML or a shell's command.
			var raw json.RawMessage
			if err := json.NewDecoder(bytes.NewReader(text[at[0]:])).Decode(&raw); err != nil {
				t.Errorf("%s: not JSON: %v\n%s", file, err, text[at[0]:])
				continue
			}
			tried[file+" "+functionFor(raw)]++
			t.Run(file, func(t *testing.T) {
				t.Parallel()
				_, out, errOut := tryFile(t, payloadFile(t, string(raw)), "--clock=10")
				// Most name a program that this machine has not; the run then fails.
				if errOut != "" || !strings.Contains(out, `"status": "`) || strings.Contains(out, "REJECTED") {
					t.Errorf("%s\n%s", errOut, out)
				}
			})
		}
	}
	want := map[string]int{
		"README.md launcher": 2, "docs/exec.md executor": 2,
		"examples/cloudformation/scheduled-job.yaml launcher": 1, "examples/cloudformation/live-command.yaml executor": 1,
	}
	if diff := cmp.Diff(want, tried); diff != "" {
		t.Errorf("payloads by place and function (-want +got):\n%s", diff)
	}
}
