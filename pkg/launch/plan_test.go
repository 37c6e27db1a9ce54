package launch_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/google/go-cmp/cmp"

	"errand/pkg/awsjson"
	"errand/pkg/launch"
	"errand/pkg/ledger/ledgertest"
	"errand/pkg/metric"
	"errand/pkg/payload"
	"errand/pkg/report"
	"errand/pkg/result"
	"errand/pkg/run"
)

var stackConfig = launch.Config{
	Cluster: "jobs", Subnets: []string{"subnet-1"}, SecurityGroups: []string{"sg-1"}, AssignPublicIP: "DISABLED",
	LaunchType: "FARGATE", StartedByPrefix: "errand/jobs/",
}

func definition(mode types.NetworkMode) types.TaskDefinition {
	return types.TaskDefinition{
		TaskDefinitionArn:    aws.String("arn:aws:ecs:eu-west-1:123456789012:task-definition/sample:1"),
		NetworkMode:          mode,
		ContainerDefinitions: []types.ContainerDefinition{{Name: aws.String("app")}},
	}
}

func decodeToInput(raw []byte) (*ecs.RunTaskInput, error) {
	p, eventID, err := payload.Decode(raw)
	if err != nil {
		return nil, err
	}
	plan, err := launch.NewPlan(stackConfig, request(p, eventID), "jobs", launch.Deployed{}, definition(types.NetworkModeAwsvpc))
	return plan.Input, err
}

func request(job payload.Job, eventID string) launch.Request {
	return launch.Request{Run: job.Run(eventID, "r"), Job: job}
}

// Where launch type, strategy, platform version and network come from.
func TestInput(t *testing.T) {
	t.Parallel()
	spot := []types.CapacityProviderStrategyItem{{CapacityProvider: aws.String("FARGATE_SPOT"), Weight: 1}}
	webNetwork := &types.NetworkConfiguration{AwsvpcConfiguration: &types.AwsVpcConfiguration{Subnets: []string{"subnet-web"}}}
	web := launch.Deployed{Service: "web", LaunchType: types.LaunchTypeFargate, PlatformVersion: aws.String("1.4.0"), Network: webNetwork}
	webSpot := launch.Deployed{Service: "web", LaunchType: types.LaunchTypeFargate, CapacityProviderStrategy: spot, PlatformVersion: aws.String("1.4.0"), Network: webNetwork}
	for _, tc := range []struct {
		name     string
		payload  payload.Job
		config   func(*launch.Config)
		source   launch.Deployed
		mode     types.NetworkMode
		launch   types.LaunchType
		strategy []types.CapacityProviderStrategyItem
		platform string
		subnets  string
	}{
		{name: "the stack's defaults", mode: types.NetworkModeAwsvpc, launch: types.LaunchTypeFargate, subnets: "subnet-1"},
		{name: "the cluster's own strategy", config: func(c *launch.Config) { c.LaunchType = "CLUSTER" }, mode: types.NetworkModeAwsvpc, subnets: "subnet-1"},
		{name: "bridge takes no network", config: func(c *launch.Config) { c.LaunchType = "EC2" }, mode: types.NetworkModeBridge, launch: types.LaunchTypeEc2},
		{name: "no mode at all is bridge", config: func(c *launch.Config) { c.LaunchType = "EC2" }, launch: types.LaunchTypeEc2},
		{
			name: "the payload's strategy", payload: payload.Job{CapacityProviderStrategy: spot},
			mode: types.NetworkModeAwsvpc, strategy: spot, subnets: "subnet-1",
		},
		{
			name:    "the payload's launch type, platform and network",
			payload: payload.Job{LaunchType: "EC2", PlatformVersion: "1.3.0", NetworkConfiguration: webNetwork},
			mode:    types.NetworkModeAwsvpc, launch: types.LaunchTypeEc2, platform: "1.3.0", subnets: "subnet-web",
		},
		{name: "the service's", source: web, mode: types.NetworkModeAwsvpc, launch: types.LaunchTypeFargate, platform: "1.4.0", subnets: "subnet-web"},
		{name: "the service's strategy", source: webSpot, mode: types.NetworkModeAwsvpc, strategy: spot, platform: "1.4.0", subnets: "subnet-web"},
		{
			name: "the service without capacity leaves it to the cluster", source: launch.Deployed{Service: "web", Network: webNetwork},
			mode: types.NetworkModeAwsvpc, subnets: "subnet-web",
		},
		{
			name: "the payload leaves it to the cluster", source: webSpot, payload: payload.Job{LaunchType: payload.ClusterDefault},
			mode: types.NetworkModeAwsvpc, subnets: "subnet-web",
		},
		{
			name: "the payload's before the service's", source: webSpot, payload: payload.Job{LaunchType: "EC2"},
			mode: types.NetworkModeAwsvpc, launch: types.LaunchTypeEc2, subnets: "subnet-web",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			cfg := stackConfig
			if tc.config != nil {
				tc.config(&cfg)
			}
			tc.payload.Name = "j"
			plan, err := launch.NewPlan(cfg, request(tc.payload, ""), "jobs", tc.source, definition(tc.mode))
			if err != nil {
				t.Fatal(err)
			}
			in, subnets := plan.Input, ""
			if in.NetworkConfiguration != nil {
				subnets = strings.Join(in.NetworkConfiguration.AwsvpcConfiguration.Subnets, ",")
			}
			if in.LaunchType != tc.launch || aws.ToString(in.PlatformVersion) != tc.platform || subnets != tc.subnets || len(in.CapacityProviderStrategy) != len(tc.strategy) {
				t.Errorf("launch type %q, strategy %v, platform %q, subnets %q", in.LaunchType, in.CapacityProviderStrategy, aws.ToString(in.PlatformVersion), subnets)
			}
			if aws.ToString(in.TaskDefinition) != "arn:aws:ecs:eu-west-1:123456789012:task-definition/sample:1" {
				t.Errorf("the revision is not pinned: %s", aws.ToString(in.TaskDefinition))
			}
		})
	}
}

