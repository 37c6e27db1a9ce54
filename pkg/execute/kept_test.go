package execute_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"errand/pkg/report"
	"errand/pkg/result"
	"errand/pkg/run"
)

// A refused payload is told with its outline and its sender, and without its values.
func TestRefusedPayloadHasItsOutline(t *testing.T) {
	t.Parallel()
	s := start(t)
	r := s.exec(t, `{"detail-type": "Errand Job", "id": "e-1", "source": "com.example.shop",
		"detail": {"job": "cache-clear", "family": "web", "runId": "r-1", "command": ["x"], "comands": {"DB_PASSWORD": "hunter2"}}}`)
	if r.ReportedAt.IsZero() {
		t.Error("it is not told when it was reported")
	}
	want := result.Result{
		Stack: "jobs", ReportedAt: r.ReportedAt,
		Run: run.Run{Job: "cache-clear", ID: "r-1", Attempt: 1, Method: "exec"}, Status: run.Rejected,
		Reason: "comands: unknown field, did you mean command?", Place: result.Place{Command: []string{"x"}, Cluster: "jobs"},
		Source:  &result.Source{Source: "com.example.shop", DetailType: "Errand Job", EventID: "e-1"},
		Payload: []byte(`{"job":"cache-clear","family":"…","runId":"r-1","command":["…"],"comands":{"DB_PASSWORD":"…"}}`),
	}
	if diff := cmp.Diff(want, r); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
}

// A sender that would take an answer for a success gets an error.
func TestKept(t *testing.T) {
	t.Parallel()
	const twice = "the payload came in an array of 2, and errand takes one at a time: none of them was run; set the batch size of the pipe to 1, or send each by itself"
	one := payload(t, map[string]any{"command": []string{"true"}})
	for _, tc := range []struct {
		name, payload, want string
		told                int
	}{
		{"a queue", `{"Records": [{"messageId": "m", "body": "{}", "eventSource": "aws:sqs"}]}`, "this is an SQS batch, not a job payload; take the function's event source mapping away, and let a pipe (EventBridge Pipes, batch size 1) with an input template make a payload of each message, or send Errand Job events in place of messages", 0},
		{"two of a pipe", `[` + one + `, {"job": "other"}]`, twice, 2},
		{"a wrong one of a pipe", `[` + strings.Replace(one, "command", "comand", 1) + `]`, "comand: unknown field, did you mean command?", 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			for range 2 {
				_, err := s.deliver(t, "request-1", tc.payload)
				if _, ok := err.(report.NotBegun); !ok || err.Error() != tc.want { //nolint:errorlint // Lambda has its type
					t.Errorf("got  %v\nwant %s", err, tc.want)
				}
			}
			for _, r := range s.told {
				if r.Status != run.Rejected || r.Reason != tc.want || r.Payload == nil {
					t.Errorf("told %+v", r)
				}
			}
			if len(s.told) != tc.told {
				t.Errorf("told %d times", len(s.told))
			}
			if answer, err := s.deliver(t, "request-2", `[`+one+`]`); tc.told == 2 && (err != nil || answer.Status != "SUCCEEDED") {
				t.Errorf("by itself: %+v, %v", answer, err)
			}
		})
	}
}
