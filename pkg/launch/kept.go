package launch

import (
	"context"

	"errand/pkg/payload"
	"errand/pkg/report"
	"errand/pkg/result"
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
		if _, err := l.reporter.Beside(ctx, part.Delivery, l.refused(part, kept, false)); err != nil {
			return untold{kept.Error(), err}
		}
	}
	return kept
}

// untold is a refusal that not everybody was told of. Its text is what people read
// in Lambda's record of the failure, and begins with what they were to be told.
type untold struct {
	reason string
	err    error
}

func (u untold) Error() string {
	return u.reason + "; and not everybody could be told: " + u.err.Error()
}
func (u untold) Unwrap() error { return u.err }

// told is the error of telling of a run's end; nil if it was told.
func told(end result.Result, err error) error {
	switch {
	case err == nil:
		return nil
	case end.Status == run.Lost:
		return report.Uncertain{Err: untold{end.Reason, err}}
	}
	return untold{end.Reason, err}
}

// sent completes the result of a refused payload: what was sent, and by whom.
func sent(end *result.Result, raw []byte) {
	if end.Status != run.Rejected {
		return
	}
	source, outline := payload.Outline(raw)
	if source != (payload.Source{}) {
		end.Source = (*result.Source)(&source)
	}
	end.Payload = outline
}
