package watch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"errand/pkg/awserr"
	"errand/pkg/ledger"
	"errand/pkg/run"
)

// maxDescribed is DescribeTasks' limit.
const maxDescribed = 100

// seen is what is to be done after the tasks were looked at.
type seen struct{ ended, stops []chore }

// lookTime is how long ECS has for an answer.
const lookTime = 10 * time.Second

// look looks at tasks, a hundred at a time. It has half of the tick's time, so that
// an ECS that does not answer leaves the other half to the rest.
func (t *tick) look(list []chore) (s seen) {
	begin, cancel := run.Share(t.begin, time.Minute)
	defer cancel()
	for _, some := range byCluster(list) {
		if begin.Err() != nil {
			break
		}
		var (
			mu    sync.Mutex
			taken []chore
		)
		// A request that ends the tick, if there is one, must not be the next tick's
		// first again: hence the move before it.
		t.each(begin, some, 0, func(ctx context.Context, c chore) error {
			ok, err := t.moved(ctx, &c, t.ledger.Now().Add(soon))
			if ok {
				mu.Lock()
				defer mu.Unlock()
				taken = append(taken, c)
			}
			return err
		})
		if len(taken) == 0 {
			continue
		}
		found, err := t.describe(taken)
		if err != nil {
			t.log.ErrorContext(t.end, "tasks not looked at; they will be again", "tasks", len(taken), "error", err)
			t.failed(err)
		}
		t.each(t.begin, taken, 0, func(ctx context.Context, c chore) error {
			at, ok := found[run.LastPart(c.Attempt.Task)]
			switch {
			case ok:
			case c.Attempt.Verdict != nil:
				at = nil // it is told without ECS
			case err != nil:
				return nil
			default:
				return fmt.Errorf("ECS says nothing of task %s of %s", c.Attempt.Task, c.Attempt.Key)
			}
			return t.judge(ctx, c, at, func(add func(*seen)) {
				mu.Lock()
				defer mu.Unlock()
				add(&s)
			})
		})
	}
	return s
}

// byCluster cuts tasks into requests of DescribeTasks, each of one cluster.
func byCluster(list []chore) (requests [][]chore) {
	var order []string
	of := map[string][]chore{}
	for _, c := range list {
		name := clusterOf(c.Attempt)
		if of[name] == nil {
			order = append(order, name)
		}
		of[name] = append(of[name], c)
	}
	for _, name := range order {
		requests = slices.AppendSeq(requests, slices.Chunk(of[name], maxDescribed))
	}
	return requests
}

func clusterOf(a ledger.Attempt) string { return cmp.Or(a.Cluster, run.ClusterOf(a.Task)) }

// describe asks ECS for tasks of one cluster, which it returns by their ids. One
// that ECS has forgotten is nil.
func (t *tick) describe(list []chore) (map[string]*types.Task, error) {
	ctx, cancel := run.Timeout(t.end, lookTime)
	defer cancel()
	found := map[string]*types.Task{}
	in := &ecs.DescribeTasksInput{Cluster: optional(clusterOf(list[0].Attempt))}
	for _, c := range list {
		in.Tasks = append(in.Tasks, c.Attempt.Task)
	}
	out, err := t.ecs.DescribeTasks(ctx, in)
	if _, gone := errors.AsType[*types.ClusterNotFoundException](err); gone {
		// A cluster is deleted only when its tasks have ended.
		for _, arn := range in.Tasks {
			found[run.LastPart(arn)] = nil
		}
		return found, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look at %d tasks of cluster %s: %w", len(list), aws.ToString(in.Cluster), awserr.Plain(err))
	}
	for i := range out.Tasks {
		found[run.LastPart(aws.ToString(out.Tasks[i].TaskArn))] = &out.Tasks[i]
	}
	for _, f := range out.Failures {
		if aws.ToString(f.Reason) == "MISSING" {
			found[run.LastPart(aws.ToString(f.Arn))] = nil
		}
	}
	return found, nil
}

