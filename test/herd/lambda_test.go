package herd_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
)

// handler is a function's, with the clients and caches of one execution
// environment.
type handler func(context.Context, json.RawMessage) error

// function is a Lambda function and what became of its invocations.
type function struct {
	name    string // as the template has it
	timeout time.Duration
	retries int
	age     time.Duration // of an event, at most
	cpu     time.Duration // that an invocation needs at the function's share of a core
	make    func() handler

	idle []handler

	Invocations, Errors, Throttles, Lost int
	Billed, Longest                      time.Duration
}

// functions is Lambda as far as it takes events: a queue, an account's concurrency,
// environments that are made and kept, retries.
type functions struct {
	concurrency int
	note        func(series string, value float64)
	work        sync.WaitGroup

	mu      sync.Mutex
	running int
	events  int
	byName  map[string]*function
}

// coldStart is billed since August 2025
// (https://aws.amazon.com/blogs/compute/aws-lambda-standardizes-billing-for-init-phase/).
const coldStart = 300 * time.Millisecond

// Lambda's waits for an event that found no room: from a second to five minutes
// (https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html).
const firstThrottle, longestThrottle = time.Second, 5 * time.Minute

// async takes an event, which will be handled.
func (l *functions) async(name string, payload []byte) {
	l.mu.Lock()
	f := l.byName[name]
	l.events++
	id := fmt.Sprintf("request-%d", l.events)
	l.mu.Unlock()
	l.work.Go(func() {
		born, failures := time.Now(), 0
		for wait := firstThrottle; ; {
			if !l.enter() {
				l.mu.Lock()
				f.Throttles++
				l.mu.Unlock()
				l.note("AWS/Lambda Throttles "+f.name, 1)
				pause := wait/2 + rand.N(wait/2)
				wait = min(2*wait, longestThrottle)
				if time.Since(born)+pause > f.age {
					l.lose(f)
					return
				}
				time.Sleep(pause)
				continue
			}
			l.note("AWS/Lambda AsyncEventAge "+f.name, float64(time.Since(born).Milliseconds()))
			err := l.invoke(f, id, payload)
			if err == nil {
				return
			}
			if failures++; failures > f.retries {
				l.lose(f)
				return
			}
			time.Sleep(time.Duration(failures) * time.Minute)
		}
	})
}

func (l *functions) enter() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.running >= l.concurrency {
		return false
	}
	l.running++
	return true
}

// lose is what becomes of an event that was never handled well. A tick is only left
// out.
func (l *functions) lose(f *function) {
	l.mu.Lock()
	f.Lost++
	l.mu.Unlock()
	l.note("AWS/SQS ApproximateNumberOfMessagesVisible "+strings.TrimSuffix(f.name, "Function")+"DeadLetters.QueueName", 1)
}

// invoke is one invocation, in an environment of its own.
func (l *functions) invoke(f *function, id string, payload []byte) error {
	began := time.Now()
	l.mu.Lock()
	var h handler
	if n := len(f.idle); n > 0 {
		h, f.idle = f.idle[n-1], f.idle[:n-1]
	}
	f.Invocations++
	l.mu.Unlock()
	if h == nil {
		time.Sleep(coldStart)
		h = f.make()
	}
	ctx, cancel := context.WithTimeout(context.Background(), f.timeout)
	defer cancel()
	handling := time.Now()
	time.Sleep(f.cpu)
	err := h(lambdacontext.NewContext(ctx, &lambdacontext.LambdaContext{AwsRequestID: id}), payload)
	if time.Since(handling) > f.timeout {
		err = errors.New("Task timed out") //nolint:staticcheck // Lambda's words
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.running--
	f.idle = append(f.idle, h)
	took := time.Since(began)
	f.Billed += took
	f.Longest = max(f.Longest, took)
	if err != nil {
		f.Errors++
		l.note("AWS/Lambda Errors "+f.name, 1)
	}
	return err
}

// ServeHTTP is the Invoke API, for events.
func (l *functions) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimSuffix(strings.TrimPrefix(r.URL.Path, "/2015-03-31/functions/"), "/invocations")
	payload, err := io.ReadAll(r.Body)
	if err != nil || r.Header.Get("X-Amz-Invocation-Type") != "Event" {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	l.async(name, payload)
	w.WriteHeader(http.StatusAccepted)
}
