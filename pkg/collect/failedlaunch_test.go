package collect_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"errand/pkg/ledger"
	payloads "errand/pkg/payload"
	"errand/pkg/run"
)

const commandPayload = `{"job":"billing-daily","service":"web","command":["./bill"],"scheduledTime":"2026-11-20T02:00:00Z"}`

// given is Lambda's record of an invocation that it gave up.
func given(function, requestID, condition, payload, response string) json.RawMessage {
	return json.RawMessage(`{"requestContext": {"requestId": "` + requestID + `", "condition": "` + condition + `", "approximateInvokeCount": 1,
		"functionArn": "arn:aws:lambda:eu-west-1:123456789012:function:jobs-` + function + `Function-1A2B"},
		"requestPayload": ` + payload + `, "responsePayload": ` + response + `}`)
}

const (
	failedForSure = `{"errorMessage": "no capacity", "errorType": "wrapError"}`
	timedOut      = `{"errorMessage": "Task timed out after 120.00 seconds"}`
	notBegun      = `{"errorMessage": "the ledger is away", "errorType": "NotBegun"}`
)

// claimed puts an attempt into the ledger, as a function does that was handed raw.
func (s *stack) claimed(t *testing.T, method, raw, holder string) {
	t.Helper()
	d := s.delivery()
	d.Run.Method, d.Once, d.Holder = method, method == run.MethodExec, holder
	d.Payload, d.Digest = []byte(raw), payloads.Digest([]byte(raw))
	if _, ok, err := s.book.Claim(t.Context(), d); err != nil || !ok {
		t.Fatal(ok, err)
	}
}

// What Lambda gave up is ended if nobody else is at it.
func TestGivenUp(t *testing.T) {
	t.Parallel()
	job := string(payload)
	other := `{"job":"billing-daily","command":["./other"],"scheduledTime":"2026-11-20T02:00:00Z"}`
	launcher := func(payload, response string) json.RawMessage {
		return given("Launcher", "launcher-1", "RetriesExhausted", payload, response)
	}
	executor := func(id, condition, response string) json.RawMessage {
		return given("Executor", id, condition, commandPayload, response)
	}
	byLauncher := func(t *testing.T, s *stack) { s.claimed(t, run.MethodRunTask, job, "launcher-1") }
	byExecutor := func(t *testing.T, s *stack) { s.claimed(t, run.MethodExec, commandPayload, "executor-1") }
	after := func(prepare func(*testing.T, *stack), d time.Duration) func(*testing.T, *stack) {
		return func(t *testing.T, s *stack) { prepare(t, s); s.later(d) }
	}
	for _, tc := range []struct {
		name    string
		prepare func(*testing.T, *stack)
		record  json.RawMessage
		status  run.Status // "" if nothing is told
		reason  string
	}{
		{"never claimed", nil, launcher(job, failedForSure), run.LaunchFailed, "no capacity"},
		{"never claimed, and perhaps started", nil, launcher(job, timedOut), run.Lost, "Task timed out after 120.00 seconds"},
		{"claimed, perhaps by one that lives", byLauncher, launcher(job, failedForSure), "", ""},
		{"claimed by one that is dead", after(byLauncher, 3*time.Minute), launcher(job, timedOut), run.LaunchFailed, "Task timed out after 120.00 seconds"},
		{"claimed by one that is long dead", after(byLauncher, 2*time.Hour), launcher(job, failedForSure), run.Lost, "no capacity"},
		{"launched", func(t *testing.T, s *stack) {
			byLauncher(t, s)
			if _, ok, err := s.book.Launched(t.Context(), theKey, cluster, task, ledger.Limits{Start: time.Hour}); err != nil || !ok {
				t.Fatal(ok, err)
			}
			s.later(3 * time.Minute)
		}, launcher(job, failedForSure), "", ""},
		{"reported", func(t *testing.T, s *stack) {
			if got, err := s.invoke(t, "first", event(t, "failed")); err != nil || len(got) != 2 {
				t.Fatal(got, err)
			}
		}, launcher(job, failedForSure), "", ""},
		{"refused by another", func(t *testing.T, s *stack) {
			d := s.delivery()
			d.Digest = payloads.Digest(payload)
			hold, _, err := s.book.Claim(t.Context(), d)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.book.Note(t.Context(), hold, run.Missed, "the run came late"); err != nil {
				t.Fatal(err)
			}
			s.later(3 * time.Minute)
		}, launcher(job, failedForSure), run.Missed, "the run came late"},
		{
			"another payload under the run's identity", byLauncher, launcher(other, failedForSure), run.Rejected,
			"runId: run " + runID + " of job billing-daily was delivered before, with a payload that differs in command, timeout; this one was not run: give each its own runId, scheduledTime or job",
		},
		{"a payload that is wrong", nil, launcher(`{"job":"billing-daily","comand":["./bill"]}`, failedForSure), run.Rejected, "comand: unknown field, did you mean command?"},
		{"a launch that was due", byLauncher, launcher(`{"errand":"launch","job":"billing-daily","runId":"`+runID+`","attempt":1}`, failedForSure), "", ""},
		{"a person's start", nil, launcher(`{"errand":"start","by":"alice","payload":`+job+`}`, failedForSure), run.LaunchFailed, "no capacity"},

		{"a command that was claimed", byExecutor, executor("executor-1", "RetriesExhausted", timedOut), run.Lost, "the executor failed, and the command may have run: Task timed out after 120.00 seconds"},
		{"a command whose claim had no answer", byExecutor, executor("executor-1", "RetriesExhausted", notBegun), run.StartFailed, "the command was not run: the ledger is away"},
		{"a command that was never claimed", nil, executor("executor-1", "RetriesExhausted", notBegun), run.StartFailed, "the command was not run: the ledger is away"},
		{"a command that waited for too long", nil, executor("executor-1", "EventAgeExceeded", `null`), run.StartFailed, "the command was not run: Lambda could not run the executor in time"},
		{"a command that another runs", byExecutor, executor("executor-2", "RetriesExhausted", timedOut), "", ""},
		{"a command that another runs, too late", byExecutor, executor("executor-2", "EventAgeExceeded", `null`), "", ""},
		{
			"a command with which another died", after(byExecutor, 3*time.Minute), executor("executor-2", "EventAgeExceeded", `null`), run.Lost,
			"it is not known whether the command ran: the executor ended without a word",
		},
		{"a command that ended", func(t *testing.T, s *stack) {
			byExecutor(t, s)
			r := theRun
			r.Method = run.MethodExec
			end := ledger.End{Run: r, Verdict: ledger.Verdict{Status: run.Failed, ExitCode: aws.Int(3), Ended: s.now}}
			if _, refused, err := s.book.Conclude(t.Context(), ledger.Reporter{ID: "executor-1", Until: s.now}, end); err != nil || refused != "" {
				t.Fatal(refused, err)
			}
			s.later(time.Minute)
		}, executor("executor-1", "RetriesExhausted", timedOut), "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			if tc.prepare != nil {
				tc.prepare(t, s)
			}
			// The record may come twice.
			for i := range 2 {
				got, err := s.invoke(t, "me", tc.record)
				if err != nil {
					t.Fatal(err)
				}
				switch {
				case i == 1 || tc.status == "":
					expect(t, "told", nil, got)
				case len(got) != 2:
					t.Errorf("told %v", got)
				default:
					expect(t, "told", told{"results", string(tc.status), tc.reason}, got[0])
				}
			}
		})
	}
}

