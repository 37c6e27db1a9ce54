package collect_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"errand/pkg/ledger"
	"errand/pkg/report"
	"errand/pkg/run"
)

// The run of the samples in events/collector, and its task.
const (
	runID   = "billing-daily-20261120T020000Z"
	task    = "arn:aws:ecs:eu-west-1:123456789012:task/jobs/7b3a9c51e0f24d7f9a6d0c2e8b41f5d3"
	cluster = "arn:aws:ecs:eu-west-1:123456789012:cluster/jobs"
)

var (
	due     = time.Date(2026, 11, 20, 2, 0, 0, 0, time.UTC)
	theRun  = run.Run{Job: "billing-daily", ID: runID, Attempt: 1, Method: run.MethodRunTask, ScheduledTime: due}
	theKey  = ledger.KeyOf(theRun)
	payload = []byte(`{"job":"billing-daily","command":["./bill"],"scheduledTime":"2026-11-20T02:00:00Z","timeout":"2h"}`)
)

// claim is the launcher's, now.
func (s *stack) claim(t testing.TB) ledger.Hold {
	t.Helper()
	hold, ok, err := s.book.Claim(t.Context(), s.delivery())
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	return hold
}

func (s *stack) delivery() ledger.Delivery {
	return ledger.Delivery{Run: theRun, Digest: "command:1", Payload: payload, Cluster: cluster, Holder: "launcher-1", Until: s.now.Add(time.Minute)}
}

// launch puts the run into the ledger as the launcher does.
func (s *stack) launch(t testing.TB) {
	t.Helper()
	s.claim(t)
	if _, ok, err := s.book.Launched(t.Context(), theKey, cluster, task, ledger.Limits{Start: 30 * time.Minute, Timeout: 2 * time.Hour}); err != nil || !ok {
		t.Fatal(ok, err)
	}
}

// conclude is another invocation's, which goes no further.
func (s *stack) conclude(t testing.TB, v ledger.Verdict) {
	t.Helper()
	other := ledger.Reporter{ID: "another", Until: s.now.Add(time.Minute)}
	if _, refused, err := s.book.Conclude(t.Context(), other, ledger.End{Run: theRun, Cluster: cluster, Task: task, Verdict: v}); err != nil || refused != "" {
		t.Fatal(refused, err)
	}
}

// stopFor is the watchdog's.
func (s *stack) stopFor(t testing.TB, why string) {
	t.Helper()
	entries, err := s.book.Open(t.Context(), time.Time{}, 10)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := s.book.Read(t.Context(), entries)
	if err != nil || len(rows) != 1 {
		t.Fatal(rows, err)
	}
	if ok, err := s.book.StopFor(t.Context(), rows[0], why, s.now.Add(time.Minute)); err != nil || !ok {
		t.Fatal(ok, err)
	}
}

const exitedWith3 = "container app exited with code 3"

var both = []told{{"results", "FAILED", exitedWith3}, {"text", "FAILED", "exit code 3 after 6m38s"}}

// reported is the attempt of the run after the sample "failed".
func (s *stack) reported() ledger.Attempt {
	ended := time.Date(2026, 11, 20, 2, 7, 8, 514e6, time.UTC)
	return ledger.Attempt{
		Key: theKey, Version: 1, State: ledger.Launched, Method: run.MethodRunTask, FirstClaim: s.begun, ScheduledTime: due,
		Digest: "command:1", Payload: payload, Cluster: cluster, Task: task, Claims: 1, Holder: "launcher-1",
		StartTimeout: 30 * time.Minute, Timeout: 2 * time.Hour, StartBy: s.begun.Add(30 * time.Minute),
		Reporter: "me", Reports: 1,
		Verdict: &ledger.Verdict{Status: run.Failed, ExitCode: aws.Int(3), Reason: exitedWith3, Started: time.Date(2026, 11, 20, 2, 0, 31, 6e6, time.UTC), Ended: ended},
		Told:    []string{"results", "text"}, Reported: s.begun, Expires: s.begun.Add(90 * 24 * time.Hour),
	}
}

