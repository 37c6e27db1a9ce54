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
	"log/slog"
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
	Topics               Topics
	Email                string // who shall hear of results and alarms, if anybody
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
	return &Watcher{e, l, s, book, m, cfg, log}
}

// Handle is a tick, whatever the event that makes it.
func (w *Watcher) Handle(ctx context.Context, _ json.RawMessage) error { return w.Tick(ctx) }

const (
	// beginTime is kept back from the function's deadline: nothing is begun in it.
	// What is under way then has until endTime before the deadline.
	beginTime = 6 * time.Second
	endTime   = 2 * time.Second
	// most is how many items of each of the ledger's ten shards a tick reads.
	most = 1000
)

// Tick does what is due, the oldest first. What it does not get to stays due. An
// error means that something could not be done, and is in the log.
func (w *Watcher) Tick(ctx context.Context) error {
	begin, cancel := run.Reserve(ctx, beginTime)
	defer cancel()
	end, cancel := run.Reserve(ctx, endTime)
	defer cancel()
	t := &tick{Watcher: w, begin: begin, end: end}
	due, err := t.read()
	if err != nil {
		return err
	}
	var lanes sync.WaitGroup
	lanes.Go(func() { t.each(t.begin, due.launches, w.cfg.LaunchRate, t.launch) })
	t.each(t.begin, due.busy, 0, t.await)
	t.each(t.begin, due.undecodable, 0, t.skip)
	seen := t.look(due.tasks)
	lanes.Go(func() { t.each(t.begin, seen.stops, w.cfg.StopRate, t.stop) })
	t.each(t.begin, append(due.left, seen.ended...), w.cfg.LaunchRate, t.wakeCollector)
	lanes.Wait()
	t.checkSubscriptions()
	return t.tell()
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
// their dues.
type dues struct{ launches, tasks, left, busy, undecodable []chore }

// read reads what is due and tells how late the oldest is.
func (t *tick) read() (d dues, err error) {
	now := t.ledger.Now()
	entries, err := t.ledger.Open(t.end, now, most)
	if err != nil {
		return d, err
	}
	oldest := now
	const batch = 100
	for len(entries) > 0 && t.begin.Err() == nil {
		n := min(batch, len(entries))
		rows, err := t.ledger.Read(t.end, entries[:n])
		if err != nil {
			return d, err
		}
		entries = entries[n:]
		for _, r := range rows {
			if !r.Due.Before(now) {
				continue // the index is behind
			}
			if r.Due.Before(oldest) {
				oldest = r.Due
			}
			d.add(r, now)
		}
	}
	t.metrics.Count("OldestDue", now.Sub(oldest).Seconds())
	return d, nil
}

func (d *dues) add(r ledger.Row, now time.Time) {
	a := r.Attempt
	c := chore{Row: r}
	switch {
	case r.Err != nil:
		d.undecodable = append(d.undecodable, c)
	case a.BusyUntil().After(now):
		d.busy = append(d.busy, c)
	case a.State == ledger.Due:
		d.launches = append(d.launches, c)
	case a.State == ledger.Launched && a.Task != "":
		d.tasks = append(d.tasks, c)
	case a.State == ledger.Launched && a.Verdict == nil:
		c.Err = ledger.Undecodable{Key: r.String(), Why: "it was launched, and has neither a task nor a verdict"}
		d.undecodable = append(d.undecodable, c)
	default:
		c.wake = ledger.WakeAbandon
		d.left = append(d.left, c)
	}
}

// atOnce is how many rows are at work at the same time.
const atOnce = 8

// each does something about rows, at most rate a second (0: as fast as it goes),
// until the time to begin anything is over.
func (t *tick) each(begin context.Context, list []chore, rate int, do func(context.Context, chore) error) {
	var working sync.WaitGroup
	defer working.Wait()
	slots := make(chan struct{}, atOnce)
	for _, c := range list {
		if rate > 0 && !run.Pause(begin, time.Second/time.Duration(rate)) {
			return
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
