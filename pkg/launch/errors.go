package launch

import (
	"context"
	"errors"
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

func (e placementError) Error() string { return "ECS could not place the task: " + e.reasons() }

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
		reason := aws.ToString(f.Reason)
		return reason == "" || reason == "AGENT" || strings.HasPrefix(reason, "RESOURCE:") || strings.Contains(reason, "Capacity is unavailable")
	})
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
		return run.LaunchFailed, permanent[code] && !provisioningQuota(err)
	}
	return "", false
}

// provisioningQuota is the one ClientException that passes by itself: under
// managed scaling a cluster holds a limited number of tasks in PROVISIONING
// until instances are there. ECS gives it no code of its own, so that here the
// text must decide.
func provisioningQuota(err error) bool {
	return awserr.Code(err) == "ClientException" && strings.Contains(awserr.Message(err), "PROVISIONING")
}

// summary is err in a few words, for the subject: what AWS says rather than what
// it was asked for.
func summary(err error) string {
	if awserr.Code(err) != "" {
		return awserr.Plain(err).Error()
	}
	if failure, ok := errors.AsType[placementError](err); ok {
		return failure.reasons()
	}
	return err.Error()
}
