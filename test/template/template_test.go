// Package template_test keeps template.yaml right where cfn-lint is blind: what
// is text within it (schedules, payloads, patterns, dashboards, IAM actions)
// and what has to agree with the code.
package template_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

// top is the repository's top folder.
const top = "../../"

// The checks run on these deployments. Between them each resource and each
// branch of an !If is there.
var deployments = []map[string]string{
	{
		"Subnets": "subnet-0aa11bb22cc33dd44,subnet-0ee55ff66aa77bb88",
	},
	{
		"AWS::StackName":    "other",
		"CreateSample":      "false",
		"Subnets":           "subnet-0aa11bb22cc33dd44",
		"Cluster":           "jobs",
		"TaskFamilies":      "billing,reports",
		"TaskRoleArns":      "arn:aws:iam::123456789012:role/billing-task,arn:aws:iam::123456789012:role/billing-execution",
		"LogGroups":         "/ecs/billing,/ecs/reports",
		"TaskDefinition":    "billing",
		"JobEventSource":    "com.example.shop",
		"ImportBucket":      "example-uploads",
		"Email":             "you@example.com",
		"EmailOnlyFailures": "true",
		"EnableExec":        "true",
		"ExecKeyArn":        "arn:aws:kms:eu-west-1:123456789012:key/0d9c7a46-52f7-4a55-8f0e-6a3f1b7c9e10",
	},
	{
		"Subnets":        "subnet-0aa11bb22cc33dd44",
		"SecurityGroups": "sg-0aa11bb22cc33dd44,sg-0ee55ff66aa77bb88",
		"Cluster":        "jobs",
		"TaskFamilies":   "billing",
	},
	{
		"CreateSample":     "false",
		"Cluster":          "jobs",
		"EnableExec":       "true",
		"ExecSignSessions": "false",
	},
}

func TestTemplate(t *testing.T) {
	t.Parallel()
	for _, finding := range check(t, readTemplate(t)) {
		t.Error(finding)
	}
}

