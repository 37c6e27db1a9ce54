// Package host is what every service of the embedded AWS is given: the server's
// Region, account and life, the protocols, errors and checks that the services
// have in common, and what tests need of all of them: faults, occurrences and
// records. It knows no service.
package host

import (
	"context"
	"sync"
	"time"
)

// Host is the server as a service sees it. Its methods may be called at any
// time, from any goroutine.
type Host struct {
	// Region and Account stand in every ARN.
	Region, Account string
	// URL is where the server listens.
	URL string

	clock Clock

	ctx  context.Context // ends with the server
	stop context.CancelFunc
	work sync.WaitGroup // what Wait waits for

	watching sync.Mutex
	watch    func(Occurrence) // may be nil

	mu     sync.Mutex
	closed bool
	calls  map[string]int

	faults faults
	quotas quotas
}

// New makes the host of a server. watch, if not nil, is told of everything that
// happens, in order; clock is the real one if it is nil.
func New(region, account, url string, watch func(Occurrence), clock Clock) *Host {
	if clock == nil {
		clock = realClock{}
	}
	h := &Host{Region: region, Account: account, URL: url, watch: watch, clock: clock, calls: map[string]int{}}
	h.ctx, h.stop = context.WithCancel(context.Background())
	return h
}

// Context ends when the server closes.
func (h *Host) Context() context.Context { return h.ctx }

// Close ends the context and lets nothing new begin.
func (h *Host) Close() {
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
	h.stop()
}

// Wait returns when all work has ended.
func (h *Host) Wait() { h.work.Wait() }

// Background runs f, which Wait waits for. A request that is answered while the
// server closes must not start anything that outlives it, so f is not run then.
func (h *Host) Background(f func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.closed {
		h.work.Go(f)
	}
}

// Go runs f, which Wait waits for, in any case. Its caller must be such work
// itself.
func (h *Host) Go(f func()) { h.work.Go(f) }

// Attend runs f, which Wait waits for, and returns after it. It does nothing
// when the server closes.
func (h *Host) Attend(f func()) {
	h.mu.Lock()
	if h.closed {
		h.mu.Unlock()
		return
	}
	h.work.Add(1)
	h.mu.Unlock()
	defer h.work.Done()
	f()
}

// Calls returns how many calls of an operation there were, those that an
// injected fault answered included.
func (h *Host) Calls(operation string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.calls[operation]
}

// Occurrence is something that a person who watches the endpoint wants to see.
type Occurrence struct {
	At   time.Time
	Kind Kind
	// Subject is the task ARN, the log stream, the topic ARN, the function name
	// or the session id that the occurrence is about.
	Subject string
	// Text is the task's new state, the log line, the message body, the line
	// that the function wrote or what the session has come to: STARTED with its
	// command, ENDED with the reason, or GONE with its container.
	Text string
}

// Kind says what an Occurrence is.
type Kind string

// The kinds of Occurrence.
const (
	TaskState    Kind = "task"
	LogLine      Kind = "log"
	Notification Kind = "notification"
	FunctionLog  Kind = "function"
	SessionState Kind = "session"
)

// Watch tells the watcher, one occurrence at a time.
func (h *Host) Watch(kind Kind, subject, text string) {
	if h.watch == nil {
		return
	}
	h.watching.Lock()
	defer h.watching.Unlock()
	h.watch(Occurrence{h.Now(), kind, subject, text})
}
