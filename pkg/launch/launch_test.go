package launch_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/google/go-cmp/cmp"

	"errand/pkg/launch"
	"errand/pkg/localaws"
	"errand/pkg/notify"
	"errand/pkg/report"
	"errand/pkg/run"
)

// stack is a launcher with real SDK clients against an embedded endpoint that
// has a cluster "jobs" and the task definitions billing:1 (containers app and
// metrics) and sample:1 (container app).
type stack struct {
	*localaws.Server
	ecs      *ecs.Client
	launcher *launch.Launcher
	cfg      launch.Config
}

func start(t *testing.T, change ...func(*launch.Config)) *stack {
	t.Helper()
	server, err := localaws.Start(localaws.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	s := &stack{Server: server, cfg: launch.Config{
		Cluster: "arn:aws:ecs:eu-west-1:123456789012:cluster/jobs", TaskDefinition: "sample", Subnets: []string{"subnet-1"}, AssignPublicIP: "DISABLED",
		LaunchType: "FARGATE", StartedByPrefix: "errand/jobs/", Backoff: time.Millisecond,
	}}
	for _, f := range change {
		f(&s.cfg)
	}
	// The SDK's own retries shall not wait in tests.
	s.ecs = ecs.NewFromConfig(server.Config(), func(o *ecs.Options) {
		o.Retryer = retry.NewStandard(func(o *retry.StandardOptions) { o.Backoff = retry.BackoffDelayerFunc(noDelay) })
	})
	topics := sns.NewFromConfig(server.Config())
	topic, err := topics.CreateTopic(t.Context(), &sns.CreateTopicInput{Name: aws.String("results")})
	if err != nil {
		t.Fatal(err)
	}
	s.launcher = launch.New(s.ecs, report.New(notify.New(topics, *topic.TopicArn, ""), slog.New(slog.DiscardHandler)), s.cfg, slog.New(slog.DiscardHandler))
	if _, err := s.ecs.CreateCluster(t.Context(), &ecs.CreateClusterInput{ClusterName: aws.String("jobs")}); err != nil {
		t.Fatal(err)
	}
	s.register(t, "billing", "app", "metrics")
	s.register(t, "sample", "app")
	return s
}

func noDelay(int, error) (time.Duration, error) { return 0, nil }

func (s *stack) register(t *testing.T, family string, containers ...string) {
	t.Helper()
	in := &ecs.RegisterTaskDefinitionInput{Family: &family, NetworkMode: types.NetworkModeAwsvpc, Cpu: aws.String("256"), Memory: aws.String("512")}
	for _, name := range containers {
		in.ContainerDefinitions = append(in.ContainerDefinitions, types.ContainerDefinition{
			Name: aws.String(name), Image: aws.String("local"), Command: []string{"sleep", "60"}, StopTimeout: aws.Int32(2),
		})
	}
	if _, err := s.ecs.RegisterTaskDefinition(t.Context(), in); err != nil {
		t.Fatal(err)
	}
}

// invoke hands a payload to the launcher as Lambda does.
func (s *stack) invoke(t *testing.T, payload string) (launch.Answer, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	ctx = lambdacontext.NewContext(ctx, &lambdacontext.LambdaContext{AwsRequestID: "request-1"})
	return s.launcher.Handle(ctx, json.RawMessage(payload))
}

func (s *stack) task(t *testing.T, arn string) types.Task {
	t.Helper()
	out, err := s.ecs.DescribeTasks(t.Context(), &ecs.DescribeTasksInput{Cluster: aws.String("jobs"), Tasks: []string{arn}, Include: []types.TaskField{types.TaskFieldTags}})
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Tasks) != 1 {
		t.Fatalf("task %s: %v", arn, out.Failures)
	}
	return out.Tasks[0]
}

func (s *stack) started(t *testing.T, job string) []string {
	t.Helper()
	out, err := s.ecs.ListTasks(t.Context(), &ecs.ListTasksInput{Cluster: aws.String("jobs"), StartedBy: aws.String("errand/jobs/" + job)})
	if err != nil {
		t.Fatal(err)
	}
	return out.TaskArns
}

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
		if err != nil || answer.Status != launch.Started || answer.RunID != tc.runID {
			t.Errorf("%s: %+v, %v; want run %s", tc.file, answer, err, tc.runID)
		}
	}
	answer, err := s.invoke(t, `{"job": "by-hand"}`)
	if err != nil || answer.RunID != "request-1" {
		t.Errorf("a direct invocation: %+v, %v", answer, err)
	}
}

