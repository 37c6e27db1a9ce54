package collect

import (
	"encoding/json"
	"fmt"
	"strings"

	"errand/pkg/job"
	"errand/pkg/result"
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
	p, eventID, invalid := job.Decode(r.RequestPayload)
	var response struct {
		ErrorMessage string `json:"errorMessage"`
	}
	_ = json.Unmarshal(r.ResponsePayload, &response) // absent if the launcher was never run
	reason := response.ErrorMessage
	if reason == "" {
		reason = "the function gave no answer (" + r.RequestContext.Condition + ")"
	}
	if n := r.RequestContext.Invokes; n > 1 {
		reason += fmt.Sprintf(" (given up after %d attempts)", n)
	}
	failed := job.NewRun(p, eventID, r.RequestContext.RequestID).NotStarted(result.LaunchFailed, reason)
	switch {
	case r.executor() && r.RequestContext.Condition == "EventAgeExceeded":
		failed.Method, failed.Status = result.MethodExec, result.StartFailed
		failed.Reason = "the command was not run: Lambda could not run the executor in time"
	case r.executor():
		failed.Method, failed.Status = result.MethodExec, result.Lost
		failed.Reason = "the executor failed, and the command may have run: " + reason
	case invalid != nil:
		// What failed was telling people so.
		failed.Status, failed.Reason = result.Rejected, invalid.Error()
	}
	return failed
}
