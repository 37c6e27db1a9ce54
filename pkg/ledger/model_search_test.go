package ledger

import (
	"fmt"
	"os"
	"sort"
	"strconv"
	"strings"
	"testing"
)

// A kind of broken promise, as a judge sees it who reads the topics and the tasks and never the table.
type kind uint8

const (
	fine         kind = iota
	silent            // a run that was due, and no result although nothing is left to happen
	contradicted      // two results of one attempt that differ
	twoTasks          // one attempt, two tasks
	failedButRan      // LAUNCH_FAILED, and there is a task
	lostButRuns       // LOST, and the task runs
	doubled           // published twice, although nobody died between publish and note
	wrongEnd          // the result is not how the task ended
	overlapped        // two runs of a job that must not overlap, at once
	kinds
)

func (k kind) String() string {
	return [...]string{"fine", "silent", "contradicted", "two tasks", "failed but ran", "lost but runs", "doubled",
		"wrong end", "overlapped"}[k]
}

// A step leads from one state to another. A fair one happens at last, if it can happen again and again; a crash need not.
type emit[S comparable] func(to S, fair bool, name string)

type space[S comparable] struct {
	next func(S, emit[S])
	// broken is the promise that is broken in a state, which is then not followed further.
	broken func(S) kind
	// good says that the run has ended as promised. From every state a good one must be reachable by fair steps alone:
	// then every fair course of events comes to one.
	good func(S) bool
}

type found[S comparable] struct {
	states int
	first  map[kind][]string // how it came to the first broken promise of each kind
}

func (f found[S]) kinds() string {
	var names []string
	for k := range f.first {
		names = append(names, k.String())
	}
	sort.Strings(names)
	return strings.Join(names, ", ")
}

// search visits every state that can be reached, the nearest first.
func (sp space[S]) search(start S) found[S] {
	seen := map[S]int32{start: 0}
	states := []S{start}
	parent := []int32{-1}
	type edge struct{ from, to int32 }
	var fair []edge
	f := found[S]{first: map[kind][]string{}}
	firstOf := map[kind]int32{}
	for i := 0; i < len(states); i++ {
		s := states[i]
		if k := sp.broken(s); k != fine {
			if _, ok := firstOf[k]; !ok {
				firstOf[k] = int32(i)
			}
			continue
		}
		sp.next(s, func(to S, isFair bool, _ string) {
			j, ok := seen[to]
			if !ok {
				j = int32(len(states))
				seen[to] = j
				states = append(states, to)
				parent = append(parent, int32(i))
			}
			if isFair && j != int32(i) {
				fair = append(fair, edge{int32(i), j})
			}
		})
	}
	f.states = len(states)

	// Backwards from the good states along the fair steps. What is not met is silent for ever.
	into := make([]int32, len(states)+1)
	for _, e := range fair {
		into[e.to+1]++
	}
	for i := range states {
		into[i+1] += into[i]
	}
	from := make([]int32, len(fair))
	at := append([]int32(nil), into...)
	for _, e := range fair {
		from[at[e.to]] = e.from
		at[e.to]++
	}
	ends := make([]bool, len(states))
	var queue []int32
	for i, s := range states {
		if sp.broken(s) != fine || sp.good(s) {
			ends[i] = true
			queue = append(queue, int32(i))
		}
	}
	for len(queue) > 0 {
		j := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		for _, i := range from[into[j]:into[j+1]] {
			if !ends[i] {
				ends[i] = true
				queue = append(queue, i)
			}
		}
	}
	for i := range ends {
		if !ends[i] {
			firstOf[silent] = int32(i)
			break
		}
	}

	for k, i := range firstOf {
		var names []string
		for ; parent[i] >= 0; i = parent[i] {
			name := ""
			sp.next(states[parent[i]], func(to S, _ bool, n string) {
				if name == "" && to == states[i] {
					name = n
				}
			})
			names = append([]string{name}, names...)
		}
		f.first[k] = names
	}
	return f
}

// bound is how many crashes a search with nothing taken away allows. With ERRAND_MODEL_CRASHES it allows others: 3 takes
// minutes and gigabytes.
func bound(t *testing.T, usual uint8) uint8 {
	if s := os.Getenv("ERRAND_MODEL_CRASHES"); s != "" {
		n, err := strconv.ParseUint(s, 10, 8)
		if err != nil {
			t.Fatal(err)
		}
		return uint8(n)
	}
	return min(usual, most())
}

// most is how many crashes there is time for.
func most() uint8 {
	switch {
	case underRace:
		return 0
	case testing.Short():
		return 1
	}
	return 255
}

func trace(names []string) string {
	var b strings.Builder
	for i, n := range names {
		fmt.Fprintf(&b, "\n%3d %s", i+1, n)
	}
	return b.String()
}
