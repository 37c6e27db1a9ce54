package execute

import (
	"context"

	"errand/pkg/ledger"
	"errand/pkg/payload"
	"errand/pkg/report"
	"errand/pkg/result"
	"errand/pkg/run"
)

// keep is the error to a sender that would drop what it sent upon an answer. Of the
// payloads in an array people are told; otherwise what is in the error is all that
// can be said.
func (x *Executor) keep(ctx context.Context, d ledger.Delivery, kept payload.Kept) error {
	x.log.ErrorContext(ctx, "payload refused", "error", kept)
	err := x.reporter.Batch(ctx, d.Payload, func(raw []byte) (ledger.Delivery, result.Result) {
		part := d
		p, eventID, _ := payload.DecodeExec(raw)
		part.Run, part.Payload, part.Digest, part.Schedule = p.Run(eventID, d.Holder), raw, payload.Digest(raw), p.Schedule
		end := result.Result{
			Run: part.Run, Status: run.Rejected, Reason: kept.Error(),
			Place: result.Place{Command: p.Command, Cluster: d.Cluster, Container: p.Container},
		}
		report.Sent(&end, raw)
		return part, end
	})
	if err != nil {
		return report.NotBegun{Err: err}
	}
	return report.NotBegun{Err: kept}
}
