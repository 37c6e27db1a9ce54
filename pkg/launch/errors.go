package launch

import (
	"context"
	"errors"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/smithy-go"

	"errand/pkg/job"
	"errand/pkg/result"
)

// rejection is a payload that does not fit what is in ECS.
type rejection string

func (r rejection) Error() string { return string(r) }

// placementError is a RunTask answer of 200 without a task
// (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/api_failures_messages.html).
type placementError struct{ reason, detail string }

func (e placementError) Error() string {
	text := e.reason
	if text == "" {
		text = "no task and no reason in ECS's answer"
	}
	if e.detail != "" {
		text += " (" + e.detail + ")"
	}
	return "ECS could not place the task: " + text
}

// mayPass says whether there may be room later. An answer without a reason is
// the replay of an old failure.
func (e placementError) mayPass() bool {
	return e.reason == "" || e.reason == "AGENT" || strings.HasPrefix(e.reason, "RESOURCE:") ||
		strings.HasPrefix(e.reason, "Capacity is unavailable")
}

// permanent are the error codes that mean the same however often one asks.
var permanent = map[string]bool{
	"AccessDenied":                                   true,
	"AccessDeniedException":                          true,
	"BlockedException":                               true,
	"ClientException":                                true,
	"ClusterNotFoundException":                       true,
	"ConflictException":                              true,
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
func refusal(err error) (status result.Status, final bool) {
	if _, ok := errors.AsType[job.Invalid](err); ok {
		return result.Rejected, true
	}
	if _, ok := errors.AsType[rejection](err); ok {
		return result.Rejected, true
	}
	// The SDK checks required members before it sends anything.
	if _, ok := errors.AsType[smithy.InvalidParamsError](err); ok {
		return result.Rejected, true
	}
	if failure, ok := errors.AsType[placementError](err); ok {
		return result.LaunchFailed, !failure.mayPass()
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return "", false
	}
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return result.LaunchFailed, permanent[api.ErrorCode()] && !provisioningQuota(api)
	}
	return "", false
}

// answer is an error of ECS without the SDK's transport details: what people
// read is the code and the message.
type answer struct {
	smithy.APIError
	err error
}

func answered(err error) error {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return answer{api, err}
	}
	return err
}

func (a answer) Error() string { return "ECS answered " + a.ErrorCode() + ": " + a.ErrorMessage() }

func (a answer) Unwrap() error { return a.err }

// provisioningQuota is the one ClientException that passes by itself: under
// managed scaling a cluster holds a limited number of tasks in PROVISIONING
// until instances are there. ECS gives it no code of its own, so that here the
// text must decide.
func provisioningQuota(api smithy.APIError) bool {
	return api.ErrorCode() == "ClientException" && strings.Contains(api.ErrorMessage(), "PROVISIONING")
}

// alreadyStarted reads the task that the client token started before. ECS
// answers so when the same run comes again with other parameters, for instance
// after a deployment between two deliveries.
func alreadyStarted(err error) (arn string, ok bool) {
	conflict, ok := errors.AsType[*types.ConflictException](err)
	if !ok || len(conflict.ResourceIds) == 0 {
		return "", false
	}
	return conflict.ResourceIds[0], true
}
