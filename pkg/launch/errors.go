package launch

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/smithy-go"

	"errand/pkg/awserr"
	"errand/pkg/payload"
	"errand/pkg/report"
	"errand/pkg/run"
)

// rejection is a payload that does not fit what is in ECS.
type rejection string

func (r rejection) Error() string { return string(r) }

// placementError is a RunTask answer of 200 without a task, with a failure for
// each place that ECS tried
// (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/api_failures_messages.html).
type placementError []types.Failure

func (e placementError) Error() string {
	text := "ECS could not place the task: " + e.reasons()
	if what := hint(text); what != "" {
		return strings.TrimSuffix(text, ".") + what
	}
	return text
}

func (e placementError) reasons() string {
	var reasons []string
	for _, f := range e {
		text := aws.ToString(f.Reason)
		if detail := aws.ToString(f.Detail); detail != "" {
			text += " (" + detail + ")"
		}
		if text != "" && !slices.Contains(reasons, text) {
			reasons = append(reasons, text)
		}
	}
	if len(reasons) == 0 {
		reasons = []string{"its answer has neither a task nor a reason"}
	}
	return strings.Join(reasons, ", ")
}

// mayPass says whether there may be room later, in any of the places. An answer
// without a reason is the replay of an old failure.
func (e placementError) mayPass() bool {
	return len(e) == 0 || slices.ContainsFunc(e, func(f types.Failure) bool {
		return !finalReason.MatchString(aws.ToString(f.Reason)) && !noInstances(aws.ToString(f.Reason))
	})
}

// finalReason matches the few reasons of a failure that ask for another request or
// another cluster. Reasons are an open set of words and sentences (quotas, time-outs,
// "Internal error."), so that what is not known may pass: a run that waits in vain
// ends, and one that is given up in vain is missed.
var finalReason = regexp.MustCompile(`(?i)^\s*(TaskFailedToStart:\s*)?((ATTRIBUTE|LOCATION|MISSING|INACTIVE)\s*($|[^\w\s])|unable to find\b)`)

// noInstances tells of a cluster without instances. It is final, since nothing adds
// any for a task of launch type EC2
// (https://github.com/aws/containers-roadmap/issues/2532).
func noInstances(text string) bool {
	return strings.Contains(strings.ToLower(text), "no container instances were found in your cluster")
}

// hint is what to change about what ECS said, if ECS does not say it.
func hint(text string) string {
	text = strings.ToLower(text)
	switch {
	case noInstances(text):
		return "; give capacityProviderStrategy, or the stack LaunchType CLUSTER: launch type EC2 never scales from zero, a capacity provider strategy does"
	case strings.Contains(text, "you can run concurrently"), strings.Contains(text, "is above your limit"):
		return "; the quota of AWS Fargate can be raised in Service Quotas"
	}
	return ""
}

// lacking is a refusal of RunTask for want of a permission that a parameter of the
// stack gives.
type lacking struct {
	error
	what string // that is wanting
}

func (e lacking) Unwrap() error { return e.error }

// lack says which parameter of the stack lacks what ECS would not run, as far as
// ECS's answer tells. The launcher's role has iam:PassRole for TaskRoleArns alone, and
// ecs:RunTask for TaskFamilies on Cluster: ECS names the task definition for both.
func (l *Launcher) lack(text, cluster string) string {
	action, resource, ok := awserr.Lacks(text)
	switch {
	case !ok || resource == "":
		return ""
	case action == "iam:PassRole":
		return "TaskRoleArns lacks " + resource
	case action == "ecs:RunTask" && run.LastPart(cluster) != run.LastPart(l.cfg.Cluster):
		return "Cluster is " + run.LastPart(l.cfg.Cluster) + ", and the stack starts tasks in no other"
	case action == "ecs:RunTask":
		family, _, _ := strings.Cut(run.LastPart(resource), ":")
		return "TaskFamilies lacks " + family
	}
	return ""
}

// permanent are the error codes that mean the same however often one asks.
var permanent = map[string]bool{
	"AccessDenied":                                   true,
	"AccessDeniedException":                          true,
	"BlockedException":                               true,
	"ClientException":                                true,
	"ClusterNotFoundException":                       true,
	"InvalidParameterException":                      true,
	"PlatformUnknownException":                       true,
	"PlatformTaskDefinitionIncompatibilityException": true,
	"SerializationException":                         true,
	"ServiceNotActiveException":                      true,
	"ServiceNotFoundException":                       true,
	"UnknownOperationException":                      true,
	"UnsupportedFeatureException":                    true,
	"ValidationException":                            true,
}

// refusal classes an error of the launcher: final errors have the status of
// their result, the others may pass. Unknown errors may pass.
func refusal(err error) (status run.Status, final bool) {
	if _, ok := errors.AsType[payload.Invalid](err); ok {
		return run.Rejected, true
	}
	if _, ok := errors.AsType[rejection](err); ok {
		return run.Rejected, true
	}
	if _, ok := errors.AsType[takenByTask](err); ok {
		return run.Rejected, true
	}
	if _, ok := errors.AsType[missed](err); ok {
		return run.Missed, true
	}
	if _, ok := errors.AsType[noRoom](err); ok {
		return run.LaunchFailed, true
	}
	// The SDK checks required members before it sends anything.
	if _, ok := errors.AsType[smithy.InvalidParamsError](err); ok {
		return run.Rejected, true
	}
	if unknown, ok := errors.AsType[report.Uncertain](err); ok {
		_, final = refusal(unknown.Err)
		return run.Lost, final
	}
	if failure, ok := errors.AsType[placementError](err); ok {
		return run.LaunchFailed, !failure.mayPass()
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return "", false
	}
	if code := awserr.Code(err); code != "" {
		return run.LaunchFailed, permanent[code] && !passes(err)
	}
	return "", false
}

// passes says whether a refusal with one of the two codes that ECS uses for anything
// passes by itself after all. Other codes mean what they say.
func passes(err error) bool {
	code := awserr.Code(err)
	return (code == "ClientException" || code == "InvalidParameterException") &&
		awserr.Passes(awserr.Message(err)) && !noInstances(awserr.Message(err))
}

// summary is err in a few words, for the subject: what AWS says rather than what
// it was asked for.
func summary(err error) string {
	if lack, ok := errors.AsType[lacking](err); ok {
		return lack.what
	}
	if awserr.Code(err) != "" {
		return awserr.Plain(err).Error()
	}
	if failure, ok := errors.AsType[placementError](err); ok {
		return failure.reasons()
	}
	return err.Error()
}
