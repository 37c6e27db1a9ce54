package ledger

// The model of the ledger's state machine: one attempt of one run, all who touch it, and ECS. It is searched for a course of
// events that breaks a promise. Each step of the table in docs/design.md is a function here, with the step's number. Time has
// no clock: a lease ends when its holder can no longer act, an hour passes when nobody is at work.

// A rule of the ledger that a search can take away.
type rule uint64

const (
	refusalBySix     rule = 1 << iota // the launcher tells its own final refusal through 6
	verdictInFour                     // 4 writes the verdict, and all tell the one that stands
	claim                             // 1 before RunTask
	publishFirst                      // 7 before 8
	lease                             // the reporter's hold ends
	watchdog                          // somebody looks at what is due
	withinHour                        // and does so while ECS still remembers
	askECS                            // 6 asks ECS before it tells
	abandoned                         // 6 ends all launching
	launchLease                       // 6 waits for the launcher's deadline
	leaseOutlasts                     // the reporter's lease ends later than the reporter
	launchOutlasts                    // and the launcher's later than the launcher
	verdictAfterAsk                   // 6 writes its verdict when ECS has answered, not before
	fourLaunches                      // 4 makes the attempt LAUNCHED, so that the watchdog looks at its task
	abandonedIsDue                    // the watchdog wakes the collector for ABANDONED, too
	refusalAlone                      // a launcher's own 6 only if no other launcher can be alive
	dueAlone                          // and so its 2'
	oldClaims                         // 1 launches nothing for a claim that is over for most of an hour
	toldIsKept                        // a success is noted for each topic on its own
	othersAreTold                     // a topic that fails does not keep the other from being told
	stopForFirst                      // stopFor before StopTask
	userInitiated                     // TIMED_OUT and START_FAILED by stopFor need ECS's stop code, too
	stopAgain                         // StopTask is repeated while the task runs
	startedIsStarted                  // START_FAILED by stopFor needs a task that never ran
	timeoutOverStart                  // stopFor "timeout" replaces "start"
	personFirst                       // but never a person's
	limitsFromSix                     // 6 that finds a task sets the limits that 3 would have set
	openIsNotDue                      // 2' only if every call of RunTask for the attempt was answered
	openIsNotOwn                      // and so a launcher's own 6
	settles                           // launchUntil counts as over when its last call must have arrived
	noteBeforeWait                    // whom it has told is noted before a topic is waited for
	askIfClaimed                      // a launcher's own 6 asks ECS unless nobody ever called RunTask
	forgottenIsLost                   // what ECS may have forgotten is LOST, whatever a launcher was refused with
	stopAbandons                      // a person's stop of a DUE attempt makes it ABANDONED
)

// A setting says what the world of a search may do.
type setting struct {
	without    rule
	deliveries uint8
	crashes    uint8
	refusals   bool  // RunTask may refuse for good
	noRoom     bool  // RunTask may find no room
	brokenTo   uint8 // topics that never take a message
	limits     bool  // startBy and runUntil; the task does not end by itself in time
	lostAnswer bool  // of a publish
	slow       bool  // RunTask may take effect when nobody waits for it any more
	tooLate    bool  // startWithin may pass before the launch
	persons    bool  // a person may stop an attempt that waits
}

func (c setting) has(r rule) bool { return c.without&r == 0 }

type verdict uint8

const (
	none verdict = iota
	succeeded
	launchFailed
	lost
	timedOut
	startFailed
	stopped
	missed
)

// States of an attempt.
const (
	absent uint8 = iota
	claimed
	due
	launched
	abandonedState
)

// Whose stop stands in stopFor.
const (
	forNobody uint8 = iota
	forStart
	forTimeout
	forPerson
)

// Phases of a task.
const (
	pending uint8 = iota + 1
	running
	over
	forgotten
)

// How a task ended.
const (
	byItself uint8 = iota + 1
	byTimeout
	byStart // errand's StopTask, for startBy
	byPerson
)

// What a process does next.
const (
	idle uint8 = iota
	dead       // crashed or failed; Lambda may try again
	toClaim
	toRun
	toLaunched
	toNoRoom
	toAbandon
	toAsk
	toDecide // 6, after ECS has answered
	toRead
	toFinish // 4
	toPublish
	toNote
	toMark
	toStopFor
	toStopTask
	toLeave // notes its refusal for 6, since it is not alone
)