func TestTheSameRunTwiceIsOneTask(t *testing.T) {
	t.Parallel()
	s := start(t)
	payload := `{"job": "once", "command": ["sleep", "60"], "environment": {"A": "1", "B": "2", "C": "3"}, "runId": "r-1"}`
	first, err := s.invoke(t, payload)
	if err != nil {
		t.Fatal(err)
	}
	again, err := s.invoke(t, payload)
	if err != nil || again.TaskARN != first.TaskARN {
		t.Errorf("second delivery: %+v, %v; the first started %s", again, err, first.TaskARN)
	}
	// A deployment between two deliveries changes the parameters, and ECS
	// answers with a conflict that names the task.
	s.register(t, "sample", "app")
	adopted, err := s.invoke(t, payload)
	if err != nil || adopted.TaskARN != first.TaskARN || adopted.Status != launch.Started {
		t.Errorf("third delivery: %+v, %v; the first started %s", adopted, err, first.TaskARN)
	}
	if tasks := s.started(t, "once"); len(tasks) != 1 {
		t.Errorf("%d tasks run: %v", len(tasks), tasks)
	}
}

func TestTwoStacksNeverShareAToken(t *testing.T) {
	t.Parallel()
	s := start(t)
	other := launch.New(s.ecs, nil, func() launch.Config { c := s.cfg; c.StartedByPrefix = "errand/other/"; return c }(), slog.New(slog.DiscardHandler))
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

// What trying again cannot mend is answered and published.
func TestRefusals(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		payload string
		config  func(*launch.Config)
		prepare func(*testing.T, *stack)
		status  run.Status
		reason  []string
	}{
		{
			name: "a misspelt field", payload: `{"job": "j", "comand": ["x"]}`,
			status: run.Rejected, reason: []string{"comand: unknown field, did you mean command?"},
		},
		{
			name: "several containers", payload: `{"job": "j", "taskDefinition": "billing"}`,
			status: run.Rejected, reason: []string{"container: required", "app, metrics"},
		},
		{
			name: "a container that does not exist", payload: `{"job": "j", "taskDefinition": "billing", "container": "web"}`,
			status: run.Rejected, reason: []string{`has no container "web"; it has app, metrics`},
		},
		{
			name: "an override for a container that does not exist", payload: `{"job": "j", "overrides": {"containerOverrides": [{"name": "web", "cpu": 1}]}}`,
			status: run.Rejected, reason: []string{`overrides.containerOverrides[0].name`, `no container "web"`},
		},
		{
			name: "the command twice", payload: `{"job": "j", "command": ["a"], "overrides": {"containerOverrides": [{"name": "app", "command": ["b"]}]}}`,
			status: run.Rejected, reason: []string{"command: is also in overrides.containerOverrides[0].command"},
		},
		{
			name: "a variable twice", payload: `{"job": "j", "environment": {"A": "1"}, "overrides": {"containerOverrides": [{"name": "app", "environment": [{"name": "A", "value": "2"}]}]}}`,
			status: run.Rejected, reason: []string{"environment.A: is also in overrides.containerOverrides[0].environment"},
		},
		{
			name: "no task definition anywhere", payload: `{"job": "j"}`, config: func(c *launch.Config) { c.TaskDefinition = "" },
			status: run.Rejected, reason: []string{"taskDefinition: required", "TASK_DEFINITION"},
		},
		{
			name: "no network anywhere", payload: `{"job": "j"}`, config: func(c *launch.Config) { c.Subnets = nil },
			status: run.Rejected, reason: []string{"networkConfiguration: required", "SUBNETS"},
		},
		{
			name: "overrides over the limit", payload: `{"job": "j", "runId": "r", "environment": {"X": "` + strings.Repeat("x", 9000) + `"}}`,
			status: run.Rejected, reason: []string{"characters too long", "ECS allows 8192"},
		},
		{
			name: "startedBy over the limit", payload: `{"job": "` + strings.Repeat("j", 64) + `"}`,
			config: func(c *launch.Config) { c.StartedByPrefix = "errand/" + strings.Repeat("s", 60) + "/" },
			status: run.Rejected, reason: []string{"startedBy of the task has 132 characters, and ECS allows 128"},
		},
		{
			name: "members that ECS requires", payload: `{"job": "j", "tags": [{"value": "x"}], "volumeConfigurations": [{}]}`,
			status: run.Rejected, reason: []string{"tags[0].key: required", "volumeConfigurations[0].name: required"},
		},
		{
			name: "a service that does not exist", payload: `{"job": "j", "service": "web"}`,
			status: run.Rejected, reason: []string{"has no service web"},
		},
		{
			name: "a task definition that does not exist", payload: `{"job": "j", "taskDefinition": "nope"}`,
			status: run.LaunchFailed, reason: []string{"ECS does not show task definition nope, check", "ClientException"},
		},
		{
			name: "a cluster that does not exist", payload: `{"job": "j", "cluster": "nope"}`,
			status: run.LaunchFailed, reason: []string{"ECS would not run sample:1 in cluster nope: ClusterNotFoundException"},
		},
		{
			name: "no permission", payload: `{"job": "j"}`,
			prepare: func(_ *testing.T, s *stack) {
				s.Inject(localaws.Fault{Operation: "RunTask", Code: "AccessDeniedException", Message: "not authorized to perform: iam:PassRole"})
			},
			status: run.LaunchFailed, reason: []string{"AccessDeniedException: not authorized to perform: iam:PassRole"},
		},
		{
			name: "a placement that cannot succeed", payload: `{"job": "j"}`,
			prepare: func(_ *testing.T, s *stack) { s.FailPlacement("ATTRIBUTE", 1) },
			status:  run.LaunchFailed, reason: []string{"could not place the task: ATTRIBUTE"},
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
			messages := s.Published()
			if len(messages) != 1 {
				t.Fatalf("%d messages published", len(messages))
			}
			var published struct{ Job, RunID, Status, Reason, Method, Cluster string }
			if err := json.Unmarshal([]byte(messages[0].Body), &published); err != nil {
				t.Fatal(err)
			}
			if answer.Status != string(tc.status) || published.Status != answer.Status || messages[0].Attributes["status"].Value != answer.Status {
				t.Errorf("answered %s, published %s, want %s", answer.Status, published.Status, tc.status)
			}
			if published.Reason != answer.Reason || published.RunID != answer.RunID || published.Job != answer.Job {
				t.Errorf("answered %+v, published %+v", answer, published)
			}
			for _, want := range tc.reason {
				if !strings.Contains(answer.Reason, want) {
					t.Errorf("reason %q, want %q in it", answer.Reason, want)
				}
			}
			if want := "arn:aws:ecs:eu-west-1:123456789012:cluster/jobs"; published.Cluster != want && !strings.Contains(tc.payload, `"cluster"`) {
				t.Errorf("cluster %s, want %s as in the results of tasks", published.Cluster, want)
			}
			if answer.TaskARN != "" || len(s.started(t, "j")) > 0 {
				t.Error("a task was started")
			}
		})
	}
}

