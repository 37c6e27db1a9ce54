package localaws

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/aws"
)

// TestMain makes the test binary the program of the tests' Lambda functions as
// well, so that they run a real one without a compile step.
func TestMain(m *testing.M) {
	switch os.Getenv("LOCALAWS_TEST_BOOTSTRAP") {
	case "":
		os.Exit(max(m.Run(), leaks()))
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

// leaks fails if sessions have left goroutines behind.
func leaks() int {
	stacks := make([]byte, 1<<20)
	for deadline := time.Now().Add(10 * time.Second); ; runtime.Gosched() {
		left := string(stacks[:runtime.Stack(stacks, true)])
		if !strings.Contains(left, "localaws.(*agent)") && !strings.Contains(left, "localaws.(*gateway)") && !strings.Contains(left, "coder/websocket") {
			return 0
		}
		if time.Now().After(deadline) {
			fmt.Fprintln(os.Stderr, "goroutines are left:\n"+left)
			return 1
		}
	}
}

// order is what the tests' function is told to do.
type order struct {
	Print string `json:"print,omitempty"`
	Fail  string `json:"fail,omitempty"`
	// FailTimes is how many invocations of one program fail before one does not.
	FailTimes int64 `json:"failTimes,omitempty"`
	Panic     bool  `json:"panic,omitempty"`
	Exit      *int  `json:"exit,omitempty"`
	Hang      bool  `json:"hang,omitempty"`
	Big       int   `json:"big,omitempty"`
}

// report is what the tests' function answers.
type report struct {
	Invocation int64    `json:"invocation"` // of this program
	PID        int      `json:"pid"`
	RequestID  string   `json:"requestId"`
	ARN        string   `json:"arn"`
	Seconds    float64  `json:"seconds"` // left until the deadline
	Env        []string `json:"env"`
	Big        string   `json:"big"`
}

var invocations atomic.Int64

func handle(ctx context.Context, o order) (report, error) {
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
		return report{}, errors.New(o.Fail)
	}
	deadline, _ := ctx.Deadline()
	return report{n, os.Getpid(), call.AwsRequestID, call.InvokedFunctionArn, time.Until(deadline).Seconds(), os.Environ(), strings.Repeat("x", o.Big)}, nil
}

// program is a function that runs handle.
func program(t *testing.T, name string) Function {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return Function{Name: name, Bootstrap: path, Timeout: time.Minute, Env: map[string]string{"LOCALAWS_TEST_BOOTSTRAP": "handle"}}
}

// watched collects what a server's watcher is told.
type watched struct{ record[Occurrence] }

// lines returns what a function has written.
func (w *watched) lines(function string) []string {
	var list []string
	for _, o := range w.all() {
		if o.Kind == FunctionLog && o.Subject == function {
			list = append(list, o.Text)
		}
	}
	return list
}

// serveFunctions starts a server with a short pace of retries and the given
// functions.
func serveFunctions(t *testing.T, functions ...Function) (*Server, *watched) {
	t.Helper()
	w := &watched{}
	s, err := Start(Options{RetryPace: time.Millisecond, Watch: w.add})
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

// clientConfig is what SDK clients need to speak to the server.
func clientConfig(s *Server) aws.Config {
	return aws.Config{
		Region:       "eu-west-1",
		BaseEndpoint: aws.String(s.URL()),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "x", SecretAccessKey: "x"}, nil
		}),
	}
}
