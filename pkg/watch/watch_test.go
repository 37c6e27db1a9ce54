package watch_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	ddb "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	snstypes "github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/google/go-cmp/cmp"

	"errand/pkg/ledger"
	"errand/pkg/run"
	"errand/pkg/watch"
)

func TestNothingIsDue(t *testing.T) {
	t.Parallel()
	s := newStage(t, &tasks{})
	s.claim("r")
	got, err := s.tick()
	if diff := cmp.Diff(map[string]int{"Ticks": 1, "OldestDue": 0}, got); diff != "" || err != nil {
		t.Errorf("%v, metrics (-want +got):\n%s", err, diff)
	}
	s.woken()
}

// A launcher that never came back.
func TestClaimed(t *testing.T) {
	t.Parallel()
	s := newStage(t, &tasks{})
	s.claim("r") // until a minute from now, a lease of 5 s and a minute more
	s.forward(3 * time.Minute)
	s.ticked(map[string]int{"Wakes": 1})
	s.woken(wake("collector", "abandon", "r"))
	if got := s.dueIn("r"); got != 3*time.Minute {
		t.Errorf("due again in %s", got)
	}
	s.ticked(map[string]int{})
	s.woken()

	// The collector has taken it, and has died.
	me := ledger.Reporter{ID: "collector-1", Until: s.now().Add(time.Minute)}
	if _, refused, err := s.ledger.Abandon(t.Context(), me, key("r"), ledger.Delivery{}, nil); err != nil || refused != "" {
		t.Fatal(refused, err)
	}
	s.ticked(map[string]int{})
	s.forward(2 * time.Minute)
	s.ticked(map[string]int{"Wakes": 1})
	s.woken(wake("collector", "abandon", "r"))
}

// Somebody is at it, whatever its due says.
func TestBusy(t *testing.T) {
	t.Parallel()
	s := newStage(t, &tasks{})
	s.claim("launching")
	s.claim("telling")
	s.forward(3 * time.Minute)
	s.claim("launching 2")
	me := ledger.Reporter{ID: "collector-1", Until: s.now().Add(5 * time.Minute)}
	if _, refused, err := s.ledger.Abandon(t.Context(), me, key("telling"), ledger.Delivery{}, nil); err != nil || refused != "" {
		t.Fatal(refused, err)
	}
	s.move("launching 2", s.now().Add(-time.Second))
	s.move("telling", s.now().Add(-time.Second))
	s.ticked(map[string]int{"Wakes": 1})
	s.woken(wake("collector", "abandon", "launching"))
	for id, want := range map[string]time.Duration{"launching 2": 2*time.Minute + 6*time.Second, "telling": 5*time.Minute + 6*time.Second} {
		if got := s.dueIn(id); got != want {
			t.Errorf("%s is due in %s, want %s", id, got, want)
		}
	}
}

// move sets a due as nobody does.
func (s *stage) move(id string, due time.Time) {
	s.t.Helper()
	entries, err := s.ledger.Open(s.t.Context(), time.Time{}, 1000)
	if err != nil {
		s.t.Fatal(err)
	}
	rows, err := s.ledger.Read(s.t.Context(), entries)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, r := range rows {
		if r.Attempt.RunID == id {
			if ok, err := s.ledger.Move(s.t.Context(), r, due); err != nil || !ok {
				s.t.Fatal(ok, err)
			}
		}
	}
}

func TestDue(t *testing.T) {
	t.Parallel()
	s := newStage(t, &tasks{})
	s.wait("r")
	s.forward(time.Second)
	s.ticked(map[string]int{"Wakes": 1})
	s.woken(wake("launcher", "launch", "r"))
	if got := s.dueIn("r"); got != 3*time.Minute {
		t.Errorf("due again in %s", got)
	}
}

// What waits for its turn makes no run overdue that does not, and the other way round.
func TestAges(t *testing.T) {
	t.Parallel()
	s := newStage(t, &tasks{})
	s.claim("claimed") // due after a minute, a lease of 5 s and a minute more
	s.wait("waits")
	s.forward(20 * time.Minute)
	got, err := s.tick()
	if diff := cmp.Diff(map[string]int{"OldestDue": 1200 - 125, "OldestLaunch": 1200, "Wakes": 2, "Ticks": 1}, got); diff != "" || err != nil {
		t.Errorf("%v, metrics (-want +got):\n%s", err, diff)
	}
}

// A command in a live task has no task of its own. Its executor has written the
// verdict and died.
func TestVerdictWithoutTask(t *testing.T) {
	t.Parallel()
	s := newStage(t, &tasks{})
	r := run.Run{Job: "j", ID: "r", Attempt: 1, Method: run.MethodExec}
	me := ledger.Reporter{ID: "executor-1", Until: s.now().Add(time.Minute)}
	end := ledger.End{Run: r, Verdict: ledger.Verdict{Status: run.Succeeded, Ended: s.now()}}
	if _, refused, err := s.ledger.Conclude(t.Context(), me, end); err != nil || refused != "" {
		t.Fatal(refused, err)
	}
	s.forward(50 * time.Second)
	s.ticked(map[string]int{})
	s.forward(time.Minute)
	s.ticked(map[string]int{"Wakes": 1})
	s.woken(wake("collector", "abandon", "r"))
}

