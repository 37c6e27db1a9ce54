package run_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"errand/pkg/run"
)

var due = time.Date(2026, 11, 20, 2, 0, 0, 0, time.UTC)

func TestIdentify(t *testing.T) {
	t.Parallel()
	local := time.Date(2026, 11, 20, 3, 0, 0, 999, time.FixedZone("CET", 3600))
	for _, tc := range []struct {
		name, id string
		due      time.Time
		eventID  string
		want     run.Run
	}{
		{"the sender's id comes first", "r", local, "e", run.Run{Job: "j", ID: "r", Attempt: 1, Method: "run-task", ScheduledTime: due}},
		{"then the time it was due, in UTC", "", local, "e", run.Run{Job: "j", ID: "j-20261120T020000Z", Attempt: 1, Method: "run-task", ScheduledTime: due}},
		{"then the event's id", "", time.Time{}, "e", run.Run{Job: "j", ID: "e", Attempt: 1, Method: "run-task"}},
		{"then the request's", "", time.Time{}, "", run.Run{Job: "j", ID: "request", Attempt: 1, Method: "run-task"}},
		{"a bad id is no identity", "a b", time.Time{}, "e", run.Run{Job: "j", ID: "e", Attempt: 1, Method: "run-task"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got := run.Identify(run.MethodRunTask, "j", tc.id, tc.due, tc.eventID, "request")
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("run (-want +got):\n%s", diff)
			}
		})
	}
}

func TestToken(t *testing.T) {
	t.Parallel()
	one := run.Run{Job: "j", ID: "r-1", Attempt: 1}
	token := one.Token("errand/a/", 0)
	if len(token) != 64 {
		t.Errorf("token has %d characters", len(token))
	}
	if again := one.Token("errand/a/", 0); again != token {
		t.Error("the same run has two tokens")
	}
	for name, other := range map[string]string{
		"another stack":         one.Token("errand/b/", 0),
		"another placement try": one.Token("errand/a/", 1),
		"another attempt":       run.Run{Job: "j", ID: "r-1", Attempt: 2}.Token("errand/a/", 0),
		"another run":           run.Run{Job: "j", ID: "r-2", Attempt: 1}.Token("errand/a/", 0),
		"another job":           run.Run{Job: "k", ID: "r-1", Attempt: 1}.Token("errand/a/", 0),
	} {
		if other == token {
			t.Errorf("%s has the same token", name)
		}
	}
}

func TestVariables(t *testing.T) {
	t.Parallel()
	lines := 0
	for _, tc := range []struct {
		name    string
		run     run.Run
		carried run.Carried
		want    []run.Variable
	}{
		{
			"everything",
			run.Run{Job: "j", ID: "j-1", Attempt: 2, Method: "run-task", ScheduledTime: due},
			run.Carried{LogLines: &lines, Digest: "command:a1b2c3"},
			[]run.Variable{
				{Name: "ERRAND_JOB", Value: "j"},
				{Name: "ERRAND_RUN_ID", Value: "j-1"},
				{Name: "ERRAND_ATTEMPT", Value: "2"},
				{Name: "ERRAND_SCHEDULED_TIME", Value: "2026-11-20T02:00:00Z"},
				{Name: "ERRAND_LOG_LINES", Value: "0"},
				{Name: "ERRAND_DIGEST", Value: "command:a1b2c3"},
			},
		},
		{
			"the least",
			run.Run{Job: "j", ID: "e", Attempt: 1, Method: "run-task"},
			run.Carried{},
			[]run.Variable{{Name: "ERRAND_JOB", Value: "j"}, {Name: "ERRAND_RUN_ID", Value: "e"}, {Name: "ERRAND_ATTEMPT", Value: "1"}},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			variables := tc.run.Variables(tc.carried)
			if diff := cmp.Diff(tc.want, variables); diff != "" {
				t.Errorf("variables (-want +got):\n%s", diff)
			}
			back, carried, ok := run.FromVariables(append([]run.Variable{{Name: "PATH", Value: "/bin"}}, variables...))
			if diff := cmp.Diff(tc.run, back); diff != "" || !ok {
				t.Errorf("the run that is read back (-want +got, %v):\n%s", ok, diff)
			}
			if diff := cmp.Diff(tc.carried, carried); diff != "" {
				t.Errorf("what is read back beside it (-want +got):\n%s", diff)
			}
		})
	}
}