// What may pass is tried again in the invocation, under the same client token
// unless ECS has answered it.
func TestTriesAgain(t *testing.T) {
	t.Parallel()
	throttled := localaws.Fault{Operation: "RunTask", Code: "ThrottlingException", Message: "Rate exceeded", Times: 4}
	for _, tc := range []struct {
		name    string
		prepare func(*stack)
		calls   int // of RunTask
	}{
		{"throttling", func(s *stack) { s.Inject(throttled) }, 5},
		{"a broken server", func(s *stack) { s.Inject(localaws.Fault{Operation: "RunTask", Code: "ServerException", Status: 500}) }, 2},
		{"no room", func(s *stack) { s.FailPlacement("RESOURCE:MEMORY", 2) }, 3},
		{"no agent", func(s *stack) { s.FailPlacement("AGENT", 1) }, 2},
		{"no Fargate capacity", func(s *stack) {
			s.FailPlacement("Capacity is unavailable at this time. Please try again later or in a different availability zone", 1)
		}, 2},
		{"neither task nor failure", func(s *stack) { s.FailPlacement("", 1) }, 2},
		{"the quota of provisioning tasks", func(s *stack) {
			s.Inject(localaws.Fault{Operation: "RunTask", Code: "ClientException", Message: "You've reached the limit on the number of tasks you can run in PROVISIONING state"})
		}, 2},
		{"a token that only ever failed, and now comes with other parameters", func(s *stack) {
			s.Inject(localaws.Fault{Operation: "RunTask", Code: "ConflictException", Message: "token used"})
		}, 2},
		{"throttling while looking up", func(s *stack) {
			s.Inject(localaws.Fault{Operation: "DescribeTaskDefinition", Code: "ThrottlingException", Message: "Rate exceeded", Times: 4})
		}, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			tc.prepare(s)
			answer, err := s.invoke(t, `{"job": "again", "command": ["sleep", "60"]}`)
			if err != nil || answer.Status != launch.Started {
				t.Fatalf("%+v, %v", answer, err)
			}
			if got := s.Calls("RunTask"); got != tc.calls {
				t.Errorf("%d calls of RunTask, want %d", got, tc.calls)
			}
			if tasks := s.started(t, "again"); len(tasks) != 1 {
				t.Errorf("%d tasks run", len(tasks))
			}
		})
	}
}