// What a process was woken for.
const (
	byDelivery uint8 = iota + 1
	byWatchdog       // 6, or the launcher for DUE
	byEvent          // a task's stop event
	byMissing        // the watchdog found no task any more
)

type proc struct {
	at     uint8
	kind   uint8
	left   uint8 // Lambda's retries
	ord    uint8 // order of the launchers' deadlines
	others uint8 // 1: another launcher may be alive
	try    uint8
	burned uint8 // 1: the token stands for failures
	task   uint8
	v      verdict
	told   uint8
	failed uint8
	fresh  uint8 // topics that it has told and not noted
	open   uint8 // 1: a call of RunTask may have no answer
	first  uint8 // 1: nobody claimed before
}

// Processes 0 and 1 are launchers, 2 and 3 collectors, 4 is the watchdog where it stops tasks.
const (
	launchers = 2
	workers   = 4
	stopper   = 4
	nobody    = 9 // the reporter's id when its process is gone for good
)

type task struct {
	phase  uint8
	end    uint8
	ran    uint8
	events uint8 // stop events that will still come
}

type state struct {
	// The item.
	st       uint8
	reported uint8
	task     uint8
	try      uint8
	until    uint8 // launchUntil: the order of a launcher's deadline; 0: none, or over
	reporter uint8 // process + 1
	leaseUp  uint8 // 1: the reporter lives, and its lease is over
	verdict  verdict
	told     uint8
	stopFor  uint8
	limits   uint8 // 1: startBy and runUntil stand in the item
	refused  verdict
	claimed  uint8 // 1: launchUntil stands in the item, over or not
	// ECS.
	tasks  [2]task
	tokens [3]uint8 // by try: the task, or failedToken
	flying uint8    // calls of RunTask under way for which nobody waits: bits, by try
	hour   uint8    // 1: an hour has passed since launchUntil
	late   uint8    // bit 0: startBy is over; bit 1: runUntil; bit 2: startWithin
	// Lambda.
	delivered uint8
	records   uint8 // of launches that Lambda gave up
	p         [5]proc
	crashes   uint8
	// The judge's notes, made from topics and tasks alone.
	published [2]uint16 // verdicts, as bits
	window    uint8     // topics whose holder died between publish and note
	person    uint8     // 1: a person was told first that errand stops the task for them; 2: that there will be none
	bad       kind
}

const (
	failedToken = 3
	lastTry     = 1 // ECS has room at last
)

// A model takes the steps of one setting.
type model struct{ setting }

func (m model) start() state { return state{crashes: m.crashes} }

func (m model) space() space[state] {
	return space[state]{
		next:   m.next,
		broken: func(s state) kind { return s.bad },
		good: func(s state) bool {
			for t := range s.published {
				if s.published[t] == 0 && m.brokenTo&(1<<t) == 0 {
					return false
				}
			}
			// A result for a topic that takes none stays open; every other run is closed.
			return m.brokenTo != 0 || s.st == absent || s.reported == 1
		},
	}
}

func (m model) alive(s *state, i int) bool { return s.p[i].at > dead }

// holds says that a process publishes, or is about to, by its lease.
func holds(p proc) bool {
	switch p.at {
	case toAsk, toDecide, toPublish, toNote, toMark:
		return true
	}
	return false
}

// freeReporter: none, or this one, or its lease is over.
func (s *state) freeReporter(i int) bool {
	return s.reporter == 0 || s.reporter == uint8(i)+1 || s.leaseUp == 1
}

func (s *state) end(i int) {
	s.p[i] = proc{}
	if s.reporter == uint8(i)+1 {
		s.reporter = nobody
	}
}

// next gives every step that can be taken in a state.
func (m model) next(from state, emit emit[state]) {
	to := func(fair bool, name string, change func(*state)) {
		s := from
		change(&s)
		s.normalize()
		emit(s, fair, name)
	}
	m.lambda(from, to)
	m.time(from, to)
	m.ecs(from, to)
	if m.has(watchdog) {
		m.watch(from, to)
	}
	for i := range from.p {
		if m.alive(&from, i) {
			m.act(from, i, to)
		}
	}
}

type step func(fair bool, name string, change func(*state))

