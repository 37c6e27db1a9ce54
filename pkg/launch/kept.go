package launch

import (
	"context"

	"errand/pkg/payload"
	"errand/pkg/report"
	"errand/pkg/run"
)

// maxTold is of how many payloads of one array people are told.
const maxTold = 100

// keep is the error to a sender that would drop what it sent upon an answer. Of the
// payloads in an array people are told, each once, but for those that do not say
// which job they are of: what is in the error is all that can be said of them.
func (l *Launcher) keep(ctx context.Context, d delivery, kept payload.Kept) error {
	l.log.ErrorContext(ctx, "payload refused", "error", kept)
	for i, raw := range payload.Batch(d.Payload) {
		if i == maxTold {
			break
		}
		part := d
		eventID := part.decode(raw)
		part.Run = part.job.Run(eventID, d.Holder)
		if !run.ValidJob(part.Run.Job) {
			continue
		}
		l.outline(&part)
		// Beside any run, and not as one: sent again by itself, it is run.
		end := l.refused(part, kept, false)
		if _, err := l.reporter.Beside(ctx, part.Delivery, end); err != nil {
			return report.Untold(end, err)
		}
	}
	return kept
}
