package execute_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/google/go-cmp/cmp"

	"errand/pkg/execute"
	"errand/pkg/ledger"
	"errand/pkg/ledger/ledgertest"
	"errand/pkg/report"
	"errand/pkg/run"
)

// deliver hands a payload to the executor, in the ledger that is there.
func (s *stack) deliver(t *testing.T, id, payload string) (execute.Answer, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ctx = lambdacontext.NewContext(ctx, &lambdacontext.LambdaContext{AwsRequestID: id})
	return s.executor.Handle(ctx, json.RawMessage(payload))
}

// mark is a file that the command of a payload writes a line to each time it runs.
func mark(t *testing.T) (path string, command []string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "mark")
	return path, sh("echo ran >> " + path + "; exit 3")
}

func ran(t *testing.T, path string) int {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return strings.Count(string(text), "ran")
}

var (
	theKey   = ledger.Key{Job: "cache-clear", RunID: "r-1", Attempt: 1}
	theRun   = run.Run{Job: "cache-clear", ID: "r-1", Attempt: 1, Method: run.MethodExec}
	exited   = execute.Answer{Job: "cache-clear", RunID: "r-1", Attempt: 1, Status: "FAILED", Reason: "the command exited with code 3"}
	isBegun  = execute.Answer{Job: "cache-clear", RunID: "r-1", Attempt: 1, Status: run.Started, Again: true, Reason: "the command of this run was begun by another delivery; it is not run again"}
	knownEnd = func() execute.Answer { a := exited; a.Again = true; return a }()
)

func TestRunsOnce(t *testing.T) {
	t.Parallel()
	s := start(t)
	path, command := mark(t)
	text := payload(t, map[string]any{"command": command})
	for i, want := range []execute.Answer{exited, knownEnd, knownEnd} {
		got, err := s.deliver(t, fmt.Sprint("request-", i), text)
		if err != nil {
			t.Fatal(err)
		}
		want.TaskARN = got.TaskARN
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("answer %d (-want +got):\n%s", i, diff)
		}
	}
	if n := ran(t, path); n != 1 || len(s.told) != 1 {
		t.Errorf("it ran %d times, %d results were published", n, len(s.told))
	}
	a, ok, err := s.book.Get(t.Context(), theKey)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	if a.State != ledger.Launched || a.Task != "" || a.Reported.IsZero() || *a.Verdict.ExitCode != 3 || a.Holder != "request-0" || a.Claims != 1 || !slices.Equal(a.Told, []string{"results"}) {
		t.Errorf("in the ledger: %+v", a)
	}
}

func TestRunsOnceAtTheSameTime(t *testing.T) {
	t.Parallel()
	s := start(t)
	path, command := mark(t)
	text := payload(t, map[string]any{"command": command})
	var all sync.WaitGroup
	statuses := make([]string, 8)
	for i := range statuses {
		all.Go(func() {
			answer, err := s.deliver(t, fmt.Sprint("request-", i), text)
			if err != nil {
				t.Error(err)
			}
			statuses[i] = fmt.Sprint(answer.Status, " ", answer.Again)
		})
	}
	all.Wait()
	first := 0
	for _, status := range statuses {
		switch status {
		case "FAILED false":
			first++
		case "FAILED true", "STARTED true":
		default:
			t.Errorf("an answer is %s", status)
		}
	}
	if n := ran(t, path); n != 1 || first != 1 || len(s.told) != 1 {
		t.Errorf("it ran %d times, %d say so, %d results were published", n, first, len(s.told))
	}
}

// The executor that has claimed the run is dead, or slow.
func TestIsNotRunAgain(t *testing.T) {
	t.Parallel()
	s := start(t)
	path, command := mark(t)
	text := payload(t, map[string]any{"command": command})
	for _, until := range []time.Time{time.Now().Add(time.Minute), time.Now().Add(-time.Hour)} {
		s.book, _ = ledgertest.New(t)
		s.executor = s.build(s.book)
		if _, ok, err := s.book.Claim(t.Context(), ledger.Delivery{Run: theRun, Once: true, Until: until}); err != nil || !ok {
			t.Fatal(ok, err)
		}
		answer, err := s.deliver(t, "request-1", text)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(isBegun, answer); diff != "" {
			t.Errorf("answer (-want +got):\n%s", diff)
		}
	}
	if n := ran(t, path); n != 0 || len(s.told) > 0 {
		t.Errorf("it ran %d times, told %v", n, s.told)
	}
}

// without is a ledger whose table is away for the operations that it is told.
func without(t *testing.T, away func(n int) bool) *ledger.Ledger {
	t.Helper()
	_, client := ledgertest.New(t)
	n := 0
	client = dynamodb.New(client.Options(), func(o *dynamodb.Options) {
		o.Retryer = aws.NopRetryer{}
		o.HTTPClient = doer(func(r *http.Request) (*http.Response, error) {
			if n++; !away(n) {
				return http.DefaultClient.Do(r)
			}
			body := `{"__type": "com.amazonaws.dynamodb.v20120810#InternalServerError", "message": "oops"}`
			return &http.Response{StatusCode: http.StatusInternalServerError, Request: r, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}, nil
		})
	})
	return ledger.New(client, ledger.Config{Table: ledgertest.Table})
}

