package ecs

import (
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// playsLabel is the docker label of a container definition that makes the
// container play something that happens to tasks on AWS only:
//
//	"dockerLabels": {"errand.local/plays": "spot"}
//
// Its values:
//
//   - image: the image cannot be pulled, so the task fails to start; the
//     container has the reason.
//   - secret: a secret cannot be read, so the task fails to start; the task has
//     the reason.
//   - placement: there is no room, which shows only after RunTask has answered;
//     the task fails to start and has no containers at all.
//   - spot: Spot takes the task away when the container has written its first
//     line: it gets SIGTERM.
//   - maintenance: Fargate retires the task at the same moment, in the same way.
//   - oom: the container is killed at the same moment, as one that has used up
//     its memory.
//   - no-exit-code: the command runs to its end, and its exit code is lost.
//
// A container that ends before its first line is taken to have ended for the
// played reason. Everything else about the task is as usual.
const playsLabel = "errand.local/plays"

// play is one value of playsLabel.
type play struct {
	stopCode      types.TaskStopCode
	stoppedReason string
	// reason is the container's; IMAGE in it stands for the image.
	reason string
	// unplaced and unstarted say how far the task comes.
	unplaced, unstarted bool
	// interrupted ends the task at the first line of the container, and killed
	// only the container.
	interrupted, killed bool
	noExitCode          bool
}

var plays = map[string]play{
	"image": {
		unstarted: true, stopCode: types.TaskStopCodeTaskFailedToStart, stoppedReason: "Task failed to start",
		reason: "CannotPullContainerError: pull image manifest has been retried 5 time(s): failed to resolve ref IMAGE: IMAGE: not found",
	},
	"secret": {
		unstarted: true, stopCode: types.TaskStopCodeTaskFailedToStart,
		stoppedReason: "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: unable to retrieve secret from asm: service call has been retried 1 time(s): ResourceNotFoundException: Secrets Manager can't find the specified secret.",
	},
	"placement": {
		unplaced: true, stopCode: types.TaskStopCodeTaskFailedToStart, stoppedReason: "TaskFailedToStart: RESOURCE:MEMORY",
	},
	"spot": {
		interrupted: true, stopCode: types.TaskStopCodeSpotInterruption, stoppedReason: "Your Spot Task was interrupted.",
	},
	"maintenance": {
		interrupted: true, stopCode: types.TaskStopCodeServiceSchedulerInitiated,
		stoppedReason: "ECS is performing maintenance on the underlying infrastructure hosting the task",
	},
	"oom": {
		killed: true, stopCode: types.TaskStopCodeEssentialContainerExited, stoppedReason: essentialExited,
		reason: "OutOfMemoryError: container killed due to memory usage",
	},
	"no-exit-code": {
		noExitCode: true, stopCode: types.TaskStopCodeEssentialContainerExited, stoppedReason: essentialExited,
	},
}

func playNames() string { return strings.Join(slices.Sorted(maps.Keys(plays)), ", ") }
