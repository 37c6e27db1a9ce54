package lambda

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"errand/pkg/localaws/host"
)

// Function is a Lambda function: a built program and its settings.
type Function struct {
	Name string
	// Bootstrap is the path of the built program. It is started when the
	// function is invoked and no idle instance of it is left.
	Bootstrap string
	// Env is added to the environment that Lambda gives a program. Nothing of
	// this process's own environment reaches it.
	Env map[string]string
	// Timeout is how long one invocation may take; 0 means Lambda's default of
	// 3 seconds.
	Timeout time.Duration
	// MaximumRetryAttempts is how often an asynchronous invocation is tried
	// again after an error of the function; nil means Lambda's default of 2.
	MaximumRetryAttempts *int
	// OnFailure names the function that is told of an event that this one
	// could not handle.
	OnFailure string
	// DeadLetterQueue is the ARN of the queue that gets an event that this
	// function could not handle, beside the function of OnFailure.
	DeadLetterQueue string
	// Serial makes asynchronous events wait for one another, as a reserved
	// concurrency of 1 does. Without it they are taken in the order in which
	// they were sent, but a program that is slow does not hold up the next.
	Serial bool
}

// function is a Function that can be invoked.
type function struct {
	Function
	service *Service
	host    *host.Host

	mu sync.Mutex
	// idle are the instances that wait for an event, the latest last, which is
	// the one to use next.
	idle []*instance
	// last is closed when the next asynchronous event may go: each waits for
	// the one before it, so that they arrive in the order in which they were
	// sent.
	last <-chan struct{}
}

// Add makes a function known, or replaces the one of that name.
func (l *Service) Add(f Function) {
	if f.Timeout == 0 {
		f.Timeout = 3 * time.Second
	}
	if f.MaximumRetryAttempts == nil {
		f.MaximumRetryAttempts = new(2)
	}
	if path, err := filepath.Abs(f.Bootstrap); err == nil {
		f.Bootstrap = path
	}
	added := &function{Function: f, service: l, host: l.host}
	l.mu.Lock()
	replaced := l.functions[f.Name]
	l.functions[f.Name] = added
	l.mu.Unlock()
	if replaced != nil {
		for _, i := range replaced.allIdle() {
			i.stop()
		}
	}
}

// enqueue runs an event through the attempts that an asynchronous invocation
// has. onFailure is the function to tell when all have failed.
func (f *function) enqueue(id string, payload []byte, onFailure string) {
	inv := newInvocation(id, payload)
	tried := make(chan struct{})
	f.mu.Lock()
	before := f.last
	f.last = inv.taken
	if f.Serial {
		f.last = tried
	}
	f.mu.Unlock()
	f.host.Background(func() {
		if before != nil {
			select {
			case <-before:
			case <-f.host.Context().Done():
				return
			}
		}
		out := f.run(inv)
		close(tried)
		attempts := 1
		for out.failed && attempts <= *f.MaximumRetryAttempts {
			if !host.Sleep(f.host.Context(), time.Duration(attempts)*f.service.retryPace) {
				return
			}
			// Lambda keeps the request id over the attempts.
			out = f.run(newInvocation(id, payload))
			attempts++
		}
		if out.failed && f.host.Context().Err() == nil {
			f.giveUp(id, payload, out, attempts, onFailure)
		}
	})
}

// giveUp sends the record of a failed event to the failure function. What that
// function cannot handle either is a dead letter, as is what has none.
func (f *function) giveUp(id string, payload []byte, out outcome, attempts int, onFailure string) {
	if f.DeadLetterQueue != "" {
		f.bury(id, payload, out)
	}
	next, err := f.service.find(onFailure)
	if onFailure == "" || err != nil {
		f.service.deadLetters.Add(DeadLetter{f.Name, id, payload, out.payload})
		return
	}
	type requestContext struct {
		RequestID              string `json:"requestId"`
		FunctionARN            string `json:"functionArn"`
		Condition              string `json:"condition"`
		ApproximateInvokeCount int    `json:"approximateInvokeCount"`
	}
	type responseContext struct {
		StatusCode      int    `json:"statusCode"`
		ExecutedVersion string `json:"executedVersion"`
		FunctionError   string `json:"functionError"`
	}
	notice := host.EncodeJSON(struct {
		Version         string          `json:"version"`
		Timestamp       string          `json:"timestamp"`
		RequestContext  requestContext  `json:"requestContext"`
		RequestPayload  json.RawMessage `json:"requestPayload"`
		ResponseContext responseContext `json:"responseContext"`
		ResponsePayload json.RawMessage `json:"responsePayload"`
	}{
		"1.0", host.Stamp(),
		requestContext{id, f.arn() + ":" + latest, "RetriesExhausted", attempts},
		payload,
		responseContext{http.StatusOK, latest, "Unhandled"},
		jsonOrText(out.payload),
	})
	next.enqueue(host.NewUUID(), notice, "")
}

// bury sends an event to the dead-letter queue, as it came, with what is known of
// its end in attributes. Where Lambda would only count that it cannot, it says
// so in the function's log.
// https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
func (f *function) bury(id string, payload []byte, out outcome) {
	attributes := map[string]host.Attribute{
		"RequestID": {Type: "String", Value: id},
		"ErrorCode": {Type: "Number", Value: strconv.Itoa(http.StatusOK)}, // of the invocation, which the function failed
	}
	var answer struct {
		Message string `json:"errorMessage"`
	}
	if json.Unmarshal(out.payload, &answer) == nil && answer.Message != "" {
		const most = 1 << 10
		message := answer.Message
		if len(message) > most {
			message = strings.ToValidUTF8(message[:most], "")
		}
		attributes["ErrorMessage"] = host.Attribute{Type: "String", Value: message}
	}
	if err := f.service.queues.Send(f.DeadLetterQueue, string(payload), attributes); err != nil {
		f.host.Watch(host.FunctionLog, f.Name, "RequestId: "+id+" not sent to the dead-letter queue "+f.DeadLetterQueue+": "+err.Error())
	}
}

// run takes the event through an idle instance, or through a new one.
func (f *function) run(inv *invocation) outcome {
	defer inv.take() // whatever happened, the next event may go
	f.mu.Lock()
	var i *instance
	if n := len(f.idle); n > 0 {
		i, f.idle = f.idle[n-1], f.idle[:n-1]
	}
	f.mu.Unlock()
	if i == nil {
		var err error
		if i, err = f.start(); err != nil {
			message := "RequestId: " + inv.id + " Error: " + err.Error()
			f.host.Watch(host.FunctionLog, f.Name, message)
			return *lambdaError("Runtime.InvalidEntrypoint", message)
		}
	}
	return i.invoke(inv)
}

func (f *function) allIdle() []*instance {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.idle)
}

func (f *function) setIdle(i *instance) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.idle = append(f.idle, i)
}

func (f *function) remove(i *instance) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.idle = slices.DeleteFunc(f.idle, func(other *instance) bool { return other == i })
}

func (f *function) arn() string { return f.host.ARN("lambda", "function:"+f.Name) }
