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

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/smithy-go"

	"errand/pkg/awserr"
	"errand/pkg/execwrap"
	"errand/pkg/payload"
	"errand/pkg/report"
	"errand/pkg/result"
	"errand/pkg/run"
	"errand/pkg/ssmchan"
	"errand/pkg/taskevent"
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
	Drain     time.Duration // 10 s, from the end of the command to that of the channel
	Channel   ssmchan.Options
}

// Executor handles exec payloads. It keeps no state between events.
type Executor struct {
	aws      aws.Config
	ecs      *ecs.Client
	ssm      *ssm.Client
	kms      *kms.Client
	reporter *report.Reporter
	cfg      Config
	log      *slog.Logger
}

// New makes an Executor with clients of its own.
func New(a aws.Config, r *report.Reporter, cfg Config, log *slog.Logger) *Executor {
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&cfg.AgentTime, 30 * time.Second},
		{&cfg.Retry, time.Second},
		{&cfg.Watch, 10 * time.Second},
		{&cfg.Grace, 5 * time.Second},
		{&cfg.Drain, 10 * time.Second},
	} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	return &Executor{
		aws: a, ecs: ecs.NewFromConfig(a), ssm: ssm.NewFromConfig(a), kms: kms.NewFromConfig(a),
		reporter: r, cfg: cfg, log: log,
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

// Handle runs the command that raw asks for and publishes how it ended. An error
// means that nobody was told; the command must not be run again for that.
func (x *Executor) Handle(ctx context.Context, raw json.RawMessage) (Answer, error) {
	requestID := ""
	if lc, ok := lambdacontext.FromContext(ctx); ok {
		requestID = lc.AwsRequestID
	}
	p, eventID, err := payload.DecodeExec(raw)
	r := result.Result{
		Run: p.Run(eventID, requestID), Status: run.Rejected,
		Place: result.Place{Command: p.Command, Cluster: cmp.Or(p.Cluster, x.cfg.Cluster), Container: p.Container},
	}
	if err != nil {
		r.Reason = err.Error()
	} else {
		r = x.run(ctx, p, r)
	}
	if err := x.reporter.Report(ctx, r); err != nil {
		return Answer{}, err
	}
	return Answer{Job: r.Job, RunID: r.ID, Attempt: r.Attempt, Status: string(r.Status), TaskARN: r.TaskARN, Reason: r.Reason}, nil
}

// run does everything but report, and completes what is known of the run.
func (x *Executor) run(ctx context.Context, p payload.Exec, r result.Result) result.Result {
	p.Cluster = r.Cluster
	command, mark, err := execwrap.Wrap(p.Command, variables(p, r.Run))
	if err != nil {
		r.Status, r.Reason = run.Rejected, err.Error()
		return r
	}
	where, session, err := x.open(ctx, p, command)
	r.TaskARN = aws.ToString(where.task.TaskArn)
	if err != nil {
		r.Status, r.Reason = status(err), err.Error()
		return r
	}
	r.Place = result.Place{
		Command: p.Command, Cluster: where.cluster,
		TaskDefinition: aws.ToString(where.task.TaskDefinitionArn), Container: aws.ToString(where.container.Name),
	}
	// Everything but the publication, which has the whole context.
	ctx, cancel := run.Reserve(ctx, publishTime)
	defer cancel()
	limit := p.Limit()
	c := x.follow(ctx, where, session, mark, limit)
	r.StartedAt, r.StoppedAt = c.startedAt, c.endedAt
	r.ExitCode = c.decoder.ExitCode()
	r.Status, r.Reason = c.verdict(limit)
	lines := x.cfg.LogLines
	if p.LogLines != nil {
		lines = *p.LogLines
	}
	r.Log = c.output.log(lines)
	r.Log.Settled = aws.Bool(c.decoder.Ended())
	r.Log.Note = x.sessionLog(ctx, where.cluster, aws.ToString(session.SessionId))
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
	looks, cancel := context.WithTimeout(ctx, x.cfg.AgentTime)
	defer cancel()
	var why error // of the try before
	for backoff := x.cfg.Retry; ; backoff *= 2 {
		where, err := x.find(looks, p)
		if err != nil && looks.Err() != nil && why != nil {
			return where, types.Session{}, why
		}
		if err == nil {
			// Not cut short by the time for the agent: nobody could end a session
			// whose answer was not waited for.
			var out *ecs.ExecuteCommandOutput
			out, err = x.ecs.ExecuteCommand(ctx, &ecs.ExecuteCommandInput{
				Cluster: &where.cluster, Task: where.task.TaskArn, Container: where.container.Name,
				Command: &command, Interactive: true,
			}, func(o *ecs.Options) { o.Retryer = aws.NopRetryer{} })
			if err == nil && out.Session != nil {
				return where, *out.Session, nil
			}
			if err == nil {
				err = errors.New("its answer has no session")
			}
			if !awserr.Refused(err) {
				return where, types.Session{}, uncertain{awserr.Plain(err)}
			}
			err = fmt.Errorf("ECS would not run the command in container %s of task %s: %w", aws.ToString(where.container.Name), run.LastPart(aws.ToString(where.task.TaskArn)), explain(err))
		}
		if !mayPass(err) || wait(looks, backoff) != nil {
			return where, types.Session{}, err
		}
		why = err
		x.log.WarnContext(ctx, "trying again", "error", err)
	}
}

// command is what is known of a command in its session.
type command struct {
	decoder            *execwrap.Decoder
	output             tail
	startedAt, endedAt time.Time
	begun, ended       chan struct{} // closed when it is seen
	timedOut, ours     bool          // by the payload's timeout, or by the function's own time
	terminated         bool          // the session, and with it the command
	where              target
	task               types.Task // as it was seen last
	channel            ssmchan.Result
	err                error // of the channel
}

// Write takes the session's output.
func (c *command) Write(p []byte) (int, error) {
	n, err := c.decoder.Write(p)
	if c.decoder.Begun() && c.startedAt.IsZero() {
		c.startedAt = now()
		close(c.begun)
	}
	if c.decoder.Ended() && c.endedAt.IsZero() {
		c.endedAt = now()
		close(c.ended)
	}
	return n, err
}

// now has milliseconds, as ECS's times.
func now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }

