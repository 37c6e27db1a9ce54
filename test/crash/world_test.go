package crash_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"errand/pkg/awsjson"
	"errand/pkg/collect"
	"errand/pkg/launch"
	"errand/pkg/ledger"
	"errand/pkg/localaws"
	"errand/pkg/localaws/localtest"
	"errand/pkg/metric"
	"errand/pkg/notify"
	"errand/pkg/report"
	"errand/pkg/watch"
)

// A point is a moment at which a function dies: before or after one of the calls
// to AWS of the whole course, which are numbered from 1.
type point struct {
	call  int
	after bool
}

// errDied is what a function that has died gets from every call: nothing of it
// reaches AWS any more.
var errDied = errors.New("this function is dead")

// course is one run from its delivery to its end, with functions that die.
type course struct {
	points []point
	events int // copies of the stop event that arrive

	server        *localaws.Server
	transport     http.RoundTripper // of the functions' calls
	prefix, table string
	topics        [2]string
	now           time.Time
	queue         []invocation
	calls         int
	deaths        []string // operations at which functions died
	operations    []string // all calls
	redelivers    bool
	clock         *localtest.Clock                 // of the endpoint, if it has one of its own
	before        func(function, operation string) // is called before each call
}

// invocation is an event on its way to a function.
type invocation struct {
	at       time.Time
	function string
	payload  []byte
	id       string
	retries  int // that are left
}

// process is one invocation of a function, which lives until its point.
type process struct {
	*course
	function string
	cancel   context.CancelFunc
	mu       sync.Mutex // the watchdog calls from several goroutines
	dead     bool
}