// Two hundred overdue rows, and before them all one whose look always fails.
func TestStuckRow(t *testing.T) {
	t.Parallel()
	e := &tasks{broken: "broken"}
	s := newStage(t, e)
	limits := ledger.Limits{Start: time.Hour}
	s.launched("stuck", "broken", arn(999), limits)
	for n := range 200 {
		s.launched(fmt.Sprint(n), "jobs", arn(n), limits)
		e.add(arn(n), "RUNNING", s.now())
	}
	s.forward(10 * time.Minute)
	for _, want := range []time.Duration{10 * time.Minute, 9 * time.Minute} {
		got, err := s.tick()
		if err == nil || !strings.Contains(err.Error(), "look at 1 tasks of cluster broken: AccessDeniedException: not this cluster") {
			t.Errorf("got %v", err)
		}
		if _, ok := got["Ticks"]; ok {
			t.Errorf("the tick counts: %v", got)
		}
		for n := range 200 {
			if got := s.dueIn(fmt.Sprint(n)); got != want {
				t.Fatalf("row %d is due in %s", n, got)
			}
		}
		if got := s.dueIn("stuck"); got != 50*time.Second {
			t.Errorf("the stuck row is due in %s", got)
		}
		s.forward(time.Minute)
	}
	if e.looks != 4 {
		t.Errorf("%d requests, want 3 and 1", e.looks)
	}
}

// A row of a release to come is put off and told, by its key alone.
func TestPoison(t *testing.T) {
	t.Parallel()
	s := newStage(t, &tasks{})
	item := map[string]ddb.AttributeValue{
		"pk": str("run#j#poison"), "sk": str("a#01"), "state": str("TOMORROW"), "payload": str("a secret"), "open": str("3"),
		"due": &ddb.AttributeValueMemberN{Value: "5"},
	}
	if _, err := s.client.PutItem(t.Context(), &sdk.PutItemInput{TableName: aws.String("ledger"), Item: item}); err != nil {
		t.Fatal(err)
	}
	s.wait("r")
	s.forward(time.Second)
	s.ticked(map[string]int{"Wakes": 1, "Undecodable": 1})
	s.woken(wake("launcher", "launch", "r"))
	if log := s.log.take(); !strings.Contains(log, "run#j#poison a#01") || strings.Contains(log, "secret") {
		t.Errorf("the log says: %s", log)
	}
	s.forward(time.Minute)
	s.ticked(map[string]int{})
	s.forward(time.Hour)
	s.functions.take()
	s.ticked(map[string]int{"Wakes": 1, "Undecodable": 1})
}

func str(text string) ddb.AttributeValue { return &ddb.AttributeValueMemberS{Value: text} }