// A plain run costs the collector three writes and a publication for each topic, and
// one write more when it is the job's first end, or ends otherwise than the last.
func TestWhatARunCosts(t *testing.T) {
	t.Parallel()
	s := start(t)
	for _, tc := range []struct {
		name, run string
		want      []string
	}{
		{"the first end of a job", "first", []string{"DescribeTaskDefinition", "UpdateItem", "UpdateItem", "UpdateItem", "Publish", "Publish", "UpdateItem"}},
		{"like the one before", "second", []string{"UpdateItem", "UpdateItem", "Publish", "Publish", "UpdateItem"}},
	} {
		s.wire.take()
		raw := strings.ReplaceAll(string(event(t, "failed")), runID, tc.run)
		if got, err := s.invoke(t, tc.name, json.RawMessage(raw)); err != nil || !slices.Equal(got, both) {
			t.Errorf("%s: %v, %v", tc.name, got, err)
		}
		calls := slices.DeleteFunc(s.wire.take(), func(operation string) bool { return operation == "GetLogEvents" })
		expect(t, "calls for "+tc.name, tc.want, calls)
	}
}

func TestMarksTheRun(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.launch(t)
	got, err := s.invoke(t, "me", event(t, "failed"))
	if err != nil {
		t.Fatal(err)
	}
	expect(t, "told", both, got)
	want, a := s.reported(), s.attempt(t, theKey)
	want.ReportUntil = s.lease(t, a)
	expect(t, "the attempt", want, a)
	entries, err := s.book.Open(t.Context(), time.Time{}, 10)
	if len(entries) > 0 || err != nil {
		t.Errorf("still open: %v, %v", entries, err)
	}
}

// However often and late the stop event comes, and whoever else is at it.
func TestStopEvents(t *testing.T) {
	t.Parallel()
	missing := map[string]any{"errand": "missing", "job": "billing-daily", "runId": runID, "attempt": 1}
	failed := ledger.Verdict{Status: run.Failed, ExitCode: aws.Int(3), Reason: exitedWith3, Ended: due}
	for _, tc := range []struct {
		name    string
		prepare func(*testing.T, *stack)
		event   func(*testing.T) any
		want    []told
		metrics []string
	}{
		{name: "of a run that is not in the ledger", want: both},
		{name: "for the second time", prepare: func(t *testing.T, s *stack) {
			s.launch(t)
			if got, err := s.invoke(t, "the first", event(t, "failed")); err != nil || len(got) != 2 {
				t.Fatal(got, err)
			}
			s.now = s.now.Add(24 * time.Hour)
		}},
		{name: "while another is reporting", prepare: func(t *testing.T, s *stack) {
			s.launch(t)
			s.conclude(t, failed)
		}, metrics: []string{report.Dropped}},
		{name: "after another has died", prepare: func(t *testing.T, s *stack) {
			s.launch(t)
			s.conclude(t, failed)
			s.now = s.now.Add(10 * time.Minute)
		}, want: both, metrics: []string{report.Doubles}},
		{
			name: "never, after another has died", prepare: func(t *testing.T, s *stack) {
				s.launch(t)
				s.conclude(t, failed)
				s.now = s.now.Add(10 * time.Minute)
			},
			event: func(*testing.T) any { return missing }, want: []told{{"results", "FAILED", exitedWith3}, {"text", "FAILED", exitedWith3}},
			metrics: []string{report.Doubles},
		},
		{
			name: "never", prepare: func(t *testing.T, s *stack) { s.launch(t) },
			event: func(*testing.T) any { return missing },
			want: []told{
				{"results", "LOST", "it is not known how the run ended: its stop event did not arrive, and ECS shows its task no more"},
				{"text", "LOST", "... its stop event did not arrive, and ECS shows its task no more"},
			},
		},
		{
			name: "of a second task", prepare: func(t *testing.T, s *stack) { s.launch(t) },
			event: func(t *testing.T) any {
				return json.RawMessage(strings.ReplaceAll(string(event(t, "failed")), "7b3a9c51e0f24d7f9a6d0c2e8b41f5d3", "0123456789abcdef0123456789abcdef"))
			},
		},
		{
			name: "of a job that no ledger has a key for",
			event: func(t *testing.T) any {
				return json.RawMessage(strings.ReplaceAll(string(event(t, "failed")), `"value": "billing-daily"`, `"value": "billing#daily"`))
			},
			want: both,
		},
		{name: "whose item cannot be read", prepare: func(t *testing.T, s *stack) {
			s.launch(t)
			s.conclude(t, failed)
			s.wire.respond(func(c call) *http.Response {
				if c.operation != "UpdateItem" {
					return nil
				}
				r := refuse(400, "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException")
				r.Body = body(`{"__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException", "message": "no",
					"Item": {"pk": {"S": "run#billing-daily#r"}, "sk": {"S": "a#01"}, "state": {"S": "OF TOMORROW"}}}`)
				return r
			})
		}, want: both, metrics: []string{report.WithoutLedger}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			if tc.prepare != nil {
				tc.prepare(t, s)
			}
			s.metrics.names(t)
			var raw any = event(t, "failed")
			if tc.event != nil {
				raw = tc.event(t)
			}
			got, err := s.invoke(t, "me", raw)
			if err != nil {
				t.Fatal(err)
			}
			expect(t, "told", tc.want, got)
			expect(t, "metrics", tc.metrics, s.metrics.names(t))
		})
	}
}

