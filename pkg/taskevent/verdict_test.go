package taskevent_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"errand/pkg/run"
	"errand/pkg/taskevent"
)

const prefix = "errand/jobs/"

func load(t testing.TB, name string) taskevent.Event {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("../../events/collector", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	e, err := taskevent.Decode(raw)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestVerdict(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		event   string
		status  run.Status
		reason  string
		summary string
		code    int // -1: none
		ran     bool
	}{
		{"succeeded", run.Succeeded, "container app exited with code 0", "exit code 0", 0, true},
		{"failed", run.Failed, "container app exited with code 3", "exit code 3", 3, true},
		{"sidecar-killed", run.Succeeded, "container app exited with code 0", "exit code 0", 0, true},
		{"injected-container", run.Succeeded, "container app exited with code 0", "exit code 0", 0, true},
		{"out-of-memory", run.Failed, "container app ran out of memory and was killed with code 137 (OutOfMemoryError: container killed due to memory usage; the limit was 1024 MiB: raise memory)", "exit code 137 (OutOfMemoryError)", 137, true},
		{"killed", run.Failed, "container app exited with code 137 (SIGKILL)", "exit code 137 (SIGKILL)", 137, true},
		{"segfault", run.Failed, "container app exited with code 139 (SIGSEGV)", "exit code 139 (SIGSEGV)", 139, true},
		{"not-found", run.Failed, "container app exited with code 127 (command not found)", "exit code 127 (command not found)", 127, true},
		{"not-executable", run.Failed, "container app exited with code 126 (the command is not executable)", "exit code 126 (the command is not executable)", 126, true},
		{"no-exit-code", run.Failed, "container app ended without an exit code: Essential container in task exited", "container app ended without an exit code: Essential container in task exited", -1, true},
		{"cannot-pull", run.StartFailed, "the task did not start: CannotPullContainerError: pull image manifest has been retried 5 time(s): failed to resolve ref 123456789012.dkr.ecr.eu-west-1.amazonaws.com/billing:2026-11-18: not found", "CannotPullContainerError: pull image manifest has been retried 5 time(s): failed to resolve ref 123456789012.dkr.ecr.eu-west-1.amazonaws.com/billing:2026-11-18: not found", -1, false},
		{"secret-missing", run.StartFailed, "the task did not start: ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: unable to retrieve secret from asm: service call has been retried 1 time(s)", "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: unable to retrieve secret from asm: service call has been retried 1 time(s)", -1, false},
		{"no-containers", run.StartFailed, "the task did not start: TaskFailedToStart: RESOURCE:GPU", "TaskFailedToStart: RESOURCE:GPU", -1, false},
		{"dependency-failed", run.StartFailed, "container app did not start: container migrate exited with code 1", "container migrate exited with code 1", -1, false},
		{"stopped-by-user", run.Stopped, "the task was stopped: Task stopped by user; container app exited with code 143 (SIGTERM)", "Task stopped by user", 143, true},
		{"stopped-exit-zero", run.Stopped, "the task was stopped: deploy freeze, asked by ops; container app exited with code 0", "deploy freeze, asked by ops", 0, true},
		{"scaled-in", run.Stopped, "the task was stopped: Scaling activity initiated by (deployment ecs-svc/1234567890123456789); container app exited with code 143 (SIGTERM)", "Scaling activity initiated by (deployment ecs-svc/1234567890123456789)", 143, true},
		{"spot-interrupted", run.Interrupted, "AWS took the task away: Your Spot Task was interrupted; container app exited with code 143 (SIGTERM)", "Your Spot Task was interrupted", 143, true},
		{"host-retired", run.Interrupted, "AWS took the task away: ECS is performing maintenance on the underlying infrastructure hosting the task; container app exited with code 143 (SIGTERM)", "ECS is performing maintenance on the underlying infrastructure hosting the task", 143, true},
		{"instance-terminated", run.Interrupted, "AWS took the task away: Host EC2 (instance i-0a1b2c3d4e5f67890) terminated", "Host EC2 (instance i-0a1b2c3d4e5f67890) terminated", -1, true},
		{"infrastructure-health", run.Interrupted, "AWS took the task away", "AWS took the task away", -1, true},
		{"no-stop-code", run.Lost, "container app exited with code 0, but ECS does not say that it ended by itself", "container app exited with code 0, but ECS does not say that it ended by itself", 0, true},
	} {
		t.Run(tc.event, func(t *testing.T) {
			t.Parallel()
			e := load(t, tc.event)
			if !e.Ended(prefix) {
				t.Fatal("not seen as the end of a task of the stack")
			}
			got := e.Task.Verdict(e.Task.Work(prefix).Container, nil)
			want := taskevent.Verdict{Status: tc.status, Reason: tc.reason, Summary: tc.summary, Ran: tc.ran}
			if tc.code >= 0 {
				want.ExitCode = &tc.code
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("verdict (-want +got):\n%s", diff)
			}
		})
	}
}

// ECS may leave any of these out.
func TestVerdictOnPartialEvents(t *testing.T) {
	t.Parallel()
	started := time.Date(2026, 11, 20, 2, 0, 0, 0, time.UTC)
	one := 1
	for _, tc := range []struct {
		name      string
		task      taskevent.Task
		container string
		status    run.Status
	}{
		{"nothing but the name", taskevent.Task{}, "app", run.Lost},
		{"no container known", taskevent.Task{StopCode: "EssentialContainerExited"}, "", run.Lost},
		{"no exit code and no runtime id, but the task was started", taskevent.Task{
			StopCode: "EssentialContainerExited", StartedAt: taskevent.Time{Time: started}, Containers: []taskevent.Container{{Name: "app"}},
		}, "app", run.Failed},
		{"a code of another container does not count", taskevent.Task{
			StopCode: "EssentialContainerExited", StartedAt: taskevent.Time{Time: started},
			Containers: []taskevent.Container{{Name: "side", ExitCode: new(int)}, {Name: "app", ExitCode: &one}},
		}, "app", run.Failed},
		{"a stop code of tomorrow with exit code 0", taskevent.Task{
			StopCode: "SomethingNew", Containers: []taskevent.Container{{Name: "app", ExitCode: new(int)}},
		}, "app", run.Lost},
		{"a stop code of tomorrow with exit code 1", taskevent.Task{
			StopCode: "SomethingNew", Containers: []taskevent.Container{{Name: "app", ExitCode: &one}},
		}, "app", run.Failed},
		{"failed to start after it had run", taskevent.Task{
			StopCode: "TaskFailedToStart", Containers: []taskevent.Container{{Name: "app", ExitCode: &one}},
		}, "app", run.Failed},
		{"Docker's exit code for a container that could not be started", taskevent.Task{
			StopCode: "TaskFailedToStart", Containers: []taskevent.Container{{Name: "app", ExitCode: &one, Reason: "CannotStartContainerError: exec: not found"}},
		}, "app", run.StartFailed},
		{"could not be created, EC2", taskevent.Task{
			StopCode: "EssentialContainerExited", StartedAt: taskevent.Time{Time: started}, Containers: []taskevent.Container{{Name: "app", Reason: "CannotCreateContainerError: no such volume"}},
		}, "app", run.StartFailed},
		{"stopped before it was started", taskevent.Task{StopCode: "UserInitiated", Containers: []taskevent.Container{{Name: "app"}}}, "app", run.Stopped},
		{"Spot told by its sentence only", taskevent.Task{StoppedReason: "Your Spot Task was interrupted."}, "app", run.Interrupted},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			v := tc.task.Verdict(tc.container, nil)
			if v.Status != tc.status || v.Reason == "" {
				t.Errorf("got %s (%s), want %s", v.Status, v.Reason, tc.status)
			}
		})
	}
}