func TestTwoTicksAtOnce(t *testing.T) {
	t.Parallel()
	s := newStage(t, &tasks{})
	var want []string
	for n := range 200 {
		s.wait(fmt.Sprint(n))
		want = append(want, wake("launcher", "launch", fmt.Sprint(n)))
	}
	s.forward(time.Second)
	var both sync.WaitGroup
	first, second := s.watcher(), s.watcher()
	for _, w := range []*watch.Watcher{first, second} {
		both.Go(func() {
			if err := w.Tick(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	both.Wait()
	s.woken(want...)
}

// The index proposes what was done already.
func TestStaleIndex(t *testing.T) {
	t.Parallel()
	s := newStage(t, &tasks{})
	s.wait("r")
	s.claim("claimed")
	s.forward(3 * time.Minute)
	s.table.LagIndexes(1000)
	s.ticked(map[string]int{"Wakes": 2})
	s.woken(wake("launcher", "launch", "r"), wake("collector", "abandon", "claimed"))
	s.ticked(map[string]int{})
	s.woken()
	s.table.LagIndexes(0)
	s.ticked(map[string]int{})
	s.woken()
}

// Everything is overdue, and one tick is enough.
func TestOffForTwoHours(t *testing.T) {
	t.Parallel()
	e := &tasks{}
	s := newStage(t, e)
	limits := ledger.Limits{Start: 30 * time.Minute, Timeout: time.Hour}
	var want []string
	for n := range 25 {
		id := func(what string) string { return fmt.Sprint(what, "-", n) }
		s.claim(id("claimed"))
		s.wait(id("due"))
		s.launched(id("lost"), "jobs", arn(n), limits)
		s.launched(id("ended"), "jobs", arn(100+n), limits)
		e.add(arn(100+n), "STOPPED", s.now())
		s.launched(id("running"), "jobs", arn(200+n), limits)
		e.add(arn(200+n), "RUNNING", s.now())
		s.launched(id("pending"), "jobs", arn(300+n), limits)
		e.add(arn(300+n), "PENDING", time.Time{})
		want = append(want, wake("collector", "abandon", id("claimed")), wake("launcher", "launch", id("due")), wake("collector", "missing", id("lost")))
	}
	s.forward(2 * time.Hour)
	got, err := s.tick()
	if got["OldestDue"] < 7070 || got["OldestDue"] > 7260 {
		t.Errorf("the oldest is due for %d s", got["OldestDue"])
	}
	if got["OldestLaunch"] < 7190 || got["OldestLaunch"] > 7260 {
		t.Errorf("the oldest waits for its turn for %d s", got["OldestLaunch"])
	}
	delete(got, "OldestDue")
	delete(got, "OldestLaunch")
	if diff := cmp.Diff(map[string]int{"Wakes": 100, "Stops": 50, "Ticks": 1}, got); diff != "" || err != nil {
		t.Errorf("%v, metrics (-want +got):\n%s", err, diff)
	}
	events := 0
	kept := s.functions.calls[:0]
	for _, c := range s.functions.calls {
		if strings.Contains(c.What, `"detail-type":"ECS Task State Change"`) {
			events++
		} else {
			kept = append(kept, c)
		}
	}
	s.functions.calls = kept
	if events != 25 {
		t.Errorf("%d stop events", events)
	}
	s.woken(want...)
	for id, why := range map[string]string{"running-7": "timeout", "pending-7": "start"} {
		if a := s.get(id); a.StopFor != why {
			t.Errorf("%s is stopped for %q", id, a.StopFor)
		}
	}
}

// What cannot be woken does not keep the others, but the tick does not count.
func TestBrokenFunction(t *testing.T) {
	t.Parallel()
	s := newStage(t, &tasks{})
	s.functions.broken = "launcher"
	s.wait("r")
	s.wait("s")
	s.claim("claimed")
	s.forward(3 * time.Minute)
	got, err := s.tick()
	delete(got, "OldestDue")
	delete(got, "OldestLaunch")
	if diff := cmp.Diff(map[string]int{"Wakes": 1}, got); diff != "" {
		t.Errorf("metrics (-want +got):\n%s", diff)
	}
	if err == nil || !strings.HasPrefix(err.Error(), "2 things could not be done, the first: wake function launcher for attempt 1 of run ") {
		t.Errorf("got %v", err)
	}
	s.woken(wake("collector", "abandon", "claimed"))
}

func TestLedgerAway(t *testing.T) {
	t.Parallel()
	e := &tasks{}
	s := newStage(t, e)
	s.wait("r")
	s.forward(time.Second)
	if _, err := s.client.DeleteTable(t.Context(), &sdk.DeleteTableInput{TableName: aws.String("ledger")}); err != nil {
		t.Fatal(err)
	}
	got, err := s.tick()
	if err == nil || len(got) > 0 || !strings.HasPrefix(err.Error(), "look for open items, in the ledger (table ledger): ResourceNotFoundException") {
		t.Errorf("got %v, %v", got, err)
	}
	s.woken()
}

// subscribed is an SNS with a page for each topic and token.
type subscribed map[string]*sns.ListSubscriptionsByTopicOutput

func (s subscribed) ListSubscriptionsByTopic(_ context.Context, in *sns.ListSubscriptionsByTopicInput, _ ...func(*sns.Options)) (*sns.ListSubscriptionsByTopicOutput, error) {
	return s[*in.TopicArn+aws.ToString(in.NextToken)], nil
}

func TestSubscriptions(t *testing.T) {
	t.Parallel()
	s := newStage(t, &tasks{})
	sub := func(protocol, arn string) []snstypes.Subscription {
		return []snstypes.Subscription{{Protocol: &protocol, Endpoint: aws.String("ops@example.com"), SubscriptionArn: &arn}}
	}
	s.sns = subscribed{
		"results":      {Subscriptions: sub("sqs", "arn:1"), NextToken: aws.String("+")},
		"results+":     {Subscriptions: sub("https", "PendingConfirmation")},
		"text":         {},
		"alarms":       {Subscriptions: sub("email", "arn:2")},
		"not this one": nil,
	}
	s.cfg.Topics, s.cfg.Email = watch.Topics{Results: "results", Text: "text", Alarms: "alarms"}, "ops@example.com"
	s.ticked(map[string]int{})
	s.forward(24 * time.Hour)
	s.ticked(map[string]int{"UnconfirmedSubscriptions": 2})
	s.ticked(map[string]int{})
	s.cfg.Email = ""
	s.forward(24 * time.Hour)
	s.ticked(map[string]int{"UnconfirmedSubscriptions": 1})
}