// lambda delivers, crashes, tries again and gives up.
func (m model) lambda(s state, to step) {
	if s.delivered < m.deliveries {
		for i := range launchers {
			if s.p[i].at == idle {
				to(s.delivered == 0, "delivery", func(s *state) {
					s.delivered++
					m.wake(s, i, proc{at: toClaim, kind: byDelivery, left: 2})
				})
				break
			}
		}
	}
	for i, p := range s.p {
		switch {
		case p.at == dead:
			if p.left > 0 {
				to(true, who(i)+"is tried again", func(s *state) {
					p := proc{kind: p.kind, left: p.left - 1, task: p.task}
					p.at = m.first(i, p.kind)
					m.wake(s, i, p)
				})
			}
			// Sooner than its retries say, too: an event grows stale. Only the record of a launch that Lambda gave up is
			// taken to be tried as often as Lambda says: of a run that nobody claimed there is nothing else.
			if p.left > 0 && i >= launchers && p.kind == byDelivery {
				continue
			}
			to(true, who(i)+"is given up", func(s *state) {
				s.end(i)
				if i < launchers {
					s.records++
				}
			})
		case p.at != idle && s.crashes > 0:
			to(false, who(i)+"crashes", func(s *state) {
				s.crashes--
				s.window |= p.fresh
				m.fail(s, i)
			})
			if p.at == toRun && m.slow {
				to(false, who(i)+"crashes while it calls RunTask", func(s *state) {
					s.crashes--
					s.flying |= 1 << p.try
					m.fail(s, i)
				})
			}
		}
	}
	if s.records > 0 {
		if i := s.collector(); i > 0 {
			to(true, "failure destination", func(s *state) {
				s.records--
				m.wake(s, i, proc{at: toAbandon, kind: byDelivery, left: 2})
			})
		}
	}
}

func (m model) first(i int, kind uint8) uint8 {
	switch {
	case i < launchers:
		return toClaim
	case kind == byEvent && m.limits:
		return toRead
	case kind == byEvent || kind == byMissing:
		return toFinish
	}
	return toAbandon
}

func (m model) wake(s *state, i int, p proc) {
	if i < launchers {
		p.ord = 1 + max(s.until, s.p[0].ord, s.p[1].ord)
	}
	s.p[i] = p
}

func (m model) fail(s *state, i int) {
	p := s.p[i]
	if i == stopper { // no retries; the next tick looks again
		s.end(i)
		return
	}
	s.p[i] = proc{at: dead, kind: p.kind, left: p.left}
	if i >= launchers {
		s.p[i].task = p.task
	}
}

func (s *state) collector() int {
	for i := launchers; i < workers; i++ {
		if s.p[i].at == idle {
			return i
		}
	}
	return 0
}

// time ends leases and lets hours pass.
func (m model) time(s state, to step) {
	// A launcher whose deadline is not later than launchUntil is dead when that is over, and a minute more.
	if s.until != 0 {
		launching := false
		for i := range launchers {
			launching = launching || m.alive(&s, i) && s.p[i].ord <= s.until
		}
		if (!launching || !m.has(launchOutlasts)) && (s.flying == 0 || !m.has(settles)) {
			to(!launching, "launchUntil + 60 s", func(s *state) { s.until = 0 })
		}
	}
	if s.reporter != 0 && s.leaseUp == 0 && m.has(lease) {
		holder := s.reporter != nobody && holds(s.p[s.reporter-1])
		switch {
		case !holder:
			to(true, "reportUntil", func(s *state) { s.reporter = 0 })
		case !m.has(leaseOutlasts):
			to(false, "reportUntil, before its holder ends", func(s *state) { s.leaseUp = 1 })
		}
	}
	busy := false
	for i := range s.p {
		busy = busy || m.alive(&s, i)
	}
	// Within the hour the watchdog comes to what it has to do, so an hour passes only where nothing is to be done.
	owed := s.reported == 0 && (s.st == claimed || s.st == due || s.st == abandonedState)
	if !busy && s.flying == 0 && s.st != absent && (!owed || !m.has(withinHour)) {
		to(true, "an hour", func(s *state) {
			s.hour, s.until, s.leaseUp = s.claimed, 0, 0
			if m.has(lease) {
				s.reporter = 0
			}
			for k, t := range s.tasks {
				if t.phase != over {
					continue
				}
				s.tasks[k].phase = forgotten
				for try, id := range s.tokens {
					if id == uint8(k)+1 {
						s.tokens[try] = 0
					}
				}
			}
		})
	}
	if m.tooLate && s.late&4 == 0 {
		to(false, "startWithin passes", func(s *state) { s.late |= 4 })
	}
	if m.persons && s.st == due && s.reported == 0 {
		to(false, "a person stops it while it is DUE", func(s *state) {
			s.refused, s.person = stopped, 2
			if m.has(stopAbandons) {
				s.st = abandonedState
			}
		})
	}
	if m.limits {
		switch t := s.tasks[0]; {
		case t.phase == pending && s.late&1 == 0:
			to(true, "startBy passes", func(s *state) { s.late |= 1 })
		case t.phase == running && s.late&2 == 0:
			to(true, "runUntil passes", func(s *state) { s.late |= 2 })
		}
	}
}