// Whatever somebody puts into the variables of a task.
func TestOddVariables(t *testing.T) {
	t.Parallel()
	if r, c, ok := run.FromVariables([]run.Variable{{Name: "ERRAND_JOB", Value: "j"}}); ok || r != (run.Run{}) || c != (run.Carried{}) {
		t.Errorf("a container without a run is %+v, %+v, %v", r, c, ok)
	}
	r, c, ok := run.FromVariables([]run.Variable{
		{Name: "ERRAND_RUN_ID", Value: "r"}, {Name: "ERRAND_ATTEMPT", Value: "x"}, {Name: "ERRAND_SCHEDULED_TIME", Value: "noon"}, {Name: "ERRAND_LOG_LINES", Value: "1001"},
	})
	if want := (run.Run{ID: "r", Method: "run-task"}); !ok || r != want || c != (run.Carried{}) {
		t.Errorf("got %+v, %+v, %v", r, c, ok)
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, last, cluster string }{
		{"web", "web", ""},
		{"arn:aws:ecs:eu-west-1:123456789012:service/jobs/web", "web", "jobs"},
		{"arn:aws:ecs:eu-west-1:123456789012:service/web", "web", ""},
		{"arn:aws-cn:ecs:cn-north-1:123456789012:task/jobs/0123", "0123", "jobs"},
		{"arn:aws:ecs:eu-west-1:123456789012:task-definition/billing:42", "billing:42", ""},
		{"", "", ""},
	} {
		if last, cluster := run.LastPart(tc.name), run.ClusterOf(tc.name); last != tc.last || cluster != tc.cluster {
			t.Errorf("%q: last part %q, cluster %q; want %q, %q", tc.name, last, cluster, tc.last, tc.cluster)
		}
	}
	text := "arn:aws:logs:eu-west-1:123456789012:log-group:/ecs/billing:*"
	a, ok := run.ParseARN(text)
	if want := (run.ARN{Partition: "aws", Service: "logs", Region: "eu-west-1", Account: "123456789012", Resource: "log-group:/ecs/billing:*"}); !ok || a != want || a.String() != text {
		t.Errorf("got %+v, %v", a, ok)
	}
	for _, none := range []string{"jobs", "arn:aws:ecs", "a:b:c:d:e:f", "arn:aws::r:a:x", "arn:aws:ecs:r:a:"} {
		if a, ok := run.ParseARN(none); ok {
			t.Errorf("%s is %+v", none, a)
		}
	}
}

func TestValidNames(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		text    string
		job, id bool
	}{
		{"billing-daily_2", true, true},
		{"2026-11-20T02:00:00.1Z", false, true},
		{"", false, false},
		{"a b", false, false},
		{"夜", false, false},
		{strings.Repeat("j", 64), true, true},
		{strings.Repeat("j", 65), false, true},
		{strings.Repeat("j", 128), false, true},
		{strings.Repeat("j", 129), false, false},
	} {
		if job, id := run.ValidJob(tc.text), run.ValidID(tc.text); job != tc.job || id != tc.id {
			t.Errorf("%q: a job's name %v, a run's id %v; want %v, %v", tc.text, job, id, tc.job, tc.id)
		}
	}
}

func TestReserve(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		if ctx, cancel := run.Reserve(t.Context(), time.Second); cancel != nil {
			defer cancel()
			if _, ok := ctx.Deadline(); ok {
				t.Error("a deadline where there was none")
			}
		}
		for whole, want := range map[time.Duration]time.Duration{time.Minute: 50 * time.Second, 10 * time.Second: 5 * time.Second} {
			ctx, cancel := context.WithTimeout(t.Context(), whole)
			defer cancel()
			part, cancel := run.Reserve(ctx, 10*time.Second)
			defer cancel()
			if deadline, _ := part.Deadline(); time.Until(deadline) != want {
				t.Errorf("of %s, %s are left; want %s", whole, time.Until(deadline), want)
			}
		}
	})
}

func TestShare(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		free, cancel := run.Share(t.Context(), 10*time.Second)
		defer cancel()
		whole, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		half, cancel := run.Share(whole, 10*time.Second)
		defer cancel()
		for ctx, want := range map[context.Context]time.Duration{free: 10 * time.Second, half: 30 * time.Second} {
			if deadline, _ := ctx.Deadline(); time.Until(deadline) != want {
				t.Errorf("%s are left, want %s", time.Until(deadline), want)
			}
		}
	})
}

func TestPause(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		if !run.Pause(ctx, 2*time.Second) || time.Since(begun) != 2*time.Second {
			t.Errorf("paused for %s", time.Since(begun))
		}
		if run.Pause(ctx, 2*time.Second) || time.Since(begun) != 2*time.Second {
			t.Errorf("a pause beyond the deadline took until %s", time.Since(begun))
		}
		free, stop := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, stop)
		if run.Pause(free, time.Hour) || time.Since(begun) != 3*time.Second {
			t.Errorf("a pause that was ended took until %s", time.Since(begun))
		}
	})
}

func TestOutcome(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		status run.Status
		want   string
	}{
		{run.Succeeded, "success"},
		{run.Skipped, "skipped"},
		{run.Failed, "failure"},
		{run.TimedOut, "failure"},
		{run.StartFailed, "failure"},
		{run.Stopped, "failure"},
		{run.Interrupted, "failure"},
		{run.LaunchFailed, "failure"},
		{run.Rejected, "failure"},
		{run.Lost, "failure"},
	} {
		if got := tc.status.Outcome(); got != tc.want {
			t.Errorf("outcome of %s is %s, want %s", tc.status, got, tc.want)
		}
	}
}

func TestBrief(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "0s", 10 * time.Second: "10s", 90 * time.Second: "1m30s", 30 * time.Minute: "30m", 2 * time.Hour: "2h",
		100 * time.Minute: "1h40m", 2*time.Hour + 10*time.Second: "2h0m10s", 168 * time.Hour: "168h", 1400 * time.Millisecond: "1s",
	} {
		if got := run.Brief(d); got != want {
			t.Errorf("%s is %s, want %s", d, got, want)
		}
	}
}
