package taskevent_test

import (
	"errand/pkg/run"
	"errand/pkg/taskevent"
)

func failedStarts() []relative {
	one := func(stopCode, stopped string, code int, reason string) taskevent.Task {
		return pending(stopCode, stopped, made(code, reason))
	}
	return []relative{
		{
			"time-out, created", one(exited, inTask, none, "DockerTimeoutError: Could not transition to created; timed out after waiting 4m0s"), solo, run.StartFailed,
			"container app did not start: DockerTimeoutError: Could not transition to created; timed out after waiting 4m0s", "DockerTimeoutError: Could not transition to created; timed out after waiting 4m0s", false,
		},
		{
			"time-out, pulled, no stop code", one("", "", none, "DockerTimeoutError: Could not transition to pulled; timed out after waiting 2h0m0s"), solo, run.StartFailed,
			"container app did not start: DockerTimeoutError: Could not transition to pulled; timed out after waiting 2h0m0s", "DockerTimeoutError: Could not transition to pulled; timed out after waiting 2h0m0s", false,
		},
		{
			"time-out on Fargate, with a code", one(exited, inTask, 137, "ContainerRuntimeTimeoutError: Could not transition to running; timed out after waiting 1m: x"), solo, run.StartFailed,
			"container app did not start: ContainerRuntimeTimeoutError: Could not transition to running; timed out after waiting 1m: x", "ContainerRuntimeTimeoutError: Could not transition to running; timed out after waiting 1m: x", false,
		},
		{
			"time-out of the stop", one(exited, inTask, 137, "DockerTimeoutError: Could not transition to stopped; timed out after waiting 50s"), solo, run.Failed,
			"container app exited with code 137 (SIGKILL): DockerTimeoutError: Could not transition to stopped; timed out after waiting 50s", "exit code 137 (SIGKILL)", true,
		},
		{
			"time-out of the start, and it ran to its end", one(exited, inTask, 3, "DockerTimeoutError: Could not transition to started; timed out after waiting 3m0s"), solo, run.Failed,
			"container app exited with code 3: DockerTimeoutError: Could not transition to started; timed out after waiting 3m0s", "exit code 3", true,
		},
		{
			"Docker's own word", one(exited, inTask, 127, `DockerStateError: failed to create task: exec: "./bil": stat ./bil: no such file or directory: unknown`), solo, run.StartFailed,
			"container app did not start: DockerStateError: failed to create task: exec: \"./bil\": stat ./bil: no such file or directory: unknown", "DockerStateError: failed to create task: exec: \"./bil\": stat ./bil: no such file or directory: unknown", false,
		},
		{
			"Docker's code 128", one("", inTask, 128, "CannotStartContainerError: Error response from daemon: no space left on device"), solo, run.StartFailed,
			"container app did not start: CannotStartContainerError: Error response from daemon: no space left on device", "CannotStartContainerError: Error response from daemon: no space left on device", false,
		},
		{
			"Docker's code 0", one(exited, inTask, 0, "CannotCreateContainerError: Error response from daemon: no space left on device"), solo, run.StartFailed,
			"container app did not start: CannotCreateContainerError: Error response from daemon: no space left on device", "CannotCreateContainerError: Error response from daemon: no space left on device", false,
		},
		{
			"cgroup, told by the task alone", one("", "CgroupError: Agent could not create task's platform resources", none, ""), solo, run.StartFailed,
			"the task did not start: CgroupError: Agent could not create task's platform resources", "CgroupError: Agent could not create task's platform resources", false,
		},
		{
			"volume, with a stop code that says something else", one(exited, "VolumeError: Agent could not create task's volume resources", none, ""), solo, run.StartFailed,
			"container app did not start: VolumeError: Agent could not create task's volume resources", "VolumeError: Agent could not create task's volume resources", false,
		},
		{
			"volume", one(tfts, notStarted, none, "CannotCreateVolumeError: x"), solo, run.StartFailed,
			"the task did not start: CannotCreateVolumeError: x", "CannotCreateVolumeError: x", false,
		},
		{
			"host configuration", one(exited, inTask, none, "HostConfigError: No execution credentials set for the task"), solo, run.StartFailed,
			"container app did not start: HostConfigError: No execution credentials set for the task", "HostConfigError: No execution credentials set for the task", false,
		},
		{
			"Docker's client, with a small c", one(exited, inTask, none, "CannotGetDockerclientError: (v1.17) - no"), solo, run.StartFailed,
			"container app did not start: CannotGetDockerclientError: (v1.17) - no", "CannotGetDockerclientError: (v1.17) - no", false,
		},
		{
			"network", one(exited, inTask, none, "ContainerNetworkingError: x"), solo, run.StartFailed,
			"container app did not start: ContainerNetworkingError: x", "ContainerNetworkingError: x", false,
		},
		{
			"image of a private registry", one("", "", none, "CannotPullContainerAuthError: AccessDenied"), solo, run.StartFailed,
			"container app did not start: CannotPullContainerAuthError: AccessDenied", "CannotPullContainerAuthError: AccessDenied", false,
		},
		{
			"an image that the host still had", one(exited, inTask, 0, "CannotPullECRContainerError: no"), solo, run.Succeeded,
			"container app exited with code 0: CannotPullECRContainerError: no", "exit code 0", true,
		},
		{
			"runtime, on the way to start", one(exited, inTask, none, "ContainerRuntimeError: failed to create container IO set: x"), solo, run.StartFailed,
			"container app did not start: ContainerRuntimeError: failed to create container IO set: x", "ContainerRuntimeError: failed to create container IO set: x", false,
		},
		{
			"runtime, later", ended(exited, inTask, made(none, "ContainerRuntimeError: lost the shim")), solo, run.Failed,
			"container app ended without an exit code: ContainerRuntimeError: lost the shim", "", true,
		},
		{
			"cannot be inspected", ended(exited, inTask, made(none, "CannotInspectContainerError: x")), solo, run.Failed,
			"container app ended without an exit code: CannotInspectContainerError: x", "", true,
		},
		{
			"ECS's word alone, though the runtime had made it", one(tfts, notStarted, none, ""), solo, run.StartFailed,
			"the task did not start: Task failed to start", "Task failed to start", false,
		},
		{
			"a secret that is not there, no stop code", pending("", "ResourceNotFoundException: Fetching secret data from AWS Secrets Manager", of("app", none, "")), solo, run.StartFailed,
			"the task did not start: ResourceNotFoundException: Fetching secret data from AWS Secrets Manager", "ResourceNotFoundException: Fetching secret data from AWS Secrets Manager", false,
		},
		{
			"a sentence that ECS cut", pending("", "Something new with ...", of("app", none, "")), solo, run.StartFailed,
			"container app did not start: Something new with ...", "Something new with ...", false,
		},
		{
			"an unknown sentence, and nothing ran", pending("", "Something new", of("app", none, "")), solo, run.StartFailed,
			"container app did not start: Something new", "Something new", false,
		},
	}
}