// Every field that is passed through reaches RunTask.
func TestEveryFieldReachesRunTask(t *testing.T) {
	t.Parallel()
	p, _, err := payload.Decode([]byte(`{
		"job": "billing", "runId": "r-1", "command": ["./bill"], "environment": {"A": "1"},
		"overrides": {"cpu": "512", "memory": "1024", "taskRoleArn": "arn:aws:iam::123456789012:role/task", "ephemeralStorage": {"sizeInGiB": 30},
			"containerOverrides": [{"name": "app", "cpu": 256, "memory": 512, "memoryReservation": 256,
				"environmentFiles": [{"type": "s3", "value": "arn:aws:s3:::bucket/file.env"}], "resourceRequirements": [{"type": "GPU", "value": "1"}]}]},
		"capacityProviderStrategy": [{"capacityProvider": "FARGATE_SPOT", "weight": 1, "base": 2}], "platformVersion": "1.4.0",
		"networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-2"], "securityGroups": ["sg-2"], "assignPublicIp": "ENABLED"}},
		"placementConstraints": [{"type": "memberOf", "expression": "attribute:a"}], "placementStrategy": [{"type": "spread", "field": "host"}],
		"group": "nightly", "tags": [{"key": "team", "value": ""}], "propagateTags": "TASK_DEFINITION", "enableExecuteCommand": true,
		"enableECSManagedTags": true, "referenceId": "ticket-4711",
		"volumeConfigurations": [{"name": "data", "managedEBSVolume": {"roleArn": "arn:aws:iam::123456789012:role/ebs", "sizeInGiB": 10}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	config := stackConfig
	config.TaskRoleARNs = []string{"arn:aws:iam::123456789012:role/other", "arn:aws:iam::123456789012:role/task"}
	plan, err := launch.NewPlan(config, request(p, ""), "", launch.Deployed{}, definition(types.NetworkModeAwsvpc))
	if err != nil {
		t.Fatal(err)
	}
	got, err := awsjson.Encode(plan.Input)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"capacityProviderStrategy":[{"base":2,"capacityProvider":"FARGATE_SPOT","weight":1}],"enableECSManagedTags":true,"enableExecuteCommand":true,"group":"nightly",` +
		`"networkConfiguration":{"awsvpcConfiguration":{"assignPublicIp":"ENABLED","securityGroups":["sg-2"],"subnets":["subnet-2"]}},` +
		`"overrides":{"containerOverrides":[{"command":["./bill"],"cpu":256,"environment":[{"name":"A","value":"1"},{"name":"ERRAND_JOB","value":"billing"},` +
		`{"name":"ERRAND_RUN_ID","value":"r-1"},{"name":"ERRAND_ATTEMPT","value":"1"}],"environmentFiles":[{"type":"s3","value":"arn:aws:s3:::bucket/file.env"}],` +
		`"memory":512,"memoryReservation":256,"name":"app","resourceRequirements":[{"type":"GPU","value":"1"}]}],"cpu":"512","ephemeralStorage":{"sizeInGiB":30},` +
		`"memory":"1024","taskRoleArn":"arn:aws:iam::123456789012:role/task"},` +
		`"placementConstraints":[{"expression":"attribute:a","type":"memberOf"}],"placementStrategy":[{"field":"host","type":"spread"}],"platformVersion":"1.4.0",` +
		`"propagateTags":"TASK_DEFINITION","referenceId":"ticket-4711","startedBy":"errand/jobs/billing","tags":[{"key":"team","value":""}],` +
		`"taskDefinition":"arn:aws:ecs:eu-west-1:123456789012:task-definition/sample:1",` +
		`"volumeConfigurations":[{"managedEBSVolume":{"roleArn":"arn:aws:iam::123456789012:role/ebs","sizeInGiB":10},"name":"data"}]}`
	if diff := cmp.Diff(want, strings.Replace(string(got), `"cluster":"",`, "", 1)); diff != "" {
		t.Errorf("request (-want +got):\n%s", diff)
	}
	// The stack's own network, whole.
	plan, err = launch.NewPlan(stackConfig, request(payload.Job{Name: "j"}, ""), "", launch.Deployed{}, definition(types.NetworkModeAwsvpc))
	if err != nil {
		t.Fatal(err)
	}
	text, err := awsjson.Encode(plan.Input.NetworkConfiguration)
	if want := `{"awsvpcConfiguration":{"assignPublicIp":"DISABLED","securityGroups":["sg-1"],"subnets":["subnet-1"]}}`; err != nil || string(text) != want {
		t.Errorf("network %s, %v; want %s", text, err, want)
	}
}

// Services that CodeDeploy or another controller deploys keep what they run in
// their primary task set.
func TestServicesOfEveryKind(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		service types.Service
		want    string // task definition, or a part of the refusal
		refused bool
	}{
		{"rolling", types.Service{TaskDefinition: aws.String("web:7"), Status: aws.String("ACTIVE")}, "web:7", false},
		{"with task sets", types.Service{Status: aws.String("ACTIVE"), TaskDefinition: aws.String("web:7"), TaskSets: []types.TaskSet{
			{Status: aws.String("ACTIVE"), TaskDefinition: aws.String("web:7")}, {Status: aws.String("PRIMARY"), TaskDefinition: aws.String("web:8")},
		}}, "web:8", false},
		{"deleted", types.Service{TaskDefinition: aws.String("web:7"), Status: aws.String("INACTIVE")}, "service: web in cluster jobs is INACTIVE; it must be ACTIVE", true},
		{"never deployed", types.Service{Status: aws.String("ACTIVE")}, "service: web in cluster jobs has no task definition deployed", true},
		{"nothing said", types.Service{}, "service: web in cluster jobs has no task definition deployed", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			fake := &oneService{service: tc.service}
			var told result.Result
			table, _ := ledgertest.New(t)
			metrics := metric.New(io.Discard, stackConfig.StartedByPrefix, time.Now)
			reporter := report.New(table, publisher(func(r result.Result) { told = r }), metrics, slog.New(slog.DiscardHandler))
			l := launch.New(fake, table, reporter, metrics, stackConfig, slog.New(slog.DiscardHandler))
			answer, err := l.Handle(t.Context(), json.RawMessage(`{"job": "j", "service": "web"}`))
			if err != nil {
				t.Fatal(err)
			}
			if got := fake.described; !tc.refused && got != tc.want {
				t.Errorf("looked %s up, want %s", got, tc.want)
			}
			if refused := answer.Status == string(run.Rejected); refused != tc.refused || refused && told.Reason != tc.want {
				t.Errorf("got %+v", answer)
			}
		})
	}
}

