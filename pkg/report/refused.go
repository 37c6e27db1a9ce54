package report

import (
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
