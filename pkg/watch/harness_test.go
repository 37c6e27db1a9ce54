package watch_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"errand/pkg/ledger"
	"errand/pkg/localaws/dynamodb"
	"errand/pkg/localaws/host"
	"errand/pkg/metric"
	"errand/pkg/run"
	"errand/pkg/watch"
)

// direct brings a client's requests to a handler without a network, which tests in
// a bubble of time cannot have.
type direct struct{ http.Handler }

func (d direct) Do(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	d.ServeHTTP(w, r)
	response := w.Result()
	response.Request = r
	return response, nil
}

func config(h http.Handler) aws.Config {
	return aws.Config{
		Region: "eu-west-1", HTTPClient: direct{h}, BaseEndpoint: aws.String("http://direct"), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""),
	}
}

// call is an invocation of a function, or a stop of a task.
type call struct {
	Of, What string
	At       time.Time
}

// functions is Lambda as far as it takes events.
type functions struct {
	mu     sync.Mutex
	calls  []call
	broken string
}

func (f *functions) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	name := strings.TrimSuffix(strings.TrimPrefix(r.URL.Path, "/2015-03-31/functions/"), "/invocations")
	if r.Header.Get("X-Amz-Invocation-Type") != "Event" || name == f.broken {
		w.Header().Set("X-Amzn-Errortype", "ServiceException")
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = io.WriteString(w, `{"Message": "no"}`)
		return
	}
	payload, _ := io.ReadAll(r.Body)
	f.calls = append(f.calls, call{name, string(payload), time.Now()})
	w.WriteHeader(http.StatusAccepted)
}

// take returns the calls since the last time.
func (f *functions) take() []call {
	f.mu.Lock()
	defer f.mu.Unlock()
	calls := f.calls
	f.calls = nil
	return calls
}

// tasks is an ECS with as many tasks as are wanted: the embedded one runs each.
type tasks struct {
	mu     sync.Mutex
	shown  map[string]types.Task // by ARN
	broken string                // a cluster
	looks  int
	stops  []call
}

func (e *tasks) add(arn, status string, started time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.shown == nil {
		e.shown = map[string]types.Task{}
	}
	t := types.Task{TaskArn: &arn, LastStatus: &status, DesiredStatus: aws.String("RUNNING"), StartedBy: aws.String("errand/jobs/j")}
	if status == "STOPPED" {
		t.DesiredStatus = &status
	}
	if !started.IsZero() {
		t.StartedAt = &started
	}
	e.shown[arn] = t
}

func (e *tasks) DescribeTasks(_ context.Context, in *ecs.DescribeTasksInput, _ ...func(*ecs.Options)) (*ecs.DescribeTasksOutput, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.looks++
	if *in.Cluster == e.broken {
		return nil, &smithy.GenericAPIError{Code: "AccessDeniedException", Message: "not this cluster"}
	}
	if len(in.Tasks) > 100 {
		return nil, fmt.Errorf("%d tasks in a request", len(in.Tasks))
	}
	out := &ecs.DescribeTasksOutput{}
	for _, arn := range in.Tasks {
		if t, ok := e.shown[arn]; ok {
			out.Tasks = append(out.Tasks, t)
		} else {
			out.Failures = append(out.Failures, types.Failure{Arn: aws.String(arn), Reason: aws.String("MISSING")})
		}
	}
	return out, nil
}

func (e *tasks) StopTask(_ context.Context, in *ecs.StopTaskInput, _ ...func(*ecs.Options)) (*ecs.StopTaskOutput, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	t := e.shown[*in.Task]
	t.DesiredStatus = aws.String("STOPPED")
	e.shown[*in.Task] = t
	e.stops = append(e.stops, call{*in.Task, *in.Reason, time.Now()})
	return &ecs.StopTaskOutput{}, nil
}

// topics is an SNS without subscriptions.
type topics struct{}

func (topics) ListSubscriptionsByTopic(context.Context, *sns.ListSubscriptionsByTopicInput, ...func(*sns.Options)) (*sns.ListSubscriptionsByTopicOutput, error) {
	return &sns.ListSubscriptionsByTopicOutput{}, nil
}

// buffer may be written to by several watchdogs at once.
type buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

// take returns what was written since the last time.
func (b *buffer) take() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	text := b.text.String()
	b.text.Reset()
	return text
}

// stage is a watchdog with a table, functions that note how they are woken, and a
// time that is set forward.
type stage struct {
	t         *testing.T
	table     *dynamodb.Service
	client    *sdk.Client
	ledger    *ledger.Ledger
	functions *functions
	lambda    *lambda.Client
	ecs       watch.ECS
	sns       watch.SNS
	cfg       watch.Config
	metrics   buffer
	log       buffer
	// The time stands still at began, and so much ahead of it; it runs if began is zero.
	began time.Time
	ahead atomic.Int64
}

