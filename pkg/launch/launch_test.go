package launch_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
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
	"errand/pkg/ledger/ledgertest"
	"errand/pkg/payload"
	"errand/pkg/run"
)

func TestStartsTheTask(t *testing.T) {
	t.Parallel()
	s := start(t)
	answer, err := s.invoke(t, `{
		"job": "billing-daily", "taskDefinition": "billing", "container": "app", "command": ["sleep", "61"],
		"environment": {"B": "2", "A": "1"}, "scheduledTime": "2026-11-20T02:00:00Z", "logLines": 7,
		"overrides": {"containerOverrides": [{"name": "metrics", "environment": [{"name": "LEVEL", "value": "debug"}]}]},
		"tags": [{"key": "team", "value": "billing"}], "group": "nightly"}`)
	if err != nil {
		t.Fatal(err)
	}
	task := s.task(t, answer.TaskARN)
	want := launch.Answer{Job: "billing-daily", RunID: "billing-daily-20261120T020000Z", Attempt: 1, Status: "STARTED", TaskARN: answer.TaskARN}
	if diff := cmp.Diff(want, answer); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
	if got := aws.ToString(task.StartedBy); got != "errand/jobs/billing-daily" {
		t.Errorf("startedBy is %s", got)
	}
	if got := aws.ToString(task.TaskDefinitionArn); !strings.HasSuffix(got, "task-definition/billing:1") {
		t.Errorf("task definition is %s", got)
	}
	if task.LaunchType != types.LaunchTypeFargate || aws.ToString(task.Group) != "nightly" {
		t.Errorf("launch type %s, group %s", task.LaunchType, aws.ToString(task.Group))
	}
	var environment []string
	for _, o := range task.Overrides.ContainerOverrides {
		for _, v := range o.Environment {
			environment = append(environment, *o.Name+" "+*v.Name+"="+*v.Value)
		}
		if *o.Name == "app" {
			if diff := cmp.Diff([]string{"sleep", "61"}, o.Command); diff != "" {
				t.Errorf("command (-want +got):\n%s", diff)
			}
		}
	}
	if diff := cmp.Diff([]string{
		"app A=1", "app B=2", "app ERRAND_JOB=billing-daily",
		"app ERRAND_RUN_ID=billing-daily-20261120T020000Z", "app ERRAND_ATTEMPT=1",
		"app ERRAND_SCHEDULED_TIME=2026-11-20T02:00:00Z", "app ERRAND_LOG_LINES=7",
		"app ERRAND_DIGEST=command:rB_Y6g,container:Tl7xRM,environment:PtovBn,group:IslQV_,logLines:eQJpm-,overrides:fD8PC2,scheduledTime:6n2_gn,tags:_j36yn,taskDefinition:-vKAWp",
		"metrics LEVEL=debug",
	}, environment); diff != "" {
		t.Errorf("environment (-want +got):\n%s", diff)
	}
}

func TestWrappings(t *testing.T) {
	t.Parallel()
	s := start(t)
	for _, tc := range []struct{ file, runID string }{
		{"nightly-report.json", "nightly-report-20261120T020000Z"},
		{"errand-job-event.json", "0d9c7a46-52f7-4a55-8f0e-6a3f1b7c9e10"},
		{"import-upload.json", "import-7c1e2a34-9b0d-4f7e-8a55-1d2c3b4a5968"},
	} {
		raw, err := os.ReadFile(filepath.Join("../../events/launcher", tc.file))
		if err != nil {
			t.Fatal(err)
		}
		answer, err := s.invoke(t, string(raw))
		if err != nil || answer.Status != run.Started || answer.RunID != tc.runID {
			t.Errorf("%s: %+v, %v; want run %s", tc.file, answer, err, tc.runID)
		}
	}
	answer, err := s.invoke(t, `{"job": "by-hand"}`)
	if err != nil || answer.RunID != "request-1" {
		t.Errorf("a direct invocation: %+v, %v", answer, err)
	}
}

