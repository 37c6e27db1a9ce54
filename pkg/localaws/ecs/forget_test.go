package ecs_test

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/google/go-cmp/cmp"

	"errand/pkg/localaws/localtest"
)

var morning = time.Date(2026, 11, 20, 6, 0, 0, 0, time.UTC)

// startBy starts a server whose time stands still.
func startBy(t *testing.T) (*endpoint, *localtest.Clock) {
	t.Helper()
	clock := localtest.NewClock(morning)
	return &endpoint{localtest.StartBy(t, clock)}, clock
}

// shown is what ECS shows of a task: from DescribeTasks its state, or the reason
// of a failure, and the numbers of tasks in the two lists.
type shown struct {
	State            string
	Running, Stopped int
}

func (e *endpoint) shown(t *testing.T, arn string) shown {
	t.Helper()
	out, err := e.ECS.DescribeTasks(t.Context(), &ecs.DescribeTasksInput{Tasks: []string{arn}})
	if err != nil {
		t.Fatal(err)
	}
	var s shown
	for _, task := range out.Tasks {
		s.State += *task.LastStatus
	}
	for _, failure := range out.Failures {
		if *failure.Arn != arn {
			t.Errorf("the failure is about %s, not %s", *failure.Arn, arn)
		}
		s.State += *failure.Reason
	}
	for status, n := range map[types.DesiredStatus]*int{types.DesiredStatusRunning: &s.Running, types.DesiredStatusStopped: &s.Stopped} {
		list, err := e.ECS.ListTasks(t.Context(), &ecs.ListTasksInput{DesiredStatus: status})
		if err != nil {
			t.Fatal(err)
		}
		*n = len(list.TaskArns)
	}
	return s
}

func TestStoppedTasksAreForgotten(t *testing.T) {
	t.Parallel()
	e, clock := startBy(t)
	e.Register(t, shell("app", "echo ready; exec sleep 600"))
	arn := *e.Run(t, request()).TaskArn
	e.Ready(t)
	clock.Advance(48 * time.Hour)
	if diff := cmp.Diff(shown{"RUNNING", 1, 0}, e.shown(t, arn)); diff != "" {
		t.Errorf("a task that runs for two days (-want +got):\n%s", diff)
	}
	if _, err := e.ECS.StopTask(t.Context(), &ecs.StopTaskInput{Task: &arn}); err != nil {
		t.Fatal(err)
	}
	task := e.Finish(t)
	times := []time.Time{*task.CreatedAt, *task.StartedAt, *task.StoppingAt, *task.ExecutionStoppedAt, *task.StoppedAt}
	stopped := morning.Add(48 * time.Hour)
	if diff := cmp.Diff([]time.Time{morning, morning, stopped, stopped, stopped}, times); diff != "" {
		t.Errorf("its times (-want +got):\n%s", diff)
	}
	clock.Advance(time.Hour - time.Nanosecond)
	if diff := cmp.Diff(shown{"STOPPED", 0, 1}, e.shown(t, arn)); diff != "" {
		t.Errorf("a moment before the hour is over (-want +got):\n%s", diff)
	}
	clock.Advance(time.Nanosecond)
	if diff := cmp.Diff(shown{"MISSING", 0, 0}, e.shown(t, arn)); diff != "" {
		t.Errorf("an hour after the end (-want +got):\n%s", diff)
	}
	_, err := e.ECS.StopTask(t.Context(), &ecs.StopTaskInput{Task: &arn})
	refused(t, err, "InvalidParameterException", "The referenced task was not found.")
}

func TestClientTokensAreForgotten(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, script string
		stop         time.Duration // after the start; 0 is never
		known, gone  time.Duration // after the start
	}{
		{name: "of a task that runs, after a day", known: 24*time.Hour - 1, gone: 24 * time.Hour},
		{name: "of a task that stopped, after an hour", stop: 2 * time.Hour, known: 3*time.Hour - 1, gone: 3 * time.Hour},
		{name: "of a task that stopped late, after a day", stop: 23*time.Hour + 30*time.Minute, known: 24*time.Hour - 1, gone: 24 * time.Hour},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			e, clock := startBy(t)
			e.Register(t, shell("app", "echo ready; exec sleep 600"))
			in := request()
			in.ClientToken = aws.String("token")
			first := *e.Run(t, in).TaskArn
			e.Ready(t)
			clock.Advance(test.stop)
			if test.stop > 0 {
				if _, err := e.ECS.StopTask(t.Context(), &ecs.StopTaskInput{Task: &first}); err != nil {
					t.Fatal(err)
				}
				e.Finish(t)
			}
			clock.Advance(test.known - test.stop)
			if again := *e.Run(t, in).TaskArn; again != first {
				t.Errorf("the token gives task %s, not %s", again, first)
			}
			clock.Advance(test.gone - test.known)
			if other := *e.Run(t, in).TaskArn; other == first {
				t.Error("the token is still known")
			}
		})
	}
}

func TestFailuresAreForgotten(t *testing.T) {
	t.Parallel()
	e, clock := startBy(t)
	e.Register(t, shell("app", "exit 0"))
	e.FailPlacement("RESOURCE:MEMORY", 1)
	in := request()
	in.ClientToken = aws.String("token")
	for range 2 {
		out, err := e.ECS.RunTask(t.Context(), in)
		if err != nil || len(out.Tasks) != 0 || len(out.Failures) != 1 {
			t.Fatalf("got %+v, %v, want a failure", out, err)
		}
		clock.Advance(time.Hour - 1)
	}
	e.Run(t, in)
}
