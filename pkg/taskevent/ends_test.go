package taskevent_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"errand/pkg/run"
	"errand/pkg/taskevent"
)

// one is a task with one container, which ran.
func one(code *int, stopCode, stoppedReason string) taskevent.Task {
	return taskevent.Task{
		StopCode: stopCode, StoppedReason: stoppedReason,
		Containers: []taskevent.Container{{Name: "app", ExitCode: code, RuntimeID: "r"}},
	}
}

// Every exit code but 0 is a failure, whatever its sign: Windows has negative ones, or
// the same as large ones
// (https://learn.microsoft.com/en-us/openspecs/windows_protocols/ms-erref/596a1078-e883-4972-9bbc-49e60bebca55).
func TestEveryCodeButZeroFails(t *testing.T) {
	t.Parallel()
	for code, means := range map[int]string{
		-1: " (0xFFFFFFFF)", -1073741510: " (0xC000013A, STATUS_CONTROL_C_EXIT)", 3221225786: " (0xC000013A, STATUS_CONTROL_C_EXIT)", -2147483648: "", 1: "", 2: "", 125: "", 126: " (the command is not executable)", 127: " (command not found)",
		128: "", 129: " (SIGHUP)", 137: " (SIGKILL)", 143: " (SIGTERM)", 159: " (SIGSYS)", 160: "", 161: "", 162: " (SIGRTMIN+0)", 192: " (SIGRTMIN+30)", 193: "", 255: "",
	} {
		want := taskevent.Verdict{
			Status: run.Failed, Ran: true, ExitCode: &code,
			Reason: "container app " + exitedWith(code) + means, Summary: exitCode(code) + means,
		}
		got := one(&code, "EssentialContainerExited", "Essential container in task exited").Verdict("app", nil)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("code %d (-want +got):\n%s", code, diff)
		}
	}
}

// AWS takes a task away by a stop code or by a sentence, with a code of the container
// or without.
func TestEveryWayOfBeingTakenAway(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ stopCode, reason string }{
		{"SpotInterruption", ""},
		{"SpotInterruption", "Your Spot Task was interrupted."},
		{"TerminationNotice", ""},
		{"TerminationNotice", "EC2 Spot Instance interruption notice."},
		{"InfrastructureHealth", ""},
		{"", "Your Spot Task was interrupted."},
		{"", "SpotInterruptionError: Your Spot Task was interrupted."},
		{"TaskFailedToStart", "SpotInterruptionError: Unable to launch."},
		{"", "ECS is performing maintenance on the underlying infrastructure hosting the task."},
		{"UserInitiated", "ECS is performing maintenance on the underlying infrastructure hosting the task."},
		{"EssentialContainerExited", "ECS is performing maintenance on the underlying infrastructure hosting the task."},
		{"", "Host EC2 (instance i-0a1b2c3d4e5f67890) terminated."},
		{"", "Host EC2 (instance i-0a1b2c3d4e5f67890) stopped."},
		{"UserInitiated", "Container instance deregistration forced by user"},
		{"ServiceSchedulerInitiated", "Task stopped during instance draining"},
		{"ServiceSchedulerInitiated", "Instance is in DRAINING state"},
	} {
		for _, code := range []*int{nil, new(0), new(1), new(143)} {
			want := taskevent.Verdict{Status: run.Interrupted, Ran: code != nil || tc.stopCode != "TaskFailedToStart", ExitCode: code, Reason: "AWS took the task away"}
			if tc.reason != "" {
				want.Summary = withoutDot(tc.reason)
				want.Reason += ": " + want.Summary
			}
			if code != nil {
				want.Reason += "; container app " + exitedWith(*code) + map[int]string{143: " (SIGTERM)"}[*code]
			}
			if want.Summary == "" {
				want.Summary = want.Reason
			}
			if diff := cmp.Diff(want, one(code, tc.stopCode, tc.reason).Verdict("app", nil)); diff != "" {
				t.Errorf("%s, %q (-want +got):\n%s", tc.stopCode, tc.reason, diff)
			}
		}
	}
}

// A person who quotes ECS stops a task all the same, and so does whoever words it as
// ECS does in the middle of another sentence.
func TestAPersonWhoQuotesECS(t *testing.T) {
	t.Parallel()
	for _, reason := range []string{
		"tidying up: Your Spot Task was interrupted", "the instance is in DRAINING state", "as in SpotInterruptionError", "no Host EC2 (instance i-1) any more",
	} {
		want := taskevent.Verdict{
			Status: run.Stopped, Ran: true, ExitCode: new(143), Summary: reason,
			Reason: "the task was stopped: " + reason + "; container app exited with code 143 (SIGTERM)",
		}
		if diff := cmp.Diff(want, one(new(143), "UserInitiated", reason).Verdict("app", nil)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", reason, diff)
		}
	}
}