// judge does what a look at a task asks for, or leaves it to a lane of its own.
func (t *tick) judge(ctx context.Context, c chore, at *types.Task, later func(func(*seen))) error {
	l := decide(c.Attempt, at, t.ledger.Now())
	switch l.act {
	case tell:
		event, err := stopEvent(at, t.ledger.Now())
		if err != nil {
			return err
		}
		c.event = event
		later(func(s *seen) { s.ended = append(s.ended, c) })
	case wake:
		c.wake = l.wake
		later(func(s *seen) { s.ended = append(s.ended, c) })
	case stop:
		c.why, c.reason = l.why, l.reason
		later(func(s *seen) { s.stops = append(s.stops, c) })
	default:
		var err error
		if l.runUntil.IsZero() {
			_, err = t.ledger.Move(ctx, c.Row, l.next)
		} else {
			_, err = t.ledger.Started(ctx, c.Row, l.runUntil, l.next)
		}
		return err
	}
	return nil
}

// What a look at a task asks for.
type act int

const (
	wait act = iota // the next look, at a time
	tell            // the collector gets the end of the task
	wake            // the collector is woken
	stop            // the task is stopped
)

// decision is what a look at a task asks for.
type decision struct {
	act act
	// next and runUntil are of wait; runUntil is zero unless it is to be noted.
	next, runUntil time.Time
	wake           string
	// why is noted first unless it stands; reason is what ECS is told.
	why, reason string
}

const (
	// The first look at a task is five minutes after its launch, the second ten, and
	// so on; ECS forgets a task an hour after its end.
	shortestLook, longestLook = 5 * time.Minute, 30 * time.Minute
	// appears is how long DescribeTasks may take to show a new task
	// (https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html says
	// five minutes at most).
	appears = 10 * time.Minute
)

// decide says what to do about an attempt whose task ECS shows so; nil if it shows
// none.
func decide(a ledger.Attempt, task *types.Task, now time.Time) decision {
	age := now.Sub(a.LaunchedAt())
	switch {
	case task != nil && aws.ToString(task.LastStatus) == "STOPPED":
		return decision{act: tell}
	case a.Verdict != nil:
		// Whoever wrote it did not come to its end.
		return decision{act: wake, wake: ledger.WakeAbandon}
	case task == nil && age >= appears:
		return decision{act: wake, wake: ledger.WakeMissing}
	case task == nil, aws.ToString(task.DesiredStatus) == "STOPPED":
		return decision{next: now.Add(soon)}
	}
	started := aws.ToTime(task.StartedAt)
	var runUntil time.Time
	if a.Timeout > 0 && !started.IsZero() {
		runUntil = started.Add(a.Timeout)
	}
	late := started.IsZero() && !a.StartBy.IsZero() && !a.StartBy.After(now)
	switch {
	case a.StopFor == ledger.StopForPerson:
		return decision{act: stop, reason: reason("errand: stopped by " + a.StopBy)}
	case a.StopFor == ledger.StopForTimeout, !runUntil.IsZero() && !runUntil.After(now):
		d := decision{act: stop, reason: reason("errand: did not end within " + run.Brief(a.Timeout) + ", its timeout")}
		if a.StopFor != ledger.StopForTimeout {
			d.why = ledger.StopForTimeout
		}
		return d
	case late:
		d := decision{act: stop, reason: reason("errand: did not start within " + run.Brief(a.StartTimeout))}
		if a.StopFor == "" {
			d.why = ledger.StopForStart
		}
		return d
	}
	d := decision{next: now.Add(min(max(age, shortestLook), longestLook))}
	switch {
	case !runUntil.IsZero():
		d.next = earlier(d.next, runUntil)
		if !sameInstant(a.RunUntil, runUntil) {
			d.runUntil = runUntil
		}
	case started.IsZero():
		d.next = earlier(d.next, a.StartBy)
		if a.Timeout > 0 {
			// It may start in this moment.
			d.next = earlier(d.next, now.Add(a.Timeout))
		}
	}
	return d
}

// earlier is the earlier of two times, the second of which may be none.
func earlier(a, b time.Time) time.Time {
	if b.IsZero() || a.Before(b) {
		return a
	}
	return b
}

// sameInstant compares to the millisecond, as the ledger keeps times.
func sameInstant(a, b time.Time) bool { return a.UnixMilli() == b.UnixMilli() }

// reason is one of StopTask's, which shall be short.
func reason(text string) string {
	const longest = 255
	if len(text) <= longest {
		return text
	}
	return strings.ToValidUTF8(text[:longest-len("…")], "") + "…"
}
