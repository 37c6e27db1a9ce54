// Package watch looks after the runs that have not ended. Once a minute it reads
// which attempts of the ledger are due, moves each before it does anything about
// it, and wakes who has to act: the launcher for those that wait, the collector for
// those that somebody has left or whose task has stopped without a word. It stops
// the tasks whose time is over. It publishes nothing and runs nothing, so that two
// ticks at once, an index that is behind and a row that nobody can read do no harm.
package watch

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"errand/pkg/ledger"
	"errand/pkg/metric"
	"errand/pkg/run"
)

// ECS shows tasks and stops them; *ecs.Client is one.
type ECS interface {
	DescribeTasks(context.Context, *ecs.DescribeTasksInput, ...func(*ecs.Options)) (*ecs.DescribeTasksOutput, error)
	StopTask(context.Context, *ecs.StopTaskInput, ...func(*ecs.Options)) (*ecs.StopTaskOutput, error)
}

// Lambda wakes functions; *lambda.Client is one.
type Lambda interface {
	Invoke(context.Context, *lambda.InvokeInput, ...func(*lambda.Options)) (*lambda.InvokeOutput, error)
}

// Config is what a stack sets for its watchdog.
type Config struct {
	Launcher, Collector string // names of the functions that it wakes
	// StopRate is how many tasks are stopped in a second, 0 means 15, and
	// LaunchRate how many times either function is woken, 0 means 22: together less
	// than the 40 a second that ECS takes of an account, which StopTask and RunTask
	// share (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/request-throttling.html).
	StopRate, LaunchRate int
	// Again is when a tick that has woken launchers looks again, 0 means 3 seconds:
	// most of a herd falls due after a tick has begun, and the next one comes up to a
	// minute later.
	Again  time.Duration
	Topics Topics
	Email  string // who shall hear of results and alarms, if anybody
}

// Watcher is the watchdog. It keeps no state between ticks.
type Watcher struct {
	ecs     ECS
	lambda  Lambda
	sns     SNS
	ledger  *ledger.Ledger
	metrics *metric.Writer
	cfg     Config
	log     *slog.Logger
}

// New makes a Watcher.
func New(e ECS, l Lambda, s SNS, book *ledger.Ledger, m *metric.Writer, cfg Config, log *slog.Logger) *Watcher {
	if cfg.StopRate == 0 {
		cfg.StopRate = 15
	}
	if cfg.LaunchRate == 0 {
		cfg.LaunchRate = 22
	}
	if cfg.Again == 0 {
		cfg.Again = 3 * time.Second
	}
	return &Watcher{e, l, s, book, m, cfg, log}
}

// Handle is a tick, whatever the event that makes it.
func (w *Watcher) Handle(ctx context.Context, _ json.RawMessage) error { return w.Tick(ctx) }

const (
	// beginTime is kept back from the function's deadline: nothing is begun in it.
	// What is under way then has until endTime before the deadline. In the 55 of 58
	// seconds that are left of each minute, LaunchRate is a little more than the
	// 1,200 runs that ECS starts in a minute.
	beginTime = 3 * time.Second
	endTime   = time.Second
	// most is how many items of each of the ledger's ten shards are read at once: so
	// many that ten thousand of one kind do not hide the others. Of tasks, mostTasks
	// are looked at, for want of memory; the others stay due.
	most, mostTasks = 2000, 10_000
)

// Tick does what is due, the oldest first, and then what has fallen due meanwhile for
// as long as runs wait to be launched. What it does not get to stays due. An error
// means that something could not be done, and is in the log.
func (w *Watcher) Tick(ctx context.Context) error {
	begin, cancel := run.Reserve(ctx, beginTime)
	defer cancel()
	end, cancel := run.Reserve(ctx, endTime)
	defer cancel()
	t := &tick{Watcher: w, begin: begin, end: end}
	for round := 1; ; round++ {
		launches, err := t.round(round)
		if err != nil {
			return err
		}
		if launches == 0 || !run.Pause(t.begin, w.cfg.Again) {
			break
		}
	}
	t.checkSubscriptions()
	return t.tell()
}

// round does what is due now, and says how many runs waited to be launched. The first
// of them are while the others are still read.
func (t *tick) round(n int) (launches int, err error) {
	waiting := make(chan *chore, 60*t.cfg.LaunchRate) // more than there is time for
	var lanes sync.WaitGroup
	defer lanes.Wait()
	lanes.Go(func() { t.each(t.begin, received(waiting), t.cfg.LaunchRate, t.launch) })
	due, err := t.read(waiting, n == 1)
	if err != nil {
		return 0, err
	}
	t.each(t.begin, slices.Values(due.busy), 0, t.await)
	t.each(t.begin, slices.Values(due.undecodable), 0, t.skip)
	seen := t.look(due.tasks)
	lanes.Go(func() { t.each(t.begin, slices.Values(seen.stops), t.cfg.StopRate, t.stop) })
	t.each(t.begin, slices.Values(append(due.left, seen.ended...)), t.cfg.LaunchRate, t.wakeCollector)
	return due.launches, nil
}

func received(from <-chan *chore) iter.Seq[chore] {
	return func(yield func(chore) bool) {
		for c := range from {
			if !yield(*c) {
				return
			}
		}
	}
}

