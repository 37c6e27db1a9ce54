// Package report is the seam where a run ends, whoever saw its end: launcher,
// collector and executor hand their results to it. It takes the run in the ledger,
// tells people, and marks it as told, in this order, so that nobody tells another
// story and nothing is left untold.
package report

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"errand/pkg/awserr"
	"errand/pkg/ledger"
	"errand/pkg/metric"
	"errand/pkg/result"
	"errand/pkg/run"
)

// Publisher sends results out; *notify.Notifier is one.
type Publisher interface {
	// Topics are the names of the topics that there are, whose ARNs may change.
	Topics() []string
	// Publish sends a result to one topic. Before it waits for it, it calls waiting.
	Publish(ctx context.Context, topic string, r result.Result, waiting func()) error
}

// Reporter reports results.
type Reporter struct {
	ledger    *ledger.Ledger
	publisher Publisher
	metrics   *metric.Writer
	log       *slog.Logger
}

// New makes a Reporter.
func New(l *ledger.Ledger, p Publisher, m *metric.Writer, log *slog.Logger) *Reporter {
	return &Reporter{l, p, m, log}
}

// The metrics, each a count of one, that alarms and people look at.
const (
	// Doubles counts results that may have been published twice, since somebody
	// else had begun to and did not end it.
	Doubles = "Doubles"
	// Dropped counts stop events that came while somebody else was reporting.
	Dropped = "Dropped"
	// WithoutLedger counts runs that were started or reported while the ledger could
	// not be reached.
	WithoutLedger = "WithoutLedger"
	// SecondTasks counts tasks beyond the first of an attempt.
	SecondTasks = "SecondTasks"
)

// markTime is kept back from the publications for the note that they were made.
const markTime = 3 * time.Second

// me is this invocation, as the ledger knows it.
func (r *Reporter) me(ctx context.Context) ledger.Reporter {
	return ledger.Reporter{ID: RequestID(ctx), Until: r.ledger.Until(ctx)}
}

// RequestID is Lambda's id of the invocation.
func RequestID(ctx context.Context) string {
	if lc, ok := lambdacontext.FromContext(ctx); ok {
		return lc.AwsRequestID
	}
	return "none"
}

// Report tells people of what has no identity in the ledger: a payload that does
// not say which run it is. An error means that not everybody was told: the
// invocation has to fail, so that Lambda's retry, the alarm and the dead-letter
// queue see it.
func (r *Reporter) Report(ctx context.Context, end result.Result) error {
	_, err := r.publish(ctx, end, nil, func([]string) {})
	return err
}

// Ended tells people how an attempt ended whose task has stopped, or whose command.
func (r *Reporter) Ended(ctx context.Context, end result.Result, digest string) error {
	me := r.me(ctx)
	e := ledger.End{Run: end.Run, Cluster: end.Cluster, Task: end.TaskARN, Verdict: r.verdict(end), Digest: digest}
	if end.Method == run.MethodExec {
		e.Task = ""
	}
	if !run.ValidID(e.Run.ID) { // somebody started the task by hand
		e.Run.ID = run.LastPart(end.TaskARN)
	}
	e.Run.Attempt = max(1, e.Run.Attempt)
	if strings.Contains(e.Run.Job, "#") { // which parts the keys of the ledger
		return r.Report(ctx, end)
	}
	seen := end
	for {
		calls, cancel := run.Share(ctx, markTime)
		a, refused, err := r.ledger.Conclude(calls, me, e)
		cancel()
		log := r.log.With("job", e.Run.Job, "run_id", e.Run.ID, "task_arn", end.TaskARN)
		switch {
		case err != nil:
			// An item that cannot be read is as good as none: people are told.
			if e.StopFor == "" {
				end = byWord(seen)
				e.Verdict = r.verdict(end)
			}
			err := r.Without(ctx, err, end)
			r.late(ctx, me, e, err == nil)
			if err != nil && end.Method == run.MethodExec {
				return EndUntold{end.Status, end.ExitCode, end.Reason, err}
			}
			return err
		case refused == "":
			return r.tell(ctx, me, a, end, a.Reports > 1)
		case refused == ledger.Stopping && a.StopFor != e.StopFor:
			end = stopped(seen, a)
			e.StopFor, e.Verdict = a.StopFor, r.verdict(end)
			continue
		case refused == ledger.Stopping:
			// A lease ended between the write and the look at its refusal.
			return fmt.Errorf("conclude %s: it changed meanwhile", a.Key)
		case refused == ledger.Held:
			r.metrics.Count(Dropped, 1)
		case refused == ledger.OtherTask:
			log.WarnContext(ctx, "not reported: a second task of the attempt", "first_task_arn", a.Task)
			return nil
		}
		log.InfoContext(ctx, "not reported", "because", string(refused))
		return nil
	}
}

// Without tells people though the ledger cannot be reached.
func (r *Reporter) Without(ctx context.Context, why error, end result.Result) error {
	r.metrics.Count(WithoutLedger, 1)
	r.log.ErrorContext(ctx, "reported without the ledger", "job", end.Job, "run_id", end.ID, "error", why)
	return r.Report(ctx, end)
}

