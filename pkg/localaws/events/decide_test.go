package events_test

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"errand/pkg/localaws"
	"errand/pkg/localaws/host"
	"errand/pkg/localaws/localtest"
	"errand/pkg/run"
)

// targetBy is serveTarget by a clock.
func targetBy(t *testing.T, clock localaws.Clock) (*localaws.Server, *watched) {
	t.Helper()
	target := program(t, "target")
	target.Env["LOCALAWS_TEST_BOOTSTRAP"] = "print"
	target.Serial = true
	s, w := localtest.ServeFunctionsBy(t, clock, target)
	if err := s.AddRule(localaws.Rule{Name: "jobs", Pattern: []byte(`{"source":["jobs"]}`), Function: "target"}); err != nil {
		t.Fatal(err)
	}
	return s, w
}

func TestDecidedEvents(t *testing.T) {
	t.Parallel()
	clock := localtest.NewClock(time.Date(2026, 11, 20, 6, 0, 0, 0, time.UTC))
	s, w := targetBy(t, clock)
	delays := map[string][]time.Duration{
		`{"n":1}`: {0},
		`{"n":2}`: nil,
		`{"n":3}`: {0, 0},
		`{"n":4}`: {time.Hour},
		`{"n":5}`: {0, 2 * time.Hour},
	}
	var asked []string // one at a time
	s.DecideEvents(func(rule string, event json.RawMessage) []time.Duration {
		var e struct{ Detail json.RawMessage }
		if err := json.Unmarshal(event, &e); err != nil {
			t.Error(err)
		}
		asked = append(asked, rule+" "+string(e.Detail))
		return delays[string(e.Detail)]
	})
	put(t, s, "other", "Job", nil, `{"n":0}`) // which no rule selects
	for n := range 5 {
		put(t, s, "jobs", "Job", nil, `{"n":`+strconv.Itoa(n+1)+`}`)
	}
	s.DecideEvents(nil)
	put(t, s, "jobs", "Job", nil, `{"n":6}`)
	got := delivered(t, w, 7)
	slices.Sort(got) // what is late may come at any time
	if want := []string{`{"n":1}`, `{"n":3}`, `{"n":3}`, `{"n":4}`, `{"n":5}`, `{"n":5}`, `{"n":6}`}; !slices.Equal(got, want) {
		t.Errorf("delivered %v, want %v", got, want)
	}
	if want := []string{`jobs {"n":1}`, `jobs {"n":2}`, `jobs {"n":3}`, `jobs {"n":4}`, `jobs {"n":5}`}; !slices.Equal(asked, want) {
		t.Errorf("asked about %q, want %q", asked, want)
	}
	if !clock.Waited(time.Hour) || !clock.Waited(2*time.Hour) {
		t.Error("nothing was late")
	}
}

// A delay ends with the server.
func TestLateEventsEndWithTheServer(t *testing.T) {
	t.Parallel()
	s, w := serveTarget(t)
	s.DecideEvents(func(string, json.RawMessage) []time.Duration { return []time.Duration{time.Hour} })
	put(t, s, "jobs", "Job", nil, `{}`)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if lines := w.Lines("target"); len(lines) != 0 {
		t.Errorf("the function has written %q", lines)
	}
}

func TestTicker(t *testing.T) {
	t.Parallel()
	clock, err := run.ParseClock("3600@" + strconv.FormatInt(time.Now().UnixMilli(), 10))
	if err != nil {
		t.Fatal(err)
	}
	s, w := targetBy(t, clock)
	if _, err := s.AddTicker("watchdog", time.Hour, "target", []byte(`"old"`)); err != nil {
		t.Fatal(err)
	}
	stop, err := s.AddTicker("watchdog", time.Minute, "target", []byte(`"tick"`))
	if err != nil {
		t.Fatal(err)
	}
	awaitLines(t, w, "target", `event "tick"`, 3)
	stop()
	stop()
	// Events of the function keep their order.
	if err := s.InvokeAsync("target", []byte(`"end"`)); err != nil {
		t.Fatal(err)
	}
	awaitLines(t, w, "target", `event "end"`, 1)
	lines := w.Lines("target")
	for _, line := range lines[:len(lines)-1] {
		if line != `event "tick"` {
			t.Errorf("the function has written %q", line)
		}
	}
}

func TestAddTickerRefuses(t *testing.T) {
	t.Parallel()
	s, _ := serveTarget(t)
	for _, tt := range []struct {
		every          time.Duration
		function, want string
	}{
		{0, "target", "add ticker t: every 0s is not a rate"},
		{time.Minute, "nobody", "add ticker t: ResourceNotFoundException: Function not found: arn:aws:lambda:eu-west-1:123456789012:function:nobody"},
	} {
		if _, err := s.AddTicker("t", tt.every, tt.function, nil); err == nil || err.Error() != tt.want {
			t.Errorf("got %v, want %s", err, tt.want)
		}
	}
}

// Events have AWS's time.
func TestTimeOfEvents(t *testing.T) {
	t.Parallel()
	s, w := targetBy(t, localtest.NewClock(time.Date(2026, 11, 20, 6, 0, 0, 0, time.UTC)))
	put(t, s, "jobs", "Job", nil, string(host.EncodeJSON(struct{}{})))
	var got struct{ Time time.Time }
	line := awaitLines(t, w, "target", "event ", 1)[0]
	if err := json.Unmarshal([]byte(strings.TrimPrefix(line, "event ")), &got); err != nil {
		t.Fatal(err)
	}
	if want := time.Date(2026, 11, 20, 6, 0, 0, 0, time.UTC); !got.Time.Equal(want) {
		t.Errorf("the event is of %s, want %s", got.Time, want)
	}
}