// Without the table nothing is run, and the error's type says so; once the command
// has run, its end is told in any case.
func TestTheTableIsAway(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		away func(n int) bool
		ran  int
	}{
		{"before the command", func(int) bool { return true }, 0},
		{"after it", func(n int) bool { return n > 1 }, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			path, command := mark(t)
			s.executor = s.build(without(t, tc.away))
			ctx, cancel := context.WithTimeout(t.Context(), 8*time.Second)
			defer cancel()
			_, err := s.executor.Handle(ctx, json.RawMessage(payload(t, map[string]any{"command": command})))
			if n := ran(t, path); n != tc.ran || len(s.told) != tc.ran {
				t.Errorf("it ran %d times, told %v", n, s.told)
			}
			if tc.ran == 0 && (err == nil || reflect.TypeOf(err).Name() != report.NotBegunType || !strings.Contains(err.Error(), "claim attempt 1 of run r-1 of job cache-clear, in the ledger (table ledger): InternalServerError: oops")) {
				t.Errorf("%T: %v", err, err)
			}
			if tc.ran == 1 && (err != nil || s.told[0].Status != run.Failed || !strings.Contains(s.metrics.String(), `"WithoutLedger":1`)) {
				t.Errorf("told %+v, %v, metrics %s", s.told[0], err, s.metrics.String())
			}
		})
	}
}

// Another payload under the run's identity is not run, and told of once.
func TestAnotherPayload(t *testing.T) {
	t.Parallel()
	s := start(t)
	path, command := mark(t)
	first, second := payload(t, map[string]any{"command": command}), payload(t, map[string]any{"command": command, "timeout": "3m"})
	if _, err := s.deliver(t, "request-1", first); err != nil {
		t.Fatal(err)
	}
	want := execute.Answer{
		Job: "cache-clear", RunID: "r-1", Attempt: 1, Status: "REJECTED",
		Reason: "runId: run r-1 of job cache-clear was delivered before, with a payload that differs in timeout; this one was not run: give each its own runId, scheduledTime or job",
	}
	for _, id := range []string{"request-2", "request-3"} {
		got, err := s.deliver(t, id, second)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("answer (-want +got):\n%s", diff)
		}
	}
	if n := ran(t, path); n != 1 || len(s.told) != 2 || s.told[1].Status != run.Rejected {
		t.Errorf("it ran %d times, told %+v", n, s.told)
	}
}

// What is wrong is told once, too; what has no identity is told each time.
func TestWrongPayload(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, payload string
		told          int
		reason        string
	}{
		{"a field", `{"job": "cache-clear", "runId": "r-1", "family": "web", "comand": "x"}`, 1, "comand: unknown field, did you mean command?"},
		{"no job", `{"runId": "r-1", "family": "web", "command": ["true"]}`, 2, "job: required"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			for i := range 2 {
				answer, err := s.deliver(t, "request-1", tc.payload)
				if err != nil || answer.Status != "REJECTED" || !strings.Contains(answer.Reason, tc.reason) {
					t.Errorf("delivery %d: %+v, %v", i, answer, err)
				}
			}
			if len(s.told) != tc.told {
				t.Errorf("told %+v", s.told)
			}
		})
	}
}

// The same time of the same schedule is the same run, whatever else differs.
func TestTheSameScheduleTwice(t *testing.T) {
	t.Parallel()
	s := start(t)
	path, command := mark(t)
	for _, execution := range []string{"a", "b"} {
		text := payload(t, map[string]any{
			"command": command, "scheduledTime": "2026-11-20T02:00:00Z", "environment": map[string]string{"EXECUTION": execution},
			"schedule": "arn:aws:scheduler:eu-west-1:123456789012:schedule/errand/cache-clear",
		})
		if answer, err := s.deliver(t, "request-"+execution, text); err != nil || answer.Status != "FAILED" || answer.Again != (execution == "b") {
			t.Errorf("%+v, %v", answer, err)
		}
	}
	if n := ran(t, path); n != 1 || len(s.told) != 1 {
		t.Errorf("it ran %d times, told %+v", n, s.told)
	}
}

func TestStartedByAPerson(t *testing.T) {
	t.Parallel()
	s := start(t)
	path, command := mark(t)
	wake := `{"errand": "start", "by": "alice", "payload": ` + payload(t, map[string]any{"command": command}) + `}`
	answer, err := s.deliver(t, "request-1", wake)
	if err != nil || answer.Status != "FAILED" || ran(t, path) != 1 {
		t.Errorf("%+v, %v", answer, err)
	}
	if a, ok, err := s.book.Get(t.Context(), theKey); err != nil || !ok || a.Person != "alice" || strings.Contains(string(a.Payload), "alice") {
		t.Errorf("%+v, %v, %v", a, ok, err)
	}
}
