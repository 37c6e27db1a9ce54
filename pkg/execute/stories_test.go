package execute_test

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"runtime"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/google/go-cmp/cmp"

	"errand/pkg/execute"
	"errand/pkg/ledger"
	"errand/pkg/localaws"
	"errand/pkg/metric"
	"errand/pkg/report"
	"errand/pkg/result"
	"errand/pkg/run"
)

// topics are two topics, of which the second takes nothing while broken.
type topics struct {
	broken bool
	killed bool // at the second topic
	told   map[string][]result.Result
}

func (*topics) Topics() []string { return []string{"results", "failures"} }

func (p *topics) Publish(_ context.Context, topic string, r result.Result, _ func()) error {
	if p.killed && topic == "failures" {
		runtime.Goexit()
	}
	if p.broken && topic == "failures" {
		return errors.New("the topic is away")
	}
	p.told[topic] = append(p.told[topic], r)
	return nil
}

// lost is what the collector would tell of a run of which it knows nothing.
func lost(a ledger.Attempt) (result.Result, time.Time) {
	return result.Result{Run: a.Run(), Status: run.Lost, Reason: "the executor failed, and the command may have run"}, time.Time{}
}

// One run has one story, whatever fails after the command: the collector, which takes
// over, tells what stands in the ledger.
func TestOneStory(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		disturb localaws.Disturbance
		killed  bool
		command []string
		status  run.Status
	}{
		{name: "the second topic fails", command: sh("exit 0"), status: run.Succeeded},
		{name: "and the connection was closed", disturb: localaws.Disturbance{CloseWith: "Your session timed out due to inactivity", CloseAfter: 1}, command: sh("echo a; sleep 600"), status: run.Lost},
		{name: "the executor is killed between the topics", killed: true, command: sh("exit 0"), status: run.Succeeded},
		{name: "and the connection was lost", disturb: localaws.Disturbance{CutAfter: 1}, command: sh("echo a; sleep 600"), status: run.Lost},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			s.DisturbSessions(tc.disturb)
			to := &topics{broken: true, killed: tc.killed, told: map[string][]result.Result{}}
			reporter := report.New(s.book, to, metric.New(&s.metrics, "errand/jobs/", time.Now), discard)
			x := execute.New(s.Config(), s.book, reporter, execute.Config{Cluster: "jobs", Drain: time.Second}, discard)
			ctx := lambdacontext.NewContext(t.Context(), &lambdacontext.LambdaContext{AwsRequestID: "request-1"})
			text := payload(t, map[string]any{"command": tc.command})
			done := make(chan struct{})
			go func() {
				defer close(done)
				if _, err := x.Handle(ctx, json.RawMessage(text)); err == nil {
					t.Error("no error")
				}
			}()
			<-done
			to.broken, to.killed = false, false
			a, ok, err := s.book.Get(ctx, theKey)
			if err != nil || !ok || a.Verdict == nil || a.Verdict.Status != tc.status || !a.Reported.IsZero() {
				t.Fatalf("in the ledger: %+v, %v", a, err)
			}
			hold := ledger.Hold{Attempt: a}
			if _, err := reporter.Abandon(ctx, report.Abandonment{Key: theKey, Hold: &hold, End: func(a ledger.Attempt, _ bool) (result.Result, time.Time) { return lost(a) }}); err != nil {
				t.Fatal(err)
			}
			if refused := to.told["failures"]; len(refused) == 0 {
				// The attempt has a verdict, so that it is concluded, not abandoned.
				end, _ := lost(a)
				if err := reporter.Ended(ctx, end, a.Digest); err != nil {
					t.Fatal(err)
				}
			}
			for topic, told := range to.told {
				// One that was killed may have left a topic to be told again.
				if len(told) > 1 && !tc.killed {
					t.Errorf("topic %s was told %d times", topic, len(told))
				}
				for _, r := range told {
					if r.Status != tc.status {
						t.Errorf("topic %s was told %s: %s", topic, r.Status, r.Reason)
					}
				}
			}
			if len(to.told) != 2 {
				t.Errorf("told %v", to.told)
			}
		})
	}
}

// Without the ledger, the error itself tells the story.
func TestOneStoryWithoutTheLedger(t *testing.T) {
	t.Parallel()
	s := start(t)
	to := &topics{broken: true, told: map[string][]result.Result{}}
	book := without(t, func(n int) bool { return n > 1 })
	reporter := report.New(book, to, metric.New(&s.metrics, "errand/jobs/", time.Now), discard)
	x := execute.New(s.Config(), book, reporter, execute.Config{Cluster: "jobs", Drain: time.Second}, discard)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	_, err := x.Handle(ctx, json.RawMessage(payload(t, map[string]any{"command": sh("exit 3")})))
	if err == nil || reflect.TypeOf(err).Name() != report.UntoldType {
		t.Fatalf("%T: %v", err, err)
	}
	three, got := 3, result.Result{}
	if !report.SetUntold(&got, err.Error()) {
		t.Errorf("%v tells no story", err)
	}
	if diff := cmp.Diff(result.Result{Status: run.Failed, ExitCode: &three, Reason: "the command exited with code 3"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