// Lambda's next attempt on a warm function asks for what was not refused yet: ECS
// only replays the refusals of the attempt before.
func TestNextAttemptDoesNotRepeatRefusals(t *testing.T) {
	t.Parallel()
	s := start(t, func(c *launch.Config) { c.Backoff = time.Hour })
	s.FailPlacement("RESOURCE:CPU", 3)
	for range 3 {
		if answer, err := s.invoke(t, `{"job": "j", "runId": "r-1"}`); err == nil {
			t.Fatalf("got %+v", answer)
		}
	}
	if answer, err := s.invoke(t, `{"job": "j", "runId": "r-1"}`); err != nil || answer.Status != launch.Started {
		t.Errorf("got %+v, %v", answer, err)
	}
}

// ECS tried several places: one where there may be room later is enough.
func TestSeveralFailures(t *testing.T) {
	t.Parallel()
	fake := failures{{Reason: aws.String("ATTRIBUTE")}, {Reason: aws.String("RESOURCE:MEMORY"), Detail: aws.String("i-2")}, {Reason: aws.String("ATTRIBUTE")}}
	l := launch.New(fake, nil, launch.Config{Cluster: "jobs", TaskDefinition: "sample", LaunchType: "EC2"}, slog.New(slog.DiscardHandler))
	_, err := l.Handle(t.Context(), json.RawMessage(`{"job": "j"}`))
	if err == nil || err.Error() != "ECS could not place the task: ATTRIBUTE, RESOURCE:MEMORY (i-2)" {
		t.Errorf("got %v", err)
	}
}

// failures is an ECS that places nothing.
type failures []types.Failure

func (f failures) RunTask(context.Context, *ecs.RunTaskInput, ...func(*ecs.Options)) (*ecs.RunTaskOutput, error) {
	return &ecs.RunTaskOutput{Failures: f}, nil
}

func (failures) DescribeTaskDefinition(context.Context, *ecs.DescribeTaskDefinitionInput, ...func(*ecs.Options)) (*ecs.DescribeTaskDefinitionOutput, error) {
	d := definition(types.NetworkModeBridge)
	return &ecs.DescribeTaskDefinitionOutput{TaskDefinition: &d}, nil
}

func (failures) DescribeTasks(context.Context, *ecs.DescribeTasksInput, ...func(*ecs.Options)) (*ecs.DescribeTasksOutput, error) {
	return &ecs.DescribeTasksOutput{}, nil
}

func (failures) ListTasks(context.Context, *ecs.ListTasksInput, ...func(*ecs.Options)) (*ecs.ListTasksOutput, error) {
	return &ecs.ListTasksOutput{}, nil
}

func (failures) DescribeServices(context.Context, *ecs.DescribeServicesInput, ...func(*ecs.Options)) (*ecs.DescribeServicesOutput, error) {
	return &ecs.DescribeServicesOutput{}, nil
}

// What has not passed when the time is over is an error, so that Lambda tries
// again, and is not published yet.
func TestGivesUpWithAnError(t *testing.T) {
	t.Parallel()
	s := start(t, func(c *launch.Config) { c.Backoff = time.Hour })
	s.FailPlacement("RESOURCE:CPU", 1000)
	answer, err := s.invoke(t, `{"job": "j", "runId": "r-1"}`)
	if err == nil || !strings.Contains(err.Error(), "ECS could not place the task: RESOURCE:CPU") {
		t.Errorf("got %+v, %v", answer, err)
	}
	if n := len(s.Published()); n != 0 {
		t.Errorf("%d messages published", n)
	}
}

// A refusal that nobody was told of must not look like an answer.
func TestUnpublishedRefusalIsAnError(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.Inject(localaws.Fault{Operation: "Publish", Code: "AuthorizationError", Status: 403, Times: 9})
	if answer, err := s.invoke(t, `{"job": "j", "comand": []}`); err == nil || !strings.Contains(err.Error(), "publish the result") {
		t.Errorf("got %+v, %v", answer, err)
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
	invoke := func(n int) launch.Answer {
		answer, err := s.invoke(t, `{"job": "long", "runId": "r", "environment": {"X": "`+strings.Repeat("夜", n)+`"}}`)
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}
	var excess int
	tooLong := invoke(8192)
	if _, err := fmt.Sscanf(tooLong.Reason, "command, environment and overrides: %d characters too long", &excess); err != nil {
		t.Fatalf("%v: %s", err, tooLong.Reason)
	}
	if answer := invoke(8192 - excess); answer.Status != launch.Started {
		t.Errorf("as long as may be: %+v", answer)
	}
	if answer := invoke(8193 - excess); answer.Status != string(run.Rejected) {
		t.Errorf("one more: %+v", answer)
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
