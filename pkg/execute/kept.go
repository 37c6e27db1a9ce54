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
		report.Sent(&end, raw)
		// Beside any run, and not as one: sent again by itself, it is run.
		if _, err := x.reporter.Beside(ctx, d, end); err != nil {
			return report.NotBegun{Err: report.Untold(end, err)}
		}
	}
	return report.NotBegun{Err: kept}
}