// TestTemplateMistakes makes one mistake at a time in the real template: a
// check that finds nothing is worth something only if it would.
func TestTemplateMistakes(t *testing.T) {
	t.Parallel()
	template := asShipped(readTemplate(t))
	for _, mistake := range []struct {
		name string
		old  string // stands in the template; its first place is changed
		new  string
		want string // part of a finding
	}{
		// Schedules.
		{name: "cron without the year", old: "cron(0 2 * * ? *)", new: "cron(0 2 * * ?)", want: "needs 6 fields"},
		{name: "cron with seconds", old: "cron(0 2 * * ? *)", new: "cron(0 0 2 * * ? *)", want: "needs 6 fields"},
		{name: "cron of Unix", old: "cron(0 2 * * ? *)", new: "cron(0 2 * * * *)", want: "exactly one of day-of-month and day-of-week must be ?"},
		{name: "cron without a day", old: "cron(0 2 * * ? *)", new: "cron(0 2 ? * ? *)", want: "exactly one of day-of-month and day-of-week must be ?"},
		{name: "cron with both days", old: "cron(0 2 * * ? *)", new: "cron(0 2 1 * MON *)", want: "exactly one of day-of-month and day-of-week must be ?"},
		{name: "cron at 24 o'clock", old: "cron(0 2 * * ? *)", new: "cron(0 24 * * ? *)", want: `hours "24"`},
		{name: "cron at minute 60", old: "cron(0 2 * * ? *)", new: "cron(60 2 * * ? *)", want: `minutes "60"`},
		{name: "cron on day 0 of the week", old: "cron(0 2 * * ? *)", new: "cron(0 2 ? * 0 *)", want: `day-of-week "0"`},
		{name: "cron on a day nobody knows", old: "cron(0 2 * * ? *)", new: "cron(0 2 ? * MOO *)", want: `day-of-week "MOO"`},
		{name: "cron on the sixth Friday", old: "cron(0 2 * * ? *)", new: "cron(0 2 ? * FRI#6 *)", want: `day-of-week "FRI#6"`},
		{name: "cron with a range backwards", old: "cron(0 2 * * ? *)", new: "cron(0 18-8 * * ? *)", want: `hours "18-8"`},
		{name: "cron with a step of nothing", old: "cron(0 2 * * ? *)", new: "cron(0/0 2 * * ? *)", want: `minutes "0/0"`},
		{name: "cron in the past century", old: "cron(0 2 * * ? *)", new: "cron(0 2 * * ? 1969)", want: `year "1969"`},
		{name: "cron without its name", old: "cron(0 2 * * ? *)", new: "0 2 * * ? *", want: "is not cron(…), rate(…) or at(…)"},
		{name: "cron without its end", old: "cron(0 2 * * ? *)", new: "cron(0 2 * * ? *", want: "is not cron(…), rate(…) or at(…)"},
		{name: "one hours", old: "rate(10 minutes)", new: "rate(1 hours)", want: "1 goes with hour"},
		{name: "five minute", old: "rate(10 minutes)", new: "rate(5 minute)", want: "5 goes with minutes"},
		{name: "rate of nothing", old: "rate(10 minutes)", new: "rate(0 minutes)", want: "must be at least 1"},
		{name: "rate below zero", old: "rate(10 minutes)", new: "rate(-5 minutes)", want: "is not a rate"},
		{name: "rate in weeks", old: "rate(10 minutes)", new: "rate(2 weeks)", want: "is not a rate"},
		{name: "rate without a unit", old: "rate(10 minutes)", new: "rate(10)", want: "is not a rate"},
		{name: "at with a zone", old: "cron(0 2 * * ? *)", new: "at(2026-11-20T02:00:00Z)", want: "is not a time like"},
		{name: "at without a time", old: "cron(0 2 * * ? *)", new: "at(2026-11-20)", want: "is not a time like"},
		{name: "at a day that is not", old: "cron(0 2 * * ? *)", new: "at(2026-02-30T02:00:00)", want: "is not a time like"},
		{name: "time zone of another planet", old: "Europe/Berlin", new: "Mars/Phobos", want: `time zone "Mars/Phobos"`},
		{name: "time zone of the machine", old: "Europe/Berlin", new: "Local", want: `time zone "Local"`},
		{name: "no time zone", old: "            ScheduleExpressionTimezone: Europe/Berlin\n", new: "", want: "NightlyReport: has no ScheduleExpressionTimezone"},
		{name: "the old kind of schedule", old: "        NightlyReport:\n          Type: ScheduleV2", new: "        NightlyReport:\n          Type: Schedule", want: "use ScheduleV2"},
		{name: "schedule named alike in every stack", old: "            # SAM's default name is the same in every stack.\n            OmitName: true\n", new: "", want: "NightlyReport: SAM's default name is the same in every stack"},
		{name: "schedule without dead letters", old: "            DeadLetterConfig:\n              Arn: !GetAtt ScheduleDeadLetters.Arn\n        # The first run", new: "        # The first run", want: "NightlyReport: has no DeadLetterConfig"},
		{name: "schedule in a state nobody knows", old: "State: DISABLED", new: "State: Disabled", want: `State "Disabled"`},

		// Payloads.
		{name: "Input that is not JSON", old: `"command": ["report", "--day", "yesterday"],`, new: `"command": ["report", "--day", "yesterday"]`, want: "Input is not JSON"},
		{name: "Input with an unknown field", old: `"command": ["report",`, new: `"comand": ["report",`, want: "comand"},
		{name: "Input with a command in one piece", old: `["report", "--day", "yesterday"]`, new: `"report --day yesterday"`, want: "command"},
		{name: "Input without a job", old: `"job": "nightly-report",`, new: "", want: "job: required"},
		{name: "Input with a bad job name", old: `"job": "nightly-report"`, new: `"job": "nightly report"`, want: "nightly report"},
		{name: "Input of the sample with a bad list", old: `"securityGroups": [${QuotedSecurityGroups}],`, new: `"securityGroups": ["${QuotedSecurityGroups}"],`, want: "Sample: Input is not JSON"},
		{name: "Input of the sample with an unknown field within", old: `"assignPublicIp": "ENABLED"`, new: `"assignPublicIP": "ENABLED"`, want: "assignPublicIP"},
		{name: "Input without the scheduled time", old: "\"yesterday\"],\n                \"scheduledTime\": \"<aws.scheduler.scheduled-time>\"", new: `"yesterday"]`, want: "NightlyReport: Input lacks"},
		{name: "Input with a fixed time", old: "\"yesterday\"],\n                \"scheduledTime\": \"<aws.scheduler.scheduled-time>\"", new: "\"yesterday\"],\n                \"scheduledTime\": \"2026-11-20T02:00:00Z\"", want: "NightlyReport: Input lacks"},
		{name: "Input with a misspelt attribute", old: "\"yesterday\"],\n                \"scheduledTime\": \"<aws.scheduler.scheduled-time>\"", new: "\"yesterday\"],\n                \"scheduledTime\": \"<aws.scheduler.schedule-time>\"", want: "<aws.scheduler.schedule-time>"},
		{name: "Input of the executor with an unknown field", old: `"service": "web",`, new: `"servise": "web",`, want: "CacheClear: Input: servise"},
		{name: "Input of the executor with a field of the launcher", old: `"service": "web",`, new: `"taskDefinition": "web",`, want: "CacheClear: Input: taskDefinition: unknown field"},
		{name: "Input of the executor without a place", old: `"service": "web",`, new: ``, want: "CacheClear: Input: task, service, family: give exactly one of the three"},
		{name: "Input of the executor without a command", old: "                \"command\": [\"bin/cache\", \"clear\", \"--expired\"],\n", new: "", want: "CacheClear: Input: command: required"},
		{name: "Input of the executor with too long a time", old: `"timeout": "5m",`, new: `"timeout": "15m",`, want: `CacheClear: Input: timeout: must be a duration from 1s to 14m`},
		{name: "Input of the executor without the scheduled time", old: "\"5m\",\n                \"scheduledTime\": \"<aws.scheduler.scheduled-time>\"", new: `"5m"`, want: "CacheClear: Input lacks"},
		{name: "Input of the launcher with a field of the executor", old: `"job": "nightly-report",`, new: `"job": "nightly-report", "family": "web",`, want: "NightlyReport: Input: family: unknown field"},
		{name: "template that is not JSON", old: `"runId": <id>,`, new: `"runId": <id>`, want: "InputTemplate is not JSON"},
		{name: "template with an unknown field", old: `"runId": <id>,`, new: `"runid": <id>,`, want: "runid"},
		{name: "template with an unknown variable", old: `"--key", <key>]`, new: `"--key", <name>]`, want: "<name> is not in InputPathsMap"},
		{name: "variable that the template does not use", old: `"--key", <key>]`, new: `"--key"]`, want: "does not use <key>"},
		{name: "path that is not one", old: "key: $.detail.object.key", new: "key: detail.object.key", want: `"detail.object.key"`},

		// Patterns.
		{name: "scalar in a pattern", old: "lastStatus: [STOPPED]", new: "lastStatus: STOPPED", want: "TaskStopped: the event pattern is wrong"},
		{name: "scalar as the source", old: "source: [aws.s3]", new: "source: aws.s3", want: "ImportRule: the event pattern is wrong"},
		{name: "unknown operator", old: "- prefix: !Sub", new: "- startsWith: !Sub", want: "startsWith"},
		{name: "misspelt detail-type", old: "detail-type: [ECS Task State Change]", new: "detail-type: [ECS Task State-change]", want: `detail-type "ECS Task State-change"`},
		{name: "misspelt detail-type of a job", old: "detail-type: [Errand Job]", new: "detail-type: [Errand job]", want: `detail-type "Errand job"`},
		{name: "misspelt detail-type of a bucket", old: "detail-type: [Object Created]", new: "detail-type: [Object Create]", want: `detail-type "Object Create"`},
		{name: "misspelt key of a pattern", old: "detail-type: [Object Created]", new: "detailType: [Object Created]", want: `detailType`},
		{name: "source of another service", old: "source: [aws.ecs]", new: "source: [aws.ec2]", want: "comes from aws.ecs"},
		{name: "jobs from any source", old: "        source: [!Ref JobEventSource]\n", new: "", want: "JobEventRule: takes events of any source"},
		{name: "jobs from one source more", old: "source: [!Ref JobEventSource]", new: "source: [!Ref JobEventSource, com.example.other]", want: "JobEventRule: starts jobs from"},
		{name: "jobs from events by default", old: "WithJobEvents: !Not [!Equals [!Ref JobEventSource, \"\"]]", new: "WithJobEvents: !Equals [\"\", \"\"]", want: "JobEventRule: starts jobs from"},
		{name: "tasks that still run", old: "                lastStatus: [STOPPED]\n", new: "", want: "matches events/collector/deprovisioning.json"},
		{name: "tasks of every stack", old: "- prefix: !Sub errand/${AWS::StackName}/", new: "- prefix: errand/", want: "matches events/collector/other-stack.json"},
		{name: "tasks of a stack whose name begins alike", old: "- prefix: !Sub errand/${AWS::StackName}/", new: "- prefix: !Sub errand/${AWS::StackName}", want: "matches events/collector/other-stack.json"},
		{name: "tasks that another prefix starts", old: "- prefix: !Sub errand/${AWS::StackName}/", new: "- prefix: !Sub errand-${AWS::StackName}/", want: "does not match events/collector/failed.json"},
		{name: "tasks that start", old: "lastStatus: [STOPPED]", new: "lastStatus: [RUNNING]", want: "does not match events/collector/failed.json"},
		{name: "rule without a pattern", old: "            Pattern:\n              source: [aws.ecs]", new: "            Patern:\n              source: [aws.ecs]", want: "TaskStopped: the event pattern is missing"},
		{name: "rule that is never there", old: "  WithImport: !Not [!Equals [!Ref ImportBucket, \"\"]]", new: "  WithImport: !Equals [!Ref ImportBucket, none]", want: "ImportRule: is in none of the deployments"},
		{name: "rule without dead letters", old: "            DeadLetterConfig:\n              Arn: !GetAtt RuleDeadLetters.Arn\n\n  CollectorRole", new: "\n  CollectorRole", want: "TaskStopped: has no DeadLetterConfig"},

		// Dashboard.
		{name: "dashboard with a comma too few", old: `"title": "Dead letters",`, new: `"title": "Dead letters"`, want: "Dashboard: DashboardBody is not JSON"},
		{name: "dashboard with an unknown widget", old: "\"type\": \"metric\", \"width\": 12, \"height\": 6,\n                \"properties\": {\n                  \"title\": \"Results published\"", new: "\"type\": \"metrics\", \"width\": 12, \"height\": 6,\n                \"properties\": {\n                  \"title\": \"Results published\"", want: `type "metrics"`},
		{name: "dashboard without a comma before the executor", old: "              ,\n              [\"AWS/Lambda\"", new: "              [\"AWS/Lambda\"", want: "Dashboard: DashboardBody is not JSON"},
		{name: "dashboard without widgets", old: `"widgets": [`, new: `"widget": [`, want: "has no widgets"},
		{name: "dashboard metric without a name", old: `["AWS/SNS", "NumberOfMessagesPublished", "TopicName", "${TextTopic.TopicName}", {"label": "text"}]`, new: `["AWS/SNS"]`, want: "metric"},

		// Functions.
		{name: "unknown BuildMethod", old: "    DependsOn: CollectorFunctionTaskStopped\n    Metadata:\n      BuildMethod: makefile", new: "    DependsOn: CollectorFunctionTaskStopped\n    Metadata:\n      BuildMethod: make", want: `LauncherFunction: BuildMethod "make"`},
		{name: "BuildMethod for Go that the module cannot use", old: "    Type: AWS::Serverless::Function\n    Metadata:\n      BuildMethod: makefile", new: "    Type: AWS::Serverless::Function\n    Metadata:\n      BuildMethod: go1.x", want: `CollectorFunction: BuildMethod "go1.x"`},
		{name: "setting left out", old: "          LOG_LINES: !Ref LogLines\n", new: "          {}\n", want: "CollectorFunction: does not set LOG_LINES"},
		{name: "setting misspelt", old: "SUBNETS: !Ref Subnets", new: "SUBNET: !Ref Subnets", want: "LauncherFunction: sets SUBNET, which nothing reads"},
		{name: "setting of the other function", old: "          LOG_LINES: !Ref LogLines\n", new: "          LOG_LINES: !Ref LogLines\n          CLUSTER: !Ref Cluster\n", want: "CollectorFunction: sets CLUSTER, which nothing reads"},
		{name: "setting of both left out", old: "        TEXT_TOPIC_ARN: !Ref TextTopic\n", new: "", want: "LauncherFunction: does not set TEXT_TOPIC_ARN"},
		{name: "prefix of tasks that the rule does not know", old: "STARTED_BY_PREFIX: !Sub errand/${AWS::StackName}/", new: "STARTED_BY_PREFIX: errand/", want: "STARTED_BY_PREFIX"},
		{name: "setting with a bad value", old: "Default: FARGATE", new: "Default: Fargate", want: "LAUNCH_TYPE"},
		{name: "function without dead letters", old: "      DeadLetterQueue:\n        Type: SQS\n        TargetArn: !GetAtt CollectorDeadLetters.Arn\n", new: "", want: "CollectorFunction: has no DeadLetterQueue"},
		{name: "failed launches that nobody hears of", old: "Destination: !GetAtt CollectorFunction.Arn", new: "Destination: !GetAtt LauncherFunction.Arn", want: "LauncherFunction: its failures must go to CollectorFunction"},
		{name: "setting of the executor left out", old: "          SIGN_SESSIONS: !Ref ExecSignSessions\n", new: "", want: "ExecutorFunction: does not set SIGN_SESSIONS"},
		{name: "setting of the executor with a bad value", old: "SIGN_SESSIONS: !Ref ExecSignSessions", new: "SIGN_SESSIONS: signed", want: "ExecutorFunction: settings (environment variables of the function): SIGN_SESSIONS"},
		{name: "commands that run twice", old: "MaximumRetryAttempts: 0\n        MaximumEventAgeInSeconds: 300", new: "MaximumRetryAttempts: 2\n        MaximumEventAgeInSeconds: 300", want: "ExecutorFunction: a command must not run twice"},
		{name: "commands that run twice by default", old: "        MaximumRetryAttempts: 0\n        MaximumEventAgeInSeconds: 300", new: "        MaximumEventAgeInSeconds: 300", want: "ExecutorFunction: a command must not run twice"},
		{name: "commands that a schedule runs twice", old: "            RetryPolicy:\n              MaximumRetryAttempts: 0\n            DeadLetterConfig", new: "            DeadLetterConfig", want: "CacheClear: a command must not run twice"},
		{name: "commands that run hours late", old: "        MaximumEventAgeInSeconds: 300\n", new: "", want: "ExecutorFunction: a command must not run hours late"},
		{name: "commands that can be sent again", old: "      EventInvokeConfig:\n        MaximumRetryAttempts: 0\n        MaximumEventAgeInSeconds: 300\n", new: "      DeadLetterQueue:\n        Type: SQS\n        TargetArn: !GetAtt LauncherDeadLetters.Arn\n      EventInvokeConfig:\n        MaximumRetryAttempts: 0\n        MaximumEventAgeInSeconds: 300\n", want: "ExecutorFunction: has a DeadLetterQueue"},
		{name: "commands that are cut off", old: "      Timeout: 900\n", new: "      Timeout: 120\n", want: "ExecutorFunction: Timeout 120"},
		{name: "commands that nobody hears of", old: "        MaximumEventAgeInSeconds: 300\n        DestinationConfig:\n          OnFailure:\n            Type: Lambda\n            Destination: !GetAtt CollectorFunction.Arn\n", new: "        MaximumEventAgeInSeconds: 300\n", want: "ExecutorFunction: its failures must go to CollectorFunction"},

		// The ledger and the watchdog.
		{name: "table that goes with the stack", old: "    Type: AWS::DynamoDB::Table\n    DeletionPolicy: RetainExceptOnCreate\n", new: "    Type: AWS::DynamoDB::Table\n    DeletionPolicy: Delete\n", want: "LedgerTable: must outlive the stack"},
		{name: "table that is replaced", old: "    DeletionPolicy: RetainExceptOnCreate\n    UpdateReplacePolicy: Retain\n    Properties:\n      BillingMode", new: "    DeletionPolicy: RetainExceptOnCreate\n    UpdateReplacePolicy: Delete\n    Properties:\n      BillingMode", want: "LedgerTable: must outlive the stack"},
		{name: "table name that collides", old: "      BillingMode: PAY_PER_REQUEST\n", new: "      BillingMode: PAY_PER_REQUEST\n      TableName: errand\n", want: "LedgerTable: TableName is the same in every stack"},
		{name: "table with a capacity", old: "BillingMode: PAY_PER_REQUEST", new: "BillingMode: PROVISIONED", want: "LedgerTable: is not the table of pkg/ledger"},
		{name: "table with another key", old: "{AttributeName: sk, KeyType: RANGE}", new: "{AttributeName: at, KeyType: RANGE}", want: "LedgerTable: is not the table of pkg/ledger"},
		{name: "index with another key", old: "{AttributeName: due, KeyType: RANGE}", new: "{AttributeName: at, KeyType: RANGE}", want: "LedgerTable: is not the table of pkg/ledger"},
		{name: "index with payloads", old: "ProjectionType: KEYS_ONLY", new: "ProjectionType: ALL", want: "LedgerTable: is not the table of pkg/ledger"},
		{name: "index without an attribute", old: "NonKeyAttributes: [verdict, next, task]", new: "NonKeyAttributes: [verdict, task]", want: "LedgerTable: is not the table of pkg/ledger"},
		{name: "attribute of another type", old: "{AttributeName: due, AttributeType: N}", new: "{AttributeName: due, AttributeType: S}", want: "LedgerTable: is not the table of pkg/ledger"},
		{name: "table that forgets nothing", old: "        AttributeName: expires\n", new: "        AttributeName: expire\n", want: "LedgerTable: TimeToLiveSpecification"},
		{name: "functions without the table", old: "        TABLE_NAME: !Ref LedgerTable\n", new: "", want: "WatchdogFunction: does not set TABLE_NAME"},
		{name: "history that is too short", old: "    Default: 90\n", new: "    Default: 14\n", want: "HISTORY_DAYS: 14"},
		{name: "setting of the watchdog left out", old: "          LAUNCHER_NAME: !Ref LauncherFunction\n", new: "", want: "WatchdogFunction: does not set LAUNCHER_NAME"},
		{name: "ticks that Lambda repeats", old: "        MaximumRetryAttempts: 0\n        MaximumEventAgeInSeconds: 60\n", new: "        MaximumEventAgeInSeconds: 60\n", want: "WatchdogFunction: a tick is not to be repeated"},
		{name: "ticks that come late", old: "        MaximumRetryAttempts: 0\n        MaximumEventAgeInSeconds: 60\n", new: "        MaximumRetryAttempts: 0\n", want: "WatchdogFunction: a tick is not to be repeated"},
		{name: "ticks that EventBridge repeats", old: "            RetryPolicy:\n              MaximumRetryAttempts: 0\n              MaximumEventAgeInSeconds: 60\n", new: "", want: "Tick: a tick is not to be repeated"},
		{name: "ticks that are kept", old: "        MaximumRetryAttempts: 0\n        MaximumEventAgeInSeconds: 60\n", new: "        MaximumRetryAttempts: 0\n        MaximumEventAgeInSeconds: 60\n        DestinationConfig:\n          OnFailure:\n            Type: Lambda\n            Destination: !GetAtt CollectorFunction.Arn\n", want: "WatchdogFunction: a tick is not to be repeated"},
		{name: "ticks that overlap", old: "      Timeout: 58\n", new: "      Timeout: 60\n", want: "WatchdogFunction: Timeout 60"},
		{name: "ticks that are seldom", old: "Schedule: rate(1 minute)", new: "Schedule: rate(2 minutes)", want: "Tick: the ledger counts on a tick each minute"},
		{name: "ticks that are off", old: "            Schedule: rate(1 minute)\n", new: "            Schedule: rate(1 minute)\n            Enabled: false\n", want: "Tick: is switched off"},
		{name: "concurrency that is reserved", old: "      Timeout: 58\n", new: "      Timeout: 58\n      ReservedConcurrentExecutions: 1\n", want: "WatchdogFunction: reserves concurrency"},
		{name: "alarm on a misspelt metric", old: "MetricName: OldestDue", new: "MetricName: OldestDues", want: `OldestDueAlarm: no function writes the metric "OldestDues"`},
		{name: "alarm on another stack's metric", old: "        - Name: Stack\n          Value: !Ref AWS::StackName\n", new: "        - Name: Stack\n          Value: errand\n", want: "TicksAlarm: the metrics of this stack"},
		{name: "alarm that silence does not ring", old: "TreatMissingData: breaching", new: "TreatMissingData: notBreaching", want: "TicksAlarm: must ring when nothing comes"},
		{name: "alarm without a page to read", old: `See "When runs are overdue" in`, new: `See "When runs are late" in`, want: `OldestDueAlarm: docs/operations.md has no section "When runs are late"`},
		{name: "dashboard of a misspelt metric", old: `["errand", "Wakes"`, new: `["errand", "Wake"`, want: `Dashboard: no function writes the metric "Wake"`},
		{name: "dashboard of another stack", old: `["errand", "Wakes", "Stack", "${AWS::StackName}"`, new: `["errand", "Wakes", "Stack", "errand"`, want: "Dashboard: the metrics of this stack"},

		// Permissions.
		{name: "misspelt action of ECS", old: "- Sid: RunJobs\n                  Effect: Allow\n                  Action: ecs:RunTask", new: "- Sid: RunJobs\n                  Effect: Allow\n                  Action: ecs:RunTasks", want: `action "ecs:RunTasks"`},
		{name: "misspelt action of Logs", old: "- Sid: ReadSampleLog\n                  Effect: Allow\n                  Action: logs:GetLogEvents", new: "- Sid: ReadSampleLog\n                  Effect: Allow\n                  Action: logs:GetLogEvent", want: `action "logs:GetLogEvent"`},
		{name: "action of a misspelt service", old: "Action: ecs:TagResource", new: "Action: esc:TagResource", want: `action "esc:TagResource"`},
		{name: "action without a service", old: "Action: ecs:TagResource", new: "Action: TagResource", want: `action "TagResource"`},
		{name: "wildcard that matches nothing", old: "Action: ecs:TagResource", new: "Action: ecs:Tags*", want: `action "ecs:Tags*"`},
		{name: "every action of a service", old: "Action: ecs:TagResource", new: "Action: ecs:*", want: `action "ecs:*" allows all`},
		{name: "every action", old: "Action: ecs:TagResource", new: `Action: "*"`, want: `action "*"`},
		{name: "statement without a Sid", old: "- Sid: ReadServices\n                  Effect", new: "- Effect", want: "has a statement without Sid"},
		{name: "Sid twice in one policy", old: "- Sid: RunSample\n", new: "- Sid: RunJobs\n", want: "RunJobs is the Sid of two statements"},
		{name: "publishing to any topic", old: "- Sid: PublishResults\n                Effect: Allow\n                Action: sns:Publish\n                Resource:\n                  - !Ref ResultTopic\n                  - !Ref TextTopic", new: "- Sid: PublishResults\n                Effect: Allow\n                Action: sns:Publish\n                Resource: \"*\"", want: `PublishResults: allows sns:Publish on "*"`},
		{name: "passing roles to any service", old: "                  Resource: !Split [\",\", !Ref TaskRoleArns]\n                  Condition:\n                    StringEquals:\n                      iam:PassedToService: ecs-tasks.amazonaws.com\n", new: "                  Resource: !Split [\",\", !Ref TaskRoleArns]\n", want: "PassTaskRoles: passes roles to any service"},
		{name: "running tasks on any cluster", old: "                  Condition:\n                    ArnEquals:\n                      ecs:cluster: !GetAtt SampleCluster.Arn\n", new: "", want: "RunSample: runs tasks on any cluster"},
		{name: "commands on any cluster", old: "                  - !Sub arn:${AWS::Partition}:ecs:${AWS::Region}:${AWS::AccountId}:task/${Cluster}/*\n                Condition:\n                  ArnEquals:\n                    ecs:cluster: !Sub arn:${AWS::Partition}:ecs:${AWS::Region}:${AWS::AccountId}:cluster/${Cluster}\n", new: "                  - !Sub arn:${AWS::Partition}:ecs:${AWS::Region}:${AWS::AccountId}:task/${Cluster}/*\n", want: "RunCommands: runs commands on any cluster"},
		{name: "tasks of any cluster", old: "                Resource: \"*\"\n                Condition:\n                  ArnEquals:\n                    ecs:cluster: !Sub arn:${AWS::Partition}:ecs:${AWS::Region}:${AWS::AccountId}:cluster/${Cluster}\n", new: "                Resource: \"*\"\n", want: "FindTasks: lists tasks on any cluster"},
		{name: "ending any session", old: "- Sid: EndSessions\n                Effect: Allow\n                Action: ssm:TerminateSession\n                Resource: !Sub arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:session/ecs-execute-command-*", new: "- Sid: EndSessions\n                Effect: Allow\n                Action: ssm:TerminateSession\n                Resource: \"*\"", want: `EndSessions: allows ssm:TerminateSession on "*"`},
		{name: "misspelt action of the gateway", old: "ssmmessages:OpenDataChannel", new: "ssmmessages:OpenDatachannel", want: `action "ssmmessages:OpenDatachannel"`},
		{name: "any item of any table", old: "                Resource: !Sub ${LedgerTable.Arn}/index/open\n", new: "                Resource: \"*\"\n", want: `FindWhatIsDue: allows dynamodb:Query on "*"`},
		{name: "policy for people that collides", old: "    Type: AWS::IAM::ManagedPolicy\n    Properties:\n", new: "    Type: AWS::IAM::ManagedPolicy\n    Properties:\n      ManagedPolicyName: errand-reader\n", want: "ReaderPolicy: ManagedPolicyName is the same in every stack"},
		{name: "role that SAM makes", old: "      Role: !GetAtt CollectorRole.Arn\n", new: "", want: "CollectorFunction: has no Role"},

		// Names.
		{name: "function name that collides", old: "      Description: Starts one ECS task for each job payload.\n", new: "      Description: Starts one ECS task for each job payload.\n      FunctionName: launcher\n", want: "LauncherFunction: FunctionName is the same in every stack"},
		{name: "topic name that collides", old: "      DisplayName: errand results\n", new: "      DisplayName: errand results\n      TopicName: !Sub errand-${AWS::Region}\n", want: "ResultTopic: TopicName is the same in every stack"},
		{name: "family that collides", old: "Family: !Sub ${AWS::StackName}-sample", new: "Family: errand-sample", want: "SampleTaskDefinition: Family is the same in every stack"},
		{name: "dashboard that collides", old: "DashboardName: !Sub ${AWS::StackName}-${AWS::Region}", new: "DashboardName: errand", want: "Dashboard: DashboardName is the same in every stack"},
		{name: "schedule name that collides", old: "            OmitName: true\n            GroupName: !Ref ScheduleGroup\n            RoleArn: !GetAtt ScheduleRole.Arn\n            DeadLetterConfig:\n              Arn: !GetAtt ScheduleDeadLetters.Arn\n\n", new: "            Name: sample\n            GroupName: default\n            RoleArn: !GetAtt ScheduleRole.Arn\n            DeadLetterConfig:\n              Arn: !GetAtt ScheduleDeadLetters.Arn\n\n", want: "Sample: Name is the same in every stack"},
		{name: "export that collides", old: "    Description: Topic with the results as JSON, for programs.\n", new: "    Description: Topic with the results as JSON, for programs.\n    Export: {Name: errand-results}\n", want: "ResultTopicArn: Export is the same in every stack"},
		{name: "log group that collides", old: "    Condition: WithSample\n    DeletionPolicy: Delete\n    UpdateReplacePolicy: Delete\n    Properties:\n", new: "    Condition: WithSample\n    DeletionPolicy: Delete\n    UpdateReplacePolicy: Delete\n    Properties:\n      LogGroupName: /ecs/sample\n", want: "SampleLogs: LogGroupName is the same in every stack"},

		// Operation.
		{name: "topic in clear", old: "      DisplayName: errand\n      KmsMasterKeyId: !Ref TopicKey\n", new: "      DisplayName: errand\n", want: "TextTopic: is not encrypted"},
		{name: "alarm topic under the key that alarms cannot use", old: "      DisplayName: errand alarms\n      KmsMasterKeyId: !Ref TopicKey\n", new: "      DisplayName: errand alarms\n      KmsMasterKeyId: alias/aws/sns\n", want: "AlarmTopic: is not encrypted with TopicKey"},
		{name: "topic without TLS", old: "        - !Ref ResultTopic\n        - !Ref TextTopic\n      PolicyDocument", new: "        - !Ref ResultTopic\n      PolicyDocument", want: "TextTopic: no policy refuses connections without TLS"},
		{name: "queue without TLS", old: "        - !Ref ScheduleDeadLetters\n        - !Ref LauncherDeadLetters\n", new: "        - !Ref ScheduleDeadLetters\n", want: "LauncherDeadLetters: no policy refuses connections without TLS"},
		{name: "queue without an alarm", old: "          Value: !GetAtt RuleDeadLetters.QueueName\n", new: "          Value: !GetAtt ScheduleDeadLetters.QueueName\n", want: "RuleDeadLetters: has no alarm"},
		{name: "function without an alarm", old: "          Value: !Ref CollectorFunction\n      Statistic: Sum", new: "          Value: !Ref LauncherFunction\n      Statistic: Sum", want: "CollectorFunction: has no alarm"},
		{name: "log that is kept for ever", old: "    Condition: WithSample\n    DeletionPolicy: Delete\n    UpdateReplacePolicy: Delete\n    Properties:\n      RetentionInDays: !Ref LogRetentionDays\n", new: "    Condition: WithSample\n    DeletionPolicy: Delete\n    UpdateReplacePolicy: Delete\n", want: "SampleLogs: has no RetentionInDays"},
	} {
		t.Run(mistake.name, func(t *testing.T) {
			t.Parallel()
			if !strings.Contains(template, mistake.old) {
				t.Fatalf("the template does not have %q: the mistake cannot be made", mistake.old)
			}
			findings := check(t, strings.Replace(template, mistake.old, mistake.new, 1))
			if !slices.ContainsFunc(findings, func(f string) bool { return strings.Contains(f, mistake.want) }) {
				t.Errorf("not caught; want a finding with %q, got:\n%s", mistake.want, strings.Join(findings, "\n"))
			}
		})
	}
}

