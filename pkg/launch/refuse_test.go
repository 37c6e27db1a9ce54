package launch_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"errand/pkg/launch"
	"errand/pkg/localaws"
	"errand/pkg/run"
)

// What trying again cannot mend is answered and published.
func TestRefusals(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		payload string
		config  func(*launch.Config)
		prepare func(*testing.T, *stack)
		status  run.Status
		reason  string
		cluster string
	}{
		{
			name: "a misspelt field", payload: `{"job": "j", "comand": ["x"]}`,
			status: run.Rejected, reason: "comand: unknown field, did you mean command?",
		},
		{
			name: "several containers", payload: `{"job": "j", "taskDefinition": "billing"}`,
			status: run.Rejected, reason: "container: required, since task definition arn:aws:ecs:eu-west-1:123456789012:task-definition/billing:1 has several: app, metrics",
		},
		{
			name: "a container that does not exist", payload: `{"job": "j", "taskDefinition": "billing", "container": "web"}`,
			status: run.Rejected, reason: `container: task definition arn:aws:ecs:eu-west-1:123456789012:task-definition/billing:1 has no container "web"; it has app, metrics`,
		},
		{
			name: "an override for a container that does not exist", payload: `{"job": "j", "overrides": {"containerOverrides": [{"name": "web", "cpu": 1}]}}`,
			status: run.Rejected, reason: `overrides.containerOverrides[0].name: task definition arn:aws:ecs:eu-west-1:123456789012:task-definition/sample:1 has no container "web"; it has app`,
		},
		{
			name: "the command twice", payload: `{"job": "j", "command": ["a"], "overrides": {"containerOverrides": [{"name": "app", "command": ["b"]}]}}`,
			status: run.Rejected, reason: "command: is also in overrides.containerOverrides[0].command; give it once",
		},
		{
			name: "a variable twice", payload: `{"job": "j", "environment": {"A": "1"}, "overrides": {"containerOverrides": [{"name": "app", "environment": [{"name": "A", "value": "2"}]}]}}`,
			status: run.Rejected, reason: "environment.A: is also in overrides.containerOverrides[0].environment; give it once",
		},
		{
			name: "no task definition anywhere", payload: `{"job": "j"}`, config: func(c *launch.Config) { c.TaskDefinition = "" },
			status: run.Rejected, reason: "taskDefinition: required, since the launcher's setting TASK_DEFINITION has no default; give taskDefinition or service",
		},
		{
			name: "no network anywhere", payload: `{"job": "j"}`, config: func(c *launch.Config) { c.Subnets = nil },
			status: run.Rejected, reason: "networkConfiguration: required, since task definition arn:aws:ecs:eu-west-1:123456789012:task-definition/sample:1 has network mode awsvpc and the launcher's setting SUBNETS is empty",
		},
		{
			name: "overrides over the limit", payload: `{"job": "j", "runId": "r", "environment": {"X": "` + strings.Repeat("x", 9000) + `"}}`,
			status: run.Rejected, reason: "command, environment and overrides: 1063 characters too long: as the JSON that ECS counts they have 9255 characters, and ECS allows 8192; pass large input through S3 or SSM",
		},
		{
			name: "startedBy over the limit", payload: `{"job": "` + strings.Repeat("j", 64) + `"}`,
			config: func(c *launch.Config) { c.StartedByPrefix = "errand/" + strings.Repeat("s", 60) + "/" },
			status: run.Rejected, reason: "job: " + strings.Repeat("j", 64) + " is too long: with the stack's prefix errand/" + strings.Repeat("s", 60) + "/, startedBy of the task has 132 characters, and ECS allows 128",
		},
		{
			name: "members that ECS requires", payload: `{"job": "j", "tags": [{"value": "x"}], "volumeConfigurations": [{}]}`,
			status: run.Rejected, reason: "tags[0].key: required; volumeConfigurations[0].name: required",
		},
		{
			name: "a service that does not exist", payload: `{"job": "j", "service": "web"}`,
			status: run.Rejected, reason: "service: cluster jobs has no service web",
		},
		{
			name: "a task definition that does not exist", payload: `{"job": "j", "taskDefinition": "nope"}`,
			status: run.LaunchFailed, reason: "ECS does not show task definition nope, check that it has an active revision in this account and Region: ClientException: Unable to describe task definition",
		},
		{
			name: "a cluster that does not exist", payload: `{"job": "j", "cluster": "nope"}`,
			status: run.LaunchFailed, reason: "ECS would not run sample:1 in cluster nope: ClusterNotFoundException: Cluster not found",
			cluster: "arn:aws:ecs:eu-west-1:123456789012:cluster/nope",
		},
		{
			name: "no permission", payload: `{"job": "j"}`,
			prepare: func(_ *testing.T, s *stack) {
				s.Inject(localaws.Fault{Operation: "RunTask", Code: "AccessDeniedException", Message: "not authorized to perform: iam:PassRole"})
			},
			status: run.LaunchFailed, reason: "ECS would not run sample:1 in cluster jobs: AccessDeniedException: not authorized to perform: iam:PassRole",
		},
		{
			name: "a role that the launcher may not pass", payload: `{"job": "j"}`,
			prepare: denied("iam:PassRole", "arn:aws:iam::123456789012:role/billing-task"), // as in LBHackney-IT/Data-Platform#1992
			status:  run.LaunchFailed,
			reason: "ECS would not run sample:1 in cluster jobs: AccessDeniedException: User: arn:aws:sts::123456789012:assumed-role/l/l is not authorized to perform: iam:PassRole on resource: arn:aws:iam::123456789012:role/billing-task because no identity-based policy allows the iam:PassRole action" +
				"; TaskRoleArns lacks arn:aws:iam::123456789012:role/billing-task",
		},
		{
			name: "a family that the launcher may not start", payload: `{"job": "j"}`,
			prepare: denied("ecs:RunTask", "arn:aws:ecs:eu-west-1:123456789012:task-definition/sample:1"), // as in LBHackney-IT/Data-Platform#1818
			status:  run.LaunchFailed,
			reason: "ECS would not run sample:1 in cluster jobs: AccessDeniedException: User: arn:aws:sts::123456789012:assumed-role/l/l is not authorized to perform: ecs:RunTask on resource: arn:aws:ecs:eu-west-1:123456789012:task-definition/sample:1 because no identity-based policy allows the ecs:RunTask action" +
				"; TaskFamilies lacks sample",
		},
		{
			name: "a cluster that the launcher may not start in", payload: `{"job": "j", "cluster": "theirs"}`,
			prepare: denied("ecs:RunTask", "arn:aws:ecs:eu-west-1:123456789012:task-definition/sample:1"),
			status:  run.LaunchFailed,
			reason: "ECS would not run sample:1 in cluster theirs: AccessDeniedException: User: arn:aws:sts::123456789012:assumed-role/l/l is not authorized to perform: ecs:RunTask on resource: arn:aws:ecs:eu-west-1:123456789012:task-definition/sample:1 because no identity-based policy allows the ecs:RunTask action" +
				"; Cluster is jobs, and the stack starts tasks in no other",
			cluster: "arn:aws:ecs:eu-west-1:123456789012:cluster/theirs",
		},
		{
			name: "another permission that the launcher lacks", payload: `{"job": "j"}`,
			prepare: denied("ecs:TagResource", "arn:aws:ecs:eu-west-1:123456789012:task/jobs/*"),
			status:  run.LaunchFailed,
			reason:  "ECS would not run sample:1 in cluster jobs: AccessDeniedException: User: arn:aws:sts::123456789012:assumed-role/l/l is not authorized to perform: ecs:TagResource on resource: arn:aws:ecs:eu-west-1:123456789012:task/jobs/* because no identity-based policy allows the ecs:TagResource action",
		},
		{
			name: "a cluster that the launcher may neither start in nor look at", payload: `{"job": "j", "cluster": "theirs"}`,
			prepare: func(_ *testing.T, s *stack) {
				s.Inject(localaws.Fault{Operation: "RunTask", Code: "AccessDeniedException", Message: "not authorized to perform: ecs:RunTask"})
				s.Inject(localaws.Fault{Operation: "ListTasks", Code: "AccessDeniedException", Message: "not authorized to perform: ecs:ListTasks"})
			},
			status: run.LaunchFailed, reason: "ECS would not run sample:1 in cluster theirs: AccessDeniedException: not authorized to perform: ecs:RunTask",
			cluster: "arn:aws:ecs:eu-west-1:123456789012:cluster/theirs",
		},
		{
			name: "a placement that cannot succeed, in a cluster that the launcher may not look at", payload: `{"job": "j"}`,
			prepare: func(_ *testing.T, s *stack) {
				s.FailPlacement("ATTRIBUTE", 1)
				s.Inject(localaws.Fault{Operation: "ListTasks", Code: "AccessDeniedException", Message: "no"})
			},
			status: run.Lost,
			reason: "it is not known whether the run was started: look for a task of run request-1 among those of startedBy errand/jobs/j in cluster jobs: AccessDeniedException: no; before that, ECS could not place the task: ATTRIBUTE",
		},
		{
			name: "a payload that is too long to be kept", payload: `{"job": "j", "runId": "r"` + strings.Repeat(" ", 64<<10) + `}`,
			status: run.Rejected, reason: "the payload has 65562 bytes, and errand takes 65536; pass large input through S3 or SSM",
		},
		{
			name: "a placement that cannot succeed", payload: `{"job": "j"}`,
			prepare: func(_ *testing.T, s *stack) { s.FailPlacement("ATTRIBUTE", 1) },
			status:  run.LaunchFailed, reason: "ECS could not place the task: ATTRIBUTE",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := start(t, func(c *launch.Config) {
				if tc.config != nil {
					tc.config(c)
				}
			})
			if tc.prepare != nil {
				tc.prepare(t, s)
			}
			answer, err := s.invoke(t, tc.payload)
			if err != nil {
				t.Fatal(err)
			}
			want := launch.Answer{Job: answer.Job, RunID: answer.RunID, Attempt: 1, Status: string(tc.status), Reason: tc.reason}
			if diff := cmp.Diff(want, answer); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
			published := s.published(t)
			if len(published) != 1 {
				t.Fatalf("%d messages published", len(published))
			}
			told := map[string]any{}
			for _, name := range []string{"job", "runId", "status", "reason", "outcome", "method", "cluster"} {
				told[name] = published[0][name]
			}
			cluster := clusterARN
			if tc.cluster != "" {
				cluster = tc.cluster
			}
			if diff := cmp.Diff(map[string]any{
				"job": answer.Job, "runId": answer.RunID, "status": answer.Status, "reason": answer.Reason,
				"outcome": "failure", "method": "run-task", "cluster": cluster,
			}, told); diff != "" || s.Published()[0].Attributes["status"].Value != answer.Status {
				t.Errorf("published (-want +got):\n%s", diff)
			}
			item := s.item(t, answer.Job, answer.RunID)
			if item["state"] != "ABANDONED" || item["reported"] != s.at(0) || item["open"] != nil || item["due"] != nil {
				t.Errorf("the item is %v", item)
			}
			// People were told, and nothing is told twice.
			again, err := s.invoke(t, tc.payload)
			want.Again = true
			if len(want.Reason) > 200 { // as much as the ledger keeps
				want.Reason = strings.ToValidUTF8(want.Reason[:197], "") + "…"
			}
			if diff := cmp.Diff(want, again); diff != "" || err != nil || len(s.Published()) != 1 {
				t.Errorf("delivered again: %v, %d messages (-want +got):\n%s", err, len(s.Published()), diff)
			}
			if answer.TaskARN != "" || len(s.started(t, answer.Job)) > 0 {
				t.Error("a task was started")
			}
		})
	}
}

