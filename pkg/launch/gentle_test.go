package launch_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"errand/pkg/launch"
	"errand/pkg/localaws"
)

// A look that is throttled is not made again at once: the run waits. One that breaks
// is, by the SDK.
func TestLooksThatFail(t *testing.T) {
	t.Parallel()
	throttled := func(operation string) localaws.Fault {
		return localaws.Fault{Operation: operation, Code: "ThrottlingException", Message: "Rate exceeded"}
	}
	for _, tc := range []struct {
		name, fields string
		fault        localaws.Fault
		fails        string // a reason of failures that came before
		status       string
		reason       string
		looks        int
	}{
		{
			name: "the definition", fault: throttled("DescribeTaskDefinition"), status: "WAITING", looks: 1,
			reason: "ECS does not show task definition sample, check that it has an active revision in this account and Region: ThrottlingException: Rate exceeded",
		},
		{
			name: "the service", fields: `, "service": "web"`, fault: throttled("DescribeServices"), status: "WAITING", looks: 1,
			reason: "ECS does not show service web in cluster jobs: ThrottlingException: Rate exceeded",
		},
		{
			name: "the tasks, before another try", fault: throttled("ListTasks"), fails: "AGENT", status: "WAITING", looks: 1,
			reason: "look for a task of run r-1 among those of startedBy errand/jobs/j in cluster jobs: ThrottlingException: Rate exceeded",
		},
		{name: "the definition, by a fault", fault: localaws.Fault{Operation: "DescribeTaskDefinition", Code: "ServerException", Message: "oops", Status: 500}, status: "STARTED", looks: 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			event := `{"job": "j", "runId": "r-1"` + tc.fields + `}`
			if tc.fails != "" {
				s.FailPlacement(tc.fails, 1)
				if answer, err := s.invoke(t, event); err != nil || answer.Status != "WAITING" {
					t.Fatalf("%+v, %v", answer, err)
				}
				s.pass(time.Minute)
				event = wake
			}
			s.wire.take()
			s.Inject(tc.fault)
			got, err := s.invokeAs(t, "request-2", event)
			want := launch.Answer{Job: "j", RunID: "r-1", Attempt: 1, Status: tc.status, Reason: tc.reason, TaskARN: got.TaskARN, NextTryAt: got.NextTryAt}
			if diff := cmp.Diff(want, got); diff != "" || err != nil {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
			looks := 0
			for _, call := range s.wire.take() {
				if call == tc.fault.Operation {
					looks++
				}
			}
			if looks != tc.looks || got.NextTryAt.IsZero() == (tc.status == "WAITING") {
				t.Errorf("%d calls of %s, next try at %s", looks, tc.fault.Operation, got.NextTryAt)
			}
			if state := s.item(t, "j", "r-1")["state"]; state != map[string]any{"WAITING": "DUE", "STARTED": "LAUNCHED"}[tc.status] {
				t.Errorf("the item is %v", state)
			}
		})
	}
}

// When ECS is too busy to say whether a refused run has a task after all, that is no
// error: the run is left to the watchdog, and nobody is told yet.
func TestRefusedAndTheLookIsThrottled(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.FailPlacement("ATTRIBUTE", 1)
	s.Inject(localaws.Fault{Operation: "ListTasks", Code: "ThrottlingException", Message: "Rate exceeded"})
	got, err := s.invoke(t, `{"job": "j", "runId": "r-1"}`)
	want := launch.Answer{
		Job: "j", RunID: "r-1", Attempt: 1, Status: "WAITING", Reason: "ECS could not place the task: ATTRIBUTE", NextTryAt: s.time().Add(70 * time.Second),
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if item := s.item(t, "j", "r-1"); item["state"] != "ABANDONED" || item["verdict"] != nil || item["due"] != s.at(70*time.Second) || len(s.Published()) != 0 {
		t.Errorf("the item is %v, %d messages", item, len(s.Published()))
	}
}

// While the ledger is away ECS alone tells two payloads of one identity apart, by its
// token: the second is told of, and does not pass for the first.
func TestTwoPayloadsWithoutTheLedger(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.wire.breaks(ledgerAway(400, "AccessDeniedException", "no"))
	sent := func(region string) string {
		return `{"job": "import", "scheduledTime": "2026-11-20T02:00:00Z", "command": ["sleep", "` + region + `"]}`
	}
	first, err := s.invoke(t, sent("60"))
	if err != nil || first.Status != "STARTED" {
		t.Fatalf("%+v, %v", first, err)
	}
	got, err := s.invokeAs(t, "request-2", sent("61"))
	want := launch.Answer{
		Job: "import", RunID: "import-20261120T020000Z", Attempt: 1, Status: "REJECTED",
		Reason: "runId: run import-20261120T020000Z of job import was started before, as task " + last(first.TaskARN) +
			", whose payload differs in command; this payload was not run: give each its own runId, scheduledTime or job",
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if published := s.published(t); len(published) != 1 || published[0]["status"] != "REJECTED" || published[0]["reason"] != want.Reason {
		t.Errorf("published %v", published)
	}
}
