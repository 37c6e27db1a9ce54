package herd_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"errand/pkg/launch"
	"errand/pkg/ledger"
	room "errand/pkg/localaws/dynamodb"
	"errand/pkg/localaws/host"
	"errand/pkg/metric"
	"errand/pkg/report"
	"errand/pkg/result"
	"errand/pkg/run"
	"errand/pkg/tasks"
	"errand/pkg/watch"
)

const (
	// What ECS takes on Fargate: so many calls of RunTask at once, and then so many a
	// second; with StopTask together twice as many a second.
	burst, perSecond = 100, 20
	// deliveries is how many events EventBridge Scheduler sends in a second, at first
	// (https://docs.aws.amazon.com/scheduler/latest/UserGuide/scheduler-quotas.html).
	deliveries = 500
	prefix     = "errand/jobs/"
)

// world is AWS with a stack, in a bubble of time.
type world struct {
	t *testing.T
	recorder
	*cluster
	functions *functions
	scale     int
	db        http.Handler
	ledger    *ledger.Ledger // asked without delay

	telling sync.Mutex
	told    map[string]map[string]int // run → status → how many times
}

// newWorld has a stack whose tasks run so long, in the account of a herd.
func newWorld(t *testing.T, h herd, long time.Duration) *world {
	t.Helper()
	w := &world{t: t, cluster: newCluster(long, h.scale), scale: h.scale, told: map[string]map[string]int{}}
	w.functions = &functions{concurrency: h.concurrency, note: w.note, byName: map[string]*function{}}
	w.ended = func(arn string) {
		w.functions.async("collector", fmt.Appendf(nil, `{"detail": {"taskArn": %q}}`, arn))
	}
	table := room.New(host.New("eu-west-1", "123456789012", "", nil, nil))
	w.db = answers(host.New("eu-west-1", "123456789012", "", nil, nil), table.Operations())
	client := dynamodb.NewFromConfig(config(w.db))
	if _, err := client.CreateTable(t.Context(), ledger.Table("ledger")); err != nil {
		t.Fatal(err)
	}
	w.ledger = ledger.New(client, ledger.Config{Table: "ledger"})
	if _, err := w.ledger.Daily(t.Context(), "subscriptions"); err != nil {
		t.Fatal(err)
	}
	hours := 6 * time.Hour
	for name, f := range map[string]*function{
		"launcher":  {name: "LauncherFunction", timeout: 2 * time.Minute, retries: 2, age: hours, cpu: 30 * time.Millisecond, make: w.launcher},
		"collector": {name: "CollectorFunction", timeout: time.Minute, retries: 2, age: hours, cpu: 100 * time.Millisecond, make: w.collector},
		"watchdog":  {name: "WatchdogFunction", timeout: 58 * time.Second, age: time.Minute, cpu: 30 * time.Millisecond, make: w.watchdog},
	} {
		w.functions.byName[name] = f
	}
	return w
}

// answers is a service that is asked without a socket.
func answers(h *host.Host, operations host.Operations) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		h.Answer(w, r, operations, r.Header.Get("X-Amz-Target"), body)
	})
}

// wire brings requests to a handler, which takes its time.
type wire struct {
	http.Handler
	// latency is how long the answer to an operation takes; nil is no time.
	latency func(operation string, ok bool) time.Duration
}

func (d wire) Do(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	if d.latency == nil {
		d.ServeHTTP(w, r)
	} else {
		_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
		if err := sleep(r.Context(), 2*time.Millisecond); err != nil {
			return nil, err
		}
		d.ServeHTTP(w, r)
		if err := sleep(r.Context(), d.latency(operation, w.Code < http.StatusBadRequest)); err != nil {
			return nil, err
		}
	}
	response := w.Result()
	response.Request = r
	return response, nil
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// config is that of the functions, which leave the retries to the SDK.
func config(h http.Handler) aws.Config { return configOf(wire{Handler: h}) }

func configOf(client wire) aws.Config {
	return aws.Config{
		Region: "eu-west-1", HTTPClient: client, BaseEndpoint: aws.String("http://direct"),
		Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""),
	}
}

func between(least, most time.Duration) time.Duration { return least + rand.N(most-least) }

// parts are what every environment of a function has of its own.
func (w *world) parts() (e *ecs.Client, book *ledger.Ledger, metrics *metric.Writer) {
	e = ecs.NewFromConfig(configOf(wire{answers(w.host, w.operations()), func(operation string, ok bool) time.Duration {
		if operation == "RunTask" && ok {
			return between(150*time.Millisecond, 400*time.Millisecond)
		}
		return between(20*time.Millisecond, 50*time.Millisecond)
	}}))
	db := dynamodb.NewFromConfig(configOf(wire{w.db, func(string, bool) time.Duration {
		return between(3*time.Millisecond, 8*time.Millisecond)
	}}))
	return e, ledger.New(db, ledger.Config{Table: "ledger"}), metric.New(lines{w}, prefix, time.Now)
}

