package collect

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"

	"errand/pkg/awserr"
	"errand/pkg/logtail"
	"errand/pkg/result"
	"errand/pkg/run"
	"errand/pkg/taskevent"
)

// Logs reads log streams; *cloudwatchlogs.Client is one.
type Logs interface {
	GetLogEvents(context.Context, *cloudwatchlogs.GetLogEventsInput, ...func(*cloudwatchlogs.Options)) (*cloudwatchlogs.GetLogEventsOutput, error)
}

// excerpt reads the end of the container's log when it is complete. ran says
// whether the container was started; if not, there is nothing to wait for.
func (c *Collector) excerpt(ctx context.Context, event taskevent.Event, container taskevent.Container, d containerDefinition, lines int, ran bool) *result.Log {
	log := result.Locate(d.logDriver, d.logOption, container.Name, event.Task.TaskARN, container.RuntimeID)
	if log.Status != "" {
		return &log
	}
	var from time.Time
	if created := event.Task.CreatedAt.Time; !created.IsZero() {
		from = created.Add(-time.Minute) // an instance's clock may be behind
	}
	read := func(ctx context.Context) (logtail.Tail, error) {
		p := pager{logs: c.logs, region: log.Region}
		return logtail.Read(func(in *cloudwatchlogs.GetLogEventsInput, found bool) (*cloudwatchlogs.GetLogEventsOutput, error) {
			return p.get(ctx, in, found)
		}, log.Group, log.Stream, from, lines)
	}
	ended := cmp.Or(event.Task.ExecutionStoppedAt.Time, event.Task.StoppedAt.Time)
	var (
		tail    logtail.Tail
		settled = !ran
		err     error
	)
	if ran && ended.IsZero() {
		tail, settled, err = c.untilStill(ctx, read)
	} else {
		if ran {
			settled = c.complete(ctx, ended)
		}
		tail, err = read(ctx)
	}
	if err != nil {
		log.Status, log.Note = logStatus(err), err.Error()
		if action, _, ok := awserr.Lacks(awserr.Message(err)); ok && action == "logs:GetLogEvents" {
			log.Note += "; LogGroups lacks " + log.Group // all that the collector's role may read
		}
		return &log
	}
	log.Status, log.Settled = result.LogOK, &settled
	if tail.Empty {
		log.Status, log.Truncated = result.LogEmpty, &tail.Truncated
		return &log
	}
	log.Lines, log.Truncated, log.Note = tail.Lines, &tail.Truncated, tail.Note
	return &log
}

// complete waits until a log is complete: the log driver hands on what a container
// wrote every five seconds (defaultForceFlushInterval in
// https://github.com/moby/moby/blob/master/daemon/logger/awslogs/cloudwatchlogs.go),
// so that twice as long after its end the last line is there. It does not wait, and
// is false, if that would leave no time to read.
func (c *Collector) complete(ctx context.Context, ended time.Time) bool {
	wait := ended.Add(c.cfg.LogWait).Sub(c.cfg.Now())
	if wait <= 0 {
		return true
	}
	c.log.InfoContext(ctx, Waiting)
	ctx, cancel := run.Reserve(ctx, readTime)
	defer cancel()
	return run.Pause(ctx, min(wait, c.cfg.LogWait)) // the task's clock may be ahead
}

// Waiting is what the collector says when it waits for a log.
const Waiting = "waiting until the log is complete, ten seconds after the end"

// readTime is kept from the waiting for the reading.
const readTime = 5 * time.Second

// untilStill is for an event that does not say when the task ended: it reads until
// two reads agree. A log without a line may be one whose lines are late, so it is
// never still. What was read stays when a later read fails.
func (c *Collector) untilStill(ctx context.Context, read func(context.Context) (logtail.Tail, error)) (last logtail.Tail, settled bool, err error) {
	ctx, cancel := run.Timeout(ctx, c.cfg.LogWait*3/2)
	defer cancel()
	last, err = read(ctx)
	for (!settled || last.Empty) && (err == nil || logStatus(err) != result.LogDenied) && run.Pause(ctx, c.cfg.LogWait/5) {
		next, readErr := read(ctx)
		switch {
		case readErr == nil:
			settled = err == nil && last.Same(next)
			last, err = next, nil
		case err == nil:
			settled = false
		case !errors.Is(readErr, context.DeadlineExceeded):
			err = readErr // and not that the time was over
		}
	}
	return last, settled, err
}

// pager gets the pages of a log.
type pager struct {
	logs   Logs
	region string
	busy   bool // a call was over the quota
}

// errBusy is why a page before lines that were found was not asked for.
var errBusy = errors.New("CloudWatch Logs takes no more calls for now")

// get gets a page. For one before lines that were found, nobody else is to miss all
// of theirs: it is not asked for when the quota is short, and else not for long.
func (p *pager) get(ctx context.Context, in *cloudwatchlogs.GetLogEventsInput, found bool) (out *cloudwatchlogs.GetLogEventsOutput, err error) {
	pause := firstPause
	if found {
		if p.busy {
			return nil, errBusy
		}
		var cancel context.CancelFunc
		ctx, cancel = run.Timeout(ctx, beforeTime)
		defer cancel()
		pause = beforePause
	}
	err = patiently(ctx, pause, func() error {
		out, err = p.logs.GetLogEvents(ctx, in, func(o *cloudwatchlogs.Options) { o.Region, o.Retryer = p.region, aws.NopRetryer{} })
		p.busy = p.busy || awserr.Throttled(err)
		return err
	})
	return out, awserr.Plain(err)
}

// The pauses between the tries of one call begin with these. beforeTime is how long
// a page before lines that were found is asked for.
const (
	firstPause  = 100 * time.Millisecond
	beforePause = time.Second
	beforeTime  = 5 * time.Second
)

// patiently makes a call until AWS answers it, or refuses it for another reason than
// its quota, or the context is about to end. Pauses are doubled, up to a tenth of the
// time that is left: who has waited for long comes before who may wait longer, so
// that of many who wait for one quota none waits in vain. The SDK's own retries are
// to be off: they come within a second, and only take from the quota.
func patiently(ctx context.Context, pause time.Duration, call func() error) error {
	var last error
	for ; ; pause *= 2 {
		err := call()
		if last == nil || !errors.Is(err, context.DeadlineExceeded) {
			last = err // and not that the time was over
		}
		if !awserr.Throttled(err) && !awserr.Uncertain(err) {
			return err
		}
		if end, ok := run.Deadline(ctx); ok {
			pause = min(pause, max(firstPause, run.Until(end)/10))
		}
		if !run.Pause(ctx, pause/2+rand.N(pause)) { //nolint:gosec // chance, not a secret
			return last
		}
	}
}

// logStatus classes the error of a call by its code.
func logStatus(err error) result.LogStatus {
	switch {
	case awserr.Denied(err):
		return result.LogDenied
	case awserr.Code(err) == "ResourceNotFoundException":
		return result.LogMissing
	}
	return result.LogError
}
