package launch_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"errand/pkg/launch"
	"errand/pkg/localaws"
)

// wake is the watchdog's, for a run of job j.
const wake = `{"errand": "launch", "job": "j", "runId": "r-1", "attempt": 1}`

// What ECS may allow later waits in the ledger, and begins when the watchdog wakes a
// launcher for it.
func TestWaits(t *testing.T) {
	t.Parallel()
	busy := "Capacity is unavailable at this time. Please try again later or in a different availability zone"
	provisioning := "You've reached the limit on the number of tasks you can run in PROVISIONING state"
	placed := "ECS could not place the task: "
	refused := "ECS would not run sample:1 in cluster jobs: "
	for _, tc := range []struct {
		name    string
		prepare func(*stack)
		reason  string
		try     float64
		looks   int // for a task that may be there already
	}{
		{"no room", func(s *stack) { s.FailPlacement("RESOURCE:MEMORY", 1) }, placed + "RESOURCE:MEMORY", 1, 2},
		{"no agent", func(s *stack) { s.FailPlacement("AGENT", 1) }, placed + "AGENT", 1, 2},
		{"no Fargate capacity", func(s *stack) { s.FailPlacement(busy, 1) }, placed + busy, 1, 2},
		{"neither task nor failure", func(s *stack) { s.FailPlacement("", 1) }, placed + "its answer has neither a task nor a reason", 1, 2},
		{"a token that only ever failed, and now comes with other parameters", func(s *stack) {
			s.Inject(localaws.Fault{Operation: "RunTask", Code: "ConflictException", Message: "token used"})
		}, placed + "its answer has neither a task nor a reason", 1, 2},
		{"throttling", func(s *stack) {
			s.Inject(localaws.Fault{Operation: "RunTask", Code: "ThrottlingException", Message: "Rate exceeded"})
		}, refused + "ThrottlingException: Rate exceeded", 0, 0},
		{"the quota of provisioning tasks", func(s *stack) {
			s.Inject(localaws.Fault{Operation: "RunTask", Code: "ClientException", Message: provisioning})
		}, refused + "ClientException: " + provisioning, 0, 0},
		{"throttling while looking up", func(s *stack) {
			s.Inject(localaws.Fault{Operation: "DescribeTaskDefinition", Code: "ThrottlingException", Message: "Rate exceeded"})
		}, "ECS does not show task definition sample, check that it has an active revision in this account and Region: ThrottlingException: Rate exceeded", 0, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			tc.prepare(s)
			payload := `{"job": "j", "runId": "r-1", "command": ["sleep", "60"]}`
			answer, err := s.invoke(t, payload)
			if err != nil {
				t.Fatal(err)
			}
			want := launch.Answer{Job: "j", RunID: "r-1", Attempt: 1, Status: "WAITING", Reason: tc.reason, NextTryAt: answer.NextTryAt}
			if diff := cmp.Diff(want, answer); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
			longest := 30 * time.Second
			if strings.HasPrefix(tc.name, "throttling") {
				longest = 3 * time.Second // it lacks its turn, not room
			}
			if wait := answer.NextTryAt.Sub(s.time()); wait < longest/2 || wait > longest {
				t.Errorf("it waits for %s", wait)
			}
			waiting := s.item(t, "j", "r-1")
			if diff := cmp.Diff(map[string]any{
				"pk": "run#j#r-1", "sk": "a#01", "v": 1.0, "state": "DUE", "method": "run-task", "job": "j", "at": s.at(0), "payload": payload,
				"digest": waiting["digest"], "cluster": clusterARN, "try": tc.try, "claims": 1.0, "holder": "request-1", "open": "4",
				"due": float64(answer.NextTryAt.UnixMilli()) / 1000, "answer": tc.reason,
			}, waiting); diff != "" {
				t.Errorf("item (-want +got):\n%s", diff)
			}
			s.wire.take()
			s.pass(time.Minute)
			first := s.time().Add(-time.Minute)
			started, err := s.invokeAs(t, "request-2", wake)
			if err != nil || started.TaskARN == "" {
				t.Fatalf("woken: %+v, %v", started, err)
			}
			if diff := cmp.Diff(launch.Answer{Job: "j", RunID: "r-1", Attempt: 1, Status: "STARTED", TaskARN: started.TaskARN}, started); diff != "" {
				t.Errorf("woken, answer (-want +got):\n%s", diff)
			}
			looks := 0
			for _, call := range s.wire.take() {
				if call == "ListTasks" {
					looks++
				}
			}
			if looks != tc.looks {
				t.Errorf("looked at lists of tasks %d times, want %d", looks, tc.looks)
			}
			item := s.item(t, "j", "r-1")
			if item["state"] != "LAUNCHED" || item["task"] != started.TaskARN || item["claims"] != 2.0 || item["at"] != float64(first.Unix()) || item["launchUntil"] != nil {
				t.Errorf("the item is %v", item)
			}
			if tasks := s.started(t, "j"); len(tasks) != 1 || len(s.Published()) != 0 {
				t.Errorf("%d tasks run, %d messages", len(tasks), len(s.Published()))
			}
			// Nothing is started for one that has begun.
			again, err := s.invokeAs(t, "request-3", wake)
			started.Again = true
			if diff := cmp.Diff(started, again); diff != "" || err != nil {
				t.Errorf("woken again: %v (-want +got):\n%s", err, diff)
			}
		})
	}
}

