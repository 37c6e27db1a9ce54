package launch_test

import (
	"context"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/google/go-cmp/cmp"

	"errand/pkg/launch"
	"errand/pkg/localaws"
	"errand/pkg/report"
	"errand/pkg/run"
)

// A call of RunTask without a clear answer is nobody's to tell of: the item stays
// with the launcher, and a later delivery gets the same task by the token.
func TestUnclearAnswers(t *testing.T) {
	t.Parallel()
	unclear := "it is not known whether ECS started sample:1 in cluster jobs, RunTask had no clear answer: "
	for _, tc := range []struct {
		name    string
		prepare func(*stack)
		within  time.Duration // 0: no deadline
		reason  string
		calls   int // of RunTask that reached ECS, at last
	}{
		{"a broken server", func(s *stack) {
			s.Inject(localaws.Fault{Operation: "RunTask", Code: "ServerException", Message: "oops", Status: 500})
		}, 0, unclear + "ServerException: oops", 2},
		{"a connection that is cut", func(s *stack) { s.wire.cut("RunTask") }, 0, unclear + "no answer: connection reset by peer", 2},
		{
			"no answer in time", func(s *stack) { s.Inject(localaws.Fault{Operation: "RunTask", Delay: time.Hour}) },
			time.Second, unclear + "no answer in time", 2,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			tc.prepare(s)
			payload := `{"job": "j", "runId": "r-1", "command": ["sleep", "60"]}`
			ctx, cancel := context.WithCancel(t.Context())
			if tc.within > 0 {
				ctx, cancel = context.WithTimeout(t.Context(), tc.within)
			}
			defer cancel()
			answer, err := s.launcher.Handle(invocation(ctx, "request-1"), []byte(payload))
			item := s.item(t, "j", "r-1")
			want := launch.Answer{Job: "j", RunID: "r-1", Attempt: 1, Status: "WAITING", Reason: tc.reason, NextTryAt: answer.NextTryAt}
			if diff := cmp.Diff(want, answer); diff != "" || err != nil || float64(answer.NextTryAt.UnixMilli())/1000 != item["due"] {
				t.Errorf("answer, with an item due at %v: %v (-want +got):\n%s", item["due"], err, diff)
			}
			wantItem := map[string]any{
				"pk": "run#j#r-1", "sk": "a#01", "v": 1.0, "state": "CLAIMED", "method": "run-task", "job": "j", "at": s.at(0), "payload": payload,
				"digest": item["digest"], "cluster": clusterARN, "try": 0.0, "claims": 1.0, "holder": "request-1", "open": "4",
				"due": s.at(125 * time.Second), "launchUntil": s.at(65 * time.Second), "answer": tc.reason,
			}
			if tc.within > 0 { // by the context's clock
				wantItem["due"], wantItem["launchUntil"] = item["due"], item["launchUntil"]
			}
			if diff := cmp.Diff(wantItem, item); diff != "" {
				t.Errorf("item (-want +got):\n%s", diff)
			}
			s.wire.cut("")
			s.pass(time.Minute)
			started, err := s.invokeAs(t, "request-2", payload)
			tasks := s.started(t, "j")
			if len(tasks) != 1 || s.Calls("RunTask") != tc.calls || len(s.Published()) != 0 {
				t.Fatalf("%d tasks run, %d calls, %d messages", len(tasks), s.Calls("RunTask"), len(s.Published()))
			}
			if diff := cmp.Diff(launch.Answer{Job: "j", RunID: "r-1", Attempt: 1, Status: "STARTED", TaskARN: tasks[0]}, started); diff != "" || err != nil {
				t.Errorf("delivered again: %v (-want +got):\n%s", err, diff)
			}
		})
	}
}

