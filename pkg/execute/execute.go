// Package execute runs a command inside a live task with ECS Exec, and makes of
// its output and exit code the same result as of a task of its own.
package execute

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"errand/pkg/awserr"
	"errand/pkg/execwrap"
	"errand/pkg/ledger"
	"errand/pkg/payload"
	"errand/pkg/report"
	"errand/pkg/result"
	"errand/pkg/run"
	"errand/pkg/ssmchan"
)

// Config is what a stack sets for all its commands.
type Config struct {
	Cluster  string // default
	LogLines int    // where the payload does not say; 0 to 1000
	// Unsigned opens data channels without a signature.
	Unsigned bool

	// Times that tests shorten; zero means the default.
	AgentTime time.Duration // 30 s, for a container and its agent to come up
	Retry     time.Duration // 1 s, before the second try, then twice as long
	Watch     time.Duration // 10 s, between two looks at the task
	Grace     time.Duration // 5 s, from Ctrl-C to TerminateSession
	Drain     time.Duration // 3 s, from the end of the command to that of the channel
	Mark      time.Duration // 75 s, until the shell has answered with the mark
	Channel   ssmchan.Options
	// Now is the time; nil means run.Now.
	Now func() time.Time
}

// Executor handles exec payloads. It keeps no state between events.
type Executor struct {
	aws      aws.Config
	ecs      *ecs.Client
	ssm      *ssm.Client
	kms      *kms.Client
	ledger   *ledger.Ledger
	reporter *report.Reporter
	cfg      Config
	log      *slog.Logger
}

// New makes an Executor with clients of its own.
func New(a aws.Config, l *ledger.Ledger, r *report.Reporter, cfg Config, log *slog.Logger) *Executor {
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&cfg.AgentTime, 30 * time.Second},
		{&cfg.Retry, time.Second},
		{&cfg.Watch, 10 * time.Second},
		{&cfg.Grace, 5 * time.Second},
		{&cfg.Drain, 3 * time.Second},
		{&cfg.Mark, 75 * time.Second},
	} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	if cfg.Now == nil {
		cfg.Now = run.Now
	}
	return &Executor{
		aws: a, ecs: ecs.NewFromConfig(a), ssm: ssm.NewFromConfig(a), kms: kms.NewFromConfig(a),
		ledger: l, reporter: r, cfg: cfg, log: log,
	}
}

// Answer is what an invocation of the executor returns.
type Answer = run.Answer

// What is kept back from the function's deadline: commandTime from the time for
// the command, to end the session and to find out what became of it, and
// publishTime of that from all these calls, each of which has callTime.
const (
	commandTime = 30 * time.Second
	publishTime = 12 * time.Second
	callTime    = 4 * time.Second
)

// Handle runs the command that raw asks for and reports how it ended. A run that was
// claimed before is not run again: ECS Exec knows no repeats, and a command may not
// bear one. An error means that nobody was told, or that nothing was done, which its
// type says.
func (x *Executor) Handle(ctx context.Context, raw json.RawMessage) (Answer, error) {
	d := ledger.Delivery{Once: true, Holder: report.RequestID(ctx), Until: x.ledger.Until(ctx)}
	if wake, ok := ledger.DecodeWake(raw); ok && wake.Wake == ledger.WakeStart {
		raw, d.Person = wake.Payload, wake.By
	}
	p, eventID, invalid := payload.DecodeExec(raw)
	d.Run, d.Payload, d.Digest, d.Schedule = p.Run(eventID, d.Holder), raw, payload.Digest(raw), p.Schedule
	d.Cluster = cmp.Or(p.Cluster, x.cfg.Cluster)
	end := result.Result{
		Run: d.Run, Status: run.Rejected,
		Place: result.Place{Command: p.Command, Cluster: d.Cluster, Container: p.Container},
	}
	if kept, ok := errors.AsType[payload.Kept](invalid); ok {
		return Answer{}, x.keep(ctx, d, kept)
	}
	if invalid != nil {
		end.Reason = invalid.Error()
	}
	if !run.ValidJob(d.Run.Job) {
		// Nobody can say which run that would be.
		report.Sent(&end, raw)
		return answerOf(end), report.Untold(end, x.reporter.Report(ctx, end))
	}
	calls, cancel := run.Share(ctx, publishTime)
	hold, claimed, err := x.ledger.Claim(calls, d)
	cancel()
	switch {
	case err != nil:
		return Answer{}, report.NotBegun{Err: err}
	case !claimed && !hold.Same(d):
		end.Reason = report.Taken(d, hold.Attempt)
		report.Sent(&end, raw)
		if _, err := x.reporter.Beside(ctx, d, end); err != nil {
			return Answer{}, report.NotBegun{Err: report.Untold(end, err)}
		}
		return answerOf(end), nil
	case !claimed:
		return report.Known(hold.Attempt), nil
	}
	if invalid == nil {
		end = x.run(ctx, p, end)
	}
	report.Sent(&end, raw)
	if err := x.reporter.Ended(ctx, end, d.Digest); err != nil {
		if _, says := errors.AsType[report.EndUntold](err); end.Status == run.Rejected && !says {
			err = report.Untold(end, err)
		}
		return Answer{}, err
	}
	return answerOf(end), nil
}