// ecs moves tasks, and sends 0, 1 or 2 stop events.
func (m model) ecs(s state, to step) {
	ended := func(fair bool, k int, end uint8, name string) {
		for n := range uint8(3) {
			to(fair, name, func(s *state) { s.stop(k, end, n) })
		}
	}
	for try := range uint8(len(s.tokens)) {
		if s.flying&(1<<try) != 0 {
			to(false, "a call of RunTask arrives", func(s *state) {
				s.flying &^= 1 << try
				if s.tokens[try] == 0 {
					m.startTask(s, try)
				}
			})
			to(true, "a call of RunTask is lost", func(s *state) { s.flying &^= 1 << try })
		}
	}
	for k, t := range s.tasks {
		switch t.phase {
		case pending:
			to(!m.limits, "the task runs", func(s *state) { s.tasks[k].phase, s.tasks[k].ran = running, 1 })
		case running:
			// With time limits, nothing but they ends it for sure.
			ended(!m.limits, k, byItself, "the task ends")
			if m.limits {
				ended(false, k, byPerson, "a person stops the task")
				if s.stopFor == forNobody && s.st == launched {
					to(false, "a person writes stopFor", func(s *state) { s.stopFor, s.person = forPerson, 1 })
				}
			}
		}
		if t.events > 0 {
			if i := s.collector(); i > 0 {
				to(true, "stop event", func(s *state) {
					s.tasks[k].events--
					m.wake(s, i, proc{at: m.first(i, byEvent), kind: byEvent, left: 1, task: uint8(k) + 1})
				})
			}
		}
	}
}

func (s *state) stop(k int, end, events uint8) {
	s.tasks[k].phase, s.tasks[k].end, s.tasks[k].events = over, end, events
}

// watch is the watchdog: a row for each state of an open item. What 4 and 6 hold is due when the lease is over.
func (m model) watch(s state, to step) {
	if s.reported == 1 || s.reporter != 0 && s.leaseUp == 0 {
		return
	}
	wake := func(name string, p proc) {
		if i := s.collector(); i > 0 {
			to(true, name, func(s *state) {
				p.at, p.left = m.first(i, p.kind), 1
				m.wake(s, i, p)
			})
		}
	}
	switch s.st {
	case claimed:
		if s.until == 0 || !m.has(launchLease) {
			wake("watchdog: CLAIMED", proc{kind: byWatchdog})
		}
	case abandonedState:
		if m.has(abandonedIsDue) {
			wake("watchdog: ABANDONED", proc{kind: byWatchdog})
		}
	case due:
		for i := range launchers {
			if s.p[i].at == idle {
				to(true, "watchdog: DUE", func(s *state) {
					m.wake(s, i, proc{at: toClaim, kind: byWatchdog, left: 1})
				})
				break
			}
		}
	case launched:
		if s.task == 0 {
			return
		}
		switch t := s.tasks[s.task-1]; t.phase {
		case over:
			wake("watchdog: STOPPED", proc{kind: byEvent, task: s.task})
		case forgotten:
			wake("watchdog: MISSING", proc{kind: byMissing, task: s.task})
		default:
			if !m.limits || s.limits == 0 || s.p[stopper].at != idle || !m.has(stopAgain) && s.stopFor != forNobody {
				return
			}
			look := func(name string, v verdict) {
				to(true, name, func(s *state) {
					at := toStopFor
					if !m.has(stopForFirst) {
						at = toStopTask
					}
					s.p[stopper] = proc{at: at, v: v, task: s.task}
				})
			}
			switch {
			case t.phase == pending && s.late&1 != 0:
				look("watchdog: past startBy", startFailed)
			case t.phase == running && s.late&2 != 0:
				look("watchdog: past runUntil", timedOut)
			}
		}
	}
}

