package launch_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"errand/pkg/launch"
	"errand/pkg/localaws"
	"errand/pkg/report"
)

// ECS may have started a task in spite of the failures that it answers with.
func TestLooksBeforeAnotherTry(t *testing.T) {
	t.Parallel()
	s := start(t)
	payload := `{"job": "j", "runId": "r-1", "command": ["sleep", "60"]}`
	first, err := s.invoke(t, payload)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.invoke(t, `{"job": "j", "runId": "r-2", "command": ["sleep", "60"]}`); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		payload string
		want    launch.Answer
	}{
		"the same payload": {payload, launch.Answer{Job: "j", RunID: "r-1", Attempt: 1, Status: "STARTED", TaskARN: first.TaskARN}},
		"another payload": {`{"job": "j", "runId": "r-1", "command": ["sleep", "61"]}`, launch.Answer{
			Job: "j", RunID: "r-1", Attempt: 1, Status: "REJECTED",
			Reason: "runId: run r-1 of job j was started before, as task " + first.TaskARN[strings.LastIndex(first.TaskARN, "/")+1:] +
				", whose payload differs in command; this payload was not run: give each its own runId, scheduledTime or job",
		}},
	} {
		s.FailPlacement("AGENT", 1)
		answer, err := s.invoke(t, tc.payload)
		if diff := cmp.Diff(tc.want, answer); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
		}
	}
	if tasks := s.started(t, "j"); len(tasks) != 2 {
		t.Errorf("%d tasks run", len(tasks))
	}
}

// handle hands a payload to the launcher, which has so long.
func (s *stack) handle(t *testing.T, payload string, d time.Duration) (launch.Answer, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	return s.launcher.Handle(ctx, json.RawMessage(payload))
}

// What is not known is an error of its own type until Lambda gives up.
func TestUnclearAnswers(t *testing.T) {
	t.Parallel()
	broken := localaws.Fault{Operation: "RunTask", Code: "ServerException", Message: "oops", Status: 500, Times: 1000}
	slow := localaws.Fault{Operation: "RunTask", Delay: time.Hour, Times: 1000}
	throttled := localaws.Fault{Operation: "RunTask", Code: "ThrottlingException", Message: "Rate exceeded"}
	for _, tc := range []struct {
		name   string
		faults []localaws.Fault
		want   string
	}{
		{"a broken server", []localaws.Fault{broken}, "it is not known whether ECS started sample:1 in cluster jobs, RunTask had no clear answer: ServerException: oops"},
		{"no answer in time", []localaws.Fault{slow}, "it is not known whether ECS started sample:1 in cluster jobs, RunTask had no clear answer: no answer in time"},
		{
			"an answer, and then none in time",
			[]localaws.Fault{throttled, slow},
			"it is not known whether ECS started sample:1 in cluster jobs, RunTask had no clear answer: no answer in time; before that, ECS would not run sample:1 in cluster jobs: ThrottlingException: Rate exceeded",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			for _, f := range tc.faults {
				s.Inject(f)
			}
			answer, err := s.handle(t, `{"job": "j"}`, 2*time.Second)
			if _, ok := err.(report.Uncertain); !ok || err.Error() != tc.want { //nolint:errorlint // Lambda looks at the outermost type
				t.Errorf("got %+v, %T: %v\nwant %s", answer, err, err, tc.want)
			}
			if n := len(s.Published()); n != 0 {
				t.Errorf("%d messages published", n)
			}
		})
	}
}

// Without a doubt, what the deadline cuts short is told by ECS's answer before.
func TestTheLastRealAnswer(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.Inject(localaws.Fault{Operation: "DescribeTaskDefinition", Code: "ThrottlingException", Message: "Rate exceeded", Times: 3})
	s.Inject(localaws.Fault{Operation: "DescribeTaskDefinition", Delay: time.Hour, Times: 1000})
	answer, err := s.handle(t, `{"job": "j"}`, 3*time.Second)
	want := "ECS does not show task definition sample, check that it has an active revision in this account and Region: ThrottlingException: Rate exceeded"
	if _, unclear := errors.AsType[report.Uncertain](err); err == nil || unclear || err.Error() != want {
		t.Errorf("got %+v, %v\nwant %s", answer, err, want)
	}
}

