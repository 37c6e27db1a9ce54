package template_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// Parameters of the examples that are not outputs of the stack errand.
var exampleParameters = map[string]string{
	"Bucket":  "example-uploads",
	"Cluster": "jobs",
	"Subnets": "subnet-0aa11bb22cc33dd44,subnet-0ee55ff66aa77bb88",
	"Image":   "123456789012.dkr.ecr.eu-west-1.amazonaws.com/billing:2026-11-18",
	// With a default.
	"AssignPublicIp": "DISABLED",
}

// checkExample returns what is wrong with a user's stack on top of errand's.
func checkExample(t *testing.T, example string) []string {
	t.Helper()
	errand := deploy(parse(t, readTemplate(t)), deployments[1])
	root := parse(t, example)
	c := &checker{stack: deploy(root, exampleParameters)}
	c.at = "Parameters"
	for name := range pairs(get(root, "Parameters")) {
		output := get(errand.root, "Outputs", name, "Value")
		if output != nil {
			c.parameters[name] = errand.resolve(output).Value
		} else if exampleParameters[name] == "" {
			c.bad("%s is no output of template.yaml", name)
		}
	}
	for id, resource := range c.resources() {
		c.at = id
		properties := get(resource, "Properties")
		switch text(resource, "Type") {
		case "AWS::Scheduler::Schedule":
			target := get(properties, "Target")
			c.schedule(strings.TrimSuffix(text(target, "Arn"), ".Arn"), properties, target)
			if text(properties, "GroupName") != "ScheduleGroup" {
				c.bad("is not in the group of ScheduleGroupName, whose schedules alone may use the role")
			}
		case "AWS::Events::Rule":
			c.rule(properties)
			if !slices.Equal(values(get(properties, "EventPattern", "account")), []string{"123456789012"}) {
				c.bad("takes events of any account")
			}
		case "AWS::SQS::QueuePolicy":
			c.at = id
			for statement := range statements(properties) {
				if text(statement, "Condition", "ArnEquals", "aws:SourceArn") == "" {
					c.bad("lets anybody send")
				}
			}
		case "AWS::ECS::TaskDefinition":
			c.containers(properties)
		}
	}
	return append(c.findings, c.problems...)
}

// containers holds a task definition against what a result needs.
func (c *checker) containers(properties *yaml.Node) {
	for _, container := range items(get(properties, "ContainerDefinitions")) {
		if log := get(container, "LogConfiguration"); log != nil && text(log, "Options", "mode") != "blocking" {
			c.bad("loses the last lines of its log, want mode blocking")
		}
	}
}

