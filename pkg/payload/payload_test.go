package payload_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"errand/pkg/payload"
)

// everything is a payload with every field that works.
const everything = `{
		"job": "billing-daily", "command": ["./bill", "--day", "2026-11-19"], "container": "app",
		"environment": {"TZ": "UTC"}, "taskDefinition": "billing:42", "cluster": "jobs",
		"overrides": {"cpu": "512", "ephemeralStorage": {"sizeInGiB": 30}, "containerOverrides": [
			{"name": "app", "memory": 900, "environment": [{"name": "A", "value": ""}]}]},
		"capacityProviderStrategy": [{"capacityProvider": "FARGATE_SPOT", "weight": 1, "base": 2}],
		"platformVersion": "1.4.0",
		"networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-1"], "assignPublicIp": "ENABLED"}},
		"placementConstraints": [{"type": "distinctInstance"}], "placementStrategy": [{"type": "spread", "field": "host"}],
		"group": "nightly", "tags": [{"key": "team", "value": "billing"}], "propagateTags": "TASK_DEFINITION",
		"enableExecuteCommand": true,
		"volumeConfigurations": [{"name": "data", "managedEBSVolume": {"roleArn": "arn:aws:iam::123456789012:role/ebs", "sizeInGiB": 10}}],
		"scheduledTime": "2026-11-20T03:00:00+01:00", "runId": "r-1", "logLines": 0, "method": "run-task",
		"schedule": "arn:aws:scheduler:eu-west-1:123456789012:schedule/errand/billing-daily", "timeout": "2h", "startTimeout": "10m", "startWithin": "1h"}`

// sdkTypes are the SDK's, which have unexported members.
var sdkTypes = []any{
	types.TaskOverride{},
	types.EphemeralStorage{},
	types.ContainerOverride{},
	types.KeyValuePair{},
	types.CapacityProviderStrategyItem{},
	types.NetworkConfiguration{},
	types.AwsVpcConfiguration{},
	types.PlacementConstraint{},
	types.PlacementStrategy{},
	types.Tag{},
	types.TaskVolumeConfiguration{},
	types.TaskManagedEBSVolumeConfiguration{},
}

