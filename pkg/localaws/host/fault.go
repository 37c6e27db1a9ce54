package host

import (
	"context"
	"net/http"
	"sync"
	"time"
)

// Fault is an answer that an operation is told to give instead of its own.
type Fault struct {
	// Operation is the API name: RunTask, GetLogEvents, Publish, …
	Operation string
	// Code is the error code; empty means that the call is only delayed.
	Code    string
	Message string
	// Status is the HTTP status; 0 means 400.
	Status int
	// Members are further members of the error, such as resourceIds.
	Members map[string]any
	// Delay passes before the answer.
	Delay time.Duration
	// Skip calls go through first, then Times calls (0 means one) are hit.
	Skip, Times int
}

type faults struct {
	mu   sync.Mutex
	list []*Fault
}

// Inject makes coming calls fail or wait. Faults for the same operation take
// effect one after another.
func (h *Host) Inject(f Fault) {
	if f.Times == 0 {
		f.Times = 1
	}
	if f.Status == 0 {
		f.Status = http.StatusBadRequest
	}
	h.faults.mu.Lock()
	defer h.faults.mu.Unlock()
	h.faults.list = append(h.faults.list, &f)
}

// take uses up one fault of the operation, waits its delay, and returns the
// error to answer with, or nil.
func (f *faults) take(ctx context.Context, operation string) error {
	fault := f.next(operation)
	if fault == nil {
		return nil
	}
	Sleep(ctx, fault.Delay)
	if fault.Code == "" {
		return nil
	}
	return &Error{Status: fault.Status, Code: fault.Code, Message: fault.Message, Members: fault.Members}
}

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
	return nil
}