var (
	errTimeout     = errors.New("the timeout is over")
	errTaskStopped = errors.New("the task has stopped")
	errEnded       = errors.New("the command has ended, and the channel was not closed")
)

// follow reads the session's output until the command has ended, its time is
// over or its task is gone.
func (x *Executor) follow(ctx context.Context, where target, session types.Session, mark string, limit time.Duration) *command {
	c := &command{where: where, task: where.task, begun: make(chan struct{}), ended: make(chan struct{})}
	c.decoder = execwrap.NewDecoder(mark, &c.output)

	options := x.cfg.Channel
	options.URL, options.Token = aws.ToString(session.StreamUrl), aws.ToString(session.TokenValue)
	options.SessionID, options.TargetID = aws.ToString(session.SessionId), where.id()
	options.DataKey = x.dataKey
	if !x.cfg.Unsigned {
		var err error
		if options.Header, err = x.sign(ctx, options.URL); err != nil {
			x.log.WarnContext(ctx, "data channel not signed", "error", err)
		}
	}
	channel := ssmchan.New(options)
	running, stop := context.WithCancelCause(ctx)
	defer stop(nil)

	done := make(chan struct{})
	go func() {
		defer close(done)
		c.channel, c.err = channel.Run(running, c)
	}()

	look := time.NewTicker(x.cfg.Watch)
	defer look.Stop()
	// The time of the function runs from now, the payload's from the command's own
	// beginning.
	function, cancel := run.Reserve(ctx, commandTime-publishTime)
	defer cancel()
	started, seen, exhausted := c.begun, c.ended, function.Done()
	var over, drained, killed <-chan time.Time
	looked := make(chan types.Task, 1)
	looking := false
	interrupt := func() {
		over, exhausted, started = nil, nil, nil
		select {
		case <-c.ended: // just in time
			return
		case <-done:
			return
		default:
		}
		c.timedOut = true
		channel.Interrupt()
		killed = time.After(x.cfg.Grace)
	}
	for {
		select {
		case <-done:
			x.afterwards(ctx, c, session)
			return c
		case <-started:
			started = nil
			over = time.After(limit)
		case <-seen:
			seen, over, exhausted, killed = nil, nil, nil, nil
			drained = time.After(x.cfg.Drain)
		case <-drained:
			stop(errEnded)
		case <-over:
			interrupt()
		case <-exhausted:
			c.ours = true
			interrupt()
		case <-killed:
			stop(errTimeout) // and afterwards the session is terminated
		case <-look.C:
			if !looking {
				looking = true
				go func() { looked <- x.look(running, where.task) }()
			}
		case task := <-looked:
			looking = false
			if c.task = task; c.gone() {
				stop(errTaskStopped)
			}
		}
	}
}

