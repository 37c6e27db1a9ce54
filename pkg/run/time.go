package run

import (
	"context"
	"time"
)

// A context's deadline is in real time, and everything else is by the process's
// clock: the durations that these functions are given, and the times that they
// return. Only this file and clock.go ask the real clock; everything else is given
// the time.

// Reserve is a context for what comes before something that must not be left
// out, such as the publication: it ends d before ctx does. Short deadlines are
// shared evenly.
func Reserve(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, deadline.Add(-min(clock.Real(d), time.Until(deadline)/2)))
}

// Share is a context for the first of several things that have to be done: it ends
// when half of the time that is left to ctx is over, or after d where ctx has no
// deadline.
func Share(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	if deadline, ok := ctx.Deadline(); ok {
		return context.WithTimeout(ctx, time.Until(deadline)/2)
	}
	return Timeout(ctx, d)
}

// Timeout is context.WithTimeout by the process's clock.
func Timeout(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, clock.Real(d))
}

// Real is how long d really takes, for timers, which go by the real time.
func Real(d time.Duration) time.Duration { return clock.Real(d) }

// Deadline is when ctx ends, by the process's clock, if it does.
func Deadline(ctx context.Context) (time.Time, bool) {
	deadline, ok := ctx.Deadline()
	if !ok || clock.speed() == 1 {
		return deadline, ok
	}
	return Now().Add(clock.Scaled(time.Until(deadline))), true
}

// Until is how long it is until a time, both by the process's clock.
func Until(t time.Time) time.Duration { return t.Sub(Now()) }

// Pause waits for d, and is false at once if ctx would end before that.
func Pause(ctx context.Context, d time.Duration) bool {
	d = clock.Real(d)
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
