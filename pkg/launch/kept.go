package launch

import (
	"context"

	"errand/pkg/ledger"
	"errand/pkg/payload"
	"errand/pkg/result"
)

// keep is the error to a sender that would drop what it sent upon an answer. Of the
// payloads in an array people are told; otherwise what is in the error is all that
// can be said.
func (l *Launcher) keep(ctx context.Context, d delivery, kept payload.Kept) error {
	l.log.ErrorContext(ctx, "payload refused", "error", kept)
	err := l.reporter.Batch(ctx, d.Payload, func(raw []byte) (ledger.Delivery, result.Result) {
		part := d
		eventID := part.decode(raw)
		part.Run = part.job.Run(eventID, d.Holder)
		l.outline(&part)
		return part.Delivery, l.refused(part, kept, false)
	})
	if err != nil {
		return err
	}
	return kept
}
