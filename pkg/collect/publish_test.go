package collect_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"errand/pkg/ledger"
	"errand/pkg/report"
)

// broken refuses what is published to a topic.
func (s *stack) broken(topic string) {
	s.wire.respond(func(c call) *http.Response {
		if c.topic == topic {
			return refuseTopic(http.StatusForbidden, "AuthorizationError")
		}
		return nil
	})
}

// A topic that is broken for good keeps its own message back, for as long as it is,
// and the other one is told once.
func TestOneTopicIsBroken(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"results", "text"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			s.launch(t)
			mended, other := both[0], both[1]
			s.broken(s.results)
			if name == "text" {
				mended, other = other, mended
				s.broken(s.text)
			}
			for i, id := range []string{"first", "first", "first", "second"} {
				if id == "second" {
					s.now = s.now.Add(10 * time.Minute) // after the lease of the first
				}
				var want []told
				if i == 0 {
					want = []told{other}
				}
				got, err := s.invoke(t, id, event(t, "failed"))
				if err == nil {
					t.Errorf("invocation %d has no error", i)
				}
				expect(t, "told", want, got)
				if a := s.attempt(t, theKey); !slices.Equal(a.Told, []string{other.Topic}) || !a.Reported.IsZero() {
					t.Errorf("told %v, reported %v", a.Told, a.Reported)
				}
			}
			s.wire.respond(nil)
			got, err := s.invoke(t, "second", event(t, "failed"))
			if err != nil {
				t.Error(err)
			}
			expect(t, "told in the end", []told{mended}, got)
			a := s.attempt(t, theKey)
			expect(t, "told in all", []string{"results", "text"}, a.Told)
			expect(t, "reported", s.now, a.Reported)
		})
	}
}

// SNS is away for two seconds.
func TestPublishesWithinTheInvocation(t *testing.T) {
	t.Parallel()
	s := start(t)
	var since time.Time
	s.wire.respond(func(c call) *http.Response {
		if c.operation != "Publish" {
			return nil
		}
		if since.IsZero() {
			since = time.Now()
		}
		if time.Since(since) < 2*time.Second {
			return refuseTopic(http.StatusInternalServerError, "InternalError")
		}
		return nil
	})
	got, err := s.invoke(t, "me", event(t, "failed"))
	if err != nil {
		t.Error(err)
	}
	expect(t, "told", both, got)
}

// A note costs a write: there is one only when the next topic has to be waited for.
func TestNotes(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.launch(t)
	if _, err := s.invoke(t, "x", event(t, "failed")); err != nil {
		t.Fatal(err)
	}
	s.fresh(t) // but for the revision, which is known
	s.launch(t)
	s.wire.take()
	refused := 0
	s.wire.respond(func(c call) *http.Response {
		if c.topic == s.text && refused < 2 {
			refused++
			return refuseTopic(http.StatusBadRequest, "Throttled")
		}
		return nil
	})
	got, err := s.invoke(t, "me", event(t, "failed"))
	if err != nil {
		t.Error(err)
	}
	expect(t, "told", both, got)
	calls := slices.DeleteFunc(s.wire.take(), func(operation string) bool {
		return operation == "GetLogEvents" || operation == "DescribeTaskDefinition"
	})
	if i := slices.Index(calls, "Publish"); !slices.Equal(slices.Compact(calls[i:]), []string{"Publish", "UpdateItem", "Publish", "UpdateItem"}) {
		t.Errorf("calls %v", calls)
	}
}

// away takes the table away, from the time on when from says so.
func (s *stack) away(from func(call) bool) {
	gone := false
	s.wire.respond(func(c call) *http.Response {
		if gone = gone || from(c); gone && c.service == "DynamoDB_20120810" {
			return refuse(http.StatusInternalServerError, "com.amazonaws.dynamodb.v20120810#InternalServerError")
		}
		return nil
	})
}

// The table is away when the run was told: the next one tells no other story.
func TestNotMarked(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.launch(t)
	s.wire.take()
	s.away(func(c call) bool { return c.operation == "Publish" && c.n == 2 })
	got, err := s.invokeUntil(t, "first", time.Now().Add(2*time.Second), event(t, "failed"))
	if err == nil {
		t.Error("no error")
	}
	expect(t, "told", both, got)
	s.wire.respond(nil)
	s.now = s.now.Add(time.Hour)
	s.metrics.names(t)
	got, err = s.invoke(t, "second", map[string]any{"errand": "missing", "job": "billing-daily", "runId": runID, "attempt": 1})
	if err != nil {
		t.Error(err)
	}
	expect(t, "told again", []told{{"results", "FAILED", exitedWith3}, {"text", "FAILED", exitedWith3 + " after 6m38s"}}, got)
	expect(t, "metrics", []string{report.Doubles}, s.metrics.names(t))
	if a := s.attempt(t, theKey); a.Reported.IsZero() {
		t.Errorf("not marked: %+v", a)
	}
}

