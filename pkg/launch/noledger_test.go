package launch_test

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/google/go-cmp/cmp"

	"errand/pkg/launch"
	"errand/pkg/ledger/ledgertest"
	"errand/pkg/localaws"
	"errand/pkg/report"
)

// deniedLedger is what is said of a ledger that the launcher's role may not use.
const deniedLedger = "AccessDeniedException: no; allow this role dynamodb:GetItem, BatchGetItem, UpdateItem and Query on the table and its indexes, and the use of the table's key"

// While the ledger cannot be reached, what need not be remembered starts.
func TestWithoutTheLedger(t *testing.T) {
	t.Parallel()
	denied := func(_ *testing.T, s *stack) { s.wire.breaks(ledgerAway(400, "AccessDeniedException", "no")) }
	limited := "a job with time limits is not started without the ledger: claim attempt 1 of run r-1 of job j, in the ledger (table ledger): " + deniedLedger
	const invalid = "comand: unknown field, did you mean command?"
	for _, tc := range []struct {
		name, fields string
		away         func(*testing.T, *stack)
		within       time.Duration
		want         launch.Answer // beside the run and the task
		err          string
		published    []string // status and reason
	}{
		{name: "it may not be written", away: denied, want: launch.Answer{Status: "STARTED"}},
		{name: "there is no table", away: func(t *testing.T, s *stack) {
			if _, err := s.db.DeleteTable(t.Context(), &dynamodb.DeleteTableInput{TableName: aws.String(ledgertest.Table)}); err != nil {
				t.Fatal(err)
			}
		}, want: launch.Answer{Status: "STARTED"}},
		{name: "it is broken until half of the time is over", away: func(_ *testing.T, s *stack) {
			s.wire.breaks(ledgerAway(500, "InternalServerError", "oops"))
		}, within: 2 * time.Second, want: launch.Answer{Status: "STARTED"}},
		{name: "timeout", fields: `, "timeout": "1h"`, away: denied, err: limited},
		{name: "startTimeout", fields: `, "startTimeout": "1h"`, away: denied, err: limited},
		{name: "startWithin", fields: `, "startWithin": "1h"`, away: denied, err: limited},
		{
			name: "an invalid payload", fields: `, "comand": []`, away: denied,
			want: launch.Answer{Status: "REJECTED", Reason: invalid}, published: []string{"REJECTED", invalid},
		},
		{
			name: "a refusal", away: func(t *testing.T, s *stack) {
				denied(t, s)
				s.Inject(localaws.Fault{Operation: "RunTask", Code: "AccessDeniedException", Message: "no RunTask"})
			},
			want:      launch.Answer{Status: "LAUNCH_FAILED", Reason: "ECS would not run sample:1 in cluster jobs: AccessDeniedException: no RunTask"},
			published: []string{"LAUNCH_FAILED", "ECS would not run sample:1 in cluster jobs: AccessDeniedException: no RunTask"},
		},
		{
			name: "no room, and room in time", away: func(t *testing.T, s *stack) {
				denied(t, s)
				s.FailPlacement("AGENT", 1)
			}, within: 10 * time.Second, want: launch.Answer{Status: "STARTED"},
		},
		{
			name: "no room", away: func(t *testing.T, s *stack) {
				denied(t, s)
				s.FailPlacement("AGENT", 1000)
			}, err: "ECS could not place the task: AGENT",
		},
		{
			name: "an unclear answer", away: func(t *testing.T, s *stack) {
				denied(t, s)
				s.Inject(localaws.Fault{Operation: "RunTask", Code: "ServerException", Message: "oops", Status: 500})
			}, err: "it is not known whether ECS started sample:1 in cluster jobs, RunTask had no clear answer: ServerException: oops",
		},
		{
			name: "a refusal after an unclear answer", away: func(t *testing.T, s *stack) {
				denied(t, s)
				s.Inject(localaws.Fault{Operation: "RunTask", Code: "ServerException", Message: "oops", Status: 500})
				s.Inject(localaws.Fault{Operation: "RunTask", Code: "AccessDeniedException", Message: "no RunTask"})
			}, within: 10 * time.Second,
			want: launch.Answer{Status: "LOST", Reason: "it is not known whether ECS started the task: a call of RunTask had no clear answer, and then ECS would not run sample:1 in cluster jobs: AccessDeniedException: no RunTask"},
			published: []string{
				"LOST",
				"it is not known whether ECS started the task: a call of RunTask had no clear answer, and then ECS would not run sample:1 in cluster jobs: AccessDeniedException: no RunTask",
			},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			tc.away(t, s)
			payload := `{"job": "j", "runId": "r-1"` + tc.fields + `}`
			invoke := s.invoke
			if tc.within > 0 {
				invoke = func(t testing.TB, payload string) (launch.Answer, error) { return s.within(t, tc.within, payload) }
			}
			answer, err := invoke(t, payload)
			if tc.err != "" {
				if err == nil || err.Error() != tc.err || answer != (launch.Answer{}) {
					t.Errorf("got %+v, %v\nwant %s", answer, err, tc.err)
				}
				if _, uncertain := err.(report.Uncertain); uncertain != strings.HasPrefix(tc.err, "it is not known") { //nolint:errorlint // Lambda looks at the outermost type
					t.Errorf("the error is a %T", err)
				}
			} else {
				tc.want.Job, tc.want.RunID, tc.want.Attempt, tc.want.TaskARN = "j", "r-1", 1, answer.TaskARN
				if diff := cmp.Diff(tc.want, answer); diff != "" || err != nil {
					t.Errorf("%v (-want +got):\n%s", err, diff)
				}
			}
			if tasks := s.started(t, "j"); (answer.Status == "STARTED") != (len(tasks) == 1) || len(tasks) == 1 && tasks[0] != answer.TaskARN {
				t.Errorf("tasks %v run, answered %+v", tasks, answer)
			}
			if diff := cmp.Diff([]string{report.WithoutLedger}, s.metricsCounted(t)); diff != "" {
				t.Errorf("metrics (-want +got):\n%s", diff)
			}
			var published []string
			for _, message := range s.published(t) {
				published = append(published, message["status"].(string), message["reason"].(string))
			}
			if diff := cmp.Diff(tc.published, published); diff != "" {
				t.Errorf("published (-want +got):\n%s", diff)
			}
		})
	}
}

