package watch_test

import (
	"context"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/google/go-cmp/cmp"

	"errand/pkg/ledger"
	"errand/pkg/localaws"
	"errand/pkg/localaws/localtest"
	"errand/pkg/run"
	"errand/pkg/taskevent"
)

// real is a stage with the embedded ECS and one task of the run r.
type real struct {
	*stage
	endpoint *localtest.Endpoint
	task     string
}

func newReal(t *testing.T, limits ledger.Limits, script string, hold bool) *real {
	t.Helper()
	e := localtest.Start(t)
	s := &real{stage: newStage(t, e.ECS), endpoint: e}
	s.sns = sns.NewFromConfig(e.Config())
	e.Register(t, localtest.Shell("app", script))
	if hold {
		t.Cleanup(e.HoldStart("job"))
	}
	in := localtest.Request()
	in.StartedBy = aws.String("errand/jobs/j")
	in.Overrides = &types.TaskOverride{ContainerOverrides: []types.ContainerOverride{{
		Name: aws.String("app"), Command: []string{"sh", "-c", script},
		Environment: []types.KeyValuePair{
			{Name: aws.String("ERRAND_JOB"), Value: aws.String("j")}, {Name: aws.String("ERRAND_RUN_ID"), Value: aws.String("r")}, {Name: aws.String("ERRAND_ATTEMPT"), Value: aws.String("1")},
		},
	}}}
	s.task = *e.Run(t, in).TaskArn
	s.launched("r", "default", s.task, limits)
	return s
}

// handed is the stop event that the collector got.
func (s *real) handed() taskevent.Event {
	s.t.Helper()
	calls := s.functions.take()
	if len(calls) != 1 || calls[0].Of != "collector" {
		s.t.Fatalf("woken: %v", calls)
	}
	e, err := taskevent.Decode([]byte(calls[0].What))
	if err != nil || !e.Ended("errand/jobs/") {
		s.t.Fatalf("not the end of a task of the stack: %s, %v", calls[0].What, err)
	}
	return e
}

func TestTimeout(t *testing.T) {
	t.Parallel()
	s := newReal(t, ledger.Limits{Start: 30 * time.Minute, Timeout: 2 * time.Hour}, "echo ready; exec sleep 60", false)
	s.endpoint.Ready(t)
	started := aws.ToTime(s.endpoint.Describe(t, s.task).StartedAt)

	s.forward(6 * time.Minute)
	s.ticked(map[string]int{})
	if a := s.get("r"); a.RunUntil.Sub(started.Add(2*time.Hour)).Abs() > time.Millisecond || a.StopFor != "" {
		t.Errorf("it may run until %s, since it started at %s; it is stopped for %q", a.RunUntil, started, a.StopFor)
	}

	s.forward(2 * time.Hour)
	s.ticked(map[string]int{"Stops": 1})
	if a := s.get("r"); a.StopFor != ledger.StopForTimeout {
		t.Errorf("stopped for %q", a.StopFor)
	}
	stopped := s.endpoint.Finish(t)
	if reason := aws.ToString(stopped.StoppedReason); reason != "errand: did not end within 2h, its timeout" || stopped.StopCode != types.TaskStopCodeUserInitiated {
		t.Errorf("stopped with %q, %s", reason, stopped.StopCode)
	}

	s.woken()
	s.forward(2 * time.Minute)
	s.ticked(map[string]int{"Wakes": 1})
	event := s.handed()
	want := taskevent.Work{Run: run.Run{Job: "j", ID: "r", Attempt: 1, Method: run.MethodRunTask}, Container: "app", Command: []string{"sh", "-c", "echo ready; exec sleep 60"}}
	if diff := cmp.Diff(want, event.Task.Work("errand/jobs/")); diff != "" {
		t.Errorf("run (-want +got):\n%s", diff)
	}
	if v := event.Task.Verdict("app", nil); v.Status != run.Stopped || v.ExitCode == nil || *v.ExitCode != 143 || event.Region != "eu-west-1" {
		t.Errorf("verdict %+v, in %s", v, event.Region)
	}
	// Nobody has reported it, so it is handed over again.
	s.forward(4 * time.Minute)
	s.ticked(map[string]int{"Wakes": 1})
	s.handed()
}

func TestStartTimeout(t *testing.T) {
	t.Parallel()
	s := newReal(t, ledger.Limits{Start: 30 * time.Minute}, "exec sleep 60", true)
	s.forward(6 * time.Minute)
	s.ticked(map[string]int{})
	s.forward(25 * time.Minute)
	s.ticked(map[string]int{"Stops": 1})
	if a := s.get("r"); a.StopFor != ledger.StopForStart {
		t.Errorf("stopped for %q", a.StopFor)
	}
	if reason := aws.ToString(s.endpoint.Finish(t).StoppedReason); reason != "errand: did not start within 30m" {
		t.Errorf("stopped with %q", reason)
	}
}

