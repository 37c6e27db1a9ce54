package run

import (
	"context"
	"time"
)

// Now is the time.
func Now() time.Time { return time.Now() }

// Deadline is the end of a context.
func Deadline(ctx context.Context) (time.Time, bool) { return ctx.Deadline() }
