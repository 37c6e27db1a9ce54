package ecs_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"errand/pkg/localaws"
)

func TestTaskRunsTheCommand(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.Register(t, with(container("app", "not run"), func(c *types.ContainerDefinition) {
		c.EntryPoint = []string{"env", "C=$HOME"} // no shell sees this
		c.Environment = []types.KeyValuePair{{Name: aws.String("A"), Value: aws.String("1")}, {Name: aws.String("B"), Value: aws.String("definition")}}
	}))
	in := request()
	in.StartedBy = aws.String("errand/test/job")
	in.Overrides = &types.TaskOverride{ContainerOverrides: []types.ContainerOverride{{
		Name:        aws.String("app"),
		Command:     []string{"env"},
		Environment: []types.KeyValuePair{{Name: aws.String("B"), Value: aws.String("override")}},
	}}}
	asked := e.Run(t, in)
	if *asked.LastStatus != "PROVISIONING" || *asked.DesiredStatus != "RUNNING" || asked.Version != 1 {
		t.Errorf("RunTask shows %s, desired %s, version %d", *asked.LastStatus, *asked.DesiredStatus, asked.Version)
	}
	for _, state := range []string{"PROVISIONING", "PENDING", "RUNNING", "DEPROVISIONING"} {
		if o := e.Await(t, localaws.TaskState, state); o.Subject != *asked.TaskArn {
			t.Errorf("the state is of %s", o.Subject)
		}
	}
	task := e.Finish(t)
	names := map[string]bool{}
	for _, line := range e.Lines(t, task, "app") {
		name, _, _ := strings.Cut(line, "=")
		names[name] = true
		if strings.HasPrefix(line, "B=") && line != "B=override" || strings.HasPrefix(line, "C=") && line != "C=$HOME" {
			t.Errorf("the command has %s", line)
		}
	}
	same(t, "environment", slices.Sorted(maps.Keys(names)), []string{"A", "B", "C", "HOME", "PATH"})
	if got := *task.Group; got != "family:job" {
		t.Errorf("the group is %s", got)
	}
	for name, at := range map[string]*time.Time{
		"createdAt": task.CreatedAt, "startedAt": task.StartedAt, "stoppingAt": task.StoppingAt,
		"stoppedAt": task.StoppedAt, "executionStoppedAt": task.ExecutionStoppedAt, "pullStartedAt": task.PullStartedAt,
	} {
		if at == nil {
			t.Errorf("there is no %s", name)
		}
	}
}

func TestOutput(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 300<<10)
	for _, test := range []struct {
		name, script string
		want         []string
	}{
		{name: "both outputs in the order of writing", script: "echo 1; echo 2 >&2; echo 3", want: []string{"1", "2", "3"}},
		{name: "the last line needs no newline", script: "printf 'a\\nb'", want: []string{"a", "b"}},
		{name: "empty lines are dropped", script: "printf 'a\\n\\nb\\n'", want: []string{"a", "b"}},
		{name: "bytes that are no UTF-8 are replaced", script: "printf 'a\\377b\\n'", want: []string{"a\uFFFDb"}},
		{name: "a line is cut at 256 KiB", script: "head -c 307200 /dev/zero | tr '\\0' x", want: []string{long[:256<<10], long[256<<10:]}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			e := start(t)
			e.Register(t, shell("app", test.script))
			e.Run(t, request())
			got := e.Lines(t, e.Finish(t), "app")
			if !slices.Equal(got, test.want) {
				t.Errorf("got %d lines, want %d: %.100q", len(got), len(test.want), got)
			}
		})
	}
}

func TestOutputWithoutALogDriver(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.Register(t, with(shell("app", "echo hello"), func(c *types.ContainerDefinition) { c.LogConfiguration = nil }))
	task := e.Run(t, request())
	if o := e.Await(t, localaws.LogLine, "hello"); o.Subject != "app/"+taskID(task) {
		t.Errorf("the line is of %s", o.Subject)
	}
	e.Finish(t)
	groups, err := e.Logs.DescribeLogGroups(t.Context(), &cloudwatchlogs.DescribeLogGroupsInput{})
	if err != nil || len(groups.LogGroups) != 0 {
		t.Errorf("got %v log groups and %v, want none", groups, err)
	}
}

