package ledger

import "testing"

// A run of two attempts: the first may fail and be tried again. One topic, and no launcher's trouble, which the model of one
// attempt has. The promise is that the chain has one end: whoever is told willRetry hears of the next attempt, and every
// attempt is told in one way only.

const (
	nextInFour   rule = 1 << iota // whether another attempt follows is written in 4, with the verdict
	nextFirst                     // 5 before the publish
	nextIfAbsent                  // 5 puts the next attempt only if it is absent
	stopAsRead                    // 4 only if stopFor is as it was when the verdict was made
)

type attempt struct {
	st       uint8
	reported uint8
	verdict  verdict
	next     uint8 // 1: another attempt follows; 2: none does
	reporter uint8
	told     uint8
	phase    uint8 // of its task
	end      uint8 // 1: failed, 2: succeeded
	events   uint8
}

type chainProc struct {
	at, n, left, next, stop uint8
	v                       verdict
}

type chainState struct {
	a         [2]attempt
	launcher  chainProc
	c         [2]chainProc
	stop      uint8 // 1: a person was answered that the run is stopped
	forbidden uint8 // 1: by now no more attempts are allowed (the chain's age, a setting)
	crashes   uint8
	published [2]uint16 // verdict and willRetry, as bits
	window    uint8
	bad       kind
}

const (
	toNext    = toMark + 1 + iota // 5
	toNextEnd                     // 5 after 8, where the rule is taken away
)

type chain struct {
	without rule
	crashes uint8
}

func (m chain) has(r rule) bool { return m.without&r == 0 }

func (m chain) space() space[chainState] {
	return space[chainState]{
		next:   m.next,
		broken: func(s chainState) kind { return s.bad },
		good: func(s chainState) bool {
			// The judge waits for a result without willRetry.
			for n, p := range s.published {
				if p&0xff != 0 && s.a[n].reported == 1 {
					return true
				}
			}
			return false
		},
	}
}

func (m chain) start() chainState {
	s := chainState{crashes: m.crashes}
	s.a[0] = attempt{st: launched, phase: running}
	return s
}

func (m chain) next(from chainState, emit emit[chainState]) {
	to := func(fair bool, name string, change func(*chainState)) {
		s := from
		change(&s)
		emit(s, fair, name)
	}
	names := [...]string{"1: ", "2: "}
	for n, a := range from.a {
		name := names[n]
		if a.phase == running {
			for ev := range uint8(3) {
				to(true, name+"fails", func(s *chainState) { s.a[n].phase, s.a[n].end, s.a[n].events = over, 1, ev })
				to(true, name+"succeeds", func(s *chainState) { s.a[n].phase, s.a[n].end, s.a[n].events = over, 2, ev })
			}
		}
		for i, c := range from.c {
			if c.at != idle {
				continue
			}
			wake := func(s *chainState) { s.c[i] = chainProc{at: toRead, n: uint8(n), left: 1} }
			if a.events > 0 {
				to(true, name+"stop event", func(s *chainState) { s.a[n].events--; wake(s) })
			}
			if a.st == launched && a.phase == over && a.reported == 0 && a.reporter == 0 {
				to(true, name+"watchdog: STOPPED", wake)
			}
			break
		}
		if a.st == due && from.launcher.at == idle && a.reported == 0 {
			to(true, name+"watchdog: DUE", func(s *chainState) {
				s.a[n].st = claimed
				s.launcher = chainProc{at: toRun, n: uint8(n)}
			})
		}
		if a.st == claimed && (from.launcher.at == idle || from.launcher.n != uint8(n)) {
			to(true, name+"watchdog: CLAIMED", func(s *chainState) {
				s.a[n].st = due
				if a.phase != 0 {
					s.a[n].st = launched
				}
			})
		}
		if a.reporter != 0 && (a.reporter == nobody || from.c[a.reporter-1].at < toNote && from.c[a.reporter-1].at != toPublish) {
			to(true, name+"reportUntil", func(s *chainState) { s.a[n].reporter = 0 })
		}
	}
	if a := from.a[0]; a.verdict == none && a.st == launched && from.stop == 0 {
		to(false, "a person writes stopFor", func(s *chainState) { s.stop = 1 })
	}
	if from.forbidden == 0 {
		to(false, "no more attempts from now on", func(s *chainState) { s.forbidden = 1 })
	}
	if l := from.launcher; l.at != idle {
		to(true, "launches", func(s *chainState) {
			a := &s.a[l.n]
			switch l.at {
			case toRun:
				// The token is remembered while its task runs, and an hour more. A reset attempt may come later.
				if a.phase == over || a.phase == running {
					s.bad = twoTasks
				}
				if s.stop == 1 {
					s.bad = wrongEnd
				}
				a.phase, s.launcher.at = running, toLaunched
			case toLaunched:
				a.st, s.launcher = launched, chainProc{}
			}
		})
		if from.crashes > 0 {
			to(false, "launcher crashes", func(s *chainState) { s.crashes--; s.launcher = chainProc{} })
		}
	}
	for i, c := range from.c {
		who := [...]string{"collector ", "collector' "}[i]
		switch {
		case c.at == dead:
			if c.left > 0 {
				to(true, who+"is tried again", func(s *chainState) { s.c[i] = chainProc{at: toRead, n: c.n, left: c.left - 1} })
			}
			to(true, who+"is given up", func(s *chainState) { s.free(i) })
		case c.at != idle:
			to(true, who+[...]string{toRead: "reads", toFinish: "4", toPublish: "7 publishes", toNote: "7 notes", toMark: "8 marks",
				toNext: "5 next", toNextEnd: "5 next"}[c.at], func(s *chainState) { m.act(s, i) })
			if from.crashes > 0 {
				to(false, who+"crashes", func(s *chainState) {
					s.crashes--
					if c.at == toNote {
						s.window |= 1 << c.n
					}
					s.c[i] = chainProc{at: dead, n: c.n, left: c.left}
				})
			}
		}
	}
}

