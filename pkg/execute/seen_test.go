package execute_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/google/go-cmp/cmp"

	"errand/pkg/execute"
	"errand/pkg/ledger"
	"errand/pkg/ledger/ledgertest"
	"errand/pkg/metric"
	"errand/pkg/report"
	"errand/pkg/run"
)

// sees lets the executor get other answers to an operation of ECS than ECS gives.
func (s *stack) sees(operation string, change func(answer map[string]any)) {
	cfg := s.Config()
	cfg.HTTPClient = doer(func(r *http.Request) (*http.Response, error) {
		response, err := http.DefaultClient.Do(r)
		if err != nil || !strings.HasSuffix(r.Header.Get("X-Amz-Target"), "."+operation) || response.StatusCode != http.StatusOK {
			return response, err
		}
		var answer map[string]any
		err = json.NewDecoder(response.Body).Decode(&answer)
		if err := response.Body.Close(); err != nil {
			return nil, err
		}
		if err != nil {
			return nil, err
		}
		change(answer)
		body, err := json.Marshal(answer)
		response.Body, response.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		response.Header.Del("X-Amz-Crc32")
		return response, err
	})
	publish := s.publisher
	s.build = func(l *ledger.Ledger) *execute.Executor {
		return execute.New(cfg, l, report.New(l, publish, metric.New(&s.metrics, "errand/jobs/", time.Now), discard), s.config, discard)
	}
}

// What ECS shows of a task while a command is in it says whether the command is still
// there.
func TestTheTaskIsWatched(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		change func(task, container map[string]any)
		status run.Status
		reason string
	}{
		{"the container was restarted", func(_, c map[string]any) { c["runtimeId"] = "another" }, run.Stopped, "container app stopped under the command"},
		{
			"the container ended", func(_, c map[string]any) {
				c["lastStatus"], c["exitCode"], c["reason"] = "STOPPED", 137, "OutOfMemoryError: killed"
			},
			run.Stopped, "container app stopped under the command: it ran out of memory and was killed with code 137 (OutOfMemoryError: killed)",
		},
		{
			"the task is gone", func(task, _ map[string]any) {
				task["lastStatus"], task["desiredStatus"], task["stoppedReason"] = "STOPPED", "STOPPED", "scaled in."
			},
			run.Stopped, "the task stopped under the command: scaled in",
		},
		{"the task is being cleaned up", func(task, _ map[string]any) { task["lastStatus"], task["desiredStatus"] = "DEPROVISIONING", "STOPPED" }, run.Stopped, "the task stopped under the command"},
		{
			"Spot", func(task, _ map[string]any) {
				task["lastStatus"], task["desiredStatus"], task["stopCode"] = "DEPROVISIONING", "STOPPED", "SpotInterruption"
			}, run.Interrupted, "AWS took the task away under the command",
		},
		{
			"another container ended", func(task, _ map[string]any) {
				task["containers"] = append(task["containers"].([]any), map[string]any{"name": "side", "lastStatus": "STOPPED", "runtimeId": "another"})
			}, run.TimedOut, "the command was interrupted after 3s, its timeout",
		},
		{"the task is stopping, and its command may be through in time", func(task, _ map[string]any) { task["lastStatus"] = "STOPPING" }, run.TimedOut, "the command was interrupted after 3s, its timeout"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			s.sees("DescribeTasks", func(answer map[string]any) {
				if len(s.Sessions()) == 0 {
					return // it looks for the task
				}
				task := answer["tasks"].([]any)[0].(map[string]any)
				tc.change(task, task["containers"].([]any)[0].(map[string]any))
			})
			timeout := "3s"
			if tc.status != run.TimedOut {
				timeout = "25s" // in vain
			}
			r := s.exec(t, payload(t, map[string]any{"command": sh("echo working; sleep 600"), "timeout": timeout}))
			if r.Status != tc.status || r.Reason != tc.reason {
				t.Errorf("%s: %s\nwant %s: %s", r.Status, r.Reason, tc.status, tc.reason)
			}
		})
	}
}

// A command is interrupted when its own time is over, which is long before the
// function's, and then told so in these words.
func TestItsOwnTimeIsOver(t *testing.T) {
	t.Parallel()
	s := start(t, func(in *setup) { in.config.Grace = 5 * time.Second })
	ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second) // of which the function has 14
	defer cancel()
	answer, err := s.executor.Handle(ctx, json.RawMessage(payload(t, map[string]any{"command": sh("echo working; sleep 600"), "timeout": "3s"})))
	want := execute.Answer{Job: "cache-clear", RunID: "r-1", Attempt: 1, Status: "TIMED_OUT", TaskARN: s.task, Reason: "the command was interrupted after 3s, its timeout"}
	if diff := cmp.Diff(want, answer); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