// act is the next step of a process.
func (m model) act(s state, i int, to step) {
	p := s.p[i]
	do := func(name string, f func(*state, int)) {
		to(true, who(i)+name, func(s *state) { f(s, i) })
	}
	switch p.at {
	case toClaim:
		do("1 claims", m.claim)
	case toRun:
		m.runTask(s, i, to)
	case toLeave:
		do("notes its refusal", m.leave)
	case toLaunched:
		do("3 launched", m.launched)
	case toNoRoom:
		do("2' no room", m.unplaced)
	case toAbandon:
		do("6 abandons", m.abandon)
	case toAsk:
		do("6 asks", m.ask)
	case toDecide:
		do("6 decides", m.decide)
		if m.mayBeDue(s, i) {
			do("6 makes it DUE", m.dueAgain)
		}
	case toRead:
		do("reads", m.read)
	case toFinish:
		do("4 verdict", m.finish)
	case toPublish:
		do("7 publishes", m.publish)
		if p.fresh != 0 && p.told|p.fresh|p.failed != 3 {
			do("7 has to wait", m.wait)
		}
		if m.lostAnswer && s.crashes > 0 {
			to(false, who(i)+"7 publishes, and the answer is lost", func(s *state) {
				s.crashes--
				m.publish(s, i)
				s.p[i].fresh = p.fresh
			})
		}
	case toNote:
		do("7 notes", m.note)
	case toMark:
		do("8 marks", m.mark)
	case toStopFor:
		do("writes stopFor", m.writeStopFor)
	case toStopTask:
		for n := range uint8(3) {
			to(true, "StopTask", func(s *state) { m.stopTask(s, i, n) })
		}
	}
}

// 1 claim.
func (m model) claim(s *state, i int) {
	p := &s.p[i]
	if !m.has(claim) {
		p.at, p.try = toRun, s.try
		return
	}
	ok := s.st == absent ||
		s.reported == 0 && s.task == 0 && (s.st == claimed || s.st == due) &&
			(s.reporter == 0 || s.leaseUp == 1) && s.until <= p.ord
	// What ECS remembered of a launcher that died is forgotten by now. Only 6 may act.
	old := s.st == claimed && s.hour == 1 && m.has(oldClaims)
	if !ok || old {
		s.end(i)
		return
	}
	// The old item says whether an earlier launcher may be alive.
	if s.until != 0 {
		p.others = 1
	}
	switch s.st {
	case absent:
		p.first = 1
	case claimed: // its launcher may have left a call without an answer
		p.open = 1
	}
	s.st, s.until, s.hour, s.claimed, s.refused = claimed, p.ord, 0, 1, none
	p.at, p.try = toRun, s.try
	if s.late&4 != 0 {
		p.v = missed
		m.refuse(p)
	}
}

// refuse goes on with a refusal: to 6, or to leave it to others.
func (m model) refuse(p *proc) {
	p.at = toAbandon
	if p.others == 1 && m.has(refusalAlone) || p.open == 1 && m.has(openIsNotOwn) {
		p.at = toLeave
	}
}

// leave notes a refusal for the 6 of others.
func (m model) leave(s *state, i int) {
	if s.st == claimed && s.task == 0 && s.reported == 0 {
		s.refused = max(launchFailed, s.p[i].v)
	}
	s.end(i)
}

// startTask is ECS's part of a RunTask with a token that it does not know.
func (m model) startTask(s *state, try uint8) {
	k := 0
	if s.tasks[0].phase != 0 {
		k, s.bad = 1, twoTasks
	}
	if s.published[0]|s.published[1] != 0 || s.person == 2 {
		s.bad = failedButRan
	}
	s.tasks[k] = task{phase: running, ran: 1}
	if m.limits {
		s.tasks[k] = task{phase: pending}
	}
	s.tokens[try] = uint8(k) + 1
}