func memory() []relative {
	limited := func(code int, c, task taskevent.Units) taskevent.Task {
		t := ended(exited, inTask, made(code, oom))
		t.Containers[0].Memory, t.Memory = c, task
		return t
	}
	reserved := limited(0, 0, 512)
	reserved.Containers[0].MemoryReservation, reserved.LaunchType = 256, "EC2"
	return []relative{
		{
			"0", limited(0, 0, 0), solo, run.Succeeded,
			"container app exited with code 0, though a process was killed for memory and the command went on (OutOfMemoryError: Container killed due to memory usage)", "exit code 0 (OutOfMemoryError)", true,
		},
		{
			"0, with the container's limit", limited(0, 256, 512), solo, run.Succeeded,
			"container app exited with code 0, though a process was killed for memory and the command went on (OutOfMemoryError: Container killed due to memory usage; the limit was 256 MiB: raise memory)", "exit code 0 (OutOfMemoryError)", true,
		},
		{
			"0, and the task's memory is no limit", reserved, solo, run.Succeeded,
			"container app exited with code 0, though a process was killed for memory and the command went on (OutOfMemoryError: Container killed due to memory usage)", "exit code 0 (OutOfMemoryError)", true,
		},
		{
			"1, with the task's limit", limited(1, 0, 512), solo, run.Failed,
			"container app exited with code 1, after a process was killed for memory (OutOfMemoryError: Container killed due to memory usage; the limit was 512 MiB: raise memory)", "exit code 1 (OutOfMemoryError)", true,
		},
		{
			"137", limited(137, 0, 0), solo, run.Failed,
			"container app ran out of memory and was killed with code 137 (OutOfMemoryError: Container killed due to memory usage)", "exit code 137 (OutOfMemoryError)", true,
		},
		{
			"143", limited(143, 0, 0), solo, run.Failed,
			"container app exited with code 143 (SIGTERM), after a process was killed for memory (OutOfMemoryError: Container killed due to memory usage)", "exit code 143 (OutOfMemoryError)", true,
		},
		{
			"none", limited(none, 64, 512), solo, run.Failed,
			"container app ran out of memory and was killed, without an exit code (OutOfMemoryError: Container killed due to memory usage; the limit was 64 MiB: raise memory)", "", true,
		},
		{
			"none, and nothing else says that it ran", pending("", "", of("app", none, oom)), solo, run.Failed,
			"container app ran out of memory and was killed, without an exit code (OutOfMemoryError: Container killed due to memory usage)", "", true,
		},
		{
			"told by the task alone", ended(exited, oom, made(137, "")), solo, run.Failed,
			"container app ran out of memory and was killed with code 137 (OutOfMemoryError: Container killed due to memory usage)", "exit code 137 (OutOfMemoryError)", true,
		},
		{
			"told by the task alone, with another's code", ended(exited, oom, made(1, "")), solo, run.Failed,
			"container app exited with code 1, after a process was killed for memory (OutOfMemoryError: Container killed due to memory usage)", "exit code 1 (OutOfMemoryError)", true,
		},
		{
			"told by the task alone, with 0", ended(exited, oom, made(0, "")), solo, run.Succeeded,
			"container app exited with code 0, though a process was killed for memory and the command went on (OutOfMemoryError: Container killed due to memory usage)", "exit code 0 (OutOfMemoryError)", true,
		},
		{
			"told by the task alone, without a code", ended(exited, oom, made(none, ""), of("side", 143, "")), duo, run.Failed,
			"container app ran out of memory and was killed, without an exit code (OutOfMemoryError: Container killed due to memory usage)", "", true,
		},
		{
			"told by the task alone, beside GuardDuty's", ended(exited, oom, made(137, ""), of(guardduty, 137, "")), solo, run.Failed,
			"container app ran out of memory and was killed with code 137 (OutOfMemoryError: Container killed due to memory usage)", "exit code 137 (OutOfMemoryError)", true,
		},
		{
			"told by the task alone, of a helper", ended(exited, oom, made(143, ""), of("side", 137, "")), duo, run.Failed,
			"container app exited with code 143 (SIGTERM); container side ran out of memory and was killed with code 137 (OutOfMemoryError: Container killed due to memory usage)", "exit code 143 (SIGTERM)", true,
		},
		{
			"told by the task alone, of one of two", ended(exited, oom, made(137, ""), of("side", 137, "")), duo, run.Failed,
			"container app exited with code 137 (SIGKILL): OutOfMemoryError: Container killed due to memory usage", "exit code 137 (SIGKILL)", true,
		},
		{
			"told by both", ended(exited, oom, made(1, ""), of("side", 137, oom)), duo, run.Failed,
			"container app exited with code 1; container side ran out of memory and was killed with code 137 (OutOfMemoryError: Container killed due to memory usage)", "exit code 1", true,
		},
		{
			"under a person's stop", ended(byUser, "late", made(137, oom)), solo, run.Stopped,
			"the task was stopped: late; container app ran out of memory and was killed with code 137 (OutOfMemoryError: Container killed due to memory usage)", "late", true,
		},
	}
}