func TestTwoStacksNeverShareAToken(t *testing.T) {
	t.Parallel()
	s := start(t)
	cfg := s.cfg
	cfg.StartedByPrefix = "errand/other/"
	table, _ := ledgertest.New(t)
	other := launch.New(s.ecs, table, s.reporter, s.metrics, cfg, slog.New(slog.DiscardHandler))
	payload := `{"job": "same", "command": ["sleep", "60"], "runId": "r-1"}`
	one, err := s.invoke(t, payload)
	if err != nil {
		t.Fatal(err)
	}
	two, err := other.Handle(t.Context(), json.RawMessage(payload))
	if err != nil || two.TaskARN == one.TaskARN {
		t.Errorf("the other stack got %+v, %v", two, err)
	}
}

func TestService(t *testing.T) {
	t.Parallel()
	s := start(t)
	network := &types.NetworkConfiguration{AwsvpcConfiguration: &types.AwsVpcConfiguration{Subnets: []string{"subnet-web"}}}
	if _, err := s.ecs.CreateService(t.Context(), &ecs.CreateServiceInput{
		Cluster: aws.String("jobs"), ServiceName: aws.String("web"), TaskDefinition: aws.String("sample"), DesiredCount: aws.Int32(0),
		LaunchType: types.LaunchTypeFargate, PlatformVersion: aws.String("1.4.0"), NetworkConfiguration: network,
	}); err != nil {
		t.Fatal(err)
	}
	payload := `{"job": "warm", "service": "web", "command": ["sleep", "60"]}`
	first, err := s.invoke(t, payload)
	if err != nil {
		t.Fatal(err)
	}
	if got := *s.task(t, first.TaskARN).TaskDefinitionArn; !strings.HasSuffix(got, "sample:1") {
		t.Errorf("runs %s", got)
	}
	// A deployment moves the job too.
	s.register(t, "sample", "app")
	if _, err := s.ecs.UpdateService(t.Context(), &ecs.UpdateServiceInput{Cluster: aws.String("jobs"), Service: aws.String("web"), TaskDefinition: aws.String("sample:2")}); err != nil {
		t.Fatal(err)
	}
	second, err := s.invoke(t, `{"job": "warm", "service": "web", "command": ["sleep", "60"], "runId": "second"}`)
	if err != nil {
		t.Fatal(err)
	}
	if got := *s.task(t, second.TaskARN).TaskDefinitionArn; !strings.HasSuffix(got, "sample:2") {
		t.Errorf("after the deployment, runs %s", got)
	}
}

// A family without a revision means the newest one, at every run.
func TestFamilyMovesWithDeployments(t *testing.T) {
	t.Parallel()
	s := start(t)
	for _, revision := range []string{"sample:1", "sample:2"} {
		answer, err := s.invoke(t, `{"job": "j", "taskDefinition": "sample", "runId": "`+revision+`"}`)
		if err != nil {
			t.Fatal(err)
		}
		if got := *s.task(t, answer.TaskARN).TaskDefinitionArn; !strings.HasSuffix(got, revision) {
			t.Errorf("runs %s, want %s", got, revision)
		}
		s.register(t, "sample", "app")
	}
}

// What the launcher lets through, ECS takes: both count the same characters.
func TestLongestOverrides(t *testing.T) {
	t.Parallel()
	s := start(t)
	invoke := func(runID string, n int) launch.Answer {
		answer, err := s.invoke(t, `{"job": "long", "runId": "`+runID+`", "environment": {"X": "`+strings.Repeat("夜", n)+`"}}`)
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}
	var excess int
	tooLong := invoke("a", 8192)
	if _, err := fmt.Sscanf(tooLong.Reason, "command, environment and overrides: %d characters too long", &excess); err != nil {
		t.Fatalf("%v: %s", err, tooLong.Reason)
	}
	if answer := invoke("b", 8192-excess); answer.Status != run.Started {
		t.Errorf("as long as may be: %+v", answer)
	}
	if answer := invoke("c", 8193-excess); answer.Status != string(run.Rejected) {
		t.Errorf("one more: %+v", answer)
	}
}

