package awserr

import (
	"regexp"
	"strings"
)

// Passes says whether the text of a refusal tells of something that passes by
// itself. AWS has codes for that; but where one service calls another, the code is
// the first one's and only the text is the second one's, and a quota that is full for
// now has no code of its own. This is the one place that reads such texts, for codes
// that are final otherwise. The table of its test has the texts and their sources.
func Passes(text string) bool {
	text = strings.ToLower(strings.Join(strings.Fields(text), " "))
	for _, known := range passing {
		if strings.Contains(text, known) {
			return true
		}
	}
	for _, m := range wrapped.FindAllStringSubmatch(text, -1) {
		if m[2] == "429" || strings.HasPrefix(m[2], "5") {
			return true
		}
		for _, known := range passingCodes {
			if strings.Contains(m[1]+m[3], known) {
				return true
			}
		}
	}
	return false
}

// passing are phrases, in lower case. Each has a space in it, so that no name of a
// resource in a text can be taken for one, and none is what a wrong parameter is
// told by: "Specify a valid capacity provider and try again" is final.
var passing = []string{
	// Calls, https://docs.aws.amazon.com/ec2/latest/devguide/errors-overview.html
	// and https://github.com/dagster-io/dagster/issues/33439.
	"rate exceeded", "request limit exceeded", "too many requests", "too many concurrent", "your request rate", "was throttled", "been throttled",
	// Faults of the other service, https://github.com/reproio/wrapbox/issues/43.
	"internal error", "internal failure", "internal server error", "internal service error",
	"service unavailable", "service is unavailable", "temporarily unavailable", "currently unavailable", "temporary failure", "is overloaded",
	// No answer of the other service.
	"timed out", "connect timeout", "connection timeout", "deadline exceeded", "unable to execute http request", "connection reset", "connection refused",
	"try again later", "retry your request",
	// Room: https://github.com/aws/aws-sdk-ruby/issues/3047 and
	// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-event-messages-list.html.
	"provisioning capacity limit exceeded", "in provisioning state", "in the provisioning state", "capacity is unavailable", "insufficient capacity",
	"you can run concurrently", "is above your limit",
}

// wrapped finds the code or the HTTP status of the other service's answer, as in
// "(ErrorCode: Throttling)", "(Service: AmazonEC2; Status Code: 503; Error Code: …" and
// "ThrottlingException: …".
var wrapped = regexp.MustCompile(`\b(?:error ?)?code[:=] ?"?([\w.]+)|\bstatus ?code: ?(\d{3})\b|\b([\w.]+exception)\b`)

// passingCodes are parts of codes, in lower case: EC2's are on
// https://docs.aws.amazon.com/ec2/latest/devguide/errors-overview.html.
var passingCodes = []string{
	"throttl", "requestlimitexceeded", "bandwidthlimitexceeded", "toomanyrequests", "slowdown",
	"internalerror", "internalfailure", "internalserver", "internalservice", "serverinternal", "unavailable", "timeout",
	"throughputexceeded", "priorrequestnotcomplete",
	"insufficientcapacity", "insufficientinstancecapacity", "insufficienthostcapacity", "insufficientaddresscapacity", "insufficientfreeaddresses",
	"networkinterfacelimitexceeded", "instancelimitexceeded", "vcpulimitexceeded",
}
