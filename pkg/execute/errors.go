package execute

import (
	"errors"
	"strings"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"errand/pkg/result"
	"errand/pkg/ssmchan"
)

// rejection is a payload that does not fit the task; refusal is a task that
// cannot be reached.
type (
	rejection string
	refusal   string
)

func (r rejection) Error() string { return string(r) }
func (r refusal) Error() string   { return string(r) }

// uncertain is a call without an answer that says that no session was made.
type uncertain struct{ error }

func (u uncertain) Error() string {
	return "it is not known whether the command ran, ECS gave no clear answer to ExecuteCommand: " + u.error.Error()
}

func (u uncertain) Unwrap() error { return u.error }

// refused says whether AWS has answered that it did not do what was asked, which
// only a 4xx says for sure.
func refused(err error) bool {
	_, ok := errors.AsType[smithy.APIError](err)
	response, answered := errors.AsType[*smithyhttp.ResponseError](err)
	return ok && answered && response.HTTPStatusCode() >= 400 && response.HTTPStatusCode() < 500
}

// status is that of a run without a session.
func status(err error) result.Status {
	if _, ok := errors.AsType[rejection](err); ok {
		return result.Rejected
	}
	if _, ok := errors.AsType[uncertain](err); ok {
		return result.Lost
	}
	return result.StartFailed
}

// apiError is an error of AWS without the SDK's transport details, with what to
// change.
type apiError struct {
	smithy.APIError
	err    error
	advice string
}

func (e apiError) Error() string {
	text := e.ErrorCode() + ": " + strings.TrimSuffix(e.ErrorMessage(), ".")
	if e.advice != "" {
		text += ". " + e.advice
	}
	return text
}

func (e apiError) Unwrap() error { return e.err }

func answered(err error) error {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return apiError{APIError: api, err: err}
	}
	return err
}

// advice says what to change, by the code of ExecuteCommand's error.
var advice = map[string]string{
	"TargetNotConnectedException": "The agent in the container has no connection: the task role needs ssmmessages:CreateControlChannel, CreateDataChannel, OpenControlChannel and OpenDataChannel, and the network a way to ssmmessages",
	"InvalidParameterException":   "ECS Exec must be enabled on the task (enableExecuteCommand) and its agent running",
	"AccessDeniedException":       "The executor's role needs ecs:ExecuteCommand on the cluster and the task (parameters Cluster and EnableExec)",
	"ClusterNotFoundException":    "Give cluster, or set the stack's",
}

func explain(err error) error {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return apiError{api, err, advice[api.ErrorCode()]}
	}
	return err
}

// advise adds what to change to the text with which a channel was closed. The
// agent has no codes, so that here the text must decide.
func advise(text string) string {
	text = strings.TrimSuffix(strings.Join(strings.Fields(text), " "), ".")
	for _, known := range []struct{ part, advice string }{
		{"/bin/sh: no such file or directory", "The image has no shell, and ECS Exec needs one at /bin/sh to report the exit code: use an image with a shell, or a task of its own"},
		{"Plugin with name InteractiveCommands not found", "The agent could not set itself up: the disk of the task may be full"},
		{"encrypt", "The encryption of the session's log group and of the cluster must agree"},
		{"inactivity", "AWS ends a session after 20 minutes without activity"},
	} {
		if strings.Contains(text, known.part) {
			return text + ". " + known.advice
		}
	}
	return text
}

// neverRan says whether a channel was closed because the agent could not run the
// command. A channel that is closed for another reason may have run it: the agent
// starts it a second before it says anything.
func neverRan(reason string) bool {
	for _, part := range []string{"Unable to start command", "Plugin with name", "initiating handshake", "encrypt"} {
		if strings.Contains(reason, part) {
			return true
		}
	}
	return false
}

// explainChannel says what to change, by the class of the channel's error.
func explainChannel(err error) string {
	text := strings.TrimSuffix(err.Error(), ".")
	api, isAPI := errors.AsType[smithy.APIError](err)
	switch {
	case errors.Is(err, ssmchan.ErrOpenDenied):
		return text + ". The executor's role needs ssmmessages:OpenDataChannel on its sessions"
	case errors.Is(err, ssmchan.ErrKMS) && isAPI && strings.HasPrefix(api.ErrorCode(), "AccessDenied"):
		return text + ". The executor's role needs kms:GenerateDataKey (parameter ExecKeyArn), and the task role kms:Decrypt, on the cluster's key"
	}
	return text
}