func TestScheduleExpressions(t *testing.T) {
	t.Parallel()
	for _, good := range []string{
		"cron(0 2 * * ? *)",
		"cron(0/15 8-18 ? * MON-FRI *)",
		"cron(0,30 0 1,15 JAN,JUL ? 2026-2030)",
		"cron(0 9 L * ? *)",
		"cron(0 9 LW * ? *)",
		"cron(0 9 15W * ? *)",
		"cron(0 9 ? * 6L *)",
		"cron(0 9 ? * FRI#2 *)",
		"rate(1 hour)",
		"rate(5 minutes)",
		"at(2026-11-20T02:00:00)",
	} {
		if problem := expressionProblem(good); problem != "" {
			t.Errorf("%s: %s", good, problem)
		}
	}
}

func TestRules(t *testing.T) {
	t.Parallel()
	root := parse(t, readTemplate(t))
	for _, deployment := range []struct {
		name       string
		parameters map[string]string
		want       []string // the beginnings of what the user is told
	}{
		{name: "the sample with subnets", parameters: deployments[0]},
		{name: "own jobs", parameters: deployments[1]},
		{name: "own jobs and the sample", parameters: deployments[2]},
		{name: "commands in live tasks alone", parameters: deployments[3]},
		{
			name:       "own jobs that bring their network",
			parameters: map[string]string{"CreateSample": "false", "Cluster": "jobs", "TaskFamilies": "billing"},
		},
		{name: "nothing given", want: []string{"The sample runs on Fargate."}},
		{
			name:       "neither sample nor cluster",
			parameters: map[string]string{"CreateSample": "false"},
			want:       []string{"Without the sample there is no cluster to run on."},
		},
		{
			name:       "a cluster and nothing to run on it",
			parameters: map[string]string{"CreateSample": "false", "Cluster": "jobs"},
			want:       []string{"Nothing may be started on Cluster yet."},
		},
		{
			name:       "an import without a task definition",
			parameters: map[string]string{"Subnets": "subnet-0aa11bb22cc33dd44", "ImportBucket": "example-uploads"},
			want:       []string{"The job of ImportBucket runs on the default task definition."},
		},
		{
			name:       "commands in the tasks of the sample",
			parameters: map[string]string{"Subnets": "subnet-0aa11bb22cc33dd44", "EnableExec": "true"},
			want:       []string{"The sample has no task that stays."},
		},
	} {
		t.Run(deployment.name, func(t *testing.T) {
			t.Parallel()
			got := deploy(root, deployment.parameters).refusals()
			if !slices.EqualFunc(got, deployment.want, strings.HasPrefix) {
				t.Errorf("refusals: got %q, want %q", got, deployment.want)
			}
		})
	}
}

