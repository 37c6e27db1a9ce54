package run

import "strings"

// LastPart is the name at the end of an ARN, as in …:cluster/NAME,
// …:task/CLUSTER/ID and …:task-definition/FAMILY:REVISION, or a plain name as it
// is. Old ARNs of tasks and services have no cluster in them.
func LastPart(arn string) string { return arn[strings.LastIndex(arn, "/")+1:] }

// ARN is the parts of an ARN that names are made of and links need.
type ARN struct{ Partition, Service, Region, Account, Resource string }

// ParseARN cuts an ARN up, and is false for a plain name.
func ParseARN(text string) (ARN, bool) {
	p := strings.SplitN(text, ":", 6)
	if len(p) != 6 || p[0] != "arn" || p[2] == "" || p[5] == "" {
		return ARN{}, false
	}
	return ARN{Partition: p[1], Service: p[2], Region: p[3], Account: p[4], Resource: p[5]}, true
}

func (a ARN) String() string {
	return strings.Join([]string{"arn", a.Partition, a.Service, a.Region, a.Account, a.Resource}, ":")
}

// ClusterOf is the cluster's name in the ARN of a service or task, "" for a
// plain name and for an old ARN.
func ClusterOf(arn string) string {
	a, ok := ParseARN(arn)
	parts := strings.Split(a.Resource, "/")
	if !ok || len(parts) != 3 {
		return ""
	}
	return parts[1]
}
