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
type seen struct {
	mu           sync.Mutex
	ended, stops []chore
}

func (s *seen) add(to *[]chore, c chore) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*to = append(*to, c)
}

// lookTime is how long ECS has for an answer.
const lookTime = 10 * time.Second

// look looks at tasks, a hundred at a time. It has half of the tick's time, so that
// an ECS that does not answer leaves the other half to the rest.
func (t *tick) look(list []chore) *seen {
	begin, cancel := run.Share(t.begin, time.Minute)
	defer cancel()
	s := &seen{}
	for _, some := range byCluster(list) {
		if begin.Err() != nil {
			break
		}
		if taken := t.take(begin, some); len(taken) > 0 {
			t.lookAt(taken, s)
		}
	}
	return s
}

// take moves rows to the next tick. A request that would end this one, if there is
// such a request, must not be the next one's first again.
func (t *tick) take(begin context.Context, list []chore) []chore {
	var (
		mu    sync.Mutex
		taken []chore
	)
	t.each(begin, slices.Values(list), 0, func(ctx context.Context, c chore) error {
		ok, err := t.moved(ctx, &c, t.ledger.Now().Add(soon))
		if ok {
			mu.Lock()
			defer mu.Unlock()
			taken = append(taken, c)
		}
		return err
	})
	return taken
}

// lookAt looks at tasks of one cluster.
func (t *tick) lookAt(list []chore, s *seen) {
	found, err := t.describe(list)
	answered := err == nil
	if !answered {
		t.log.ErrorContext(t.end, "tasks not looked at; they will be again", "tasks", len(list), "error", err)
		t.failed(err)
	}
	t.each(t.begin, slices.Values(list), 0, func(ctx context.Context, c chore) error {
		task, ok := found[run.LastPart(c.Attempt.Task)]
		switch {
		case ok, c.Attempt.Verdict != nil: // which can be told without ECS
			return t.judge(ctx, c, task, s)
		case answered:
			return fmt.Errorf("ECS says nothing of task %s of %s", c.Attempt.Task, c.Attempt.Key)
		}
		return nil
	})
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
func (t *tick) judge(ctx context.Context, c chore, task *types.Task, s *seen) (err error) {
	d := decide(c.Attempt, task, t.ledger.Now())
	switch {
	case d.act == tell:
		if c.event, err = stopEvent(task, t.ledger.Now()); err == nil {
			s.add(&s.ended, c)
		}
	case d.act == wake:
		c.wake = d.wake
		s.add(&s.ended, c)
	case d.act == stop:
		c.why, c.reason = d.why, d.reason
		s.add(&s.stops, c)
	case d.runUntil.IsZero():
		_, err = t.ledger.Move(ctx, c.Row, d.next)
	default:
		_, err = t.ledger.Started(ctx, c.Row, d.runUntil, d.next)
	}
	return err
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
		return decision{act: stop, reason: reason(run.StopReason + "stopped by " + a.StopBy)}
	case a.StopFor == ledger.StopForTimeout, !runUntil.IsZero() && !runUntil.After(now):
		d := decision{act: stop, reason: reason(run.StopReason + run.NotEnded + run.Brief(a.Timeout) + run.ItsTimeout)}
		if a.StopFor != ledger.StopForTimeout {
			d.why = ledger.StopForTimeout
		}
		return d
	case late:
		d := decision{act: stop, reason: reason(run.StopReason + run.NotStarted + run.Brief(a.StartTimeout))}
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
