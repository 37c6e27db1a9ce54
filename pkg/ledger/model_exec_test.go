package ledger

import "testing"

// A command in a live task. ECS Exec has no token and tells nobody of the end, so that
// whoever may run the command is decided by the claim alone, and only its executor
// knows what became of it. The promise is at most one command, and one end that is
// told. Two deliveries, no retries by Lambda, its record of an executor that it gave
// up, and the watchdog.

const (
	claimOnce      rule = 1 << iota // what was ever claimed is not claimed again
	claimBefore                     // the claim comes before the command
	execLease                       // 6 waits for the executor's deadline
	ownRecord                       // but for the record of the very executor that has the claim
	execVerdict                     // 4 writes the verdict, and all tell the one that stands
	concludedIsDue                  // the watchdog wakes the collector for what was concluded and not told
)

type execProc struct {
	at, why, left uint8 // why: the executor + 1 whose record it has, or nobody for what was concluded
	v             verdict
}

type execState struct {
	st, reported uint8
	holder       uint8 // executor + 1 that claimed last
	reporter     uint8 // process + 1
	verdict      verdict
	p            [4]execProc // two executors, two collectors
	delivered    uint8
	records      uint8 // of executors: bits
	ran          uint8
	crashes      uint8
	published    uint16
	window       uint8
	bad          kind
}

type execModel struct {
	without rule
	crashes uint8
}

func (m execModel) has(r rule) bool { return m.without&r == 0 }

const toFollow = toLeave + 1 // the command runs

func (m execModel) space() space[execState] {
	return space[execState]{
		next:   m.next,
		broken: func(s execState) kind { return s.bad },
		good:   func(s execState) bool { return s.published != 0 && s.reported == 1 },
	}
}

func (s *execState) alive(i int) bool { return s.p[i].at > dead }

// over says that the executor that claimed last can no longer be alive.
func (s *execState) over() bool { return s.holder == 0 || !s.alive(int(s.holder)-1) }

func (s *execState) free(i int) bool {
	return s.reporter == 0 || s.reporter == uint8(i)+1 || s.reporter == nobody || s.p[s.reporter-1].at <= dead
}

func (m execModel) next(from execState, emit emit[execState]) {
	to := func(fair bool, name string, change func(*execState)) {
		s := from
		change(&s)
		emit(s, fair, name)
	}
	names := [...]string{"executor ", "executor' ", "collector ", "collector' "}
	if d := from.delivered; d < launchers {
		to(d == 0, "delivery", func(s *execState) {
			s.delivered++
			s.p[d] = execProc{at: toClaim}
			if !m.has(claimBefore) {
				s.p[d].at = toRun
			}
		})
	}
	idler := 0
	for i := launchers; i < workers; i++ {
		if from.p[i].at == idle {
			idler = i
			break
		}
	}
	wake := func(name string, p execProc) {
		if idler > 0 {
			to(true, name, func(s *execState) { p.left = 1; s.p[idler] = p })
		}
	}
	for i, p := range from.p {
		name := names[i]
		switch {
		case p.at == dead && i < launchers:
			to(true, name+"is given up", func(s *execState) {
				s.p[i] = execProc{}
				s.records |= 1 << i
				if s.reporter == uint8(i)+1 {
					s.reporter = nobody
				}
			})
		case p.at == dead:
			if p.left > 0 {
				to(true, name+"is tried again", func(s *execState) { s.p[i].at, s.p[i].left = p.at0(), p.left-1 })
			}
			if p.left > 0 && p.why > 0 && p.why != nobody { // a record is tried as often as Lambda says
				continue
			}
			to(true, name+"is given up", func(s *execState) {
				s.p[i] = execProc{}
				if s.reporter == uint8(i)+1 {
					s.reporter = nobody
				}
			})
		case p.at != idle:
			to(true, name+execStep[p.at], func(s *execState) { m.act(s, i) })
			if from.crashes > 0 {
				to(false, name+"crashes", func(s *execState) {
					s.crashes--
					if p.at == toMark { // told, and the note comes with the mark
						s.window = 1
					}
					s.p[i] = execProc{at: dead, why: p.why, left: p.left}
				})
			}
		}
		if i < launchers && from.records&(1<<i) != 0 && idler > 0 {
			to(true, "failure destination", func(s *execState) {
				s.records &^= 1 << i
				s.p[idler] = execProc{at: toAbandon, why: uint8(i) + 1, left: 2}
			})
		}
	}
	if from.reported == 1 || from.reporter != 0 && !from.free(nobody) {
		return
	}
	switch {
	case from.st == claimed && (from.over() || !m.has(execLease)), from.st == abandonedState:
		wake("watchdog: "+[...]string{claimed: "CLAIMED", abandonedState: "ABANDONED"}[from.st], execProc{at: toAbandon})
	case from.st == launched && m.has(concludedIsDue):
		wake("watchdog: concluded", execProc{at: toFinish, why: nobody})
	}
}

