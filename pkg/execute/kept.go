package execute

import (
	"context"

	"errand/pkg/ledger"
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
func (x *Executor) keep(ctx context.Context, d ledger.Delivery, kept payload.Kept) error {
	x.log.ErrorContext(ctx, "payload refused", "error", kept)
	for i, raw := range payload.Batch(d.Payload) {
		if i == maxTold {
			break
		}
		p, eventID, _ := payload.DecodeExec(raw)
		d.Run, d.Payload, d.Digest, d.Schedule = p.Run(eventID, d.Holder), raw, payload.Digest(raw), p.Schedule
		if !run.ValidJob(d.Run.Job) {
			continue
		}
		end := result.Result{
			Run: d.Run, Status: run.Rejected, Reason: kept.Error(),
			Place: result.Place{Command: p.Command, Cluster: d.Cluster, Container: p.Container},
		}
		sent(&end, raw)
		// Beside any run, and not as one: sent again by itself, it is run.
		if _, err := x.reporter.Beside(ctx, d, end); err != nil {
			return report.NotBegun{Err: told(end, err)}
		}
	}
	return report.NotBegun{Err: kept}
}

// untold is an end that not everybody was told of. Its text is what people read in
// Lambda's record of the failure, and begins with what they were to be told.
type untold struct {
	reason string
	err    error
}

func (u untold) Error() string {
	return u.reason + "; and not everybody could be told: " + u.err.Error()
}
func (u untold) Unwrap() error { return u.err }

// told is the error of telling of a refusal. Of a command that was run, the collector
// says that it may have been.
func told(end result.Result, err error) error {
	if err == nil || end.Status != run.Rejected {
		return err
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
