package collect_test

import (
	"cmp"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"errand/pkg/ledger"
	"errand/pkg/report"
	"errand/pkg/run"
)

// runTask starts a task of the run in ECS.
func (s *stack) runTask(t *testing.T) string {
	t.Helper()
	var variables []types.KeyValuePair
	for _, v := range theRun.Variables(run.Carried{}) {
		variables = append(variables, types.KeyValuePair{Name: &v.Name, Value: &v.Value})
	}
	out, err := s.ecs.RunTask(t.Context(), &ecs.RunTaskInput{
		Cluster: aws.String("jobs"), TaskDefinition: aws.String("billing"), StartedBy: aws.String("errand/jobs/billing-daily"),
		NetworkConfiguration: &types.NetworkConfiguration{AwsvpcConfiguration: &types.AwsVpcConfiguration{Subnets: []string{"subnet-1"}}},
		Overrides: &types.TaskOverride{ContainerOverrides: []types.ContainerOverride{
			{Name: aws.String("app"), Command: []string{"sleep", "600"}, Environment: variables},
			{Name: aws.String("metrics-sidecar"), Command: []string{"sleep", "600"}},
			{Name: aws.String("migrate"), Command: []string{"true"}},
		}},
	})
	if err != nil || len(out.Tasks) == 0 {
		t.Fatal(out, err)
	}
	return *out.Tasks[0].TaskArn
}

// later lets time pass.
func (s *stack) later(d time.Duration) { s.now = s.now.Add(d) }

// command is an exec run that the executor claims.
func (s *stack) command(t *testing.T) {
	t.Helper()
	d := s.delivery()
	d.Run.Method, d.Once, d.Payload = run.MethodExec, true, []byte(`{"job":"billing-daily","service":"web","command":["./bill"]}`)
	if _, ok, err := s.book.Claim(t.Context(), d); err != nil || !ok {
		t.Fatal(ok, err)
	}
}

func wake(errand string) map[string]any {
	return map[string]any{"errand": errand, "job": "billing-daily", "runId": runID, "attempt": 1}
}