// The item of a run that nobody claimed is what a launcher would have put.
func TestGivenUpIsPut(t *testing.T) {
	t.Parallel()
	s := start(t)
	raw := `{"job":"billing-daily","command":["./bill"],"scheduledTime":"2026-11-20T02:00:00Z","schedule":"arn:aws:scheduler:eu-west-1:123456789012:schedule/errand/billing"}`
	record := given("Launcher", "launcher-1", "RetriesExhausted", `{"errand":"start","by":"alice","payload":`+raw+`}`, failedForSure)
	if got, err := s.invoke(t, "me", record); err != nil || len(got) != 2 {
		t.Fatal(got, err)
	}
	a := s.attempt(t, theKey)
	if a.Verdict == nil || a.Verdict.Ended.IsZero() {
		t.Fatalf("%+v", a)
	}
	want := ledger.Attempt{
		Key: theKey, Version: 1, State: ledger.Abandoned, Method: run.MethodRunTask, FirstClaim: s.now, ScheduledTime: due,
		Schedule: "arn:aws:scheduler:eu-west-1:123456789012:schedule/errand/billing", Digest: payloads.Digest([]byte(raw)), Payload: []byte(raw), Person: "alice",
		Reporter: "me", ReportUntil: s.lease(t, a), Reports: 1,
		Verdict: &ledger.Verdict{Status: run.LaunchFailed, Reason: "no capacity", Ended: a.Verdict.Ended},
		Told:    []string{"results", "text"}, Reported: s.now, Expires: s.now.Add(90 * 24 * time.Hour),
	}
	expect(t, "the attempt", want, a)
}

// Without the table, what Lambda gave up is told all the same.
func TestGivenUpWithoutTheTable(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.away(func(call) bool { return true })
	got, err := s.invokeUntil(t, "me", time.Now().Add(2*time.Second), given("Launcher", "launcher-1", "RetriesExhausted", string(payload), failedForSure))
	if err != nil || len(got) != 2 || got[0] != (told{"results", "LAUNCH_FAILED", "no capacity"}) {
		t.Errorf("told %v, %v", got, err)
	}
	expect(t, "metrics", []string{"WithoutLedger"}, s.metrics.names(t))
}