// A person has said so in the ledger, and could not stop the task.
func TestPersonsStop(t *testing.T) {
	t.Parallel()
	s := newReal(t, ledger.Limits{Start: 30 * time.Minute}, "echo ready; exec sleep 60", false)
	s.endpoint.Ready(t)
	if _, refused, err := s.ledger.StopByPerson(t.Context(), s.get("r"), "anna", ": wrong data"); err != nil || refused != "" {
		t.Fatal(refused, err)
	}
	s.forward(time.Second)
	s.ticked(map[string]int{"Stops": 1})
	if reason := aws.ToString(s.endpoint.Finish(t).StoppedReason); reason != "errand: stopped by anna: wrong data" {
		t.Errorf("stopped with %q", reason)
	}
}

// The stop event was lost, and ECS has the task still.
func TestEndWithoutEvent(t *testing.T) {
	t.Parallel()
	s := newReal(t, ledger.Limits{Start: 30 * time.Minute}, "exit 3", false)
	s.endpoint.Finish(t)
	s.forward(6 * time.Minute)
	s.ticked(map[string]int{"Wakes": 1})
	if v := s.handed().Task.Verdict("app", nil); v.Status != run.Failed || v.ExitCode == nil || *v.ExitCode != 3 {
		t.Errorf("verdict %+v", v)
	}
}

// ECS has forgotten the task, or never had it, or its cluster is gone.
func TestForgotten(t *testing.T) {
	t.Parallel()
	for _, cluster := range []string{"default", "gone"} {
		t.Run(cluster, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, localtest.Start(t).ECS)
			s.launched("r", cluster, "arn:aws:ecs:eu-west-1:123456789012:task/"+cluster+"/0123456789abcdef0123456789abcdef", ledger.Limits{Start: 30 * time.Minute})
			s.forward(6 * time.Minute)
			s.ticked(map[string]int{})
			s.woken()
			if got := s.dueIn("r"); got != 50*time.Second {
				t.Errorf("due in %s", got)
			}
			s.forward(5 * time.Minute)
			s.ticked(map[string]int{"Wakes": 1})
			s.woken(wake("collector", "missing", "r"))
		})
	}
}

// StopTask fails: the ledger has the reason, and the next tick stops the task.
func TestStopFails(t *testing.T) {
	t.Parallel()
	s := newReal(t, ledger.Limits{Start: 30 * time.Minute, Timeout: time.Hour}, "echo ready; exec sleep 60", false)
	s.endpoint.Ready(t)
	stops := &stopless{ECS: s.endpoint.ECS}
	s.ecs = stops
	s.forward(2 * time.Hour)
	if _, err := s.tick(); err == nil {
		t.Error("the tick has no error")
	}
	if a := s.get("r"); a.StopFor != ledger.StopForTimeout {
		t.Errorf("stopped for %q", a.StopFor)
	}
	s.ecs = s.endpoint.ECS
	s.forward(90 * time.Second)
	s.ticked(map[string]int{"Stops": 1})
	s.endpoint.Finish(t)
}

// stopless is an ECS that stops nothing.
type stopless struct {
	ECS *ecs.Client
}

func (s *stopless) DescribeTasks(ctx context.Context, in *ecs.DescribeTasksInput, o ...func(*ecs.Options)) (*ecs.DescribeTasksOutput, error) {
	return s.ECS.DescribeTasks(ctx, in, o...)
}

func (s *stopless) StopTask(context.Context, *ecs.StopTaskInput, ...func(*ecs.Options)) (*ecs.StopTaskOutput, error) {
	return nil, context.DeadlineExceeded
}

// Once a day SNS is asked who hears of anything; an SNS that refuses is an error.
func TestNobodyListens(t *testing.T) {
	t.Parallel()
	e := localtest.Start(t)
	s := newStage(t, e.ECS)
	client := sns.NewFromConfig(e.Config())
	s.sns = client
	for name, arn := range map[string]*string{"results": &s.cfg.Topics.Results, "alarms": &s.cfg.Topics.Alarms} {
		out, err := client.CreateTopic(t.Context(), &sns.CreateTopicInput{Name: &name})
		if err != nil {
			t.Fatal(err)
		}
		*arn = *out.TopicArn
	}
	s.forward(24 * time.Hour)
	s.ticked(map[string]int{"UnconfirmedSubscriptions": 1})
	in := &sns.SubscribeInput{TopicArn: &s.cfg.Topics.Alarms, Protocol: aws.String("http"), Endpoint: aws.String("http://127.0.0.1:1/")}
	if _, err := client.Subscribe(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	s.forward(24 * time.Hour)
	s.ticked(map[string]int{"UnconfirmedSubscriptions": 0})
	e.Inject(localaws.Fault{Operation: "ListSubscriptionsByTopic", Code: "AuthorizationError", Message: "not you", Status: 403})
	s.forward(24 * time.Hour)
	_, err := s.tick()
	if want := "1 things could not be done, the first: list the subscriptions of topic " + s.cfg.Topics.Results + ": AuthorizationError: not you"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	s.forward(time.Minute)
	s.ticked(map[string]int{"UnconfirmedSubscriptions": 0})
	s.forward(time.Minute)
	s.ticked(map[string]int{})
}