func taken() []relative {
	return []relative{
		{
			"drained, by the service scheduler", ended(byService, "Task stopped during instance draining", of("app", 143, "")), solo, run.Interrupted,
			"AWS took the task away: Task stopped during instance draining; container app exited with code 143 (SIGTERM)", "Task stopped during instance draining", true,
		},
		{
			"drained, in other letters and more words", ended("", "TASK STOPPED during instance  draining (i-0a1b).", of("app", 0, "")), solo, run.Interrupted,
			"AWS took the task away: TASK STOPPED during instance draining (i-0a1b); container app exited with code 0", "TASK STOPPED during instance draining (i-0a1b)", true,
		},
		{
			"drained, in other words", ended(byService, "Task stopped due to container instance draining.", of("app", 143, "")), solo, run.Interrupted,
			"AWS took the task away: Task stopped due to container instance draining; container app exited with code 143 (SIGTERM)", "Task stopped due to container instance draining", true,
		},
		{
			"draining host of a service", ended(byService, "(service jobs) (instance i-0a1b) container instance is in DRAINING state.", of("app", 143, "")), solo, run.Interrupted,
			"AWS took the task away: (service jobs) (instance i-0a1b) container instance is in DRAINING state; container app exited with code 143 (SIGTERM)", "(service jobs) (instance i-0a1b) container instance is in DRAINING state", true,
		},
		{
			"maintenance behind a service's name", ended(byService, "Service jobs: ECS is performing maintenance on the underlying infrastructure hosting the task", of("app", 137, "")), solo, run.Interrupted,
			"AWS took the task away: Service jobs: ECS is performing maintenance on the underlying infrastructure hosting the task; container app exited with code 137 (SIGKILL)", "Service jobs: ECS is performing maintenance on the underlying infrastructure hosting the task", true,
		},
		{
			"host stopped", ended("", "Host EC2 (instance i-0a1b) stopped.", of("app", none, "")), solo, run.Interrupted,
			"AWS took the task away: Host EC2 (instance i-0a1b) stopped", "Host EC2 (instance i-0a1b) stopped", true,
		},
		{
			"host deregistered", ended("", "Container instance deregistration forced by user", of("app", none, "")), solo, run.Interrupted,
			"AWS took the task away: Container instance deregistration forced by user", "Container instance deregistration forced by user", true,
		},
		{
			"Spot by its class", pending(tfts, "SpotInterruptionError: the capacity is gone", of("app", none, "")), solo, run.Interrupted,
			"AWS took the task away: SpotInterruptionError: the capacity is gone", "SpotInterruptionError: the capacity is gone", false,
		},
		{
			"a person quotes ECS", ended(byUser, "asked by ops, see: Host EC2 (instance i-0a1b) terminated", of("app", 143, "")), solo, run.Stopped,
			"the task was stopped: asked by ops, see: Host EC2 (instance i-0a1b) terminated; container app exited with code 143 (SIGTERM)", "asked by ops, see: Host EC2 (instance i-0a1b) terminated", true,
		},
		{
			"a tool stops in ECS's words", ended(byUser, "Host EC2 (instance i-0a1b) terminated.", of("app", 143, "")), solo, run.Interrupted,
			"AWS took the task away: Host EC2 (instance i-0a1b) terminated; container app exited with code 143 (SIGTERM)", "Host EC2 (instance i-0a1b) terminated", true,
		},
		{
			"scaled in, no stop code", ended("", "Scaling activity initiated by (deployment ecs-svc/1)", of("app", 143, "")), solo, run.Stopped,
			"the task was stopped: Scaling activity initiated by (deployment ecs-svc/1); container app exited with code 143 (SIGTERM)", "Scaling activity initiated by (deployment ecs-svc/1)", true,
		},
	}
}