// 2 RunTask, and what ECS may answer.
func (m model) runTask(s state, i int, to step) {
	name := who(i) + "2 RunTask: "
	try := s.p[i].try
	switch t := s.tokens[try]; t {
	case failedToken:
		to(true, name+"failures again", func(s *state) { s.p[i].at, s.p[i].burned, s.p[i].open = toNoRoom, 1, 0 })
	case 0:
		to(true, name+"a task", func(s *state) {
			m.startTask(s, try)
			s.p[i].at, s.p[i].task = toLaunched, s.tokens[try]
		})
		if s.crashes > 0 {
			to(false, name+"a task, and the answer is lost", func(s *state) {
				s.crashes--
				m.startTask(s, try)
				s.p[i].open = 1
			})
		}
		if m.noRoom && try < lastTry {
			to(true, name+"200 with failures", func(s *state) {
				s.tokens[try] = failedToken
				s.p[i].at, s.p[i].burned, s.p[i].open = toNoRoom, 1, 0
			})
		}
	default:
		to(true, name+"the same task", func(s *state) { s.p[i].at, s.p[i].task = toLaunched, t })
	}
	if m.noRoom { // also of a token that has a task
		to(true, name+"throttled", func(s *state) { s.p[i].at = toNoRoom })
	}
	if m.slow && s.crashes > 0 {
		to(false, name+"no answer, and it is under way", func(s *state) {
			s.crashes--
			s.flying |= 1 << try
			s.p[i].open = 1
		})
	}
	if m.refusals {
		to(true, name+"refused", func(s *state) {
			m.refuse(&s.p[i])
			s.p[i].first = 0
			if !m.has(refusalBySix) {
				s.p[i].at, s.p[i].v = toPublish, launchFailed
			}
		})
	}
}

// 2' no room.
func (m model) unplaced(s *state, i int) {
	p := s.p[i]
	if s.st == claimed && s.task == 0 && s.reported == 0 && s.try == p.try &&
		(s.alone(p) || !m.has(dueAlone)) && (p.open == 0 || !m.has(openIsNotDue)) {
		s.st, s.until, s.claimed = due, 0, 0
		if p.burned == 1 {
			s.try++
		}
	}
	s.end(i)
}

// 3 launched.
func (m model) launched(s *state, i int) {
	p := s.p[i]
	if s.reported == 0 && (s.task == 0 || s.task == p.task) {
		s.st, s.task, s.limits, s.claimed = launched, p.task, 1, 0
	}
	s.end(i)
}

// alone says that no other launcher can be alive: none was when this one claimed, and none has claimed since.
func (s *state) alone(p proc) bool { return s.until == p.ord && p.others == 0 }

// 6 abandon: the launcher for its own refusal, all others when no launcher can be alive.
func (m model) abandon(s *state, i int) {
	p := &s.p[i]
	ok := s.reported == 0 && s.freeReporter(i) && s.task == 0
	if i < launchers {
		ok = ok && (s.st == claimed || s.st == absent)
		if m.has(refusalAlone) && m.has(claim) {
			ok = ok && s.alone(*p)
		}
	} else {
		ok = ok && (s.st == claimed || s.st == abandonedState || s.st == absent)
		ok = ok && (s.until == 0 || !m.has(launchLease))
	}
	if !ok {
		s.end(i)
		return
	}
	s.reporter, s.leaseUp = uint8(i)+1, 0
	s.st = abandonedState
	if !m.has(abandoned) {
		s.st = claimed
	}
	p.at = toAsk
	switch {
	case !m.has(verdictAfterAsk):
		if s.verdict == none {
			s.verdict = m.refusal(s, p.v)
		}
	case s.verdict != none: // ECS was asked before
		m.toTell(s, i)
	case p.v == missed && (p.first == 1 || !m.has(askIfClaimed)):
		p.at = toDecide
	}
}

// refusal is what a launcher was refused with, LAUNCH_FAILED if nothing was noted,
// while ECS would know a task, and else LOST.
func (m model) refusal(s *state, own verdict) verdict {
	v := max(launchFailed, own, s.refused)
	if s.hour == 1 && (v == launchFailed || m.has(forgottenIsLost)) {
		return lost
	}
	return v
}

