package events

import (
	"context"
	"fmt"
	"time"

	"errand/pkg/localaws/host"
)

// AddTicker invokes a function, asynchronously and with the payload, each time
// that so much of AWS's time has passed, as a schedule of EventBridge Scheduler
// with a rate does. It replaces the ticker of that name. Once stop has returned,
// nothing more is invoked.
func (e *Service) AddTicker(name string, every time.Duration, function string, payload []byte) (stop func(), err error) {
	if every <= 0 {
		return nil, fmt.Errorf("add ticker %s: every %s is not a rate", name, every)
	}
	if err := e.functions.Check(function); err != nil {
		return nil, fmt.Errorf("add ticker %s: %w", name, err)
	}
	ctx, cancel := context.WithCancel(e.host.Context())
	e.mu.Lock()
	defer e.mu.Unlock()
	if replaced := e.tickers[name]; replaced != nil {
		replaced()
	}
	e.tickers[name] = cancel
	e.host.Background(func() {
		defer cancel()
		e.tick(ctx, name, every, func() error { return e.functions.InvokeAsync(function, payload) })
	})
	return func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		cancel()
	}, nil
}

// tick keeps to the times that the first one sets, and leaves out those that it
// was too late for.
func (e *Service) tick(ctx context.Context, name string, every time.Duration, invoke func() error) {
	for next := e.host.Now().Add(every); e.host.Sleep(ctx, next.Sub(e.host.Now())); {
		e.mu.Lock()
		if ctx.Err() == nil {
			if err := invoke(); err != nil {
				e.host.Watch(host.FunctionLog, name, "ticker "+name+": "+err.Error())
			}
		}
		e.mu.Unlock()
		late := max(0, e.host.Now().Sub(next))
		next = next.Add(late - late%every + every)
	}
}
