package report_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"reflect"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/google/go-cmp/cmp"

	"errand/pkg/ledger"
	"errand/pkg/ledger/ledgertest"
	"errand/pkg/metric"
	"errand/pkg/report"
	"errand/pkg/result"
	"errand/pkg/run"
)

// topic is one that tells the test what it is told.
type topic func(result.Result) error

func (topic) Topics() []string { return []string{"results"} }

func (p topic) Publish(_ context.Context, _ string, r result.Result, _ func()) error { return p(r) }

const task = "arn:aws:ecs:eu-west-1:123456789012:task/jobs/0123"

var (
	theRun = run.Run{Job: "bill", ID: "r-1", Attempt: 1, Method: run.MethodRunTask}
	ended  = time.Date(2026, 11, 20, 2, 7, 41, 0, time.UTC)
	failed = result.Result{Run: theRun, Status: run.Failed, Reason: "container app exited with code 3", TaskARN: task, StoppedAt: ended}
)

// desk is a Reporter with an empty ledger, and what it told people.
type desk struct {
	*report.Reporter
	book *ledger.Ledger
	now  time.Time
	told []result.Result
	log  bytes.Buffer
	fail error
}

func open(t *testing.T) *desk {
	t.Helper()
	d := &desk{now: time.Now().UTC().Truncate(time.Second)}
	d.book, _ = ledgertest.New(t, func(c *ledger.Config) { c.Now = func() time.Time { return d.now } })
	d.Reporter = report.New(d.book, topic(func(r result.Result) error {
		if r.Stack != "jobs" || !r.ReportedAt.Equal(d.now) {
			t.Errorf("published for stack %q, reported at %s; want jobs, %s", r.Stack, r.ReportedAt, d.now)
		}
		r.Stack, r.ReportedAt = "", time.Time{}
		if d.fail == nil {
			d.told = append(d.told, r)
		}
		return d.fail
	}), metric.New(io.Discard, "errand/jobs/", time.Now), slog.New(slog.NewJSONHandler(&d.log, nil)))
	return d
}

func invocation(t *testing.T) context.Context {
	t.Helper()
	return lambdacontext.NewContext(t.Context(), &lambdacontext.LambdaContext{AwsRequestID: "me"})
}

// claim puts the run into the ledger.
func (d *desk) claim(t *testing.T) ledger.Hold {
	t.Helper()
	hold, ok, err := d.book.Claim(t.Context(), ledger.Delivery{Run: theRun, Digest: "command:1", Until: d.now.Add(time.Minute)})
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	return hold
}

func TestReport(t *testing.T) {
	t.Parallel()
	d := open(t)
	if err := d.Report(t.Context(), failed); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]result.Result{failed}, d.told); diff != "" {
		t.Errorf("published (-want +got):\n%s", diff)
	}
	var line map[string]any
	if err := json.Unmarshal(d.log.Bytes(), &line); err != nil {
		t.Fatal(err)
	}
	delete(line, "time")
	want := map[string]any{
		"level": "INFO", "msg": "run reported", "job": "bill", "run_id": "r-1", "status": "FAILED",
		"reason": "container app exited with code 3", "task_arn": task,
	}
	if diff := cmp.Diff(want, line); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
	d.fail = errors.New("no topic")
	d.log.Reset()
	if err := d.Report(t.Context(), failed); !errors.Is(err, d.fail) || d.log.Len() > 0 {
		t.Errorf("a failed publication: %v, log %s", err, &d.log)
	}
}

// Lambda's records name an error by its type.
func TestErrorTypes(t *testing.T) {
	t.Parallel()
	if got := reflect.TypeFor[report.Uncertain]().Name(); got != report.UncertainType {
		t.Errorf("the type is %s, the collector looks for %s", got, report.UncertainType)
	}
	if got := reflect.TypeFor[report.NotBegun]().Name(); got != report.NotBegunType {
		t.Errorf("the type is %s, the collector looks for %s", got, report.NotBegunType)
	}
	cause := errors.New("away")
	for _, err := range []error{report.Uncertain{Err: cause}, report.NotBegun{Err: cause}} {
		if !errors.Is(err, cause) || err.Error() != "away" {
			t.Errorf("%T says %v", err, err)
		}
	}
}

