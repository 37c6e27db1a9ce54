package watch

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	snstypes "github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/google/go-cmp/cmp"

	"errand/pkg/awsjson"
	"errand/pkg/ledger"
	"errand/pkg/run"
	"errand/pkg/taskevent"
)

var launched = time.Date(2026, 11, 20, 2, 0, 0, 0, time.UTC)

func after(d time.Duration) time.Time { return launched.Add(d) }

// attempt was launched with a start timeout of half an hour.
func attempt(change func(*ledger.Attempt)) ledger.Attempt {
	a := ledger.Attempt{
		Key: ledger.Key{Job: "j", RunID: "r", Attempt: 1}, State: ledger.Launched, Task: "arn:aws:ecs:eu-west-1:123456789012:task/jobs/1",
		FirstClaim: launched.Add(-time.Hour), StartTimeout: 30 * time.Minute, StartBy: after(30 * time.Minute),
	}
	if change != nil {
		change(&a)
	}
	return a
}

func shown(status, desired string, started time.Duration) *types.Task {
	t := &types.Task{LastStatus: &status, DesiredStatus: &desired}
	if started >= 0 {
		t.StartedAt = aws.Time(after(started))
	}
	return t
}

func TestDecide(t *testing.T) {
	t.Parallel()
	const never = time.Duration(-1)
	timeout := func(a *ledger.Attempt) { a.Timeout = 2 * time.Hour }
	noted := func(a *ledger.Attempt) { a.Timeout, a.RunUntil = 2*time.Hour, after(2*time.Hour+time.Minute) }
	verdict := func(a *ledger.Attempt) { a.Verdict = &ledger.Verdict{Status: run.Succeeded} }
	because := func(why string) func(*ledger.Attempt) {
		return func(a *ledger.Attempt) { a.Timeout, a.StopFor, a.StopBy = 2*time.Hour, why, "anna: wrong data" }
	}
	ended := "errand: did not end within 2h, its timeout"
	for _, tc := range []struct {
		name   string
		change func(*ledger.Attempt)
		task   *types.Task
		at     time.Duration
		want   decision
	}{
		{"stopped", nil, shown("STOPPED", "STOPPED", time.Minute), 5 * time.Minute, decision{act: tell}},
		{"stopped, with a verdict", verdict, shown("STOPPED", "STOPPED", time.Minute), 5 * time.Minute, decision{act: tell}},
		{"a verdict while it runs", verdict, shown("RUNNING", "RUNNING", time.Minute), 5 * time.Minute, decision{act: wake, wake: "abandon"}},
		{"a verdict and no task", verdict, nil, 5 * time.Minute, decision{act: wake, wake: "abandon"}},
		{"not shown yet", nil, nil, 9 * time.Minute, decision{next: after(9*time.Minute + soon)}},
		{"forgotten", nil, nil, 10 * time.Minute, decision{act: wake, wake: "missing"}},
		{"stopping", timeout, shown("DEPROVISIONING", "STOPPED", time.Minute), 5 * time.Hour, decision{next: after(5*time.Hour + soon)}},
		{"first look", nil, shown("RUNNING", "RUNNING", time.Minute), 5 * time.Minute, decision{next: after(10 * time.Minute)}},
		{"an early look", nil, shown("RUNNING", "RUNNING", time.Minute), 2 * time.Minute, decision{next: after(7 * time.Minute)}},
		{"second look", nil, shown("RUNNING", "RUNNING", time.Minute), 10 * time.Minute, decision{next: after(20 * time.Minute)}},
		{"a late look", nil, shown("RUNNING", "RUNNING", time.Minute), 9 * time.Hour, decision{next: after(9*time.Hour + 30*time.Minute)}},
		{"pending", nil, shown("PROVISIONING", "RUNNING", never), 20 * time.Minute, decision{next: after(30 * time.Minute)}},
		{"pending, with a timeout", func(a *ledger.Attempt) { a.Timeout = time.Minute }, shown("PENDING", "RUNNING", never), 20 * time.Minute, decision{next: after(21 * time.Minute)}},
		{"too late to start", nil, shown("PENDING", "RUNNING", never), 30 * time.Minute, decision{act: stop, why: "start", reason: "errand: did not start within 30m"}},
		{"too late to start, said before", because("start"), shown("PENDING", "RUNNING", never), 31 * time.Minute, decision{act: stop, reason: "errand: did not start within 30m"}},
		{"started after all", because("start"), shown("RUNNING", "RUNNING", 31*time.Minute), 32 * time.Minute, decision{next: after(62 * time.Minute), runUntil: after(151 * time.Minute)}},
		{"runs, and its limit is noted", timeout, shown("RUNNING", "RUNNING", time.Minute), 10 * time.Minute, decision{next: after(20 * time.Minute), runUntil: after(2*time.Hour + time.Minute)}},
		{"its limit was noted", noted, shown("RUNNING", "RUNNING", time.Minute), 100 * time.Minute, decision{next: after(2*time.Hour + time.Minute)}},
		{"timed out", noted, shown("RUNNING", "RUNNING", time.Minute), 2*time.Hour + time.Minute, decision{act: stop, why: "timeout", reason: ended}},
		{"timed out, never noted", timeout, shown("RUNNING", "RUNNING", time.Minute), 3 * time.Hour, decision{act: stop, why: "timeout", reason: ended}},
		{"timed out, said before", because("timeout"), shown("RUNNING", "RUNNING", time.Minute), 3 * time.Hour, decision{act: stop, reason: ended}},
		{"timed out after a late start", because("start"), shown("RUNNING", "RUNNING", 31*time.Minute), 3 * time.Hour, decision{act: stop, why: "timeout", reason: ended}},
		{"a person's stop", because("person"), shown("RUNNING", "RUNNING", time.Minute), 5 * time.Minute, decision{act: stop, reason: "errand: stopped by anna: wrong data"}},
		{"a person's stop after the timeout", because("person"), shown("RUNNING", "RUNNING", time.Minute), 3 * time.Hour, decision{act: stop, reason: "errand: stopped by anna: wrong data"}},
		{
			"a person's stop of a long name", func(a *ledger.Attempt) { a.StopFor, a.StopBy = "person", strings.Repeat("ä", 200) }, shown("RUNNING", "RUNNING", time.Minute), time.Minute,
			decision{act: stop, reason: "errand: stopped by " + strings.Repeat("ä", 116) + "…"},
		},
		{"no start limit", func(a *ledger.Attempt) { a.StartBy, a.FirstClaim = time.Time{}, launched }, shown("PENDING", "RUNNING", never), time.Hour, decision{next: after(90 * time.Minute)}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got := decide(attempt(tc.change), tc.task, after(tc.at))
			if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(decision{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// What DescribeTasks shows of a task becomes the event that ECS would have sent.
func TestStopEvent(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../events/collector/*.json")
	if err != nil || len(files) < 20 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		want, err := taskevent.Decode(raw)
		if err != nil || want.DetailType != "ECS Task State Change" {
			continue
		}
		got, err := taskevent.Decode(mustStopEvent(t, raw))
		if err != nil {
			t.Fatal(err)
		}
		// A time in floating point may be a millisecond off.
		about := cmp.Comparer(func(a, b taskevent.Time) bool { return a.Sub(b.Time).Abs() <= time.Millisecond })
		if diff := cmp.Diff(want, got, about); diff != "" {
			t.Errorf("%s (-want +got):\n%s", file, diff)
		}
	}
}

// mustStopEvent goes through the SDK's type of a task.
func mustStopEvent(t *testing.T, raw []byte) []byte {
	t.Helper()
	var sample struct {
		Detail map[string]any `json:"detail"`
	}
	if err := json.Unmarshal(raw, &sample); err != nil {
		t.Fatal(err)
	}
	for name, value := range sample.Detail {
		if at, err := time.Parse(time.RFC3339Nano, text(value)); err == nil && strings.HasSuffix(name, "At") {
			sample.Detail[name] = float64(at.UnixMilli()) / 1000 // as DescribeTasks has it
		}
	}
	detail, _ := json.Marshal(sample.Detail)
	var task types.Task
	if problems := awsjson.DecodeLenient(detail, &task); len(problems) > 0 {
		t.Fatal(problems)
	}
	task.Tags = []types.Tag{{Key: aws.String("team"), Value: aws.String("billing")}}
	event, err := stopEvent(&task, launched)
	if err != nil || strings.Contains(string(event), "tags") {
		t.Fatalf("%s, %v", event, err)
	}
	return event
}

func text(v any) string {
	s, _ := v.(string)
	return s
}

func TestUnconfirmed(t *testing.T) {
	t.Parallel()
	sub := func(protocol, endpoint, arn string) snstypes.Subscription {
		return snstypes.Subscription{Protocol: &protocol, Endpoint: &endpoint, SubscriptionArn: &arn}
	}
	const arn, pending = "arn:aws:sns:eu-west-1:123456789012:results:1", "PendingConfirmation"
	queue := sub("sqs", "arn:aws:sqs:eu-west-1:123456789012:q", arn)
	for _, tc := range []struct {
		name   string
		topics []audience
		want   int
	}{
		{"nobody", []audience{{arn: "t"}, {arn: "u"}}, 1},
		{"a queue", []audience{{arn: "t", list: []snstypes.Subscription{queue}}, {arn: "u"}}, 0},
		{"one that waits", []audience{{arn: "t", list: []snstypes.Subscription{queue, sub("email", "a@b.de", pending)}}}, 1},
		{"an endpoint that waits", []audience{{arn: "t", list: []snstypes.Subscription{queue, sub("https", "https://b.de", pending)}}}, 1},
		{"the address waits", []audience{{arn: "t", email: "a@b.de", list: []snstypes.Subscription{sub("email", "a@b.de", pending)}}}, 1},
		{"the address is there", []audience{{arn: "t", email: "A@b.de", list: []snstypes.Subscription{sub("email", "a@b.de", arn)}}}, 0},
		{"another address is there", []audience{{arn: "t", email: "a@b.de", list: []snstypes.Subscription{sub("email", "c@b.de", arn)}}}, 1},
		{"the address has gone from both", []audience{{arn: "r", list: []snstypes.Subscription{queue}}, {arn: "t", email: "a@b.de"}, {arn: "u", email: "a@b.de"}}, 2},
		{"the address is deleted", []audience{{arn: "t", email: "a@b.de", list: []snstypes.Subscription{queue, sub("email", "a@b.de", "Deleted")}}}, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if got := unconfirmed(tc.topics); got != tc.want {
				t.Errorf("got %d, want %d", got, tc.want)
			}
		})
	}
}