func (s *chainState) free(i int) {
	for n := range s.a {
		if s.a[n].reporter == uint8(i)+1 {
			s.a[n].reporter = nobody
		}
	}
	s.c[i] = chainProc{}
}

func (m chain) act(s *chainState, i int) {
	c := &s.c[i]
	a := &s.a[c.n]
	switch c.at {
	case toRead:
		c.v = succeeded
		c.next, c.stop = 2, s.stop
		if a.end == 1 {
			c.v = startFailed // any verdict that is tried again
			if c.n == 0 && s.stop == 0 && s.forbidden == 0 {
				c.next = 1
			}
		}
		c.at = toFinish
	case toFinish:
		if a.reported == 1 || a.reporter != 0 && a.reporter != uint8(i)+1 {
			s.free(i)
			return
		}
		if a.verdict == none && c.n == 0 && c.stop != s.stop && m.has(stopAsRead) {
			c.at = toRead
			return
		}
		a.reporter = uint8(i) + 1
		if a.verdict == none {
			a.verdict, a.next = c.v, c.next
		}
		c.v = a.verdict
		if m.has(nextInFour) {
			c.next = a.next
		}
		c.stop = 0
		c.at = toPublish
		if c.next == 1 && m.has(nextFirst) {
			c.at = toNext
		}
	case toNext, toNextEnd:
		if b := &s.a[1]; b.st == absent || !m.has(nextIfAbsent) {
			*b = attempt{st: due, phase: b.phase, end: b.end, events: b.events}
		}
		if c.at == toNextEnd {
			s.free(i)
			return
		}
		c.at = toPublish
	case toPublish:
		if a.told == 1 {
			c.at = toMark
			return
		}
		bit := uint16(1) << c.v
		if c.next == 1 {
			bit <<= 8
		}
		switch p := s.published[c.n]; {
		case p != 0 && p != bit:
			s.bad = contradicted
		case p != 0 && s.window&(1<<c.n) == 0:
			s.bad = doubled
		}
		s.window &^= 1 << c.n
		s.published[c.n] |= bit
		c.at = toNote
	case toNote:
		a.told = 1
		c.at = toMark
	case toMark:
		if a.reporter == uint8(i)+1 {
			a.reported = 1
		}
		if c.next == 1 && !m.has(nextFirst) {
			c.at = toNextEnd
			return
		}
		s.free(i)
	}
}

func TestModelRetry(t *testing.T) {
	m := chain{crashes: bound(t, 1)}
	f := m.space().search(m.start())
	t.Logf("%d states (%d)", f.states, m.crashes)
	for k, names := range f.first {
		t.Errorf("%v:%s", k, trace(names))
	}
	for _, c := range []struct {
		name    string
		without rule
		crashes uint8
		broken  string
	}{
		{"the next attempt before the publish", nextFirst, 1, "silent"},
		{"the next attempt put once", nextIfAbsent, 1, "doubled, two tasks"},
		{"whether there is a next one, written in 4", nextInFour, 1, "contradicted, wrong end"},
		{"4 with stopFor as it was read", stopAsRead, 0, "wrong end"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.crashes > most() {
				t.Skip("takes long")
			}
			for n := range c.crashes + 1 {
				m := chain{without: c.without, crashes: n}
				f := m.space().search(m.start())
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
