package host

import (
	"context"
	"time"
)

// Clock is AWS's time, which may run faster than the real one. Everything that
// takes AWS some time goes by it: timestamps, waits between retries, what is
// remembered for an hour. What takes this machine some time, such as the frames
// of a session and the answer to a call, is real.
type Clock interface {
	Now() time.Time
	// Real is how long a time of AWS's really takes.
	Real(d time.Duration) time.Duration
	// String is what the functions are told of the clock; empty is nothing.
	String() string
}

// realClock is the clock of a server that has no other.
type realClock struct{}

func (realClock) Now() time.Time                     { return time.Now() }
func (realClock) Real(d time.Duration) time.Duration { return d }
func (realClock) String() string                     { return "" }

// Now is the time.
func (h *Host) Now() time.Time { return h.clock.Now() }

// Stamp writes the time as SNS and Lambda do.
func (h *Host) Stamp() string { return h.Now().UTC().Format("2006-01-02T15:04:05.000Z") }

// Real is how long d really takes.
func (h *Host) Real(d time.Duration) time.Duration { return h.clock.Real(d) }

// Clock is what the functions are told of the clock; empty is nothing.
func (h *Host) Clock() string { return h.clock.String() }

// After tells when d of AWS's time has passed.
func (h *Host) After(d time.Duration) <-chan time.Time { return time.After(h.Real(d)) }

// Sleep waits for d of AWS's time, and reports whether it has passed before the
// context ended.
func (h *Host) Sleep(ctx context.Context, d time.Duration) bool { return Sleep(ctx, h.Real(d)) }

// Sleep waits for d of real time, and reports whether it has passed before the
// context ended.
func Sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
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
