package report

import (
	"context"

	"errand/pkg/ledger"
	"errand/pkg/payload"
	"errand/pkg/result"
	"errand/pkg/run"
)

// Sent completes the result of a refused payload: what was sent, without its values,
// and by whom.
func Sent(end *result.Result, raw []byte) {
	if end.Status != run.Rejected {
		return
	}
	source, outline := payload.Outline(raw)
	if source != (payload.Source{}) {
		end.Source = (*result.Source)(&source)
	}
	end.Payload = outline
}

// maxTold is of how many payloads of one array people are told.
const maxTold = 100

// Batch tells people of the payloads in an array that was refused, each once, and
// beside any run, not as one: sent again by itself, it is run. part makes the result
// of one. Of those that do not say which job they are of, nothing can be told.
func (r *Reporter) Batch(ctx context.Context, array []byte, part func(raw []byte) (ledger.Delivery, result.Result)) error {
	for i, raw := range payload.Batch(array) {
		if i == maxTold {
			break
		}
		d, end := part(raw)
		if !run.ValidJob(d.Run.Job) {
			continue
		}
		if _, err := r.Beside(ctx, d, end); err != nil {
			return Untold(end, err)
		}
	}
	return nil
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

// Untold is the error of telling people of an end; nil if they were told.
func Untold(end result.Result, err error) error {
	switch {
	case err == nil:
		return nil
	case end.Status == run.Lost:
		return Uncertain{untold{end.Reason, err}}
	}
	return untold{end.Reason, err}
}