// The verdict that stands is the one that is told, with the times of that ending.
func TestTheVerdictThatStands(t *testing.T) {
	t.Parallel()
	code := 3
	standing := ledger.Verdict{Status: run.Failed, ExitCode: &code, Reason: "as it stands", Started: ended.Add(-time.Hour), Ended: ended}
	for _, tc := range []struct {
		name      string
		end, want result.Result
	}{
		{
			"of another status",
			result.Result{Run: theRun, Status: run.Lost, Reason: "not seen", Summary: "not seen", TaskARN: task},
			result.Result{Run: theRun, Status: run.Failed, ExitCode: &code, Reason: "as it stands", TaskARN: task, StartedAt: ended.Add(-time.Hour), StoppedAt: ended},
		},
		{
			"of another exit code",
			result.Result{Run: theRun, Status: run.Failed, Reason: "no code", TaskARN: task, StartedAt: ended.Add(-time.Minute), StoppedAt: ended},
			result.Result{Run: theRun, Status: run.Failed, ExitCode: &code, Reason: "as it stands", TaskARN: task, StartedAt: ended.Add(-time.Minute), StoppedAt: ended},
		},
		{
			"the same, whose reason is not cut",
			result.Result{Run: theRun, Status: run.Failed, ExitCode: &code, Reason: "as it stands, and more", Summary: "exit code 3", TaskARN: task},
			result.Result{Run: theRun, Status: run.Failed, ExitCode: &code, Reason: "as it stands, and more", Summary: "exit code 3", TaskARN: task},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			d := open(t)
			other := ledger.Reporter{ID: "another", Until: d.now}
			if _, refused, err := d.book.Conclude(t.Context(), other, ledger.End{Run: theRun, Task: task, Verdict: standing}); err != nil || refused != "" {
				t.Fatal(refused, err)
			}
			d.now = d.now.Add(time.Minute)
			if err := d.Ended(invocation(t), tc.end, ""); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]result.Result{tc.want}, d.told); diff != "" {
				t.Errorf("told (-want +got):\n%s", diff)
			}
		})
	}
}

// What ECS was told when a task was stopped is not taken for what its containers say.
func TestReasonOfAStop(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		timeout      time.Duration
		reason, want string
	}{
		{2 * time.Hour, "the task was stopped: late; and too long; container app exited with code 143 (SIGTERM)", "within 2h, its timeout, and was stopped; container app exited with code 143 (SIGTERM)"},
		{90 * time.Second, "the task was stopped: late; essential container db exited with code 1", "within 1m30s, its timeout, and was stopped; essential container db exited with code 1"},
		{90 * time.Minute, "the task was stopped: late; and too long", "within 1h30m, its timeout, and was stopped"},
		{10 * time.Minute, "the task was stopped", "within 10m, its timeout, and was stopped"},
		{20 * time.Second, "the task was stopped", "within 20s, its timeout, and was stopped"},
		{100 * time.Hour, "the task was stopped", "within 100h, its timeout, and was stopped"},
	} {
		t.Run(tc.timeout.String(), func(t *testing.T) {
			t.Parallel()
			d := open(t)
			d.claim(t)
			if _, ok, err := d.book.Launched(t.Context(), ledger.KeyOf(theRun), "jobs", task, ledger.Limits{Start: time.Hour, Timeout: tc.timeout}); err != nil || !ok {
				t.Fatal(ok, err)
			}
			entries, err := d.book.Open(t.Context(), time.Time{}, 1)
			if err != nil {
				t.Fatal(err)
			}
			rows, err := d.book.Read(t.Context(), entries)
			if err != nil {
				t.Fatal(err)
			}
			if ok, err := d.book.StopFor(t.Context(), rows[0], ledger.StopForTimeout, d.now); err != nil || !ok {
				t.Fatal(ok, err)
			}
			end := result.Result{Run: theRun, Status: run.Stopped, Reason: tc.reason, TaskARN: task, StopCode: "UserInitiated"}
			if err := d.Ended(invocation(t), end, ""); err != nil || len(d.told) != 1 {
				t.Fatal(d.told, err)
			}
			if got, want := d.told[0].Reason, "the command did not end "+tc.want; got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}
