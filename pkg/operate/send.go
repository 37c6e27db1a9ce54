package operate

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"errand/pkg/ledger"
	"errand/pkg/run"
)

// Answer is what the launcher or the executor answered.
type Answer struct{ run.Answer }

// Well says whether the run was begun, or has ended well.
func (a Answer) Well() bool {
	return a.Going() || a.Status == string(run.Succeeded)
}

// Going says whether the run has its end before it, as far as the answer tells.
func (a Answer) Going() bool { return a.Status == Started || a.Status == Waiting }

// Text is the answer for people.
func (a Answer) Text(s Style) string {
	out := rows{style: s}
	again := ""
	if a.Again {
		again = " before"
	}
	out.add(s.paint(s.color(a.Status), a.Status+again) + "  " + place(a.Job, a.RunID) + "\n")
	if a.Reason != "" {
		out.add(wrap(a.Reason, "", s.Width))
	}
	if !a.NextTryAt.IsZero() {
		out.row("Next try", second(a.NextTryAt))
	}
	if a.TaskARN != "" {
		out.row("Task", run.LastPart(a.TaskARN))
	}
	return out.String()
}

// functionOf is the name of the function that runs of a method are for.
func (s *Stack) functionOf(method string) (string, error) {
	if method == run.MethodExec {
		return s.output("ExecutorFunctionName")
	}
	return s.output("LauncherFunctionName")
}

// send hands a person's payload to its function and waits for the answer.
func (s *Stack) send(ctx context.Context, r request) (Answer, error) {
	function, err := s.functionOf(r.method)
	if err != nil {
		return Answer{}, err
	}
	wake, err := json.Marshal(ledger.Wake{Wake: ledger.WakeStart, Payload: r.payload, By: s.By})
	if err != nil {
		return Answer{}, err
	}
	what := fmt.Sprintf("start run %s", place(r.job, r.runID))
	raw, err := s.invoke(ctx, what, function, wake, types.InvocationTypeRequestResponse)
	if err != nil {
		return Answer{}, fmt.Errorf("%w; errand show %s tells whether it was started", err, place(r.job, r.runID))
	}
	var a Answer
	if err := json.Unmarshal(raw, &a); err != nil {
		return Answer{}, fmt.Errorf("%s: function %s answered with what is none of its answers: %w", what, function, err)
	}
	return a, nil
}

// invoke calls a function once. A command in a live task may take 15 minutes, and a
// client that calls again would only be told that it runs.
func (s *Stack) invoke(ctx context.Context, what, function string, payload []byte, kind types.InvocationType) ([]byte, error) {
	out, err := s.lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: &function, Payload: payload, InvocationType: kind},
		func(o *lambda.Options) { o.Retryer = aws.NopRetryer{} })
	if err != nil {
		return nil, s.explain(what+": invoke function "+function, err, operator)
	}
	if out.FunctionError == nil {
		return out.Payload, nil
	}
	var failure struct {
		ErrorMessage string `json:"errorMessage"`
	}
	if err := json.Unmarshal(out.Payload, &failure); err != nil || failure.ErrorMessage == "" {
		failure.ErrorMessage = string(out.Payload)
	}
	return nil, fmt.Errorf("%s: function %s failed: %s", what, function, failure.ErrorMessage)
}
