package launch_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"errand/pkg/launch"
	"errand/pkg/localaws"
)

// A ledger that does not answer leaves the time to start the task without it.
func TestALedgerThatHangs(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.wire.hang("UpdateItem", "GetItem")
	answer, err := s.within(t, 8*time.Second, `{"job": "j", "runId": "r-1", "command": ["sleep", "60"]}`)
	tasks := s.started(t, "j")
	if len(tasks) != 1 {
		t.Fatalf("%d tasks run: %+v, %v", len(tasks), answer, err)
	}
	if diff := cmp.Diff(launch.Answer{Job: "j", RunID: "r-1", Attempt: 1, Status: "STARTED", TaskARN: tasks[0]}, answer); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

// Whatever does not answer, an invocation ends before its time does: Lambda would kill
// it, and nobody would know why.
func TestEndsBeforeItsTimeIsOver(t *testing.T) {
	t.Parallel()
	unclear := "it is not known whether ECS started sample:1 in cluster jobs, RunTask had no clear answer: no answer in time"
	hidden := "ECS does not show task definition sample, check that it has an active revision in this account and Region: no answer in time"
	waits := launch.Answer{Job: "j", RunID: "r-1", Attempt: 1, Status: "WAITING"}
	for _, tc := range []struct {
		name  string
		hangs []string
		away  bool // the ledger
		want  launch.Answer
		err   string
	}{
		{"RunTask", []string{"RunTask"}, false, launch.Answer{Reason: unclear}, ""},
		{"a look-up", []string{"DescribeTaskDefinition"}, false, launch.Answer{Reason: hidden}, ""},
		{"RunTask, without the ledger", []string{"RunTask"}, true, launch.Answer{}, unclear},
		{"a look-up, without the ledger", []string{"DescribeTaskDefinition"}, true, launch.Answer{}, hidden},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			s.wire.hang(tc.hangs...)
			if tc.away {
				s.wire.breaks(ledgerAway(400, "ResourceNotFoundException", "no table"))
			}
			ctx, cancel := context.WithTimeout(t.Context(), 6*time.Second)
			defer cancel()
			answer, err := s.launcher.Handle(invocation(ctx, "request-1"), json.RawMessage(`{"job": "j", "runId": "r-1"}`))
			if ctx.Err() != nil {
				t.Error("its time was over")
			}
			want, text := tc.want, ""
			if !tc.away {
				want.Job, want.RunID, want.Attempt, want.Status, want.NextTryAt = waits.Job, waits.RunID, waits.Attempt, waits.Status, answer.NextTryAt
			}
			if err != nil {
				text = err.Error()
			}
			if diff := cmp.Diff(want, answer); diff != "" || text != tc.err {
				t.Errorf("got the error %q, want %q; answer (-want +got):\n%s", text, tc.err, diff)
			}
		})
	}
}

// What the ledger has of a run's cluster is where its task is looked for when its
// launcher is gone.
func TestClusterOfAnItem(t *testing.T) {
	t.Parallel()
	const theirs = "arn:aws:ecs:eu-west-1:123456789012:cluster/theirs"
	for _, tc := range []struct{ fields, want string }{
		{``, clusterARN},
		{`, "cluster": "jobs"`, clusterARN},
		{`, "cluster": "theirs"`, theirs},
		{`, "cluster": "` + theirs + `"`, theirs},
		{`, "cluster": "arn:aws:ecs:eu-north-1:123456789012:cluster/theirs"`, "arn:aws:ecs:eu-north-1:123456789012:cluster/theirs"},
		{`, "service": "web"`, clusterARN},
		{`, "service": "arn:aws:ecs:eu-west-1:123456789012:service/theirs/web"`, theirs},
		{`, "service": "arn:aws:ecs:eu-west-1:123456789012:service/theirs/web", "cluster": "jobs"`, clusterARN},
	} {
		t.Run(tc.fields, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			for _, operation := range []string{"DescribeServices", "RunTask"} {
				s.Inject(localaws.Fault{Operation: operation, Code: "ThrottlingException", Message: "Rate exceeded"})
			}
			answer, err := s.invoke(t, `{"job": "j", "runId": "r-1"`+tc.fields+`}`)
			if err != nil || answer.Status != "WAITING" {
				t.Fatalf("%+v, %v", answer, err)
			}
			if got := s.item(t, "j", "r-1")["cluster"]; got != tc.want {
				t.Errorf("the item's cluster is %v, want %s", got, tc.want)
			}
		})
	}
}

// A task that ECS names for the run's token is adopted only if it carries this run: the
// payload alone may be the same every day.
func TestAnotherRunsTask(t *testing.T) {
	t.Parallel()
	s := start(t)
	payload := `{"job": "j", "command": ["sleep", "60"]}`
	first, err := s.invoke(t, payload)
	if err != nil || first.Status != "STARTED" {
		t.Fatalf("%+v, %v", first, err)
	}
	s.wire.breaks(func(operation string) *answer {
		if operation == "RunTask" {
			return &answer{400, `{"__type": "ConflictException", "message": "token used", "resourceIds": ["` + first.TaskARN + `"]}`}
		}
		return nil
	})
	answer, err := s.invokeAs(t, "request-2", payload)
	if diff := cmp.Diff(launch.Answer{
		Job: "j", RunID: "request-2", Attempt: 1, Status: "REJECTED",
		Reason: "runId: run request-2 of job j was started before, as task " + last(first.TaskARN) +
			`, which carries run "request-1" of job "j"; this payload was not run: give each its own runId, scheduledTime or job`,
	}, answer); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if n := len(s.Published()); n != 1 {
		t.Errorf("%d messages published", n)
	}
}
