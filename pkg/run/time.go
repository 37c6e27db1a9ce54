package run

import (
	"context"
	"time"
)

// Reserve is a context for what comes before something that must not be left
// out, such as the publication: it ends d before ctx does. Short deadlines are
// shared evenly. A context's deadline is the process's own clock's, so this file
// asks that clock where everything else is given the time.
func Reserve(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, deadline.Add(-min(d, time.Until(deadline)/2)))
}

// Share is a context for the first of several things that have to be done: it ends
// when half of the time that is left to ctx is over, or after d where ctx has no
// deadline.
func Share(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	if deadline, ok := ctx.Deadline(); ok {
		d = time.Until(deadline) / 2
	}
	return context.WithTimeout(ctx, d)
}

// Pause waits for d, and is false at once if ctx would end before that.
func Pause(ctx context.Context, d time.Duration) bool {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < d {
		return false
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