func TestNotTheEndOfOurTask(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"deprovisioning", "spot-warning", "other-stack", "service-task", "launch-failed"} {
		if load(t, name).Ended(prefix) {
			t.Errorf("%s is taken for the end of a task of the stack", name)
		}
	}
}

// AWS may change a field; the verdict still counts.
func TestOddFields(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../../events/collector/failed.json")
	if err != nil {
		t.Fatal(err)
	}
	for from, to := range map[string]string{
		`"createdAt": "2026-11-20T02:00:09.102Z"`: `"createdAt": ""`,
		`"startedAt": "2026-11-20T02:00:31.006Z"`: `"startedAt": 1763604031.006`,
		`"stoppedAt": "2026-11-20T02:07:41.233Z"`: `"stoppedAt": "2026-11-20T02:07:41+0000"`,
		`"cpu": "512"`:              `"cpu": 512`,
		`"name": "ERRAND_ATTEMPT"`:  `"name": 5`,
		`"stopCode": "EssentialCon`: `"stopcode": 7, "stopCode": "EssentialCon`,
		`"containerOverrides": [`:   `"containerOverrides": [null, `,
		`"lastStatus": "STOPPED",`:  `"lastStatus": "STOPPED", "new": {"a": [1]},`,
		`"exitCode": 3`:             `"exitCode": "3"`,
		`"exitCode": 143`:           `"exitCode": {}, "reason": 5, "memory": [1]`,
	} {
		odd := strings.Replace(string(raw), from, to, 1)
		if odd == string(raw) {
			t.Errorf("%s is not in the event", from)
		}
		e, err := taskevent.Decode([]byte(odd))
		if err != nil || !e.Ended(prefix) {
			t.Errorf("%s: ended %v, %v", to, e.Ended(prefix), err)
			continue
		}
		if v := e.Task.Verdict(e.Task.Work(prefix).Container, nil); v.Status != run.Failed || v.ExitCode == nil || *v.ExitCode != 3 {
			t.Errorf("%s: %+v", to, v)
		}
	}
	for _, other := range []string{`{"source": "aws.ec2", "detail-type": "EC2 Instance State-change Notification", "detail": {"containers": "x"}}`, `{"detail-type": "x", "detail": 5}`} {
		if e, err := taskevent.Decode([]byte(other)); err != nil || e.Ended(prefix) {
			t.Errorf("%s: ended %v, %v", other, e.Ended(prefix), err)
		}
	}
	for _, broken := range []string{``, `{`, `[]`, `5`, `{"detail-type": 5}`} {
		if _, err := taskevent.Decode([]byte(broken)); err == nil {
			t.Errorf("%s is no error", broken)
		}
	}
}