// Each answer with failures needs another token, since ECS repeats it. The waits
// double up to ten minutes.
func TestBackoff(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.FailPlacement("RESOURCE:CPU", 7)
	longest := 30 * time.Second
	for n := range 7 {
		event := wake
		if n == 0 {
			event = `{"job": "j", "runId": "r-1", "command": ["sleep", "60"]}`
		}
		answer, err := s.invoke(t, event)
		if wait := answer.NextTryAt.Sub(s.time()); err != nil || wait < longest/2 || wait > longest {
			t.Errorf("wait %d: %+v, %v", n+1, answer, err)
		}
		if got := s.item(t, "j", "r-1")["try"]; got != float64(n+1) {
			t.Errorf("after %d failures, try is %v", n+1, got)
		}
		s.pass(answer.NextTryAt.Sub(s.time()))
		longest = min(2*longest, 10*time.Minute)
	}
	if answer, err := s.invoke(t, wake); err != nil || answer.Status != "STARTED" || s.Calls("RunTask") != 8 {
		t.Errorf("%+v, %v, %d calls of RunTask", answer, err, s.Calls("RunTask"))
	}
}

// A run that waits for its turn waits no longer each time.
func TestThrottledAgain(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.Inject(localaws.Fault{Operation: "RunTask", Code: "ThrottlingException", Message: "Rate exceeded", Times: 7})
	event := `{"job": "j", "runId": "r-1", "command": ["sleep", "60"]}`
	for n := range 7 {
		answer, err := s.invoke(t, event)
		if wait := answer.NextTryAt.Sub(s.time()); err != nil || wait < 3*time.Second/2 || wait > 3*time.Second {
			t.Errorf("wait %d: %+v, %v", n+1, answer, err)
		}
		s.pass(5 * time.Second)
		event = wake
	}
	if answer, err := s.invoke(t, wake); err != nil || answer.Status != "STARTED" {
		t.Errorf("%+v, %v", answer, err)
	}
}

// A run that waits takes what the process has seen of a family since it came: a herd
// asks no more often than others come. A new run asks, since it may come right after a
// deployment.
func TestDefinitionOfAHerd(t *testing.T) {
	t.Parallel()
	s := start(t)
	payload := func(id string) string {
		return fmt.Sprintf(`{"job": "j", "runId": %q, "taskDefinition": "sample", "command": ["sleep", "60"]}`, id)
	}
	asked := func(what string, want int, event string) {
		t.Helper()
		before := s.Calls("DescribeTaskDefinition")
		if answer, err := s.invoke(t, event); err != nil {
			t.Errorf("%s: %+v, %v", what, answer, err)
		}
		if got := s.Calls("DescribeTaskDefinition") - before; got != want {
			t.Errorf("%s: asked for the definition %d times, want %d", what, got, want)
		}
	}
	s.Inject(localaws.Fault{Operation: "RunTask", Code: "ThrottlingException", Message: "Rate exceeded", Times: 2})
	asked("the first", 1, payload("r-1"))
	s.pass(time.Second)
	asked("one that is new", 1, payload("r-2"))
	s.pass(5 * time.Second)
	asked("one that came before the last look", 0, wake)
	asked("one that came at the last look", 1, strings.Replace(wake, "r-1", "r-2", 1))
}

