package watch_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"errand/pkg/ledger"
)

// Fourteen hundred runs wait and eight hundred are to be stopped: each of them once, no
// faster than ECS takes them, the oldest first, as many in a tick as there is time
// for. One that is left was not touched.
func TestRates(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := &tasks{}
		s := newStage(t, e)
		s.began = time.Time{} // the bubble's time runs
		s.cfg.LaunchRate, s.cfg.StopRate = 0, 0
		const waiting, running = 1400, 800
		for n := range waiting {
			s.wait(fmt.Sprint("due-", n))
			time.Sleep(time.Millisecond) // so that their order is known
		}
		for n := range running {
			s.launched(fmt.Sprint("running-", n), "jobs", arn(n), ledger.Limits{Start: time.Minute, Timeout: time.Minute})
			e.add(arn(n), "RUNNING", s.now())
		}
		time.Sleep(2 * time.Hour)
		began := time.Now()
		for range 2 {
			ctx, cancel := context.WithTimeout(t.Context(), 58*time.Second)
			if err := s.watcher().Tick(ctx); err != nil {
				t.Error(err)
			}
			if left := time.Minute - time.Since(began)%time.Minute; time.Since(began)%time.Minute > 56*time.Second {
				t.Errorf("a tick ended %s before the next", left)
			}
			cancel()
			time.Sleep(time.Minute - time.Since(began)%time.Minute)
			began = time.Now()
		}
		launches := s.functions.take()
		if len(launches) != waiting || len(e.stops) != running {
			t.Errorf("%d launches and %d stops in two ticks", len(launches), len(e.stops))
		}
		for n, c := range launches {
			if want := wake("launcher", "launch", fmt.Sprint("due-", n)); c.Of+" "+c.What != want {
				t.Fatalf("launch %d is of %s", n, c.What)
			}
		}
		keeps(t, "launches", launches, 22)
		keeps(t, "stops", e.stops, 15)
	})
}

// A herd is still on its way when the tick begins, and the last of it is throttled once
// more: the tick does not leave them to the next one.
func TestLooksAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, &tasks{})
		s.began, s.cfg.Again = time.Time{}, 0 // the bubble's time runs
		s.wait("first")
		time.Sleep(time.Second)
		began := time.Now()
		go func() {
			time.Sleep(2 * time.Second)
			s.wait("second")
			time.Sleep(3 * time.Second)
			s.wait("third")
		}()
		ctx, cancel := context.WithTimeout(t.Context(), 58*time.Second)
		defer cancel()
		if err := s.watcher().Tick(ctx); err != nil {
			t.Error(err)
		}
		if took := time.Since(began).Truncate(time.Second); took != 9*time.Second {
			t.Errorf("the tick took %s, want three looks and one in vain, 3 s from each to the next", took)
		}
		s.woken(wake("launcher", "launch", "first"), wake("launcher", "launch", "second"), wake("launcher", "launch", "third"))
	})
}

// keeps says whether no second has more calls than it may.
func keeps(t *testing.T, what string, calls []call, rate int) {
	t.Helper()
	for n := rate; n < len(calls); n++ {
		if took := calls[n].At.Sub(calls[n-rate].At); took < time.Second-time.Millisecond {
			t.Fatalf("%d %s took %s", rate+1, what, took)
		}
	}
}
