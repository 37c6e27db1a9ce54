package launch_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/google/go-cmp/cmp"

	"errand/pkg/awsjson"
	"errand/pkg/job"
	"errand/pkg/launch"
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
	p, eventID, err := job.Decode(raw)
	if err != nil {
		return nil, err
	}
	return launch.Input(stackConfig, job.NewRun(p, eventID, "request"), launch.Deployed{}, definition(types.NetworkModeAwsvpc))
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
		payload  job.Payload
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
			name: "the payload's strategy", payload: job.Payload{CapacityProviderStrategy: spot},
			mode: types.NetworkModeAwsvpc, strategy: spot, subnets: "subnet-1",
		},
		{
			name:    "the payload's launch type, platform and network",
			payload: job.Payload{LaunchType: types.LaunchTypeEc2, PlatformVersion: "1.3.0", NetworkConfiguration: webNetwork},
			mode:    types.NetworkModeAwsvpc, launch: types.LaunchTypeEc2, platform: "1.3.0", subnets: "subnet-web",
		},
		{name: "the service's", source: web, mode: types.NetworkModeAwsvpc, launch: types.LaunchTypeFargate, platform: "1.4.0", subnets: "subnet-web"},
		{name: "the service's strategy", source: webSpot, mode: types.NetworkModeAwsvpc, strategy: spot, platform: "1.4.0", subnets: "subnet-web"},
		{
			name: "the service without capacity leaves it to the cluster", source: launch.Deployed{Service: "web", Network: webNetwork},
			mode: types.NetworkModeAwsvpc, subnets: "subnet-web",
		},
		{
			name: "the payload's before the service's", source: webSpot, payload: job.Payload{LaunchType: types.LaunchTypeEc2},
			mode: types.NetworkModeAwsvpc, launch: types.LaunchTypeEc2, subnets: "subnet-web",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			cfg := stackConfig
			if tc.config != nil {
				tc.config(&cfg)
			}
			tc.payload.Job = "j"
			in, err := launch.Input(cfg, job.NewRun(tc.payload, "", "r"), tc.source, definition(tc.mode))
			if err != nil {
				t.Fatal(err)
			}
			subnets := ""
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

// The limit holds to the character, and not a byte earlier for text that has
// more bytes than characters.
func TestOverridesLimit(t *testing.T) {
	t.Parallel()
	input := func(value string) (*ecs.RunTaskInput, error) {
		p := job.Payload{Job: "j", Environment: map[string]string{"X": value}}
		return launch.Input(stackConfig, job.NewRun(p, "", "r"), launch.Deployed{}, definition(types.NetworkModeAwsvpc))
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

// The payload's own lists are left as they were: Lambda hands the same event
// to a second attempt only through us.
func TestInputIsDeterministic(t *testing.T) {
	t.Parallel()
	p, _, err := job.Decode([]byte(`{"job": "j", "environment": {"C": "3", "A": "1", "B": "2"},
		"overrides": {"containerOverrides": [{"name": "app", "environment": [{"name": "Z", "value": "0"}]}]}}`))
	if err != nil {
		t.Fatal(err)
	}
	var first string
	for range 20 {
		in, err := launch.Input(stackConfig, job.NewRun(p, "", "r"), launch.Deployed{}, definition(types.NetworkModeAwsvpc))
		if err != nil {
			t.Fatal(err)
		}
		text, err := awsjson.Encode(in.Overrides)
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
