package ledger

import "testing"

// Runs of one job that must not overlap: the lock, the one that waits, and how the lock goes on. How a run is claimed, asked
// for at ECS and told is cut short here; the model of one attempt has it. Every run must end, and no two may run at once.

const (
	holderAsRead rule = 1 << iota // a take-over only from the holder that was read
	freeOwn                       // 8 frees the lock only if this run holds it
	waitingIsDue                  // a run that waits has a due of its own
	holderEnded                   // a take-over only when the holder is reported
)

const lockRuns = 3

const (
	toLock = iota + 100
	toHolder
	toTake
	toWait
	toWaitDue
	toSkip
	toFree
	toWakeNext
)

type lockRun struct {
	st      uint8
	end     verdict // as it was told; 0: not yet
	phase   uint8
	waited  uint8 // 1: the item says that it waits
	due     uint8 // 1: somebody made it due
	at      uint8 // its launcher
	holder  uint8 // the lock as its launcher read it
	waiting uint8
	free    uint8 // 1: the holder that it read is reported
	c       uint8 // its collector
	next    uint8
}

type lockState struct {
	holder, waiting uint8 // run + 1
	r               [lockRuns]lockRun
	crashes         uint8
	bad             kind
}

type lockModel struct {
	without rule
	runs    int
	wait    bool // overlap: "wait", else "skip"
	crashes uint8
}

func (m lockModel) has(r rule) bool { return m.without&r == 0 }

func (m lockModel) space() space[lockState] {
	return space[lockState]{
		next:   m.next,
		broken: func(s lockState) kind { return s.bad },
		good: func(s lockState) bool {
			for _, r := range s.r[:m.runs] {
				if r.end == none {
					return false
				}
			}
			return true
		},
	}
}

func (m lockModel) next(from lockState, emit emit[lockState]) {
	to := func(fair bool, name string, change func(*lockState)) {
		s := from
		change(&s)
		emit(s, fair, name)
	}
	for i, r := range from.r[:m.runs] {
		name := string(rune('A'+i)) + " "
		is := uint8(i) + 1
		if r.at == idle {
			switch {
			case r.st == absent && (i == 0 || from.r[i-1].st != absent): // in this order: runs are alike
				to(true, name+"delivery, 1 claims", func(s *lockState) { s.r[i].st, s.r[i].at = claimed, toLock })
			case r.st == due && r.end == none && (r.due == 1 || m.has(waitingIsDue)):
				to(true, name+"watchdog: DUE, 1 claims", func(s *lockState) {
					s.r[i].st, s.r[i].due, s.r[i].at = claimed, 0, toLock
				})
			case r.st == claimed && r.end == none:
				if r.phase != 0 {
					to(true, name+"6 finds a task", func(s *lockState) { s.r[i].st = launched })
				} else {
					to(true, name+"6 tells LAUNCH_FAILED", func(s *lockState) { s.tell(i, launchFailed) })
					to(true, name+"6 makes it DUE", func(s *lockState) { s.r[i].st, s.r[i].due = due, 1 })
				}
				to(true, name+"1 claims again", func(s *lockState) { s.r[i].at = toLock })
			}
		} else {
			to(true, name+lockStep(r.at), func(s *lockState) { m.launch(s, i) })
			if from.crashes > 0 {
				to(false, name+"launcher crashes", func(s *lockState) { s.crashes--; s.r[i].forget() })
			}
		}
		if r.phase == running {
			to(true, name+"the task ends", func(s *lockState) { s.r[i].phase = over })
		}
		// Stop event or watchdog.
		if r.phase == over && r.c == idle && r.end == none {
			to(true, name+"4, 7", func(s *lockState) { s.r[i].c = toMark })
		}
		if r.c != idle {
			to(true, name+lockStep(r.c), func(s *lockState) {
				q := &s.r[i]
				switch r.c {
				case toMark:
					s.tell(i, succeeded)
				case toFree:
					q.c = idle
					if s.holder == is || !m.has(freeOwn) {
						q.next, s.holder = s.waiting, 0
						if q.next != 0 {
							q.c = toWakeNext
						}
					}
				case toWakeNext:
					if w := &s.r[q.next-1]; w.st == due {
						w.due = 1
					}
					q.c, q.next = idle, 0
				}
			})
			if from.crashes > 0 {
				to(false, name+"collector crashes", func(s *lockState) { s.crashes--; s.r[i].c, s.r[i].next = idle, 0 })
			}
		}
	}
}