func answerOf(r result.Result) Answer {
	return Answer{Job: r.Job, RunID: r.ID, Attempt: r.Attempt, Status: string(r.Status), TaskARN: r.TaskARN, Reason: r.Reason}
}

// run does everything but report, and completes what is known of the run.
func (x *Executor) run(ctx context.Context, p payload.Exec, r result.Result) result.Result {
	p.Cluster = r.Cluster
	command, mark, err := execwrap.Wrap(p.Command, variables(p, r.Run))
	if err != nil {
		r.Status, r.Reason = run.Rejected, err.Error()
		return r
	}
	at, session, err := x.open(ctx, p, command)
	r.TaskARN = aws.ToString(at.task.TaskArn)
	if err != nil {
		r.Status, r.Reason = status(err), err.Error()
		return r
	}
	r.Place = result.Place{
		Command: p.Command, Cluster: at.cluster,
		TaskDefinition: aws.ToString(at.task.TaskDefinitionArn), Container: aws.ToString(at.container.Name),
	}
	// Everything but the publication, which has the whole context.
	ctx, cancel := run.Reserve(ctx, publishTime)
	defer cancel()
	limit := p.Limit()
	c := x.follow(ctx, at, session, mark, limit)
	r.StartedAt, r.StoppedAt = c.startedAt, c.endedAt
	r.ExitCode = c.decoder.ExitCode()
	r.Status, r.Reason, r.Summary = c.verdict(limit)
	lines := x.cfg.LogLines
	if p.LogLines != nil {
		lines = *p.LogLines
	}
	r.Log = c.output.log(lines)
	r.Log.Settled = aws.Bool(c.decoder.Ended())
	r.Log.Note = x.note(ctx, c, aws.ToString(session.SessionId))
	if !c.decoder.Begun() {
		r.Log = nil // nothing was run that could have written
	}
	return r
}

// variables are the command's environment.
func variables(p payload.Exec, r run.Run) []execwrap.Variable {
	var list []execwrap.Variable
	for _, name := range slices.Sorted(maps.Keys(p.Environment)) {
		list = append(list, execwrap.Variable{Name: name, Value: p.Environment[name]})
	}
	for _, v := range r.Variables(run.Carried{LogLines: p.LogLines}) {
		list = append(list, execwrap.Variable{Name: v.Name, Value: v.Value})
	}
	return list
}

// open finds the container and starts the session in it. It tries again only
// while no session can exist: ExecuteCommand runs the command at every call that
// succeeds, and a 5xx may be one.
func (x *Executor) open(ctx context.Context, p payload.Exec, command string) (target, types.Session, error) {
	looks, cancel := run.Timeout(ctx, x.cfg.AgentTime)
	defer cancel()
	var why error // of the try before, in the container last
	var last target
	tried := map[string]bool{} // tasks to which ECS had no connection, since the last pause
	for backoff := x.cfg.Retry; ; backoff *= 2 {
		at, err := x.find(looks, p, tried)
		if errors.Is(err, errAllTried) {
			if !run.Pause(looks, backoff) {
				return last, types.Session{}, why
			}
			clear(tried)
			continue
		}
		if err != nil && looks.Err() != nil && why != nil {
			return at, types.Session{}, why
		}
		if err == nil {
			// Not cut short by the time for the agent: nobody could end a session
			// whose answer was not waited for.
			var out *ecs.ExecuteCommandOutput
			out, err = x.ecs.ExecuteCommand(ctx, &ecs.ExecuteCommandInput{
				Cluster: &at.cluster, Task: at.task.TaskArn, Container: at.container.Name,
				Command: &command, Interactive: true,
			}, func(o *ecs.Options) { o.Retryer = aws.NopRetryer{} })
			if err == nil && out.Session != nil {
				return at, *out.Session, nil
			}
			if err == nil {
				err = errors.New("its answer has no session")
			}
			if !awserr.Refused(err) {
				return at, types.Session{}, uncertain{awserr.Plain(err)}
			}
			err = fmt.Errorf("ECS would not run the command in container %s of task %s: %w", aws.ToString(at.container.Name), run.LastPart(aws.ToString(at.task.TaskArn)), explain(err))
		}
		if !mayPass(err) {
			return at, types.Session{}, err
		}
		why, last = err, at
		x.log.WarnContext(ctx, "trying again", "error", err)
		if unconnected(err) { // another task may be reached at once
			tried[aws.ToString(at.task.TaskArn)] = true
			backoff /= 2
			continue
		}
		if !run.Pause(looks, backoff) {
			return at, types.Session{}, err
		}
	}
}

// unconnected says whether it is the task that ECS could not reach.
func unconnected(err error) bool {
	switch awserr.Code(err) {
	case "TargetNotConnectedException":
		return true
	case "InvalidParameterException":
		return strings.Contains(awserr.Message(err), "agent isn't running")
	}
	return false
}

// mayPass says whether it may help to wait, while no session can exist.
func mayPass(err error) bool {
	if _, ok := errors.AsType[notReady](err); ok {
		return true
	}
	if !awserr.Refused(err) {
		return false
	}
	// An agent may have stopped since we looked; ECS has no code for it. Other texts
	// may pass as well (awserr.Passes), but do not say for sure that there is no
	// session, and a command never runs twice.
	return unconnected(err) || awserr.Throttled(err)
}
