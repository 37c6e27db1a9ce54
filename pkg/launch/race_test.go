package launch_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/google/go-cmp/cmp"

	"errand/pkg/launch"
	"errand/pkg/ledger"
	"errand/pkg/localaws"
	"errand/pkg/payload"
	"errand/pkg/report"
	"errand/pkg/run"
)

// While one launcher asks ECS, another takes the run over: the first one neither
// tells nor puts off anything.
func TestTakenOver(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]func(*stack){
		"no room":   func(s *stack) { s.FailPlacement("AGENT", 1) },
		"a refusal": func(s *stack) { s.FailPlacement("ATTRIBUTE", 1) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			answer(s)
			raw := `{"job": "j", "runId": "r-1"}`
			s.wire.before("RunTask", func() {
				_, taken, err := s.ledger.Claim(t.Context(), ledger.Delivery{
					Run: run.Run{Job: "j", ID: "r-1", Attempt: 1, Method: run.MethodRunTask}, Digest: payload.Digest([]byte(raw)),
					Holder: "request-2", Until: s.time().Add(2 * time.Minute),
				})
				if err != nil || !taken {
					t.Errorf("taken %v, %v", taken, err)
				}
			})
			got, err := s.invoke(t, raw)
			if diff := cmp.Diff(launch.Answer{
				Job: "j", RunID: "r-1", Attempt: 1, Status: "WAITING", Reason: "another delivery of this run is being started now",
				NextTryAt: s.time().Add(185 * time.Second),
			}, got); diff != "" || err != nil {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
			if item := s.item(t, "j", "r-1"); item["state"] != "CLAIMED" || item["claims"] != 2.0 || item["try"] != 0.0 || item["reporter"] != nil || len(s.Published()) != 0 {
				t.Errorf("the item is %v, %d messages", item, len(s.Published()))
			}
		})
	}
}

// A second task that could not be stopped at once is not left to run.
func TestSecondTaskIsStoppedForSure(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name  string
		fault localaws.Fault
		err   string // with the task's id in place of TASK
	}{
		{"it can be later", localaws.Fault{Operation: "StopTask", Code: "ServerException", Message: "oops", Status: 500, Times: 3}, ""},
		{
			"it cannot be",
			localaws.Fault{Operation: "StopTask", Code: "AccessDeniedException", Message: "no"},
			"stop TASK, the second task of run r-1 of job j: AccessDeniedException: no",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			s.Inject(tc.fault)
			s.wire.before("RunTask", func() {
				if _, _, err := s.ledger.Launched(t.Context(), key("j", "r-1"), clusterARN, "arn:of:another", limits); err != nil {
					t.Error(err)
				}
			})
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			answer, err := s.launcher.Handle(invocation(ctx, "request-1"), json.RawMessage(`{"job": "j", "runId": "r-1", "command": ["sleep", "60"]}`))
			left := s.started(t, "j")
			if diff := cmp.Diff(launch.Answer{Job: "j", RunID: "r-1", Attempt: 1, Status: "STARTED", Again: true, TaskARN: "arn:of:another"}, answer); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
			switch {
			case tc.err == "" && (err != nil || len(left) != 0):
				t.Errorf("%v, %d tasks run", err, len(left))
			case tc.err != "" && (err == nil || len(left) != 1 || err.Error() != strings.Replace(tc.err, "TASK", last(left[0]), 1)):
				t.Errorf("%v, %d tasks run", err, len(left))
			}
			if diff := cmp.Diff([]string{report.SecondTasks}, s.metricsCounted(t)); diff != "" {
				t.Errorf("metrics (-want +got):\n%s", diff)
			}
		})
	}
}