// afterwards finds out what a broken end means, and leaves no session behind that
// nobody listens to.
func (x *Executor) afterwards(ctx context.Context, c *command, session types.Session) {
	if c.decoder.Ended() {
		return
	}
	_ = c.decoder.Flush() // the tail takes everything
	if c.timedOut && c.decoder.Begun() {
		c.endedAt = now()
	}
	if !c.channel.Closed {
		c.terminated = x.terminate(ctx, session)
	}
	c.task = x.look(ctx, c.task)
}

// terminate ends the session, and with it the command.
func (x *Executor) terminate(ctx context.Context, session types.Session) bool {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	_, err := x.ssm.TerminateSession(ctx, &ssm.TerminateSessionInput{SessionId: session.SessionId})
	if err != nil {
		x.log.WarnContext(ctx, "session not terminated", "session_id", aws.ToString(session.SessionId), "error", err)
	}
	return err == nil
}

// look describes the task again. If that fails, the task is as it was.
func (x *Executor) look(ctx context.Context, task types.Task) types.Task {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	out, err := x.ecs.DescribeTasks(ctx, &ecs.DescribeTasksInput{Cluster: task.ClusterArn, Tasks: []string{aws.ToString(task.TaskArn)}})
	if err != nil || len(out.Tasks) == 0 {
		x.log.WarnContext(ctx, "task not described", "task_arn", aws.ToString(task.TaskArn), "error", err)
		return task
	}
	return out.Tasks[0]
}

// gone says whether the container has stopped. While a task is STOPPING, its
// containers may still do what they have to.
func (c *command) gone() bool {
	switch aws.ToString(c.task.LastStatus) {
	case "STOPPED", "DEPROVISIONING":
		return true
	}
	return c.containerGone() != nil
}

// containerGone is the container if it has stopped, or was started again, in a
// task that runs on.
func (c *command) containerGone() *types.Container {
	for i, now := range c.task.Containers {
		if aws.ToString(now.Name) == aws.ToString(c.where.container.Name) &&
			(aws.ToString(now.LastStatus) == "STOPPED" || aws.ToString(now.RuntimeId) != aws.ToString(c.where.container.RuntimeId)) {
			return &c.task.Containers[i]
		}
	}
	return nil
}

// verdict judges how the command ended: what is known for sure comes first.
func (c *command) verdict(limit time.Duration) (run.Status, string) {
	code := c.decoder.ExitCode()
	switch {
	case c.decoder.Ended() && c.timedOut:
		return run.TimedOut, "the command was interrupted " + c.whose(limit)
	case c.decoder.Ended() && code == nil:
		return run.Failed, "the command ended without an exit code: it ended the shell that would have known it"
	case c.decoder.Ended() && *code == 0:
		return run.Succeeded, "the command exited with code 0"
	case c.decoder.Ended():
		return run.Failed, "the command " + taskevent.Exited(*code, "")
	case errors.Is(c.err, ssmchan.ErrKMS), errors.Is(c.err, ssmchan.ErrHandshake):
		return run.StartFailed, "the command did not run: " + explainChannel(c.err)
	case c.channel.Closed && !c.decoder.Begun() && c.channel.Stats.Frames == 0 && neverRan(c.channel.Reason):
		return run.StartFailed, "the command did not start: " + advise(c.channel.Reason)
	case c.gone(), aws.ToString(c.task.DesiredStatus) == "STOPPED":
		return c.stopped()
	case !c.decoder.Begun():
		return run.Lost, "it is not known whether the command ran: " + c.cause() + c.remains()
	case c.timedOut && c.terminated:
		return run.TimedOut, "the command was stopped " + c.whose(limit)
	case c.timedOut:
		return run.TimedOut, "the command was interrupted " + c.whose(limit) + c.remains()
	default:
		return run.Lost, "the session ended before the command: " + c.cause() + c.remains()
	}
}

