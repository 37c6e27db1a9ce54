package collect

import (
	"encoding/json"
	"fmt"
	"strings"

	"errand/pkg/ledger"
	"errand/pkg/payload"
	"errand/pkg/report"
	"errand/pkg/result"
	"errand/pkg/run"
)

// record is what Lambda sends to the failure destination of an asynchronous
// invocation that it gave up
// (https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html).
type record struct {
	RequestContext *struct {
		RequestID   string `json:"requestId"`
		FunctionARN string `json:"functionArn"`
		Condition   string `json:"condition"`
		Invokes     int    `json:"approximateInvokeCount"`
	} `json:"requestContext"`
	RequestPayload  json.RawMessage `json:"requestPayload"`
	ResponsePayload json.RawMessage `json:"responsePayload"`
}

// failedLaunch decodes raw if it is such a record.
func failedLaunch(raw []byte) (record, bool) {
	var r record
	err := json.Unmarshal(raw, &r)
	return r, err == nil && r.RequestContext != nil && r.RequestPayload != nil
}

// payload is what the function was handed, by a person or by anybody else.
func (r record) payload() json.RawMessage {
	if wake, ok := ledger.DecodeWake(r.RequestPayload); ok {
		return wake.Payload
	}
	return r.RequestPayload
}

// delivery is what the function was handed, as the function would have put it into
// the ledger.
func (r record) delivery(end result.Result) ledger.Delivery {
	raw := r.payload()
	d := ledger.Delivery{Run: end.Run, Digest: payload.Digest(raw), Payload: raw, Cluster: end.Cluster, Holder: r.RequestContext.RequestID}
	if wake, ok := ledger.DecodeWake(r.RequestPayload); ok {
		d.Person = wake.By
	}
	if r.executor() {
		p, _, _ := payload.DecodeExec(raw)
		d.Schedule = p.Schedule
		return d
	}
	p, _, _ := payload.Decode(raw)
	d.Schedule = p.Schedule
	return d
}

// executor says whether the record is of the function that runs commands in
// live tasks. CloudFormation puts the function's name together of the stack's,
// ExecutorFunction and a suffix.
func (r record) executor() bool {
	arn := r.RequestContext.FunctionARN
	return strings.Contains(arn, "-ExecutorFunction-") || strings.Contains(arn, ":function:executor:")
}

// result tells people of the run that the payload asked for, whose identity the
// function would have found likewise.
func (r record) result() result.Result {
	raw := r.payload()
	if r.executor() {
		p, eventID, invalid := payload.DecodeExec(raw)
		end := result.Result{
			Run:   p.Run(eventID, r.RequestContext.RequestID),
			Place: result.Place{Command: p.Command, Cluster: p.Cluster, Container: p.Container},
		}
		end.Status, end.Reason = run.Lost, "the executor failed, and the command may have run: "+r.reason()
		switch {
		case invalid != nil:
			// What failed was telling people so.
			end.Status, end.Reason = run.Rejected, invalid.Error()
			report.Sent(&end, raw)
		case r.RequestContext.Condition == "EventAgeExceeded":
			end.Status, end.Reason = run.StartFailed, "the command was not run: Lambda could not run the executor in time"
		case r.response().ErrorType == report.UntoldType && report.SetUntold(&end, r.response().ErrorMessage):
			// The executor has seen its end, and told it to some.
		case r.response().ErrorType == report.NotBegunType:
			end.Status, end.Reason = run.StartFailed, "the command was not run: "+r.reason()
		}
		return end
	}
	p, eventID, invalid := payload.Decode(raw)
	end := result.Result{
		Run:    p.Run(eventID, r.RequestContext.RequestID),
		Status: run.LaunchFailed, Reason: r.reason(),
		Place: result.Place{Command: p.Command, Cluster: p.Cluster, TaskDefinition: p.TaskDefinition, Container: p.Container},
	}
	switch {
	case invalid != nil:
		// What failed was telling people so.
		end.Status, end.Reason = run.Rejected, invalid.Error()
		report.Sent(&end, raw)
	case r.uncertain():
		end.Status = run.Lost
	}
	if _, cause, ok := strings.Cut(end.Reason, ": "); ok && end.Status == run.LaunchFailed {
		end.Summary = cause // the status says what comes before
	}
	return end
}

// notBegun ends the message of a function whose environment does not do: it says so
// and exits with 1 before it has taken an event.
const notBegun = "Runtime exited with error: exit status 1"

// uncertain says whether the run may have been started all the same: the launcher
// says so, or was killed or stopped, perhaps between the call and its answer.
func (r record) uncertain() bool {
	last := r.response()
	if strings.HasSuffix(last.ErrorMessage, notBegun) {
		return false
	}
	return last.ErrorType == report.UncertainType || strings.Contains(last.ErrorMessage, "Task timed out after") ||
		strings.HasPrefix(last.ErrorType, "Runtime.") || strings.HasPrefix(last.ErrorType, "Sandbox.")
}

// response is what the function answered last; empty if it was never run.
func (r record) response() (answer struct {
	ErrorMessage string `json:"errorMessage"`
	ErrorType    string `json:"errorType"`
},
) {
	_ = json.Unmarshal(r.ResponsePayload, &answer)
	return answer
}

// reason is what the function said when it failed last.
func (r record) reason() string {
	reason := r.response().ErrorMessage
	if reason == "" {
		reason = "the function gave no answer (" + r.RequestContext.Condition + ")"
	}
	if n := r.RequestContext.Invokes; n > 1 {
		reason += fmt.Sprintf(" (given up after %d attempts)", n)
	}
	return reason
}
