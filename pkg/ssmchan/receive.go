package ssmchan

import (
	"errors"
	"fmt"
)

const (
	window     = 10_000 // frames that are held back at most
	badDigests = 5      // of the same frame, until we give up
)

// receiver puts the agent's frames in order. It does nothing else, so it can be
// tested with any frames.
type receiver struct {
	next  int64           // number of the next frame in order
	held  map[int64]Frame // those that came early
	bad   map[int64]int   // digests that failed, by number
	stats Stats
}

// take says which frames are to be delivered now, and whether to acknowledge f.
// A frame that came before is acknowledged again: the acknowledgement was lost,
// and until it has one the agent sends that frame again and no other.
func (r *receiver) take(f Frame) (inOrder []Frame, ack bool) {
	_, held := r.held[f.Sequence]
	switch n := f.Sequence; {
	case n < 0:
		r.stats.Malformed++
		return nil, false
	case n < r.next || held:
		r.stats.Duplicates++
		return nil, true
	case n-r.next >= window:
		r.stats.Dropped++
		return nil, false
	}
	r.stats.Frames++
	delete(r.bad, f.Sequence)
	if f.Sequence > r.next {
		r.stats.Early++
		if r.held == nil {
			r.held = map[int64]Frame{}
		}
		r.held[f.Sequence] = f
		return nil, true
	}
	for ok := true; ok; f, ok = r.held[r.next] {
		delete(r.held, r.next)
		inOrder = append(inOrder, f)
		r.next++
	}
	return inOrder, true
}

// spoiled counts a frame that Parse refused with err. The agent sends a frame
// again that was not acknowledged; one that never arrives whole is an error.
func (r *receiver) spoiled(f Frame, err error) error {
	if !errors.Is(err, ErrDigest) || f.Type != TypeOutput {
		r.stats.Malformed++
		return nil
	}
	r.stats.BadDigests++
	// Numbers that are not awaited are not counted, so the map stays small.
	if _, held := r.held[f.Sequence]; held || f.Sequence < r.next || f.Sequence-r.next >= window {
		return nil
	}
	if r.bad == nil {
		r.bad = map[int64]int{}
	}
	if r.bad[f.Sequence]++; r.bad[f.Sequence] == badDigests {
		return fmt.Errorf("%w: frame %d came %d times: %w", ErrProtocol, f.Sequence, badDigests, err)
	}
	return nil
}