// oneService is an ECS with one service, whose definition runs.
type oneService struct {
	service   types.Service
	described string
}

func (o *oneService) DescribeServices(context.Context, *ecs.DescribeServicesInput, ...func(*ecs.Options)) (*ecs.DescribeServicesOutput, error) {
	return &ecs.DescribeServicesOutput{Services: []types.Service{o.service}}, nil
}

func (o *oneService) DescribeTaskDefinition(_ context.Context, in *ecs.DescribeTaskDefinitionInput, _ ...func(*ecs.Options)) (*ecs.DescribeTaskDefinitionOutput, error) {
	o.described = *in.TaskDefinition
	d := definition(types.NetworkModeBridge)
	return &ecs.DescribeTaskDefinitionOutput{TaskDefinition: &d}, nil
}

func (o *oneService) DescribeTasks(context.Context, *ecs.DescribeTasksInput, ...func(*ecs.Options)) (*ecs.DescribeTasksOutput, error) {
	return &ecs.DescribeTasksOutput{}, nil
}

func (o *oneService) ListTasks(context.Context, *ecs.ListTasksInput, ...func(*ecs.Options)) (*ecs.ListTasksOutput, error) {
	return &ecs.ListTasksOutput{}, nil
}

func (o *oneService) RunTask(context.Context, *ecs.RunTaskInput, ...func(*ecs.Options)) (*ecs.RunTaskOutput, error) {
	return &ecs.RunTaskOutput{Tasks: []types.Task{{TaskArn: aws.String("arn:aws:ecs:eu-west-1:123456789012:task/jobs/0123")}}}, nil
}

