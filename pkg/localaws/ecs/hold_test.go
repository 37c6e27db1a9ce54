package ecs_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/google/go-cmp/cmp"

	"errand/pkg/localaws"
	"errand/pkg/localaws/localtest"
	"errand/pkg/run"
)

func TestHeldTaskIsStopped(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.Register(t, shell("app", "echo ready; exec sleep 600"))
	e.HoldStart("job")
	arn := *e.Run(t, request()).TaskArn
	e.Await(t, localaws.TaskState, "PENDING")
	if diff := cmp.Diff(shown{"PENDING", 1, 0}, e.shown(t, arn)); diff != "" {
		t.Errorf("the held task (-want +got):\n%s", diff)
	}
	if _, err := e.ECS.StopTask(t.Context(), &ecs.StopTaskInput{Task: &arn, Reason: aws.String("did not start within 10 minutes")}); err != nil {
		t.Fatal(err)
	}
	task := e.Finish(t)
	type end struct {
		Code                  types.TaskStopCode
		Reason, Container     string
		Started, Ran, HasCode bool
	}
	want := end{Code: types.TaskStopCodeUserInitiated, Reason: "did not start within 10 minutes", Container: "STOPPED"}
	got := end{
		task.StopCode, *task.StoppedReason, *task.Containers[0].LastStatus,
		task.StartedAt != nil, task.ExecutionStoppedAt != nil, task.Containers[0].ExitCode != nil,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the end of a task that was held (-want +got):\n%s", diff)
	}
}

func TestHeldTaskIsReleased(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.Register(t, shell("app", "exit 0"))
	other := fargate(shell("app", "exit 0"))
	other.Family = aws.String("other")
	if _, err := e.ECS.RegisterTaskDefinition(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	release, again := e.HoldStart("job"), e.HoldStart("job")
	held := *e.Run(t, request()).TaskArn
	free := request()
	free.TaskDefinition = aws.String("other")
	e.Run(t, free)
	if first := e.Finish(t); *first.TaskArn == held {
		t.Error("the held task has ended")
	}
	release()
	again() // does nothing more
	task := e.Finish(t)
	if *task.TaskArn != held || task.StartedAt == nil || *task.Containers[0].ExitCode != 0 {
		t.Errorf("the released task has started at %v and ended with %v", task.StartedAt, task.Containers[0].ExitCode)
	}
	e.Run(t, request())
	e.Finish(t)
}

func TestStopTimeoutGoesByTheClock(t *testing.T) {
	t.Parallel()
	clock, err := run.ParseClock("3600@" + strconv.FormatInt(time.Now().UnixMilli(), 10))
	if err != nil {
		t.Fatal(err)
	}
	e := &endpoint{localtest.StartBy(t, clock)}
	e.Register(t, with(shell("app", "trap '' TERM; echo ready; while :; do sleep 0.01; done"), func(c *types.ContainerDefinition) {
		c.StopTimeout = aws.Int32(120)
	}))
	arn := e.Run(t, request()).TaskArn
	e.Ready(t)
	if _, err := e.ECS.StopTask(t.Context(), &ecs.StopTaskInput{Task: arn}); err != nil {
		t.Fatal(err)
	}
	task := e.Finish(t)
	// The exit code says that it was not SIGTERM that ended it, so that the time
	// must have passed.
	if took := task.StoppedAt.Sub(*task.StoppingAt); *task.Containers[0].ExitCode != 137 || took < 2*time.Minute {
		t.Errorf("the task has ended with %d, %s after it was to stop", *task.Containers[0].ExitCode, took)
	}
}

func TestLostAnswerOfRunTask(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, code string
		status     int
		lost       bool
		want       int // tasks after it
	}{
		{"before", "ServerException", 500, false, 0},
		{"after", "ServerException", 500, true, 1},
		{"after, and the connection is closed", "", 0, true, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			e := start(t)
			e.Register(t, shell("app", "exec sleep 600"))
			asked := 0
			e.DecideFaults(func(operation string) *localaws.Fault {
				if operation != "RunTask" || asked > 0 {
					return nil
				}
				asked++
				return &localaws.Fault{Code: test.code, Status: test.status, Lost: test.lost}
			})
			in := request()
			in.ClientToken = aws.String("token")
			if out, err := e.ECS.RunTask(t.Context(), in, func(o *ecs.Options) { o.Retryer = aws.NopRetryer{} }); err == nil {
				t.Errorf("RunTask has answered %+v", out)
			}
			list, err := e.ECS.ListTasks(t.Context(), &ecs.ListTasksInput{})
			if err != nil {
				t.Fatal(err)
			}
			if len(list.TaskArns) != test.want {
				t.Errorf("there are the tasks %q, want %d", list.TaskArns, test.want)
			}
			arn := *e.Run(t, in).TaskArn
			if test.want == 1 && arn != list.TaskArns[0] {
				t.Errorf("the token gives %s, not %s", arn, list.TaskArns[0])
			}
			e.DecideFaults(nil)
		})
	}
}
