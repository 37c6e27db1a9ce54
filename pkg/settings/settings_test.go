package settings_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"errand/pkg/settings"
)

const topic = "arn:aws:sns:eu-west-1:123456789012:results"

func TestLoad(t *testing.T) {
	t.Parallel()
	got, err := settings.Load[settings.Launcher]([]string{
		"STARTED_BY_PREFIX=errand/jobs/", "TABLE_NAME=ledger", "TOPIC_ARN=" + topic, "CLUSTER=jobs", "SUBNETS=subnet-1,subnet-2",
		"SECURITY_GROUPS=", "ASSIGN_PUBLIC_IP=", "LAUNCH_TYPE=", "TEXT_TOPIC_ARN=", "PATH=/bin",
	})
	if err != nil {
		t.Fatal(err)
	}
	want := settings.Launcher{
		Common:  settings.Common{StartedByPrefix: "errand/jobs/", TopicARN: topic, TableName: "ledger", HistoryDays: 90},
		Cluster: "jobs", Subnets: []string{"subnet-1", "subnet-2"}, AssignPublicIP: "DISABLED", LaunchType: "FARGATE",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("launcher (-want +got):\n%s", diff)
	}
	collector, err := settings.Load[settings.Collector]([]string{"STARTED_BY_PREFIX=errand/jobs/", "TABLE_NAME=ledger", "TOPIC_ARN=" + topic, "LOG_LINES=0", "HISTORY_DAYS=400"})
	if err != nil || collector.LogLines != 0 || collector.HistoryDays != 400 {
		t.Errorf("LOG_LINES=0, HISTORY_DAYS=400 give %d, %d, %v", collector.LogLines, collector.HistoryDays, err)
	}
	if collector, err = settings.Load[settings.Collector]([]string{"STARTED_BY_PREFIX=errand/jobs/", "TABLE_NAME=ledger", "TOPIC_ARN=" + topic, "LOG_LINES=", "HISTORY_DAYS="}); err != nil || collector.LogLines != 50 || collector.HistoryDays != 90 {
		t.Errorf("LOG_LINES empty gives %d, %v", collector.LogLines, err)
	}
	for value, want := range map[string]bool{"": true, "true": true, "1": true, "false": false} {
		executor, err := settings.Load[settings.Executor]([]string{"STARTED_BY_PREFIX=errand/jobs/", "TABLE_NAME=ledger", "TOPIC_ARN=" + topic, "CLUSTER=jobs", "SIGN_SESSIONS=" + value})
		if err != nil || executor.SignSessions != want {
			t.Errorf("SIGN_SESSIONS=%s gives %t, %v", value, executor.SignSessions, err)
		}
	}
}

func TestEveryProblemInOneMessage(t *testing.T) {
	t.Parallel()
	_, err := settings.Load[settings.Launcher]([]string{"TOPIC_ARN=", "TEXT_TOPIC_ARN=results", "LAUNCH_TYPE=SPOT", "ASSIGN_PUBLIC_IP=yes", "STARTED_BY_PREFIX=errand:jobs", "SUBNETS=subnet-1, subnet-2,", "OVERRIDE_TASK_ROLE_ARNS=arn:aws:iam::123456789012:role/jobs/billing,billing"})
	expect(t, err, "CLUSTER", "TOPIC_ARN", "TABLE_NAME: must be set", `TEXT_TOPIC_ARN: "results" is not the ARN`, `LAUNCH_TYPE: "SPOT"`, `ASSIGN_PUBLIC_IP: "yes"`, `STARTED_BY_PREFIX: "errand:jobs"`, `SUBNETS: " subnet-2"`, `SUBNETS: ""`, `OVERRIDE_TASK_ROLE_ARNS: "billing" is not the ARN of an IAM role`)
	_, err = settings.Load[settings.Collector]([]string{"STARTED_BY_PREFIX=errand/jobs", "TOPIC_ARN=" + topic + ".fifo"})
	expect(t, err, "STARTED_BY_PREFIX", "end with a /", "standard SNS topic")
	_, err = settings.Load[settings.Collector]([]string{"LOG_LINES=1001"})
	expect(t, err, "STARTED_BY_PREFIX", "TOPIC_ARN", "LOG_LINES: 1001 is not from 0 to 1000")
	_, err = settings.Load[settings.Collector]([]string{"STARTED_BY_PREFIX=errand/jobs/", "TABLE_NAME=ledger", "TOPIC_ARN=" + topic, "LOG_LINES=many"})
	expect(t, err, `LOG_LINES: "many" must be a value of type int`)
	_, err = settings.Load[settings.Executor]([]string{"STARTED_BY_PREFIX=errand/jobs/", "TABLE_NAME=ledger", "TOPIC_ARN=" + topic, "SIGN_SESSIONS=on"})
	expect(t, err, "CLUSTER: must be set", `SIGN_SESSIONS: "on" must be a value of type bool`)
}

func expect(t *testing.T, err error, want ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	t.Log(err)
	for _, w := range want {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q is not in: %v", w, err)
		}
	}
}

func TestForms(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 126)
	for prefix, ok := range map[string]bool{
		"a/": true, "errand/jobs/": true, "-_Z9/": true, "a//": true, long + "/": true,
		"/": false, "a": false, "a /": false, "a:b/": false, "é/": false, "a/\n": false, long + "a/": false,
	} {
		if problem := problemsOf("STARTED_BY_PREFIX", prefix); ok != (problem == "") {
			t.Errorf("%q: %q", prefix, problem)
		}
	}
	for arn, ok := range map[string]bool{
		topic: true, "arn:aws-cn:sns:cn-north-1:123456789012:A_b-9": true,
		topic + ".fifo": false, topic + "\n": false, topic + ":subscription": false, "x" + topic: false,
		"arn:aws:sns:eu-west-1:123456789012:": false, "arn:aws:sns::123456789012:results": false,
		"arn:aws:sqs:eu-west-1:123456789012:results": false, "arn:AWS:sns:eu-west-1:123456789012:results": false,
		"arn:aws:sns:eu-west-1:12345678901:results": false, "arn:aws:sns:eu-west-1:12345678901a:results": false,
	} {
		if problem := problemsOf("TEXT_TOPIC_ARN", arn); ok != (problem == "") {
			t.Errorf("%q: %q", arn, problem)
		}
	}
}

// problemsOf is what is wrong if one variable of good settings has this value.
func problemsOf(name, value string) string {
	environ := []string{"STARTED_BY_PREFIX=errand/jobs/", "TABLE_NAME=ledger", "TOPIC_ARN=" + topic, name + "=" + value}
	if _, err := settings.Load[settings.Collector](environ); err != nil {
		return err.Error()
	}
	return ""
}