// A plain run is two calls of ECS and two of the ledger. A revision is looked up
// once.
func TestCalls(t *testing.T) {
	t.Parallel()
	plain := []string{"DescribeTaskDefinition", "UpdateItem", "RunTask", "UpdateItem"}
	slices.Sort(plain)
	warm := []string{"RunTask", "UpdateItem", "UpdateItem"}
	s := start(t)
	for _, tc := range []struct {
		name, payload string
		want          []string
	}{
		{"a family", `{"job": "j", "runId": "r-1"}`, plain},
		{"a family again", `{"job": "j", "runId": "r-2"}`, plain},
		{"a revision", `{"job": "j", "runId": "r-3", "taskDefinition": "sample:1"}`, plain},
		{"a revision again", `{"job": "j", "runId": "r-4", "taskDefinition": "sample:1"}`, warm},
		{"an ARN", `{"job": "j", "runId": "r-5", "taskDefinition": "arn:aws:ecs:eu-west-1:123456789012:task-definition/sample:1"}`, plain},
		{"an ARN again", `{"job": "j", "runId": "r-6", "taskDefinition": "arn:aws:ecs:eu-west-1:123456789012:task-definition/sample:1"}`, warm},
		{"a run again", `{"job": "j", "runId": "r-6", "taskDefinition": "arn:aws:ecs:eu-west-1:123456789012:task-definition/sample:1"}`, []string{"UpdateItem"}},
	} {
		answer, err := s.invoke(t, tc.payload)
		if err != nil || answer.Status != run.Started {
			t.Errorf("%s: %+v, %v", tc.name, answer, err)
		}
		calls := s.wire.take()
		if len(calls) > 1 && calls[0] != "UpdateItem" {
			t.Errorf("%s: the first call is %s", tc.name, calls[0])
		}
		slices.Sort(calls)
		if diff := cmp.Diff(tc.want, calls); diff != "" {
			t.Errorf("%s: calls (-want +got):\n%s", tc.name, diff)
		}
	}
}

// What the ledger has of a run that was started, with its limits.
func TestItem(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, fields string
		want         map[string]any // beside what every item has
	}{
		{"no limits", ``, map[string]any{"startTimeout": 1800.0, "startBy": 1800.0, "due": 300.0}},
		{"limits", `, "timeout": "2h", "startTimeout": "10m"`, map[string]any{
			"startTimeout": 600.0, "startBy": 600.0, "timeout": 7200.0, "due": 300.0,
		}},
		{"a short timeout", `, "timeout": "1m"`, map[string]any{
			"startTimeout": 1800.0, "startBy": 1800.0, "timeout": 60.0, "due": 60.0,
		}},
		{"a short time to start", `, "timeout": "90m", "startTimeout": "2m"`, map[string]any{
			"startTimeout": 120.0, "startBy": 120.0, "timeout": 5400.0, "due": 120.0,
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			given := `{"job": "j", "runId": "r-1"` + tc.fields + `}`
			answer, err := s.invoke(t, given)
			if err != nil {
				t.Fatal(err)
			}
			want := map[string]any{
				"pk": "run#j#r-1", "sk": "a#01", "v": 1.0, "state": "LAUNCHED", "method": "run-task", "job": "j", "at": s.at(0), "payload": given,
				"cluster": clusterARN, "task": answer.TaskARN, "try": 0.0, "claims": 1.0, "holder": "request-1", "open": "4",
				"digest": payload.Digest([]byte(given)),
			}
			for name, value := range tc.want {
				if name == "startBy" || name == "due" {
					value = s.at(time.Duration(value.(float64)) * time.Second)
				}
				want[name] = value
			}
			if diff := cmp.Diff(want, s.item(t, "j", "r-1")); diff != "" {
				t.Errorf("item (-want +got):\n%s", diff)
			}
		})
	}
}

func BenchmarkDecodeToInput(b *testing.B) {
	raw, err := os.ReadFile("../../events/launcher/nightly-report.json")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := decodeToInput(raw); err != nil {
			b.Fatal(err)
		}
	}
}