// whose says which time was over.
func (c *command) whose(limit time.Duration) string {
	if c.ours {
		return "when the time of the function was over"
	}
	return fmt.Sprintf("after %s, its timeout", limit.Round(time.Second))
}

// remains says what became of a command whose end was not seen.
func (c *command) remains() string {
	if c.terminated {
		return "; the session was then ended, and the command with it"
	}
	return "; the command may still run"
}

// stopped is the verdict on a command whose container went away.
func (c *command) stopped() (run.Status, string) {
	if container := c.containerGone(); container != nil && aws.ToString(c.task.DesiredStatus) != "STOPPED" {
		reason := fmt.Sprintf("container %s stopped under the command", aws.ToString(container.Name))
		if container.ExitCode != nil {
			reason += ": it " + taskevent.Exited(int(*container.ExitCode), aws.ToString(container.Reason))
		}
		return run.Stopped, reason
	}
	task := taskevent.Task{StopCode: string(c.task.StopCode), StoppedReason: aws.ToString(c.task.StoppedReason)}
	if v := task.Verdict(""); v.Status == run.Interrupted {
		return run.Interrupted, "AWS took the task away under the command" + because(task)
	}
	return run.Stopped, "the task stopped under the command" + because(task)
}

func because(t taskevent.Task) string {
	if t.StoppedReason == "" {
		return ""
	}
	return ": " + strings.TrimSuffix(t.StoppedReason, ".")
}

// cause is why the channel ended, for people.
func (c *command) cause() string {
	switch {
	case c.err != nil:
		return explainChannel(c.err)
	case c.channel.Reason != "":
		return advise(c.channel.Reason)
	}
	return "the session was closed without a word"
}

// sessionLog says where the cluster logs its sessions, if it does.
func (x *Executor) sessionLog(ctx context.Context, cluster, session string) string {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	out, err := x.ecs.DescribeClusters(ctx, &ecs.DescribeClustersInput{
		Clusters: []string{cluster}, Include: []types.ClusterField{types.ClusterFieldConfigurations},
	})
	if err != nil || len(out.Clusters) == 0 || out.Clusters[0].Configuration == nil || out.Clusters[0].Configuration.ExecuteCommandConfiguration == nil {
		return ""
	}
	exec := out.Clusters[0].Configuration.ExecuteCommandConfiguration
	switch {
	case exec.Logging == types.ExecuteCommandLoggingOverride && exec.LogConfiguration != nil && aws.ToString(exec.LogConfiguration.CloudWatchLogGroupName) != "":
		return "the whole session is logged in group " + *exec.LogConfiguration.CloudWatchLogGroupName + ", stream " + session
	case exec.Logging == types.ExecuteCommandLoggingDefault, exec.Logging == "":
		return "if the container's log driver is awslogs, the whole session is logged in its log group, stream " + session
	}
	return ""
}

// mayPass says whether it may help to wait, while no session can exist.
func mayPass(err error) bool {
	if _, ok := errors.AsType[notReady](err); ok {
		return true
	}
	if api, ok := errors.AsType[smithy.APIError](err); ok && awserr.Refused(err) {
		switch api.ErrorCode() {
		case "TargetNotConnectedException", "ThrottlingException":
			return true
		case "InvalidParameterException":
			// The agent may have stopped since we looked; ECS has no code for it.
			return strings.Contains(api.ErrorMessage(), "agent isn't running")
		}
	}
	return false
}
