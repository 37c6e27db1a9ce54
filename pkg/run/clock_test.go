package run_test

import (
	"context"
	"math"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"errand/pkg/run"
)

func TestParseClock(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ text, back, err string }{
		{text: "60@1767225600000", back: "60@1767225600000"},
		{text: "0.25@0", back: "0.25@0"},
		{text: "3.6e3@1", back: "3600@1"},
		{text: "1.0@5", back: "1@5"},
		{text: "", err: "a clock must be of the form FACTOR@EPOCH, such as 60@1767225600000"},
		{text: "60", err: "a clock must be of the form FACTOR@EPOCH, such as 60@1767225600000"},
		{text: "@1", err: "the factor of a clock must be a number above 0 and up to 3600"},
		{text: "x@1", err: "the factor of a clock must be a number above 0 and up to 3600"},
		{text: "0@1", err: "the factor of a clock must be a number above 0 and up to 3600"},
		{text: "-1@1", err: "the factor of a clock must be a number above 0 and up to 3600"},
		{text: "3600.1@1", err: "the factor of a clock must be a number above 0 and up to 3600"},
		{text: "NaN@1", err: "the factor of a clock must be a number above 0 and up to 3600"},
		{text: "Inf@1", err: "the factor of a clock must be a number above 0 and up to 3600"},
		{text: "60@", err: "the epoch of a clock must be a number of milliseconds since 1970"},
		{text: "60@-1", err: "the epoch of a clock must be a number of milliseconds since 1970"},
		{text: "60@1.5", err: "the epoch of a clock must be a number of milliseconds since 1970"},
		{text: "60@1@2", err: "the epoch of a clock must be a number of milliseconds since 1970"},
	} {
		t.Run(tc.text, func(t *testing.T) {
			t.Parallel()
			c, err := run.ParseClock(tc.text)
			if tc.err != "" {
				if err == nil || err.Error() != tc.err || c != (run.Clock{}) {
					t.Errorf("got %v, %v, want %q", c, err, tc.err)
				}
				return
			}
			if err != nil || c.String() != tc.back {
				t.Errorf("got %v, %v, want %s", c, err, tc.back)
			}
		})
	}
	if zero := (run.Clock{}).String(); zero != "1@0" {
		t.Errorf("the real clock is %s", zero)
	}
}

func FuzzParseClock(f *testing.F) {
	f.Add("60@1767225600000")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := run.ParseClock(text)
		if err != nil {
			return
		}
		if back, err := run.ParseClock(c.String()); err != nil || back != c {
			t.Errorf("%q is read as %v and then as %v, %v", text, c, back, err)
		}
	})
}

// at makes a clock that agrees with the real one in this moment.
func at(t *testing.T, factor string) run.Clock {
	t.Helper()
	c, err := run.ParseClock(factor + "@" + strconv.FormatInt(time.Now().UnixMilli(), 10))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestDurations(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		factor          string
		d, real, scaled time.Duration
	}{
		{"1", time.Hour, time.Hour, time.Hour},
		{"60", time.Hour, time.Minute, 60 * time.Hour},
		{"0.5", time.Hour, 2 * time.Hour, 30 * time.Minute},
		{"60", -time.Hour, -time.Minute, -60 * time.Hour},
		{"3600", math.MaxInt64, 2562047788015216, math.MaxInt64},
		{"0.5", math.MinInt64, math.MinInt64, math.MinInt64 / 2},
	} {
		c := at(t, tc.factor)
		got := []time.Duration{c.Real(tc.d), c.Scaled(tc.d)}
		if diff := cmp.Diff([]time.Duration{tc.real, tc.scaled}, got); diff != "" {
			t.Errorf("%s at %s, real and scaled (-want +got):\n%s", tc.d, tc.factor, diff)
		}
	}
	if zero := (run.Clock{}); zero.Real(time.Hour) != time.Hour || zero.Scaled(time.Hour) != time.Hour {
		t.Error("the real clock changes an hour")
	}
}

func TestClockNow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		clocks := map[string]run.Clock{"0.5": at(t, "0.5"), "1": at(t, "1"), "60": at(t, "60"), "zero": {}}
		time.Sleep(time.Minute)
		got := map[string]time.Duration{}
		for name, c := range clocks {
			got[name] = c.Now().Sub(begun)
		}
		want := map[string]time.Duration{"0.5": 30 * time.Second, "1": time.Minute, "60": time.Hour, "zero": time.Minute}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("what has passed in a minute (-want +got):\n%s", diff)
		}
	})
}

// The functions go by the process's clock. It is one for all tests, so that this
// one does not run beside others.
func TestSetClock(t *testing.T) {
	defer run.SetClock(run.Clock{})
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		run.SetClock(at(t, "60"))
		whole, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		deadline, ok := run.Deadline(whole)
		if want := begun.Add(time.Hour); !ok || !deadline.Equal(want) || run.Until(deadline) != time.Hour {
			t.Errorf("the deadline is %s, %v, in %s; want %s, in an hour", deadline, ok, run.Until(deadline), want)
		}
		if deadline, ok := run.Deadline(t.Context()); ok || !deadline.IsZero() {
			t.Errorf("a context without a deadline has %s", deadline)
		}
		left := map[string]time.Duration{}
		keep := func(name string) func(ctx context.Context, cancel context.CancelFunc) {
			return func(ctx context.Context, cancel context.CancelFunc) {
				defer cancel()
				deadline, _ := ctx.Deadline()
				left[name] = time.Until(deadline)
			}
		}
		keep("but for ten minutes")(run.Reserve(whole, 10*time.Minute))
		keep("but for half")(run.Reserve(whole, 2*time.Hour))
		keep("half")(run.Share(whole, time.Minute))
		keep("ten minutes")(run.Share(t.Context(), 10*time.Minute))
		keep("five minutes")(run.Timeout(whole, 5*time.Minute))
		want := map[string]time.Duration{
			"but for ten minutes": 50 * time.Second, "but for half": 30 * time.Second, "half": 30 * time.Second,
			"ten minutes": 10 * time.Second, "five minutes": 5 * time.Second,
		}
		if diff := cmp.Diff(want, left); diff != "" {
			t.Errorf("what is left in real time (-want +got):\n%s", diff)
		}
		if run.Real(time.Hour) != time.Minute {
			t.Errorf("an hour takes %s", run.Real(time.Hour))
		}
		if !run.Pause(whole, 30*time.Minute) || time.Since(begun) != 30*time.Second || run.Now().Sub(begun) != 30*time.Minute {
			t.Errorf("paused for %s, by the clock for %s", time.Since(begun), run.Now().Sub(begun))
		}
		if run.Pause(whole, 31*time.Minute) || time.Since(begun) != 30*time.Second {
			t.Errorf("a pause beyond the deadline took until %s", time.Since(begun))
		}
	})
}

func TestDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		want, _ := ctx.Deadline()
		if got, ok := run.Deadline(ctx); !ok || got != want || run.Until(got) != time.Minute {
			t.Errorf("got %s, %v, want %s", got, ok, want)
		}
	})
}