// A run that was started without the ledger is the same one when it is back, and one
// whose task could not be noted, too.
func TestTheLedgerComesBack(t *testing.T) {
	t.Parallel()
	payload := `{"job": "j", "runId": "r-1", "command": ["sleep", "60"]}`
	writes := 0
	for _, tc := range []struct {
		name   string
		broken func(operation string) *answer
		err    string // of the first delivery
		again  map[string]any
	}{
		{"away for the whole first delivery", ledgerAway(400, "AccessDeniedException", "no"), "", map[string]any{"claims": 1.0, "holder": "request-2"}},
		{"away when the task is noted", func(operation string) *answer {
			if operation != "UpdateItem" {
				return nil
			}
			if writes++; writes == 1 {
				return nil
			}
			return failing(400, "AccessDeniedException", "no")
		}, "note the task of attempt 1 of run r-1 of job j, in the ledger (table ledger): " + deniedLedger, map[string]any{"claims": 2.0, "holder": "request-2"}},
		{"away for the claim", func(operation string) *answer {
			if operation != "UpdateItem" {
				return nil
			}
			return failing(400, "AccessDeniedException", "no")
		}, "", map[string]any{"claims": 1.0, "holder": "request-2"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			s.wire.breaks(tc.broken)
			first, err := s.invoke(t, payload)
			if tc.err == "" && (err != nil || first.Status != "STARTED") {
				t.Fatalf("%+v, %v", first, err)
			}
			if tc.err != "" {
				if _, uncertain := err.(report.Uncertain); !uncertain || err.Error() != tc.err { //nolint:errorlint // Lambda looks at the outermost type
					t.Fatalf("%+v, %T: %v", first, err, err)
				}
			}
			s.wire.breaks(nil)
			s.pass(time.Minute)
			second, err := s.invokeAs(t, "request-2", payload)
			tasks := s.started(t, "j")
			if len(tasks) != 1 {
				t.Fatalf("%d tasks run", len(tasks))
			}
			if diff := cmp.Diff(launch.Answer{Job: "j", RunID: "r-1", Attempt: 1, Status: "STARTED", TaskARN: tasks[0]}, second); diff != "" || err != nil {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
			item := s.item(t, "j", "r-1")
			for name, want := range tc.again {
				if item[name] != want {
					t.Errorf("%s is %v, want %v", name, item[name], want)
				}
			}
			if item["state"] != "LAUNCHED" || item["task"] != tasks[0] || len(s.Published()) != 0 {
				t.Errorf("the item is %v", item)
			}
		})
	}
}

// The ledger took the claim, and its answer did not arrive.
func TestLostAnswerToTheClaim(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.wire.cut("UpdateItem")
	answer, err := s.within(t, time.Second, `{"job": "j", "runId": "r-1", "command": ["sleep", "60"]}`)
	if err != nil || answer.Status != "STARTED" || len(s.started(t, "j")) != 1 {
		t.Errorf("%+v, %v", answer, err)
	}
	// The watchdog comes back to the claim, and finds the task.
	if item := s.item(t, "j", "r-1"); item["state"] != "CLAIMED" || item["due"] == nil || item["open"] == nil {
		t.Errorf("the item is %v", item)
	}
}

// A run that waits is nothing that may be begun without the ledger.
func TestWokenWithoutTheLedger(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.wire.breaks(ledgerAway(400, "AccessDeniedException", "no"))
	want := "read attempt 1 of run r-1 of job j, in the ledger (table ledger): " + deniedLedger
	if answer, err := s.invoke(t, wake); err == nil || err.Error() != want || len(s.metricsCounted(t)) != 0 {
		t.Errorf("%+v, %v", answer, err)
	}
}

// What could not be put off is not answered.
func TestTheLedgerGoesAway(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.FailPlacement("AGENT", 1)
	s.wire.before("RunTask", func() { s.wire.breaks(ledgerAway(400, "AccessDeniedException", "no")) })
	payload := `{"job": "j", "runId": "r-1", "timeout": "1h"}`
	answer, err := s.invoke(t, payload)
	want := "put off attempt 1 of run r-1 of job j, in the ledger (table ledger): " + deniedLedger + "; ECS could not place the task: AGENT"
	if err == nil || err.Error() != want || answer != (launch.Answer{}) {
		t.Errorf("%+v, %v", answer, err)
	}
	s.wire.breaks(nil)
	s.wire.before("", nil)
	// Lambda tries again.
	s.pass(time.Minute)
	waiting, err := s.invoke(t, payload)
	if err != nil || waiting.Status != "WAITING" {
		t.Errorf("%+v, %v", waiting, err)
	}
}

// A job with time limits is started, and the table goes away before that is noted.
// Nobody may be told that it was not started.
func TestLimitsAndStartedBefore(t *testing.T) {
	t.Parallel()
	s := start(t)
	const payload = `{"job": "j", "runId": "r-1", "command": ["sleep", "60"], "timeout": "1h"}`
	writes := 0
	s.wire.breaks(func(operation string) *answer {
		if operation != "UpdateItem" {
			return nil
		}
		if writes++; writes == 1 {
			return nil
		}
		return failing(400, "AccessDeniedException", "no")
	})
	if _, err := s.invoke(t, payload); err == nil {
		t.Error("no error, though its task was not noted")
	}
	answer, err := s.invoke(t, payload)
	want := launch.Answer{Job: "j", RunID: "r-1", Attempt: 1, Status: "STARTED", Again: true, TaskARN: s.started(t, "j")[0]}
	if diff := cmp.Diff(want, answer); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	// Where ECS does not say, it is not known.
	s.Inject(localaws.Fault{Operation: "ListTasks", Code: "ThrottlingException", Message: "slow down", Times: 100})
	_, err = s.within(t, 11*time.Second, payload)
	if _, uncertain := err.(report.Uncertain); !uncertain { //nolint:errorlint // Lambda looks at the outermost type
		t.Errorf("the error is a %T: %v", err, err)
	}
}