// tick is one tick.
type tick struct {
	*Watcher
	// Nothing is begun when begin is over, and what was begun ends with end.
	begin, end context.Context //nolint:containedctx // a tick lasts as long as its contexts

	mu                               sync.Mutex
	wakes, stops, undecodable, fails int
	first                            error // of those that failed
}

// chore is what is to be done about a row, after it was moved.
type chore struct {
	ledger.Row
	wake string // the collector's wake; "" if it gets event
	// event is the stop event of the row's task.
	event []byte
	// why is the reason to stop the task that is written first, "" if it stands, and
	// reason what ECS is told.
	why, reason string
}

// dues are the rows that are due, by what is to be done, each list in the order of
// their dues, and how many wait to be launched.
type dues struct {
	tasks, left, busy, undecodable []chore
	launches                       int
}

// read reads what is due, and hands over what waits to be launched. It tells how late
// the oldest are: of those that wait for their turn, which ECS's pace makes late, and
// of all others, which nothing should.
func (t *tick) read(waiting chan<- *chore, tell bool) (d dues, err error) {
	defer close(waiting)
	now := t.ledger.Now()
	entries, err := t.ledger.Open(t.end, now, most)
	if err != nil {
		return d, err
	}
	oldest, oldestLaunch := now, now
	const batch = 100
	for len(entries) > 0 && t.begin.Err() == nil {
		n := min(batch, len(entries))
		rows, err := t.ledger.Read(t.end, entries[:n])
		if err != nil {
			return d, err
		}
		entries = entries[n:]
		for _, r := range rows {
			switch {
			case !r.Due.Before(now): // the index is behind
			case d.add(r, now, waiting):
				oldestLaunch = earlier(oldestLaunch, r.Due)
			default:
				oldest = earlier(oldest, r.Due)
			}
		}
	}
	if tell {
		t.metrics.Count("OldestDue", now.Sub(oldest).Seconds())
		if d.launches > 0 { // or it would be paid for without anybody in line
			t.metrics.Count("OldestLaunch", now.Sub(oldestLaunch).Seconds())
		}
	}
	return d, nil
}

// add sorts a row in, and says whether it waits to be launched.
func (d *dues) add(r ledger.Row, now time.Time, waiting chan<- *chore) (launch bool) {
	a := r.Attempt
	c := chore{Row: r}
	switch {
	case r.Err != nil:
		d.undecodable = append(d.undecodable, c)
	case a.BusyUntil().After(now):
		d.busy = append(d.busy, c)
	case a.State == ledger.Due:
		d.launches++
		select {
		case waiting <- &c:
		default:
		}
		return true
	case a.State == ledger.Launched && a.Task != "":
		if len(d.tasks) < mostTasks {
			d.tasks = append(d.tasks, c)
		}
	case a.State == ledger.Launched && a.Verdict == nil:
		c.Err = ledger.Undecodable{Key: r.String(), Why: "it was launched, and has neither a task nor a verdict"}
		d.undecodable = append(d.undecodable, c)
	default:
		c.wake = ledger.WakeAbandon
		d.left = append(d.left, c)
	}
	return false
}

// atOnce is how many rows are at work at the same time.
const atOnce = 8

// each does something about rows, at most rate a second (0: as fast as it goes),
// until the time to begin anything is over. A little lateness of one is made up by the
// next, so that many are as many as rate says; time that was lost is not.
func (t *tick) each(begin context.Context, list iter.Seq[chore], rate int, do func(context.Context, chore) error) {
	var working sync.WaitGroup
	defer working.Wait()
	slots := make(chan struct{}, atOnce)
	turn := run.Now()
	for c := range list {
		if rate > 0 {
			if turn = turn.Add(time.Second / time.Duration(rate)); turn.Before(run.Now()) {
				turn = run.Now()
			}
			if !run.Pause(begin, run.Until(turn)) {
				return
			}
		}
		select {
		case slots <- struct{}{}:
		case <-begin.Done():
			return
		}
		if begin.Err() != nil {
			return
		}
		working.Go(func() {
			defer func() { <-slots }()
			if err := do(t.end, c); err != nil {
				t.fail(c, err)
			}
		})
	}
}

// fail notes that something could not be done; the rest goes on.
func (t *tick) fail(c chore, err error) {
	t.log.ErrorContext(t.end, "not done; it will be tried again", "job", c.Attempt.Job, "run_id", c.Attempt.RunID, "error", err)
	t.failed(err)
}

func (t *tick) failed(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.fails++
	if t.first == nil {
		t.first = err
	}
}

// count adds one to a number of the tick.
func (t *tick) count(of *int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	*of++
}

// tell writes the tick's metrics. A tick is counted only if everything was done.
func (t *tick) tell() error {
	for _, m := range []struct {
		name  string
		value int
	}{{"Wakes", t.wakes}, {"Stops", t.stops}, {"Undecodable", t.undecodable}} {
		if m.value > 0 {
			t.metrics.Count(m.name, float64(m.value))
		}
	}
	if t.fails > 0 {
		return fmt.Errorf("%d things could not be done, the first: %w", t.fails, t.first)
	}
	t.metrics.Count("Ticks", 1)
	return nil
}
