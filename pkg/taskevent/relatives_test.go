package taskevent_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"errand/pkg/run"
	"errand/pkg/taskevent"
)

// none is the exit code of a container that left none.
const none = -1000

// of is a container of an event that says nothing but its name, its exit code and why.
func of(name string, code int, reason string) taskevent.Container {
	c := taskevent.Container{Name: name, Reason: reason}
	if code != none {
		c.ExitCode = &code
	}
	return c
}

// made is the run's container, made by the runtime.
func made(code int, reason string) taskevent.Container {
	return with("7d3f-1", of("app", code, reason))
}

// with is a container with a runtime id.
func with(id string, c taskevent.Container) taskevent.Container {
	c.RuntimeID = id
	return c
}

// ended is a task that was RUNNING, pending one that never was.
func ended(stopCode, reason string, containers ...taskevent.Container) taskevent.Task {
	t := pending(stopCode, reason, containers...)
	t.StartedAt.Time = time.Date(2026, 11, 20, 2, 0, 0, 0, time.UTC)
	return t
}

func pending(stopCode, reason string, containers ...taskevent.Container) taskevent.Task {
	return taskevent.Task{StopCode: stopCode, StoppedReason: reason, Containers: containers}
}

const (
	exited     = "EssentialContainerExited"
	tfts       = "TaskFailedToStart"
	byUser     = "UserInitiated"
	byService  = "ServiceSchedulerInitiated"
	inTask     = "Essential container in task exited"
	notStarted = "Task failed to start"
	oom        = "OutOfMemoryError: Container killed due to memory usage"
	cannotPull = "CannotPullContainerError: pull image manifest has been retried 5 time(s): not found"
	waits      = "CannotStartContainerError: dependency graph: failed to resolve container ordering dependency [migrate] for target [app] as dependency did not exit successfully."
	guardduty  = "aws-guardduty-agent-dp5b4"
)

var (
	// solo, duo and chain are task definitions: the second has an essential helper, in the
	// third app waits for migrate, that waits for db.
	solo  = taskevent.Definition{"app": {Essential: true}}
	duo   = taskevent.Definition{"app": {Essential: true}, "proxy": {Essential: true}, "side": {}}
	chain = taskevent.Definition{
		"app": {Essential: true, DependsOn: []string{"migrate"}}, "migrate": {DependsOn: []string{"db"}},
		"db": {DependsOn: []string{"migrate"}}, "router": {Essential: true},
	}
)

type relative struct {
	name    string
	task    taskevent.Task
	d       taskevent.Definition
	status  run.Status
	reason  string
	summary string // "": the reason
	ran     bool
}

func TestRelatives(t *testing.T) {
	t.Parallel()
	groups := map[string][]relative{
		"own exit code": ownCode(), "culprit": culprits(), "failed start": failedStarts(), "memory": memory(), "taken": taken(),
	}
	for group, rows := range groups {
		for _, tc := range rows {
			t.Run(group+"/"+tc.name, func(t *testing.T) {
				t.Parallel()
				want := taskevent.Verdict{Status: tc.status, Reason: tc.reason, Summary: tc.summary, Ran: tc.ran, ExitCode: tc.task.Container("app").ExitCode}
				if want.Summary == "" {
					want.Summary = want.Reason
				}
				if diff := cmp.Diff(want, tc.task.Verdict("app", tc.d)); diff != "" {
					t.Errorf("verdict (-want +got):\n%s", diff)
				}
			})
		}
	}
}