// What comes of an attempt that the watchdog has found.
func TestWoken(t *testing.T) {
	t.Parallel()
	const hour = "it is not known whether the run was started: the launcher ended without a word, and nobody has looked for longer than an hour, after which ECS forgets"
	lost := "the executor ended without a word"
	dead := func(t *testing.T, s *stack) {
		s.claim(t)
		s.later(3 * time.Minute)
	}
	note := func(status run.Status, answer string) func(*testing.T, *stack) {
		return func(t *testing.T, s *stack) {
			if err := s.book.Note(t.Context(), s.claim(t), status, answer); err != nil {
				t.Fatal(err)
			}
			s.later(3 * time.Minute)
		}
	}
	long := func(t *testing.T, s *stack) { // no room for hours, and then a launcher dies
		if ok, err := s.book.NoRoom(t.Context(), s.claim(t), true, "RESOURCE:MEMORY", s.now); err != nil || !ok {
			t.Fatal(ok, err)
		}
		s.later(7 * time.Hour)
		dead(t, s)
	}
	for _, tc := range []struct {
		name    string
		errand  string
		prepare func(*testing.T, *stack)
		status  run.Status // "" if nothing is told
		reason  string
		state   ledger.State // of the attempt
		metrics []string
	}{
		{name: "no launcher and no task", prepare: dead, state: ledger.Due},
		{name: "no launcher, whose lease may be on", prepare: func(t *testing.T, s *stack) { s.claim(t); s.later(90 * time.Second) }, state: ledger.Claimed},
		{name: "after the hour", prepare: func(t *testing.T, s *stack) { s.claim(t); s.later(2 * time.Hour) }, status: run.Lost, reason: hour, state: ledger.Abandoned},
		{name: "a refusal that was noted", prepare: note(run.LaunchFailed, "ECS would not run it"), status: run.LaunchFailed, reason: "ECS would not run it", state: ledger.Abandoned},
		{
			name: "a refusal that was noted, after the hour", prepare: func(t *testing.T, s *stack) { note(run.LaunchFailed, "ECS would not run it")(t, s); s.later(time.Hour) },
			status: run.Lost, reason: "it is not known whether the run was started, since nobody has looked for longer than an hour: ECS would not run it", state: ledger.Abandoned,
		},
		{
			name: "too late, after the hour", prepare: func(t *testing.T, s *stack) { note(run.Missed, "the run came late")(t, s); s.later(time.Hour) },
			status: run.Lost, reason: "it is not known whether the run was started, since nobody has looked for longer than an hour: the run came late", state: ledger.Abandoned,
		},
		{name: "an answer that was noted", prepare: note("", "ThrottlingException"), state: ledger.Due},
		{name: "no room for hours", prepare: long, status: run.LaunchFailed, reason: "the run was not started, though a launcher began to 2 times; ECS's last answer: RESOURCE:MEMORY", state: ledger.Abandoned},
		{name: "a command", prepare: func(t *testing.T, s *stack) { s.command(t); s.later(3 * time.Minute) }, status: run.Lost, reason: "it is not known whether the command ran: " + lost, state: ledger.Abandoned},
		{name: "a command that ended", prepare: func(t *testing.T, s *stack) {
			s.command(t)
			r := theRun
			r.Method = run.MethodExec
			end := ledger.End{Run: r, Verdict: ledger.Verdict{Status: run.Failed, ExitCode: aws.Int(3), Reason: "the command exited with code 3", Started: due, Ended: due.Add(time.Minute)}}
			if _, refused, err := s.book.Conclude(t.Context(), ledger.Reporter{ID: "executor-1", Until: s.now}, end); err != nil || refused != "" {
				t.Fatal(refused, err)
			}
			s.later(time.Minute)
		}, status: run.Failed, reason: "the command exited with code 3", state: ledger.Launched, metrics: []string{report.Doubles}},
		{name: "one that another gave up before", prepare: func(t *testing.T, s *stack) {
			dead(t, s)
			other := ledger.Reporter{ID: "another", Until: s.now}
			if _, refused, err := s.book.Abandon(t.Context(), other, theKey, ledger.Delivery{}, nil); err != nil || refused != "" {
				t.Fatal(refused, err)
			}
			if _, ok, err := s.book.Decide(t.Context(), other, theKey, ledger.Verdict{Status: run.LaunchFailed, Reason: "as it stands", Ended: s.now}); err != nil || !ok {
				t.Fatal(ok, err)
			}
			s.later(10 * time.Minute)
		}, status: run.LaunchFailed, reason: "as it stands", state: ledger.Abandoned, metrics: []string{report.Doubles}},
		{name: "one that is due", prepare: func(t *testing.T, s *stack) {
			if ok, err := s.book.NoRoom(t.Context(), s.claim(t), false, "", s.now); err != nil || !ok {
				t.Fatal(ok, err)
			}
		}, state: ledger.Due},
		{name: "one that was launched meanwhile", prepare: func(t *testing.T, s *stack) { s.launch(t) }, state: ledger.Launched},
		{name: "one that ECS has forgotten, before it has a task", errand: ledger.WakeMissing, prepare: func(t *testing.T, s *stack) { s.claim(t) }, state: ledger.Claimed},
		{name: "one that was told", prepare: func(t *testing.T, s *stack) {
			s.launch(t)
			if got, err := s.invoke(t, "first", event(t, "failed")); err != nil || len(got) != 2 {
				t.Fatal(got, err)
			}
		}, state: ledger.Launched},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			tc.prepare(t, s)
			s.metrics.names(t)
			before := s.attempt(t, theKey)
			got, err := s.invoke(t, "me", wake(cmp.Or(tc.errand, ledger.WakeAbandon)))
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case tc.status == "" && len(got) > 0, tc.status != "" && len(got) != 2:
				t.Errorf("told %v", got)
			case tc.status != "":
				expect(t, "told", told{"results", string(tc.status), tc.reason}, got[0])
			}
			after := s.attempt(t, theKey)
			expect(t, "state", tc.state, after.State)
			expect(t, "payload", string(before.Payload), string(after.Payload))
			if (tc.status != "" || !before.Reported.IsZero()) != !after.Reported.IsZero() {
				t.Errorf("reported %v", after.Reported)
			}
			expect(t, "metrics", tc.metrics, s.metrics.names(t))
		})
	}
	if got, err := start(t).invoke(t, "me", wake(ledger.WakeAbandon)); err != nil || len(got) > 0 {
		t.Errorf("a run that is not in the ledger: %v, %v", got, err)
	}
	if got, err := start(t).invoke(t, "me", wake(ledger.WakeLaunch)); err == nil || !strings.Contains(err.Error(), "LAUNCHER_NAME") || len(got) > 0 {
		t.Errorf("what the launcher is woken for: %v, %v", got, err)
	}
}

