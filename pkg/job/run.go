package job

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"errand/pkg/result"
)

// The variables that the container of a run gets. The stop event carries them
// back to the collector, which finds the run's container by VarRunID.
const (
	reserved = "ERRAND_"

	VarJob           = reserved + "JOB"
	VarRunID         = reserved + "RUN_ID"
	VarAttempt       = reserved + "ATTEMPT"
	VarScheduledTime = reserved + "SCHEDULED_TIME"
	VarLogLines      = reserved + "LOG_LINES"
)

// Run is one run of a job.
type Run struct {
	Payload
	// ID is the same for every delivery of the same run.
	ID string
	// Attempt counts from 1.
	Attempt int
}

// NewRun gives the payload its identity: its own runId, else the time at which
// it was due, else the EventBridge event's id, else the Lambda request id. The
// request id comes last, since a redelivery by EventBridge has a new one.
func NewRun(p Payload, eventID, requestID string) Run {
	// To the second and in UTC, as it goes through the container's variable.
	p.ScheduledTime = p.ScheduledTime.UTC().Truncate(time.Second)
	run := Run{Payload: p, Attempt: 1}
	switch {
	case runID.MatchString(p.RunID):
		run.ID = p.RunID
	case !p.ScheduledTime.IsZero():
		run.ID = p.Job + "-" + p.ScheduledTime.Format("20060102T150405Z")
	case runID.MatchString(eventID):
		run.ID = eventID
	default:
		run.ID = requestID
	}
	return run
}

// Variables are the run's ERRAND_ variables, for its container.
func (r Run) Variables() []types.KeyValuePair {
	variables := []types.KeyValuePair{
		variable(VarJob, r.Job),
		variable(VarRunID, r.ID),
		variable(VarAttempt, strconv.Itoa(r.Attempt)),
	}
	if !r.ScheduledTime.IsZero() {
		variables = append(variables, variable(VarScheduledTime, r.ScheduledTime.Format(time.RFC3339)))
	}
	if r.LogLines != nil {
		variables = append(variables, variable(VarLogLines, strconv.Itoa(*r.LogLines)))
	}
	return variables
}

func variable(name, value string) types.KeyValuePair {
	return types.KeyValuePair{Name: aws.String(name), Value: aws.String(value)}
}

// Token is the run's RunTask client token: at most 64 characters, remembered
// per cluster (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ECS_Idempotency.html).
// The same run delivered twice gives the same token, and so one task. Each
// placement try needs its own, since ECS replays failures too.
func (r Run) Token(startedByPrefix string, placementTry int) string {
	// None of the parts can hold the separator.
	text := strings.Join([]string{startedByPrefix, r.ID, strconv.Itoa(r.Attempt), strconv.Itoa(placementTry)}, "\n")
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// Answer is what a function that is handed a payload returns.
type Answer struct {
	Job     string `json:"job,omitempty"`
	RunID   string `json:"runId"`
	Attempt int    `json:"attempt"`
	Status  string `json:"status"`
	TaskARN string `json:"taskArn,omitempty"`
	Reason  string `json:"reason,omitempty"`
}

// NotStarted is the result of a run that has no task.
func (r Run) NotStarted(status result.Status, reason string) result.Result {
	return result.Result{
		Job: r.Job, RunID: r.ID, Attempt: r.Attempt, Method: result.MethodRunTask,
		Status: status, Reason: reason, Command: r.Command, Cluster: r.Cluster,
		TaskDefinition: r.TaskDefinition, Container: r.Container, ScheduledTime: r.ScheduledTime,
	}
}