// at0 is where a collector begins that is tried again.
func (p execProc) at0() uint8 {
	if p.why == nobody {
		return toFinish
	}
	return toAbandon
}

var execStep = map[uint8]string{
	toClaim: "1 claims", toRun: "ExecuteCommand", toFollow: "the command ends", toAbandon: "6 abandons", toDecide: "6 decides",
	toFinish: "4 verdict", toPublish: "7 publishes", toMark: "8 marks",
}

func (m execModel) act(s *execState, i int) {
	p := &s.p[i]
	is := uint8(i) + 1
	end := func() {
		s.p[i] = execProc{}
		if s.reporter == is {
			s.reporter = nobody
		}
	}
	switch p.at {
	case toClaim:
		again := !m.has(claimOnce) && s.st == claimed && s.reported == 0 && s.over()
		if s.st != absent && !again {
			end()
			return
		}
		s.st, s.holder, p.at = claimed, is, toRun
		if !m.has(claimBefore) {
			p.at = toFinish
		}
	case toRun:
		if s.ran++; s.ran > 1 {
			s.bad = twoTasks
		}
		p.at = toFollow
	case toFollow:
		p.at, p.v = toFinish, succeeded
		if !m.has(claimBefore) && s.st == absent {
			p.at = toClaim
		}
	case toFinish:
		if s.reported == 1 || !s.free(i) || p.why == nobody && s.verdict == none {
			end()
			return
		}
		s.reporter, s.st = is, launched
		m.tell(s, p)
	case toAbandon:
		own := p.why > 0 && s.holder == p.why && s.st == claimed || !m.has(ownRecord) && p.why > 0
		if s.reported == 1 || !s.free(i) || s.st == launched || s.st == claimed && !own && !s.over() && m.has(execLease) {
			end()
			return
		}
		s.reporter, s.st, p.at = is, abandonedState, toDecide
	case toDecide:
		p.v = lost
		m.tell(s, p)
	case toPublish:
		bit := uint16(1) << p.v
		running := false
		for k := range launchers {
			running = running || s.p[k].at == toFollow || s.p[k].at == toRun
		}
		switch {
		case s.published != 0 && s.published != bit:
			s.bad = contradicted
		case p.v == lost && running:
			s.bad = lostButRuns
		case s.published != 0 && s.window == 0:
			s.bad = doubled
		}
		s.window, s.published, p.at = 0, bit, toMark
	case toMark:
		if s.reporter == is {
			s.reported = 1
		}
		end()
	}
}

// tell goes on with the verdict that stands in the item.
func (m execModel) tell(s *execState, p *execProc) {
	if s.verdict == none && m.has(execVerdict) {
		s.verdict = p.v
	}
	if m.has(execVerdict) {
		p.v = s.verdict
	}
	if p.v == none {
		p.v = lost
	}
	p.at = toPublish
}

func TestModelExec(t *testing.T) {
	m := execModel{crashes: bound(t, 3)}
	f := m.space().search(execState{crashes: m.crashes})
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
		{"claimed once", claimOnce, 1, "two tasks"},
		{"claimed before", claimBefore, 0, "two tasks"},
		{"6 waits for the executor", execLease, 0, "lost but runs"},
		{"the record of the one that has the claim", ownRecord, 1, "lost but runs"},
		{"the verdict written in 4", execVerdict, 1, "silent"},
		{"what was concluded is told", concludedIsDue, 1, "silent"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.crashes > most() {
				t.Skip("takes long")
			}
			for n := range c.crashes + 1 {
				m := execModel{without: c.without, crashes: n}
				f := m.space().search(execState{crashes: n})
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
