package localtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/aws"

	"errand/pkg/localaws"
	"errand/pkg/localaws/host"
)

// Main makes the test binary the program of the tests' Lambda functions as
// well, so that they run a real one without a compile step.
func Main(m *testing.M) {
	switch os.Getenv("LOCALAWS_TEST_BOOTSTRAP") {
	case "":
		os.Exit(m.Run())
	case "exit":
		fmt.Println("cannot go on")
		os.Exit(3)
	case "print":
		lambda.Start(func(event json.RawMessage) error {
			fmt.Printf("event %s\n", event)
			return nil
		})
	default:
		lambda.Start(handle)
	}
}

// Order is what the tests' function is told to do.
type Order struct {
	Print string `json:"print,omitempty"`
	Fail  string `json:"fail,omitempty"`
	// FailTimes is how many invocations of one program fail before one does not.
	FailTimes int64 `json:"failTimes,omitempty"`
	Panic     bool  `json:"panic,omitempty"`
	Exit      *int  `json:"exit,omitempty"`
	Hang      bool  `json:"hang,omitempty"`
	Big       int   `json:"big,omitempty"`
}

// Report is what the tests' function answers.
type Report struct {
	Invocation int64    `json:"invocation"` // of this program
	PID        int      `json:"pid"`
	RequestID  string   `json:"requestId"`
	ARN        string   `json:"arn"`
	Seconds    float64  `json:"seconds"` // left until the deadline
	Env        []string `json:"env"`
	Big        string   `json:"big"`
}

var invocations atomic.Int64

func handle(ctx context.Context, o Order) (Report, error) {
	n := invocations.Add(1)
	if o.Print != "" {
		fmt.Println(o.Print)
	}
	call, _ := lambdacontext.FromContext(ctx)
	fmt.Fprintf(os.Stderr, "invocation %d of request %s\n", n, call.AwsRequestID)
	switch {
	case o.Panic:
		panic("beyond repair")
	case o.Exit != nil:
		os.Exit(*o.Exit)
	case o.Hang:
		select {}
	case o.Fail != "" && (o.FailTimes == 0 || n <= o.FailTimes):
		return Report{}, errors.New(o.Fail)
	}
	deadline, _ := ctx.Deadline()
	return Report{n, os.Getpid(), call.AwsRequestID, call.InvokedFunctionArn, time.Until(deadline).Seconds(), os.Environ(), strings.Repeat("x", o.Big)}, nil
}

// Program is a function that runs handle.
func Program(t *testing.T, name string) localaws.Function {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return localaws.Function{Name: name, Bootstrap: path, Timeout: time.Minute, Env: map[string]string{"LOCALAWS_TEST_BOOTSTRAP": "handle"}}
}

// Watched collects what a server's watcher is told.
type Watched struct {
	host.Record[localaws.Occurrence]
}

// Lines returns what a function has written.
func (w *Watched) Lines(function string) []string {
	var list []string
	for _, o := range w.All() {
		if o.Kind == localaws.FunctionLog && o.Subject == function {
			list = append(list, o.Text)
		}
	}
	return list
}

// ServeFunctions starts a server with a short pace of retries and the given
// functions.
func ServeFunctions(t *testing.T, functions ...localaws.Function) (*localaws.Server, *Watched) {
	t.Helper()
	return ServeFunctionsBy(t, nil, functions...)
}

// ServeFunctionsBy is ServeFunctions by a clock.
func ServeFunctionsBy(t *testing.T, clock localaws.Clock, functions ...localaws.Function) (*localaws.Server, *Watched) {
	t.Helper()
	w := &Watched{}
	s, err := localaws.Start(localaws.Options{RetryPace: time.Millisecond, Watch: w.Add, Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, f := range functions {
		s.AddFunction(f)
	}
	return s, w
}

// ClientConfig is what SDK clients need to speak to the server.
func ClientConfig(s *localaws.Server) aws.Config {
	return aws.Config{
		Region:       "eu-west-1",
		BaseEndpoint: aws.String(s.URL()),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "x", SecretAccessKey: "x"}, nil
		}),
	}
}

// AwaitLines waits until the function has written n lines with the prefix, and
// returns them.
func AwaitLines(t *testing.T, w *Watched, function, prefix string, n int) []string {
	t.Helper()
	for all := 0; ; all++ {
		if _, err := w.Await(t.Context(), all); err != nil {
			t.Fatal(err)
		}
		lines := slices.DeleteFunc(w.Lines(function), func(line string) bool { return !strings.HasPrefix(line, prefix) })
		if len(lines) >= n {
			return lines
		}
	}
}
