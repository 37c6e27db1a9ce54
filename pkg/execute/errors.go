package execute

import (
	"errors"
	"fmt"
	"strings"

	"errand/pkg/awserr"
	"errand/pkg/run"
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

// status is that of a run without a session.
func status(err error) run.Status {
	if _, ok := errors.AsType[rejection](err); ok {
		return run.Rejected
	}
	if _, ok := errors.AsType[uncertain](err); ok {
		return run.Lost
	}
	return run.StartFailed
}

// advice says what to change, by the code of ExecuteCommand's error.
var advice = map[string]string{
	"TargetNotConnectedException": "The agent in the container has no connection: the task role needs ssmmessages:CreateControlChannel, CreateDataChannel, OpenControlChannel and OpenDataChannel, and the network a way to ssmmessages",
	"InvalidParameterException":   "ECS Exec must be enabled on the task (enableExecuteCommand) and its agent running",
	"AccessDeniedException":       "The executor's role needs ecs:ExecuteCommand on the cluster and the task (parameters Cluster and EnableExec)",
	"ClusterNotFoundException":    "Give cluster, or set the stack's",
}

// explain is err for people, with what to change.
func explain(err error) error {
	if what := advice[awserr.Code(err)]; what != "" {
		return fmt.Errorf("%w. %s", awserr.Plain(err), what)
	}
	return awserr.Plain(err)
}

// advise adds what to change to the text with which a channel was closed. The
// agent has no codes, so that here the text must decide.
func advise(text string) string {
	text = strings.TrimSuffix(strings.Join(strings.Fields(text), " "), ".")
	for _, known := range []struct{ part, advice string }{
		{"/bin/sh: no such file or directory", "The image has no shell, and ECS Exec needs one at /bin/sh to report the exit code: use an image with a shell, or a task of its own"},
		{"Plugin with name InteractiveCommands not found", "The agent could not set itself up: the disk of the task may be full"},
		{"no space left on device", "The disk of the task is full"},
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
	switch {
	case errors.Is(err, ssmchan.ErrOpenDenied):
		return text + ". The executor's role needs ssmmessages:OpenDataChannel on its sessions"
	case errors.Is(err, ssmchan.ErrKMS) && awserr.Denied(err):
		return text + ". The executor's role needs kms:GenerateDataKey (parameter ExecKeyArn), and the task role kms:Decrypt, on the cluster's key"
	}
	return text
}
