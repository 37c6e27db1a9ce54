// Package events is EventBridge: the default bus, rules that send events to
// functions, and tickers that invoke them at a rate.
package events

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"errand/pkg/eventpattern"
	"errand/pkg/localaws/host"
)

// Functions is what rules need of Lambda.
type Functions interface {
	// Check refuses the name of a function that there is not.
	Check(name string) error
	InvokeAsync(name string, payload []byte) error
}

// Service is EventBridge.
type Service struct {
	host      *host.Host
	functions Functions

	// mu is held while events are handed to the functions, too, so that they
	// keep their order.
	mu        sync.Mutex
	rules     []*rule
	duplicate bool
	reverse   int
	decide    func(rule string, event json.RawMessage) []time.Duration // may be nil
	tickers   map[string]context.CancelFunc
}

// New makes the service, without rules.
func New(h *host.Host, functions Functions) *Service {
	return &Service{host: h, functions: functions, tickers: map[string]context.CancelFunc{}}
}

// Operations are what the service serves.
func (e *Service) Operations() host.Operations {
	return host.Targets("AWSEvents", host.Operations{"PutEvents": host.ServeDocument(e.putEvents)})
}

// Rule sends the events that its pattern selects to a function.
type Rule struct {
	Name string
	// Pattern is an event pattern in JSON, see eventpattern.
	Pattern  []byte
	Function string
}

// rule is a Rule with the events that Disturb makes it hold back.
type rule struct {
	Rule
	pattern *eventpattern.Pattern
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

// Add adds a rule, or replaces the one of that name. Its function must be
// known.
func (e *Service) Add(r Rule) error {
	pattern, err := eventpattern.Compile(r.Pattern)
	if err != nil {
		return fmt.Errorf("add rule %s: %w", r.Name, err)
	}
	if err := e.functions.Check(r.Function); err != nil {
		return fmt.Errorf("add rule %s: %w", r.Name, err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.rules = slices.DeleteFunc(e.rules, func(other *rule) bool { return other.Name == r.Name })
	e.rules = append(e.rules, &rule{Rule: r, pattern: pattern})
	return nil
}

// Disturb makes the events that rules select arrive as EventBridge may
// deliver them: each of them twice, and out of order. With reverse at 2 or
// more, every rule holds its events back until it has that many, and then
// delivers them, the last one first. What a rule still holds is delivered that
// way at the next call; Disturb(false, 0) ends the disturbance.
func (e *Service) Disturb(duplicate bool, reverse int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, r := range e.rules {
		e.release(r)
	}
	e.duplicate, e.reverse = duplicate, reverse
}

// DecideEvents asks decide for every event that a rule selects how often it is
// delivered, and how late: a delay of AWS's time for each copy, 0 for one that is
// not late. Without any, the event is lost, as one is whose rule was disabled or
// whose target could not be reached for a day. One event is asked about at a time,
// and decide must not call the server. DecideEvents(nil) ends that.
func (e *Service) DecideEvents(decide func(rule string, event json.RawMessage) []time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.decide = decide
}

// Put matches an event of the given source and detail type against every rule
// and delivers it to the targets of those that match. detail is JSON.
func (e *Service) Put(source, detailType string, resources []string, detail []byte) {
	e.deliver(envelope{Source: source, DetailType: detailType, Resources: resources, Detail: detail}, e.host.Now())
}

// deliver returns the event's id.
func (e *Service) deliver(event envelope, at time.Time) string {
	event.Version, event.ID = "0", host.NewUUID()
	event.Account, event.Region = e.host.Account, e.host.Region
	event.Time = at.UTC().Format(time.RFC3339)
	if event.Resources == nil {
		event.Resources = []string{}
	}
	body := host.EncodeJSON(event)
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, r := range e.rules {
		if !r.pattern.Match(body) {
			continue
		}
		delays := []time.Duration{0}
		if e.decide != nil {
			delays = e.decide(r.Name, body)
		}
		for _, delay := range delays {
			if delay <= 0 {
				e.hand(r, body)
			} else {
				e.late(r, body, delay)
			}
		}
	}
	return event.ID
}

// hand gives the rule an event, and what it holds to its function if that is
// enough. The lock must be held.
func (e *Service) hand(r *rule, event []byte) {
	r.held = append(r.held, event)
	if len(r.held) >= e.reverse {
		e.release(r)
	}
}

// late hands an event over when the delay has passed.
func (e *Service) late(r *rule, event []byte, delay time.Duration) {
	e.host.Background(func() {
		if e.host.Sleep(e.host.Context(), delay) {
			e.mu.Lock()
			defer e.mu.Unlock()
			e.hand(r, event)
		}
	})
}

// release invokes the rule's function for what the rule holds, the last one
// first, which is the only one unless events are to be disturbed.
func (e *Service) release(r *rule) {
	for _, event := range slices.Backward(r.held) {
		copies := 1
		if e.duplicate {
			copies = 2
		}
		for range copies {
			if err := e.functions.InvokeAsync(r.Function, event); err != nil {
				e.host.Watch(host.FunctionLog, r.Function, "rule "+r.Name+": "+err.Error())
			}
		}
	}
	r.held = nil
}
