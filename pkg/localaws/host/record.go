package host

import (
	"context"
	"fmt"
	"slices"
	"sync"
)

// Record is a list that only grows and that can be waited for.
type Record[T any] struct {
	mu    sync.Mutex
	list  []T
	grown chan struct{} // closed at the next addition, if anybody waits
}

// Add adds an item and wakes whoever waits.
func (r *Record[T]) Add(item T) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = append(r.list, item)
	if r.grown != nil {
		close(r.grown)
		r.grown = nil
	}
}

// All returns the list so far.
func (r *Record[T]) All() []T {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.list)
}

// Await returns the list once it has n items.
func (r *Record[T]) Await(ctx context.Context, n int) ([]T, error) {
	for {
		r.mu.Lock()
		list := slices.Clone(r.list)
		if r.grown == nil {
			r.grown = make(chan struct{})
		}
		grown := r.grown
		r.mu.Unlock()
		if len(list) >= n {
			return list, nil
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return list, fmt.Errorf("wait for %d items, got %d: %w", n, len(list), ctx.Err())
		}
	}
}
