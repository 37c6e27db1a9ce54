// Package execute runs a command inside a live task with ECS Exec, and makes of
// its output and exit code the same result as of a task of its own.
package execute

import (
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

	"errand/pkg/execwrap"
	"errand/pkg/job"
	"errand/pkg/result"
	"errand/pkg/ssmchan"
	"errand/pkg/taskevent"
)

// Publisher tells people how the command ended; *notify.Notifier is one.
type Publisher interface {
	Publish(context.Context, result.Result) error
}

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
	aws     aws.Config
	ecs     *ecs.Client
	ssm     *ssm.Client
	kms     *kms.Client
	results Publisher
	cfg     Config
	log     *slog.Logger
}

// New makes an Executor with clients of its own.
func New(a aws.Config, p Publisher, cfg Config, log *slog.Logger) *Executor {
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
		results: p, cfg: cfg, log: log,
	}
}

// Answer is what an invocation of the executor returns.
type Answer struct {
	Job     string `json:"job,omitempty"`
	RunID   string `json:"runId"`
	Attempt int    `json:"attempt"`
	Status  string `json:"status"`
	TaskARN string `json:"taskArn,omitempty"`
	Reason  string `json:"reason,omitempty"`
}

const (
	// publishTime is kept back from the deadline to end the session and to
	// publish; callTime bounds each of the two looks at what became of it.
	publishTime = 30 * time.Second
	callTime    = 7 * time.Second
)

// Handle runs the command that raw asks for and publishes how it ended. An error
// means that nobody was told; the command must not be run again for that.
func (x *Executor) Handle(ctx context.Context, raw json.RawMessage) (Answer, error) {
	requestID := ""
	if lc, ok := lambdacontext.FromContext(ctx); ok {
		requestID = lc.AwsRequestID
	}
	p, eventID, err := job.DecodeExec(raw)
	run := p.Run(eventID, requestID)
	if p.Cluster == "" {
		p.Cluster = x.cfg.Cluster
	}
	var r result.Result
	if err != nil {
		r = run.NotStarted(result.Rejected, err.Error())
	} else {
		r = x.run(ctx, p, run)
	}
	r.Method = result.MethodExec
	if r.Cluster == "" {
		r.Cluster = p.Cluster
	}
	x.log.InfoContext(ctx, "command ended", "job", r.Job, "run_id", r.RunID, "status", r.Status, "reason", r.Reason, "task_arn", r.TaskARN)
	if err := x.results.Publish(ctx, r); err != nil {
		return Answer{}, err
	}
	return Answer{Job: r.Job, RunID: r.RunID, Attempt: r.Attempt, Status: string(r.Status), TaskARN: r.TaskARN, Reason: r.Reason}, nil
}

