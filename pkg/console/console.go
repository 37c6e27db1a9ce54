// Package console links to the AWS console: the right host in every partition, and
// no link where it is not known.
package console

import (
	"net/url"
	"regexp"
	"strings"
)

// host is the console's address for a Region, and "" where that is not known: a
// link to the wrong place is worse than none. The Region's name says its partition;
// where it is like any other, the partition of an ARN does, if there is one.
//
// Sources: https://docs.aws.amazon.com/general/latest/gr/mgmt-console.html,
// https://docs.amazonaws.cn/en_us/aws/latest/userguide/endpoints-arns.html,
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/retrieve-ecs-optimized_AMI.html
// (its links into GovCloud) and https://docs.aws.eu (the European Sovereign Cloud).
func host(partition, region string) string {
	if !name.MatchString(region) {
		return ""
	}
	switch start, rest, _ := strings.Cut(region, "-"); {
	case start == "cn":
		partition = "aws-cn"
	case start == "eusc":
		partition = "aws-eusc"
	case strings.HasPrefix(rest, "gov-"):
		partition = "aws-us-gov"
	case strings.HasPrefix(rest, "iso"): // us-iso-east-1, eu-isoe-west-1: their hosts are not public
		return ""
	}
	switch partition {
	case "aws", "":
		return region + ".console.aws.amazon.com"
	case "aws-cn":
		return region + ".console.amazonaws.cn"
	case "aws-us-gov":
		return region + ".console.amazonaws-us-gov.com"
	case "aws-eusc":
		return region + ".console.amazonaws-eusc.eu"
	}
	return ""
}

// name is what a Region, a cluster and a task's id may be. Anything else is not put
// into a link.
var name = regexp.MustCompile(`^[0-9A-Za-z_-]{1,255}$`)

// Task links to a task by its ARN, and is "" where it cannot. cluster, a name or an
// ARN, is for ARNs from before 2018, which do not name theirs.
func Task(arn, cluster string) string {
	// arn:partition:ecs:region:account:task/cluster/id
	parts := strings.Split(arn, ":")
	if len(parts) != 6 || parts[0] != "arn" || parts[2] != "ecs" {
		return ""
	}
	path := strings.Split(parts[5], "/")
	if len(path) == 3 {
		cluster = path[1]
	}
	cluster, id := cluster[strings.LastIndexByte(cluster, '/')+1:], path[len(path)-1]
	at := host(parts[1], parts[3])
	if at == "" || path[0] != "task" || len(path) < 2 || len(path) > 3 || !name.MatchString(cluster) || !name.MatchString(id) {
		return ""
	}
	return "https://" + at + "/ecs/v2/clusters/" + cluster + "/tasks/" + id + "/configuration?region=" + parts[3]
}

// Log links to a log stream, or to the group if the stream is "", and is "" where it
// cannot. The partition may be "".
func Log(partition, region, group, stream string) string {
	at := host(partition, region)
	if at == "" || group == "" {
		return ""
	}
	link := "https://" + at + "/cloudwatch/home?region=" + region + "#logsV2:log-groups/log-group/" + twice(group)
	if stream != "" {
		link += "/log-events/" + twice(stream)
	}
	return link
}

// twice encodes a name as the page of logs wants it: twice, with $ for %.
func twice(name string) string {
	once := strings.ReplaceAll(url.QueryEscape(name), "+", "%20")
	return strings.ReplaceAll(url.QueryEscape(once), "%", "$")
}