// Nobody waits for the table for longer than half of the time.
func TestTheTableIsAway(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.away(func(call) bool { return true })
	got, err := s.invokeUntil(t, "me", time.Now().Add(2*time.Second), event(t, "failed"))
	if err != nil {
		t.Error(err)
	}
	expect(t, "told", both, got)
	expect(t, "metrics", []string{report.WithoutLedger}, s.metrics.names(t))
}

// Once the table is back, what was told without it is noted.
func TestTheTableIsBack(t *testing.T) {
	t.Parallel()
	for _, why := range []string{"", ledger.StopForTimeout} {
		s := start(t)
		s.launch(t)
		if why != "" {
			s.stopFor(t, why)
		}
		back := false
		s.wire.respond(func(c call) *http.Response {
			if back = back || c.operation == "Publish"; !back && c.operation == "UpdateItem" {
				return refuse(http.StatusInternalServerError, "com.amazonaws.dynamodb.v20120810#InternalServerError")
			}
			return nil
		})
		got, err := s.invokeUntil(t, "me", time.Now().Add(3*time.Second), event(t, "failed"))
		if err != nil {
			t.Error(err)
		}
		expect(t, "told", both, got)
		a := s.attempt(t, theKey)
		expect(t, "told, in the ledger", []string{"results", "text"}, a.Told)
		expect(t, "reported", s.now, a.Reported)
		expect(t, "reason", exitedWith3, a.Verdict.Reason)
		if got, err := s.invoke(t, "me", event(t, "failed")); err != nil || len(got) > 0 {
			t.Errorf("then %v, %v", got, err)
		}
	}
}

// A note that cannot be made leaves its time to the topic that waits.
func TestTheNoteCannotBeMade(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.launch(t)
	s.wire.take()
	asked := 0
	s.wire.respond(func(c call) *http.Response {
		if c.topic == s.text {
			asked++
		}
		switch {
		case c.topic == s.text && asked == 1:
			return refuseTopic(http.StatusBadRequest, "KMSThrottling")
		case c.service == "DynamoDB_20120810" && asked == 1:
			return refuse(http.StatusInternalServerError, "com.amazonaws.dynamodb.v20120810#InternalServerError")
		}
		return nil
	})
	got, err := s.invokeUntil(t, "me", time.Now().Add(11*time.Second), event(t, "failed"))
	if err != nil {
		t.Error(err)
	}
	expect(t, "told", both, got)
	if a := s.attempt(t, theKey); a.Reported.IsZero() {
		t.Errorf("not marked: %+v", a)
	}
}

// A task that errand has stopped for its timeout is told as that, though the ledger,
// which knows why, is away.
func TestTheTableIsAwayAfterAStop(t *testing.T) {
	t.Parallel()
	const rest = "; container app exited with code 143 (SIGTERM)"
	for _, tc := range []struct{ asked, status, reason string }{
		{"errand: did not end within 2h, its timeout", "TIMED_OUT", "the command did not end within 2h, its timeout, and was stopped" + rest},
		{"errand: did not start within 30m", "STOPPED", "the task was stopped: errand: did not start within 30m" + rest}, // it did
		{"errand: stopped by ann", "STOPPED", "the task was stopped: errand: stopped by ann" + rest},
	} {
		s := start(t)
		s.away(func(call) bool { return true })
		stopped := json.RawMessage(strings.ReplaceAll(string(event(t, "stopped-by-user")), "Task stopped by user", tc.asked))
		got, err := s.invokeUntil(t, "me", time.Now().Add(6*time.Second), stopped)
		if err != nil || len(got) != 2 {
			t.Fatal(got, err)
		}
		expect(t, "told", told{"results", tc.status, tc.reason}, got[0])
	}
}

// A topic that refuses for good is tried again each time, and nothing is told twice.
func TestNoDoublesWhereATopicRefuses(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.launch(t)
	s.metrics.names(t)
	s.wire.respond(func(c call) *http.Response {
		if c.topic == s.text {
			return refuseTopic(http.StatusForbidden, "AuthorizationError")
		}
		return nil
	})
	for try, want := range [][]told{both[:1], nil, nil} {
		got, err := s.invoke(t, "me", event(t, "failed"))
		if err == nil {
			t.Errorf("try %d: no error", try)
		}
		expect(t, "told", want, got)
	}
	expect(t, "metrics", []string(nil), s.metrics.names(t))
}