// tell publishes and marks; then the lock is freed.
func (s *lockState) tell(i int, v verdict) {
	r := &s.r[i]
	r.end, r.c = v, toFree
}

func (r *lockRun) forget() { r.at, r.holder, r.waiting, r.free = idle, 0, 0, 0 }

func (m lockModel) launch(s *lockState, i int) {
	r := &s.r[i]
	is := uint8(i) + 1
	switch r.at {
	case toLock:
		r.holder, r.waiting, r.free, r.at = s.holder, s.waiting, 0, toTake
		switch {
		case r.holder == is:
			r.at = toRun
		case r.holder != 0 && r.holder != is:
			r.at = toHolder
		}
	case toHolder: // the base table, consistent
		h := s.r[r.holder-1]
		switch {
		case h.end != none || !m.has(holderEnded):
			r.at = toTake
		case !m.wait:
			r.at = toSkip
		case r.waiting == is:
			r.at = toWaitDue
		case r.waited == 1: // and another one waits in its place
			r.at = toSkip
		default:
			r.at = toWait
		}
	case toTake:
		if s.holder != r.holder && m.has(holderAsRead) {
			r.at = toLock
			return
		}
		s.holder = is
		if s.waiting == is {
			s.waiting = 0
		}
		r.at = toRun
	case toWait:
		if s.holder != r.holder || s.waiting != r.waiting {
			r.at = toLock
			return
		}
		s.waiting = is
		r.at = toWaitDue
	case toWaitDue:
		r.st, r.waited = due, 1
		r.forget()
	case toSkip:
		r.end = stopped // SKIPPED
		r.forget()
	case toRun:
		if r.phase == 0 {
			for k := range s.r {
				if k != i && s.r[k].phase == running {
					s.bad = overlapped
				}
			}
			r.phase = running
		}
		r.at = toLaunched
	case toLaunched:
		r.st = launched
		r.forget()
	}
}

func lockStep(at uint8) string {
	return map[uint8]string{toLock: "reads the lock", toHolder: "reads the holder", toTake: "takes the lock", toWait: "waits",
		toWaitDue: "is DUE", toSkip: "SKIPPED", toRun: "2 RunTask", toLaunched: "3 launched", toMark: "8 marks", toFree: "frees the lock",
		toWakeNext: "makes the waiting one due"}[at]
}

func TestModelLock(t *testing.T) {
	for _, c := range []lockModel{
		{runs: 3, crashes: 1},
		{runs: 2, wait: true, crashes: 2},
		{runs: 3, wait: true},
	} {
		c.crashes = bound(t, c.crashes)
		f := c.space().search(lockState{crashes: c.crashes})
		t.Logf("%d runs, wait %v: %d states (%d)", c.runs, c.wait, f.states, c.crashes)
		for k, names := range f.first {
			t.Errorf("%v:%s", k, trace(names))
		}
	}
	for _, c := range []struct {
		name    string
		without rule
		wait    bool
		crashes uint8
		broken  string
	}{
		{"take-over only from the holder that was read", holderAsRead, false, 0, "overlapped"},
		{"take-over only from a holder that was reported", holderEnded, false, 0, "overlapped"},
		{"the lock freed by its holder only", freeOwn, false, 0, "overlapped"},
		{"a due of its own for the one that waits", waitingIsDue, true, 0, "silent"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.crashes > most() {
				t.Skip("takes long")
			}
			for n := range c.crashes + 1 {
				m := lockModel{runs: lockRuns, without: c.without, wait: c.wait, crashes: n}
				f := m.space().search(lockState{crashes: n})
				expect := ""
				if n == c.crashes {
					expect = c.broken
				}
				if got := f.kinds(); got != expect {
					t.Errorf("with %d crashes: %q is broken, not %q", n, got, expect)
				}
				for k, names := range f.first {
					t.Logf("%v (%d states, %d crashes):%s", k, f.states, n, trace(names))
				}
			}
		})
	}
}
