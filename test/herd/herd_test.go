// Package herd_test lets thousands of runs fall due in one minute, and looks at what
// the real policy makes of them: the real launcher, watchdog, ledger and reporter with
// the real SDK, in a bubble of time, between models of Lambda, ECS and CloudWatch with
// the limits that AWS documents.
package herd_test

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/google/go-cmp/cmp"

	"errand/pkg/run"
)

// herd is what falls due.
type herd struct {
	name        string
	launches    int
	timeouts    int
	concurrency int           // of Lambda's, of the account
	phase       time.Duration // from the minute's beginning to the next tick
	// scale is by how much smaller everything is, but time: the herd, and ECS with it.
	scale int
}

// outcome is what became of it.
type outcome struct {
	herd
	launched, lost, doubles int
	took                    time.Duration // to the last task
	need                    time.Duration // that ECS itself needs
	stopped                 time.Duration // from the time limit to the last stop
	told                    map[string]int
	calls, throttled        int // of RunTask
	billed                  time.Duration
	launcher, dog           function
	oldest, oldestLaunch    float64
	failed                  int
	rang                    []string
}

func (o outcome) ratio() float64 { return o.took.Seconds() / o.need.Seconds() }

// need is how long ECS takes for the launches.
func (h herd) need() time.Duration {
	return time.Duration(max(0, h.launches*h.scale-burst)) * time.Second / perSecond
}

// carried are the overrides of a run's task.
func carried(r run.Run) types.Task {
	var environment []types.KeyValuePair
	for _, v := range r.Variables(run.Carried{Digest: "d"}) {
		environment = append(environment, types.KeyValuePair{Name: aws.String(v.Name), Value: aws.String(v.Value)})
	}
	return types.Task{
		StartedBy: aws.String(prefix + r.Job),
		Overrides: &types.TaskOverride{ContainerOverrides: []types.ContainerOverride{{Name: aws.String("app"), Environment: environment}}},
	}
}

// simulate lets a herd fall due a quarter of an hour after the stack was there, and
// waits until all is told.
func simulate(t *testing.T, h herd) (o outcome) {
	t.Helper()
	all := alarms(t)
	synctest.Test(t, func(t *testing.T) {
		const lead, timeout = 15 * time.Minute, 10 * time.Minute
		long := 30 * time.Second
		if h.timeouts > 0 {
			long = 24 * time.Hour
		}
		w := newWorld(t, h, long)
		began := time.Now()
		due := began.Add(lead)
		over := make(chan struct{})
		w.functions.work.Go(func() {
			time.Sleep(h.phase % time.Minute)
			for {
				w.functions.async("watchdog", []byte("{}"))
				select {
				case <-time.After(time.Minute):
				case <-over:
					return
				}
			}
		})
		time.Sleep(lead - timeout)
		for n := range h.timeouts {
			w.running(fmt.Sprintf("long-%05d", n), due.Add(-timeout), timeout)
		}
		time.Sleep(time.Until(due))
		w.setLong(30 * time.Second)
		for n := range h.launches {
			w.functions.async("launcher", fmt.Appendf(nil, `{"job": "job-%05d", "command": ["true"], "scheduledTime": %q}`, n, due.UTC().Format(time.RFC3339)))
			if group := max(1, deliveries/10/h.scale); n%group == group-1 {
				time.Sleep(time.Second / 10)
			}
		}
		for time.Since(due) < 5*time.Hour && w.toldOf() < h.launches+h.timeouts {
			time.Sleep(time.Second)
		}
		o = w.judge(h, due)
		time.Sleep(5 * time.Minute)
		o.rang = w.rang(all, began.Truncate(time.Minute).Add(6*time.Minute), time.Now())
		close(over)
		w.abort()
		w.functions.work.Wait()
		w.work.Wait()
	})
	return o
}

// toldOf is how many runs people were told of.
func (w *world) toldOf() int {
	w.telling.Lock()
	defer w.telling.Unlock()
	return len(w.told)
}

// abort ends the tasks that still run.
func (w *world) abort() {
	w.cluster.mu.Lock()
	defer w.cluster.mu.Unlock()
	for _, t := range w.tasks {
		if *t.DesiredStatus != "STOPPED" {
			t.DesiredStatus = aws.String("STOPPED")
			close(t.stop)
		}
	}
}

// judge says what became of a herd.
func (w *world) judge(h herd, due time.Time) outcome {
	o := outcome{herd: h, need: h.need(), told: map[string]int{}}
	launched, doubles := w.runs("job-")
	o.launched, o.doubles = launched, len(doubles)
	w.telling.Lock()
	for _, of := range w.told {
		for status, n := range of {
			o.told[status] += n
		}
	}
	o.lost = h.launches + h.timeouts - len(w.told)
	w.telling.Unlock()
	w.cluster.mu.Lock()
	o.took = w.last.Sub(due)
	for _, t := range w.tasks {
		if t.StopCode == types.TaskStopCodeUserInitiated {
			o.stopped = max(o.stopped, t.StoppedAt.Sub(due))
		}
	}
	w.cluster.mu.Unlock()
	o.calls = w.host.Calls("RunTask")
	o.throttled = o.calls - o.launched
	w.functions.mu.Lock()
	defer w.functions.mu.Unlock()
	o.launcher, o.dog = *w.functions.byName["launcher"], *w.functions.byName["watchdog"]
	o.billed = o.launcher.Billed + o.dog.Billed
	for _, f := range w.functions.byName {
		o.failed += f.Errors
	}
	o.oldest, o.oldestLaunch = w.highest("errand OldestDue AWS::StackName"), w.highest("errand OldestLaunch AWS::StackName")
	return o
}