// ECS lists and describes a hundred tasks at a time.
func TestAmongManyTasks(t *testing.T) {
	t.Parallel()
	s := start(t)
	pages := 0
	s.sees("ListTasks", func(answer map[string]any) {
		// Tasks that have ended since they were listed.
		list := answer["taskArns"].([]any)
		for i := range 150 {
			list = append([]any{fmt.Sprintf("arn:aws:ecs:eu-west-1:123456789012:task/jobs/%032d", i)}, list...)
		}
		answer["taskArns"] = list
		pages++
	})
	if r := s.exec(t, payload(t, map[string]any{"command": []string{"echo", "x"}})); r.Status != run.Succeeded || r.TaskARN != s.task || pages != 1 {
		t.Errorf("%s in %s: %s", r.Status, r.TaskARN, r.Reason)
	}
}

// A ledger that does not answer leaves the time to say so.
func TestALedgerThatHangs(t *testing.T) {
	t.Parallel()
	s := start(t)
	_, table := ledgertest.New(t)
	db := dynamodb.New(table.Options(), func(o *dynamodb.Options) {
		o.HTTPClient = doer(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
	})
	s.executor = s.build(ledger.New(db, ledger.Config{Table: ledgertest.Table}))
	ctx, cancel := context.WithTimeout(t.Context(), 6*time.Second)
	defer cancel()
	_, err := s.executor.Handle(ctx, json.RawMessage(payload(t, map[string]any{"command": []string{"echo", "x"}})))
	if _, ok := err.(report.NotBegun); !ok || ctx.Err() != nil { //nolint:errorlint // Lambda has its type
		t.Errorf("got %v, its time is over: %v", err, ctx.Err())
	}
	if want := "claim attempt 1 of run r-1 of job cache-clear, in the ledger (table ledger): no answer in time"; err == nil || err.Error() != want || s.Calls("ExecuteCommand") != 0 {
		t.Errorf("got %v, want %s", err, want)
	}
}

// The time of the function ends early enough for the command to end in its own way.
func TestTimeOfTheFunctionLeavesTimeToEnd(t *testing.T) {
	t.Parallel()
	s := start(t, func(in *setup) { in.config.Grace = 3 * time.Second })
	ctx, cancel := context.WithTimeout(t.Context(), 24*time.Second) // of which it has six
	defer cancel()
	_, err := s.executor.Handle(ctx, json.RawMessage(payload(t, map[string]any{"command": sh("trap 'echo bye; exit 3' INT; echo working; sleep 600")})))
	if err != nil {
		t.Fatal(err)
	}
	r := s.told[0]
	if r.Status != run.TimedOut || r.Reason != "the command was interrupted when the time of the function was over" || r.ExitCode == nil || *r.ExitCode != 3 {
		t.Errorf("%s: %s, with code %v", r.Status, r.Reason, r.ExitCode)
	}
}

// A task that is about to stop is no place for a command.
func TestAStoppingTask(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.sees("DescribeTasks", func(answer map[string]any) {
		answer["tasks"].([]any)[0].(map[string]any)["desiredStatus"] = "STOPPED"
	})
	r := s.exec(t, payload(t, map[string]any{"command": []string{"echo", "x"}}))
	if want := "task " + run.LastPart(s.task) + " is RUNNING and stopping"; r.Status != run.StartFailed || r.Reason != want || s.Calls("ExecuteCommand") != 0 {
		t.Errorf("%s: %s, want %s", r.Status, r.Reason, want)
	}
}

// Of the reasons why no task can be reached, that counts which may pass: it is waited for.
func TestWaitsForTheTaskThatComesUp(t *testing.T) {
	t.Parallel()
	s := start(t, func(in *setup) { in.config.AgentTime = time.Minute })
	s.agent(t, "PENDING")
	s.run(t, false) // newer, and never to be reached
	s.sees("DescribeTasks", func(map[string]any) {
		if err := s.SetExecAgent(s.task, "app", "RUNNING"); err != nil { // by the next look
			t.Error(err)
		}
	})
	if r := s.exec(t, payload(t, map[string]any{"command": []string{"echo", "x"}})); r.Status != run.Succeeded || r.TaskARN != s.task {
		t.Errorf("%s in %s: %s", r.Status, r.TaskARN, r.Reason)
	}
}

// The containers that AWS puts into a task are none of those to choose from.
func TestContainersOfAWS(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.sees("DescribeTasks", func(answer map[string]any) {
		task := answer["tasks"].([]any)[0].(map[string]any)
		for _, name := range []string{"aws-guardduty-agent-1a2b3c", "ecs-service-connect-4d5e6f"} {
			task["containers"] = append([]any{map[string]any{"name": name, "lastStatus": "RUNNING", "runtimeId": name}}, task["containers"].([]any)...)
		}
	})
	if r := s.exec(t, payload(t, map[string]any{"command": []string{"echo", "x"}})); r.Status != run.Succeeded || r.Container != "app" {
		t.Errorf("%s in %s: %s", r.Status, r.Container, r.Reason)
	}
}
