package taskevent

import (
	"slices"
	"strings"
)

// failedStart is a class of errors that ECS puts before a reason, by which the
// command never ran.
type failedStart struct {
	class string
	// only are the words that say so, if the class has other errors too.
	only []string
	// mayRun says that the agent may go on after the error: an exit code that only a
	// command gives then says that the container ran after all.
	mayRun bool
}

// failedStarts are the classes of
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-error-codes.html
// and of the ECS agent, whose errors have them as their names: agent/engine/errors.go,
// agent/dockerclient/dockerapi/errors.go, ecs-agent/api/errors/errors.go and
// agent/taskresource of https://github.com/aws/amazon-ecs-agent. Not among them are the
// names that say nothing of the start: OutOfMemoryError, CannotStopContainerError,
// CannotInspectContainerError, CannotDescribeContainerError, ContainerVanishedError,
// NoSuchContainerError, ImpossibleStateTransitionError.
var failedStarts = []failedStart{
	// CannotPullContainerError, CannotPullECRContainerError, CannotPullContainerAuthError
	// and CannotPullImageManifestError. By default the agent then takes an image that
	// the host still has (handleEventError in agent/engine/task_manager.go).
	{class: "CannotPull", mayRun: true},
	{class: "CannotCreateContainerError"},
	{class: "CannotStartContainerError"}, // a failed dependency too
	{class: "CannotCreateVolumeError"},
	{class: "VolumeError"},
	{class: "InvalidVolumeError"},
	{class: "CgroupError"},
	{class: "HostConfigError"},
	{class: "DockerClientConfigError"},
	{class: "CannotGetDockerClientError"}, // which the agent writes with a small c
	{class: "CannotGetDockerClientVersionError"},
	{class: "ContainerNetworkingError"},
	{class: "ResourceInitializationError"},
	{class: "ResourceNotFoundException"},
	{class: "TaskDependencyError"},
	{class: "TaskStoppedBeforePullBeginError"},
	{class: "TaskFailedToStart"},
	// What Docker notes at a container that it could not start.
	{class: "DockerStateError", mayRun: true},
	// "Could not transition to created; timed out after waiting 4m0s". Others are
	// about stopping, inspecting or removing it.
	{class: "DockerTimeoutError", only: starting, mayRun: true},
	{class: "ContainerRuntimeTimeoutError", only: starting, mayRun: true},
	{class: "ContainerRuntimeError", only: []string{"failed to create", "failed to start", "unable to start", "failed to pull", "failed to mount"}, mayRun: true},
}

// starting are the transitions on the way to a command that runs.
var starting = []string{
	"transition to manifest_pulled", "transition to pull", "transition to creat", "transition to start", "transition to running",
	"transition to loading image",
}

// neverRan says whether a reason of ECS's means that the command never ran, though
// Docker may have an exit code even then (126, 127, 128), and the agent one (143).
func neverRan(reason string, code *int) bool {
	reason = strings.ToLower(strings.TrimSpace(reason))
	return slices.ContainsFunc(failedStarts, func(f failedStart) bool {
		return strings.HasPrefix(reason, strings.ToLower(f.class)) &&
			(f.only == nil || containsAny(reason, f.only)) &&
			(!f.mayRun || code == nil || notTheCommands(*code))
	})
}

// notTheCommands are the codes that a container may have whose command never ran.
func notTheCommands(code int) bool { return killed(&code) || code >= 126 && code <= 128 }

// sentences are what ECS says at the beginning of a stopped reason where it gives no
// stop code: events of 2018 have none
// (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-errors.html).
var sentences = []struct{ begins, stopCode string }{
	{"essential container in task exited", essentialExited},
	{"task failed to start", taskFailedToStart},
	{"timeout waiting for network interface provisioning", taskFailedToStart},
	{"timeout waiting for ephemeralstorage provisioning", taskFailedToStart},
	{"unexpected ec2 error while attempting to", taskFailedToStart},
	{"task stopped by user", userInitiated},
	{"scaling activity initiated by", schedulerInitiated},
	{"task failed elb health checks", schedulerInitiated},
}

// stopCode is ECS's stop code, or what the stopped reason says in its place.
func (t Task) stopCode() string {
	switch t.StopCode {
	case essentialExited, taskFailedToStart, userInitiated, schedulerInitiated:
		return t.StopCode
	}
	reason := strings.ToLower(oneLine(t.StoppedReason))
	for _, s := range sentences {
		if strings.HasPrefix(reason, s.begins) {
			return s.stopCode
		}
	}
	if neverRan(t.StoppedReason, nil) {
		return taskFailedToStart
	}
	return t.StopCode
}

// The stop codes that a verdict goes by
// (https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Task.html).
const (
	essentialExited    = "EssentialContainerExited"
	taskFailedToStart  = "TaskFailedToStart"
	userInitiated      = "UserInitiated"
	schedulerInitiated = "ServiceSchedulerInitiated"
)

// taken are the sentences by which AWS took a task away, which may come with any stop
// code or none: task retirement
// (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-maintenance.html),
// the end of a host (https://github.com/apache/airflow/pull/4039), its draining, after 14
// days on Managed Instances
// (https://docs.aws.amazon.com/batch/latest/userguide/ecs-managed-instances-instance-draining.html),
// and Spot (https://github.com/aws/containers-roadmap/issues/1565).
var taken = []string{
	"ecs is performing maintenance on the underlying infrastructure",
	"host ec2 (instance",
	"container instance deregistration forced by user",
	"task stopped during instance draining",
	"instance draining",
	"instance is in draining state",
	"your spot task was interrupted",
	"spotinterruptionerror",
}

// interrupted recognizes Spot, host and platform by stop code or sentence.
func (t Task) interrupted() bool {
	switch t.StopCode {
	case "SpotInterruption", "TerminationNotice", "InfrastructureHealth":
		return true
	}
	reason := strings.ToLower(oneLine(t.StoppedReason))
	if t.StopCode == userInitiated {
		// The reason is the caller's own text, which may quote ECS.
		return slices.ContainsFunc(taken, func(s string) bool { return strings.HasPrefix(reason, s) })
	}
	return containsAny(reason, taken)
}

// containsAny says whether text, in small letters, has any of the words.
func containsAny(text string, words []string) bool {
	return slices.ContainsFunc(words, func(word string) bool { return strings.Contains(text, word) })
}
