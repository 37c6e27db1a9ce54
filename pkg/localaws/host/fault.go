package host

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"
)

// Fault is an answer that an operation is told to give instead of its own.
type Fault struct {
	// Operation is the API name: RunTask, GetLogEvents, Publish, …
	Operation string
	// Code is the error code; empty means that the call is only delayed, or
	// that nothing at all is answered if the fault is Lost.
	Code    string
	Message string
	// Status is the HTTP status; 0 means 400.
	Status int
	// Members are further members of the error, such as resourceIds.
	Members map[string]any
	// Lost lets the call take effect, and loses its answer: the error stands in
	// its place, or without a Code the connection is closed.
	Lost bool
	// Delay passes before the answer, in real time.
	Delay time.Duration
	// Skip calls go through first, then Times calls (0 means one) are hit.
	Skip, Times int
}

// err is what is answered, if it is an error.
func (f *Fault) err() error {
	if f.Code == "" {
		return nil
	}
	status := f.Status
	if status == 0 {
		status = http.StatusBadRequest
	}
	return &Error{Status: status, Code: f.Code, Message: f.Message, Members: f.Members}
}

// errLost stands for an answer that never comes.
var errLost = errors.New("the connection was closed")

type faults struct {
	mu     sync.Mutex
	list   []*Fault
	decide func(operation string) *Fault // may be nil
}

// Inject makes coming calls fail or wait. Faults for the same operation take
// effect one after another.
func (h *Host) Inject(f Fault) {
	if f.Times == 0 {
		f.Times = 1
	}
	h.faults.mu.Lock()
	defer h.faults.mu.Unlock()
	h.faults.list = append(h.faults.list, &f)
}

// DecideFaults asks decide at every call that no injected fault hits which fault
// hits it; nil is none. The fault's Operation, Skip and Times say nothing then.
// One call is asked about at a time. DecideFaults(nil) ends that.
func (h *Host) DecideFaults(decide func(operation string) *Fault) {
	h.faults.mu.Lock()
	defer h.faults.mu.Unlock()
	h.faults.decide = decide
}

// Call counts a call of an operation such as RunTask, and lets act answer it
// unless one of its quotas or faults does. It returns the error to answer with, if
// any.
func (h *Host) Call(ctx context.Context, operation string, act func() error) error {
	h.mu.Lock()
	h.calls[operation]++
	h.mu.Unlock()
	if err := h.quotas.take(operation, h.Now()); err != nil {
		return err
	}
	fault := h.faults.next(operation)
	if fault == nil {
		return act()
	}
	if !fault.Lost {
		Sleep(ctx, fault.Delay)
		if err := fault.err(); err != nil {
			return err
		}
		return act()
	}
	_ = act() // nobody is told what came of it
	Sleep(ctx, fault.Delay)
	if err := fault.err(); err != nil {
		return err
	}
	return errLost
}

// next uses up one fault of the operation.
func (f *faults) next(operation string) *Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, fault := range f.list {
		if fault.Operation != operation {
			continue
		}
		if fault.Skip > 0 {
			fault.Skip--
			return nil
		}
		if fault.Times--; fault.Times == 0 {
			f.list = append(f.list[:i], f.list[i+1:]...)
		}
		return fault
	}
	if f.decide != nil {
		return f.decide(operation)
	}
	return nil
}
