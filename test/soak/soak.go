package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"errand/pkg/localaws"
	"errand/pkg/localstack"
	"errand/pkg/run"
)

// What is asked of each run: how its command ends.
type fate int

const (
	well    fate = iota // exits with 0
	badly               // exits with 3
	hanging             // never ends, and is stopped by its timeout
)

// planned is one run, its fate and how it is delivered.
type planned struct {
	job, id string
	fate    fate
	twice   bool
}

func (p planned) payload() []byte {
	m := map[string]any{"job": p.job, "runId": p.id}
	switch p.fate {
	case badly:
		m["command"] = []string{"sh", "-c", "exit 3"}
	case hanging:
		m["command"], m["timeout"] = []string{"sleep", "86400"}, "20m"
	default:
		m["command"] = []string{"true"}
	}
	raw, _ := json.Marshal(m)
	return raw
}

// The shares of what goes wrong.
const (
	shareTwice     = 0.05  // deliveries that come twice
	shareEvents    = 0.05  // stop events that come twice, or late
	shareLost      = 0.02  // stop events that never come
	shareHanging   = 0.003 // tasks that hang
	shareBadly     = 0.2   // commands that fail
	shareNoAnswer  = 0.01  // calls that take effect without an answer
	sharePublish   = 0.01  // publications that fail
	shareKilled    = 0.01  // invocations that are killed
	taskBurst      = 100   // calls of RunTask and StopTask at once …
	tasksPerSecond = 20    // … and in a second of real time, as ECS allows on Fargate
	herd           = 150   // runs that are due at once
	jobs           = 40
)

// world is the endpoint under soak, and what the judge hears of it.
type world struct {
	*localstack.Stack
	opts  options
	clock run.Clock

	mu        sync.Mutex
	rand      *rand.Rand
	tasks     map[string]map[string]bool // run → tasks
	counts    map[string]int
	bucket    float64
	filled    time.Time
	kills     int
	faults    map[string]int
	due, last time.Time // when a herd came, and when its last task began
	// publishing are the calls of Publish whose answer was lost.
	publishing int
}

// chance is true in so many of cases.
func (w *world) chance(share float64) bool { return w.rand.Float64() < share }

// soak delivers the runs and waits until all have been told of.
func soak(ctx context.Context, o options, out io.Writer) (verdict, error) {
	w := &world{
		opts: o, rand: rand.New(rand.NewPCG(o.seed, o.seed)), //nolint:gosec // not a secret
		tasks: map[string]map[string]bool{}, counts: map[string]int{}, faults: map[string]int{}, bucket: taskBurst, filled: time.Now(),
	}
	clock, err := run.ParseClock(fmt.Sprintf("%g@%d", o.factor, time.Now().UnixMilli()))
	if err != nil {
		return verdict{}, err
	}
	w.clock = clock
	w.Stack, err = localstack.Start(ctx, localstack.Options{
		Functions: o.functions, Template: o.template,
		Options: localaws.Options{Watch: w.watch(out), Clock: clock},
	})
	if err != nil {
		return verdict{}, err
	}
	defer func() { _ = w.Server.Close() }()
	// The judge sees every task that begins, by a rule of its own that delivers
	// nothing.
	pattern := `{"source": ["aws.ecs"], "detail-type": ["ECS Task State Change"], "detail": {"lastStatus": ["PROVISIONING"]}}`
	if err := w.Server.AddRule(localaws.Rule{Name: "judge", Pattern: []byte(pattern), Function: "collector"}); err != nil {
		return verdict{}, err
	}
	w.Server.DecideEvents(w.event)
	deliver := w.deliver
	if o.herd {
		w.limit()
		deliver = w.arrive
	} else {
		w.Server.DecideFaults(w.fault)
		w.Server.KillFunctions(w.kill)
	}

	began := time.Now()
	list := w.plan()
	if err := deliver(ctx, list); err != nil {
		return verdict{}, err
	}
	_, _ = fmt.Fprintf(out, "delivered %d runs in %s\n", len(list), time.Since(began).Round(time.Second))
	w.await(ctx, list, out)
	v := w.judge(list)
	v.took = time.Since(began)
	if o.herd {
		w.herd(&v, len(list))
	}
	return v, nil
}

// plan draws the runs' fates.
func (w *world) plan() []planned {
	list := make([]planned, w.opts.runs)
	for i := range list {
		p := planned{job: fmt.Sprintf("job-%02d", i%jobs), id: fmt.Sprintf("soak-%05d", i), twice: w.chance(shareTwice)}
		switch {
		case w.opts.herd:
			p.twice = false
		case w.chance(shareHanging):
			p.fate = hanging
		case w.chance(shareBadly):
			p.fate = badly
		}
		list[i] = p
	}
	return list
}

