package execute

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"errand/pkg/execwrap"
	"errand/pkg/run"
	"errand/pkg/ssmchan"
)

// observed is what was seen of a command in its session.
type observed struct {
	decoder            *execwrap.Decoder
	output             lastBytes
	startedAt, endedAt time.Time
	begun, ended       chan struct{} // closed when it is seen
	timedOut, ours     bool          // by the payload's timeout, or by the function's own time
	terminated         bool          // the session
	at                 target
	task               types.Task // as it was seen last
	channel            ssmchan.Result
	err                error // of the channel
	now                func() time.Time
}

// Write takes the session's output.
func (c *observed) Write(p []byte) (int, error) {
	n, err := c.decoder.Write(p)
	if c.decoder.Begun() && c.startedAt.IsZero() {
		c.startedAt = c.now()
		close(c.begun)
	}
	if c.decoder.Ended() && c.endedAt.IsZero() {
		c.endedAt = c.now()
		close(c.ended)
	}
	return n, err
}

// now has milliseconds, as ECS's times.
func (x *Executor) now() time.Time { return x.cfg.Now().UTC().Truncate(time.Millisecond) }

var (
	errTimeout     = errors.New("the timeout is over")
	errTaskStopped = errors.New("the task has stopped")
	errEnded       = errors.New("the command has ended, and the channel was not closed")
	errNoMark      = errors.New("the shell did not answer with errand's mark")
)

// phase is how far a command has come. One timer runs, whose meaning is the
// phase's.
type phase int

const (
	opening     phase = iota // nothing of the command is seen, for Mark
	running                  // until the timeout, upon which it is interrupted
	interrupted              // until Grace is over, upon which the session is terminated
	over                     // until Drain is over, upon which the channel is left
)

// following is one command being followed.
type following struct {
	*observed
	phase phase
	timer *time.Timer
}

// enter begins a phase and its time.
func (f *following) enter(p phase, d time.Duration) {
	f.phase = p
	f.timer.Reset(run.Real(d))
}

// follow reads the session's output until the command has ended, its time is
// over or its task is gone.
func (x *Executor) follow(ctx context.Context, at target, session types.Session, mark string, limit time.Duration) *observed {
	c := &observed{at: at, task: at.task, begun: make(chan struct{}), ended: make(chan struct{}), now: x.now}
	c.decoder = execwrap.NewDecoder(mark, &c.output)
	channel := ssmchan.New(x.channel(ctx, at, session))
	listening, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.channel, c.err = channel.Run(listening, c)
	}()
	f := following{observed: c, timer: time.NewTimer(run.Real(x.cfg.Mark))}
	interrupt := func() {
		select {
		case <-c.ended: // just in time
		case <-done:
		default:
			c.timedOut = true
			channel.Interrupt()
			f.enter(interrupted, x.cfg.Grace)
		}
	}
	looks := x.watch(listening, at.task)
	// The time of the function runs from now, the payload's from the command's own
	// beginning.
	function, cancel := run.Reserve(ctx, commandTime-publishTime)
	defer cancel()
	begun, ended, exhausted := c.begun, c.ended, function.Done()
	for {
		select {
		case <-done:
			x.afterwards(ctx, c, session)
			return c
		case <-begun:
			begun = nil
			if f.phase == opening {
				f.enter(running, limit)
			}
		case <-ended:
			ended = nil
			f.enter(over, x.cfg.Drain)
		case <-exhausted:
			exhausted = nil
			if f.phase < interrupted {
				c.ours = true
				interrupt()
			}
		case <-f.timer.C:
			switch f.phase {
			case opening:
				stop(errNoMark)
			case running:
				interrupt()
			case interrupted:
				stop(errTimeout) // and afterwards the session is terminated
			case over:
				stop(errEnded)
			}
		case c.task = <-looks:
			if c.gone() {
				stop(errTaskStopped)
			}
		}
	}
}

// channel is how the session's data channel is opened.
func (x *Executor) channel(ctx context.Context, at target, session types.Session) ssmchan.Options {
	options := x.cfg.Channel
	options.URL, options.Token = aws.ToString(session.StreamUrl), aws.ToString(session.TokenValue)
	options.SessionID, options.TargetID = aws.ToString(session.SessionId), at.id()
	options.DataKey = x.dataKey
	options.Now = x.cfg.Now
	if !x.cfg.Unsigned {
		var err error
		if options.Header, err = x.sign(ctx, options.URL); err != nil {
			x.log.WarnContext(ctx, "data channel not signed", "error", err)
		}
	}
	return options
}

// watch looks at the task again and again until ctx ends.
func (x *Executor) watch(ctx context.Context, task types.Task) <-chan types.Task {
	looks := make(chan types.Task)
	go func() {
		pace := time.NewTicker(run.Real(x.cfg.Watch))
		defer pace.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-pace.C:
			}
			select {
			case <-ctx.Done():
				return
			case looks <- x.look(ctx, task):
			}
		}
	}()
	return looks
}

// afterwards finds out what a broken end means, and leaves no session behind that
// nobody listens to.
func (x *Executor) afterwards(ctx context.Context, c *observed, session types.Session) {
	if !c.channel.Closed {
		c.terminated = x.terminate(ctx, session)
	}
	if c.decoder.Ended() {
		return
	}
	_ = c.decoder.Flush() // the output takes everything
	if c.timedOut && c.decoder.Begun() {
		c.endedAt = x.now()
	}
	c.task = x.look(ctx, c.task)
}

// terminate ends the session, which hangs up on the command.
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
func (c *observed) gone() bool {
	switch aws.ToString(c.task.LastStatus) {
	case "STOPPED", "DEPROVISIONING":
		return true
	}
	return c.containerGone() != nil
}

// containerGone is the container if it has stopped, or was started again, in a
// task that runs on.
func (c *observed) containerGone() *types.Container {
	for i, now := range c.task.Containers {
		if aws.ToString(now.Name) == aws.ToString(c.at.container.Name) &&
			(aws.ToString(now.LastStatus) == "STOPPED" || aws.ToString(now.RuntimeId) != aws.ToString(c.at.container.RuntimeId)) {
			return &c.task.Containers[i]
		}
	}
	return nil
}

// note says where the session is logged, or what the agent said of it.
func (x *Executor) note(ctx context.Context, c *observed, session string) string {
	said := strings.TrimSuffix(strings.Join(strings.Fields(c.channel.Reason), " "), ".")
	switch {
	case strings.Contains(said, "generate log data"):
		return "the session is not logged: the agent said: " + said + ". To log sessions it needs script and cat in the image"
	case said != "":
		return "the agent said at the end of the session: " + said
	}
	where := x.sessionLog(ctx, c.at.cluster, session)
	if where != "" && !c.channel.Closed {
		return "the session was left before the agent ended it; " + where + ", if the agent came to it"
	}
	return where
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
