package crash_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	"errand/pkg/ledger"
	"errand/pkg/localaws"
	"errand/pkg/localaws/localtest"
	payloads "errand/pkg/payload"
	"errand/pkg/run"
)

// scenario is a course on an endpoint of its own, which goes by the course's time.
func scenario(t *testing.T) *course {
	t.Helper()
	clock := localtest.NewClock(time.Date(2026, 11, 20, 2, 0, 0, 0, time.UTC))
	server, err := localaws.Start(localaws.Options{Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	furnish(t, server)
	c := newCourse(t, server, 1)
	c.clock = clock
	return c
}

func (c *course) wait(d time.Duration) {
	c.now = c.now.Add(d)
	c.clock.Advance(d)
}

func job(id, fields string) []byte {
	return []byte(`{"job": "job", "runId": "` + id + `", "command": ["true"]` + fields + `}`)
}

// minutes pass, in each of which what is on its way arrives, and the watchdog looks
// if it is on.
func (c *course) minutes(t *testing.T, n int, watchdog bool, arrived map[string]bool) {
	t.Helper()
	for range n {
		c.arrive(t, arrived)
		if watchdog {
			c.run(t, invocation{c.now, "watchdog", []byte(`{}`), "tick", 0})
			c.arrive(t, arrived)
		}
		c.wait(time.Minute)
	}
}

// ends is what programs were told of each run, in order.
func (c *course) ends(t *testing.T) map[string][]string {
	t.Helper()
	ends := map[string][]string{}
	for _, m := range c.server.Published() {
		if m.TopicARN != c.topics[0] {
			continue
		}
		var end struct{ RunID, Status string }
		if err := json.Unmarshal([]byte(m.Body), &end); err != nil {
			t.Fatal(err)
		}
		ends[end.RunID] = append(ends[end.RunID], end.Status)
	}
	return ends
}

func (c *course) book() *ledger.Ledger {
	return ledger.New(dynamodb.NewFromConfig(c.server.Config()), ledger.Config{Table: c.table, Now: func() time.Time { return c.now }})
}

// claim is what a launcher does that then dies.
func (c *course) claim(t *testing.T, id string) ledger.Hold {
	t.Helper()
	raw := job(id, "")
	hold, ok, err := c.book().Claim(t.Context(), ledger.Delivery{
		Run: run.Run{Job: "job", ID: id, Attempt: 1, Method: run.MethodRunTask}, Digest: payloads.Digest(raw), Payload: raw, Cluster: "crash",
		Holder: "dead", Until: c.now.Add(time.Minute),
	})
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	return hold
}

func (c *course) key(id string) ledger.Key { return ledger.Key{Job: "job", RunID: id, Attempt: 1} }

// state is how a run stands in the ledger.
func (c *course) state(t *testing.T, id string) ledger.Attempt {
	t.Helper()
	a, ok, err := c.book().Get(t.Context(), c.key(id))
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	return a
}

func same(t *testing.T, what string, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// The watchdog is off for two hours, and then there are runs in every state.
func TestTwoHoursWithoutTheWatchdog(t *testing.T) {
	t.Parallel()
	c := scenario(t)
	arrived := map[string]bool{}
	c.events = 0 // no stop event arrives
	c.claim(t, "claimed")
	if ok, err := c.book().NoRoom(t.Context(), c.claim(t, "due"), false, "no room", c.now.Add(time.Minute)); err != nil || !ok {
		t.Fatal(ok, err)
	}
	c.claim(t, "abandoned")
	c.claim(t, "abandoned-and-decided")
	c.send("launcher", job("forgotten", ""))
	c.minutes(t, 3, false, arrived)
	dead := ledger.Reporter{ID: "dead", Until: c.now.Add(time.Minute)}
	for _, id := range []string{"abandoned", "abandoned-and-decided"} {
		if _, refused, err := c.book().Abandon(t.Context(), dead, c.key(id), ledger.Delivery{}, nil); err != nil || refused != "" {
			t.Fatal(refused, err)
		}
	}
	verdict := ledger.Verdict{Status: run.LaunchFailed, Reason: "as decided", Ended: c.now}
	if _, ok, err := c.book().Decide(t.Context(), dead, c.key("abandoned-and-decided"), verdict); err != nil || !ok {
		t.Fatal(ok, err)
	}
	c.minutes(t, 107, false, arrived)
	for _, id := range []string{"lost-event", "concluded", "told"} {
		c.send("launcher", job(id, ""))
	}
	c.minutes(t, 5, false, arrived)
	dead.Until = c.now.Add(time.Minute)
	for _, id := range []string{"concluded", "told"} {
		a := c.state(t, id)
		end := ledger.End{Run: a.Run(), Cluster: a.Cluster, Task: a.Task, Verdict: ledger.Verdict{Status: run.Succeeded, Ended: c.now}}
		if _, refused, err := c.book().Conclude(t.Context(), dead, end); err != nil || refused != "" {
			t.Fatal(refused, err)
		}
	}
	if err := c.book().Told(t.Context(), dead, c.key("told"), []string{"results", "text"}); err != nil {
		t.Fatal(err)
	}
	c.minutes(t, 5, false, arrived)
	same(t, "told before", map[string][]string{}, c.ends(t))
	c.events = 1
	c.minutes(t, 5, true, arrived)
	same(t, "told", map[string][]string{
		"claimed": {"LOST"}, "due": {"SUCCEEDED"}, "abandoned": {"LOST"}, "abandoned-and-decided": {"LAUNCH_FAILED"},
		"forgotten": {"LOST"}, "lost-event": {"SUCCEEDED"}, "concluded": {"SUCCEEDED"},
	}, c.ends(t))
	if open, err := c.book().Going(t.Context()); err != nil || len(open) > 0 {
		t.Errorf("%d runs are open still, %v", len(open), err)
	}
}

// away takes the table away, for all functions.
func (c *course) away() {
	c.server.DecideFaults(func(operation string) *localaws.Fault {
		if slices.Contains([]string{"UpdateItem", "GetItem", "BatchGetItem", "Query"}, operation) {
			return &localaws.Fault{Code: "AccessDeniedException", Message: "away"}
		}
		return nil
	})
}

// The table is away for ten minutes, while runs begin and end: every run is told,
// none with two different ends.
func TestTenMinutesWithoutTheTable(t *testing.T) {
	t.Parallel()
	c := scenario(t)
	arrived := map[string]bool{}
	c.events = 0
	c.send("launcher", job("ends", ""))
	c.send("launcher", job("ends-with-limits", `, "timeout": "1h"`))
	if ok, err := c.book().NoRoom(t.Context(), c.claim(t, "waits"), false, "no room", c.now.Add(5*time.Minute)); err != nil || !ok {
		t.Fatal(ok, err)
	}
	c.minutes(t, 2, true, arrived)
	late := c.tasks(t)
	// It goes away between the claim and the note of the task.
	for id, limits := range map[string]string{"begins-before": "", "begins-before-with-limits": `, "timeout": "1h"`} {
		c.before = func(function, operation string) {
			if function == "launcher" && operation == "RunTask" {
				c.away()
			}
		}
		c.run(t, invocation{c.now, "launcher", job(id, limits), id, 2})
		c.before = nil
		c.server.DecideFaults(nil)
	}
	c.away()
	c.events = 1
	for _, task := range late {
		event, err := stopEvent(task)
		if err != nil {
			t.Fatal(err)
		}
		c.send("collector", event)
	}
	c.send("launcher", job("begins", ""))
	c.send("launcher", job("begins-with-limits", `, "timeout": "1h"`))
	c.minutes(t, 10, true, arrived)
	c.server.DecideFaults(nil)
	c.minutes(t, 45, true, arrived)
	got := c.ends(t)
	for id, ends := range got {
		got[id] = slices.Compact(slices.Sorted(slices.Values(ends)))
	}
	same(t, "told", map[string][]string{
		"ends": {"SUCCEEDED"}, "ends-with-limits": {"SUCCEEDED"}, "waits": {"SUCCEEDED"}, "begins-before": {"SUCCEEDED"},
		"begins-before-with-limits": {"SUCCEEDED"}, "begins": {"SUCCEEDED"}, "begins-with-limits": {"LAUNCH_FAILED"},
	}, got)
	if open, err := c.book().Going(t.Context()); err != nil || len(open) > 0 {
		t.Errorf("%d runs are open still, %v", len(open), err)
	}
	if n := len(c.tasks(t)); n != 6 {
		t.Errorf("%d tasks, want 6", n)
	}
}

// A holder lives on after its deadline, and somebody else comes.
func TestHolderAfterItsDeadline(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		after time.Duration
		want  []string
	}{
		{time.Second, []string{"SUCCEEDED"}},                  // the lease outlasts it
		{6 * time.Second, []string{"SUCCEEDED", "SUCCEEDED"}}, // longer than Lambda lets it live
	} {
		t.Run(tc.after.String(), func(t *testing.T) {
			t.Parallel()
			c := scenario(t)
			arrived := map[string]bool{}
			second := false
			c.before = func(function, operation string) {
				if function == "collector" && operation == "Publish" && !second {
					second = true
					c.wait(time.Minute + tc.after)
					event, err := stopEvent(c.tasks(t)[0])
					if err != nil {
						t.Fatal(err)
					}
					c.run(t, invocation{c.now, "collector", event, "second", 0})
				}
			}
			c.send("launcher", job("run", ""))
			c.minutes(t, 10, true, arrived)
			same(t, "told", map[string][]string{"run": tc.want}, c.ends(t))
			if a := c.state(t, "run"); a.Reported.IsZero() {
				t.Errorf("not marked: %+v", a)
			}
		})
	}
}

// A launcher asks ECS after its deadline, while others look for what was left.
func TestLauncherAfterItsDeadline(t *testing.T) {
	t.Parallel()
	for _, after := range []time.Duration{time.Second, 64 * time.Second} {
		t.Run(after.String(), func(t *testing.T) {
			t.Parallel()
			c := scenario(t)
			arrived := map[string]bool{}
			once := false
			c.before = func(function, operation string) {
				if function == "launcher" && operation == "RunTask" && !once {
					once = true
					c.wait(time.Minute + after)
					c.run(t, invocation{c.now, "watchdog", []byte(`{}`), "tick", 0})
					wake, err := json.Marshal(ledger.Wake{Wake: ledger.WakeAbandon, Key: c.key("run")})
					if err != nil {
						t.Fatal(err)
					}
					c.run(t, invocation{c.now, "collector", wake, "second", 0})
				}
			}
			c.send("launcher", job("run", ""))
			c.minutes(t, 10, true, arrived)
			same(t, "told", map[string][]string{"run": {"SUCCEEDED"}}, c.ends(t))
			if n := len(c.tasks(t)); n != 1 {
				t.Errorf("%d tasks", n)
			}
		})
	}
}

// put puts an item as another release may have written it.
func (c *course) put(t *testing.T, id string, item map[string]any) {
	t.Helper()
	values := map[string]types.AttributeValue{
		"pk": &types.AttributeValueMemberS{Value: "run#job#" + id}, "sk": &types.AttributeValueMemberS{Value: "a#01"},
	}
	for name, v := range item {
		switch v := v.(type) {
		case string:
			values[name] = &types.AttributeValueMemberS{Value: v}
		case int64:
			values[name] = &types.AttributeValueMemberN{Value: strconv.FormatInt(v, 10)}
		case bool:
			values[name] = &types.AttributeValueMemberBOOL{Value: v}
		}
	}
	if _, err := dynamodb.NewFromConfig(c.server.Config()).PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &c.table, Item: values}); err != nil {
		t.Fatal(err)
	}
}