// late notes what was told without the ledger, if that can be reached in the time
// that is left: nobody then takes the run for lost, or tells it again if everybody
// was told.
func (r *Reporter) late(ctx context.Context, me ledger.Reporter, e ledger.End, all bool) {
	calls, cancel := run.Reserve(ctx, markTime)
	defer cancel()
	a, refused, err := r.ledger.Conclude(calls, me, e)
	if err == nil && refused == ledger.Stopping {
		e.StopFor = a.StopFor
		a, refused, err = r.ledger.Conclude(calls, me, e)
	}
	if err == nil && refused == "" && all {
		_, err = r.ledger.Mark(calls, me, a.Key, r.publisher.Topics())
	}
	if err != nil || refused != "" {
		r.log.WarnContext(ctx, "not noted afterwards", "job", e.Run.Job, "run_id", e.Run.ID, "because", string(refused), "error", err)
	}
}

// verdict is what the ledger keeps of a result.
func (r *Reporter) verdict(end result.Result) ledger.Verdict {
	v := ledger.Verdict{Status: end.Status, ExitCode: end.ExitCode, Reason: end.Reason, Started: end.StartedAt, Ended: end.EndedAt()}
	if v.Ended.IsZero() {
		v.Ended = r.ledger.Now()
	}
	return v
}

// tell is steps 7 and 8, by the attempt's holder. What is told is the verdict that
// stands in the attempt. Begun says that somebody had come so far before.
func (r *Reporter) tell(ctx context.Context, me ledger.Reporter, a ledger.Attempt, end result.Result, begun bool) error {
	end = standing(end, a)
	if begun && len(a.Told) < len(r.publisher.Topics()) {
		r.metrics.Count(Doubles, 1)
	}
	calls, cancel := short(ctx)
	if err := r.ledger.JobEnded(calls, a); err != nil {
		// The run's own item has it; a job's is for lists.
		r.log.WarnContext(ctx, "end not noted in the job", "job", a.Job, "run_id", a.RunID, "error", err)
	}
	cancel()
	note := func(topics []string) {
		calls, cancel := short(ctx)
		defer cancel()
		if err := r.ledger.Told(calls, me, a.Key, topics); err != nil {
			r.log.WarnContext(ctx, "publication not noted", "job", a.Job, "run_id", a.RunID, "error", err)
		}
	}
	if clear, err := r.publish(ctx, end, a.Told, note); err != nil {
		if clear { // whoever is next publishes nothing twice
			calls, cancel := short(ctx)
			defer cancel()
			if err := r.ledger.NothingOpen(calls, me, a.Key); err != nil {
				r.log.WarnContext(ctx, "clear end not noted", "job", a.Job, "run_id", a.RunID, "error", err)
			}
		}
		return err
	}
	_, err := r.ledger.Mark(ctx, me, a.Key, r.publisher.Topics())
	return err
}

// short is a context for what is well to have, but must not take the time of what
// people wait for.
func short(ctx context.Context) (context.Context, context.CancelFunc) {
	half, cancel := run.Share(ctx, markTime)
	short, stop := run.Timeout(half, markTime)
	return short, func() { stop(); cancel() }
}

// publish sends a result to every topic that has not been told. It calls note with
// those that took it when the next one has to be waited for, or does not take it: a
// note after each would cost a write, and nobody waits long between them. An error is
// clear if every topic that did not take the result has said so.
func (r *Reporter) publish(ctx context.Context, end result.Result, told []string, note func(topics []string)) (clear bool, failed error) {
	calls, cancel := run.Reserve(ctx, markTime)
	defer cancel()
	var fresh []string
	noted := 0
	waiting := func() {
		if len(fresh) > noted {
			note(fresh[noted:])
			noted = len(fresh)
		}
	}
	end.Stack, end.ReportedAt = r.metrics.Stack(), r.ledger.Now()
	clear = true
	for _, topic := range r.publisher.Topics() {
		if slices.Contains(told, topic) {
			continue
		}
		if err := r.publisher.Publish(calls, topic, end, waiting); err != nil {
			failed = errors.Join(failed, err)
			clear = clear && awserr.Refused(err)
			continue
		}
		fresh = append(fresh, topic)
	}
	if failed != nil {
		waiting()
		return clear, failed
	}
	r.log.InfoContext(ctx, "run reported", "job", end.Job, "run_id", end.ID, "status", end.Status, "reason", end.Reason, "task_arn", end.TaskARN)
	return true, nil
}

// Uncertain is the error of a function that leaves open whether the run was
// started. Lambda's record of an invocation that it gave up carries the name of
// the error's type, UncertainType, so that the collector does not take it for one
// that never was.
type Uncertain struct{ Err error }

// UncertainType is the errorType of an Uncertain in Lambda's records.
const UncertainType = "Uncertain"

func (u Uncertain) Error() string { return u.Err.Error() }
func (u Uncertain) Unwrap() error { return u.Err }

// NotBegun is the error of a function that has done nothing yet of what it was asked
// for, as its type, NotBegunType, says in Lambda's record.
type NotBegun struct{ Err error }

// NotBegunType is the errorType of a NotBegun in Lambda's records.
const NotBegunType = "NotBegun"

func (n NotBegun) Error() string { return n.Err.Error() }
func (n NotBegun) Unwrap() error { return n.Err }