// A launcher that is not certainly alone, or after which a call is open, tells
// nothing and puts nothing off: it notes what it knows.
func TestNotAlone(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		after   time.Duration // the first launcher's call
		prepare func(*stack)
		status  string
		reason  string
		state   string
		refused any
	}{
		{
			name: "refused while another may be alive", after: time.Minute,
			prepare: func(s *stack) {
				s.Inject(localaws.Fault{Operation: "RunTask", Code: "AccessDeniedException", Message: "no"})
			},
			status: "WAITING", reason: "ECS would not run sample:1 in cluster jobs: AccessDeniedException: no", state: "CLAIMED", refused: "LAUNCH_FAILED",
		},
		{
			name: "refused after an open call", after: 5 * time.Minute,
			prepare: func(s *stack) {
				s.Inject(localaws.Fault{Operation: "RunTask", Code: "AccessDeniedException", Message: "no"})
			},
			status: "WAITING", reason: "ECS would not run sample:1 in cluster jobs: AccessDeniedException: no", state: "CLAIMED", refused: "LAUNCH_FAILED",
		},
		{
			name: "too late while another may be alive", after: 11 * time.Minute,
			prepare: func(*stack) {},
			status:  "WAITING", reason: "the run could not begin within 10m, its startWithin: it is 11m after its first delivery; " +
				"ECS's last answer: it is not known whether ECS started sample:1 in cluster jobs, RunTask had no clear answer: ServerException: oops",
			state: "CLAIMED", refused: "MISSED",
		},
		{
			name: "throttled while another may be alive", after: time.Minute,
			prepare: func(s *stack) {
				s.Inject(localaws.Fault{Operation: "RunTask", Code: "ThrottlingException", Message: "Rate exceeded"})
			},
			status: "WAITING", reason: "ECS would not run sample:1 in cluster jobs: ThrottlingException: Rate exceeded", state: "CLAIMED",
		},
		{
			name: "no room while another may be alive", after: time.Minute, prepare: func(s *stack) { s.FailPlacement("AGENT", 1) },
			status: "WAITING", reason: "ECS could not place the task: AGENT", state: "CLAIMED",
		},
		{
			name: "never any room while another may be alive", after: time.Minute, prepare: func(s *stack) { s.FailPlacement("ATTRIBUTE", 1) },
			status: "WAITING", reason: "ECS could not place the task: ATTRIBUTE", state: "CLAIMED", refused: "LAUNCH_FAILED",
		},
		{
			name: "failures after an open call, which are that call's", after: 3 * time.Minute, prepare: func(s *stack) { s.FailPlacement("AGENT", 1) },
			status: "WAITING", reason: "ECS could not place the task: AGENT", state: "DUE",
		},
		{
			name: "failures for good after an open call, which are that call's", after: 3 * time.Minute, prepare: func(s *stack) { s.FailPlacement("ATTRIBUTE", 1) },
			status: "LAUNCH_FAILED", reason: "ECS could not place the task: ATTRIBUTE", state: "ABANDONED",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			s.Inject(localaws.Fault{Operation: "RunTask", Code: "ServerException", Message: "oops", Status: 500})
			payload := `{"job": "j", "runId": "r-1", "startWithin": "10m"}`
			if answer, err := s.invoke(t, payload); err != nil || answer.Status != "WAITING" {
				t.Fatalf("%+v, %v", answer, err)
			}
			s.pass(tc.after)
			tc.prepare(s)
			answer, err := s.invokeAs(t, "request-2", payload)
			want := launch.Answer{Job: "j", RunID: "r-1", Attempt: 1, Status: tc.status, Reason: tc.reason, NextTryAt: answer.NextTryAt}
			if diff := cmp.Diff(want, answer); diff != "" || err != nil {
				t.Errorf("answer: %v (-want +got):\n%s", err, diff)
			}
			item := s.item(t, "j", "r-1")
			if item["state"] != tc.state || item["refused"] != tc.refused {
				t.Errorf("the item is %v", item)
			}
			if messages := s.Published(); len(messages) != map[string]int{"ABANDONED": 1}[tc.state] {
				t.Errorf("published %+v", messages)
			}
			if tc.state == "CLAIMED" && (item["answer"] != tc.reason || item["due"] != s.at(125*time.Second) || answer.NextTryAt != s.time().Add(125*time.Second)) {
				t.Errorf("the item is %v", item)
			}
		})
	}
}

// What is refused now, when ECS has a task of the run from before.
func TestRefusedAndThereIsATask(t *testing.T) {
	t.Parallel()
	s := start(t)
	payload := `{"job": "j", "runId": "r-1", "command": ["sleep", "60"], "timeout": "1h"}`
	// ECS starts the task, and answers that it may not be.
	s.wire.answers("RunTask", failing(400, "AccessDeniedException", "no"))
	answer, err := s.invoke(t, payload)
	tasks := s.started(t, "j")
	if len(tasks) != 1 {
		t.Fatalf("%d tasks run", len(tasks))
	}
	if diff := cmp.Diff(launch.Answer{Job: "j", RunID: "r-1", Attempt: 1, Status: "STARTED", Again: true, TaskARN: tasks[0]}, answer); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	item := s.item(t, "j", "r-1")
	if item["state"] != "LAUNCHED" || item["task"] != tasks[0] || item["verdict"] != nil || item["timeout"] != 3600.0 || item["startBy"] != s.at(30*time.Minute) || len(s.Published()) != 0 {
		t.Errorf("the item is %v, %d messages", item, len(s.Published()))
	}
}