func (o outcome) String() string {
	var told []string
	for status, n := range o.told {
		told = append(told, fmt.Sprintf("%d %s", n, status))
	}
	slices.Sort(told)
	return fmt.Sprintf("%s: %d launches, %d time-outs, concurrency %d, next tick after %s\n"+
		"  launched %d, not told %d, doubles %d, told: %s\n"+
		"  last start after %.0f s, %.2f times the %.0f s of ECS; last stop after %.0f s\n"+
		"  RunTask %d calls, %d of them throttled; launcher %d invocations, longest %s, %d throttled by Lambda\n"+
		"  billed %.0f s: launcher %.0f, watchdog %.0f (%d ticks, %d lost); failed invocations %d; OldestDue %.0f s, OldestLaunch %.0f s; alarms %v",
		o.name, o.launches, o.timeouts, o.concurrency, o.phase,
		o.launched, o.lost, o.doubles, strings.Join(told, ", "),
		o.took.Seconds(), o.ratio(), o.need.Seconds(), o.stopped.Seconds(),
		o.calls, o.throttled, o.launcher.Invocations, o.launcher.Longest.Round(time.Millisecond), o.launcher.Throttles,
		o.billed.Seconds(), o.launcher.Billed.Seconds(), o.dog.Billed.Seconds(), o.dog.Invocations, o.dog.Lost, o.failed, o.oldest, o.oldestLaunch, o.rang)
}

// size is how many runs a herd has, and the scale of the world: as many as one likes
// with make herd, few in CI.
func size() (runs, scale int) {
	if n, err := strconv.Atoi(os.Getenv("ERRAND_HERD")); err == nil {
		return n, 1
	}
	return 220, 11
}

// Ten thousand runs at one minute take at most a tenth longer than the 500 seconds in
// which ECS itself starts them. The tenth is the wait for the watchdog's next tick, and
// a smaller herd has that, too.
const tenth = 55 * time.Second

func TestHerd(t *testing.T) {
	t.Parallel()
	runs, scale := size()
	for _, h := range []herd{
		{name: "the worst second", concurrency: 1000, phase: 200 * time.Millisecond},
		{name: "a tick in its midst", concurrency: 1000, phase: 14 * time.Second},
		{name: "a large account", concurrency: 10_000, phase: 40 * time.Second},
		{name: "a new account", concurrency: 10, phase: 30 * time.Second},
		{name: "time-outs beside launches", concurrency: 1000, phase: 30 * time.Second, timeouts: runs},
	} {
		t.Run(h.name, func(t *testing.T) {
			t.Parallel()
			h.launches, h.scale = runs, scale
			if h.timeouts > 0 {
				h.launches = runs * 24 / 100
			}
			began := time.Now()
			o := simulate(t, h)
			t.Logf("%s\n  simulated in %s", o, time.Since(began).Round(time.Second))
			o.check(t)
		})
	}
}

// check holds an outcome to what is promised.
func (o outcome) check(t *testing.T) {
	t.Helper()
	told := map[string]int{"SUCCEEDED": o.launches}
	if o.timeouts > 0 {
		told["TIMED_OUT"] = o.timeouts
	}
	if diff := cmp.Diff(told, o.told); diff != "" || o.launched != o.launches || o.doubles > 0 || o.lost > 0 {
		t.Errorf("%d of %d were launched, %d twice, %d were not told of; told (-want +got):\n%s", o.launched, o.launches, o.doubles, o.lost, diff)
	}
	most := o.need + tenth
	if o.scale > 1 {
		most += 10 * time.Second // one run that is throttled at last has more weight
	}
	if o.timeouts > 0 {
		most += time.Minute // nobody waits for a slow start beside ten thousand stops
	}
	if o.concurrency > 10 && o.took > most { // ten invocations at once are Lambda's limit, not ECS's
		t.Errorf("the last start was after %s, want %s at most", o.took, most)
	}
	if o.failed > 0 || len(o.rang) > 0 {
		t.Errorf("%d invocations failed, and these alarms rang: %v", o.failed, o.rang)
	}
	// Two seconds a run, the watchdog's share of them among more in a world of full size.
	if most := time.Duration(o.launches) * 2 * time.Second; o.launcher.Billed+o.dog.Billed/time.Duration(o.scale) > most && o.timeouts == 0 {
		t.Errorf("the launcher was billed for %s, the watchdog for %s, want %s at most", o.launcher.Billed, o.dog.Billed, most)
	}
	if o.launcher.Longest > 2*time.Second {
		t.Errorf("an invocation of the launcher took %s: it waited", o.launcher.Longest)
	}
}