var silent = slog.New(slog.DiscardHandler)

func (w *world) launcher() handler {
	e, book, metrics := w.parts()
	l := launch.New(e, book, report.New(book, people{w}, metrics, silent), metrics, launch.Config{
		Cluster: clusterARN, TaskDefinition: "billing", Subnets: []string{"subnet-1"}, AssignPublicIP: "DISABLED",
		LaunchType: "FARGATE", StartedByPrefix: prefix,
	}, silent)
	return func(ctx context.Context, raw json.RawMessage) error {
		_, err := l.Handle(ctx, raw)
		return err
	}
}

func (w *world) watchdog() handler {
	e, book, metrics := w.parts()
	client := lambda.NewFromConfig(configOf(wire{w.functions, func(string, bool) time.Duration {
		return between(20*time.Millisecond, 50*time.Millisecond)
	}}))
	return watch.New(e, client, nobody{}, book, metrics, watch.Config{
		Launcher: "launcher", Collector: "collector", LaunchRate: 22 / w.scale, StopRate: max(1, 15/w.scale),
	}, silent).Handle
}

// collector is what pkg/collect makes of a stop event, with a read of a log that
// takes half a second.
func (w *world) collector() handler {
	_, book, metrics := w.parts()
	reporter := report.New(book, people{w}, metrics, silent)
	return func(ctx context.Context, raw json.RawMessage) error {
		t, err := w.stopped(raw)
		if err != nil {
			w.t.Error(err)
			return err
		}
		time.Sleep(time.Second / 2)
		r, c, _ := tasks.Carried(t)
		return reporter.Ended(ctx, result.Result{
			Run: r, Status: status(t), TaskARN: aws.ToString(t.TaskArn), Place: result.Place{Cluster: clusterARN}, StopCode: string(t.StopCode),
			StoppedReason: aws.ToString(t.StoppedReason), StartedAt: aws.ToTime(t.StartedAt), StoppedAt: aws.ToTime(t.StoppedAt),
			Reason: "it ended",
		}, c.Digest)
	}
}

// people are the topics.
type people struct{ *world }

func (p people) Topics() []string { return []string{"results", "text"} }

func (p people) Publish(ctx context.Context, topic string, r result.Result, _ func()) error {
	if err := sleep(ctx, between(20*time.Millisecond, 50*time.Millisecond)); err != nil {
		return err
	}
	if topic == "results" {
		p.telling.Lock()
		defer p.telling.Unlock()
		of := p.told[r.Job]
		if of == nil {
			of = map[string]int{}
			p.told[r.Job] = of
		}
		of[string(r.Status)]++
	}
	return nil
}

// nobody is an SNS without subscriptions.
type nobody struct{}

func (nobody) ListSubscriptionsByTopic(context.Context, *sns.ListSubscriptionsByTopicInput, ...func(*sns.Options)) (*sns.ListSubscriptionsByTopicOutput, error) {
	return &sns.ListSubscriptionsByTopicOutput{}, nil
}

// lines takes the metrics from a function's log.
type lines struct{ *world }

func (l lines) Write(p []byte) (int, error) {
	var line map[string]any
	if err := json.Unmarshal(p, &line); err != nil {
		return 0, err
	}
	for name, value := range line {
		if n, ok := value.(float64); ok {
			l.note("errand "+name+" AWS::StackName", n)
		}
	}
	return len(p), nil
}

// running gives a run a task that was started at a time and has a timeout.
func (w *world) running(job string, started time.Time, timeout time.Duration) {
	r := run.Run{Job: job, ID: "r", Attempt: 1, Method: run.MethodRunTask}
	d := ledger.Delivery{Run: r, Digest: "d", Payload: []byte("{}"), Cluster: clusterARN, Until: time.Now().Add(time.Minute)}
	if _, ok, err := w.ledger.Claim(w.t.Context(), d); err != nil || !ok {
		w.t.Fatal(ok, err)
	}
	overrides := carried(r)
	w.cluster.mu.Lock()
	arn := w.add(overrides)
	w.cluster.mu.Unlock()
	limits := ledger.Limits{Start: 30 * time.Minute, Timeout: timeout}
	if _, ok, err := w.ledger.Launched(w.t.Context(), ledger.KeyOf(r), clusterARN, arn, limits); err != nil || !ok {
		w.t.Fatal(ok, err)
	}
	w.work.Go(func() { w.begin(arn, started) })
}
