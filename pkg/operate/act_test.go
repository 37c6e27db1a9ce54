package operate_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"errand/pkg/ledger"
	"errand/pkg/operate"
	"errand/pkg/payload"
	"errand/pkg/run"
)

// wakeOf reads what a function was handed of a person.
func wakeOf(t testing.TB, c invocation) (wake ledger.Wake, fields map[string]any) {
	t.Helper()
	wake, ok := ledger.DecodeWake([]byte(c.Payload))
	if !ok {
		t.Fatalf("no wake: %s", c.Payload)
	}
	if err := json.Unmarshal(wake.Payload, &fields); err != nil {
		t.Fatal(err)
	}
	return wake, fields
}

// launcher answers as the launcher does, and starts a task of the ledger's.
func (s *stack) launcher(t testing.TB, then func(run.Run)) func(invocation) string {
	return func(c invocation) string {
		wake, _ := wakeOf(t, c)
		p, eventID, err := payload.Decode(wake.Payload)
		if err != nil {
			return "!" + err.Error()
		}
		r := p.Run(eventID, "request")
		s.claim(t, r, string(wake.Payload), wake.By)
		if then != nil {
			then(r)
		}
		return fmt.Sprintf(`{"job": %q, "runId": %q, "attempt": 1, "status": "STARTED", "taskArn": %q}`, r.Job, r.ID, taskARN("2"))
	}
}

func TestStart(t *testing.T) {
	t.Parallel()
	const id = "~" // one that is made up
	for _, tc := range []struct {
		name, payload string
		words         []string
		function      string
		want          map[string]any
	}{
		{
			"a payload gets an id", `{"job": "bill", "command": ["./bill"], "logLines": 12}`, nil, "errand-launcher",
			map[string]any{"job": "bill", "command": []any{"./bill"}, "logLines": 12.0, "runId": id},
		},
		{"its own id stays", `{"job": "bill", "runId": "r-7"}`, nil, "errand-launcher", map[string]any{"job": "bill", "runId": "r-7"}},
		{
			"a time says which run it is", `{"job": "bill", "scheduledTime": "2026-11-20T02:00:00Z"}`, nil, "errand-launcher",
			map[string]any{"job": "bill", "scheduledTime": "2026-11-20T02:00:00Z"},
		},
		{
			"a schedule's input", `{"job": "bill", "scheduledTime": "<aws.scheduler.scheduled-time>"}`, nil, "errand-launcher",
			map[string]any{"job": "bill", "scheduledTime": "2026-11-22T10:00:00Z", "runId": id},
		},
		{
			"an event", `{"version": "0", "id": "e-1", "detail-type": "Errand Job", "source": "x", "detail": {"job": "bill"}}`, nil, "errand-launcher",
			map[string]any{"job": "bill", "runId": id},
		},
		{
			"another command", `{"job": "bill", "command": "wrong"}`,
			[]string{"./bill", "--", "x"},
			"errand-launcher",
			map[string]any{"job": "bill", "command": []any{"./bill", "--", "x"}, "runId": id},
		},
		{
			"a command in a live task", `{"job": "clear", "method": "exec", "service": "web", "runId": "r-1"}`,
			[]string{"clear"},
			"errand-executor",
			map[string]any{"job": "clear", "method": "exec", "service": "web", "command": []any{"clear"}, "runId": "r-1"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			s.answer = func(invocation) string {
				return `{"job": "bill", "runId": "r", "attempt": 1, "status": "WAITING", "nextTryAt": "2026-11-22T10:01:00Z"}`
			}
			answer, err := s.Start(t.Context(), []byte(tc.payload), tc.words)
			if err != nil {
				t.Fatal(err)
			}
			calls := s.invoked()
			if len(calls) != 1 || calls[0].Function != tc.function || calls[0].Type != "RequestResponse" {
				t.Fatalf("called %+v", calls)
			}
			wake, fields := wakeOf(t, calls[0])
			if made, ok := fields["runId"].(string); ok && tc.want["runId"] == id && strings.HasPrefix(made, "bill-20261122T100000Z-") {
				fields["runId"] = id
			}
			if diff := cmp.Diff(tc.want, fields); diff != "" || wake.By != "ada" || wake.Wake != "start" {
				t.Errorf("sent by %q (-want +got):\n%s", wake.By, diff)
			}
			golden(t, "answer-waiting", answer)
		})
	}
}

func TestStartRefused(t *testing.T) {
	t.Parallel()
	s := start(t, func(s *stack) { delete(s.outputs, "ExecutorFunctionName") })
	s.answer = func(invocation) string { return "!the ledger is away" }
	for _, tc := range []struct{ payload, want string }{
		{`{"job": "a b"}`, `the payload is wrong: job: "a b" must be 1 to 64 letters, digits, - or _`},
		{`{"job": "a b", "service": "x", "taskDefinition": "y"}`, "the payload is wrong:\n  job: \"a b\" must be 1 to 64 letters, digits, - or _\n  service: excludes taskDefinition, since the service's own is taken; give one of the two"},
		{`{"job": "a", "method": "exec", "service": "x", "command": ["y"]}`, "stack errand has no executor, which commands in live tasks need: deploy it with EnableExec=true"},
		{`{"job": "a", "runId": "r"}`, "start run a/r: function errand-launcher failed: the ledger is away; errand show a/r tells whether it was started"},
	} {
		_, err := s.Start(t.Context(), []byte(tc.payload), nil)
		fails(t, err, tc.want)
	}
	if _, err := s.Start(t.Context(), []byte(`[`), nil); err == nil {
		t.Error("half of a payload is taken")
	}
	_, err := operate.ReadPayload("billing-daily")
	fails(t, err, "there is no file billing-daily; a job cannot be started by its name yet: give the file of its payload")
}