// 6: is there a task after all?
func (m model) ask(s *state, i int) {
	if m.has(askECS) {
		for k, t := range s.tasks {
			if t.phase == 0 || t.phase == forgotten {
				continue
			}
			if s.reporter == uint8(i)+1 && s.reported == 0 && (s.task == 0 || s.task == uint8(k)+1) {
				s.st, s.task, s.verdict, s.claimed = launched, uint8(k)+1, none, 0
				if m.has(limitsFromSix) {
					s.limits = 1
				}
			}
			s.end(i)
			return
		}
	}
	s.p[i].at = toDecide
	if !m.has(verdictAfterAsk) {
		m.toTell(s, i)
	}
}

// 6: there is none, and none can come.
func (m model) decide(s *state, i int) {
	if s.reporter != uint8(i)+1 || s.reported == 1 || s.task != 0 {
		s.end(i)
		return
	}
	if s.verdict == none {
		s.verdict = m.refusal(s, s.p[i].v)
	}
	m.toTell(s, i)
}

// mayBeDue: what no launcher was refused may be launched again instead.
func (m model) mayBeDue(s state, i int) bool {
	return m.noRoom && i >= launchers && s.hour == 0 && s.refused == none && s.verdict == none && s.reported == 0 && s.task == 0 &&
		s.reporter == uint8(i)+1
}

func (m model) dueAgain(s *state, i int) {
	s.st, s.reporter, s.claimed = due, 0, 0
	s.end(i)
}

// toTell goes on to 7 with the verdict that stands in the item.
func (m model) toTell(s *state, i int) {
	p := &s.p[i]
	if m.has(verdictInFour) || p.v == none {
		p.v = s.verdict
	}
	p.told = s.told
	p.at = toPublish
	if !m.has(publishFirst) {
		p.at = toMark
	}
}

// read makes the verdict from the event and from what stands in the item before 4.
func (m model) read(s *state, i int) {
	s.p[i].v = m.verdictOf(s, s.p[i].task)
	s.p[i].at = toFinish
}

func (m model) verdictOf(s *state, id uint8) verdict {
	t := s.tasks[id-1]
	if t.end == byItself && m.has(userInitiated) {
		return succeeded
	}
	switch {
	case s.stopFor == forTimeout:
		return timedOut
	case s.stopFor == forStart && (t.ran == 0 || !m.has(startedIsStarted)):
		return startFailed
	case t.end == byItself:
		return succeeded
	}
	return stopped
}

// 4 verdict.
func (m model) finish(s *state, i int) {
	p := &s.p[i]
	if s.reported == 1 || !s.freeReporter(i) || s.task != 0 && s.task != p.task {
		s.end(i)
		return
	}
	switch {
	case p.kind == byMissing:
		p.v = lost
	case !m.limits:
		p.v = succeeded
	}
	s.reporter, s.leaseUp = uint8(i)+1, 0
	s.task = p.task
	if m.has(fourLaunches) || s.st == absent {
		s.st = launched
	}
	if s.verdict == none && m.has(verdictInFour) {
		s.verdict = p.v
	}
	m.toTell(s, i)
}

// 7 publish. What succeeds at once is noted with the mark.
func (m model) publish(s *state, i int) {
	p := &s.p[i]
	for t := range uint8(2) {
		if (p.told|p.fresh|p.failed)&(1<<t) != 0 {
			continue
		}
		if m.brokenTo&(1<<t) != 0 {
			if p.fresh != 0 && m.has(noteBeforeWait) {
				p.at = toNote
				return
			}
			p.failed |= 1 << t
			if !m.has(othersAreTold) {
				m.fail(s, i)
			}
			return
		}
		m.judge(s, t, p.v)
		p.fresh |= 1 << t
		return
	}
	switch {
	case p.told|p.fresh == 3 && m.has(publishFirst):
		p.at = toMark
	case p.told|p.fresh == 3:
		s.end(i)
	case p.fresh != 0 && m.has(noteBeforeWait):
		p.at = toNote
	default:
		m.fail(s, i)
	}
}

// wait for a topic: what was told is noted first.
func (m model) wait(s *state, i int) {
	if m.has(noteBeforeWait) {
		s.p[i].at = toNote
	}
}

func (m model) note(s *state, i int) {
	p := &s.p[i]
	p.told |= p.fresh
	if m.has(toldIsKept) && s.reporter == uint8(i)+1 && s.reported == 0 {
		s.told |= p.fresh
	}
	p.at, p.fresh = toPublish, 0
}

