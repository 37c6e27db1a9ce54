// Package lambda is Lambda: functions, which really run, as programs that are
// served the Runtime API.
package lambda

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"time"

	"errand/pkg/localaws/host"
)

// Log takes what the functions write.
type Log interface {
	Write(group, stream, line string)
}

// Queues takes the events that functions have given up.
type Queues interface {
	Send(queueARN, body string, attributes map[string]host.Attribute) error
}

// Service is Lambda.
type Service struct {
	host        *host.Host
	log         Log
	queues      Queues
	retryPace   time.Duration
	deadLetters host.Record[DeadLetter]

	mu        sync.Mutex
	functions map[string]*function
}

// New makes the service, without functions. retryPace is the unit of the waits
// between the attempts of an asynchronous invocation.
func New(h *host.Host, log Log, queues Queues, retryPace time.Duration) *Service {
	return &Service{host: h, log: log, queues: queues, retryPace: retryPace, functions: map[string]*function{}}
}

// DeadLetter is an event that a function could not handle and that has no
// function left to go to.
type DeadLetter struct {
	Function, RequestID string
	Payload             []byte
	// Error is what the last attempt answered.
	Error []byte
}

const (
	maxAsyncPayload = 1 << 20
	maxTail         = 4 << 10
	latest          = "$LATEST"
)

// InvokeAsync queues an event for a function, as rules, destinations and Invoke
// with the type Event do. An error of the function is not seen here: the event
// is tried again, goes to the function's failure function, and from there to the
// dead letters.
func (l *Service) InvokeAsync(function string, payload []byte) error {
	_, err := l.enqueue(function, payload)
	return err
}

// DeadLetters returns the events that were given up, in the order in which
// that happened.
func (l *Service) DeadLetters() []DeadLetter { return l.deadLetters.All() }

// AwaitDeadLetters waits until n events in all were given up, and returns them.
func (l *Service) AwaitDeadLetters(ctx context.Context, n int) ([]DeadLetter, error) {
	return l.deadLetters.Await(ctx, n)
}

// Check refuses the name of a function that there is not.
func (l *Service) Check(name string) error {
	_, err := l.find(name)
	return err
}

// find takes a function's name, ARN or partial ARN, each with or without
// $LATEST, the only version that there is.
func (l *Service) find(name string) (*function, error) {
	short := strings.TrimSuffix(name, ":"+latest)
	short = strings.TrimPrefix(short, l.host.ARN("lambda", "function:"))
	short = strings.TrimPrefix(short, l.host.Account+":function:")
	l.mu.Lock()
	defer l.mu.Unlock()
	if f := l.functions[short]; f != nil {
		return f, nil
	}
	arn := name
	if !strings.HasPrefix(name, "arn:") {
		arn = l.host.ARN("lambda", "function:"+strings.TrimPrefix(name, l.host.Account+":function:"))
	}
	return nil, host.Errorf(http.StatusNotFound, "ResourceNotFoundException", "Function not found: %s", arn).With("Type", "User")
}

// enqueue returns the request id of the queued event.
func (l *Service) enqueue(name string, payload []byte) (string, error) {
	f, err := l.find(name)
	if err != nil {
		return "", err
	}
	if payload, err = checkPayload(payload); err != nil {
		return "", err
	}
	if len(payload) > maxAsyncPayload {
		return "", host.Errorf(http.StatusRequestEntityTooLarge, "RequestTooLargeException", "%d byte payload is too large for the Event invocation type (limit %d bytes)", len(payload), maxAsyncPayload)
	}
	id := host.NewUUID()
	f.enqueue(id, payload, f.OnFailure)
	return id, nil
}

// checkPayload refuses what is not JSON. No payload at all is an empty object.
func checkPayload(payload []byte) ([]byte, error) {
	if len(payload) == 0 {
		return []byte("{}"), nil
	}
	if err := json.Unmarshal(payload, new(json.RawMessage)); err != nil {
		return nil, host.BadRequest("InvalidRequestContentException", "Could not parse request body into json: %v", err).With("Type", "User")
	}
	return payload, nil
}

// jsonOrText keeps JSON and makes a JSON string of anything else.
func jsonOrText(data []byte) json.RawMessage {
	if json.Valid(data) {
		return data
	}
	return host.EncodeJSON(string(data))
}