func TestWait(t *testing.T) {
	t.Parallel()
	one := exited(run.Failed, 42, "the container exited with 42", now, 5*time.Second)
	for _, tc := range []struct {
		name    string
		verdict ledger.Verdict
		code    int
	}{
		{"well", exited(run.Succeeded, 0, "", now, time.Second), 0},
		{"the command's own code", one, 42},
		{"no code", ledger.Verdict{Status: run.Failed, Ended: now}, 1},
		{"stopped", exited(run.Stopped, 143, "", now, time.Second), 1},
		{"timed out", exited(run.TimedOut, 137, "", now, time.Second), 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			s.define(t, "2", "loading rates")
			s.answer = s.launcher(t, nil)
			answer, err := s.Start(t.Context(), []byte(`{"job": "bill", "runId": "r-1", "taskDefinition": "billing"}`), nil)
			if err != nil || !answer.Well() {
				t.Fatal(answer, err)
			}
			var seen []string
			end, err := s.Wait(t.Context(), answer.Job, answer.RunID, func(_, _, status string, _ time.Time) {
				if len(seen) == 0 || seen[len(seen)-1] != status {
					seen = append(seen, status)
				}
				if r := job("bill", "r-1"); status == operate.Starting {
					s.launched(t, r, taskARN("2"))
				} else {
					s.ended(t, r, taskARN("2"), tc.verdict)
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{"STARTING", "STARTED"}, seen); diff != "" || end.ExitCode() != tc.code || end.By != "ada" {
				t.Errorf("exit code %d of %+v (-want +got):\n%s", end.ExitCode(), end, diff)
			}
			if tc.code == 42 {
				golden(t, "waited", end)
			}
		})
	}
}

func TestWaitGivenUp(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.claim(t, job("bill", "r-1"), `{}`, "")
	ctx, cancel := context.WithCancel(t.Context())
	_, err := s.Wait(ctx, "bill", "r-1", func(string, string, string, time.Time) { cancel() })
	fails(t, err, "no longer waiting for run bill/r-1, which goes on: errand show bill/r-1, errand stop bill/r-1")
	_, err = s.Wait(t.Context(), "bill", "r-2", nil)
	fails(t, err, "run bill/r-2 is not in the ledger, so that it cannot be waited for; it may run all the same")
}

func TestAgain(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.answer = s.launcher(t, nil)
	s.claim(t, job("bill", "r-1"), `{"job": "bill", "runId": "r-1", "command": ["./bill"]}`, "")
	var ids []string
	for _, of := range []string{"r-1", "r-1.2", "r-1", "bill/r-1.2"} {
		if _, err := s.Again(t.Context(), of); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range s.invoked() {
		_, fields := wakeOf(t, c)
		ids = append(ids, fields["runId"].(string))
	}
	if diff := cmp.Diff([]string{"r-1.2", "r-1.3", "r-1.4", "r-1.5"}, ids); diff != "" {
		t.Errorf("run ids (-want +got):\n%s", diff)
	}
	s.claim(t, job("bill", "long"), `{"job": "bill", "command": ["`+strings.Repeat("x", 64<<10)+`"]}`, "")
	_, err := s.Again(t.Context(), "long")
	fails(t, err, "the payload of run bill/long is not kept: it was longer than 64 KiB, or nobody ever had it. Start the run by its file: errand start FILE")

	clear := run.Run{Job: "clear", ID: "e-1", Attempt: 1, Method: run.MethodExec}
	s.claim(t, clear, `{"job": "clear", "service": "web", "command": ["clear"]}`, "")
	s.answer = func(invocation) string {
		return `{"job": "clear", "runId": "e-1.2", "attempt": 1, "status": "FAILED", "reason": "the command exited with 3"}`
	}
	answer, err := s.Again(t.Context(), "e-1")
	if err != nil || answer.Well() {
		t.Errorf("got %+v, %v", answer, err)
	}
	if calls := s.invoked(); calls[len(calls)-1].Function != "errand-executor" {
		t.Errorf("called %+v", calls[len(calls)-1])
	}
	golden(t, "answer-failed", answer)
}

func TestStop(t *testing.T) {
	t.Parallel()
	s := start(t)
	seed(t, s)
	stopped, err := s.Stop(t.Context(), "r-2", "")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "stop-waiting", stopped)
	if got, err := s.Show(t.Context(), "r-2"); err != nil || got.Status != operate.Ending || got.Reason != "stopped by ada" {
		t.Errorf("got %+v, %v", got, err)
	}
	golden(t, "stop-running", operate.Stopped{Job: "import", RunID: "r-1", Attempt: 1, Status: operate.Stopping, By: "ada", Reason: "wrong day", TaskARN: taskARN("1")})
	s.claim(t, run.Run{Job: "cache-clear", ID: "e-2", Attempt: 1, Method: run.MethodExec}, `{}`, "")
	for name, want := range map[string]string{
		"r-2":                                  "run import/r-2 is given up already, and its end is being told",
		"billing-daily-20261119T020000Z":       "run billing-daily/billing-daily-20261119T020000Z has ended already, at 2026-11-19 02:08:42 UTC: FAILED",
		"cache-clear/e-2":                      "run cache-clear/e-2 is a command in a live task, which only its own timeout ends, at 2026-11-22 10:02:05 UTC at the latest",
		"0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9": "run a-job-whose-name-is-as-long-as-the-name-of-a-job-can-be-not-more/0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9 is being started at this moment, so that it has no task yet: try again in a minute",
		"import/r-1":                           "stop task 1f000000000000000000000000000000 of run import/r-1: InvalidParameterException: The referenced task was not found",
	} {
		_, err := s.Stop(t.Context(), name, "")
		fails(t, err, want)
	}
}
