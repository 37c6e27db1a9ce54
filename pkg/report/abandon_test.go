package report_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"errand/pkg/ledger"
	"errand/pkg/report"
	"errand/pkg/result"
	"errand/pkg/run"
)

var refused = result.Result{Run: theRun, Status: run.LaunchFailed, Reason: "ECS would not run it"}

// The launcher's own refusal: ECS is asked, and then people are told.
func TestAbandon(t *testing.T) {
	t.Parallel()
	away := errors.New("no answer")
	for _, tc := range []struct {
		name string
		task string
		err  error
		when time.Duration // the next launch
		want report.Outcome
		told int
	}{
		{name: "no task", want: report.Outcome{End: refused}, told: 1},
		{name: "a task", task: task, want: report.Outcome{Task: task}},
		{name: "no answer of ECS", err: away},
		{name: "launched again", when: time.Minute},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			d := open(t)
			hold := d.claim(t)
			again := time.Time{}
			if tc.when > 0 {
				again = d.now.Add(tc.when)
				tc.want.Again = again
			}
			out, err := d.Abandon(invocation(t), report.Abandonment{
				Key: ledger.KeyOf(theRun), Hold: &hold,
				Find:   func(context.Context, ledger.Attempt) (string, string, error) { return "jobs", tc.task, tc.err },
				Limits: func(ledger.Attempt) ledger.Limits { return ledger.Limits{Start: time.Hour} },
				End:    func(ledger.Attempt, bool) (result.Result, time.Time) { return refused, again },
			})
			if !errors.Is(err, tc.err) {
				t.Fatal(err)
			}
			out.Attempt = ledger.Attempt{}
			if diff := cmp.Diff(tc.want, out); diff != "" {
				t.Errorf("outcome (-want +got):\n%s", diff)
			}
			if len(d.told) != tc.told {
				t.Errorf("told %v", d.told)
			}
		})
	}
}

// One that is no longer alone is not asked for its word.
func TestAbandonIsRefused(t *testing.T) {
	t.Parallel()
	d := open(t)
	old := d.claim(t)
	d.now = d.now.Add(30 * time.Second)
	d.claim(t) // the same token, another launcher
	out, err := d.Abandon(invocation(t), report.Abandonment{Key: ledger.KeyOf(theRun), Hold: &old})
	if err != nil || out.Refused != ledger.InHand {
		t.Errorf("%+v, %v", out, err)
	}
}

// A payload under a taken identity is told of once, and leaves the run alone.
func TestBeside(t *testing.T) {
	t.Parallel()
	d := open(t)
	first := d.claim(t)
	second := ledger.Delivery{Run: theRun, Digest: "command:2", Payload: []byte(`{"job":"bill"}`)}
	end := result.Result{Run: theRun, Status: run.Rejected, Reason: report.Taken(second, first.Attempt)}
	want := "runId: run r-1 of job bill was delivered before, with a payload that differs in command; this one was not run: give each its own runId, scheduledTime or job"
	if end.Reason != want {
		t.Errorf("got  %s\nwant %s", end.Reason, want)
	}
	for i, refusal := range []ledger.Refusal{"", ledger.Reported} {
		out, err := d.Beside(invocation(t), second, end)
		if err != nil || out.Refused != refusal {
			t.Errorf("delivery %d: %+v, %v", i, out, err)
		}
	}
	if diff := cmp.Diff([]result.Result{end}, d.told); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
	list, err := d.book.Attempts(t.Context(), "bill", "r-1")
	if err != nil || len(list) != 2 || !list[0].Reported.IsZero() || list[0].State != ledger.Claimed || list[1].Other == "" || list[1].Reported.IsZero() {
		t.Errorf("%+v, %v", list, err)
	}
}

func TestKnown(t *testing.T) {
	t.Parallel()
	due := time.Date(2026, 11, 20, 2, 0, 0, 0, time.UTC)
	verdict := &ledger.Verdict{Status: run.Failed, Reason: "exited with code 3"}
	base := func(change func(*ledger.Attempt)) ledger.Attempt {
		a := ledger.Attempt{Key: ledger.KeyOf(theRun), Method: run.MethodRunTask, Due: due}
		change(&a)
		return a
	}
	answer := func(change func(*run.Answer)) run.Answer {
		a := run.Answer{Job: "bill", RunID: "r-1", Attempt: 1}
		change(&a)
		return a
	}
	for _, tc := range []struct {
		name string
		a    ledger.Attempt
		want run.Answer
	}{
		{
			"claimed", base(func(a *ledger.Attempt) { a.State = ledger.Claimed }),
			answer(func(r *run.Answer) {
				r.Status, r.Reason, r.NextTryAt = run.Waiting, "another delivery of this run is being started now", due
			}),
		},
		{
			"due", base(func(a *ledger.Attempt) { a.State = ledger.Due }),
			answer(func(r *run.Answer) { r.Status, r.NextTryAt = run.Waiting, due }),
		},
		{
			"given up", base(func(a *ledger.Attempt) { a.State = ledger.Abandoned }),
			answer(func(r *run.Answer) {
				r.Status, r.Reason, r.NextTryAt = run.Waiting, "the run is given up, and its end is being told", due
			}),
		},
		{
			"running", base(func(a *ledger.Attempt) { a.State, a.Task = ledger.Launched, task }),
			answer(func(r *run.Answer) { r.Status, r.TaskARN, r.Again = run.Started, task, true }),
		},
		{
			"ended without a task", base(func(a *ledger.Attempt) { a.State, a.Verdict, a.Reported = ledger.Abandoned, verdict, due }),
			answer(func(r *run.Answer) { r.Status, r.Reason, r.Again = "FAILED", "exited with code 3", true }),
		},
		{
			"a command that runs", base(func(a *ledger.Attempt) { a.State, a.Method = ledger.Claimed, run.MethodExec }),
			answer(func(r *run.Answer) {
				r.Status, r.Reason, r.Again = run.Started, "the command of this run was begun by another delivery; it is not run again", true
			}),
		},
		{
			"a command that ended", base(func(a *ledger.Attempt) {
				a.State, a.Method, a.Verdict, a.Reported = ledger.Launched, run.MethodExec, verdict, due
			}),
			answer(func(r *run.Answer) { r.Status, r.Reason, r.Again = "FAILED", "exited with code 3", true }),
		},
	} {
		if diff := cmp.Diff(tc.want, report.Known(tc.a)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, diff)
		}
	}
}