// A task that ECS names for the token, and whose payload nobody can see.
func TestConflictWithATaskThatECSDoesNotShow(t *testing.T) {
	t.Parallel()
	const hidden = "arn:aws:ecs:eu-west-1:123456789012:task/jobs/0123456789abcdef0123456789abcdef"
	conflict := localaws.Fault{Operation: "RunTask", Code: "ConflictException", Message: "token used", Members: map[string]any{"resourceIds": []string{hidden}}}
	for _, tc := range []struct {
		name, reason string
		denied       bool
		refused      any
	}{
		{"not yet", "the run was started before, as task 0123456789abcdef0123456789abcdef, and ECS does not show that task, so that it is not known whether its payload was the same", false, nil},
		{"not to the launcher", "look at the tasks that may be the run's, in cluster jobs: AccessDeniedException: no", true, "LOST"},
	} {
		s := start(t)
		s.Inject(conflict)
		if tc.denied {
			s.Inject(localaws.Fault{Operation: "DescribeTasks", Code: "AccessDeniedException", Message: "no"})
		}
		answer, err := s.invoke(t, `{"job": "j", "runId": "r-1"}`)
		if diff := cmp.Diff(launch.Answer{
			Job: "j", RunID: "r-1", Attempt: 1, Status: "WAITING", Reason: tc.reason, NextTryAt: s.time().Add(125 * time.Second),
		}, answer); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", tc.name, err, diff)
		}
		if item := s.item(t, "j", "r-1"); item["state"] != "CLAIMED" || item["answer"] != tc.reason || item["refused"] != tc.refused || len(s.Published()) != 0 {
			t.Errorf("%s: the item is %v, %d messages", tc.name, item, len(s.Published()))
		}
	}
}

// Before another try, the launcher finds a task of the run that is another
// payload's, or nobody's who could be known.
func TestFindsATaskOfAnotherPayload(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, digest, how string
	}{
		{"another payload's", "command:AAAAAA,runId:9YbNwO", "whose payload differs in command"},
		{"one without a digest", "", "which carries no digest of its payload"},
	} {
		s := start(t)
		var environment []types.KeyValuePair
		for _, v := range (run.Run{Job: "j", ID: "r-1", Attempt: 1}).Variables(run.Carried{Digest: tc.digest}) {
			environment = append(environment, types.KeyValuePair{Name: aws.String(v.Name), Value: aws.String(v.Value)})
		}
		out, err := s.ecs.RunTask(t.Context(), &ecs.RunTaskInput{
			Cluster: aws.String("jobs"), TaskDefinition: aws.String("sample"), LaunchType: types.LaunchTypeFargate, StartedBy: aws.String("errand/jobs/j"),
			NetworkConfiguration: &types.NetworkConfiguration{AwsvpcConfiguration: &types.AwsVpcConfiguration{Subnets: []string{"subnet-1"}}},
			Overrides:            &types.TaskOverride{ContainerOverrides: []types.ContainerOverride{{Name: aws.String("app"), Environment: environment}}},
		})
		if err != nil || len(out.Tasks) != 1 {
			t.Fatalf("%+v, %v", out, err)
		}
		theirs := *out.Tasks[0].TaskArn
		s.FailPlacement("AGENT", 1)
		if answer, err := s.invoke(t, `{"job": "j", "runId": "r-1", "command": ["sleep", "1"]}`); err != nil || answer.Status != "WAITING" {
			t.Fatalf("%s: %+v, %v", tc.name, answer, err)
		}
		answer, err := s.invokeAs(t, "request-2", wake)
		want := launch.Answer{
			Job: "j", RunID: "r-1", Attempt: 1, Status: "REJECTED",
			Reason: "runId: run r-1 of job j was started before, as task " + last(theirs) + ", " + tc.how + "; this payload was not run: give each its own runId, scheduledTime or job",
		}
		if diff := cmp.Diff(want, answer); diff != "" || err != nil || len(s.Published()) != 1 || len(s.started(t, "j")) != 1 {
			t.Errorf("%s: %v, %d messages (-want +got):\n%s", tc.name, err, len(s.Published()), diff)
		}
		if item := s.item(t, "j", "r-1"); item["state"] != "LAUNCHED" || item["task"] != theirs || item["payload"] != nil {
			t.Errorf("%s: the item is %v", tc.name, item)
		}
	}
}