// A task that somebody started without a run is one by its own id.
func TestStartedByHandIsToldOnce(t *testing.T) {
	t.Parallel()
	s := start(t)
	for _, want := range []int{2, 0} {
		if got, err := s.invoke(t, "me", event(t, "started-by-hand")); err != nil || len(got) != want {
			t.Errorf("%v, %v; want %d", got, err, want)
		}
	}
	a := s.attempt(t, ledger.Key{Job: "billing-daily", RunID: "7b3a9c51e0f24d7f9a6d0c2e8b41f5d3", Attempt: 1})
	if a.Reported.IsZero() || a.Task != task || a.Verdict.Status != run.Lost {
		t.Errorf("%+v", a)
	}
}

// Why a task was stopped stands in the ledger; whether it was, in the event.
func TestStoppedByErrand(t *testing.T) {
	t.Parallel()
	byECS := func(t *testing.T) json.RawMessage { return event(t, "failed") }
	stopped := func(t *testing.T) json.RawMessage { return event(t, "stopped-by-user") }
	unstarted := func(t *testing.T) json.RawMessage {
		var e map[string]any
		if err := json.Unmarshal(stopped(t), &e); err != nil {
			t.Fatal(err)
		}
		detail := e["detail"].(map[string]any)
		delete(detail, "startedAt")
		raw, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	const rest = "; container app exited with code 143 (SIGTERM)"
	for _, tc := range []struct {
		name   string
		why    []string // in this order, the last one in the middle of the writes
		race   string
		event  func(*testing.T) json.RawMessage
		status run.Status
		reason string
	}{
		{"for its timeout", []string{"timeout"}, "", stopped, run.TimedOut, "the command did not end within 2h, its timeout, and was stopped" + rest},
		{"which it ended before", []string{"timeout"}, "", byECS, run.Failed, exitedWith3},
		{"for its start", []string{"start"}, "", unstarted, run.StartFailed, "the task did not start within 30m, and was stopped" + rest},
		{"for its start, which was just in time", []string{"start"}, "", stopped, run.Stopped, "the task was stopped: Task stopped by user" + rest},
		{"for both", []string{"start", "timeout"}, "", stopped, run.TimedOut, "the command did not end within 2h, its timeout, and was stopped" + rest},
		{"by a person", []string{"person"}, "", stopped, run.Stopped, "the task was stopped by alice: it hangs" + rest},
		{"by a person, who is written between", nil, "person", stopped, run.Stopped, "the task was stopped by alice: it hangs" + rest},
		{"for its timeout, which is written between", []string{"start"}, "timeout", unstarted, run.TimedOut, "the command did not end within 2h, its timeout, and was stopped" + rest},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			s.launch(t)
			stop := func(why string) {
				if why != "person" {
					s.stopFor(t, why)
				} else if _, refused, err := s.book.StopByPerson(t.Context(), s.attempt(t, theKey), "alice", ": it hangs"); err != nil || refused != "" {
					t.Error(refused, err)
				}
			}
			for _, why := range tc.why {
				stop(why)
			}
			s.wire.take()
			nth := len(tc.why) + 1 // with one there, the first write learns of it
			s.wire.respond(func(c call) *http.Response {
				if c.operation == "UpdateItem" && c.n == nth && tc.race != "" {
					s.wire.respond(nil)
					stop(tc.race)
				}
				return nil
			})
			got, err := s.invoke(t, "me", tc.event(t))
			if err != nil || len(got) != 2 {
				t.Fatal(got, err)
			}
			expect(t, "told", told{"results", string(tc.status), tc.reason}, got[0])
			a := s.attempt(t, theKey)
			if a.Reported.IsZero() || a.Verdict.Status != tc.status || a.Verdict.Reason != tc.reason {
				t.Errorf("%+v", a.Verdict)
			}
		})
	}
}
