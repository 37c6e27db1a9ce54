package events_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"errand/pkg/localaws"
	"errand/pkg/localaws/host"
)

// serveTarget starts a server with a rule that sends the events of the source
// "jobs" to a function, which prints them.
func serveTarget(t *testing.T) (*localaws.Server, *watched) {
	t.Helper()
	target := program(t, "target")
	target.Env["LOCALAWS_TEST_BOOTSTRAP"] = "print"
	target.Serial = true
	s, w := serveFunctions(t, target)
	if err := s.AddRule(localaws.Rule{Name: "jobs", Pattern: []byte(`{"source":["jobs"]}`), Function: "target"}); err != nil {
		t.Fatal(err)
	}
	return s, w
}

// delivered waits until the target has got n events, and returns their details.
func delivered(t *testing.T, w *watched, n int) []string {
	t.Helper()
	var details []string
	for _, line := range awaitLines(t, w, "target", "event ", n) {
		var event struct{ Detail json.RawMessage }
		if err := json.Unmarshal([]byte(strings.TrimPrefix(line, "event ")), &event); err != nil {
			t.Fatal(err)
		}
		details = append(details, string(event.Detail))
	}
	return details
}

func TestRuleSendsTheEventsThatItSelects(t *testing.T) {
	t.Parallel()
	s, w := serveTarget(t)
	put(t, s, "other", "Something", nil, `{"n":0}`)
	put(t, s, "jobs", "Errand <Job>", []string{"arn:aws:ecs:eu-west-1:123456789012:task/jobs/1"}, `{"n":"<1>"}`)
	line := awaitLines(t, w, "target", "event ", 1)[0]
	var got map[string]any
	if err := json.Unmarshal([]byte(strings.TrimPrefix(line, "event ")), &got); err != nil {
		t.Fatal(err)
	}
	if at, err := time.Parse(time.RFC3339, got["time"].(string)); err != nil || at.IsZero() {
		t.Errorf("time: %v", err)
	}
	if id := got["id"].(string); len(id) != 36 {
		t.Errorf("the event's id %q is not a UUID", id)
	}
	delete(got, "time")
	delete(got, "id")
	want := `{"account":"123456789012","detail":{"n":"<1>"},"detail-type":"Errand <Job>","region":"eu-west-1",` +
		`"resources":["arn:aws:ecs:eu-west-1:123456789012:task/jobs/1"],"source":"jobs","version":"0"}`
	if text := string(host.EncodeJSON(got)); text != want {
		t.Errorf("got the event\n%s\nwant\n%s", text, want)
	}
}

func TestEventsKeepTheirOrder(t *testing.T) {
	t.Parallel()
	s, w := serveTarget(t)
	want := []string{`{"n":1}`, `{"n":2}`, `{"n":3}`, `{"n":4}`, `{"n":5}`}
	for _, detail := range want {
		put(t, s, "jobs", "Job", nil, detail)
	}
	if got := delivered(t, w, len(want)); !slices.Equal(got, want) {
		t.Errorf("delivered %v, want %v", got, want)
	}
}

func TestDisturbedEvents(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name      string
		duplicate bool
		reverse   int
		want      []string
	}{
		{name: "twice", duplicate: true, want: []string{`{"n":1}`, `{"n":1}`, `{"n":2}`, `{"n":2}`, `{"n":3}`, `{"n":3}`}},
		{name: "in pairs, the second one first", reverse: 2, want: []string{`{"n":2}`, `{"n":1}`, `{"n":3}`}},
		{name: "twice and reversed", duplicate: true, reverse: 3, want: []string{`{"n":3}`, `{"n":3}`, `{"n":2}`, `{"n":2}`, `{"n":1}`, `{"n":1}`}},
		{name: "held back until the disturbance ends", reverse: 10, want: []string{`{"n":3}`, `{"n":2}`, `{"n":1}`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, w := serveTarget(t)
			s.DisturbEvents(tt.duplicate, tt.reverse)
			for _, detail := range []string{`{"n":1}`, `{"n":2}`, `{"n":3}`} {
				put(t, s, "jobs", "Job", nil, detail)
			}
			s.DisturbEvents(false, 0)
			put(t, s, "jobs", "Job", nil, `{"n":4}`)
			if got, want := delivered(t, w, len(tt.want)+1), append(tt.want, `{"n":4}`); !slices.Equal(got, want) {
				t.Errorf("delivered %v, want %v", got, want)
			}
		})
	}
}