func TestDecode(t *testing.T) {
	t.Parallel()
	want := payload.Job{
		Name: "billing-daily", Command: []string{"./bill", "--day", "2026-11-19"}, Container: "app",
		Environment: map[string]string{"TZ": "UTC"}, TaskDefinition: "billing:42", Cluster: "jobs",
		Overrides: &types.TaskOverride{
			Cpu: aws.String("512"), EphemeralStorage: &types.EphemeralStorage{SizeInGiB: 30},
			ContainerOverrides: []types.ContainerOverride{{
				Name: aws.String("app"), Memory: aws.Int32(900),
				Environment: []types.KeyValuePair{{Name: aws.String("A"), Value: aws.String("")}},
			}},
		},
		CapacityProviderStrategy: []types.CapacityProviderStrategyItem{{CapacityProvider: aws.String("FARGATE_SPOT"), Weight: 1, Base: 2}},
		PlatformVersion:          "1.4.0",
		NetworkConfiguration: &types.NetworkConfiguration{AwsvpcConfiguration: &types.AwsVpcConfiguration{
			Subnets: []string{"subnet-1"}, AssignPublicIp: types.AssignPublicIpEnabled,
		}},
		PlacementConstraints: []types.PlacementConstraint{{Type: types.PlacementConstraintTypeDistinctInstance}},
		PlacementStrategy:    []types.PlacementStrategy{{Type: types.PlacementStrategyTypeSpread, Field: aws.String("host")}},
		Group:                "nightly", Tags: []types.Tag{{Key: aws.String("team"), Value: aws.String("billing")}},
		PropagateTags: types.PropagateTagsTaskDefinition, EnableExecuteCommand: true,
		VolumeConfigurations: []types.TaskVolumeConfiguration{{Name: aws.String("data"), ManagedEBSVolume: &types.TaskManagedEBSVolumeConfiguration{
			RoleArn: aws.String("arn:aws:iam::123456789012:role/ebs"), SizeInGiB: aws.Int32(10),
		}}},
		ScheduledTime: time.Date(2026, 11, 20, 2, 0, 0, 0, time.UTC), RunID: "r-1", LogLines: aws.Int(0), Method: "run-task",
		Schedule: "arn:aws:scheduler:eu-west-1:123456789012:schedule/errand/billing-daily", Timeout: "2h", StartTimeout: "10m", StartWithin: "1h",
	}
	event := `{"version": "0", "id": "e-1", "detail-type": "Errand Job", "source": "com.example.shop", "detail": ` + everything + `}`
	for name, raw := range map[string]string{"bare": everything, "as the detail of an event": event} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, eventID, err := payload.Decode([]byte(raw))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(sdkTypes...)); diff != "" {
				t.Errorf("payload (-want +got):\n%s", diff)
			}
			if wantID := map[bool]string{true: "e-1"}[raw == event]; eventID != wantID {
				t.Errorf("event id %q, want %q", eventID, wantID)
			}
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, payload, want string
	}{
		{"several mistakes in one message", `{"comand": ["x"], "logLines": "20", "launchType": "SPOT", "job": "a b"}`, `comand: unknown field, did you mean command?; logLines: must be an integer from 0 to 1000, as in 50; launchType: FARGATE_SPOT is a capacity provider, not a launch type; in place of launchType give {"capacityProviderStrategy": [{"capacityProvider": "FARGATE_SPOT", "weight": 1}]}; job: "a b" must be 1 to 64 letters, digits, - or _`},
		{"no job", `{}`, "job: required, the job's name"},
		{"a job name of 65 characters", `{"job": "` + strings.Repeat("j", 65) + `"}`, "job: must be 1 to 64 letters, digits, - or _"},
		{"an unknown field far from any", `{"job": "j", "zzzzzzzz": 1}`, "zzzzzzzz: unknown field"},
		{"a field in the wrong case", `{"job": "j", "taskdefinition": "x"}`, "taskdefinition: unknown field, did you mean taskDefinition?"},
		{"an unknown field deep inside", `{"job": "j", "overrides": {"containerOverrides": [{"name": "a", "comand": []}]}}`, "overrides.containerOverrides[0].comand: unknown field, did you mean command?"},
		{"command as one string", `{"job": "j", "command": "./bill --day"}`, `command: must be an array of strings, as in ["./bill", "--day", "yesterday"]`},
		{"a number in the command", `{"job": "j", "command": ["sleep", 5]}`, `command[1]: must be a string, as in "--day"`},
		{"an empty command", `{"job": "j", "command": []}`, "command: is empty; leave it out to run the container's own command"},
		{"null", `{"job": "j", "command": null}`, "command: is null; leave the field out instead"},
		{"a field given twice", `{"job": "j", "job": "k"}`, "job: given twice"},
		{"a number in the environment", `{"job": "j", "environment": {"N": 1}}`, `environment.N: must be a string, also for a number, as in "8080"`},
		{"one of errand's variables", `{"job": "j", "environment": {"ERRAND_RUN_ID": "x"}}`, "environment: ERRAND_RUN_ID is reserved; variables beginning with ERRAND_ are errand's own"},
		{"one of errand's variables in the overrides", `{"job": "j", "overrides": {"containerOverrides": [{"name": "side", "environment": [{"name": "ERRAND_X", "value": "1"}]}]}}`, "overrides.containerOverrides[0].environment[0]: ERRAND_X is reserved; variables beginning with ERRAND_ are errand's own"},
		{"a variable without a name", `{"job": "j", "environment": {"": "x"}}`, "environment: a variable without a name"},
		{"a variable with =", `{"job": "j", "environment": {"A=B": "x"}}`, `environment: has a variable with = or NUL in its name; give name and value apart, as in {"NAME": "value"}`},
		{"an override without a container", `{"job": "j", "overrides": {"containerOverrides": [{"cpu": 1}]}}`, "overrides.containerOverrides[0].name: required, the container to override"},
		{"a container overridden twice", `{"job": "j", "overrides": {"containerOverrides": [{"name": "a"}, {"name": "a"}]}}`, `overrides.containerOverrides[1].name: container "a" is overridden twice; put both into one`},
		{"service and task definition", `{"job": "j", "service": "web", "taskDefinition": "x"}`, "service: excludes taskDefinition, since the service's own is taken; give one of the two"},
		{"launch type and strategy", `{"job": "j", "launchType": "EC2", "capacityProviderStrategy": [{"capacityProvider": "x"}]}`, "launchType: excludes capacityProviderStrategy; give one of the two"},
		{"propagateTags SERVICE", `{"job": "j", "propagateTags": "SERVICE"}`, "propagateTags: SERVICE is for services; RunTask takes TASK_DEFINITION or NONE"},
		{"a network without subnets", `{"job": "j", "networkConfiguration": {"awsvpcConfiguration": {"securityGroups": ["sg-1"]}}}`, `networkConfiguration.awsvpcConfiguration.subnets: required, at least one, as in {"networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-0a1b2c3d", "subnet-4e5f6a7b"]}}}`},
		{"a time that is none", `{"job": "j", "scheduledTime": "<aws.scheduler.scheduled-time>"}`, "scheduledTime: <aws.scheduler.scheduled-time> was not replaced: the Scheduler replaces this in the input of a schedule; by hand give a time or leave it out"},
		{"a run id with a slash", `{"job": "j", "runId": "a/b"}`, `runId: "a/b" must be 1 to 128 letters, digits or one of - _ . :`},
		{"too many log lines", `{"job": "j", "logLines": 1001}`, "logLines: must be an integer from 0 to 1000, as in 50"},
		{"negative log lines", `{"job": "j", "logLines": -1}`, "logLines: must be an integer from 0 to 1000, as in 50"},
		{"half a log line", `{"job": "j", "logLines": 1.5}`, "logLines: must be an integer from 0 to 1000, as in 50"},
		{"too short a timeout", `{"job": "j", "timeout": "59s"}`, `timeout: must be a duration from 1m to 168h, as in "45m"`},
		{"too long a timeout", `{"job": "j", "timeout": "168h1s"}`, `timeout: must be a duration from 1m to 168h, as in "45m"`},
		{"a timeout that is none", `{"job": "j", "timeout": "an hour"}`, `timeout: must be a duration from 1m to 168h, as in "45m"`},
		{"a timeout without a unit", `{"job": "j", "timeout": "3600"}`, `timeout: must be a duration from 1m to 168h, as in "45m"`},
		{"a timeout in days", `{"job": "j", "timeout": "2d"}`, `timeout: must be a duration from 1m to 168h, as in "45m"`},
		{"a number as timeout", `{"job": "j", "timeout": 60}`, `timeout: must be a duration, as in "45m"`},
		{"too short a time to start", `{"job": "j", "startTimeout": "59.9s"}`, `startTimeout: must be a duration from 1m to 24h, as in "10m"`},
		{"too long a time to start", `{"job": "j", "startTimeout": "25h"}`, `startTimeout: must be a duration from 1m to 24h, as in "10m"`},
		{"too short to begin within", `{"job": "j", "startWithin": "-1h"}`, `startWithin: must be a duration from 1m to 24h, as in "2h"`},
		{"too long to begin within", `{"job": "j", "startWithin": "24h1s"}`, `startWithin: must be a duration from 1m to 24h, as in "2h"`},
		{"expectEvery", `{"job": "j", "expectEvery": "26h"}`, "expectEvery: not supported yet; leave it out"},
		{"too long", `{"job": "j"` + strings.Repeat(" ", 64<<10) + `}`, "the payload has 65548 bytes, and errand takes 65536; pass large input through S3 or SSM"},
		{"retry", `{"job": "j", "retry": {"attempts": 2}}`, "retry: not supported yet; leave it out"},
		{"overlap", `{"job": "j", "overlap": "skip"}`, "overlap: not supported yet; leave it out"},
		{"no JSON", `job=x`, "the payload is not valid JSON: line 1: invalid character 'j' looking for beginning of value"},
		{"JSON that breaks off", `{"job": "j"`, "the payload is not valid JSON: it ends too early"},
		{"an empty document", ``, "the payload is not valid JSON: it is empty"},
		{"two documents", `{"job": "j"} {}`, "the payload is not valid JSON: line 1: more text after the end of the JSON document"},
		{"an array", `[]`, `the payload must be a JSON object, as in {"job": "nightly-report"}`},
		{"an empty cluster", `{"job": "j", "cluster": ""}`, "cluster: is empty; leave the field out instead"},
		{"an empty subnet", `{"job": "j", "networkConfiguration": {"awsvpcConfiguration": {"subnets": [""]}}}`, "networkConfiguration.awsvpcConfiguration.subnets[0]: is empty"},
		{"an empty strategy", `{"job": "j", "capacityProviderStrategy": []}`, "capacityProviderStrategy: is empty; leave it out for the default"},
		{"a strategy without a provider", `{"job": "j", "capacityProviderStrategy": [{"weight": 1}]}`, "capacityProviderStrategy[0].capacityProvider: required"},
		{"a file without a type", `{"job": "j", "overrides": {"containerOverrides": [{"name": "a", "environmentFiles": [{"value": "x"}], "resourceRequirements": [{"type": "GPU"}]}]}}`, "overrides.containerOverrides[0].environmentFiles[0]: needs type and value; overrides.containerOverrides[0].resourceRequirements[0]: needs type and value"},
		{"a member that is one of several types", `{"job": "j", "overrides": {"containerOverrides": [{"name": "a", "resourceRequirements": [{"type": "GPU", "value": "1", "sharingStrategy": {"x": 1}}]}]}}`, "overrides.containerOverrides[0].resourceRequirements[0].sharingStrategy: is not supported; leave it out"},
		{"a space in a name", `{"job": "j", "taskDefinition": " billing"}`, `taskDefinition: " billing" is neither a name nor an ARN`},
		{"NUL in the command", `{"job": "j", "command": ["a\u0000b"]}`, "command[0]: has a NUL character, which no program can be given"},
		{"null", `null`, "the payload is null"},
		{"invalid UTF-8", "{\"job\": \"\xff\"}", "the payload is not valid UTF-8"},
		{"another event", `{"detail-type": "Object Created", "source": "aws.s3", "detail": {}}`, `this is an EventBridge event with detail-type "Object Created" of source "aws.s3", not a job payload; send detail-type "Errand Job", or give the rule an input transformer that produces a payload`},
		{"an event without detail", `{"detail-type": "Errand Job"}`, "detail: required, it is the job payload of an event with detail-type Errand Job"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, _, err := payload.Decode([]byte(tc.payload))
			if _, ok := errors.AsType[payload.Invalid](err); !ok || err.Error() != tc.want {
				t.Errorf("got  %v\nwant %s", err, tc.want)
			}
		})
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		payload                  string
		timeout, start, lateness time.Duration
	}{
		{`{"job": "j"}`, 0, 30 * time.Minute, 0},
		{`{"job": "j", "timeout": "1m", "startTimeout": "1m", "startWithin": "1m"}`, time.Minute, time.Minute, time.Minute},
		{`{"job": "j", "timeout": "168h", "startTimeout": "24h", "startWithin": "24h"}`, 168 * time.Hour, 24 * time.Hour, 24 * time.Hour},
		{`{"job": "j", "timeout": "1h30m"}`, 90 * time.Minute, 30 * time.Minute, 0},
		{`{"job": "j", "startTimeout": "90s"}`, 0, 90 * time.Second, 0},
	} {
		p, _, err := payload.Decode([]byte(tc.payload))
		if err != nil || p.TimeLimit() != tc.timeout || p.StartLimit() != tc.start || p.Lateness() != tc.lateness {
			t.Errorf("%s: %s, %s, %s, %v", tc.payload, p.TimeLimit(), p.StartLimit(), p.Lateness(), err)
		}
	}
	// As long as may be, wrapping included.
	if _, _, err := payload.Decode([]byte(`{"job": "j"` + strings.Repeat(" ", 64<<10-12) + `}`)); err != nil {
		t.Error(err)
	}
	_, _, err := payload.DecodeExec([]byte(`{"job": "j", "task": "t", "command": ["a"]` + strings.Repeat(" ", 64<<10) + `}`))
	if want := "the payload has 65579 bytes, and errand takes 65536; pass large input through S3 or SSM"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestRefusedPayloadKeepsWhatWasRead(t *testing.T) {
	t.Parallel()
	p, id, err := payload.Decode([]byte(`{"detail-type": "Errand Job", "id": "e-1", "detail": {"job": "billing", "runId": "r-1", "comand": []}}`))
	if err == nil || p.Name != "billing" || p.RunID != "r-1" || id != "e-1" {
		t.Errorf("got %q, %q, %q, %v", p.Name, p.RunID, id, err)
	}
}

func TestSamplePayloads(t *testing.T) {
	t.Parallel()
	for _, file := range glob(t, "../../events/launcher/*.json") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			_, _, err := payload.Decode(read(t, file))
			if refused := filepath.Base(file) == "misspelt.json"; refused != (err != nil) {
				t.Errorf("got %v, refused should be %v", err, refused)
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	for _, file := range glob(f, "../../events/*/*.json") {
		f.Add(read(f, file))
	}
	f.Add([]byte(`{"job":"j","environment":{"A":"1"},"overrides":{"containerOverrides":[{"name":"a","environment":[{}]}]}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		p, eventID, err := payload.Decode(raw)
		if err == nil && (p.Name == "" || len(p.Name) > 64) {
			t.Errorf("accepted the job name %q", p.Name)
		}
		run := p.Run(eventID, "request")
		if run.ID == "" {
			t.Error("a run without an id")
		}
		if len(run.Token("errand/a/", 0)) != 64 {
			t.Error("a token that ECS refuses")
		}
	})
}

func glob(t testing.TB, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no files match %s (%v)", pattern, err)
	}
	return files
}

func read(t testing.TB, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
