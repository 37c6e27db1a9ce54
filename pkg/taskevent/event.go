// Package taskevent reads ECS Task State Change events and judges how the run
// that a task carried ended.
package taskevent

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"errand/pkg/run"
)

// Event is the part of an ECS Task State Change event that errand uses. AWS
// adds fields over time, so it is decoded leniently
// (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_task_events.html).
type Event struct {
	Source     string `json:"source"`
	DetailType string `json:"detail-type"`
	Region     string `json:"region"`
	Task       Task   `json:"detail"`
}

// Task is the event's detail. Everything but the ARNs and lastStatus may be
// absent; Containers may be empty.
type Task struct {
	TaskARN        string      `json:"taskArn"`
	ClusterARN     string      `json:"clusterArn"`
	TaskDefinition string      `json:"taskDefinitionArn"`
	LastStatus     string      `json:"lastStatus"`
	StartedBy      string      `json:"startedBy"`
	StopCode       string      `json:"stopCode"`
	StoppedReason  string      `json:"stoppedReason"`
	Containers     []Container `json:"containers"`
	Overrides      struct {
		ContainerOverrides []Override `json:"containerOverrides"`
	} `json:"overrides"`
	CreatedAt          Time `json:"createdAt"`
	ExecutionStoppedAt Time `json:"executionStoppedAt"`
	StartedAt          Time `json:"startedAt"`
	StoppedAt          Time `json:"stoppedAt"`
}

// Time is a time of an event, zero if it cannot be read.
type Time struct{ time.Time }

// UnmarshalJSON reads ISO 8601, or leaves the time at zero: no time is worth
// losing the verdict for.
func (t *Time) UnmarshalJSON(text []byte) error {
	if err := t.Time.UnmarshalJSON(text); err != nil {
		t.Time = time.Time{}
	}
	return nil
}

// Container is one container of the task, which may be one that the task
// definition does not have (GuardDuty and Service Connect add theirs).
type Container struct {
	Name      string `json:"name"`
	ExitCode  *int   `json:"exitCode"` // nil: it never ran, or left none
	Reason    string `json:"reason"`
	RuntimeID string `json:"runtimeId"`
}

// Override is what RunTask was told for one container.
type Override struct {
	Name        string         `json:"name"`
	Command     []string       `json:"command"`
	Environment []run.Variable `json:"environment"`
}

// Decode reads an event. A field of another type than expected is left out: the
// event may be another service's, and if it is a task's, the rest still counts.
func Decode(raw []byte) (Event, error) {
	var e Event
	err := json.Unmarshal(raw, &e)
	if _, odd := errors.AsType[*json.UnmarshalTypeError](err); err != nil && (!odd || e.DetailType == "") {
		return e, fmt.Errorf("decode ECS Task State Change event: %w", err)
	}
	return e, nil
}

// Ended says whether the event is the end of a task whose startedBy begins
// with prefix. stopCode and exit codes appear in earlier events already, so
// only the last status counts.
func (e Event) Ended(prefix string) bool {
	return e.Source == "aws.ecs" && e.DetailType == "ECS Task State Change" &&
		e.Task.LastStatus == "STOPPED" && strings.HasPrefix(e.Task.StartedBy, prefix)
}

// Work is what the task says of the run that it carries.
type Work struct {
	run.Run
	run.Carried
	Container string   // "" if the task does not say which is the run's
	Command   []string // nil if the container's own was run
}

// Work reads the run back from the container that carries ERRAND_RUN_ID. A task
// that somebody started with our startedBy but without the variables is still a
// run: its job is the rest of startedBy.
func (t Task) Work(prefix string) Work {
	w := Work{Run: run.Run{Job: strings.TrimPrefix(t.StartedBy, prefix), Method: run.MethodRunTask}}
	for _, o := range t.Overrides.ContainerOverrides {
		r, carried, ok := run.FromVariables(o.Environment)
		if !ok {
			continue
		}
		r.Job = cmp.Or(r.Job, w.Job)
		return Work{Run: r, Carried: carried, Container: o.Name, Command: o.Command}
	}
	return w
}

// container finds the container by name; nil if the event does not have it.
func (t Task) container(name string) *Container {
	i := slices.IndexFunc(t.Containers, func(c Container) bool { return c.Name == name })
	if i < 0 {
		return nil
	}
	return &t.Containers[i]
}

// Container returns the named container, or an empty one.
func (t Task) Container(name string) Container {
	if c := t.container(name); c != nil {
		return *c
	}
	return Container{Name: name}
}

// ID is the last part of the task's ARN. Old ARNs have no cluster in them.
func (t Task) ID() string { return run.LastPart(t.TaskARN) }