// deliver hands the runs to the launcher, a herd at a time.
func (w *world) deliver(ctx context.Context, list []planned) error {
	pause := time.Duration(float64(herd) / float64(w.opts.rate) * float64(time.Second))
	for i, p := range list {
		if i > 0 && i%herd == 0 {
			select {
			case <-time.After(pause):
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		raw := p.payload()
		if err := w.Server.InvokeAsync("launcher", raw); err != nil {
			return err
		}
		if p.twice {
			w.mu.Lock()
			late := time.Duration(w.rand.Int64N(int64(10 * time.Second)))
			w.mu.Unlock()
			time.AfterFunc(late, func() { _ = w.Server.InvokeAsync("launcher", raw) })
		}
	}
	return nil
}

// await waits until both topics have every run, and then for late comers.
func (w *world) await(ctx context.Context, list []planned, out io.Writer) {
	ctx, cancel := context.WithTimeout(ctx, w.opts.patience)
	defer cancel()
	for last := time.Now(); ; {
		open := missing(list, w.results())
		if open == 0 {
			break
		}
		if time.Since(last) > 10*time.Second {
			last = time.Now()
			_, _ = fmt.Fprintf(out, "%d runs are not told yet\n", open)
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return
		}
	}
	if w.opts.herd {
		return // nothing was disturbed
	}
	// What is told twice, or otherwise, is told by stop events that come late and by
	// the watchdog's next looks: some minutes of AWS's time.
	select {
	case <-time.After(time.Duration(float64(15*time.Minute) / w.opts.factor)):
	case <-ctx.Done():
	}
}

// event decides what becomes of an event that a rule selects.
func (w *world) event(rule string, event json.RawMessage) []time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	if rule == "judge" {
		w.began(event)
		return nil
	}
	switch {
	case w.opts.herd:
	case w.chance(shareLost):
		w.faults["lost stop events"]++
		return nil
	case w.chance(shareEvents):
		w.faults["stop events twice or late"]++
		return []time.Duration{0, time.Duration(w.rand.Int64N(int64(10 * time.Minute)))}
	case w.chance(shareEvents):
		w.faults["stop events twice or late"]++
		return []time.Duration{time.Duration(w.rand.Int64N(int64(3 * time.Minute)))}
	}
	return []time.Duration{0}
}

// began notes a task. The lock must be held.
func (w *world) began(event json.RawMessage) {
	var e struct {
		Detail struct {
			TaskARN   string `json:"taskArn"`
			Overrides struct {
				ContainerOverrides []struct {
					Environment []run.Variable `json:"environment"`
				} `json:"containerOverrides"`
			} `json:"overrides"`
		} `json:"detail"`
	}
	if err := json.Unmarshal(event, &e); err != nil {
		return
	}
	for _, c := range e.Detail.Overrides.ContainerOverrides {
		if r, _, ok := run.FromVariables(c.Environment); ok {
			key := fmt.Sprintf("%s/%d", r.ID, r.Attempt)
			if w.tasks[key] == nil {
				w.tasks[key] = map[string]bool{}
			}
			w.tasks[key][e.Detail.TaskARN] = true
			w.last = w.clock.Now()
		}
	}
}

// fault decides what goes wrong with a call.
func (w *world) fault(operation string) *localaws.Fault {
	w.mu.Lock()
	defer w.mu.Unlock()
	hit := func(what string, f localaws.Fault) *localaws.Fault {
		w.faults[what]++
		return &f
	}
	switch operation {
	case "RunTask", "StopTask":
		if !w.room() {
			return hit("throttled calls of "+operation, localaws.Fault{Code: "ThrottlingException", Message: "Rate exceeded"})
		}
	case "Publish":
		if w.chance(sharePublish) {
			return hit("failed publications", localaws.Fault{Code: "InternalError", Message: "try again", Status: 500})
		}
	case "UpdateItem", "GetItem", "BatchGetItem", "Query", "DescribeTasks", "ListTasks", "DescribeTaskDefinition":
	default:
		return nil
	}
	if w.chance(shareNoAnswer) {
		if operation == "Publish" {
			w.publishing++
		}
		return hit("lost answers of "+operation, localaws.Fault{Lost: true})
	}
	return nil
}

// room takes a place in ECS's bucket. The lock must be held.
func (w *world) room() bool {
	now := time.Now()
	w.bucket = min(taskBurst, w.bucket+now.Sub(w.filled).Seconds()*tasksPerSecond)
	w.filled = now
	if w.bucket < 1 {
		return false
	}
	w.bucket--
	return true
}

// kill decides whether an invocation is killed, and when.
func (w *world) kill(string) (time.Duration, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.chance(shareKilled) {
		return 0, false
	}
	w.kills++
	return time.Duration(w.rand.Int64N(int64(60 * time.Millisecond))), true
}

// watch counts the functions' metrics.
func (w *world) watch(out io.Writer) func(localaws.Occurrence) {
	return func(o localaws.Occurrence) {
		if o.Kind != localaws.FunctionLog {
			return
		}
		if w.opts.verbose {
			_, _ = fmt.Fprintln(out, o.Subject, o.Text)
		}
		if !strings.HasPrefix(o.Text, `{"Dropped"`) && !strings.Contains(o.Text, `"_aws"`) {
			return
		}
		var line map[string]any
		if json.Unmarshal([]byte(o.Text), &line) != nil {
			return
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		for name, value := range line {
			if n, ok := value.(float64); ok {
				w.counts[name] += int(n)
			}
		}
	}
}
