package ssmchan

import "sync"

// activity is what the reading goroutine does. Only if it waits at the connection
// all the time, and nothing comes, does a missing pong prove anything.
type activity struct {
	mu  sync.Mutex
	now moment
}

// moment differs from every other one between which the goroutine did something.
type moment struct {
	changes int
	away    bool // from the connection, with a frame's output
}

// came says that there is a frame.
func (a *activity) came() { a.change(false) }

// leave and back stand around what is done with the output. Both count: a frame
// has come some time before, since its acknowledgement is written first.
func (a *activity) leave() { a.change(true) }
func (a *activity) back()  { a.change(false) }

func (a *activity) change(away bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.now = moment{a.now.changes + 1, away}
}

func (a *activity) look() moment {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.now
}

// waitedSince says whether the goroutine did nothing but wait since before.
func (a *activity) waitedSince(before moment) bool { return !before.away && a.look() == before }