// ECS may have started a task in spite of the failures that it answered with.
func TestLooksBeforeAnotherTry(t *testing.T) {
	t.Parallel()
	s := start(t)
	payload := `{"job": "j", "runId": "r-1", "command": ["sleep", "60"]}`
	s.wire.answers("RunTask", &answer{200, `{"tasks": [], "failures": [{"reason": "AGENT"}]}`})
	if answer, err := s.invoke(t, payload); err != nil || answer.Status != "WAITING" {
		t.Fatalf("%+v, %v", answer, err)
	}
	tasks := s.started(t, "j")
	calls := s.Calls("RunTask")
	answer, err := s.invokeAs(t, "request-2", wake)
	if len(tasks) != 1 || s.Calls("RunTask") != calls {
		t.Fatalf("%d tasks run", len(tasks))
	}
	if diff := cmp.Diff(launch.Answer{Job: "j", RunID: "r-1", Attempt: 1, Status: "STARTED", TaskARN: tasks[0]}, answer); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

// How late a run may begin, and what people then read.
func TestTooLate(t *testing.T) {
	t.Parallel()
	start := func(t *testing.T, fields string, since time.Duration) (*stack, string) {
		s := start(t)
		if since > 0 {
			fields += `, "scheduledTime": "` + s.time().Add(-since).Format(time.RFC3339) + `"`
		}
		return s, `{"job": "j", "runId": "r-1"` + fields + `}`
	}
	missed := "the run could not begin within 1h, its startWithin: it is "
	for _, tc := range []struct {
		name, fields string
		since        time.Duration // since the scheduled time, if there is one
		waits        time.Duration // without room
		person       bool
		status       string
		reason       string
	}{
		{name: "in time", fields: `, "startWithin": "1h"`, since: time.Hour, status: "STARTED"},
		{name: "late by its scheduled time", fields: `, "startWithin": "1h"`, since: time.Hour + time.Second, status: "MISSED", reason: missed + "1h0m1s after its scheduled time"},
		{name: "late, and no limit", since: 100 * time.Hour, status: "STARTED"},
		{name: "a person's", fields: `, "startWithin": "1h"`, since: 100 * time.Hour, person: true, status: "STARTED"},
		{name: "a person's, which waited", fields: `, "startWithin": "1h"`, since: time.Hour, waits: 2 * time.Hour, person: true, status: "STARTED"},
		{
			name: "no room by its scheduled time", fields: `, "startWithin": "1h"`, since: 50 * time.Minute, waits: 11 * time.Minute,
			status: "MISSED", reason: missed + "1h1m after its scheduled time; ECS's last answer: ECS could not place the task: AGENT",
		},
		{
			name: "no room since its first delivery", fields: `, "startWithin": "1h"`, waits: 61 * time.Minute,
			status: "MISSED", reason: missed + "1h1m after its first delivery; ECS's last answer: ECS could not place the task: AGENT",
		},
		{name: "room in time", fields: `, "startWithin": "1h"`, waits: time.Hour, status: "STARTED"},
		{name: "room after six hours", waits: 6 * time.Hour, status: "STARTED"},
		{
			name: "no room for six hours", waits: 6*time.Hour + time.Minute,
			status: "LAUNCH_FAILED", reason: "the run could not be started for 6h1m; ECS's last answer: ECS could not place the task: AGENT",
		},
		{
			name: "a person's, and no room for six hours", fields: `, "startWithin": "1h"`, waits: 6*time.Hour + time.Minute, person: true,
			status: "LAUNCH_FAILED", reason: "the run could not be started for 6h1m; ECS's last answer: ECS could not place the task: AGENT",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s, payload := start(t, tc.fields, tc.since)
			event := payload
			if tc.person {
				event = fmt.Sprintf(`{"errand": "start", "payload": %s, "by": "ann"}`, payload)
			}
			if tc.waits > 0 {
				s.FailPlacement("AGENT", 1)
				if answer, err := s.invoke(t, event); err != nil || answer.Status != "WAITING" {
					t.Fatalf("%+v, %v", answer, err)
				}
				s.pass(tc.waits)
				event = wake
			}
			answer, err := s.invokeAs(t, "request-2", event)
			want := launch.Answer{Job: "j", RunID: "r-1", Attempt: 1, Status: tc.status, Reason: tc.reason, TaskARN: answer.TaskARN}
			if diff := cmp.Diff(want, answer); diff != "" || err != nil || (answer.TaskARN != "") != (tc.status == "STARTED") {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
			item := s.item(t, "j", "r-1")
			if person := map[bool]any{true: "ann"}[tc.person]; item["person"] != person || item["payload"] != payload {
				t.Errorf("the item is %v", item)
			}
			published := s.published(t)
			if tc.status == "STARTED" {
				if len(published) != 0 {
					t.Errorf("published %v", published)
				}
				return
			}
			if len(published) != 1 || published[0]["status"] != tc.status || published[0]["reason"] != tc.reason || published[0]["outcome"] != "failure" {
				t.Errorf("published %v", published)
			}
			if item["reported"] != s.at(0) || item["state"] != "ABANDONED" || item["due"] != nil {
				t.Errorf("the item is %v", item)
			}
			again, err := s.invokeAs(t, "request-3", payload)
			want.Again = true
			if diff := cmp.Diff(want, again); diff != "" || err != nil || len(s.Published()) != 1 || len(s.started(t, "j")) != 0 {
				t.Errorf("delivered again: %v, %d messages (-want +got):\n%s", err, len(s.Published()), diff)
			}
		})
	}
}

// What people read in the night after a quota was full for six hours.
func TestTheLastAnswerIsTold(t *testing.T) {
	t.Parallel()
	quota := "You’ve reached the limit on the number of vCPUs you can run concurrently"
	hint := "; the quota of AWS Fargate can be raised in Service Quotas"
	for name, tc := range map[string]struct {
		prepare func(*stack)
		answer  string
	}{
		"in failures": {func(s *stack) { s.FailPlacement(quota, 1) }, "ECS could not place the task: " + quota + hint},
		"with a full stop": {
			func(s *stack) { s.FailPlacement("The requested CPU configuration is above your limit.", 1) },
			"ECS could not place the task: The requested CPU configuration is above your limit" + hint,
		},
		"by a code": {func(s *stack) {
			s.Inject(localaws.Fault{Operation: "RunTask", Code: "LimitExceededException", Message: quota})
		}, "ECS would not run sample:1 in cluster jobs: LimitExceededException: " + quota + hint},
		"of the cluster": {func(s *stack) {
			s.Inject(localaws.Fault{Operation: "RunTask", Code: "ClientException", Message: "Tasks provisioning capacity limit exceeded."})
		}, "ECS would not run sample:1 in cluster jobs: ClientException: Tasks provisioning capacity limit exceeded"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			tc.prepare(s)
			first, err := s.invoke(t, `{"job": "j", "runId": "r-1"}`)
			if err != nil || first.Status != "WAITING" || first.Reason != tc.answer {
				t.Fatalf("%+v, %v", first, err)
			}
			s.pass(6*time.Hour + time.Minute)
			want := launch.Answer{Job: "j", RunID: "r-1", Attempt: 1, Status: "LAUNCH_FAILED", Reason: "the run could not be started for 6h1m; ECS's last answer: " + tc.answer}
			got, err := s.invokeAs(t, "request-2", wake)
			if diff := cmp.Diff(want, got); diff != "" || err != nil {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
}

// What the launcher cannot be woken for.
func TestBadWakes(t *testing.T) {
	t.Parallel()
	s := start(t)
	for event, want := range map[string]string{
		wake: "the launcher was woken for attempt 1 of run r-1 of job j, which is not in the ledger",
		`{"errand": "abandon", "job": "j", "runId": "r-1", "attempt": 1}`: `the launcher was woken for "abandon", which is the collector's; see LAUNCHER_NAME and COLLECTOR_NAME of the watchdog`,
	} {
		if answer, err := s.invoke(t, event); err == nil || err.Error() != want {
			t.Errorf("%s: %+v, %v", event, answer, err)
		}
	}
}

// What a person has sent stays a person's, whoever delivers it next.
func TestAPersonsRun(t *testing.T) {
	t.Parallel()
	payload := `{"job": "j", "runId": "r-1", "startWithin": "1h", "schedule": "one"}`
	for name, tc := range map[string]struct{ event, person string }{
		"with a name":    {`{"errand": "start", "payload": ` + payload + `, "by": "ann"}`, "ann"},
		"without a name": {`{"errand": "start", "payload": ` + payload + `}`, "a person"},
	} {
		s := start(t)
		s.Inject(localaws.Fault{Operation: "RunTask", Code: "ThrottlingException", Message: "Rate exceeded"})
		if answer, err := s.invoke(t, tc.event); err != nil || answer.Status != "WAITING" {
			t.Fatalf("%s: %+v, %v", name, answer, err)
		}
		s.pass(2 * time.Hour)
		if answer, err := s.invoke(t, payload); err != nil || answer.Status != "STARTED" {
			t.Errorf("%s: %+v, %v", name, answer, err)
		}
		if got := s.item(t, "j", "r-1")["person"]; got != tc.person {
			t.Errorf("%s: the person is %v", name, got)
		}
	}
}