func TestStreamWithoutAPrefix(t *testing.T) {
	t.Parallel()
	e := start(t)
	in := fargate(with(shell("app", "echo hello"), func(c *types.ContainerDefinition) {
		delete(c.LogConfiguration.Options, "awslogs-stream-prefix")
	}))
	in.RequiresCompatibilities = nil
	if _, err := e.ECS.RegisterTaskDefinition(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	run := request()
	run.LaunchType = types.LaunchTypeEc2
	e.Run(t, run)
	stream := e.Await(t, localaws.LogLine, "hello").Subject
	if task := e.Finish(t); stream != *task.Containers[0].RuntimeId {
		t.Errorf("the stream is %s, not the runtime id %s", stream, *task.Containers[0].RuntimeId)
	}
}

func TestHowTasksEnd(t *testing.T) {
	t.Parallel()
	plain := filepath.Join(t.TempDir(), "plain")
	if err := os.WriteFile(plain, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(t.TempDir(), "tool")
	if err := os.WriteFile(script, []byte("#!/bin/sh\npwd\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	garbage := filepath.Join(t.TempDir(), "garbage")
	if err := os.WriteFile(garbage, []byte("\x7fELF or so"), 0o700); err != nil {
		t.Fatal(err)
	}
	// Containers of a task tell each other through these how far they are.
	ready, over := filepath.Join(t.TempDir(), "ready"), filepath.Join(t.TempDir(), "over")
	if err := errors.Join(syscall.Mkfifo(ready, 0o600), syscall.Mkfifo(over, 0o600)); err != nil {
		t.Fatal(err)
	}
	aside := func(c *types.ContainerDefinition) { c.Essential = aws.Bool(false) }
	const (
		exited  = "Essential container in task exited"
		failed  = "Task failed to start"
		patient = "echo started; exec sleep 600"
	)
	type ended struct {
		exit   int32 // -1 for none
		reason string
	}
	for _, test := range []struct {
		name       string
		containers []types.ContainerDefinition
		code       types.TaskStopCode
		reason     string
		want       []ended
		neverRan   bool
		lines      []string // of the first container
	}{
		{
			name: "success", containers: []types.ContainerDefinition{shell("app", "exit 0")},
			code: types.TaskStopCodeEssentialContainerExited, reason: exited, want: []ended{{0, ""}},
		},
		{
			name: "failure", containers: []types.ContainerDefinition{shell("app", "exit 3")},
			code: types.TaskStopCodeEssentialContainerExited, reason: exited, want: []ended{{3, ""}},
		},
		{
			name: "a signal counts 128 more", containers: []types.ContainerDefinition{shell("app", "kill -SEGV $$")},
			code: types.TaskStopCodeEssentialContainerExited, reason: exited, want: []ended{{139, ""}},
		},
		{
			name: "the end of an essential container ends the others",
			containers: []types.ContainerDefinition{
				shell("app", "cat "+ready+"; exit 3"),
				with(shell("sidecar", "trap 'exit 7' TERM; echo >"+ready+"; while :; do sleep 0.02; done"), aside),
			},
			code: types.TaskStopCodeEssentialContainerExited, reason: exited, want: []ended{{3, ""}, {7, ""}},
		},
		{
			name: "the end of another one does not",
			containers: []types.ContainerDefinition{
				shell("app", "cat "+over+"; echo done"),
				with(shell("early", "exec 3>"+over+"; exit 9"), aside),
			},
			code: types.TaskStopCodeEssentialContainerExited, reason: exited, want: []ended{{0, ""}, {9, ""}}, lines: []string{"done"},
		},
		{
			name: "a program of a relative path runs in the working directory",
			containers: []types.ContainerDefinition{with(container("app", "./tool"), func(c *types.ContainerDefinition) {
				c.WorkingDirectory = aws.String(filepath.Dir(script))
			})},
			code: types.TaskStopCodeEssentialContainerExited, reason: exited, want: []ended{{0, ""}}, lines: []string{filepath.Dir(script)},
		},
		{
			name: "no such command", containers: []types.ContainerDefinition{container("app", "no-such-command")},
			code: types.TaskStopCodeTaskFailedToStart, reason: failed, neverRan: true,
			want: []ended{{-1, `CannotStartContainerError: ResourceInitializationError: failed to create new container runtime task: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: "no-such-command": executable file not found in $PATH: unknown`}},
		},
		{
			name: "no such file", containers: []types.ContainerDefinition{container("app", "/no/such/file")},
			code: types.TaskStopCodeTaskFailedToStart, reason: failed, neverRan: true,
			want: []ended{{-1, `exec: "/no/such/file": stat /no/such/file: no such file or directory: unknown`}},
		},
		{
			name: "not executable", containers: []types.ContainerDefinition{container("app", plain)},
			code: types.TaskStopCodeTaskFailedToStart, reason: failed, neverRan: true,
			want: []ended{{-1, `exec: "` + plain + `": permission denied: unknown`}},
		},
		{
			name: "a directory", containers: []types.ContainerDefinition{container("app", "/")},
			code: types.TaskStopCodeTaskFailedToStart, reason: failed, neverRan: true,
			want: []ended{{-1, "is a directory: unknown"}},
		},
		{
			name: "no program", containers: []types.ContainerDefinition{container("app", garbage)},
			code: types.TaskStopCodeTaskFailedToStart, reason: failed, neverRan: true,
			want: []ended{{-1, "exec " + garbage + ": exec format error: unknown"}},
		},
		{
			name: "no command at all", containers: []types.ContainerDefinition{container("app")},
			code: types.TaskStopCodeTaskFailedToStart, reason: failed, neverRan: true,
			want: []ended{{-1, "no command specified: the embedded AWS endpoint has no images"}},
		},
		{
			name: "the PATH is the container's",
			containers: []types.ContainerDefinition{with(container("app", "sh"), func(c *types.ContainerDefinition) {
				c.Environment = []types.KeyValuePair{{Name: aws.String("PATH"), Value: aws.String("/nowhere")}}
			})},
			code: types.TaskStopCodeTaskFailedToStart, reason: failed, neverRan: true,
			want: []ended{{-1, `exec: "sh": executable file not found in $PATH`}},
		},
		{
			name: "no such working directory",
			containers: []types.ContainerDefinition{with(shell("app", "exit 0"), func(c *types.ContainerDefinition) {
				c.WorkingDirectory = aws.String("/no/such/directory")
			})},
			code: types.TaskStopCodeTaskFailedToStart, reason: failed, neverRan: true,
			want: []ended{{-1, `chdir to cwd ("/no/such/directory")`}},
		},
		{
			name:       "a container that cannot start takes those that did along",
			containers: []types.ContainerDefinition{shell("app", "exec sleep 600"), container("broken", "no-such-command")},
			code:       types.TaskStopCodeTaskFailedToStart, reason: failed, neverRan: true,
			want: []ended{{143, ""}, {-1, "CannotStartContainerError"}},
		},
		{
			name: "no log group",
			containers: []types.ContainerDefinition{with(shell("app", "exit 0"), func(c *types.ContainerDefinition) {
				delete(c.LogConfiguration.Options, "awslogs-create-group")
			})},
			code: types.TaskStopCodeTaskFailedToStart, neverRan: true, want: []ended{{-1, ""}},
			reason: "ResourceInitializationError: failed to validate logger args: create stream has been retried 1 times: failed to create Cloudwatch log stream: ResourceNotFoundException: The specified log group does not exist.",
		},
		{
			name: "a secret", neverRan: true, want: []ended{{-1, ""}},
			containers: []types.ContainerDefinition{with(shell("app", "exit 0"), func(c *types.ContainerDefinition) {
				c.Secrets = []types.Secret{{Name: aws.String("KEY"), ValueFrom: aws.String("key")}}
			})},
			code: types.TaskStopCodeTaskFailedToStart, reason: "ResourceInitializationError: unable to pull secrets or registry auth: the embedded AWS endpoint has neither",
		},
		{
			name: "plays image", containers: []types.ContainerDefinition{playing(shell("app", "exit 0"), "image")},
			code: types.TaskStopCodeTaskFailedToStart, reason: failed, neverRan: true,
			want: []ended{{-1, "CannotPullContainerError: pull image manifest has been retried 5 time(s): failed to resolve ref example/app"}},
		},
		{
			name: "plays secret", containers: []types.ContainerDefinition{playing(shell("app", "exit 0"), "secret")},
			code: types.TaskStopCodeTaskFailedToStart, reason: "ResourceInitializationError: unable to pull secrets", neverRan: true, want: []ended{{-1, ""}},
		},
		{
			name: "plays placement", containers: []types.ContainerDefinition{playing(shell("app", "exit 0"), "placement")},
			code: types.TaskStopCodeTaskFailedToStart, reason: "TaskFailedToStart: RESOURCE:MEMORY", neverRan: true,
		},
		{
			name: "plays spot", containers: []types.ContainerDefinition{playing(shell("app", patient), "spot")},
			code: types.TaskStopCodeSpotInterruption, reason: "Your Spot Task was interrupted.", want: []ended{{143, ""}}, lines: []string{"started"},
		},
		{
			name:       "plays spot with a command that ends well",
			containers: []types.ContainerDefinition{playing(shell("app", "exit 0"), "spot")},
			code:       types.TaskStopCodeSpotInterruption, reason: "Your Spot Task was interrupted.", want: []ended{{0, ""}},
		},
		{
			name: "plays maintenance", containers: []types.ContainerDefinition{playing(shell("app", patient), "maintenance")},
			code: types.TaskStopCodeServiceSchedulerInitiated, reason: "ECS is performing maintenance on the underlying infrastructure hosting the task", want: []ended{{143, ""}},
		},
		{
			name: "plays oom", containers: []types.ContainerDefinition{playing(shell("app", patient), "oom")},
			code: types.TaskStopCodeEssentialContainerExited, reason: exited, lines: []string{"started"},
			want: []ended{{137, "OutOfMemoryError: container killed due to memory usage"}},
		},
		{
			name: "plays no-exit-code", containers: []types.ContainerDefinition{playing(shell("app", "echo done"), "no-exit-code")},
			code: types.TaskStopCodeEssentialContainerExited, reason: exited, want: []ended{{-1, ""}}, lines: []string{"done"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			e := start(t)
			e.Register(t, test.containers...)
			e.Run(t, request())
			task := e.Finish(t)
			if task.StopCode != test.code || !strings.Contains(aws.ToString(task.StoppedReason), test.reason) {
				t.Errorf("got %s, %s, want %s, %s", task.StopCode, aws.ToString(task.StoppedReason), test.code, test.reason)
			}
			if *task.DesiredStatus != "STOPPED" || task.StoppedAt == nil || (task.StartedAt == nil) != test.neverRan {
				t.Errorf("desired %s, stopped at %v, started at %v", *task.DesiredStatus, task.StoppedAt, task.StartedAt)
			}
			if len(task.Containers) != len(test.want) {
				t.Fatalf("got %d containers, want %d", len(task.Containers), len(test.want))
			}
			for i, want := range test.want {
				got := task.Containers[i]
				if *got.LastStatus != "STOPPED" || !strings.Contains(aws.ToString(got.Reason), want.reason) || want.reason == "" && got.Reason != nil {
					t.Errorf("container %s is %s, reason %q, want %q", *got.Name, *got.LastStatus, aws.ToString(got.Reason), want.reason)
				}
				if code := cmp.Or(got.ExitCode, aws.Int32(-1)); *code != want.exit {
					t.Errorf("container %s has exit code %d, want %d (-1 is none)", *got.Name, *code, want.exit)
				}
			}
			if test.lines != nil {
				same(t, "log", e.Lines(t, task, *test.containers[0].Name), test.lines)
			}
		})
	}
}

func TestStopTask(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, script, reason string
		wantReason           string
		wantExit             int32
	}{
		{name: "the command dies of SIGTERM", script: "echo ready; exec sleep 600", wantReason: "Task stopped by user", wantExit: 143},
		{name: "the command handles SIGTERM", script: "trap 'exit 0' TERM; echo ready; while :; do sleep 0.02; done", reason: "timed out", wantReason: "timed out"},
		{name: "the command ignores SIGTERM until stopTimeout", script: "trap '' TERM; echo ready; while :; do sleep 0.02; done", wantReason: "Task stopped by user", wantExit: 137},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			e := start(t)
			e.Register(t, with(shell("app", test.script), func(c *types.ContainerDefinition) { c.StopTimeout = aws.Int32(1) }))
			in := request()
			in.Tags = []types.Tag{{Key: aws.String("k"), Value: aws.String("v")}}
			asked := e.Run(t, in)
			if len(asked.Tags) != 1 {
				t.Errorf("RunTask shows the tags %v", asked.Tags)
			}
			e.Ready(t)
			stop := &ecs.StopTaskInput{Task: asked.TaskArn}
			if test.reason != "" {
				stop.Reason = &test.reason
			}
			out, err := e.ECS.StopTask(t.Context(), stop)
			if err != nil {
				t.Fatal(err)
			}
			if *out.Task.DesiredStatus != "STOPPED" || *out.Task.LastStatus != "RUNNING" || out.Task.StopCode != types.TaskStopCodeUserInitiated || len(out.Task.Tags) != 0 {
				t.Errorf("StopTask shows desired %s, last %s, %s, tags %v", *out.Task.DesiredStatus, *out.Task.LastStatus, out.Task.StopCode, out.Task.Tags)
			}
			task := e.Finish(t)
			if task.StopCode != types.TaskStopCodeUserInitiated || *task.StoppedReason != test.wantReason || *task.Containers[0].ExitCode != test.wantExit {
				t.Errorf("got %s, %q, exit code %d", task.StopCode, *task.StoppedReason, *task.Containers[0].ExitCode)
			}
			again, err := e.ECS.StopTask(t.Context(), &ecs.StopTaskInput{Task: aws.String(taskID(asked)), Reason: aws.String("another")})
			if err != nil {
				t.Fatal(err)
			}
			if *again.Task.StoppedReason != test.wantReason || again.Task.Version != task.Version {
				t.Errorf("stopped again, the task shows %q in version %d, not %d", *again.Task.StoppedReason, again.Task.Version, task.Version)
			}
		})
	}
}

func TestStopTaskRefuses(t *testing.T) {
	t.Parallel()
	e := start(t)
	if _, err := e.ECS.CreateCluster(t.Context(), &ecs.CreateClusterInput{ClusterName: aws.String("other")}); err != nil {
		t.Fatal(err)
	}
	e.Register(t, shell("app", "exit 0"))
	task := e.Run(t, request())
	for _, test := range []struct{ name, cluster, task, code, message string }{
		{name: "no such task", cluster: "default", task: "0123", code: "InvalidParameterException", message: "The referenced task was not found."},
		{name: "a task of another cluster, by id", cluster: "other", task: taskID(task), code: "InvalidParameterException", message: "The referenced task was not found."},
		{name: "a task of another cluster, by ARN", cluster: "other", task: *task.TaskArn, code: "InvalidParameterException", message: "Identifier is for cluster default. Your cluster is other"},
		{name: "no such cluster", cluster: "missing", task: *task.TaskArn, code: "ClusterNotFoundException", message: "Cluster not found."},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := e.ECS.StopTask(t.Context(), &ecs.StopTaskInput{Cluster: &test.cluster, Task: &test.task})
			refused(t, err, test.code, test.message)
		})
	}
	_, err := e.ECS.StopTask(t.Context(), &ecs.StopTaskInput{Task: task.TaskArn, Reason: aws.String(strings.Repeat("x", 1025))})
	refused(t, err, "InvalidParameterException", "reason longer than 1024.")
	_, err = e.ECS.DescribeTasks(t.Context(), &ecs.DescribeTasksInput{Cluster: aws.String("other"), Tasks: []string{*task.TaskArn}})
	refused(t, err, "InvalidParameterException", "Identifier is for cluster default. Your cluster is other")
}