// 8 mark.
func (m model) mark(s *state, i int) {
	if s.reporter == uint8(i)+1 || !m.has(refusalBySix) && i < launchers {
		s.reported = 1
	}
	if !m.has(publishFirst) {
		s.p[i].at = toPublish
		return
	}
	s.end(i)
}

// writeStopFor says why, before the task is stopped.
func (m model) writeStopFor(s *state, i int) {
	p := &s.p[i]
	if s.st != launched || s.reported == 1 || s.verdict != none {
		s.end(i)
		return
	}
	want := forTimeout
	if p.v == startFailed {
		want = forStart
	}
	if s.stopFor == forNobody || s.stopFor == forStart && want == forTimeout && m.has(timeoutOverStart) ||
		s.stopFor == forPerson && !m.has(personFirst) {
		s.stopFor = want
	}
	p.at = toStopTask
	if !m.has(stopForFirst) {
		s.end(i)
	}
}

func (m model) stopTask(s *state, i int, events uint8) {
	p := s.p[i]
	if t := s.tasks[p.task-1]; t.phase == pending || t.phase == running {
		end := byTimeout
		if p.v == startFailed {
			end = byStart
		}
		if s.stopFor == forPerson {
			end = byPerson
		}
		s.stop(int(p.task-1), end, events)
	}
	if !m.has(stopForFirst) {
		s.p[i].at = toStopFor
		return
	}
	s.end(i)
}

// judge hears a publication. It knows topics and tasks, not the table.
func (m model) judge(s *state, topic uint8, v verdict) {
	all := s.published[0] | s.published[1]
	t := s.tasks[0]
	switch {
	case all != 0 && all != 1<<v:
		s.bad = contradicted
	case (v == launchFailed || v == missed) && t.phase != 0:
		s.bad = failedButRan
	case v == lost && (t.phase == pending || t.phase == running):
		s.bad = lostButRuns
	case v == succeeded && t.end != byItself,
		v == timedOut && (t.end == byItself || s.late&2 == 0 || s.person == 1),
		v == startFailed && t.ran == 1,
		v == stopped && (t.end == byTimeout || t.end == byItself || t.end == byStart && t.ran == 0):
		s.bad = wrongEnd
	case s.published[topic] != 0 && s.window&(1<<topic) == 0:
		s.bad = doubled
	}
	s.window &^= 1 << topic
	s.published[topic] |= 1 << v
}

// normalize makes states equal that differ in nothing that matters: only the order of deadlines counts, and which of two
// processes of a kind does something does not.
func (s *state) normalize() {
	for i := range launchers {
		if s.p[i].at <= dead {
			s.p[i].ord = 0
		}
	}
	if s.leaseUp == 1 && (s.reporter == nobody || s.reporter != 0 && s.p[s.reporter-1].at <= dead) {
		s.reporter = 0
	}
	if s.reporter == 0 {
		s.leaseUp = 0
	}
	a, b, u := s.p[0].ord, s.p[1].ord, s.until
	rank := func(x uint8) uint8 {
		if x == 0 {
			return 0
		}
		r := uint8(1)
		lower := func(y uint8) bool { return y != 0 && y < x }
		if lower(a) {
			r++
		}
		if lower(b) && b != a {
			r++
		}
		if lower(u) && u != a && u != b {
			r++
		}
		return r
	}
	s.p[0].ord, s.p[1].ord, s.until = rank(a), rank(b), rank(u)
	for _, i := range [...]int{0, 2} {
		if less(&s.p[i+1], &s.p[i]) {
			s.p[i], s.p[i+1] = s.p[i+1], s.p[i]
			switch s.reporter {
			case uint8(i) + 1:
				s.reporter++
			case uint8(i) + 2:
				s.reporter--
			}
		}
	}
}

// less puts the busy before the idle.
func less(a, b *proc) bool {
	key := func(p *proc) [14]uint8 {
		return [14]uint8{255 - p.at, p.kind, p.left, p.ord, p.others, p.try, p.burned, p.task, uint8(p.v), p.told, p.failed, p.fresh, p.open, p.first}
	}
	x, y := key(a), key(b)
	for i := range x {
		if x[i] != y[i] {
			return x[i] < y[i]
		}
	}
	return false
}

func who(i int) string {
	return [...]string{"launcher ", "launcher' ", "collector ", "collector' ", "stopper "}[i]
}
