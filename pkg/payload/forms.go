package payload

import (
	"strings"
)

// form is what a field takes: in words, and as an example of ours. What stands in a
// payload is never quoted, since it may be a secret.
type form struct{ is, example string }

func (f form) String() string { return f.is + ", as in " + f.example }

// forms are those of all fields, by their paths: [] stands for any element of an
// array, * for any name.
var forms = map[string]form{
	"":                     {"a JSON object", `{"job": "nightly-report"}`},
	"job":                  {"a string", `"nightly-report"`},
	"command":              {"an array of strings", `["./bill", "--day", "yesterday"]`},
	"command[]":            {"a string", `"--day"`},
	"container":            {"a string", `"app"`},
	"environment":          {"an object", `{"NAME": "value"}`},
	"environment.*":        {"a string, also for a number", `"8080"`},
	"taskDefinition":       {"a string", `"billing"`},
	"service":              {"a string", `"web"`},
	"cluster":              {"a string", `"jobs"`},
	"task":                 {"a string", `"0123456789abcdef0123456789abcdef"`},
	"family":               {"a string", `"web"`},
	"launchType":           {"a string", `"FARGATE"`},
	"platformVersion":      {"a string", `"1.4.0"`},
	"group":                {"a string", `"nightly"`},
	"propagateTags":        {"a string", `"TASK_DEFINITION"`},
	"enableExecuteCommand": {"true or false", "true"},
	"enableECSManagedTags": {"true or false", "true"},
	"referenceId":          {"a string", `"ticket-1042"`},
	"scheduledTime":        {"an RFC 3339 time", `"2026-11-20T02:00:00Z"`},
	"runId":                {"a string", `"nightly-report-2026-11-20"`},
	"logLines":             {"an integer from 0 to 1000", "50"},
	"method":               {"a string", `"run-task"`},
	"schedule":             {"a string", `"<aws.scheduler.schedule-arn>"`},
	"timeout":              {"a duration", `"45m"`},
	"startTimeout":         {"a duration", `"10m"`},
	"startWithin":          {"a duration", `"2h"`},
	"expectEvery":          {"a duration", `"26h"`},
	"retry":                {"an object", `{"attempts": 3}`},
	"retry.attempts":       {"an integer", "3"},
	"retry.delay":          {"a duration", `"5m"`},
	"retry.on":             {"an array of strings", `["start", "interrupted"]`},
	"retry.on[]":           {"a string", `"start"`},
	"retry.fallback":       {"an object", `{"launchType": "FARGATE"}`},
	"overlap":              {"a string", `"skip"`},

	"capacityProviderStrategy":                    {"an array of objects", `[{"capacityProvider": "FARGATE_SPOT", "weight": 1}]`},
	"capacityProviderStrategy[]":                  {"an object", `{"capacityProvider": "FARGATE_SPOT", "weight": 1}`},
	"capacityProviderStrategy[].capacityProvider": {"a string", `"FARGATE_SPOT"`},
	"capacityProviderStrategy[].weight":           {"an integer", "1"},
	"capacityProviderStrategy[].base":             {"an integer", "0"},

	"networkConfiguration":                                      {"an object", `{"awsvpcConfiguration": {"subnets": ["subnet-0a1b2c3d"]}}`},
	"networkConfiguration.awsvpcConfiguration":                  {"an object", `{"subnets": ["subnet-0a1b2c3d"], "securityGroups": ["sg-0a1b2c3d"], "assignPublicIp": "DISABLED"}`},
	"networkConfiguration.awsvpcConfiguration.subnets":          {"an array of strings", `["subnet-0a1b2c3d", "subnet-4e5f6a7b"]`},
	"networkConfiguration.awsvpcConfiguration.subnets[]":        {"a string", `"subnet-0a1b2c3d"`},
	"networkConfiguration.awsvpcConfiguration.securityGroups":   {"an array of strings", `["sg-0a1b2c3d"]`},
	"networkConfiguration.awsvpcConfiguration.securityGroups[]": {"a string", `"sg-0a1b2c3d"`},
	"networkConfiguration.awsvpcConfiguration.assignPublicIp":   {"a string, ENABLED or DISABLED", `"ENABLED"`},

	"placementConstraints":              {"an array of objects", `[{"type": "distinctInstance"}]`},
	"placementConstraints[]":            {"an object", `{"type": "distinctInstance"}`},
	"placementConstraints[].type":       {"a string", `"distinctInstance"`},
	"placementConstraints[].expression": {"a string", `"attribute:ecs.os-type == linux"`},
	"placementStrategy":                 {"an array of objects", `[{"type": "spread", "field": "instanceId"}]`},
	"placementStrategy[]":               {"an object", `{"type": "spread", "field": "instanceId"}`},
	"placementStrategy[].type":          {"a string", `"spread"`},
	"placementStrategy[].field":         {"a string", `"instanceId"`},

	"tags":         {"an array of objects", `[{"key": "team", "value": "billing"}]`},
	"tags[]":       {"an object", `{"key": "team", "value": "billing"}`},
	"tags[].key":   {"a string", `"team"`},
	"tags[].value": {"a string", `"billing"`},

	"overrides":                                            {"an object", `{"cpu": "1024", "memory": "4096"}`},
	"overrides.cpu":                                        {"a string", `"1024"`},
	"overrides.memory":                                     {"a string", `"4096"`},
	"overrides.executionRoleArn":                           {"left out", `{"overrides": {"cpu": "1024"}}`},
	"overrides.taskRoleArn":                                {"a string", `"arn:aws:iam::123456789012:role/billing"`},
	"overrides.ephemeralStorage":                           {"an object", `{"sizeInGiB": 30}`},
	"overrides.ephemeralStorage.sizeInGiB":                 {"an integer", "30"},
	"overrides.inferenceAcceleratorOverrides":              {"an array of objects", `[{"deviceName": "device_1", "deviceType": "eia2.medium"}]`},
	"overrides.inferenceAcceleratorOverrides[]":            {"an object", `{"deviceName": "device_1", "deviceType": "eia2.medium"}`},
	"overrides.inferenceAcceleratorOverrides[].deviceName": {"a string", `"device_1"`},
	"overrides.inferenceAcceleratorOverrides[].deviceType": {"a string", `"eia2.medium"`},

	"overrides.containerOverrides":                                {"an array of objects", `[{"name": "app", "memory": 900}]`},
	"overrides.containerOverrides[]":                              {"an object", `{"name": "app", "memory": 900}`},
	"overrides.containerOverrides[].name":                         {"a string", `"app"`},
	"overrides.containerOverrides[].command":                      {"an array of strings", `["./bill", "--day", "yesterday"]`},
	"overrides.containerOverrides[].command[]":                    {"a string", `"--day"`},
	"overrides.containerOverrides[].cpu":                          {"an integer", "512"},
	"overrides.containerOverrides[].memory":                       {"an integer", "900"},
	"overrides.containerOverrides[].memoryReservation":            {"an integer", "512"},
	"overrides.containerOverrides[].environment":                  {"an array of objects", `[{"name": "NAME", "value": "value"}]`},
	"overrides.containerOverrides[].environment[]":                {"an object", `{"name": "NAME", "value": "value"}`},
	"overrides.containerOverrides[].environment[].name":           {"a string", `"NAME"`},
	"overrides.containerOverrides[].environment[].value":          {"a string, also for a number", `"8080"`},
	"overrides.containerOverrides[].environmentFiles":             {"an array of objects", `[{"type": "s3", "value": "arn:aws:s3:::settings/app.env"}]`},
	"overrides.containerOverrides[].environmentFiles[]":           {"an object", `{"type": "s3", "value": "arn:aws:s3:::settings/app.env"}`},
	"overrides.containerOverrides[].environmentFiles[].type":      {"a string", `"s3"`},
	"overrides.containerOverrides[].environmentFiles[].value":     {"a string", `"arn:aws:s3:::settings/app.env"`},
	"overrides.containerOverrides[].resourceRequirements":         {"an array of objects", `[{"type": "GPU", "value": "1"}]`},
	"overrides.containerOverrides[].resourceRequirements[]":       {"an object", `{"type": "GPU", "value": "1"}`},
	"overrides.containerOverrides[].resourceRequirements[].type":  {"a string", `"GPU"`},
	"overrides.containerOverrides[].resourceRequirements[].value": {"a string", `"1"`},

	"volumeConfigurations":        {"an array of objects", `[{"name": "data", "managedEBSVolume": {"roleArn": "arn:aws:iam::123456789012:role/ebs", "sizeInGiB": 10}}]`},
	"volumeConfigurations[]":      {"an object", `{"name": "data", "managedEBSVolume": {"roleArn": "arn:aws:iam::123456789012:role/ebs", "sizeInGiB": 10}}`},
	"volumeConfigurations[].name": {"a string", `"data"`},

	"volumeConfigurations[].managedEBSVolume":                                       {"an object", `{"roleArn": "arn:aws:iam::123456789012:role/ebs", "sizeInGiB": 10}`},
	"volumeConfigurations[].managedEBSVolume.encrypted":                             {"true or false", "true"},
	"volumeConfigurations[].managedEBSVolume.filesystemType":                        {"a string", `"xfs"`},
	"volumeConfigurations[].managedEBSVolume.iops":                                  {"an integer", "3000"},
	"volumeConfigurations[].managedEBSVolume.kmsKeyId":                              {"a string", `"alias/data"`},
	"volumeConfigurations[].managedEBSVolume.roleArn":                               {"a string", `"arn:aws:iam::123456789012:role/ebs"`},
	"volumeConfigurations[].managedEBSVolume.sizeInGiB":                             {"an integer", "10"},
	"volumeConfigurations[].managedEBSVolume.snapshotId":                            {"a string", `"snap-0a1b2c3d"`},
	"volumeConfigurations[].managedEBSVolume.tagSpecifications":                     {"an array of objects", `[{"resourceType": "volume", "tags": [{"key": "team", "value": "billing"}]}]`},
	"volumeConfigurations[].managedEBSVolume.tagSpecifications[]":                   {"an object", `{"resourceType": "volume", "tags": [{"key": "team", "value": "billing"}]}`},
	"volumeConfigurations[].managedEBSVolume.tagSpecifications[].resourceType":      {"a string", `"volume"`},
	"volumeConfigurations[].managedEBSVolume.tagSpecifications[].propagateTags":     {"a string", `"TASK_DEFINITION"`},
	"volumeConfigurations[].managedEBSVolume.terminationPolicy":                     {"an object", `{"deleteOnTermination": true}`},
	"volumeConfigurations[].managedEBSVolume.terminationPolicy.deleteOnTermination": {"true or false", "true"},
	"volumeConfigurations[].managedEBSVolume.throughput":                            {"an integer", "125"},
	"volumeConfigurations[].managedEBSVolume.volumeInitializationRate":              {"an integer", "100"},
	"volumeConfigurations[].managedEBSVolume.volumeType":                            {"a string", `"gp3"`},
}