// held starts a task whose process and its child hold a FIFO open, and returns
// a channel that is closed when none of them does any longer.
func (e *endpoint) held(t *testing.T) <-chan struct{} {
	t.Helper()
	path, free := fifo(t)
	e.Register(t, shell("app", "exec 3>"+path+"; (trap '' TERM; echo ready; exec sleep 600) & wait"))
	e.Run(t, request())
	e.Await(t, localaws.LogLine, "ready")
	return free
}

func TestStopTaskReachesChildren(t *testing.T) {
	t.Parallel()
	e := start(t)
	free := e.held(t)
	list, err := e.ECS.ListTasks(t.Context(), &ecs.ListTasksInput{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.ECS.StopTask(t.Context(), &ecs.StopTaskInput{Task: &list.TaskArns[0]}); err != nil {
		t.Fatal(err)
	}
	released(t, free)
}

func TestCloseKillsTasks(t *testing.T) {
	t.Parallel()
	e := start(t)
	free := e.held(t)
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	released(t, free)
}

func TestRunTaskRefuses(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.Register(t, shell("app", "exit 0"))
	bridge := fargate(with(shell("app", "exit 0"), func(c *types.ContainerDefinition) { c.Memory = aws.Int32(128) }))
	bridge.Family, bridge.NetworkMode, bridge.RequiresCompatibilities, bridge.Cpu, bridge.Memory = aws.String("bridge"), types.NetworkModeBridge, nil, nil, nil
	gone := fargate(shell("app", "exit 0"))
	gone.Family = aws.String("gone")
	for _, in := range []*ecs.RegisterTaskDefinitionInput{bridge, gone} {
		if _, err := e.ECS.RegisterTaskDefinition(t.Context(), in); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := e.ECS.DeregisterTaskDefinition(t.Context(), &ecs.DeregisterTaskDefinitionInput{TaskDefinition: aws.String("gone:1")}); err != nil {
		t.Fatal(err)
	}
	override := func(name, value string) *types.TaskOverride {
		return &types.TaskOverride{ContainerOverrides: []types.ContainerOverride{{Name: &name, Command: []string{value}}}}
	}
	const frame = len(`{"containerOverrides":[{"command":[""],"name":"app"}]}`)
	strategy := func(items ...types.CapacityProviderStrategyItem) []types.CapacityProviderStrategyItem { return items }
	item := func(name string, weight, base int32) types.CapacityProviderStrategyItem {
		return types.CapacityProviderStrategyItem{CapacityProvider: &name, Weight: weight, Base: base}
	}
	const bad = "InvalidParameterException"
	for _, test := range []struct {
		name          string
		change        func(*ecs.RunTaskInput)
		code, message string // none if the request is right
	}{
		{name: "nothing wrong", change: func(*ecs.RunTaskInput) {}},
		{name: "no such cluster", change: func(in *ecs.RunTaskInput) { in.Cluster = aws.String("missing") }, code: "ClusterNotFoundException", message: "Cluster not found."},
		{name: "the cluster by ARN", change: func(in *ecs.RunTaskInput) {
			in.Cluster = aws.String("arn:aws:ecs:eu-west-1:123456789012:cluster/default")
		}},
		{name: "no such family", change: func(in *ecs.RunTaskInput) { in.TaskDefinition = aws.String("missing") }, code: "ClientException", message: "TaskDefinition not found."},
		{name: "no such revision", change: func(in *ecs.RunTaskInput) { in.TaskDefinition = aws.String("job:7") }, code: "ClientException", message: "TaskDefinition not found."},
		{name: "an inactive family", change: func(in *ecs.RunTaskInput) { in.TaskDefinition = aws.String("gone") }, code: "ClientException", message: "TaskDefinition not found."},
		{name: "an inactive revision", change: func(in *ecs.RunTaskInput) { in.TaskDefinition = aws.String("gone:1") }, code: "ClientException", message: "TaskDefinition is inactive"},
		{name: "a count of 0", change: func(in *ecs.RunTaskInput) { in.Count = aws.Int32(0) }, code: bad, message: "Count cannot be less than 1."},
		{name: "a count of 11", change: func(in *ecs.RunTaskInput) { in.Count = aws.Int32(11) }, code: bad, message: "Count cannot be greater than 10."},
		{name: "startedBy of 128 letters", change: func(in *ecs.RunTaskInput) { in.StartedBy = aws.String(strings.Repeat("a", 128)) }},
		{name: "startedBy of 129 letters", change: func(in *ecs.RunTaskInput) { in.StartedBy = aws.String(strings.Repeat("a", 129)) }, code: bad, message: "startedBy longer than 128."},
		{name: "a colon in startedBy", change: func(in *ecs.RunTaskInput) { in.StartedBy = aws.String("a:b") }, code: bad, message: "startedBy contains invalid characters."},
		{name: "a client token of 64 characters", change: func(in *ecs.RunTaskInput) { in.ClientToken = aws.String(strings.Repeat("~", 64)) }},
		{name: "a client token of 65 characters", change: func(in *ecs.RunTaskInput) { in.ClientToken = aws.String(strings.Repeat("~", 65)) }, code: bad, message: "clientToken longer than 64."},
		{name: "a space in the client token", change: func(in *ecs.RunTaskInput) { in.ClientToken = aws.String("a b") }, code: bad, message: "clientToken contains invalid characters."},
		{name: "no network for awsvpc", change: func(in *ecs.RunTaskInput) { in.NetworkConfiguration = nil }, code: bad, message: "Network Configuration must be provided when networkMode 'awsvpc' is specified."},
		{name: "no subnets", change: func(in *ecs.RunTaskInput) { in.NetworkConfiguration.AwsvpcConfiguration.Subnets = []string{} }, code: bad, message: "subnets can not be empty."},
		{name: "too many subnets", change: func(in *ecs.RunTaskInput) {
			in.NetworkConfiguration.AwsvpcConfiguration.Subnets = make([]string, 17)
		}, code: bad, message: "subnets can have at most 16 items."},
		{name: "too many security groups", change: func(in *ecs.RunTaskInput) {
			in.NetworkConfiguration.AwsvpcConfiguration.SecurityGroups = make([]string, 6)
		}, code: bad, message: "securityGroups can have at most 5 items."},
		{name: "no such assignPublicIp", change: func(in *ecs.RunTaskInput) {
			in.NetworkConfiguration.AwsvpcConfiguration.AssignPublicIp = "MAYBE"
		}, code: bad, message: "Value 'MAYBE' at 'assignPublicIp' failed to satisfy constraint: Member must satisfy enum value set: [ENABLED DISABLED]"},
		{name: "a network for bridge", change: func(in *ecs.RunTaskInput) {
			in.TaskDefinition, in.LaunchType = aws.String("bridge"), types.LaunchTypeEc2
		}, code: bad, message: "Network Configuration is not valid for the given networkMode of this task definition."},
		{name: "bridge without a network", change: func(in *ecs.RunTaskInput) {
			in.TaskDefinition, in.LaunchType, in.NetworkConfiguration = aws.String("bridge"), "", nil
		}},
		{name: "bridge on Fargate", change: func(in *ecs.RunTaskInput) {
			in.TaskDefinition, in.NetworkConfiguration = aws.String("bridge"), nil
		}, code: bad, message: "Task definition does not support launch_type FARGATE."},
		{name: "no such launch type", change: func(in *ecs.RunTaskInput) { in.LaunchType = "MOON" }, code: bad, message: "Value 'MOON' at 'launchType'"},
		{name: "launch type and strategy", change: func(in *ecs.RunTaskInput) { in.CapacityProviderStrategy = strategy(item("FARGATE", 1, 0)) }, code: bad, message: "Specifying both a launch type and capacity provider strategy is not supported. Remove one and try again."},
		{name: "a strategy alone", change: func(in *ecs.RunTaskInput) {
			in.LaunchType, in.CapacityProviderStrategy = "", strategy(item("FARGATE_SPOT", 0, 0))
		}},
		{name: "a strategy of weights 0", change: func(in *ecs.RunTaskInput) {
			in.LaunchType, in.CapacityProviderStrategy = "", strategy(item("FARGATE", 0, 0), item("FARGATE_SPOT", 0, 0))
		}, code: bad, message: "a weight greater than 0"},
		{name: "a strategy of two bases", change: func(in *ecs.RunTaskInput) {
			in.LaunchType, in.CapacityProviderStrategy = "", strategy(item("FARGATE", 1, 1), item("FARGATE_SPOT", 1, 1))
		}, code: bad, message: "only one capacity provider with a base"},
		{name: "a mixed strategy", change: func(in *ecs.RunTaskInput) {
			in.LaunchType, in.CapacityProviderStrategy = "", strategy(item("FARGATE", 1, 0), item("own", 1, 0))
		}, code: bad, message: "cannot contain a mix of capacity providers using Auto Scaling groups and Fargate"},
		{name: "no such platform version", change: func(in *ecs.RunTaskInput) { in.PlatformVersion = aws.String("9.9.9") }, code: "PlatformUnknownException", message: "platform"},
		{name: "a platform version on EC2", change: func(in *ecs.RunTaskInput) {
			in.LaunchType, in.PlatformVersion = types.LaunchTypeEc2, aws.String("LATEST")
		}, code: bad, message: "The platform version must be null when specifying an EC2 launch type."},
		{name: "tags of the service", change: func(in *ecs.RunTaskInput) { in.PropagateTags = types.PropagateTagsService }, code: bad, message: "propagateTags"},
		{name: "no such propagateTags", change: func(in *ecs.RunTaskInput) { in.PropagateTags = "ALL" }, code: bad, message: "Value 'ALL' at 'propagateTags'"},
		{name: "too many tags", change: func(in *ecs.RunTaskInput) {
			in.Tags = slices.Repeat([]types.Tag{{Key: aws.String("k"), Value: aws.String("v")}}, 51)
		}, code: bad, message: "50"},
		{name: "an override of no container", change: func(in *ecs.RunTaskInput) { in.Overrides = override("web", "x") }, code: bad, message: "Override for container named web is not a container in the TaskDefinition."},
		{name: "an override without a name", change: func(in *ecs.RunTaskInput) { in.Overrides = override("", "x") }, code: bad, message: "name should not be null or empty"},
		{name: "overrides of 8192 characters", change: func(in *ecs.RunTaskInput) { in.Overrides = override("app", strings.Repeat("é", 8192-frame)) }},
		{name: "overrides of 8193 characters", change: func(in *ecs.RunTaskInput) { in.Overrides = override("app", strings.Repeat("é", 8193-frame)) }, code: bad, message: "Container Overrides length must be at most 8192"},
		{name: "exec without a task role", change: func(in *ecs.RunTaskInput) { in.EnableExecuteCommand = true }, code: bad, message: "taskRoleArn"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			in := request()
			test.change(in)
			_, err := e.ECS.RunTask(t.Context(), in)
			if test.code == "" {
				if err != nil {
					t.Errorf("got the error %v, want none", err)
				}
				return
			}
			refused(t, err, test.code, test.message)
		})
	}
}

func TestWhereTasksRun(t *testing.T) {
	t.Parallel()
	item := func(name string, weight, base int32) types.CapacityProviderStrategyItem {
		return types.CapacityProviderStrategyItem{CapacityProvider: &name, Weight: weight, Base: base}
	}
	for _, test := range []struct {
		name                   string
		launchType             types.LaunchType
		strategy, defaults     []types.CapacityProviderStrategyItem
		wantType               types.LaunchType
		wantProvider, platform string
	}{
		{name: "a launch type", launchType: types.LaunchTypeFargate, wantType: types.LaunchTypeFargate, platform: "1.4.0"},
		{name: "neither", wantType: types.LaunchTypeEc2},
		{name: "the highest weight", strategy: []types.CapacityProviderStrategyItem{item("FARGATE", 1, 0), item("FARGATE_SPOT", 3, 0)}, wantType: types.LaunchTypeFargate, wantProvider: "FARGATE_SPOT", platform: "1.4.0"},
		{name: "the base", strategy: []types.CapacityProviderStrategyItem{item("FARGATE", 0, 1), item("FARGATE_SPOT", 3, 0)}, wantType: types.LaunchTypeFargate, wantProvider: "FARGATE", platform: "1.4.0"},
		{name: "a provider of instances", strategy: []types.CapacityProviderStrategyItem{item("own", 1, 0)}, wantType: types.LaunchTypeEc2, wantProvider: "own"},
		{name: "the cluster's strategy", defaults: []types.CapacityProviderStrategyItem{item("FARGATE", 1, 0)}, wantType: types.LaunchTypeFargate, wantProvider: "FARGATE", platform: "1.4.0"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			e := start(t)
			if _, err := e.ECS.CreateCluster(t.Context(), &ecs.CreateClusterInput{ClusterName: aws.String("jobs"), DefaultCapacityProviderStrategy: test.defaults}); err != nil {
				t.Fatal(err)
			}
			e.Register(t, shell("app", "exit 0"))
			in := request()
			in.Cluster, in.LaunchType, in.CapacityProviderStrategy = aws.String("jobs"), test.launchType, test.strategy
			task := e.Run(t, in)
			if task.LaunchType != test.wantType || aws.ToString(task.CapacityProviderName) != test.wantProvider || aws.ToString(task.PlatformVersion) != test.platform {
				t.Errorf("got %s, provider %q, platform %q", task.LaunchType, aws.ToString(task.CapacityProviderName), aws.ToString(task.PlatformVersion))
			}
		})
	}
}

func TestClientToken(t *testing.T) {
	t.Parallel()
	e := start(t)
	if _, err := e.ECS.CreateCluster(t.Context(), &ecs.CreateClusterInput{ClusterName: aws.String("other")}); err != nil {
		t.Fatal(err)
	}
	e.Register(t, shell("app", "echo ready; exec sleep 600"))
	in := request()
	in.ClientToken = aws.String("token")
	task := e.Run(t, in)
	if again := e.Run(t, in); *again.TaskArn != *task.TaskArn || again.CreatedAt == nil {
		t.Errorf("the same request gives %s, created at %v, not %s", *again.TaskArn, again.CreatedAt, *task.TaskArn)
	}

	changed := request()
	changed.ClientToken, changed.StartedBy = in.ClientToken, aws.String("me")
	_, err := e.ECS.RunTask(t.Context(), changed)
	var conflict *types.ConflictException
	if !errors.As(err, &conflict) {
		t.Fatalf("another request with the token: got %v, want a conflict", err)
	}
	same(t, "resourceIds", conflict.ResourceIds, []string{*task.TaskArn})

	elsewhere := request()
	elsewhere.ClientToken, elsewhere.Cluster = in.ClientToken, aws.String("other")
	if got := e.Run(t, elsewhere); *got.TaskArn == *task.TaskArn {
		t.Error("the token of one cluster counts in another")
	}

	if _, err := e.ECS.StopTask(t.Context(), &ecs.StopTaskInput{Task: task.TaskArn}); err != nil {
		t.Fatal(err)
	}
	e.Finish(t)
	old := e.Run(t, in)
	if *old.TaskArn != *task.TaskArn || *old.LastStatus != "STOPPED" || *old.DesiredStatus != "STOPPED" || old.CreatedAt != nil || len(old.Containers) != 0 || old.StopCode != "" {
		t.Errorf("a stopped task is replayed as %+v", old)
	}
	if n := e.Calls("RunTask"); n != 5 {
		t.Errorf("RunTask was called %d times, want 5", n)
	}
}

func TestFailPlacement(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.Register(t, shell("app", "exit 0"))
	e.FailPlacement("RESOURCE:MEMORY", 2)
	e.FailPlacement("", 1)
	for _, step := range []struct {
		name, token string
		reasons     []string
		tasks       int
	}{
		{name: "first", token: "a", reasons: []string{"RESOURCE:MEMORY"}},
		{name: "the same token has the same answer", token: "a", reasons: []string{"RESOURCE:MEMORY"}},
		{name: "second", token: "b", reasons: []string{"RESOURCE:MEMORY"}},
		{name: "neither tasks nor failures", token: "c"},
		{name: "over", token: "d", tasks: 1},
		{name: "but still replayed", token: "b", reasons: []string{"RESOURCE:MEMORY"}},
	} {
		in := request()
		in.ClientToken = &step.token
		out, err := e.ECS.RunTask(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		var reasons []string
		for _, f := range out.Failures {
			reasons = append(reasons, *f.Reason)
		}
		same(t, step.name, reasons, step.reasons)
		if len(out.Tasks) != step.tasks {
			t.Errorf("%s: got %d tasks, want %d", step.name, len(out.Tasks), step.tasks)
		}
	}
}

func TestRegisterTaskDefinitionRefuses(t *testing.T) {
	t.Parallel()
	e := start(t)
	first := func(change func(*types.ContainerDefinition)) func(*ecs.RegisterTaskDefinitionInput) {
		return func(in *ecs.RegisterTaskDefinitionInput) { change(&in.ContainerDefinitions[0]) }
	}
	const bad = "ClientException"
	for _, test := range []struct {
		name          string
		change        func(*ecs.RegisterTaskDefinitionInput)
		code, message string
	}{
		{name: "an empty family", change: func(in *ecs.RegisterTaskDefinitionInput) { in.Family = aws.String("") }, code: bad, message: "Family should not be null or empty."},
		{name: "a dot in the family", change: func(in *ecs.RegisterTaskDefinitionInput) { in.Family = aws.String("a.b") }, code: bad, message: "Family contains invalid characters."},
		{name: "no containers", change: func(in *ecs.RegisterTaskDefinitionInput) { in.ContainerDefinitions = []types.ContainerDefinition{} }, code: bad, message: "Container list cannot be empty."},
		{name: "two of a name", change: func(in *ecs.RegisterTaskDefinitionInput) {
			in.ContainerDefinitions = append(in.ContainerDefinitions, in.ContainerDefinitions[0])
		}, code: bad, message: "app is given twice"},
		{name: "no name", change: first(func(c *types.ContainerDefinition) { c.Name = nil }), code: bad, message: "Container.name should not be null or empty."},
		{name: "a space in the name", change: first(func(c *types.ContainerDefinition) { c.Name = aws.String("a b") }), code: bad, message: "Container.name contains invalid characters."},
		{name: "no image", change: first(func(c *types.ContainerDefinition) { c.Image = nil }), code: bad, message: "Container.image should not be null or empty."},
		{name: "nothing essential", change: first(func(c *types.ContainerDefinition) { c.Essential = aws.Bool(false) }), code: bad, message: "at least one essential container"},
		{name: "no such network mode", change: func(in *ecs.RegisterTaskDefinitionInput) { in.NetworkMode = "wires" }, code: "InvalidParameterException", message: "Value 'wires' at 'networkMode'"},
		{name: "no such compatibility", change: func(in *ecs.RegisterTaskDefinitionInput) {
			in.RequiresCompatibilities = []types.Compatibility{"MOON"}
		}, code: "InvalidParameterException", message: "Value 'MOON' at 'requiresCompatibilities'"},
		{name: "Fargate without awsvpc", change: func(in *ecs.RegisterTaskDefinitionInput) { in.NetworkMode = types.NetworkModeBridge }, code: bad, message: "Fargate only supports network mode ‘awsvpc’."},
		{name: "Fargate without cpu", change: func(in *ecs.RegisterTaskDefinitionInput) { in.Cpu = nil }, code: bad, message: "Fargate requires that 'cpu' be defined at the task level."},
		{name: "Fargate without memory", change: func(in *ecs.RegisterTaskDefinitionInput) { in.Memory = nil }, code: bad, message: "Fargate requires that 'memory' be defined at the task level."},
		{name: "no memory anywhere", change: func(in *ecs.RegisterTaskDefinitionInput) { in.Memory, in.RequiresCompatibilities = nil, nil }, code: bad, message: "At least one of 'memory' or 'memoryReservation' must be specified."},
		{name: "logs without a role", change: func(in *ecs.RegisterTaskDefinitionInput) { in.ExecutionRoleArn = nil }, code: bad, message: "Fargate requires task definition to have execution role ARN to support log driver awslogs."},
		{name: "logs without a group", change: first(func(c *types.ContainerDefinition) { delete(c.LogConfiguration.Options, "awslogs-group") }), code: bad, message: "awslogs-group"},
		{name: "logs without a prefix", change: first(func(c *types.ContainerDefinition) { delete(c.LogConfiguration.Options, "awslogs-stream-prefix") }), code: bad, message: "awslogs-stream-prefix"},
		{name: "no such log driver", change: first(func(c *types.ContainerDefinition) { c.LogConfiguration.LogDriver = "pigeon" }), code: "InvalidParameterException", message: "Value 'pigeon' at 'logDriver'"},
		{name: "no such play", change: first(func(c *types.ContainerDefinition) { *c = playing(*c, "hamlet") }), code: bad, message: "must be one of image, maintenance, no-exit-code, oom, placement, secret, spot, not 'hamlet'"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			in := fargate(shell("app", "exit 0"))
			test.change(in)
			_, err := e.ECS.RegisterTaskDefinition(t.Context(), in)
			refused(t, err, test.code, test.message)
		})
	}
}

func TestTaskDefinitions(t *testing.T) {
	t.Parallel()
	e := start(t)
	ctx := t.Context()
	first := e.Register(t, shell("app", "exit 0"))
	in := fargate(with(shell("app", "exit 0"), func(c *types.ContainerDefinition) { c.Essential = nil }))
	in.Tags = []types.Tag{{Key: aws.String("team"), Value: aws.String("billing")}}
	out, err := e.ECS.RegisterTaskDefinition(ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	second := out.TaskDefinition
	if first.Revision != 1 || second.Revision != 2 || *second.TaskDefinitionArn != "arn:aws:ecs:eu-west-1:123456789012:task-definition/job:2" {
		t.Errorf("got the revisions %d and %d, %s", first.Revision, second.Revision, *second.TaskDefinitionArn)
	}
	if !*second.ContainerDefinitions[0].Essential || second.Status != types.TaskDefinitionStatusActive || second.RegisteredAt == nil || len(second.Compatibilities) != 2 {
		t.Errorf("registered as %+v", second)
	}
	describe := func(reference string) (*ecs.DescribeTaskDefinitionOutput, error) {
		return e.ECS.DescribeTaskDefinition(ctx, &ecs.DescribeTaskDefinitionInput{TaskDefinition: &reference, Include: []types.TaskDefinitionField{types.TaskDefinitionFieldTags}})
	}
	for reference, revision := range map[string]int32{
		"job": 2, "job:1": 1, "job:2": 2, *first.TaskDefinitionArn: 1,
		"arn:aws:ecs:eu-west-1:123456789012:task-definition/job": 2, "arn:aws-cn:ecs:eu-west-1:123456789012:task-definition/job:1": 1,
	} {
		got, err := describe(reference)
		if err != nil || got.TaskDefinition.Revision != revision || len(got.Tags) != int(revision)-1 {
			t.Errorf("%s is %+v, %v, want revision %d", reference, got, err, revision)
		}
	}
	for _, reference := range []string{"missing", "job:3", "job:0", "job:x", "arn:aws:ecs:us-east-1:123456789012:task-definition/job"} {
		_, err := describe(reference)
		refused(t, err, "ClientException", "Unable to describe task definition.")
	}
	_, err = e.ECS.DeregisterTaskDefinition(ctx, &ecs.DeregisterTaskDefinitionInput{TaskDefinition: aws.String("job")})
	refused(t, err, "ClientException", "revision")
	_, err = e.ECS.DeregisterTaskDefinition(ctx, &ecs.DeregisterTaskDefinitionInput{TaskDefinition: aws.String("job:9")})
	refused(t, err, "ClientException", "does not exist")
	gone, err := e.ECS.DeregisterTaskDefinition(ctx, &ecs.DeregisterTaskDefinitionInput{TaskDefinition: aws.String("job:2")})
	if err != nil || gone.TaskDefinition.Status != types.TaskDefinitionStatusInactive || gone.TaskDefinition.DeregisteredAt == nil {
		t.Errorf("deregistered as %+v, %v", gone, err)
	}
	if got, err := describe("job"); err != nil || got.TaskDefinition.Revision != 1 {
		t.Errorf("job is %+v, %v, want revision 1", got, err)
	}
	if _, err := describe("job:2"); err != nil {
		t.Errorf("an inactive revision: %v", err)
	}
	e.Register(t, shell("app", "exit 0"))
	arn := "arn:aws:ecs:eu-west-1:123456789012:task-definition/job:"
	for _, test := range []struct {
		name string
		in   ecs.ListTaskDefinitionsInput
		want []string
	}{
		{name: "active ones", want: []string{arn + "1", arn + "3"}},
		{name: "the newest first", in: ecs.ListTaskDefinitionsInput{Sort: types.SortOrderDesc}, want: []string{arn + "3", arn + "1"}},
		{name: "inactive ones", in: ecs.ListTaskDefinitionsInput{Status: types.TaskDefinitionStatusInactive}, want: []string{arn + "2"}},
		{name: "a family", in: ecs.ListTaskDefinitionsInput{FamilyPrefix: aws.String("job")}, want: []string{arn + "1", arn + "3"}},
		{name: "no such family", in: ecs.ListTaskDefinitionsInput{FamilyPrefix: aws.String("jo")}},
		{name: "the second page", in: ecs.ListTaskDefinitionsInput{MaxResults: aws.Int32(1), NextToken: aws.String(arn + "1")}, want: []string{arn + "3"}},
	} {
		list, err := e.ECS.ListTaskDefinitions(ctx, &test.in)
		if err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		same(t, test.name, list.TaskDefinitionArns, test.want)
	}
	_, err = e.ECS.ListTaskDefinitions(ctx, &ecs.ListTaskDefinitionsInput{NextToken: aws.String("bogus")})
	refused(t, err, "InvalidParameterException", "Invalid token.")
	_, err = e.ECS.ListTaskDefinitions(ctx, &ecs.ListTaskDefinitionsInput{Status: "ASLEEP"})
	refused(t, err, "InvalidParameterException", "at 'status'")
	_, err = e.ECS.ListTaskDefinitions(ctx, &ecs.ListTaskDefinitionsInput{Sort: "RANDOM"})
	refused(t, err, "InvalidParameterException", "at 'sort'")
}

func TestListTasks(t *testing.T) {
	t.Parallel()
	e := start(t)
	ctx := t.Context()
	e.Register(t, shell("app", "trap '' TERM; echo ready; while :; do sleep 0.02; done"))
	in := request()
	in.Count, in.StartedBy = aws.Int32(3), aws.String("errand/x/job")
	out, err := e.ECS.RunTask(ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	var arns []string
	for _, task := range out.Tasks {
		arns = append(arns, *task.TaskArn)
	}
	for range arns {
		e.Await(t, localaws.LogLine, "ready")
	}
	other := e.Run(t, request())
	if _, err := e.ECS.StopTask(ctx, &ecs.StopTaskInput{Task: &arns[1]}); err != nil {
		t.Fatal(err)
	}
	if _, err := e.ECS.CreateService(ctx, &ecs.CreateServiceInput{
		ServiceName: aws.String("web"), TaskDefinition: aws.String("job"), NetworkConfiguration: request().NetworkConfiguration, LaunchType: types.LaunchTypeFargate,
	}); err != nil {
		t.Fatal(err)
	}
	running := []string{arns[0], arns[2]}
	const bad = "InvalidParameterException"
	for _, test := range []struct {
		name          string
		in            ecs.ListTasksInput
		want          []string
		code, message string
	}{
		{name: "those that are to run, without the one being stopped", want: append(slices.Clone(running), *other.TaskArn)},
		{name: "of a starter", in: ecs.ListTasksInput{StartedBy: in.StartedBy}, want: running},
		{name: "of a starter, to stop", in: ecs.ListTasksInput{StartedBy: in.StartedBy, DesiredStatus: types.DesiredStatusStopped}, want: []string{arns[1]}},
		{name: "of nobody", in: ecs.ListTasksInput{StartedBy: aws.String("errand/x")}},
		{name: "PENDING is nobody's desired status", in: ecs.ListTasksInput{DesiredStatus: types.DesiredStatusPending}},
		{name: "of a family", in: ecs.ListTasksInput{Family: aws.String("job"), DesiredStatus: types.DesiredStatusStopped}, want: []string{arns[1]}},
		{name: "of another family", in: ecs.ListTasksInput{Family: aws.String("jo")}},
		{name: "of a launch type", in: ecs.ListTasksInput{LaunchType: types.LaunchTypeEc2}},
		{name: "of a service", in: ecs.ListTasksInput{ServiceName: aws.String("web")}},
		{name: "the first page", in: ecs.ListTasksInput{MaxResults: aws.Int32(1)}, want: arns[:1]},
		{name: "the second page", in: ecs.ListTasksInput{MaxResults: aws.Int32(1), NextToken: &arns[0]}, want: arns[2:]},
		{name: "a page after a task that stopped", in: ecs.ListTasksInput{NextToken: &arns[1]}, want: []string{arns[2], *other.TaskArn}},
		{name: "startedBy and family", in: ecs.ListTasksInput{StartedBy: in.StartedBy, Family: aws.String("job")}, code: bad, message: "cannot specify startedBy with other arguments"},
		{name: "startedBy and service", in: ecs.ListTasksInput{StartedBy: in.StartedBy, ServiceName: aws.String("web")}, code: bad, message: "cannot specify startedBy with other arguments"},
		{name: "service and family", in: ecs.ListTasksInput{ServiceName: aws.String("web"), Family: aws.String("job")}, code: bad, message: "cannot specify serviceName with other arguments"},
		{name: "no such service", in: ecs.ListTasksInput{ServiceName: aws.String("missing")}, code: "ServiceNotFoundException", message: "Service not found."},
		{name: "no such cluster", in: ecs.ListTasksInput{Cluster: aws.String("missing")}, code: "ClusterNotFoundException", message: "Cluster not found."},
		{name: "no such status", in: ecs.ListTasksInput{DesiredStatus: "ASLEEP"}, code: bad, message: "at 'desiredStatus'"},
		{name: "no such launch type", in: ecs.ListTasksInput{LaunchType: "MOON"}, code: bad, message: "at 'launchType'"},
		{name: "a page of 0", in: ecs.ListTasksInput{MaxResults: aws.Int32(0)}, code: bad, message: "greater than or equal to 1"},
		{name: "a page of 101", in: ecs.ListTasksInput{MaxResults: aws.Int32(101)}, code: bad, message: "less than or equal to 100"},
		{name: "no such token", in: ecs.ListTasksInput{NextToken: aws.String("bogus")}, code: bad, message: "Invalid token."},
	} {
		t.Run(test.name, func(t *testing.T) {
			list, err := e.ECS.ListTasks(ctx, &test.in)
			if test.code != "" {
				refused(t, err, test.code, test.message)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			same(t, "tasks", list.TaskArns, test.want)
		})
	}
}

func TestDescribeTasks(t *testing.T) {
	t.Parallel()
	e := start(t)
	ctx := t.Context()
	def := fargate(shell("app", "exit 0"), shell("sidecar", "exit 0"))
	def.Tags = []types.Tag{{Key: aws.String("from"), Value: aws.String("definition")}}
	if _, err := e.ECS.RegisterTaskDefinition(ctx, def); err != nil {
		t.Fatal(err)
	}
	in := request()
	in.Tags = []types.Tag{{Key: aws.String("k"), Value: aws.String("v")}}
	in.PropagateTags = types.PropagateTagsTaskDefinition
	task := e.Run(t, in)
	out, err := e.ECS.DescribeTasks(ctx, &ecs.DescribeTasksInput{
		Tasks: []string{taskID(task), "0123"}, Include: []types.TaskField{types.TaskFieldTags},
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Tasks) != 1 || len(out.Tasks[0].Tags) != 2 || len(out.Tasks[0].Overrides.ContainerOverrides) != 2 {
		t.Errorf("got %+v", out.Tasks)
	}
	if len(out.Failures) != 1 || *out.Failures[0].Reason != "MISSING" || *out.Failures[0].Arn != "arn:aws:ecs:eu-west-1:123456789012:task/default/0123" {
		t.Errorf("got the failures %+v", out.Failures)
	}
	if plain := e.Describe(t, *task.TaskArn); len(plain.Tags) != 0 {
		t.Errorf("tags are shown without being asked for: %v", plain.Tags)
	}
	_, err = e.ECS.DescribeTasks(ctx, &ecs.DescribeTasksInput{Tasks: []string{}})
	refused(t, err, "InvalidParameterException", "Tasks cannot be empty.")
	_, err = e.ECS.DescribeTasks(ctx, &ecs.DescribeTasksInput{Tasks: make([]string, 101)})
	refused(t, err, "InvalidParameterException", "100")
	_, err = e.ECS.DescribeTasks(ctx, &ecs.DescribeTasksInput{Tasks: []string{"x"}, Include: []types.TaskField{"EVERYTHING"}})
	refused(t, err, "InvalidParameterException", "at 'include'")
	_, err = e.ECS.DescribeTasks(ctx, &ecs.DescribeTasksInput{Tasks: []string{"x"}, Cluster: aws.String("missing")})
	refused(t, err, "ClusterNotFoundException", "Cluster not found.")
}

func TestClusters(t *testing.T) {
	t.Parallel()
	e := start(t)
	ctx := t.Context()
	for range 2 { // the second time it is there already
		out, err := e.ECS.CreateCluster(ctx, &ecs.CreateClusterInput{ClusterName: aws.String("jobs")})
		if err != nil || *out.Cluster.ClusterArn != "arn:aws:ecs:eu-west-1:123456789012:cluster/jobs" {
			t.Errorf("got %+v, %v", out, err)
		}
	}
	_, err := e.ECS.CreateCluster(ctx, &ecs.CreateClusterInput{ClusterName: aws.String("a b")})
	refused(t, err, "InvalidParameterException", "invalid characters")
	e.Register(t, shell("app", "exec sleep 600"))
	e.Run(t, request())
	e.Await(t, localaws.TaskState, "RUNNING")
	out, err := e.ECS.DescribeClusters(ctx, &ecs.DescribeClustersInput{Clusters: []string{"default", "jobs", "missing"}})
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Clusters) != 2 || out.Clusters[0].RunningTasksCount != 1 || out.Clusters[1].RunningTasksCount != 0 || *out.Clusters[0].Status != "ACTIVE" {
		t.Errorf("got the clusters %+v", out.Clusters)
	}
	if len(out.Failures) != 1 || *out.Failures[0].Reason != "MISSING" || *out.Failures[0].Arn != "arn:aws:ecs:eu-west-1:123456789012:cluster/missing" {
		t.Errorf("got the failures %+v", out.Failures)
	}
	exec := &types.ExecuteCommandConfiguration{
		KmsKeyId: aws.String("key"), Logging: types.ExecuteCommandLoggingOverride,
		LogConfiguration: &types.ExecuteCommandLogConfiguration{CloudWatchLogGroupName: aws.String("/exec")},
	}
	config := &types.ClusterConfiguration{ExecuteCommandConfiguration: exec}
	if _, err := e.ECS.CreateCluster(ctx, &ecs.CreateClusterInput{ClusterName: aws.String("encrypted"), Configuration: config}); err != nil {
		t.Fatal(err)
	}
	if _, err := e.ECS.UpdateCluster(ctx, &ecs.UpdateClusterInput{Cluster: aws.String("jobs"), Configuration: config}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"encrypted", "jobs"} {
		in := &ecs.DescribeClustersInput{Clusters: []string{name}}
		if out, err := e.ECS.DescribeClusters(ctx, in); err != nil || out.Clusters[0].Configuration != nil {
			t.Errorf("%s: unasked, got the configuration %+v, %v", name, out.Clusters[0].Configuration, err)
		}
		in.Include = []types.ClusterField{types.ClusterFieldConfigurations}
		out, err := e.ECS.DescribeClusters(ctx, in)
		if err != nil {
			t.Fatal(err)
		}
		if got := out.Clusters[0].Configuration.ExecuteCommandConfiguration; *got.KmsKeyId != "key" || *got.LogConfiguration.CloudWatchLogGroupName != "/exec" || got.Logging != exec.Logging {
			t.Errorf("%s: got the configuration %+v", name, got)
		}
	}
	exec.LogConfiguration = nil
	_, err = e.ECS.UpdateCluster(ctx, &ecs.UpdateClusterInput{Cluster: aws.String("jobs"), Configuration: config})
	refused(t, err, "InvalidParameterException", "must be OVERRIDE")
	exec.Logging = "ALL"
	_, err = e.ECS.CreateCluster(ctx, &ecs.CreateClusterInput{Configuration: config})
	refused(t, err, "InvalidParameterException", "'logging'")
	_, err = e.ECS.UpdateCluster(ctx, &ecs.UpdateClusterInput{Cluster: aws.String("missing")})
	refused(t, err, "ClusterNotFoundException", "Cluster not found.")
	_, err = e.ECS.DescribeClusters(ctx, &ecs.DescribeClustersInput{Include: []types.ClusterField{"ALL"}})
	refused(t, err, "InvalidParameterException", "'include'")
	if alone, err := e.ECS.DescribeClusters(ctx, &ecs.DescribeClustersInput{}); err != nil || len(alone.Clusters) != 1 || *alone.Clusters[0].ClusterName != "default" {
		t.Errorf("without names, got %+v, %v", alone, err)
	}
}

func TestServices(t *testing.T) {
	t.Parallel()
	e := start(t)
	ctx := t.Context()
	e.Register(t, shell("app", "exit 0"))
	create := &ecs.CreateServiceInput{
		ServiceName: aws.String("web"), TaskDefinition: aws.String("job"), NetworkConfiguration: request().NetworkConfiguration, LaunchType: types.LaunchTypeFargate,
	}
	made, err := e.ECS.CreateService(ctx, create)
	if err != nil {
		t.Fatal(err)
	}
	describe := func(reference string) types.Service {
		t.Helper()
		out, err := e.ECS.DescribeServices(ctx, &ecs.DescribeServicesInput{Services: []string{reference}})
		if err != nil || len(out.Services) != 1 {
			t.Fatalf("%s is %+v, %v", reference, out, err)
		}
		return out.Services[0]
	}
	const arn = "arn:aws:ecs:eu-west-1:123456789012:task-definition/job:"
	for _, reference := range []string{"web", *made.Service.ServiceArn} {
		got := describe(reference)
		if *got.TaskDefinition != arn+"1" || got.LaunchType != types.LaunchTypeFargate || *got.PlatformVersion != "LATEST" || *got.Status != "ACTIVE" ||
			got.NetworkConfiguration.AwsvpcConfiguration.Subnets[0] != "subnet-1" || len(got.Deployments) != 1 || *got.Deployments[0].TaskDefinition != arn+"1" {
			t.Errorf("%s is %+v", reference, got)
		}
	}
	e.Register(t, shell("app", "exit 0"))
	if got := describe("web"); *got.TaskDefinition != arn+"1" {
		t.Errorf("without a deployment, the service has %s", *got.TaskDefinition)
	}
	spot := []types.CapacityProviderStrategyItem{{CapacityProvider: aws.String("FARGATE_SPOT"), Weight: 1}}
	if _, err := e.ECS.UpdateService(ctx, &ecs.UpdateServiceInput{
		Service: aws.String("web"), TaskDefinition: aws.String("job"), CapacityProviderStrategy: spot, DesiredCount: aws.Int32(2), EnableExecuteCommand: aws.Bool(true),
		PlatformVersion:      aws.String("1.4.0"),
		NetworkConfiguration: &types.NetworkConfiguration{AwsvpcConfiguration: &types.AwsVpcConfiguration{Subnets: []string{"subnet-2"}}},
	}); err != nil {
		t.Fatal(err)
	}
	got := describe("web")
	if *got.TaskDefinition != arn+"2" || got.LaunchType != "" || *got.CapacityProviderStrategy[0].CapacityProvider != "FARGATE_SPOT" || got.DesiredCount != 2 ||
		!got.EnableExecuteCommand || *got.PlatformVersion != "1.4.0" || got.NetworkConfiguration.AwsvpcConfiguration.Subnets[0] != "subnet-2" ||
		*got.Deployments[0].TaskDefinition != arn+"2" || *got.Deployments[0].Id == *made.Service.Deployments[0].Id {
		t.Errorf("after a deployment, the service is %+v", got)
	}

	missing, err := e.ECS.DescribeServices(ctx, &ecs.DescribeServicesInput{Services: []string{"missing"}})
	if err != nil || len(missing.Failures) != 1 || *missing.Failures[0].Reason != "MISSING" || *missing.Failures[0].Arn != "arn:aws:ecs:eu-west-1:123456789012:service/default/missing" {
		t.Errorf("a service that is not there is %+v, %v", missing, err)
	}
	_, err = e.ECS.DescribeServices(ctx, &ecs.DescribeServicesInput{Services: []string{}})
	refused(t, err, "InvalidParameterException", "Services cannot be empty.")
	_, err = e.ECS.DescribeServices(ctx, &ecs.DescribeServicesInput{Services: make([]string, 11)})
	refused(t, err, "InvalidParameterException", "10")
	_, err = e.ECS.DescribeServices(ctx, &ecs.DescribeServicesInput{Services: []string{"web"}, Cluster: aws.String("missing")})
	refused(t, err, "ClusterNotFoundException", "Cluster not found.")
	_, err = e.ECS.UpdateService(ctx, &ecs.UpdateServiceInput{Service: aws.String("missing")})
	refused(t, err, "ServiceNotFoundException", "Service not found.")
	_, err = e.ECS.UpdateService(ctx, &ecs.UpdateServiceInput{Service: aws.String("web"), TaskDefinition: aws.String("job:9")})
	refused(t, err, "ClientException", "TaskDefinition not found.")
	_, err = e.ECS.CreateService(ctx, create)
	refused(t, err, "InvalidParameterException", "Creation of service was not idempotent.")
	create.ServiceName = aws.String("a b")
	_, err = e.ECS.CreateService(ctx, create)
	refused(t, err, "InvalidParameterException", "invalid characters")
	create.ServiceName, create.TaskDefinition = aws.String("api"), nil
	_, err = e.ECS.CreateService(ctx, create)
	refused(t, err, "ClientException", "Task definition can not be blank.")
	create.TaskDefinition, create.NetworkConfiguration = aws.String("job"), nil
	_, err = e.ECS.CreateService(ctx, create)
	refused(t, err, "InvalidParameterException", "Network Configuration must be provided")
}

// TestTaskStateChangeEvents collects the events as dead letters of a function
// that cannot be started.
func TestTaskStateChangeEvents(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.AddFunction(localaws.Function{Name: "nobody", Bootstrap: "/no/such/bootstrap", MaximumRetryAttempts: aws.Int(0)})
	if err := e.AddRule(localaws.Rule{Name: "tasks", Function: "nobody", Pattern: []byte(`{"source":["aws.ecs"],"detail-type":["ECS Task State Change"]}`)}); err != nil {
		t.Fatal(err)
	}
	e.Register(t, shell("app", "exit 3"), with(shell("sidecar", "exec sleep 600"), func(c *types.ContainerDefinition) { c.Essential = aws.Bool(false) }))
	in := request()
	in.StartedBy = aws.String("errand/test/job")
	in.Tags = []types.Tag{{Key: aws.String("k"), Value: aws.String("v")}}
	in.Overrides = &types.TaskOverride{ContainerOverrides: []types.ContainerOverride{{Name: aws.String("app"), Environment: []types.KeyValuePair{{Name: aws.String("RUN"), Value: aws.String("1")}}}}}
	task := e.Run(t, in)
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	const count = 7 // the sidecar's end is one
	letters, err := e.AwaitDeadLetters(ctx, count)
	if err != nil {
		t.Fatal(err)
	}
	type event struct {
		Resources []string
		Detail    struct {
			Version                                  int
			LastStatus, DesiredStatus                string
			StopCode, StoppedReason                  string
			StoppedAt, StartedAt, ExecutionStoppedAt string
			CreatedAt, UpdatedAt                     time.Time
			Group, StartedBy, CPU, Memory            string
			TaskArn, ClusterArn, TaskDefinitionArn   string
			Tags, HealthStatus                       any
			Containers                               []struct {
				Name, LastStatus, CPU string
				ExitCode              *int
			}
			Overrides struct {
				ContainerOverrides []map[string]any
			}
		}
	}
	events := make([]event, count)
	for i, letter := range letters {
		if err := json.Unmarshal(letter.Payload, &events[i]); err != nil {
			t.Fatal(err)
		}
	}
	slices.SortFunc(events, func(a, b event) int { return cmp.Compare(a.Detail.Version, b.Detail.Version) })
	var states []string
	for i, ev := range events {
		d := ev.Detail
		states = append(states, d.LastStatus+" "+d.DesiredStatus+" "+d.StopCode)
		if d.Version != i+1 || !slices.Equal(ev.Resources, []string{*task.TaskArn}) || d.TaskArn != *task.TaskArn || d.ClusterArn != *task.ClusterArn || d.TaskDefinitionArn != *task.TaskDefinitionArn {
			t.Errorf("event %d is %+v", i, ev)
		}
		if d.Group != "family:job" || d.StartedBy != "errand/test/job" || d.CPU != "256" || d.Memory != "512" || d.Tags != nil || d.HealthStatus != nil || d.CreatedAt.IsZero() || d.UpdatedAt.Before(d.CreatedAt) {
			t.Errorf("event %d has the detail %+v", i, d)
		}
		if o := d.Overrides.ContainerOverrides; len(o) != 2 || o[0]["name"] != "app" || o[0]["environment"] == nil || len(o[1]) != 1 || o[1]["name"] != "sidecar" {
			t.Errorf("event %d has the overrides %v", i, o)
		}
		if len(d.Containers) != 2 || d.Containers[0].CPU != "0" {
			t.Fatalf("event %d has the containers %+v", i, d.Containers)
		}
		if stopping := d.DesiredStatus == "STOPPED"; stopping != (d.Containers[0].ExitCode != nil) || stopping != (d.StoppedReason == "Essential container in task exited") {
			t.Errorf("event %d has the containers %+v and the reason %q", i, d.Containers, d.StoppedReason)
		}
		if (d.StoppedAt != "") != (d.LastStatus == "STOPPED") || (d.StartedAt != "") != (i > 1) {
			t.Errorf("event %d, %s, has stoppedAt %q and startedAt %q", i, d.LastStatus, d.StoppedAt, d.StartedAt)
		}
	}
	same(t, "states", states, []string{
		"PROVISIONING RUNNING ", "PENDING RUNNING ", "RUNNING RUNNING ",
		"RUNNING STOPPED EssentialContainerExited", "RUNNING STOPPED EssentialContainerExited",
		"DEPROVISIONING STOPPED EssentialContainerExited", "STOPPED STOPPED EssentialContainerExited",
	})
	last := events[count-1].Detail.Containers
	if *last[0].ExitCode != 3 || *last[1].ExitCode != 143 || last[1].LastStatus != "STOPPED" {
		t.Errorf("at the end, the containers are %+v", last)
	}
}
