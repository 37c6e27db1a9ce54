// Package start_test measures how long whole processes of the functions take
// until they ask Lambda for their first event, beside a function with the same
// clients and no logic, and one that does nothing.
package start_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
	"time"
)

const root = "../.."

// environ is what Lambda and template.yaml give the functions.
var environ = []string{
	"AWS_REGION=eu-west-1", "AWS_ACCESS_KEY_ID=id", "AWS_SECRET_ACCESS_KEY=secret", "AWS_SESSION_TOKEN=token",
	"AWS_LAMBDA_FUNCTION_NAME=errand", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=128", "AWS_LAMBDA_LOG_FORMAT=JSON",
	"STARTED_BY_PREFIX=errand/jobs/", "TABLE_NAME=ledger", "HISTORY_DAYS=90", "CLUSTER=jobs", "TASK_DEFINITION=jobs", "SUBNETS=subnet-1,subnet-2", "SECURITY_GROUPS=sg-1",
	"TOPIC_ARN=arn:aws:sns:eu-west-1:123456789012:results", "TEXT_TOPIC_ARN=arn:aws:sns:eu-west-1:123456789012:text",
	"ASSIGN_PUBLIC_IP=DISABLED", "LAUNCH_TYPE=FARGATE", "LOG_LINES=50", "SIGN_SESSIONS=true",
}

// The programs need not be linked to see that they compile.
func TestCompile(t *testing.T) {
	t.Parallel()
	if out, err := exec.CommandContext(t.Context(), "go", "vet", "./bare", "./clients/...").CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// BenchmarkStart starts the three programs of each round right after each
// other, in an order that changes, so that what else the machine does meets all
// of them. ratio is the median of the rounds' own.
func BenchmarkStart(b *testing.B) {
	bare := build(b, "test/start/bare")
	for _, name := range []string{"launcher", "collector", "executor"} {
		b.Run(name, func(b *testing.B) {
			programs := []string{build(b, "functions/"+name), build(b, "test/start/clients/"+name), bare}
			api := listen(b)
			for _, p := range programs {
				api.start(b, p) // so that its file is in memory
			}
			var times [3][]float64
			var ratio, more []float64
			for b.Loop() {
				var took [3]float64
				for i := range programs {
					n := (i + len(ratio)) % len(programs)
					took[n] = api.start(b, programs[n]).Seconds() * 1000
					times[n] = append(times[n], took[n])
				}
				ratio = append(ratio, took[0]/took[1])
				more = append(more, took[0]-took[1])
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(median(times[0]), "ms")
			b.ReportMetric(median(times[1]), "clients-ms")
			b.ReportMetric(median(times[2]), "bare-ms")
			b.ReportMetric(median(more), "more-ms")
			b.ReportMetric(median(ratio), "ratio")
		})
	}
}

func median(all []float64) float64 {
	slices.Sort(all)
	return (all[(len(all)-1)/2] + all[len(all)/2]) / 2
}

// build builds a program for this machine as the Makefile does.
func build(b *testing.B, folder string) string {
	b.Helper()
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		b.Fatal(err)
	}
	command := regexp.MustCompile(`(?m)^GO_BUILD *= *(.*)$`).FindSubmatch(makefile)
	if command == nil {
		b.Fatal("the Makefile has no GO_BUILD")
	}
	program := filepath.Join(b.TempDir(), "bootstrap")
	cmd := exec.CommandContext(b.Context(), "sh", "-c", fmt.Sprintf("%s -o %s ./%s", command[1], program, folder))
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("build %s: %v\n%s", folder, err, out)
	}
	return program
}

// api is as much of Lambda's Runtime API as hears that a program is ready.
type api struct{ net.Listener }

func listen(b *testing.B) api {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = l.Close() })
	return api{l}
}

// start is the time from the start of a program to its first request, which is
// left without an answer.
func (a api) start(b *testing.B, program string) time.Duration {
	b.Helper()
	ctx, cancel := context.WithTimeoutCause(b.Context(), 10*time.Second, errors.New("not ready in 10 s"))
	defer cancel()
	var output bytes.Buffer
	cmd := exec.CommandContext(ctx, program)
	cmd.Env = append(slices.Clip(environ), "AWS_LAMBDA_RUNTIME_API="+a.Addr().String())
	cmd.Stdout, cmd.Stderr = &output, &output

	asked := make(chan request, 1)
	go func() { asked <- a.next() }()
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case r := <-asked:
		cancel()
		<-ended //nolint:errcheck // cancel has killed it
		if r.conn != nil {
			_ = r.conn.Close() // now that the program cannot see it
		}
		if r.err != nil {
			b.Fatalf("%s: %v", program, r.err)
		}
		return r.at.Sub(begin)
	case err := <-ended:
		b.Fatalf("%s ended before it was ready: %v, %v\n%s", program, err, context.Cause(ctx), output.String())
		return 0
	}
}

// request is the first one of a program.
type request struct {
	conn net.Conn
	at   time.Time
	err  error
}

// next waits for a program to ask for its first event.
func (a api) next() (r request) {
	if r.conn, r.err = a.Accept(); r.err != nil {
		return r
	}
	got, err := http.ReadRequest(bufio.NewReader(r.conn))
	r.at, r.err = time.Now(), err
	if err == nil && (got.Method != http.MethodGet || got.URL.Path != "/2018-06-01/runtime/invocation/next") {
		r.err = fmt.Errorf("asked for %s %s first", got.Method, got.URL)
	}
	return r
}
