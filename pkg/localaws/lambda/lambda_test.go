package lambda_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"errand/pkg/localaws"
	"errand/pkg/localaws/host"
)

// Lambda's limits, in bytes.
const (
	maxSyncPayload  = 6 << 20
	maxAsyncPayload = 1 << 20
	maxResponse     = 6291556
	maxTail         = 4 << 10
)

// invoke calls the function through the SDK and waits for its answer.
func invoke(t *testing.T, s *localaws.Server, function string, o order) *lambda.InvokeOutput {
	t.Helper()
	out, err := lambda.NewFromConfig(clientConfig(s)).Invoke(t.Context(), &lambda.InvokeInput{
		FunctionName: aws.String(function), Payload: host.EncodeJSON(o), LogType: types.LogTypeTail,
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func decodeReport(t *testing.T, out *lambda.InvokeOutput) report {
	t.Helper()
	var r report
	if out.FunctionError != nil {
		t.Fatalf("the function failed: %s", out.Payload)
	}
	if err := json.Unmarshal(out.Payload, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestInvokeRunsTheProgram(t *testing.T) {
	t.Parallel()
	f := program(t, "launcher")
	f.Env["TOPIC_ARN"] = "arn:aws:sns:eu-west-1:123456789012:results"
	s, w := serveFunctions(t, f)
	out := invoke(t, s, "launcher", order{Print: "hello"})
	r := decodeReport(t, out)
	if out.StatusCode != http.StatusOK || aws.ToString(out.ExecutedVersion) != "$LATEST" {
		t.Errorf("got status %d and version %s", out.StatusCode, aws.ToString(out.ExecutedVersion))
	}
	if r.ARN != "arn:aws:lambda:eu-west-1:123456789012:function:launcher" {
		t.Errorf("the program sees the ARN %s", r.ARN)
	}
	if !regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`).MatchString(r.RequestID) {
		t.Errorf("the request id %q is not a UUID", r.RequestID)
	}
	if r.Seconds < 1 || r.Seconds > 60 {
		t.Errorf("the deadline is %v seconds away, want up to 60", r.Seconds)
	}
	for _, want := range []string{
		"TOPIC_ARN=arn:aws:sns:eu-west-1:123456789012:results",
		"AWS_LAMBDA_FUNCTION_NAME=launcher",
		"AWS_LAMBDA_FUNCTION_VERSION=$LATEST",
		"AWS_LAMBDA_LOG_GROUP_NAME=/aws/lambda/launcher",
		"AWS_REGION=eu-west-1",
		"AWS_ENDPOINT_URL=" + s.URL(),
		"TZ=:UTC",
	} {
		if !slices.Contains(r.Env, want) {
			t.Errorf("the program's environment lacks %s: %q", want, r.Env)
		}
	}
	for _, v := range r.Env {
		if strings.HasPrefix(v, "HOME=") {
			t.Errorf("the program has inherited %s", v)
		}
	}
	tail, err := base64.StdEncoding.DecodeString(aws.ToString(out.LogResult))
	if want := "hello\ninvocation 1 of request " + r.RequestID + "\n"; err != nil || string(tail) != want {
		t.Errorf("the log's tail is %q, %v; want %q", tail, err, want)
	}
	if want := []string{"hello", "invocation 1 of request " + r.RequestID}; !slices.Equal(w.Lines("launcher"), want) {
		t.Errorf("watched %q, want %q", w.Lines("launcher"), want)
	}
	if s.Calls("Invoke") != 1 {
		t.Errorf("counted %d calls of Invoke, want 1", s.Calls("Invoke"))
	}
}

func TestInvokeReusesAnIdleProgram(t *testing.T) {
	t.Parallel()
	s, _ := serveFunctions(t, program(t, "launcher"))
	first := decodeReport(t, invoke(t, s, "launcher", order{}))
	second := decodeReport(t, invoke(t, s, "launcher", order{}))
	if first.PID != second.PID || second.Invocation != 2 {
		t.Errorf("the second invocation was number %d of program %d, want the second of %d", second.Invocation, second.PID, first.PID)
	}
	invoke(t, s, "launcher", order{Fail: "an error does not end the program"})
	if third := decodeReport(t, invoke(t, s, "launcher", order{})); third.PID != first.PID {
		t.Error("a new program was started after an error")
	}
}

func TestInvokeReportsFailures(t *testing.T) {
	t.Parallel()
	quick := program(t, "quick")
	quick.Timeout = 200 * time.Millisecond
	dying := program(t, "dying")
	dying.Env["LOCALAWS_TEST_BOOTSTRAP"] = "exit"
	missing := program(t, "missing")
	missing.Bootstrap = filepath.Join(t.TempDir(), "bootstrap")
	s, _ := serveFunctions(t, program(t, "launcher"), quick, dying, missing)
	for _, tt := range []struct {
		name, function string
		order          order
		kind, message  string // message is a regular expression
		tail           string
	}{
		{name: "an error of the handler", order: order{Fail: "no such job"}, kind: "errorString", message: "^no such job$", tail: "no such job"},
		{name: "a panic", order: order{Panic: true}, kind: "string", message: "^beyond repair$"},
		{name: "an exit with a code", order: order{Exit: new(1)}, kind: "Runtime.ExitError", message: "^RequestId: [0-9a-f-]{36} Error: Runtime exited with error: exit status 1$", tail: "exit status 1"},
		{name: "an exit without one", order: order{Exit: new(0)}, kind: "Runtime.ExitError", message: "Error: Runtime exited without providing a reason$"},
		{name: "an exit at start", function: "dying", kind: "Runtime.ExitError", message: "exit status 3$", tail: "cannot go on"},
		{name: "a timeout", function: "quick", order: order{Hang: true}, kind: "Sandbox.Timedout", message: "^RequestId: [0-9a-f-]{36} Error: Task timed out after 0.20 seconds$", tail: "timed out"},
		{name: "no program", function: "missing", kind: "Runtime.InvalidEntrypoint", message: "no such file or directory$"},
		{name: "too large an answer", order: order{Big: maxResponse}, kind: "Function.ResponseSizeTooLarge", message: "exceeded maximum allowed payload size"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			function := tt.function
			if function == "" {
				function = "launcher"
			}
			out := invoke(t, s, function, tt.order)
			if aws.ToString(out.FunctionError) != "Unhandled" || out.StatusCode != http.StatusOK {
				t.Errorf("got status %d and function error %q, want 200 and Unhandled", out.StatusCode, aws.ToString(out.FunctionError))
			}
			var answer struct{ ErrorType, ErrorMessage string }
			if err := json.Unmarshal(out.Payload, &answer); err != nil {
				t.Fatal(err)
			}
			if answer.ErrorType != tt.kind || !regexp.MustCompile(tt.message).MatchString(answer.ErrorMessage) {
				t.Errorf("got %s, want the type %s and a message like %q", out.Payload, tt.kind, tt.message)
			}
			tail, _ := base64.StdEncoding.DecodeString(aws.ToString(out.LogResult))
			if !strings.Contains(string(tail), tt.tail) {
				t.Errorf("the log's tail %q does not contain %q", tail, tt.tail)
			}
		})
	}
}

func TestInvokeStartsAfreshAfterAnExit(t *testing.T) {
	t.Parallel()
	s, _ := serveFunctions(t, program(t, "launcher"))
	first := decodeReport(t, invoke(t, s, "launcher", order{}))
	invoke(t, s, "launcher", order{Exit: new(1)})
	if next := decodeReport(t, invoke(t, s, "launcher", order{})); next.PID == first.PID || next.Invocation != 1 {
		t.Errorf("got invocation %d of program %d, want the first of a new one", next.Invocation, next.PID)
	}
}

func TestInvokeDoesNotWaitForABusyProgram(t *testing.T) {
	t.Parallel()
	s, w := serveFunctions(t, program(t, "launcher"))
	if err := s.InvokeAsync("launcher", host.EncodeJSON(order{Print: "busy", Hang: true})); err != nil {
		t.Fatal(err)
	}
	awaitLines(t, w, "launcher", "busy", 1)
	if r := decodeReport(t, invoke(t, s, "launcher", order{})); r.Invocation != 1 {
		t.Errorf("got invocation %d, want the first of a second program", r.Invocation)
	}
}

func TestInvokeKeepsTheEndOfTheLog(t *testing.T) {
	t.Parallel()
	s, _ := serveFunctions(t, program(t, "launcher"))
	out := invoke(t, s, "launcher", order{Print: strings.Repeat("long ", 20_000)})
	tail, _ := base64.StdEncoding.DecodeString(aws.ToString(out.LogResult))
	if len(tail) != maxTail || !strings.Contains(string(tail), "long \ninvocation 1") {
		t.Errorf("got the last %d bytes %q, want %d", len(tail), tail, maxTail)
	}
}

func TestInvokeRefuses(t *testing.T) {
	t.Parallel()
	s, _ := serveFunctions(t, program(t, "launcher"))
	s.Inject(localaws.Fault{Operation: "Invoke", Code: "TooManyRequestsException", Message: "Rate Exceeded.", Status: http.StatusTooManyRequests})
	client := lambda.NewFromConfig(clientConfig(s), func(o *lambda.Options) { o.Retryer = aws.NopRetryer{} })
	_, err := client.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("launcher")})
	if _, ok := errors.AsType[*types.TooManyRequestsException](err); !ok {
		t.Errorf("an injected fault gave %v", err)
	}
	for _, tt := range []struct {
		name          string
		in            lambda.InvokeInput
		code, message string
	}{
		{name: "an unknown function", in: lambda.InvokeInput{FunctionName: aws.String("nobody")}, code: "ResourceNotFoundException", message: "Function not found: arn:aws:lambda:eu-west-1:123456789012:function:nobody"},
		{name: "an unknown version", in: lambda.InvokeInput{FunctionName: aws.String("launcher"), Qualifier: aws.String("7")}, code: "ResourceNotFoundException", message: "Function not found: arn:aws:lambda:eu-west-1:123456789012:function:launcher:7"},
		{name: "an unknown function, asynchronously", in: lambda.InvokeInput{FunctionName: aws.String("nobody"), InvocationType: types.InvocationTypeEvent}, code: "ResourceNotFoundException", message: "Function not found"},
		{name: "a payload that is not JSON", in: lambda.InvokeInput{FunctionName: aws.String("launcher"), Payload: []byte("{job: x}")}, code: "InvalidRequestContentException", message: "Could not parse request body into json"},
		{name: "too large a payload", in: lambda.InvokeInput{FunctionName: aws.String("launcher"), Payload: quoted(maxSyncPayload + 1)}, code: "RequestTooLargeException", message: "smaller than 6291456 bytes"},
		{name: "too large a payload, asynchronously", in: lambda.InvokeInput{FunctionName: aws.String("launcher"), Payload: quoted(maxAsyncPayload + 1), InvocationType: types.InvocationTypeEvent}, code: "RequestTooLargeException", message: "1048577 byte payload is too large"},
		{name: "an unknown invocation type", in: lambda.InvokeInput{FunctionName: aws.String("launcher"), InvocationType: "Later"}, code: "InvalidParameterValueException", message: "Later"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := client.Invoke(t.Context(), &tt.in)
			wantAPIError(t, err, tt.code, tt.message)
		})
	}
}

// quoted is a JSON string of n bytes in all.
func quoted(n int) []byte { return []byte(`"` + strings.Repeat("x", n-2) + `"`) }

func TestInvokeTakesEveryNameOfAFunction(t *testing.T) {
	t.Parallel()
	s, _ := serveFunctions(t, program(t, "launcher"))
	for _, name := range []string{
		"launcher", "launcher:$LATEST", "123456789012:function:launcher",
		"arn:aws:lambda:eu-west-1:123456789012:function:launcher",
		"arn:aws:lambda:eu-west-1:123456789012:function:launcher:$LATEST",
	} {
		out, err := lambda.NewFromConfig(clientConfig(s)).Invoke(t.Context(), &lambda.InvokeInput{
			FunctionName: aws.String(name), InvocationType: types.InvocationTypeDryRun,
		})
		if err != nil || out.StatusCode != http.StatusNoContent {
			t.Errorf("a dry run of %s gave %v, want status 204", name, err)
		}
	}
	list, err := lambda.NewFromConfig(clientConfig(s)).ListFunctions(t.Context(), &lambda.ListFunctionsInput{})
	if err != nil || len(list.Functions) != 1 || aws.ToString(list.Functions[0].FunctionName) != "launcher" {
		t.Errorf("ListFunctions gave %+v, %v", list, err)
	}
}

func TestAsynchronousInvocation(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		order    order
		retries  *int
		attempts int
		dead     bool
	}{
		{name: "succeeds at once", attempts: 1},
		{name: "succeeds at the second attempt", order: order{Fail: "throttled", FailTimes: 1}, attempts: 2},
		{name: "fails three times by default", order: order{Fail: "wrong"}, attempts: 3, dead: true},
		{name: "fails once without retries", order: order{Fail: "wrong"}, retries: new(0), attempts: 1, dead: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := program(t, "launcher")
			f.MaximumRetryAttempts = tt.retries
			s, w := serveFunctions(t, f)
			tt.order.Print = "begin"
			out, err := lambda.NewFromConfig(clientConfig(s)).Invoke(t.Context(), &lambda.InvokeInput{
				FunctionName: aws.String("launcher"), Payload: host.EncodeJSON(tt.order), InvocationType: types.InvocationTypeEvent,
			})
			if err != nil || out.StatusCode != http.StatusAccepted || len(out.Payload) > 0 {
				t.Fatalf("got %+v, %v; want status 202 and no payload", out, err)
			}
			ids := map[string]bool{}
			for _, o := range awaitLines(t, w, "launcher", "invocation ", tt.attempts) {
				ids[o[strings.LastIndex(o, " "):]] = true
			}
			if len(ids) != 1 {
				t.Errorf("the attempts have the request ids %v, want one", ids)
			}
			if !tt.dead {
				if list := s.DeadLetters(); len(list) > 0 {
					t.Errorf("there are dead letters: %+v", list)
				}
				return
			}
			list, err := s.AwaitDeadLetters(t.Context(), 1)
			if err != nil || list[0].Function != "launcher" || !bytes.Equal(list[0].Payload, host.EncodeJSON(tt.order)) || !bytes.Contains(list[0].Error, []byte("wrong")) {
				t.Errorf("got the dead letters %q, %v", list, err)
			}
		})
	}
}

func TestFailedEventGoesToTheFailureFunction(t *testing.T) {
	t.Parallel()
	launcher, failures := program(t, "launcher"), program(t, "failures")
	launcher.OnFailure, launcher.MaximumRetryAttempts = "failures", new(1)
	// The failure function fails by itself, so that its event can be seen.
	failures.Env["LOCALAWS_TEST_BOOTSTRAP"] = "exit"
	failures.OnFailure, failures.MaximumRetryAttempts = "launcher", new(0)
	s, _ := serveFunctions(t, launcher, failures)
	if err := s.InvokeAsync("launcher", host.EncodeJSON(order{Fail: "wrong <job>"})); err != nil {
		t.Fatal(err)
	}
	list, err := s.AwaitDeadLetters(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	if list[0].Function != "failures" {
		t.Fatalf("%s has left the dead letter, want failures", list[0].Function)
	}
	var got map[string]any
	if err := json.Unmarshal(list[0].Payload, &got); err != nil {
		t.Fatal(err)
	}
	requestContext := got["requestContext"].(map[string]any)
	if at, err := time.Parse(time.RFC3339, got["timestamp"].(string)); err != nil || at.IsZero() {
		t.Errorf("timestamp: %v", err)
	}
	if id := requestContext["requestId"].(string); len(id) != 36 {
		t.Errorf("the request id %q is not a UUID", id)
	}
	delete(got, "timestamp")
	delete(requestContext, "requestId")
	want := `{"requestContext":{"approximateInvokeCount":2,"condition":"RetriesExhausted","functionArn":"arn:aws:lambda:eu-west-1:123456789012:function:launcher:$LATEST"},` +
		`"requestPayload":{"fail":"wrong <job>"},"responseContext":{"executedVersion":"$LATEST","functionError":"Unhandled","statusCode":200},` +
		`"responsePayload":{"errorMessage":"wrong <job>","errorType":"errorString"},"version":"1.0"}`
	if text := string(host.EncodeJSON(got)); text != want {
		t.Errorf("got the record\n%s\nwant\n%s", text, want)
	}
}

func TestCloseEndsRunningPrograms(t *testing.T) {
	t.Parallel()
	w := &watched{}
	s, err := localaws.Start(localaws.Options{Watch: w.Add})
	if err != nil {
		t.Fatal(err)
	}
	s.AddFunction(program(t, "launcher"))
	idle := decodeReport(t, invoke(t, s, "launcher", order{}))
	if err := s.InvokeAsync("launcher", host.EncodeJSON(order{Print: "hanging", Hang: true})); err != nil {
		t.Fatal(err)
	}
	awaitLines(t, w, "launcher", "hanging", 1)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(idle.PID, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("program %d is still there: %v", idle.PID, err)
	}
	seen := len(w.All())
	if err := s.InvokeAsync("launcher", []byte("{}")); err != nil {
		t.Fatal(err)
	}
	if n := len(w.All()); n != seen {
		t.Errorf("%d more things happened after Close", n-seen)
	}
}

func TestAwaitSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	s, _ := serveFunctions(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.AwaitMessages(ctx, 2); err == nil || !strings.Contains(err.Error(), "wait for 2 items, got 0") {
		t.Errorf("got %v", err)
	}
}

func TestAddFunctionReplaces(t *testing.T) {
	t.Parallel()
	s, w := serveFunctions(t, program(t, "launcher"))
	first := decodeReport(t, invoke(t, s, "launcher", order{}))
	changed := program(t, "launcher")
	changed.Env["CLUSTER"] = "jobs"
	s.AddFunction(changed)
	second := decodeReport(t, invoke(t, s, "launcher", order{}))
	if second.PID == first.PID || !slices.Contains(second.Env, "CLUSTER=jobs") {
		t.Errorf("program %d answered after program %d, with the environment %q", second.PID, first.PID, second.Env)
	}
	if lines := w.Lines("launcher"); len(lines) != 2 {
		t.Errorf("the function wrote %q, want one line for each invocation", lines)
	}
}
