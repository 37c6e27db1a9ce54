package host

import (
	"context"
	"time"
)

// Now is the time of the services.
func (h *Host) Now() time.Time { return time.Now() }

// After tells when d of the services' time has passed.
func (h *Host) After(d time.Duration) <-chan time.Time { return time.After(d) }

// Sleep waits, and reports whether the time has passed before the context
// ended.
func Sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// Stamp writes the present time as SNS and Lambda do.
func Stamp() string { return time.Now().UTC().Format("2006-01-02T15:04:05.000Z") }