func ownCode() []relative {
	return []relative{
		{
			"exit 3 before the sidecar was started", pending(tfts, notStarted, of("side", none, ""), of("app", 3, "")), duo, run.Failed,
			"container app exited with code 3", "exit code 3", true,
		},
		{
			"exit 0 before the sidecar was started, in 2018", pending("", notStarted, of("side", none, ""), of("app", 0, "")), duo, run.Succeeded,
			"container app exited with code 0", "exit code 0", true,
		},
		{
			"exit 0, and an essential helper could not be pulled", pending(tfts, notStarted, made(0, ""), of("proxy", none, cannotPull)), duo, run.Succeeded,
			"container app exited with code 0; essential container proxy did not start: CannotPullContainerError: pull image manifest has been retried 5 time(s): not found", "exit code 0", true,
		},
		{
			"exit 0 without a stop code, by ECS's sentence", ended("", "Essential container in task exited", of("app", 0, "")), nil, run.Succeeded,
			"container app exited with code 0", "exit code 0", true,
		},
		{
			"exit 0 with a stop code of tomorrow, by ECS's sentence", ended("ContainerExited", "Essential container in task exited.", of("app", 0, "")), solo, run.Succeeded,
			"container app exited with code 0", "exit code 0", true,
		},
		{
			"exit 0 and nothing else", ended("", "", of("app", 0, "")), solo, run.Lost,
			"container app exited with code 0, but ECS does not say that it ended by itself", "", true,
		},
		{
			"exit 0 and another reason", ended("", "Something new", of("app", 0, "")), solo, run.Lost,
			"container app exited with code 0, but ECS does not say that it ended by itself: Something new", "", true,
		},
		{
			"exit 1 and nothing else", ended("", "", of("app", 1, "")), solo, run.Failed,
			"container app exited with code 1", "exit code 1", true,
		},
		{
			"exit 0 when a person stopped it, in 2018", ended("", "Task stopped by user", of("app", 0, "")), solo, run.Stopped,
			"the task was stopped: Task stopped by user; container app exited with code 0", "Task stopped by user", true,
		},
		{
			"exit 0 under UserInitiated, with ECS's sentence as the caller's text", ended(byUser, inTask, of("app", 0, "")), solo, run.Stopped,
			"the task was stopped: Essential container in task exited; container app exited with code 0", "Essential container in task exited", true,
		},
		{
			"exit 1 and an essential helper that ECS killed", ended(exited, inTask, of("proxy", 143, ""), of("app", 1, "")), duo, run.Failed,
			"container app exited with code 1", "exit code 1", true,
		},
		{
			"exit 1 and an essential helper that failed", ended(exited, inTask, of("proxy", 2, ""), of("app", 1, "")), duo, run.Failed,
			"container app exited with code 1; essential container proxy exited with code 2", "exit code 1", true,
		},
		{
			"exit 0 and a helper that failed, not essential", ended(exited, inTask, of("side", 2, ""), of("app", 0, "")), duo, run.Succeeded,
			"container app exited with code 0", "exit code 0", true,
		},
		{
			"exit 0 and an essential helper that ECS killed", ended(exited, inTask, of("proxy", 137, ""), of("app", 0, "")), duo, run.Succeeded,
			"container app exited with code 0", "exit code 0", true,
		},
		{
			"exit 0 and an essential helper out of memory", ended(exited, inTask, of("proxy", 137, oom), of("app", 0, "")), duo, run.Succeeded,
			"container app exited with code 0; essential container proxy ran out of memory and was killed with code 137 (OutOfMemoryError: Container killed due to memory usage)", "exit code 0", true,
		},
		{
			"no exit code, but it was started", ended(exited, inTask, of("app", none, "")), solo, run.Failed,
			"container app ended without an exit code: Essential container in task exited", "", true,
		},
		{
			"no exit code, and GuardDuty's has one", ended(exited, inTask, of("app", none, ""), of(guardduty, 143, "")), nil, run.Failed,
			"container app ended without an exit code: Essential container in task exited", "", true,
		},
		{
			"nothing at all", pending("", "", of("app", none, "")), solo, run.Lost,
			"ECS gives neither an exit code nor a stop code", "", false,
		},
	}
}

