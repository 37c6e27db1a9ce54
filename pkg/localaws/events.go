package localaws

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Rule sends the events that its pattern selects to a function.
type Rule struct {
	Name string
	// Pattern is an event pattern in JSON, see Pattern.
	Pattern  []byte
	Function string
}

type eventsService struct {
	server     *Server
	operations map[string]operation

	// mu is held while events are handed to the functions, too, so that they
	// keep their order.
	mu        sync.Mutex
	rules     []*rule
	duplicate bool
	reverse   int
}

// rule is a Rule with the events that DisturbEvents makes it hold back.
type rule struct {
	Rule
	pattern *Pattern
	held    [][]byte
}

// envelope is an event as a rule's target gets it.
type envelope struct {
	Version    string          `json:"version"`
	ID         string          `json:"id"`
	DetailType string          `json:"detail-type"`
	Source     string          `json:"source"`
	Account    string          `json:"account"`
	Time       string          `json:"time"`
	Region     string          `json:"region"`
	Resources  []string        `json:"resources"`
	Detail     json.RawMessage `json:"detail"`
}

func newEvents(s *Server) *eventsService {
	e := &eventsService{server: s}
	e.operations = map[string]operation{"PutEvents": e.putEvents}
	return e
}

// AddRule adds a rule, or replaces the one of that name. Its function must be
// known.
func (s *Server) AddRule(r Rule) error {
	pattern, err := CompilePattern(r.Pattern)
	if err != nil {
		return fmt.Errorf("add rule %s: %w", r.Name, err)
	}
	if _, err := s.lambda.find(r.Function); err != nil {
		return fmt.Errorf("add rule %s: %w", r.Name, err)
	}
	e := s.events
	e.mu.Lock()
	defer e.mu.Unlock()
	e.rules = slices.DeleteFunc(e.rules, func(other *rule) bool { return other.Name == r.Name })
	e.rules = append(e.rules, &rule{Rule: r, pattern: pattern})
	return nil
}

// DisturbEvents makes the events that rules select arrive as EventBridge may
// deliver them: each of them twice, and out of order. With reverse at 2 or
// more, every rule holds its events back until it has that many, and then
// delivers them, the last one first. What a rule still holds is delivered that
// way at the next call; DisturbEvents(false, 0) ends the disturbance.
func (s *Server) DisturbEvents(duplicate bool, reverse int) {
	e := s.events
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, r := range e.rules {
		e.release(r)
	}
	e.duplicate, e.reverse = duplicate, reverse
}

// put matches an event of the given source and detail type against every rule
// and delivers it to the targets of those that match. detail is JSON.
func (e *eventsService) put(source, detailType string, resources []string, detail []byte) {
	e.deliver(envelope{Source: source, DetailType: detailType, Resources: resources, Detail: detail}, time.Now())
}

// deliver returns the event's id.
func (e *eventsService) deliver(event envelope, at time.Time) string {
	event.Version, event.ID = "0", newUUID()
	event.Account, event.Region = e.server.opts.Account, e.server.opts.Region
	event.Time = at.UTC().Format(time.RFC3339)
	if event.Resources == nil {
		event.Resources = []string{}
	}
	body := encodeJSON(event)
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, r := range e.rules {
		if !r.pattern.Match(body) {
			continue
		}
		r.held = append(r.held, body)
		if len(r.held) >= e.reverse {
			e.release(r)
		}
	}
	return event.ID
}

// release invokes the rule's function for what the rule holds, the last one
// first, which is the only one unless events are to be disturbed.
func (e *eventsService) release(r *rule) {
	for _, event := range slices.Backward(r.held) {
		copies := 1
		if e.duplicate {
			copies = 2
		}
		for range copies {
			if err := e.server.InvokeAsync(r.Function, event); err != nil {
				e.server.watch(FunctionLog, r.Function, "rule "+r.Name+": "+err.Error())
			}
		}
	}
	r.held = nil
}

// putEvents has no SDK type behind it: EventBridge is the one service here that
// writes member names with a capital letter.
func (e *eventsService) putEvents(_ context.Context, body []byte) ([]byte, error) {
	var in struct {
		Entries []putEntry
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, badRequest("SerializationException", "%v", err)
	}
	if n := len(in.Entries); n < 1 || n > 10 {
		return nil, badRequest("ValidationException", "1 validation error detected: Value at 'entries' failed to satisfy constraint: Member must have length between 1 and 10, not %d", n)
	}
	size := 0
	for _, entry := range in.Entries {
		size += len(entry.Source) + len(entry.DetailType) + len(entry.Detail)
	}
	if size > maxAsyncPayload {
		return nil, &apiError{http.StatusBadRequest, "ValidationException", "Total size of the entries in the request is over the limit.", nil}
	}
	type result struct {
		EventID      string `json:"EventId,omitempty"`
		ErrorCode    string `json:",omitempty"`
		ErrorMessage string `json:",omitempty"`
	}
	var out struct {
		FailedEntryCount int
		Entries          []result
	}
	for _, entry := range in.Entries {
		if code, message := e.refuse(entry); code != "" {
			out.FailedEntryCount++
			out.Entries = append(out.Entries, result{ErrorCode: code, ErrorMessage: message})
			continue
		}
		at := time.Now()
		if entry.Time != 0 {
			at = time.UnixMilli(int64(entry.Time * 1000))
		}
		id := e.deliver(envelope{Source: entry.Source, DetailType: entry.DetailType, Resources: entry.Resources, Detail: json.RawMessage(entry.Detail)}, at)
		out.Entries = append(out.Entries, result{EventID: id})
	}
	return encodeJSON(out), nil
}

type putEntry struct {
	Source, DetailType, Detail, EventBusName string
	Resources                                []string
	Time                                     float64 // epoch seconds
}

func (e *eventsService) refuse(entry putEntry) (code, message string) {
	for _, required := range []struct{ name, value string }{
		{"Source", entry.Source}, {"DetailType", entry.DetailType}, {"Detail", entry.Detail},
	} {
		if required.value == "" {
			return "InvalidArgument", fmt.Sprintf("Parameter %s is not valid. Reason: %[1]s is a required argument.", required.name)
		}
	}
	if strings.HasPrefix(entry.Source, "aws.") {
		return "NotAuthorizedForSourceException", "Not authorized for the source."
	}
	if bus := entry.EventBusName; bus != "" && bus != "default" && bus != e.server.arn("events", "event-bus/default") {
		return "InvalidArgument", fmt.Sprintf("The embedded AWS endpoint has the default event bus only, not %s.", bus)
	}
	var detail map[string]json.RawMessage
	if err := json.Unmarshal([]byte(entry.Detail), &detail); err != nil || detail == nil {
		return "MalformedDetail", "Detail is malformed."
	}
	return "", ""
}
