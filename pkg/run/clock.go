package run

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Clock is a time that may run faster than the real one. On the embedded
// endpoint an hour of AWS's can pass in a minute; everywhere else the clock is
// the zero value, which is the real time.
type Clock struct {
	factor float64 // how much faster; 0 means 1
	epoch  int64   // Unix milliseconds at which both times are the same
}

// maxFactor is an hour in a second. Beyond that, the real time that a call takes
// is longer than anything that is waited for.
const maxFactor = 3600

// ParseClock reads a clock as "<factor>@<epoch>": so many times as fast as the
// real time, with which it agreed at the epoch, in Unix milliseconds.
func ParseClock(text string) (Clock, error) {
	factorText, epochText, ok := strings.Cut(text, "@")
	if !ok {
		return Clock{}, errors.New("a clock must be of the form FACTOR@EPOCH, such as 60@1767225600000")
	}
	factor, err := strconv.ParseFloat(factorText, 64)
	if err != nil || !(factor > 0 && factor <= maxFactor) { // which NaN is not either
		return Clock{}, fmt.Errorf("the factor of a clock must be a number above 0 and up to %d", maxFactor)
	}
	epoch, err := strconv.ParseInt(epochText, 10, 64)
	if err != nil || epoch < 0 {
		return Clock{}, errors.New("the epoch of a clock must be a number of milliseconds since 1970")
	}
	return Clock{factor, epoch}, nil
}

// String is the clock as ParseClock reads it.
func (c Clock) String() string {
	return strconv.FormatFloat(c.speed(), 'f', -1, 64) + "@" + strconv.FormatInt(c.epoch, 10)
}

func (c Clock) speed() float64 {
	if c.factor == 0 {
		return 1
	}
	return c.factor
}

// Now is the time by the clock.
func (c Clock) Now() time.Time {
	now := time.Now()
	if c.speed() == 1 {
		return now
	}
	epoch := time.UnixMilli(c.epoch)
	return epoch.Add(c.Scaled(now.Sub(epoch)))
}

// Real is how long d of the clock's time really takes.
func (c Clock) Real(d time.Duration) time.Duration { return stretch(d, 1/c.speed()) }

// Scaled is how much of the clock's time passes in d of real time.
func (c Clock) Scaled(d time.Duration) time.Duration { return stretch(d, c.speed()) }

// stretch does not overflow: a time that is too long is the longest one.
func stretch(d time.Duration, by float64) time.Duration {
	if by == 1 {
		return d
	}
	switch product := float64(d) * by; {
	case product >= math.MaxInt64:
		return math.MaxInt64
	case product <= math.MinInt64:
		return math.MinInt64
	default:
		return time.Duration(math.Round(product))
	}
}

// clock is the process's. A function is a process of its own, and everything in
// it goes by one clock.
var clock Clock

// SetClock sets the clock of the process. It is to be called once, before
// anything is started that asks for the time.
func SetClock(c Clock) { clock = c }

// Now is the time by the process's clock.
func Now() time.Time { return clock.Now() }
