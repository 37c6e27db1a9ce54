package console_test

import (
	"net/url"
	"strings"
	"testing"

	"errand/pkg/console"
)

const id = "7b3a9c51e0f24d7f9a6d0c2e8b41f5d3"

func TestLog(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, partition, region, group, stream, want string }{
		{
			"a stream", "aws", "eu-west-1", "/ecs/billing", "ecs/app/7b3a",
			"https://eu-west-1.console.aws.amazon.com/cloudwatch/home?region=eu-west-1#logsV2:log-groups/log-group/$252Fecs$252Fbilling/log-events/ecs$252Fapp$252F7b3a",
		},
		{
			"only the group", "aws", "eu-west-1", "/ecs/billing", "",
			"https://eu-west-1.console.aws.amazon.com/cloudwatch/home?region=eu-west-1#logsV2:log-groups/log-group/$252Fecs$252Fbilling",
		},
		{
			"odd characters", "", "eu-west-1", "a#b", "c d[$LATEST]/ü",
			"https://eu-west-1.console.aws.amazon.com/cloudwatch/home?region=eu-west-1#logsV2:log-groups/log-group/a$2523b/log-events/c$2520d$255B$2524LATEST$255D$252F$25C3$25BC",
		},
		{"no group", "aws", "eu-west-1", "", "s", ""},
		{"no Region", "aws", "", "g", "s", ""},
		{"a Region that is none", "aws", "evil.example/?", "g", "s", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := console.Log(tt.partition, tt.region, tt.group, tt.stream); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestHosts(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ partition, region, want string }{
		{"aws", "us-east-1", "us-east-1.console.aws.amazon.com"},
		{"", "mx-central-1", "mx-central-1.console.aws.amazon.com"},
		{"aws-cn", "cn-north-1", "cn-north-1.console.amazonaws.cn"},
		{"", "cn-northwest-1", "cn-northwest-1.console.amazonaws.cn"},
		{"aws-us-gov", "us-gov-west-1", "us-gov-west-1.console.amazonaws-us-gov.com"},
		{"aws-us-gov", "us-gov-east-1", "us-gov-east-1.console.amazonaws-us-gov.com"},
		{"aws-eusc", "eusc-de-east-1", "eusc-de-east-1.console.amazonaws-eusc.eu"},
		{"aws", "eusc-de-east-1", "eusc-de-east-1.console.amazonaws-eusc.eu"}, // an ARN that is copied wrongly
		{"aws-eusc", "de-east-2", "de-east-2.console.amazonaws-eusc.eu"},
		{"aws-iso", "us-iso-east-1", ""},
		{"", "us-isob-east-1", ""},
		{"aws-iso-e", "eu-isoe-west-1", ""},
		{"", "us-isof-south-1", ""},
		{"aws-new", "xx-north-1", ""},
	} {
		for what, link := range map[string]string{
			"log":  console.Log(tt.partition, tt.region, "g", "s"),
			"task": console.Task("arn:"+tt.partition+":ecs:"+tt.region+":123456789012:task/jobs/"+id, ""),
		} {
			got := ""
			if link != "" {
				u, err := url.Parse(link)
				if err != nil || u.Scheme != "https" {
					t.Fatalf("%s: %v", link, err)
				}
				got = u.Host
			}
			if got != tt.want {
				t.Errorf("%s of %s in %s: got %q, want %q", what, tt.partition, tt.region, got, tt.want)
			}
		}
	}
}

func TestTask(t *testing.T) {
	t.Parallel()
	const page = "https://eu-west-1.console.aws.amazon.com/ecs/v2/clusters/jobs/tasks/" + id + "/configuration?region=eu-west-1"
	for _, tt := range []struct{ name, arn, cluster, want string }{
		{"an ARN", "arn:aws:ecs:eu-west-1:123456789012:task/jobs/" + id, "", page},
		{"an ARN and another cluster", "arn:aws:ecs:eu-west-1:123456789012:task/jobs/" + id, "other", page},
		{"an old ARN and the cluster's", "arn:aws:ecs:eu-west-1:123456789012:task/" + id, "arn:aws:ecs:eu-west-1:123456789012:cluster/jobs", page},
		{"an old ARN and the cluster's name", "arn:aws:ecs:eu-west-1:123456789012:task/" + id, "jobs", page},
		{"an old ARN alone", "arn:aws:ecs:eu-west-1:123456789012:task/" + id, "", ""},
		{"an id alone", id, "jobs", ""},
		{"nothing", "", "", ""},
		{"another resource", "arn:aws:ecs:eu-west-1:123456789012:service/jobs/" + id, "", ""},
		{"another service", "arn:aws:s3:eu-west-1:123456789012:task/jobs/" + id, "", ""},
		{"more parts", "arn:aws:ecs:eu-west-1:123456789012:task/jobs/a/" + id, "", ""},
		{"what does not belong into a link", "arn:aws:ecs:eu-west-1:123456789012:task/jobs/a?b#c", "", ""},
		{"an id that was cut", "arn:aws:ecs:eu-west-1:123456789012:task/jobs/" + strings.Repeat("a", 300), "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := console.Task(tt.arn, tt.cluster); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}
