package main

import (
	"context"
	"fmt"
	"time"
)

// ECS's quotas on Fargate: so many calls of RunTask at once, and then so many a
// second; with StopTask together twice as many a second
// (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/throttling.html).
const herdBurst, herdPerSecond = 100, 20

// arrivals is how many runs of a herd arrive in a second. The herd is there long before
// ECS has started it, and this machine need not have as many processes as runs.
const arrivals = 50

// limit gives the endpoint the quotas of ECS.
func (w *world) limit() {
	w.Server.Limit(herdBurst, herdPerSecond, "RunTask")
	w.Server.Limit(herdBurst, 2*herdPerSecond, "RunTask", "StopTask")
	w.Server.Limit(100, 20, "DescribeTasks", "ListTasks")
	w.Server.Limit(50, 20, "DescribeTaskDefinition")
}

// arrive hands a herd to the launcher.
func (w *world) arrive(ctx context.Context, list []planned) error {
	w.due = w.clock.Now()
	for i, p := range list {
		if err := w.Server.InvokeAsync("launcher", p.payload()); err != nil {
			return err
		}
		if i%arrivals != arrivals-1 {
			continue
		}
		select {
		case <-time.After(w.clock.Real(time.Second)):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// herd says how a herd fared, which must be as in the simulation of test/herd: ECS
// itself is what the runs wait for, and at first the watchdog's next tick.
func (w *world) herd(v *verdict, runs int) {
	w.mu.Lock()
	took := w.last.Sub(w.due)
	w.mu.Unlock()
	need := time.Duration(max(0, runs-herdBurst)) * time.Second / herdPerSecond
	calls := w.Server.Calls("RunTask")
	v.herd = fmt.Sprintf("the last of the herd began after %.0f s of AWS's time, of which ECS needs %.0f; %d calls of RunTask, %d of them throttled\n",
		took.Seconds(), need.Seconds(), calls, calls-len(w.tasks))
	if most := need*11/10 + 2*time.Minute; took > most {
		v.problems = append(v.problems, fmt.Sprintf("the last of the herd began after %s, and two ticks and 1.1 times what ECS needs are %s", took, most))
	}
	if n := len(w.Server.DeadLetters()); n > 0 {
		v.problems = append(v.problems, fmt.Sprintf("%d invocations were given up", n))
	}
}