// Other releases have written the table: with less than this one, and with more.
func TestItemsOfOtherReleases(t *testing.T) {
	t.Parallel()
	for v := range int64(2) {
		t.Run(fmt.Sprintf("v %d", v+1), func(t *testing.T) {
			t.Parallel()
			c := scenario(t)
			arrived := map[string]bool{}
			begun := c.now.Unix()
			with := func(item map[string]any) map[string]any {
				item["v"], item["open"], item["due"], item["at"] = v+1, "3", begun+60, begun
				if v > 0 {
					item["lane"], item["colour"], item["later"] = "of tomorrow", true, begun
				}
				return item
			}
			c.put(t, "claimed", with(map[string]any{"state": "CLAIMED", "claims": int64(1), "payload": string(job("claimed", "")), "digest": payloads.Digest(job("claimed", "")), "launchUntil": begun, "cluster": "crash"}))
			c.put(t, "due", with(map[string]any{"state": "DUE", "claims": int64(1), "payload": string(job("due", "")), "digest": payloads.Digest(job("due", "")), "cluster": "crash"}))
			c.put(t, "abandoned", with(map[string]any{"state": "ABANDONED"}))
			c.put(t, "forgotten", with(map[string]any{
				"state": "LAUNCHED", "cluster": "crash", "task": "arn:aws:ecs:eu-west-1:123456789012:task/crash/0123456789abcdef0123456789abcdef",
			}))
			c.put(t, "unknown", with(map[string]any{"state": "PARKED"}))
			c.minutes(t, 15, true, arrived)
			same(t, "told", map[string][]string{
				"claimed": {"SUCCEEDED"}, "due": {"SUCCEEDED"}, "abandoned": {"LAUNCH_FAILED"}, "forgotten": {"LOST"},
			}, c.ends(t))
			out, err := dynamodb.NewFromConfig(c.server.Config()).GetItem(t.Context(), &dynamodb.GetItemInput{TableName: &c.table, Key: map[string]types.AttributeValue{
				"pk": &types.AttributeValueMemberS{Value: "run#job#claimed"}, "sk": &types.AttributeValueMemberS{Value: "a#01"},
			}})
			if err != nil {
				t.Fatal(err)
			}
			if lane, _ := out.Item["lane"].(*types.AttributeValueMemberS); v > 0 && (lane == nil || lane.Value != "of tomorrow") {
				t.Errorf("the item has lost what this release does not know: %v", out.Item)
			}
			if number, _ := out.Item["v"].(*types.AttributeValueMemberN); number == nil || number.Value != strconv.FormatInt(v+1, 10) {
				t.Errorf("the item is of form %v", out.Item["v"])
			}
		})
	}
}

// A task that a release without a ledger has started has no item. Its end is told
// once, however often it comes.
func TestTaskWithoutAnItem(t *testing.T) {
	t.Parallel()
	c := scenario(t)
	arrived := map[string]bool{}
	c.events = 2
	c.server.Inject(localaws.Fault{Operation: "UpdateItem", Code: "AccessDeniedException", Message: "there is no table yet", Times: 1})
	c.send("launcher", job("run", "")) // which starts it without the ledger
	c.minutes(t, 10, true, arrived)
	c.send("launcher", job("run", ""))
	c.minutes(t, 10, true, arrived)
	same(t, "told", map[string][]string{"run": {"SUCCEEDED"}}, c.ends(t))
	if a := c.state(t, "run"); a.Reported.IsZero() || a.Task != aws.ToString(c.tasks(t)[0].TaskArn) {
		t.Errorf("%+v", a)
	}
}