// An exit code that cannot be read is none, and never 0.
func TestOddExitCode(t *testing.T) {
	t.Parallel()
	code := func(n int) *int { return &n }
	for text, want := range map[string]*int{
		`3`: code(3), `"3"`: code(3), `-1073741510`: code(-1073741510), `0`: code(0),
		`null`: nil, `""`: nil, `"null"`: nil, `"x"`: nil, `1.5`: nil, `true`: nil, `{}`: nil, `[0]`: nil, `1e99`: nil,
	} {
		e, err := taskevent.Decode([]byte(`{"detail-type": "ECS Task State Change", "detail": {"containers": [{"exitCode": ` + text + `, "name": "app", "reason": "x"}]}}`))
		if err != nil {
			t.Fatal(text, err)
		}
		if diff := cmp.Diff(taskevent.Container{Name: "app", ExitCode: want, Reason: "x"}, e.Task.Container("app")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, detail string
		cpu, memory  int
	}{
		{"the task's, as on Fargate", `"cpu": "256", "memory": "512", "containers": [{"name": "app", "cpu": "0"}]`, 256, 512},
		{"the container's", `"cpu": "256", "memory": "512", "containers": [{"name": "app", "cpu": "128", "memory": "64"}]`, 128, 64},
		{"the container's, which are not known", `"cpu": "256", "memory": "512", "containers": [{"name": "app", "cpu": "null", "memory": "null"}]`, 256, 512},
		{"what RunTask was told", `"memory": "512", "overrides": {"containerOverrides": [{"name": "side", "memory": 1}, {"name": "app", "cpu": 64, "memory": 32}]}, "containers": [{"name": "app", "memory": "64"}]`, 64, 32},
		{"a reservation is no limit", `"cpu": "256", "memory": "512", "launchType": "EC2", "containers": [{"name": "app", "cpu": "10", "memoryReservation": "512"}]`, 10, 0},
		{"nor is it where the task has one", `"memory": "512", "launchType": "FARGATE", "containers": [{"name": "app", "memoryReservation": "128"}]`, 0, 512},
		{"numbers, and what is neither", `"cpu": 256, "memory": "1 GB", "containers": [{"name": "app", "memory": -1}]`, 256, 0},
		{"nothing", `"containers": []`, 0, 0},
	} {
		e, err := taskevent.Decode([]byte(`{"detail-type": "ECS Task State Change", "detail": {` + tc.detail + `}}`))
		if err != nil {
			t.Fatal(tc.name, err)
		}
		if cpu, memory := e.Task.Limits("app"); cpu != tc.cpu || memory != tc.memory {
			t.Errorf("%s: got %d and %d, want %d and %d", tc.name, cpu, memory, tc.cpu, tc.memory)
		}
	}
}

func TestSignals(t *testing.T) {
	t.Parallel()
	for code, want := range map[int]string{
		1: "exited with code 1", 128: "exited with code 128", 130: "exited with code 130 (SIGINT)", 143: "exited with code 143 (SIGTERM)",
		162: "exited with code 162 (SIGRTMIN+0)", 192: "exited with code 192 (SIGRTMIN+30)", 255: "exited with code 255",
	} {
		if got := taskevent.Exited(code, ""); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestWork(t *testing.T) {
	t.Parallel()
	got := load(t, "failed").Task.Work(prefix)
	want := taskevent.Work{
		Run: run.Run{
			Job: "billing-daily", ID: "billing-daily-20261120T020000Z", Attempt: 1, Method: "run-task",
			ScheduledTime: time.Date(2026, 11, 20, 2, 0, 0, 0, time.UTC),
		},
		Container: "app", Command: []string{"./bill", "--day", "2026-11-19"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("run (-want +got):\n%s", diff)
	}
	if got := load(t, "started-by-hand").Task.Work(prefix); got.Job != "billing-daily" || got.ID != "" || got.Container != "" {
		t.Errorf("a task without the variables gives %+v", got)
	}
}

func FuzzVerdict(f *testing.F) {
	files, _ := filepath.Glob("../../events/collector/*.json")
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		e, err := taskevent.Decode(raw)
		if err != nil {
			return
		}
		work := e.Task.Work(prefix)
		d := taskevent.Definition{}
		for i, c := range e.Task.Containers {
			d[c.Name] = taskevent.Defined{Essential: i%2 == 0, DependsOn: []string{e.Task.Containers[0].Name}}
		}
		for _, d := range []taskevent.Definition{nil, d} {
			v := e.Task.Verdict(work.Container, d)
			if v.Reason == "" || v.Summary == "" || strings.ContainsAny(v.Reason, "\r\n") && work.Container == "" {
				t.Errorf("reason %q", v.Reason)
			}
			if v.Status == run.Succeeded && (v.ExitCode == nil || *v.ExitCode != 0 || e.Task.StopCode == "UserInitiated" || e.Task.StopCode == "" && e.Task.StoppedReason == "") {
				t.Errorf("succeeded with %v, %s and %s", v.ExitCode, e.Task.StopCode, e.Task.StoppedReason)
			}
			if v.Status == run.StartFailed && v.Ran {
				t.Errorf("it ran, and did not start: %s", v.Reason)
			}
		}
	})
}