// Whole items of the two ends that are none.
func TestWokenForOneThatGoesOn(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.claim(t)
	s.later(3 * time.Minute)
	if got, err := s.invoke(t, "me", wake(ledger.WakeAbandon)); err != nil || len(got) > 0 {
		t.Fatal(got, err)
	}
	want := ledger.Attempt{
		Key: theKey, Version: 1, State: ledger.Due, Method: run.MethodRunTask, FirstClaim: s.begun, ScheduledTime: due,
		Digest: "command:1", Payload: payload, Cluster: cluster, Claims: 1, Holder: "launcher-1", Due: s.now.Add(10 * time.Second),
	}
	expect(t, "the attempt that is due again", want, s.attempt(t, theKey))

	s.fresh(t)
	s.claim(t)
	claimed := s.now
	s.later(3 * time.Minute)
	arn := s.runTask(t)
	if got, err := s.invoke(t, "me", wake(ledger.WakeAbandon)); err != nil || len(got) > 0 {
		t.Fatal(got, err)
	}
	want.State, want.Task, want.FirstClaim = ledger.Launched, arn, claimed
	want.StartTimeout, want.Timeout, want.StartBy, want.Due = 30*time.Minute, 2*time.Hour, s.now.Add(30*time.Minute), s.now.Add(5*time.Minute)
	expect(t, "the attempt that has a task after all", want, s.attempt(t, theKey))
}

// A run that may begin for a day is launched for so long.
func TestWokenWithinTheTimeToBegin(t *testing.T) {
	t.Parallel()
	s := start(t)
	d := s.delivery()
	d.Payload = []byte(`{"job":"billing-daily","command":["./bill"],"startWithin":"24h"}`)
	hold, ok, err := s.book.Claim(t.Context(), d)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	if ok, err := s.book.NoRoom(t.Context(), hold, true, "RESOURCE:MEMORY", s.now); err != nil || !ok {
		t.Fatal(ok, err)
	}
	s.later(7 * time.Hour)
	s.claim(t)
	s.later(3 * time.Minute)
	if got, err := s.invoke(t, "me", wake(ledger.WakeAbandon)); err != nil || len(got) > 0 {
		t.Errorf("%v, %v", got, err)
	}
	expect(t, "state", ledger.Due, s.attempt(t, theKey).State)
}

// Another payload under the run's identity, whose refusal nobody has heard.
func TestWokenForAnotherPayload(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.launch(t)
	key := theKey
	key.Other = "0123456789abcdef"
	if _, refused, err := s.book.Abandon(t.Context(), ledger.Reporter{ID: "launcher-2", Until: s.now}, key, s.delivery(), nil); err != nil || refused != "" {
		t.Fatal(refused, err)
	}
	s.later(time.Minute)
	event := wake(ledger.WakeAbandon)
	event["other"] = key.Other
	got, err := s.invoke(t, "me", event)
	if err != nil || len(got) != 2 {
		t.Fatal(got, err)
	}
	expect(t, "told", told{"results", "REJECTED", "runId: another payload was delivered before under this run's identity; this one was not run: give each its own runId, scheduledTime or job"}, got[0])
	if a := s.attempt(t, key); a.Reported.IsZero() || !s.attempt(t, theKey).Reported.IsZero() {
		t.Errorf("the wrong one is marked: %+v", a)
	}
}

// While ECS does not answer, nothing is said of the run; one that will not show its
// tasks keeps it from being told until ECS has forgotten, and no longer.
func TestECSDoesNotShowItsTasks(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		status int
		code   string
		after  time.Duration
		want   string
	}{
		{"refused", 400, "AccessDeniedException", 3 * time.Minute, ""},
		{"refused, after the hour", 400, "AccessDeniedException", 2 * time.Hour, "LOST"},
		{"away, after the hour", 500, "ServerException", 2 * time.Hour, ""},
		{"throttled, after the hour", 400, "ThrottlingException", 2 * time.Hour, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			s.claim(t)
			s.later(tc.after)
			s.wire.respond(func(c call) *http.Response {
				if c.operation == "ListTasks" {
					return refuse(tc.status, tc.code)
				}
				return nil
			})
			got, err := s.invoke(t, "me", wake(ledger.WakeAbandon))
			if tc.want == "" && (err == nil || len(got) > 0) {
				t.Errorf("told %v, %v", got, err)
			}
			if tc.want != "" && (err != nil || len(got) != 2 || got[0].Status != tc.want) {
				t.Errorf("told %v, %v; want %s", got, err, tc.want)
			}
		})
	}
}