// run does everything but publish.
func (x *Executor) run(ctx context.Context, p job.ExecPayload, run job.Run) result.Result {
	command, mark, err := execwrap.Wrap(p.Command, variables(p, run))
	if err != nil {
		return run.NotStarted(result.Rejected, err.Error())
	}
	where, session, err := x.open(ctx, p, command)
	if err != nil {
		r := run.NotStarted(status(err), err.Error())
		r.TaskARN = aws.ToString(where.task.TaskArn)
		return r
	}
	r := result.Result{
		Job: run.Job, RunID: run.ID, Attempt: run.Attempt, Command: p.Command, ScheduledTime: run.ScheduledTime,
		Cluster: where.cluster, TaskARN: aws.ToString(where.task.TaskArn), TaskDefinition: aws.ToString(where.task.TaskDefinitionArn),
		Container: aws.ToString(where.container.Name),
	}
	limit := p.Limit()
	if deadline, ok := ctx.Deadline(); ok {
		left := time.Until(deadline)
		limit = min(limit, left-min(publishTime, left/2))
	}
	c := x.follow(ctx, where, session, mark, limit)
	r.StartedAt, r.StoppedAt = c.startedAt, c.endedAt
	r.ExitCode = c.decoder.ExitCode()
	r.Status, r.Reason = c.verdict(limit, limit < p.Limit())
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
func variables(p job.ExecPayload, run job.Run) []execwrap.Variable {
	var list []execwrap.Variable
	for _, name := range slices.Sorted(maps.Keys(p.Environment)) {
		list = append(list, execwrap.Variable{Name: name, Value: p.Environment[name]})
	}
	for _, v := range run.Variables() {
		list = append(list, execwrap.Variable{Name: *v.Name, Value: *v.Value})
	}
	return list
}

// open finds the container and starts the session in it. It tries again only
// while no session can exist: ExecuteCommand runs the command at every call that
// succeeds, and a 5xx may be one.
func (x *Executor) open(ctx context.Context, p job.ExecPayload, command string) (target, types.Session, error) {
	ctx, cancel := context.WithTimeout(ctx, x.cfg.AgentTime)
	defer cancel()
	var why error // of the try before
	for backoff := x.cfg.Retry; ; backoff *= 2 {
		where, err := x.find(ctx, p)
		if err != nil && ctx.Err() != nil && why != nil {
			return where, types.Session{}, why
		}
		if err == nil {
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
			err = fmt.Errorf("ECS would not run the command in container %s of task %s: %w", aws.ToString(where.container.Name), last(aws.ToString(where.task.TaskArn)), explain(err))
			if !refused(err) {
				return where, types.Session{}, uncertain{err}
			}
		}
		if !mayPass(err) || wait(ctx, backoff) != nil {
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
	timedOut           bool
	task               types.Task // as it was seen last
	channel            ssmchan.Result
	err                error // of the channel
}

// Write takes the session's output.
func (c *command) Write(p []byte) (int, error) {
	n, err := c.decoder.Write(p)
	if c.decoder.Begun() && c.startedAt.IsZero() {
		c.startedAt = now()
	}
	if c.decoder.Ended() && c.endedAt.IsZero() {
		c.endedAt = now()
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
	c := &command{task: where.task}
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

	ended := make(chan struct{}) // closed by the first Write after the end
	sink := writer(func(p []byte) (int, error) {
		already := c.decoder.Ended()
		n, err := c.Write(p)
		if c.decoder.Ended() && !already {
			close(ended)
		}
		return n, err
	})
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.channel, c.err = channel.Run(running, sink)
	}()

	look := time.NewTicker(x.cfg.Watch)
	defer look.Stop()
	var drained, killed <-chan time.Time
	for seen, over := ended, time.After(limit); ; {
		select {
		case <-done:
			x.afterwards(ctx, c, session)
			return c
		case <-seen:
			seen, over, killed = nil, nil, nil
			drained = time.After(x.cfg.Drain)
		case <-drained:
			stop(errEnded)
		case <-over:
			over, c.timedOut = nil, true
			channel.Interrupt()
			killed = time.After(x.cfg.Grace)
		case <-killed:
			stop(errTimeout) // and afterwards the session is terminated
		case <-look.C:
			if task, err := x.look(ctx, c.task); err == nil && gone(task) {
				c.task = task
				stop(errTaskStopped)
			}
		}
	}
}

type writer func([]byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }

// afterwards finds out what a broken end means, and leaves no session behind that
// nobody listens to.
func (x *Executor) afterwards(ctx context.Context, c *command, session types.Session) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	if c.decoder.Ended() {
		return
	}
	_ = c.decoder.Flush() // the tail takes everything
	if c.timedOut && c.decoder.Begun() {
		c.endedAt = now()
	}
	if task, err := x.look(ctx, c.task); err == nil {
		c.task = task
	}
	if !c.channel.Closed && !gone(c.task) {
		x.terminate(ctx, session)
	}
}

// terminate ends the session, and with it the command.
func (x *Executor) terminate(ctx context.Context, session types.Session) {
	if _, err := x.ssm.TerminateSession(ctx, &ssm.TerminateSessionInput{SessionId: session.SessionId}); err != nil {
		x.log.WarnContext(ctx, "session not terminated", "session_id", aws.ToString(session.SessionId), "error", err)
	}
}

// look describes the task again.
func (x *Executor) look(ctx context.Context, task types.Task) (types.Task, error) {
	out, err := x.ecs.DescribeTasks(ctx, &ecs.DescribeTasksInput{Cluster: task.ClusterArn, Tasks: []string{aws.ToString(task.TaskArn)}})
	if err != nil {
		return task, err
	}
	if len(out.Tasks) == 0 {
		return task, fmt.Errorf("ECS does not show task %s", aws.ToString(task.TaskArn))
	}
	return out.Tasks[0], nil
}

// gone says whether the task's containers have been stopped.
func gone(task types.Task) bool {
	switch aws.ToString(task.LastStatus) {
	case "STOPPED", "DEPROVISIONING", "STOPPING":
		return true
	}
	return false
}

// verdict judges how the command ended. ours says that not the payload's timeout
// but the function's own time was the limit.
func (c *command) verdict(limit time.Duration, ours bool) (result.Status, string) {
	code := c.decoder.ExitCode()
	switch {
	case c.timedOut && ours:
		return result.TimedOut, fmt.Sprintf("the command was stopped after %s, when the time of the function was over", limit.Round(time.Second))
	case c.timedOut:
		return result.TimedOut, fmt.Sprintf("the command was stopped after %s, its timeout", limit.Round(time.Second))
	case c.decoder.Ended() && code == nil:
		return result.Failed, "the command ended without an exit code: it ended the shell that would have known it"
	case c.decoder.Ended() && *code == 0:
		return result.Succeeded, "the command exited with code 0"
	case c.decoder.Ended():
		return result.Failed, "the command " + taskevent.Exited(*code, "")
	case gone(c.task), aws.ToString(c.task.DesiredStatus) == "STOPPED":
		return c.stopped()
	case c.decoder.Begun():
		return result.Lost, "the session ended before the command: " + c.cause() + "; the command may still run"
	case errors.Is(c.err, ssmchan.ErrKMS), errors.Is(c.err, ssmchan.ErrHandshake):
		return result.StartFailed, "the command did not run: " + c.cause()
	case c.channel.Closed:
		return result.StartFailed, "the command did not start: " + c.cause()
	default:
		return result.Lost, "it is not known whether the command ran: " + c.cause()
	}
}

// stopped is the verdict on a command whose task went away.
func (c *command) stopped() (result.Status, string) {
	task := taskevent.Task{StopCode: string(c.task.StopCode), StoppedReason: aws.ToString(c.task.StoppedReason)}
	if v := task.Verdict(""); v.Status == result.Interrupted {
		return result.Interrupted, "AWS took the task away under the command" + because(task)
	}
	return result.Stopped, "the task stopped under the command" + because(task)
}

func because(t taskevent.Task) string {
	if t.StoppedReason == "" {
		return ""
	}
	return ": " + t.StoppedReason
}

// cause is why the channel ended, for people.
func (c *command) cause() string {
	if reason := c.channel.Reason; reason != "" && c.err == nil {
		return advise(reason)
	}
	if c.err != nil {
		return advise(c.err.Error())
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
	case exec.Logging == types.ExecuteCommandLoggingDefault:
		return "the whole session is logged in the log group of the container, stream " + session
	}
	return ""
}

// mayPass says whether it may help to wait, while no session can exist.
func mayPass(err error) bool {
	if _, ok := errors.AsType[notReady](err); ok {
		return true
	}
	if api, ok := errors.AsType[smithy.APIError](err); ok {
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
