package launch_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/google/go-cmp/cmp"

	"errand/pkg/launch"
)

// reported is something that people have met with RunTask: testdata/cases has one a
// file, each with its public source.
type reported struct {
	Source []string
	Kind   string
	// Payloads are delivered one after another.
	Payloads []json.RawMessage
	// Answers are what RunTask gives first; then the endpoint answers.
	Answers []struct {
		Status int
		Body   json.RawMessage
	}
	// Want is the answer to the first payload, but for who the run is.
	Want struct{ Status, Reason string }
	// Try is the placement try that the item then has.
	Try float64
}

func TestReported(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/cases/*.json")
	if err != nil || len(files) < 31 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var c reported
			if err := json.Unmarshal(text, &c); err != nil || len(c.Source) == 0 {
				t.Fatalf("%v, source %q", err, c.Source)
			}
			s := start(t)
			s.register(t, "solo", "app")
			s.answersFirst(c)
			got, err := s.invoke(t, string(c.Payloads[0]))
			if err != nil {
				t.Fatal(err)
			}
			want := launch.Answer{Job: got.Job, RunID: got.Job + "-20261120T020000Z", Attempt: 1, Status: c.Want.Status, Reason: c.Want.Reason, TaskARN: got.TaskARN, NextTryAt: got.NextTryAt}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
			if n := s.asked(); n != 1 {
				t.Errorf("%d calls of RunTask at once", n)
			}
			switch got.Status {
			case "WAITING":
				c.waits(t, s, got)
			case "STARTED":
				c.second(t, s, got)
			default:
				if published := s.published(t); len(published) != 1 || published[0]["status"] != got.Status || published[0]["reason"] != got.Reason || !got.NextTryAt.IsZero() {
					t.Errorf("published %v", published)
				}
			}
		})
	}
}

// answersFirst gives RunTask's first answers in place of the endpoint.
func (s *stack) answersFirst(c reported) {
	n := 0
	s.wire.breaks(func(operation string) *answer {
		if operation != "RunTask" || n == len(c.Answers) {
			return nil
		}
		n++
		return &answer{c.Answers[n-1].Status, string(c.Answers[n-1].Body)}
	})
}

// asked counts the calls of RunTask since it was called last.
func (s *stack) asked() int {
	return len(slices.DeleteFunc(s.wire.take(), func(call string) bool { return call != "RunTask" }))
}

// ever are the tasks of a job, those that have stopped among them.
func (s *stack) ever(t *testing.T, job string) []string {
	t.Helper()
	var arns []string
	for _, status := range []types.DesiredStatus{types.DesiredStatusRunning, types.DesiredStatusStopped} {
		out, err := s.ecs.ListTasks(t.Context(), &ecs.ListTasksInput{Cluster: aws.String("jobs"), StartedBy: aws.String("errand/jobs/" + job), DesiredStatus: status})
		if err != nil {
			t.Fatal(err)
		}
		arns = append(arns, out.TaskArns...)
	}
	slices.Sort(arns)
	return slices.Compact(arns)
}

// waits sees to a run that ECS may allow later: it stands in the ledger, nobody is
// told anything, and the watchdog's wake starts it.
func (c reported) waits(t *testing.T, s *stack, first launch.Answer) {
	t.Helper()
	item := s.item(t, first.Job, first.RunID)
	got := map[string]any{"state": item["state"], "try": item["try"], "due": item["due"], "answer": item["answer"], "launchUntil": item["launchUntil"]}
	if diff := cmp.Diff(map[string]any{
		"state": "DUE", "try": c.Try, "due": float64(first.NextTryAt.UnixMilli()) / 1000, "answer": first.Reason, "launchUntil": nil,
	}, got); diff != "" || !first.NextTryAt.After(s.time()) {
		t.Errorf("item (-want +got):\n%s", diff)
	}
	s.pass(time.Minute)
	started, err := s.invokeAs(t, "request-2", fmt.Sprintf(`{"errand": "launch", "job": %q, "runId": %q, "attempt": 1}`, first.Job, first.RunID))
	if err != nil || started.TaskARN == "" {
		t.Fatalf("woken: %+v, %v", started, err)
	}
	if diff := cmp.Diff(launch.Answer{Job: first.Job, RunID: first.RunID, Attempt: 1, Status: "STARTED", TaskARN: started.TaskARN}, started); diff != "" {
		t.Errorf("woken, answer (-want +got):\n%s", diff)
	}
	if n := s.asked(); n != 1 {
		t.Errorf("%d calls of RunTask when woken", n)
	}
	if tasks := s.ever(t, first.Job); !slices.Equal(tasks, []string{started.TaskARN}) || len(s.Published()) != 0 {
		t.Errorf("tasks %v run, %d messages", tasks, len(s.Published()))
	}
}

// second delivers another payload of the same identity: people are told that it was
// not run, and in what it differs.
func (c reported) second(t *testing.T, s *stack, first launch.Answer) {
	t.Helper()
	got, err := s.invokeAs(t, "request-2", string(c.Payloads[1]))
	want := launch.Answer{
		Job: first.Job, RunID: first.RunID, Attempt: 1, Status: "REJECTED",
		Reason: fmt.Sprintf("runId: run %s of job %s was delivered before, as task %s, with a payload that differs in command; this one was not run: give each its own runId, scheduledTime or job", first.RunID, first.Job, last(first.TaskARN)),
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil || s.asked() != 0 {
		t.Errorf("the second: %v (-want +got):\n%s", err, diff)
	}
	if published := s.published(t); len(published) != 1 || published[0]["status"] != "REJECTED" || published[0]["reason"] != want.Reason {
		t.Errorf("published %v", published)
	}
}