func newStage(t *testing.T, e watch.ECS) *stage {
	t.Helper()
	s := &stage{
		t: t, table: dynamodb.New(host.New("eu-west-1", "123456789012", "", nil, nil)), functions: &functions{}, ecs: e, sns: topics{},
		began: time.Now().Truncate(time.Millisecond),
		cfg:   watch.Config{Launcher: "launcher", Collector: "collector", LaunchRate: 1000, StopRate: 1000, Again: time.Millisecond},
	}
	s.client, s.lambda = sdk.NewFromConfig(config(served(s.table))), lambda.NewFromConfig(config(s.functions))
	if _, err := s.client.CreateTable(t.Context(), ledger.Table("ledger")); err != nil {
		t.Fatal(err)
	}
	s.ledger = ledger.New(s.client, ledger.Config{Table: "ledger", Now: s.now})
	if _, err := s.ledger.Daily(t.Context(), "subscriptions"); err != nil { // has its own test
		t.Fatal(err)
	}
	return s
}

// served is a table that is asked without a socket.
func served(table *dynamodb.Service) http.Handler {
	h := host.New("eu-west-1", "123456789012", "", nil, nil)
	operations := table.Operations()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		h.Answer(w, r, operations, r.Header.Get("X-Amz-Target"), body)
	})
}

func (s *stage) now() time.Time {
	if s.began.IsZero() {
		return time.Now()
	}
	return s.began.Add(time.Duration(s.ahead.Load()))
}

func (s *stage) forward(d time.Duration) { s.ahead.Add(int64(d)) }

func (s *stage) watcher() *watch.Watcher {
	log := slog.New(slog.NewTextHandler(&s.log, nil))
	return watch.New(s.ecs, s.lambda, s.sns, s.ledger, metric.New(&s.metrics, "errand/jobs/", s.now), s.cfg, log)
}

// tick returns the metrics of a tick, ages as whole seconds.
func (s *stage) tick() (map[string]int, error) {
	_ = s.metrics.take()
	ctx, cancel := context.WithTimeout(s.t.Context(), 58*time.Second)
	defer cancel()
	err := s.watcher().Tick(ctx)
	got := map[string]int{}
	for decoder := json.NewDecoder(strings.NewReader(s.metrics.take())); decoder.More(); {
		var line map[string]any
		if err := decoder.Decode(&line); err != nil {
			s.t.Fatal(err)
		}
		for name, value := range line {
			if n, ok := value.(float64); ok {
				got[name] = int(n)
			}
		}
	}
	return got, err
}

// ticked is a tick without an error, and its metrics as wanted but for the ages.
func (s *stage) ticked(want map[string]int) {
	s.t.Helper()
	got, err := s.tick()
	if err != nil {
		s.t.Fatal(err)
	}
	delete(got, "OldestDue")
	delete(got, "OldestLaunch")
	want["Ticks"] = 1
	if diff := cmp.Diff(want, got); diff != "" {
		s.t.Errorf("metrics (-want +got):\n%s", diff)
	}
}

func key(id string) ledger.Key { return ledger.Key{Job: "j", RunID: id, Attempt: 1} }

// claim is what a launcher with a minute does first.
func (s *stage) claim(id string) ledger.Hold {
	s.t.Helper()
	r := run.Run{Job: "j", ID: id, Attempt: 1, Method: run.MethodRunTask}
	h, ok, err := s.ledger.Claim(s.t.Context(), ledger.Delivery{Run: r, Digest: "d", Payload: []byte(`{"secret": 1}`), Cluster: "jobs", Until: s.now().Add(time.Minute)})
	if err != nil || !ok {
		s.t.Fatal(ok, err)
	}
	return h
}

// wait leaves a run to the watchdog, due at once.
func (s *stage) wait(id string) {
	s.t.Helper()
	if ok, err := s.ledger.NoRoom(s.t.Context(), s.claim(id), false, "no room", s.now()); err != nil || !ok {
		s.t.Fatal(ok, err)
	}
}

// launched gives a run a task.
func (s *stage) launched(id, cluster, task string, limits ledger.Limits) {
	s.t.Helper()
	s.claim(id)
	if _, ok, err := s.ledger.Launched(s.t.Context(), key(id), cluster, task, limits); err != nil || !ok {
		s.t.Fatal(ok, err)
	}
}

func (s *stage) get(id string) ledger.Attempt {
	s.t.Helper()
	a, ok, err := s.ledger.Get(s.t.Context(), key(id))
	if err != nil || !ok {
		s.t.Fatal(ok, err)
	}
	return a
}

// dueIn is when a run is due, from now.
func (s *stage) dueIn(id string) time.Duration {
	s.t.Helper()
	return s.get(id).Due.Sub(s.now())
}

// woken checks which functions were woken with what, in any order.
func (s *stage) woken(want ...string) {
	s.t.Helper()
	got := map[string]int{}
	for _, c := range s.functions.take() {
		got[c.Of+" "+c.What]++
	}
	wanted := map[string]int{}
	for _, w := range want {
		wanted[w]++
	}
	if diff := cmp.Diff(wanted, got); diff != "" {
		s.t.Errorf("woken (-want +got):\n%s", diff)
	}
}

func wake(function, what, id string) string {
	return fmt.Sprintf(`%s {"errand":%q,"job":"j","runId":%q,"attempt":1}`, function, what, id)
}

func arn(n int) string { return fmt.Sprintf("arn:aws:ecs:eu-west-1:123456789012:task/jobs/%032d", n) }