// Docker has codes of its own for a container that it could not start, and the agent
// for one that waited in vain; any other is the command's.
func TestCodesOfWhatNeverRan(t *testing.T) {
	t.Parallel()
	for _, class := range []string{"DockerStateError: no such file", "CannotPullContainerError: no such image", "DockerTimeoutError: Could not transition to started; timed out after waiting 3m0s"} {
		for code, ran := range map[int]bool{0: true, 1: true, 125: true, 126: false, 127: false, 128: false, 129: true, 137: false, 143: false, 160: true} {
			task := taskevent.Task{StopCode: "EssentialContainerExited", Containers: []taskevent.Container{{Name: "app", ExitCode: &code, RuntimeID: "r", Reason: class}}}
			want := taskevent.Verdict{Status: run.StartFailed, ExitCode: &code, Reason: "container app did not start: " + class, Summary: class}
			if ran {
				want = taskevent.Verdict{Status: run.Failed, Ran: true, ExitCode: &code, Reason: "container app " + exitedWith(code) + ": " + class, Summary: exitCode(code)}
				if code == 0 {
					want.Status = run.Succeeded
				}
				if code == 129 {
					want.Reason, want.Summary = "container app exited with code 129 (SIGHUP): "+class, "exit code 129 (SIGHUP)"
				}
			}
			if diff := cmp.Diff(want, task.Verdict("app", nil)); diff != "" {
				t.Errorf("%s, code %d (-want +got):\n%s", class, code, diff)
			}
		}
	}
}

// Only ECS's own events of the stack's own tasks, and only the last of them, are ends.
func TestEndsAreOfECS(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		source, detailType, status, startedBy string
		ended                                 bool
	}{
		{"aws.ecs", "ECS Task State Change", "STOPPED", "errand/jobs/j", true},
		{"aws.ecs", "ECS Task State Change", "STOPPED", "errand/other/j", false},
		{"aws.ecs", "ECS Task State Change", "STOPPED", "", false},
		{"aws.ecs", "ECS Task State Change", "DEPROVISIONING", "errand/jobs/j", false},
		{"aws.ecs", "ECS Deployment State Change", "STOPPED", "errand/jobs/j", false},
		{"aws.batch", "ECS Task State Change", "STOPPED", "errand/jobs/j", false},
		{"", "ECS Task State Change", "STOPPED", "errand/jobs/j", false},
	} {
		e := taskevent.Event{Source: tc.source, DetailType: tc.detailType, Task: taskevent.Task{LastStatus: tc.status, StartedBy: tc.startedBy}}
		if got := e.Ended("errand/jobs/"); got != tc.ended {
			t.Errorf("%+v: ended %v", tc, got)
		}
	}
}

// A container waits for those that it depends on, and for those that they wait for.
func TestTheCulpritIsADependencysDependency(t *testing.T) {
	t.Parallel()
	task := taskevent.Task{StopCode: "TaskFailedToStart", StoppedReason: "Task failed to start", Containers: []taskevent.Container{
		{Name: "app"}, {Name: "metrics", ExitCode: new(2)}, {Name: "proxy"}, {Name: "config", ExitCode: new(1)},
	}}
	d := taskevent.Definition{"app": {Essential: true, DependsOn: []string{"proxy"}}, "proxy": {DependsOn: []string{"config"}}, "config": {DependsOn: []string{"proxy"}}, "metrics": {}}
	want := taskevent.Verdict{Status: run.StartFailed, Reason: "container app did not start: container config exited with code 1", Summary: "container config exited with code 1"}
	if diff := cmp.Diff(want, task.Verdict("app", d)); diff != "" {
		t.Errorf("verdict (-want +got):\n%s", diff)
	}
}

// The container's variables say more of the run than startedBy does.
func TestTheJobIsTheVariables(t *testing.T) {
	t.Parallel()
	e, err := taskevent.Decode([]byte(`{"detail-type": "ECS Task State Change", "detail": {"startedBy": "errand/jobs/other", "overrides": {"containerOverrides": [
		{"name": "app", "environment": [{"name": "ERRAND_RUN_ID", "value": "r-1"}, {"name": "ERRAND_JOB", "value": "j"}, {"name": "ERRAND_ATTEMPT", "value": "2"}]}]}}}`))
	if err != nil {
		t.Fatal(err)
	}
	want := taskevent.Work{Run: run.Run{Job: "j", ID: "r-1", Attempt: 2, Method: "run-task"}, Container: "app"}
	if diff := cmp.Diff(want, e.Task.Work("errand/jobs/")); diff != "" {
		t.Errorf("work (-want +got):\n%s", diff)
	}
}

func exitedWith(code int) string { return "exited with code " + strconv.Itoa(code) }
func exitCode(code int) string   { return "exit code " + strconv.Itoa(code) }

func withoutDot(reason string) string { return strings.TrimSuffix(reason, ".") }