func culprits() []relative {
	return []relative{
		{
			"a dependency of a dependency", pending(exited, inTask, of("router", 143, ""), of("app", none, ""), of("migrate", none, ""), of("db", 4, "")), chain, run.StartFailed,
			"container app did not start: container db exited with code 4", "container db exited with code 4", false,
		},
		{
			"a dependency before an essential helper", pending(exited, inTask, of("router", 1, ""), of("app", none, ""), of("migrate", 2, "")), chain, run.StartFailed,
			"container app did not start: container migrate exited with code 2", "container migrate exited with code 2", false,
		},
		{
			"a reason before a dependency's code", pending(exited, inTask, of("migrate", 2, ""), of("router", none, cannotPull), of("app", none, "")), chain, run.StartFailed,
			"container app did not start: container router did not start: CannotPullContainerError: pull image manifest has been retried 5 time(s): not found", "container router did not start: CannotPullContainerError: pull image manifest has been retried 5 time(s): not found", false,
		},
		{
			"a reason before one that only waited", pending(exited, inTask, of("migrate", none, waits), of("db", 255, "CannotStartContainerError: no such file"), of("app", none, "")), chain, run.StartFailed,
			"container app did not start: container db did not start: CannotStartContainerError: no such file", "container db did not start: CannotStartContainerError: no such file", false,
		},
		{
			"a dependency's code before one that only waited", pending(exited, inTask, of("migrate", none, waits), of("db", 4, ""), of("app", none, waits)), chain, run.StartFailed,
			"container app did not start: CannotStartContainerError: dependency graph: failed to resolve container ordering dependency [migrate] for target [app] as dependency did not exit successfully; container db exited with code 4",
			"container db exited with code 4", false,
		},
		{
			"one that only waited before an essential helper", pending(exited, inTask, of("migrate", none, waits), of("router", 1, ""), of("app", none, "")), chain, run.StartFailed,
			"container app did not start: container migrate did not start: CannotStartContainerError: dependency graph: failed to resolve container ordering dependency [migrate] for target [app] as dependency did not exit successfully",
			"container migrate did not start: CannotStartContainerError: dependency graph: failed to resolve container ordering dependency [migrate] for target [app] as dependency did not exit successfully", false,
		},
		{
			"an essential helper with 0", pending(exited, inTask, of("app", none, ""), of("proxy", 0, "")), duo, run.StartFailed,
			"container app did not start: container proxy exited with code 0", "container proxy exited with code 0", false,
		},
		{
			"only killed ones: the dependency", pending(exited, inTask, of("router", 143, ""), of("app", none, ""), of("migrate", 137, "")), chain, run.StartFailed,
			"container app did not start: container migrate exited with code 137 (SIGKILL)", "container migrate exited with code 137 (SIGKILL)", false,
		},
		{
			"only killed ones: the essential one", pending(exited, inTask, of("side", 143, ""), of("app", none, ""), of("proxy", 137, "")), duo, run.StartFailed,
			"container app did not start: container proxy exited with code 137 (SIGKILL)", "container proxy exited with code 137 (SIGKILL)", false,
		},
		{
			"only one that is neither", pending(exited, inTask, of("side", 143, ""), of("app", none, "")), duo, run.StartFailed,
			"container app did not start: Essential container in task exited", "Essential container in task exited", false,
		},
		{
			"a sentence of ECS's and a dependency", pending(tfts, "Timeout waiting for EphemeralStorage provisioning to complete.", of("migrate", 137, ""), of("app", none, "")), chain, run.StartFailed,
			"the task did not start: Timeout waiting for EphemeralStorage provisioning to complete", "Timeout waiting for EphemeralStorage provisioning to complete", false,
		},
		{
			"a sentence of ECS's and a failed dependency", pending(tfts, "Unexpected EC2 error while attempting to Create Network Interface", of("migrate", 1, ""), of("app", none, "")), chain, run.StartFailed,
			"the task did not start: Unexpected EC2 error while attempting to Create Network Interface; container migrate exited with code 1", "Unexpected EC2 error while attempting to Create Network Interface", false,
		},
		{
			"only GuardDuty's, without a definition", pending(exited, inTask, of(guardduty, 1, ""), of("app", none, "")), nil, run.StartFailed,
			"container app did not start: Essential container in task exited", "Essential container in task exited", false,
		},
		{
			"Service Connect's before a helper, without a definition", pending(exited, inTask, of("ecs-service-connect-a1", 1, ""), of("app", none, ""), of("migrate", 1, "")), nil, run.StartFailed,
			"container app did not start: container migrate exited with code 1", "container migrate exited with code 1", false,
		},
		{
			"one that the definition lacks", pending(exited, inTask, of("envoy", 1, ""), of("app", none, "")), solo, run.StartFailed,
			"container app did not start: Essential container in task exited", "Essential container in task exited", false,
		},
		{
			"own reason, and a killed helper", pending(exited, inTask, of("router", 137, ""), of("app", none, "CannotCreateContainerError: no such volume")), chain, run.StartFailed,
			"container app did not start: CannotCreateContainerError: no such volume", "CannotCreateContainerError: no such volume", false,
		},
		{
			"a code of the agent's, for one that was never made", ended(exited, inTask, with("7d3f-2", of("router", 137, "")), with("7d3f-3", of("migrate", 1, "")), of("app", 143, "")), chain, run.StartFailed,
			"container app did not start: container migrate exited with code 1", "container migrate exited with code 1", false,
		},
		{
			"killed, and an essential helper failed", ended(exited, inTask, of("side", 1, ""), of("app", 137, ""), of("proxy", 1, "")), duo, run.Failed,
			"container app exited with code 137 (SIGKILL); essential container proxy exited with code 1, and ECS stops a task when an essential container ends", "exit code 137 (SIGKILL)", true,
		},
		{
			"killed, and an essential helper out of memory", ended(exited, inTask, of("app", 143, ""), of("proxy", 137, oom)), duo, run.Failed,
			"container app exited with code 143 (SIGTERM); essential container proxy ran out of memory and was killed with code 137 (OutOfMemoryError: Container killed due to memory usage), and ECS stops a task when an essential container ends", "exit code 143 (SIGTERM)", true,
		},
		{
			"killed, and a helper failed that is not essential", ended(exited, inTask, of("side", 1, ""), of("app", 143, "")), duo, run.Failed,
			"container app exited with code 143 (SIGTERM)", "exit code 143 (SIGTERM)", true,
		},
		{
			"killed, and a helper out of memory that is not essential", ended(exited, inTask, made(137, ""), of("side", 137, oom)), duo, run.Failed,
			"container app exited with code 137 (SIGKILL); container side ran out of memory and was killed with code 137 (OutOfMemoryError: Container killed due to memory usage)", "exit code 137 (SIGKILL)", true,
		},
		{
			"exit 1, and a helper out of memory that is not essential", ended(exited, inTask, made(1, ""), of("side", 137, oom)), duo, run.Failed,
			"container app exited with code 1; container side ran out of memory and was killed with code 137 (OutOfMemoryError: Container killed due to memory usage)", "exit code 1", true,
		},
		{
			"exit 0, and a helper out of memory that is not essential", ended(exited, inTask, made(0, ""), of("side", 137, oom)), duo, run.Succeeded,
			"container app exited with code 0", "exit code 0", true,
		},
		{
			"killed for what only the task says", ended("", "Task failed container health checks", made(137, "")), solo, run.Failed,
			"container app exited with code 137 (SIGKILL): Task failed container health checks", "exit code 137 (SIGKILL)", true,
		},
		{
			"killed, and a helper could not be pulled", pending(tfts, notStarted, of("side", none, cannotPull), made(143, "")), duo, run.Failed,
			"container app exited with code 143 (SIGTERM); container side did not start: CannotPullContainerError: pull image manifest has been retried 5 time(s): not found", "exit code 143 (SIGTERM)", true,
		},
		{
			"killed, and all others too", ended(exited, inTask, of("proxy", 137, ""), of("app", 143, ""), of(guardduty, 0, "")), duo, run.Failed,
			"container app exited with code 143 (SIGTERM)", "exit code 143 (SIGTERM)", true,
		},
		{
			"killed, with another's 0, without a definition", ended(exited, inTask, of("app", 137, ""), of("proxy", 0, "")), nil, run.Failed,
			"container app exited with code 137 (SIGKILL)", "exit code 137 (SIGKILL)", true,
		},
		{
			"killed, with another's 1, without a definition", ended(exited, inTask, of("app", 137, ""), of("proxy", 1, "")), nil, run.Failed,
			"container app exited with code 137 (SIGKILL); container proxy exited with code 1", "exit code 137 (SIGKILL)", true,
		},
		{
			"killed for its own reason", ended(exited, inTask, of("app", 137, "CannotStopContainerError: timed out"), of("proxy", 0, "")), duo, run.Failed,
			"container app exited with code 137 (SIGKILL): CannotStopContainerError: timed out", "exit code 137 (SIGKILL)", true,
		},
		{
			"no exit code, and an essential helper failed", ended(exited, inTask, made(none, ""), of("proxy", 1, "")), duo, run.Failed,
			"container app ended without an exit code: Essential container in task exited; essential container proxy exited with code 1, and ECS stops a task when an essential container ends", "", true,
		},
	}
}