// A refusal that nobody was told of must not look like an answer.
func TestUnpublishedRefusalIsAnError(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.Inject(localaws.Fault{Operation: "Publish", Code: "AuthorizationError", Message: "no", Status: 403})
	payload := `{"job": "j", "runId": "r-1", "comand": []}`
	answer, err := s.invoke(t, payload)
	if want := "comand: unknown field, did you mean command?; and not everybody could be told: publish the result to arn:aws:sns:eu-west-1:123456789012:results: AuthorizationError: no"; err == nil || err.Error() != want {
		t.Errorf("got %+v, %v", answer, err)
	}
	item := s.item(t, "j", "r-1")
	if diff := cmp.Diff(map[string]any{
		"pk": "run#j#r-1", "sk": "a#01", "v": 1.0, "state": "ABANDONED", "method": "run-task", "job": "j", "at": s.at(0), "payload": payload,
		"digest": item["digest"], "cluster": clusterARN, "try": 0.0, "claims": 1.0, "holder": "request-1", "launchUntil": s.at(65 * time.Second),
		"reporter": "request-1", "reportUntil": s.at(65 * time.Second), "open": "4", "due": s.at(70 * time.Second),
		"verdict": map[string]any{"status": "REJECTED", "reason": "comand: unknown field, did you mean command?", "ended": s.at(0)},
	}, item); diff != "" {
		t.Errorf("item (-want +got):\n%s", diff)
	}
	// The watchdog sees to it now.
	answer, err = s.invoke(t, payload)
	if diff := cmp.Diff(launch.Answer{
		Job: "j", RunID: "r-1", Attempt: 1, Status: "WAITING", Reason: "the run is given up, and its end is being told", NextTryAt: s.time().Add(70 * time.Second),
	}, answer); diff != "" || err != nil || len(s.Published()) != 0 {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

// Without a job's name nobody can say which run it would be: each delivery is told.
func TestUnnamedPayloads(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ payload, job, runID, reason string }{
		{`{}`, "", "request-1", "job: required, the job's name"},
		{`{"job": "a b", "runId": "r-1"}`, "a b", "r-1", `job: "a b" must be 1 to 64 letters, digits, - or _`},
		{`[]`, "", "request-1", `the payload must be a JSON object, as in {"job": "nightly-report"}`},
		{`{"errand": "start", "payload": {"comand": []}, "by": "ann"}`, "", "request-1", "comand: unknown field, did you mean command?; job: required, the job's name"},
	} {
		s := start(t)
		for n := range 2 {
			answer, err := s.invoke(t, tc.payload)
			want := launch.Answer{Job: tc.job, RunID: tc.runID, Attempt: 1, Status: "REJECTED", Reason: tc.reason}
			if diff := cmp.Diff(want, answer); diff != "" || err != nil || len(s.Published()) != n+1 {
				t.Errorf("%s: %v, %d messages (-want +got):\n%s", tc.payload, err, len(s.Published()), diff)
			}
		}
	}
}

// denied has IAM refuse RunTask as it words it.
func denied(action, resource string) func(*testing.T, *stack) {
	return func(_ *testing.T, s *stack) {
		s.Inject(localaws.Fault{
			Operation: "RunTask", Code: "AccessDeniedException",
			Message: "User: arn:aws:sts::123456789012:assumed-role/l/l is not authorized to perform: " + action + " on resource: " + resource + " because no identity-based policy allows the " + action + " action",
		})
	}
}

// The title of a refusal for want of a permission is what the stack lacks.
func TestSubjectOfALack(t *testing.T) {
	t.Parallel()
	s := start(t)
	denied("iam:PassRole", "arn:aws:iam::123456789012:role/billing-task")(t, s)
	if _, err := s.invoke(t, `{"job": "billing-daily"}`); err != nil {
		t.Fatal(err)
	}
	want := "LAUNCH_FAILED billing-daily: TaskRoleArns lacks arn:aws:iam::123456789012:role/billing-task"
	if got := s.published(t)[0]["subject"]; got != want {
		t.Errorf("got  %v\nwant %s", got, want)
	}
}