// What ECS refuses now says nothing of the call before.
func TestRefusedAfterAnUnclearAnswer(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.Inject(localaws.Fault{Operation: "RunTask", Code: "ServerException", Message: "oops", Status: 500})
	s.Inject(localaws.Fault{Operation: "RunTask", Code: "AccessDeniedException", Message: "no"})
	answer, err := s.invoke(t, `{"job": "j", "runId": "r-1"}`)
	want := launch.Answer{
		Job: "j", RunID: "r-1", Attempt: 1, Status: "LOST",
		Reason: "it is not known whether ECS started the task: a call of RunTask had no clear answer, and then ECS would not run sample:1 in cluster jobs: AccessDeniedException: no",
	}
	if diff := cmp.Diff(want, answer); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if messages := s.Published(); len(messages) != 1 || messages[0].Attributes["status"].Value != "LOST" {
		t.Errorf("published %+v", messages)
	}
}

// A run that was started, is delivered again and refused this time, runs all the same.
func TestRefusedAtTheSecondDelivery(t *testing.T) {
	t.Parallel()
	s := start(t)
	payload := `{"job": "j", "runId": "r-1", "command": ["sleep", "60"]}`
	first, err := s.invoke(t, payload)
	if err != nil {
		t.Fatal(err)
	}
	s.Inject(localaws.Fault{Operation: "RunTask", Code: "AccessDeniedException", Message: "no"})
	again, err := s.invoke(t, payload)
	if diff := cmp.Diff(first, again); diff != "" || err != nil || len(s.Published()) != 0 {
		t.Errorf("%v, %d messages (-first +second):\n%s", err, len(s.Published()), diff)
	}
}

// Nor is it told as one that never was when nobody could be told that it is lost.
func TestUnpublishedLoss(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.Inject(localaws.Fault{Operation: "RunTask", Code: "ServerException", Message: "oops", Status: 500})
	s.Inject(localaws.Fault{Operation: "RunTask", Code: "AccessDeniedException", Message: "no"})
	s.Inject(localaws.Fault{Operation: "Publish", Code: "AuthorizationError", Message: "no", Status: 403})
	answer, err := s.invoke(t, `{"job": "j", "runId": "r-1"}`)
	if _, ok := err.(report.Uncertain); !ok || !strings.HasPrefix(err.Error(), "it is not known whether ECS started the task: ") { //nolint:errorlint // Lambda looks at the outermost type
		t.Errorf("got %+v, %T: %v", answer, err, err)
	}
}

// The last of Lambda's attempts does not make one forget the first.
func TestThrottledAfterAnUnclearAnswer(t *testing.T) {
	t.Parallel()
	s := start(t, func(c *launch.Config) { c.Backoff = time.Hour })
	s.Inject(localaws.Fault{Operation: "RunTask", Code: "ServerException", Message: "oops", Status: 500})
	s.Inject(localaws.Fault{Operation: "RunTask", Code: "ThrottlingException", Message: "Rate exceeded"})
	for _, want := range []string{
		"it is not known whether ECS started sample:1 in cluster jobs, RunTask had no clear answer: ServerException: oops",
		"it is not known whether ECS started the task: a call of RunTask had no clear answer, and then ECS would not run sample:1 in cluster jobs: ThrottlingException: Rate exceeded",
	} {
		answer, err := s.invoke(t, `{"job": "j", "runId": "r-1"}`)
		if _, ok := err.(report.Uncertain); !ok || err.Error() != want { //nolint:errorlint // Lambda looks at the outermost type
			t.Errorf("got %+v, %T: %v\nwant %s", answer, err, err, want)
		}
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
		Reason: "runId: run r-1 of job j was started before, as task " + other.TaskARN[strings.LastIndex(other.TaskARN, "/")+1:] +
			`, which carries run "request-1" of job "k"; this payload was not run: give each its own runId, scheduledTime or job`,
	}
	if diff := cmp.Diff(want, answer); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}