func readExample(t *testing.T, name string) string {
	t.Helper()
	raw, err := os.ReadFile(top + "examples/cloudformation/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func TestExamples(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(top + "examples/cloudformation/*")
	if err != nil || len(files) != 4 {
		t.Fatalf("got %d examples (%v), want 4", len(files), err)
	}
	for _, file := range files {
		for _, finding := range checkExample(t, readExample(t, filepath.Base(file))) {
			t.Errorf("%s: %s", filepath.Base(file), finding)
		}
	}
}

func TestExampleMistakes(t *testing.T) {
	t.Parallel()
	for _, mistake := range []struct {
		name string
		in   string
		old  string
		new  string
		want string // part of a finding
	}{
		{name: "Input that is not JSON", in: "scheduled-job", old: `"timeout": "2h",`, new: `"timeout": "2h"`, want: "Input is not JSON"},
		{name: "Input with an unknown field", in: "scheduled-job", old: `"command": [`, new: `"comand": [`, want: "comand"},
		{name: "Input with a command in one piece", in: "scheduled-job", old: `["echo", "the bills of yesterday"]`, new: `"echo the bills"`, want: "command"},
		{name: "Input without a job", in: "scheduled-job", old: `"job": "billing-daily",`, new: "", want: "job: required"},
		{name: "Input with a bad job name", in: "scheduled-job", old: `"job": "billing-daily"`, new: `"job": "billing daily"`, want: "billing daily"},
		{name: "Input without the scheduled time", in: "scheduled-job", old: ",\n            \"scheduledTime\": \"<aws.scheduler.scheduled-time>\"", new: "", want: "BillingSchedule: Input lacks"},
		{name: "Input without the schedule", in: "scheduled-job", old: "            \"schedule\": \"<aws.scheduler.schedule-arn>\",\n", new: "", want: "BillingSchedule: Input lacks"},
		{name: "Input with a fixed time", in: "scheduled-job", old: "<aws.scheduler.scheduled-time>", new: "2026-11-20T02:00:00Z", want: "BillingSchedule: Input lacks"},
		{name: "Input with a misspelt attribute", in: "scheduled-job", old: "<aws.scheduler.scheduled-time>", new: "<aws.scheduler.schedule-time>", want: "<aws.scheduler.schedule-time>"},
		{name: "Input of the launcher with a field of the executor", in: "scheduled-job", old: `"job": "billing-daily",`, new: `"job": "billing-daily", "family": "web",`, want: "BillingSchedule: Input: family"},
		{name: "Input of the executor with an unknown field", in: "live-command", old: `"service": "web",`, new: `"servise": "web",`, want: "ReloadSchedule: Input: servise"},
		{name: "Input of the executor with a field of the launcher", in: "live-command", old: `"service": "web",`, new: `"taskDefinition": "web",`, want: "ReloadSchedule: Input: taskDefinition"},
		{name: "Input of the executor without a place", in: "live-command", old: `"service": "web",`, new: ``, want: "ReloadSchedule: Input: task, service, family"},
		{name: "Input of the executor without a command", in: "live-command", old: "            \"command\": [\"nginx\", \"-s\", \"reload\"],\n", new: "", want: "ReloadSchedule: Input: command: required"},
		{name: "Input of the executor with too long a time", in: "live-command", old: `"timeout": "1m",`, new: `"timeout": "15m",`, want: "ReloadSchedule: Input: timeout: must be a duration from 1s to 14m"},
		{name: "Input of the executor without the scheduled time", in: "live-command", old: ",\n            \"scheduledTime\": \"<aws.scheduler.scheduled-time>\"", new: "", want: "ReloadSchedule: Input lacks"},
		{name: "payload for the other function", in: "live-command", old: "Arn: !Ref ExecutorFunctionArn", new: "Arn: !Ref LauncherFunctionArn", want: "ReloadSchedule: Input: method"},
		{name: "commands that a schedule runs twice", in: "live-command", old: "        RetryPolicy:\n          MaximumRetryAttempts: 0\n", new: "", want: "ReloadSchedule: a command must not run twice"},
		{name: "an hour that is not there on every day", in: "scheduled-job", old: "cron(30 6 ", new: "cron(30 2 ", want: "stands between 01:00 and 03:00"},
		{name: "cron of Unix", in: "scheduled-job", old: "cron(30 6 ? * MON-FRI *)", new: "cron(30 6 * * 1-5)", want: "needs 6 fields"},
		{name: "schedule without dead letters", in: "scheduled-job", old: "        DeadLetterConfig:\n          Arn: !Ref ScheduleDeadLettersArn\n", new: "", want: "BillingSchedule: has no DeadLetterConfig"},
		{name: "schedule in another group", in: "scheduled-job", old: "GroupName: !Ref ScheduleGroupName", new: "GroupName: default", want: "BillingSchedule: is not in the group"},
		{name: "output that is not there", in: "scheduled-job", old: "  ScheduleRoleArn:\n", new: "  ScheduleRole:\n", want: "ScheduleRole is no output of template.yaml"},
		{name: "log that loses its end", in: "scheduled-job", old: "mode: blocking", new: "mode: non-blocking", want: "BillingTaskDefinition: loses the last lines"},
		{name: "template that is not JSON", in: "event-job", old: `"runId": <id>,`, new: `"runId": <id>`, want: "InputTemplate is not JSON"},
		{name: "template with an unknown field", in: "event-job", old: `"runId": <id>,`, new: `"runid": <id>,`, want: "runid"},
		{name: "template with an unknown variable", in: "event-job", old: `"--key", <key>]`, new: `"--key", <name>]`, want: "<name> is not in InputPathsMap"},
		{name: "variable that the template does not use", in: "event-job", old: `"--key", <key>]`, new: `"--key"]`, want: "does not use <key>"},
		{name: "path that is not one", in: "event-job", old: "key: $.detail.object.key", new: "key: detail.object.key", want: `"detail.object.key"`},
		{name: "scalar as the source", in: "event-job", old: "source: [aws.s3]", new: "source: aws.s3", want: "ImportRule: the event pattern is wrong"},
		{name: "misspelt detail-type", in: "event-job", old: "detail-type: [Object Created]", new: "detail-type: [Object Create]", want: `detail-type "Object Create"`},
		{name: "misspelt key of a pattern", in: "event-job", old: "detail-type: [Object Created]", new: "detailType: [Object Created]", want: `detailType`},
		{name: "events of any account", in: "event-job", old: "        account: [!Ref AWS::AccountId]\n", new: "", want: "ImportRule: takes events of any account"},
		{name: "rule without dead letters", in: "event-job", old: "          DeadLetterConfig:\n            Arn: !Ref RuleDeadLettersArn\n", new: "", want: "ImportRule: has no DeadLetterConfig"},
		{name: "queue that takes anything", in: "failure-queue", old: "            Condition:\n              ArnEquals:\n                aws:SourceArn: !Ref ResultTopicArn\n", new: "", want: "FailedJobsPolicy: lets anybody send"},
	} {
		t.Run(mistake.name, func(t *testing.T) {
			t.Parallel()
			example := readExample(t, mistake.in+".yaml")
			if !strings.Contains(example, mistake.old) {
				t.Fatalf("%s does not have %q: the mistake cannot be made", mistake.in, mistake.old)
			}
			findings := checkExample(t, strings.Replace(example, mistake.old, mistake.new, 1))
			if !slices.ContainsFunc(findings, func(f string) bool { return strings.Contains(f, mistake.want) }) {
				t.Errorf("not caught; want a finding with %q, got:\n%s", mistake.want, strings.Join(findings, "\n"))
			}
		})
	}
}
