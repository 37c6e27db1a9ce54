package launch_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"errand/pkg/launch"
	"errand/pkg/localaws"
)

func TestTheSameRunTwiceIsOneTask(t *testing.T) {
	t.Parallel()
	s := start(t)
	payload := `{"job": "once", "command": ["sleep", "60"], "environment": {"A": "1", "B": "2", "C": "3"}, "runId": "r-1"}`
	first, err := s.invoke(t, payload)
	if err != nil {
		t.Fatal(err)
	}
	want := first
	want.Again = true
	// A deployment in between does not matter.
	for _, deploy := range []func(){func() {}, func() { s.register(t, "sample", "app") }} {
		deploy()
		again, err := s.invokeAs(t, "request-2", payload)
		if diff := cmp.Diff(want, again); diff != "" || err != nil {
			t.Errorf("delivered again: %v (-want +got):\n%s", err, diff)
		}
	}
	if tasks := s.started(t, "once"); len(tasks) != 1 || s.Calls("RunTask") != 1 {
		t.Errorf("%d tasks run: %v, after %d calls", len(tasks), tasks, s.Calls("RunTask"))
	}
}

// Who sent a payload does not tell it from others, and a schedule's deliveries for
// one time are one run even if its payload has something of its own in each.
func TestTheSameRunByOtherBytes(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, first, second string }{
		{"another form", `{"job": "j", "runId": "r-1", "command": ["true"]}`, `{"command":["true"],"runId":"r-1","job":"j"}`},
		{
			"by another schedule", `{"job": "j", "runId": "r-1", "schedule": "one"}`,
			`{"job": "j", "runId": "r-1", "schedule": "two"}`,
		},
		{
			"by the same schedule for the same time", `{"job": "j", "schedule": "one", "scheduledTime": "2026-11-20T02:00:00Z", "runId": "r-1", "command": ["echo", "execution-1"]}`,
			`{"job": "j", "schedule": "one", "scheduledTime": "2026-11-20T02:00:00Z", "runId": "r-1", "command": ["echo", "execution-2"]}`,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			first, err := s.invoke(t, tc.first)
			if err != nil {
				t.Fatal(err)
			}
			again, err := s.invoke(t, tc.second)
			first.Again = true
			if diff := cmp.Diff(first, again); diff != "" || err != nil || s.Calls("RunTask") != 1 || len(s.Published()) != 0 {
				t.Errorf("%v, %d calls of RunTask (-want +got):\n%s", err, s.Calls("RunTask"), diff)
			}
		})
	}
}