// TestPermissions reads the lists of ARNs that the template makes of parameters.
func TestPermissions(t *testing.T) {
	t.Parallel()
	got := map[string][]string{}
	for _, resource := range deploy(parse(t, readTemplate(t)), deployments[1]).resources() {
		for statement := range statements(resource) {
			switch sid := text(statement, "Sid"); sid {
			case "RunJobs", "PassTaskRoles", "ReadJobLogs", "SearchJobLogs", "RunSample", "PassSampleRoles", "ReadSampleLog":
				got[sid] = values(get(statement, "Resource"))
			}
		}
	}
	want := map[string][]string{
		"RunJobs":       {"arn:*:ecs:*:*:task-definition/billing:*", "arn:*:ecs:*:*:task-definition/reports:*"},
		"PassTaskRoles": {"arn:aws:iam::123456789012:role/billing-task", "arn:aws:iam::123456789012:role/billing-execution"},
		"ReadJobLogs":   {"arn:*:logs:*:*:log-group:/ecs/billing:log-stream:*", "arn:*:logs:*:*:log-group:/ecs/reports:log-stream:*"},
		"SearchJobLogs": {"arn:*:logs:*:*:log-group:/ecs/billing:*", "arn:*:logs:*:*:log-group:/ecs/reports:*"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("resources by Sid (-want +got):\n%s", diff)
	}
}

// asShipped undoes what the template's comments ask its users to change in the
// example schedule, so that the mistakes can be made in theirs as well.
func asShipped(template string) string {
	for _, example := range []struct{ now, shipped string }{
		{`State: (?:ENABLED|DISABLED)`, "State: DISABLED"},
		{`ScheduleExpression: cron\([^)]*\)`, "ScheduleExpression: cron(0 2 * * ? *)"},
		{`ScheduleExpressionTimezone: \S+`, "ScheduleExpressionTimezone: Europe/Berlin"},
	} {
		if at := regexp.MustCompile(example.now).FindStringIndex(template); at != nil {
			template = template[:at[0]] + example.shipped + template[at[1]:]
		}
	}
	return template
}

func readTemplate(t *testing.T) string {
	t.Helper()
	raw, err := os.ReadFile(top + "template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func parse(t *testing.T, template string) *yaml.Node {
	t.Helper()
	var document yaml.Node
	if err := yaml.Unmarshal([]byte(template), &document); err != nil {
		t.Fatal(err)
	}
	return document.Content[0]
}
