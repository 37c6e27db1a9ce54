// Package run says who a run is: its job and id, what its container is told of
// it and the stop event tells back, how it can end, and how much time there is
// to say so. It knows nothing of payloads.
package run

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"time"
)

// How a command is run: as an ECS task of its own, or inside a live one with
// ECS Exec. These are the values of method in payloads and results.
const (
	MethodRunTask = "run-task"
	MethodExec    = "exec"
)

// Run identifies one attempt of one run. A run is (Job, ID): two jobs may have
// runs of the same id.
type Run struct {
	Job string `json:"job,omitempty"`
	// ID is the same for every delivery of the same run.
	ID string `json:"runId,omitempty"`
	// Attempt counts from 1.
	Attempt       int       `json:"attempt,omitempty"`
	Method        string    `json:"method"`
	ScheduledTime time.Time `json:"scheduledTime,omitzero"`
}

// Identify finds the id of a run's first attempt, in this order: the one that
// its sender gave (id), the time at which it was due, the EventBridge event's
// id, the Lambda request id. The request id comes last, since a redelivery by
// EventBridge has a new one.
func Identify(method, job, id string, due time.Time, eventID, requestID string) Run {
	// To the second and in UTC, as it goes through the container's variable.
	due = due.UTC().Truncate(time.Second)
	r := Run{Job: job, Attempt: 1, Method: method, ScheduledTime: due}
	switch {
	case ValidID(id):
		r.ID = id
	case !due.IsZero():
		r.ID = job + "-" + due.Format("20060102T150405Z")
	case ValidID(eventID):
		r.ID = eventID
	default:
		r.ID = requestID
	}
	return r
}

// ValidJob says whether name can be a job's: 1 to 64 letters, digits, - or _.
func ValidJob(name string) bool { return Made(name, 64, "-_") }

// ValidID says whether id can be a run's: 1 to 128 letters, digits or one of
// - _ . :
func ValidID(id string) bool { return Made(id, 128, "-_.:") }

// Made says whether s has 1 to most characters, all of them ASCII letters,
// digits or one of others. It stands for a regular expression, which each start
// of a function would have to compile.
func Made(s string, most int, others string) bool {
	return s != "" && len(s) <= most && !strings.ContainsFunc(s, func(r rune) bool {
		letter := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
		return !letter && !strings.ContainsRune(others, r)
	})
}

// Token is the attempt's RunTask client token: 64 characters, remembered per
// cluster (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ECS_Idempotency.html).
// The same run delivered twice gives the same token, and so one task. Each
// placement try needs its own, since ECS replays failures too.
func (r Run) Token(startedByPrefix string, placementTry int) string {
	// None of the parts can hold the separator.
	text := strings.Join([]string{startedByPrefix, r.Job, r.ID, strconv.Itoa(r.Attempt), strconv.Itoa(placementTry)}, "\n")
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// Answer is what a function that is handed a payload returns: who the run is and
// how it was begun or ended.
type Answer struct {
	Job     string `json:"job,omitempty"`
	RunID   string `json:"runId"`
	Attempt int    `json:"attempt"`
	Status  string `json:"status"`
	// Again says that the run was started before.
	Again   bool   `json:"again,omitempty"`
	TaskARN string `json:"taskArn,omitempty"`
	Reason  string `json:"reason,omitempty"`
	// NextTryAt is when a run that waits is looked at again.
	NextTryAt time.Time `json:"nextTryAt,omitzero"`
}

// The statuses of an Answer beside those of runs that have ended.
const (
	Started = "STARTED" // its task runs now, or has
	Waiting = "WAITING" // it will be looked at again
)
