package result_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"errand/pkg/result"
)

func TestLocate(t *testing.T) {
	t.Parallel()
	const (
		task  = "arn:aws:ecs:eu-west-1:123456789012:task/jobs/7b3a"
		group = "https://eu-west-1.console.aws.amazon.com/cloudwatch/home?region=eu-west-1#logsV2:log-groups/log-group/g"
	)
	for _, tt := range []struct {
		name, driver string
		options      map[string]string
		task, id     string
		want         result.Log
	}{
		{
			"a prefix", "awslogs",
			map[string]string{"awslogs-group": "g", "awslogs-region": "eu-west-1", "awslogs-stream-prefix": "ecs"},
			task, "id",
			result.Log{Group: "g", Stream: "ecs/app/7b3a", Region: "eu-west-1", URL: group + "/log-events/ecs$252Fapp$252F7b3a"},
		},
		{
			"no prefix", "awslogs",
			map[string]string{"awslogs-group": "g"},
			task, "id",
			result.Log{Group: "g", Stream: "id", Region: "eu-west-1", URL: group + "/log-events/id"},
		},
		{
			"neither prefix nor id", "awslogs",
			map[string]string{"awslogs-group": "g"},
			task, "",
			result.Log{
				Status: result.LogMissing, Note: "neither awslogs-stream-prefix nor the container's runtime id tells the stream",
				Group: "g", Region: "eu-west-1", URL: group,
			},
		},
		{
			"no group", "awslogs",
			map[string]string{"awslogs-stream-prefix": "ecs"},
			task, "",
			result.Log{Status: result.LogMissing, Note: "the log configuration has no awslogs-group", Stream: "ecs/app/7b3a", Region: "eu-west-1"},
		},
		{
			"another Region", "awslogs",
			map[string]string{"awslogs-group": "g", "awslogs-region": "cn-north-1"},
			"arn:aws-cn:ecs:cn-northwest-1:123456789012:task/jobs/7b3a", "id",
			result.Log{
				Group: "g", Stream: "id", Region: "cn-north-1",
				URL: "https://cn-north-1.console.amazonaws.cn/cloudwatch/home?region=cn-north-1#logsV2:log-groups/log-group/g/log-events/id",
			},
		},
		{"a Region that nobody can link to", "awslogs", map[string]string{"awslogs-group": "g"}, "arn:aws-iso:ecs:us-iso-east-1:123456789012:task/jobs/7b3a", "id", result.Log{Group: "g", Stream: "id", Region: "us-iso-east-1"}},
		{"FireLens", "awsfirelens", map[string]string{"awslogs-group": "g"}, task, "id", result.Log{Status: result.LogUnsupported, Note: "awsfirelens"}},
		{"no driver", "", nil, task, "id", result.Log{Status: result.LogUnsupported, Note: "none"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, result.Locate(tt.driver, tt.options, "app", tt.task, tt.id)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// What people read of a log that errand cannot read is true of its driver.
func TestDrivers(t *testing.T) {
	t.Parallel()
	for driver, want := range map[string]string{
		"awsfirelens": "Errand cannot tell where the log is: the container's log driver is awsfirelens, whose own configuration says where it sends it.\n",
		"fluentd":     "Errand cannot tell where the log is: the container's log driver is fluentd, whose own configuration says where it sends it.\n",
		"syslog":      "Errand cannot tell where the log is: the container's log driver is syslog, whose own configuration says where it sends it.\n",
		"json-file":   "The log is not in CloudWatch Logs: the container's log driver is json-file, not awslogs.\n",
		"splunk":      "The log is not in CloudWatch Logs: the container's log driver is splunk, not awslogs.\n",
		"none":        "There is no log in CloudWatch Logs: the container has no log driver.\n",
	} {
		r := result.Result{Log: &result.Log{Status: result.LogUnsupported, Note: driver}}
		if got := r.Text(1 << 18); !cmp.Equal("✗ \n\n"+want, got) {
			t.Errorf("%s: got %q", driver, got)
		}
	}
}

func TestTaskURL(t *testing.T) {
	t.Parallel()
	r := result.Result{TaskARN: "arn:aws-us-gov:ecs:us-gov-west-1:123456789012:task/7b3a", Place: result.Place{Cluster: "jobs"}}
	const want = "https://us-gov-west-1.console.amazonaws-us-gov.com/ecs/v2/clusters/jobs/tasks/7b3a/configuration?region=us-gov-west-1"
	if diff := cmp.Diff(`{"schema":"errand/result/v1","subject":" (no job name): ","method":"","status":"","outcome":"failure","severity":"error","willRetry":false,"cluster":"jobs","taskArn":"`+
		r.TaskARN+`","taskUrl":"`+want+`"}`, string(r.JSON(1<<18))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff("✗ \n\nTask        "+want+"\nCluster     jobs\n", r.Text(1<<18)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