// RoundTrip counts the calls, and lets the function die at its points.
func (p *process) RoundTrip(r *http.Request) (*http.Response, error) {
	operation := r.Header.Get("X-Amz-Target")
	operation = operation[strings.LastIndex(operation, ".")+1:]
	if operation == "" { // the query protocol of SNS
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		_, rest, _ := strings.Cut(string(body), "Action=")
		operation, _, _ = strings.Cut(rest, "&")
	}
	if p.before != nil {
		p.before(p.function, operation)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	after, err := p.pass(operation)
	if err != nil {
		return nil, err
	}
	response, err := p.transport.RoundTrip(r)
	if after {
		if err == nil {
			_ = response.Body.Close()
		}
		return nil, p.die(operation)
	}
	return response, err
}

// pass counts a call, dies before it if this is a point, and says whether to die
// after it. The watchdog's questions to the index are left out: to die there is to
// leave out a tick.
func (p *process) pass(operation string) (after bool, err error) {
	if p.dead {
		return false, errDied
	}
	if operation == "Query" {
		return false, nil
	}
	p.calls++
	p.operations = append(p.operations, operation)
	for _, point := range p.points {
		if point.call == p.calls && !point.after {
			return false, p.die(operation)
		}
		after = after || point.call == p.calls && point.after
	}
	return after, nil
}

func (p *process) die(operation string) error {
	p.deaths = append(p.deaths, operation)
	p.dead = true
	p.cancel()
	return errDied
}

// handler has clients of its own, as a new process does.
func (p *process) handler(function string) func(context.Context, json.RawMessage) (any, error) {
	cfg := p.server.Config()
	cfg.HTTPClient = &http.Client{Transport: p}
	log := slog.New(slog.DiscardHandler)
	now := func() time.Time { return p.now }
	metrics := metric.New(io.Discard, p.prefix, now)
	book := ledger.New(dynamodb.NewFromConfig(cfg), ledger.Config{Table: p.table, Now: now})
	reporter := report.New(book, notify.New(sns.NewFromConfig(cfg), p.topics[0], p.topics[1]), metrics, log)
	switch function {
	case "launcher":
		l := launch.New(ecs.NewFromConfig(cfg), book, reporter, metrics, launch.Config{
			Cluster: "crash", TaskDefinition: "crash", LaunchType: "EC2", StartedByPrefix: p.prefix, Now: now,
		}, log)
		return func(ctx context.Context, raw json.RawMessage) (any, error) { return l.Handle(ctx, raw) }
	case "collector":
		k := collect.New(ecs.NewFromConfig(cfg), cloudwatchlogs.NewFromConfig(cfg), book, reporter, collect.Config{
			StartedByPrefix: p.prefix, LogWait: time.Millisecond, Now: now,
		}, log)
		return func(ctx context.Context, raw json.RawMessage) (any, error) { return nil, k.Handle(ctx, raw) }
	}
	w := watch.New(ecs.NewFromConfig(cfg), p, sns.NewFromConfig(cfg), book, metrics, watch.Config{
		Launcher: "launcher", Collector: "collector", LaunchRate: 100_000, StopRate: 100_000, Again: time.Nanosecond,
	}, log)
	return func(ctx context.Context, raw json.RawMessage) (any, error) { return nil, w.Handle(ctx, raw) }
}

// Invoke is Lambda's, for the watchdog: the event is on its way.
func (p *process) Invoke(_ context.Context, in *lambda.InvokeInput, _ ...func(*lambda.Options)) (*lambda.InvokeOutput, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	after, err := p.pass("Invoke")
	if err != nil {
		return nil, err
	}
	p.send(aws.ToString(in.FunctionName), in.Payload)
	if after {
		return nil, p.die("Invoke")
	}
	return &lambda.InvokeOutput{StatusCode: 202}, nil
}

func (c *course) send(function string, payload []byte) {
	c.queue = append(c.queue, invocation{c.now, function, payload, fmt.Sprintf("request-%d", len(c.queue)+c.calls), 2})
}

// run lets a function handle an event, as Lambda does.
func (c *course) run(t *testing.T, i invocation) {
	t.Helper()
	failure, kind := c.invoke(i)
	if failure == "" || i.function == "watchdog" {
		return
	}
	if i.retries > 0 {
		i.at = c.now.Add(time.Duration(3-i.retries) * time.Minute)
		i.retries--
		c.queue = append(c.queue, i)
		return
	}
	if i.function == "launcher" {
		record, err := json.Marshal(map[string]any{
			"requestContext":  map[string]any{"requestId": i.id, "functionArn": "arn:aws:lambda:eu-west-1:123456789012:function:launcher", "condition": "RetriesExhausted", "approximateInvokeCount": 3},
			"requestPayload":  json.RawMessage(i.payload),
			"responsePayload": map[string]any{"errorMessage": failure, "errorType": kind},
		})
		if err != nil {
			t.Fatal(err)
		}
		c.send("collector", record)
	}
}

// invoke is one invocation; it returns how it failed, and the type of its error as
// Lambda names it.
func (c *course) invoke(i invocation) (failure, kind string) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	p := &process{course: c, function: i.function, cancel: cancel}
	ctx = lambdacontext.NewContext(ctx, &lambdacontext.LambdaContext{AwsRequestID: i.id})
	_, err := p.handler(i.function)(ctx, i.payload)
	switch {
	case p.dead:
		return "Runtime exited", "Runtime.ExitError"
	case err != nil:
		return err.Error(), reflect.Indirect(reflect.ValueOf(err)).Type().Name()
	}
	return "", ""
}

// tasks are those of the course, ended.
func (c *course) tasks(t *testing.T) []types.Task {
	t.Helper()
	client := ecs.NewFromConfig(c.server.Config())
	var arns []string
	for _, status := range []types.DesiredStatus{types.DesiredStatusRunning, types.DesiredStatusStopped} {
		out, err := client.ListTasks(t.Context(), &ecs.ListTasksInput{Cluster: aws.String("crash"), StartedBy: aws.String(c.prefix + "job"), DesiredStatus: status})
		if err != nil {
			t.Fatal(err)
		}
		arns = append(arns, out.TaskArns...)
	}
	if len(arns) == 0 {
		return nil
	}
	slices.Sort(arns)
	in := &ecs.DescribeTasksInput{Cluster: aws.String("crash"), Tasks: slices.Compact(arns)}
	stopped := ecs.NewTasksStoppedWaiter(client, func(o *ecs.TasksStoppedWaiterOptions) { o.MinDelay, o.MaxDelay = time.Millisecond, 5*time.Millisecond })
	out, err := stopped.WaitForOutput(t.Context(), in, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	return out.Tasks
}

// stopEvent is the event of a task that has stopped.
func stopEvent(task types.Task) ([]byte, error) {
	detail, err := awsjson.EncodeEvent(task)
	if err != nil {
		return nil, err
	}
	return json.Marshal(map[string]any{"source": "aws.ecs", "detail-type": "ECS Task State Change", "region": "eu-west-1", "detail": json.RawMessage(detail)})
}

var errNotOver = errors.New("the course does not come to an end")