// Whoever has started a task that is not the attempt's stops it.
func TestSecondTask(t *testing.T) {
	t.Parallel()
	s := start(t)
	payload := `{"job": "j", "runId": "r-1", "command": ["sleep", "60"]}`
	first, err := s.invoke(t, `{"job": "k", "command": ["sleep", "60"]}`)
	if err != nil {
		t.Fatal(err)
	}
	// While this launcher calls RunTask, another notes a task of its own.
	s.wire.before("RunTask", func() {
		_, _, err := s.ledger.Launched(t.Context(), key("j", "r-1"), clusterARN, first.TaskARN, limits)
		if err != nil {
			t.Error(err)
		}
	})
	answer, err := s.invoke(t, payload)
	if diff := cmp.Diff(launch.Answer{Job: "j", RunID: "r-1", Attempt: 1, Status: "STARTED", Again: true, TaskARN: first.TaskARN}, answer); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if diff := cmp.Diff([]string{report.SecondTasks}, s.metricsCounted(t)); diff != "" {
		t.Errorf("metrics (-want +got):\n%s", diff)
	}
	stopped, err := s.ecs.ListTasks(t.Context(), &ecs.ListTasksInput{Cluster: aws.String("jobs"), StartedBy: aws.String("errand/jobs/j"), DesiredStatus: "STOPPED"})
	if err != nil || len(stopped.TaskArns) != 1 || len(s.started(t, "j")) != 0 {
		t.Fatalf("stopped %v, %v", stopped, err)
	}
	if got := aws.ToString(s.task(t, stopped.TaskArns[0]).StoppedReason); got != "second task of run r-1" {
		t.Errorf("stopped since %q", got)
	}
	if item := s.item(t, "j", "r-1"); item["task"] != first.TaskARN {
		t.Errorf("the item is %v", item)
	}
}

// A task of another payload that ECS knows by the token, and the ledger does not.
func TestConflictWithATaskThatTheLedgerDoesNotKnow(t *testing.T) {
	t.Parallel()
	s := start(t)
	theirs := `{"job": "j", "runId": "r-1", "command": ["sleep", "60"]}`
	ours := `{"job": "j", "runId": "r-1", "command": ["sleep", "61"], "timeout": "1m", "schedule": "one", "scheduledTime": "2026-11-20T02:00:00Z"}`
	s.wire.breaks(ledgerAway(400, "AccessDeniedException", "no"))
	first, err := s.invoke(t, theirs)
	if err != nil || first.Status != run.Started {
		t.Fatalf("%+v, %v", first, err)
	}
	s.wire.breaks(nil)
	want := launch.Answer{
		Job: "j", RunID: "r-1", Attempt: 1, Status: "REJECTED",
		Reason: "runId: run r-1 of job j was started before, as task " + last(first.TaskARN) +
			", whose payload differs in command, scheduledTime, timeout; this payload was not run: give each its own runId, scheduledTime or job",
	}
	answer, err := s.invokeAs(t, "request-2", ours)
	if diff := cmp.Diff(want, answer); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	item := s.item(t, "j", "r-1")
	if diff := cmp.Diff(map[string]any{
		"pk": "run#j#r-1", "sk": "a#01", "v": 1.0, "state": "LAUNCHED", "method": "run-task", "job": "j", "at": s.at(0), "scheduledTime": item["scheduledTime"],
		"digest": "command:uh9Ifj,runId:9YbNwO", "cluster": clusterARN, "task": first.TaskARN, "try": 0.0, "claims": 1.0, "holder": "request-2", "open": "4",
		"startTimeout": 1800.0, "startBy": s.at(30 * time.Minute), "due": s.at(5 * time.Minute),
	}, item); diff != "" {
		t.Errorf("the item is theirs (-want +got):\n%s", diff)
	}
	// Both are known again.
	first.Again = true
	if again, err := s.invokeAs(t, "request-3", theirs); err != nil || again != first {
		t.Errorf("theirs again: %+v, %v", again, err)
	}
	want.Again = true
	want.Reason = "runId: run r-1 of job j was delivered before, as task " + last(first.TaskARN) +
		", with a payload that differs in command, scheduledTime, timeout; this one was not run: give each its own runId, scheduledTime or job"
	again, err := s.invokeAs(t, "request-4", ours)
	if diff := cmp.Diff(want, again); diff != "" || err != nil || len(s.Published()) != 1 || len(s.started(t, "j")) != 1 {
		t.Errorf("ours again: %v, %d messages (-want +got):\n%s", err, len(s.Published()), diff)
	}
}

// What ECS names for a token has to be the run's own task.
func TestConflictWithAnotherRun(t *testing.T) {
	t.Parallel()
	s := start(t)
	other, err := s.invoke(t, `{"job": "k", "command": ["sleep", "60"]}`)
	if err != nil {
		t.Fatal(err)
	}
	s.Inject(localaws.Fault{Operation: "RunTask", Code: "ConflictException", Message: "token used", Members: map[string]any{"resourceIds": []string{other.TaskARN}}})
	answer, err := s.invoke(t, `{"job": "j", "runId": "r-1", "command": ["sleep", "60"]}`)
	want := launch.Answer{
		Job: "j", RunID: "r-1", Attempt: 1, Status: "REJECTED",
		Reason: "runId: run r-1 of job j was started before, as task " + last(other.TaskARN) +
			`, which carries run "request-1" of job "k"; this payload was not run: give each its own runId, scheduledTime or job`,
	}
	if diff := cmp.Diff(want, answer); diff != "" || err != nil || len(s.Published()) != 1 {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}