func TestAddRuleRefuses(t *testing.T) {
	t.Parallel()
	s, _ := serveTarget(t)
	for _, tt := range []struct {
		name string
		rule localaws.Rule
		want string
	}{
		{name: "a wrong pattern", rule: localaws.Rule{Name: "r", Pattern: []byte(`{"source":"jobs"}`), Function: "target"}, want: "add rule r: the event pattern is wrong: source must be an array"},
		{name: "an unknown function", rule: localaws.Rule{Name: "r", Pattern: []byte(`{"source":["jobs"]}`), Function: "nobody"}, want: "Function not found"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if err := s.AddRule(tt.rule); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// putEvents calls PutEvents as a client that speaks AWS JSON 1.1 does.
func putEvents(t *testing.T, s *localaws.Server, body string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL(), strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set("X-Amz-Target", "AWSEvents.PutEvents")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(answer.Body)
	if err := errors.Join(err, answer.Body.Close()); err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

// put sends one event.
func put(t *testing.T, s *localaws.Server, source, detailType string, resources []string, detail string) {
	t.Helper()
	body := host.EncodeJSON(map[string]any{"Entries": []any{
		map[string]any{"Source": source, "DetailType": detailType, "Resources": resources, "Detail": detail},
	}})
	if status, answer := putEvents(t, s, string(body)); status != http.StatusOK || !strings.Contains(answer, `"FailedEntryCount":0`) {
		t.Fatalf("PutEvents answered %d %s", status, answer)
	}
}

func TestPutEvents(t *testing.T) {
	t.Parallel()
	s, w := serveTarget(t)
	status, text := putEvents(t, s, `{"Entries":[
		{"Source":"jobs","DetailType":"Errand Job","Detail":"{\"job\":\"a\"}","Time":1763604461,"Resources":["r"],"EventBusName":"default"},
		{"Source":"aws.ecs","DetailType":"ECS Task State Change","Detail":"{}"},
		{"DetailType":"Errand Job","Detail":"{}"},
		{"Source":"jobs","Detail":"{}"},
		{"Source":"jobs","DetailType":"Errand Job"},
		{"Source":"jobs","DetailType":"Errand Job","Detail":"[1]"},
		{"Source":"jobs","DetailType":"Errand Job","Detail":"{"},
		{"Source":"jobs","DetailType":"Errand Job","Detail":"{}","EventBusName":"mine"},
		{"Source":"jobs","DetailType":"Errand Job","Detail":"{\"job\":\"b\"}"}]}`)
	var out struct {
		FailedEntryCount int
		Entries          []struct{ EventID, ErrorCode, ErrorMessage string }
	}
	if err := json.Unmarshal([]byte(text), &out); err != nil || status != http.StatusOK {
		t.Fatalf("got status %d, %s: %v", status, text, err)
	}
	var codes []string
	for _, entry := range out.Entries {
		if (entry.EventID == "") == (entry.ErrorCode == "") {
			t.Errorf("the entry %+v has neither an event id nor an error code, or both", entry)
		}
		codes = append(codes, entry.ErrorCode)
	}
	want := []string{"", "NotAuthorizedForSourceException", "InvalidArgument", "InvalidArgument", "InvalidArgument", "MalformedDetail", "MalformedDetail", "InvalidArgument", ""}
	if !slices.Equal(codes, want) || out.FailedEntryCount != 7 {
		t.Errorf("got the errors %q and %d failed entries, want %q and 7", codes, out.FailedEntryCount, want)
	}
	if got, want := delivered(t, w, 2), []string{`{"job":"a"}`, `{"job":"b"}`}; !slices.Equal(got, want) {
		t.Errorf("delivered %v, want %v", got, want)
	}
	first := w.Lines("target")[0]
	if !strings.Contains(first, `"id":"`+out.Entries[0].EventID+`"`) || !strings.Contains(first, `"time":"2025-11-20T02:07:41Z"`) || !strings.Contains(first, `"resources":["r"]`) {
		t.Errorf("the first event %s has not the id, time and resources that it should", first)
	}
}

func TestPutEventsRefuses(t *testing.T) {
	t.Parallel()
	s, _ := serveTarget(t)
	for _, tt := range []struct{ name, body, want string }{
		{name: "no entries", body: `{}`, want: "ValidationException"},
		{name: "too many entries", body: `{"Entries":[` + strings.TrimSuffix(strings.Repeat(`{},`, 11), ",") + `]}`, want: "ValidationException"},
		{name: "a detail that is no string", body: `{"Entries":[{"Detail":{}}]}`, want: "SerializationException"},
		{name: "entries that are too large", body: `{"Entries":[{"Source":"jobs","DetailType":"x","Detail":"{\"x\":\"` + strings.Repeat("x", 1<<20) + `\"}"}]}`, want: "over the limit"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if status, text := putEvents(t, s, tt.body); status != http.StatusBadRequest || !strings.Contains(text, tt.want) {
				t.Errorf("got status %d, %s; want 400 and %s", status, text, tt.want)
			}
		})
	}
}
