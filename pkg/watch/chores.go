package watch

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"errand/pkg/awserr"
	"errand/pkg/ledger"
)

// When a row is due again whose chore was done, unless somebody sets another time.
const (
	// wokenAgain leaves a function the time to be invoked and to take a lease, which
	// sets a time of its own.
	wokenAgain = 3 * time.Minute
	// soon is for what is expected to be otherwise at the next tick.
	soon = time.Minute
	// unreadAgain is for what only another release may be able to read.
	unreadAgain = time.Hour
)

// moved moves a row, and is false if somebody else did so since it was read: then
// it is theirs.
func (t *tick) moved(ctx context.Context, c *chore, next time.Time) (bool, error) {
	ok, err := t.ledger.Move(ctx, c.Row, next)
	if ok {
		c.Due = next
	}
	return ok, err
}

// await puts a row off until whoever is at it must be through.
func (t *tick) await(ctx context.Context, c chore) error {
	_, err := t.moved(ctx, &c, c.Attempt.BusyUntil().Add(time.Second))
	return err
}

// skip puts off what cannot be read, so that it holds nothing up.
func (t *tick) skip(ctx context.Context, c chore) error {
	ok, err := t.moved(ctx, &c, t.ledger.Now().Add(unreadAgain))
	if ok {
		t.count(&t.undecodable)
		t.log.ErrorContext(ctx, "an item of the ledger cannot be read; looked at again in an hour", "item", c.String(), "error", c.Err)
	}
	return err
}

// launch wakes the launcher for an attempt that waits.
func (t *tick) launch(ctx context.Context, c chore) error {
	c.wake = ledger.WakeLaunch
	return t.wakeUp(ctx, c, t.cfg.Launcher)
}

// wakeCollector wakes the collector for an attempt that somebody has left, or
// hands it the end of its task.
func (t *tick) wakeCollector(ctx context.Context, c chore) error {
	return t.wakeUp(ctx, c, t.cfg.Collector)
}

func (t *tick) wakeUp(ctx context.Context, c chore, function string) error {
	payload, what := c.event, "stopped"
	if c.wake != "" {
		payload, _ = json.Marshal(ledger.Wake{Wake: c.wake, Key: c.Attempt.Key}) // which has nothing that cannot be encoded
		what = c.wake
	}
	if ok, err := t.moved(ctx, &c, t.ledger.Now().Add(wokenAgain)); !ok || err != nil {
		return err
	}
	_, err := t.lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: &function, InvocationType: types.InvocationTypeEvent, Payload: payload})
	if err != nil {
		return fmt.Errorf("wake function %s for %s: %w", function, c.Attempt.Key, awserr.Plain(err))
	}
	t.count(&t.wakes)
	t.log.InfoContext(ctx, "woke "+function, "for", what, "job", c.Attempt.Job, "run_id", c.Attempt.RunID, "attempt", c.Attempt.Key.Attempt)
	return nil
}

// stop stops a task, after the ledger was told why: whoever sees it stopped looks
// there.
func (t *tick) stop(ctx context.Context, c chore) error {
	next := t.ledger.Now().Add(soon)
	move := func() (bool, error) { return t.ledger.Move(ctx, c.Row, next) }
	if c.why != "" {
		move = func() (bool, error) { return t.ledger.StopFor(ctx, c.Row, c.why, next) }
	}
	if ok, err := move(); !ok || err != nil {
		return err
	}
	a := c.Attempt
	if _, err := t.ecs.StopTask(ctx, &ecs.StopTaskInput{Cluster: optional(clusterOf(a)), Task: &a.Task, Reason: &c.reason}); err != nil {
		return fmt.Errorf("stop task %s of %s: %w", a.Task, a.Key, awserr.Plain(err))
	}
	t.count(&t.stops)
	t.log.InfoContext(ctx, "stopped the task", "job", a.Job, "run_id", a.RunID, "task_arn", a.Task, "reason", c.reason)
	return nil
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return aws.String(s)
}