func (o *oneService) StopTask(context.Context, *ecs.StopTaskInput, ...func(*ecs.Options)) (*ecs.StopTaskOutput, error) {
	return &ecs.StopTaskOutput{}, nil
}

type publisher func(result.Result)

func (publisher) Topics() []string { return []string{"results"} }

func (p publisher) Publish(_ context.Context, _ string, r result.Result, _ func()) error {
	p(r)
	return nil
}

// The limit holds to the character, and not a byte earlier for text that has
// more bytes than characters.
func TestOverridesLimit(t *testing.T) {
	t.Parallel()
	input := func(value string) (*ecs.RunTaskInput, error) {
		p := payload.Job{Name: "j", Environment: map[string]string{"X": value}}
		plan, err := launch.NewPlan(stackConfig, request(p, ""), "", launch.Deployed{}, definition(types.NetworkModeAwsvpc))
		return plan.Input, err
	}
	empty, err := input("")
	if err != nil {
		t.Fatal(err)
	}
	text, err := awsjson.Encode(empty.Overrides)
	if err != nil {
		t.Fatal(err)
	}
	room := 8192 - len(text)
	for _, letter := range []string{"x", "夜"} {
		if _, err := input(strings.Repeat(letter, room)); err != nil {
			t.Errorf("8192 characters of %s are refused: %v", letter, err)
		}
		if _, err := input(strings.Repeat(letter, room+3)); err == nil || !strings.Contains(err.Error(), ": 3 characters too long") {
			t.Errorf("8195 characters of %s: %v", letter, err)
		}
	}
}

// ECS compares the parameters of requests with the same token.
func TestInputIsDeterministic(t *testing.T) {
	t.Parallel()
	p, _, err := payload.Decode([]byte(`{"job": "j", "environment": {"C": "3", "A": "1", "B": "2"},
		"overrides": {"containerOverrides": [{"name": "app", "environment": [{"name": "Z", "value": "0"}]}]}}`))
	if err != nil {
		t.Fatal(err)
	}
	var first string
	for range 20 {
		plan, err := launch.NewPlan(stackConfig, request(p, ""), "", launch.Deployed{}, definition(types.NetworkModeAwsvpc))
		if err != nil {
			t.Fatal(err)
		}
		text, err := awsjson.Encode(plan.Input.Overrides)
		if err != nil {
			t.Fatal(err)
		}
		if first == "" {
			first = string(text)
		}
		if diff := cmp.Diff(first, string(text)); diff != "" {
			t.Fatalf("the same payload gives another request:\n%s", diff)
		}
	}
}