// Two payloads claim one identity: the second is told of once.
func TestAnotherPayload(t *testing.T) {
	t.Parallel()
	s := start(t)
	first, err := s.invoke(t, `{"job": "j", "runId": "r-1", "command": ["sleep", "60"]}`)
	if err != nil {
		t.Fatal(err)
	}
	want := launch.Answer{
		Job: "j", RunID: "r-1", Attempt: 1, Status: "REJECTED",
		Reason: "runId: run r-1 of job j was delivered before, as task " + last(first.TaskARN) +
			", with a payload that differs in command, logLines; this one was not run: give each its own runId, scheduledTime or job",
	}
	for _, again := range []bool{false, true, true} {
		want.Again = again
		answer, err := s.invoke(t, `{"job": "j", "runId": "r-1", "command": ["sleep", "61"], "logLines": 5}`)
		if diff := cmp.Diff(want, answer); diff != "" || err != nil {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
	}
	published := s.published(t)
	if at, err := time.Parse(time.RFC3339, published[0]["reportedAt"].(string)); err != nil || time.Since(at) > time.Hour {
		t.Errorf("reported at %v", published[0]["reportedAt"])
	}
	delete(published[0], "reportedAt")
	if diff := cmp.Diff([]map[string]any{{
		"schema": "errand/result/v1", "subject": "REJECTED j: runId: run r-1 of job j was delivered before, as task " + last(first.TaskARN)[:30] + "...",
		"stack": "jobs", "severity": "error", "job": "j", "runId": "r-1", "attempt": 1.0, "method": "run-task", "status": "REJECTED", "outcome": "failure",
		"reason": want.Reason, "willRetry": false, "command": []any{"sleep", "61"}, "cluster": clusterARN,
		"payload": map[string]any{"job": "j", "runId": "r-1", "command": []any{"…"}, "logLines": "…"},
	}}, published); diff != "" {
		t.Errorf("published (-want +got):\n%s", diff)
	}
	if item := s.item(t, "j", "r-1"); item["task"] != first.TaskARN || item["reported"] != nil {
		t.Errorf("the first run's item is %v", item)
	}
	third, err := s.invoke(t, `{"job": "j", "runId": "r-1", "command": ["sleep", "62"]}`)
	if err != nil || third.Again || len(s.Published()) != 2 {
		t.Errorf("a third payload: %+v, %v, %d messages", third, err, len(s.Published()))
	}
}

// A delivery that is being started by another launcher is not this one's, unless
// this one lives longer.
func TestTakesOver(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.Inject(localaws.Fault{Operation: "RunTask", Code: "ServerException", Message: "oops", Status: 500})
	payload := `{"job": "j", "runId": "r-1"}`
	unclear, err := s.invoke(t, payload)
	if diff := cmp.Diff(launch.Answer{
		Job: "j", RunID: "r-1", Attempt: 1, Status: "WAITING", NextTryAt: s.time().Add(125 * time.Second),
		Reason: "it is not known whether ECS started sample:1 in cluster jobs, RunTask had no clear answer: ServerException: oops",
	}, unclear); diff != "" || err != nil {
		t.Fatalf("%v (-want +got):\n%s", err, diff)
	}
	s.pass(-time.Second) // an invocation that ends earlier
	busy, err := s.invokeAs(t, "request-2", payload)
	if diff := cmp.Diff(launch.Answer{
		Job: "j", RunID: "r-1", Attempt: 1, Status: "WAITING", NextTryAt: s.time().Add(126 * time.Second),
		Reason: "another delivery of this run is being started now",
	}, busy); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	s.pass(2 * time.Second)
	answer, err := s.invokeAs(t, "request-3", payload)
	if err != nil || answer.Status != "STARTED" || answer.Again || s.Calls("RunTask") != 2 {
		t.Errorf("%+v, %v, %d calls of RunTask", answer, err, s.Calls("RunTask"))
	}
	if tasks := s.started(t, "j"); len(tasks) != 1 || len(s.Published()) != 0 {
		t.Errorf("%d tasks run, %d messages", len(tasks), len(s.Published()))
	}
}

// The run that is taken over is the first payload's, under whose token ECS may have
// started its task already.
func TestTakesOverWithTheFirstPayload(t *testing.T) {
	t.Parallel()
	s := start(t)
	// The task is started, and the launcher never hears of it.
	s.wire.cut("RunTask")
	sent := func(n string) string {
		return `{"job": "j", "schedule": "one", "scheduledTime": "2026-11-20T02:00:00Z", "command": ["sleep", "` + n + `"]}`
	}
	if answer, err := s.invoke(t, sent("61")); err != nil || answer.Status != "WAITING" {
		t.Fatalf("%+v, %v", answer, err)
	}
	s.wire.cut("")
	tasks := s.started(t, "j")
	s.pass(time.Minute)
	answer, err := s.invokeAs(t, "request-2", sent("62"))
	if len(tasks) != 1 {
		t.Fatalf("%d tasks run", len(tasks))
	}
	if diff := cmp.Diff(launch.Answer{Job: "j", RunID: "j-20261120T020000Z", Attempt: 1, Status: "STARTED", TaskARN: tasks[0]}, answer); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if n := len(s.Published()); n != 0 {
		t.Errorf("%d messages published", n)
	}
}