// formOf is the form of the value at a path; "" if it has none.
func formOf(path string) string {
	if f, ok := forms[pattern(path)]; ok {
		return f.String()
	}
	return ""
}

// pattern is a path as forms has it.
func pattern(path string) string {
	if strings.HasPrefix(path, "environment.") {
		return "environment.*"
	}
	var text strings.Builder
	inside := false
	for _, r := range path {
		if r == ']' {
			inside = false
		}
		if !inside {
			text.WriteRune(r)
		}
		if r == '[' {
			inside = true
		}
	}
	// Their elements are the same ones elsewhere.
	p := strings.TrimPrefix(text.String(), "retry.fallback.")
	if at := strings.LastIndex(p, ".tags"); at >= 0 {
		p = p[at+1:]
	}
	return p
}

// inPlace shows where a field is, as in {"overrides": {"cpu": "1024"}}.
func inPlace(path string) string {
	text := forms[path].example
	parts := strings.Split(path, ".")
	for i := len(parts) - 1; i >= 0; i-- {
		name, list := strings.CutSuffix(parts[i], "[]")
		if list {
			// Of a container's override its name is required.
			text = `[{"name": "app", ` + strings.TrimPrefix(text, "{") + "]"
		}
		text = `{"` + name + `": ` + text + "}"
	}
	return text
}
