package collect_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/url"
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
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/google/go-cmp/cmp"

	"errand/pkg/collect"
	"errand/pkg/ledger"
	"errand/pkg/ledger/ledgertest"
	"errand/pkg/localaws"
	"errand/pkg/metric"
	"errand/pkg/notify"
	"errand/pkg/report"
)

// stack is a collector with real SDK clients against an embedded endpoint that
// has billing:1 (containers app, metrics-sidecar and migrate, awslogs), and a ledger
// whose time the test sets.
type stack struct {
	*localaws.Server
	cfg           collect.Config
	ecs           *ecs.Client
	logs          *cloudwatchlogs.Client
	book          *ledger.Ledger
	reporter      *report.Reporter
	collector     *collect.Collector
	results, text string // topics
	wire          *wire
	metrics       *buffer
	begun, now    time.Time
}

func start(t testing.TB, change ...func(*types.ContainerDefinition, *collect.Config)) *stack {
	t.Helper()
	return startIn(t, "eu-west-1", change...)
}

func startIn(t testing.TB, region string, change ...func(*types.ContainerDefinition, *collect.Config)) *stack {
	t.Helper()
	server, err := localaws.Start(localaws.Options{Region: region})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	s := &stack{Server: server, wire: &wire{}, metrics: &buffer{}}
	s.begun = time.Now().UTC().Truncate(time.Second)
	s.now = s.begun
	aws := server.Config()
	aws.HTTPClient = s.wire
	s.ecs, s.logs = ecs.NewFromConfig(aws), cloudwatchlogs.NewFromConfig(aws)
	app, cfg := definition()
	for _, f := range change {
		f(&app, &cfg)
	}
	s.cfg = cfg
	s.register(t, app)
	s.results, s.text = s.topic(t, "results"), s.topic(t, "results-text")
	s.fresh(t)
	s.wire.take()
	return s
}

// definition is what a stack has unless the test changes it.
func definition() (types.ContainerDefinition, collect.Config) {
	app := types.ContainerDefinition{
		Name: aws.String("app"), Image: aws.String("local"), Command: []string{"./bill"},
		LogConfiguration: &types.LogConfiguration{LogDriver: types.LogDriverAwslogs, Options: map[string]string{
			"awslogs-group": group, "awslogs-region": "eu-west-1", "awslogs-stream-prefix": "ecs",
		}},
	}
	return app, collect.Config{StartedByPrefix: "errand/jobs/", LogLines: 50, LogWait: 20 * time.Millisecond}
}

func (s *stack) register(t testing.TB, app types.ContainerDefinition) {
	t.Helper()
	if _, err := s.ecs.RegisterTaskDefinition(t.Context(), &ecs.RegisterTaskDefinitionInput{
		Family: aws.String("billing"),
		ContainerDefinitions: []types.ContainerDefinition{
			app,
			{Name: aws.String("metrics-sidecar"), Image: aws.String("local"), Essential: aws.Bool(false), Memory: aws.Int32(64)},
			{Name: aws.String("migrate"), Image: aws.String("local"), Essential: aws.Bool(false), Memory: aws.Int32(64)},
		},
		Memory: aws.String("512"), NetworkMode: types.NetworkModeAwsvpc,
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.ecs.CreateCluster(t.Context(), &ecs.CreateClusterInput{ClusterName: aws.String("jobs")}); err != nil {
		t.Fatal(err)
	}
}

func (s *stack) topic(t testing.TB, name string) string {
	t.Helper()
	out, err := sns.NewFromConfig(s.Config()).CreateTopic(t.Context(), &sns.CreateTopicInput{Name: &name})
	if err != nil {
		t.Fatal(err)
	}
	return *out.TopicArn
}

// fresh gives the stack an empty ledger.
func (s *stack) fresh(t testing.TB) {
	t.Helper()
	_, client := ledgertest.New(t)
	client = dynamodb.New(client.Options(), func(o *dynamodb.Options) { o.HTTPClient, o.Retryer = s.wire, aws.NopRetryer{} })
	s.book = ledger.New(client, ledger.Config{Table: ledgertest.Table, Now: func() time.Time { return s.now }})
	topics := s.Config()
	topics.HTTPClient = s.wire
	s.reporter = report.New(s.book, notify.New(sns.NewFromConfig(topics), s.results, s.text), metric.New(s.metrics, s.cfg.StartedByPrefix, time.Now), slog.New(slog.DiscardHandler))
	s.cfg.Now = func() time.Time { return s.now }
	s.collector = collect.New(s.ecs, s.logs, s.book, s.reporter, s.cfg, slog.New(slog.DiscardHandler))
}

// until is the context of an invocation, which ends then.
func (s *stack) until(t testing.TB, id string, end time.Time) context.Context {
	t.Helper()
	ctx, cancel := context.WithDeadline(t.Context(), end)
	t.Cleanup(cancel)
	return lambdacontext.NewContext(ctx, &lambdacontext.LambdaContext{AwsRequestID: id})
}

// told is a publication: its topic and what it says.
type told struct{ Topic, Status, Reason string }

// take returns what was published since the last time, the text form by its subject.
func (s *stack) take(t testing.TB, before int) []told {
	t.Helper()
	var list []told
	for _, m := range s.Published()[before:] {
		if m.TopicARN == s.text {
			status, rest, _ := strings.Cut(m.Subject, " ")
			_, summary, _ := strings.Cut(rest, ": ")
			list = append(list, told{"text", status, summary})
			continue
		}
		var body struct{ Status, Reason string }
		if err := json.Unmarshal([]byte(m.Body), &body); err != nil {
			t.Fatal(err)
		}
		list = append(list, told{"results", body.Status, body.Reason})
	}
	return list
}

// invoke hands an event to the collector and returns what was published. The
// invocation has until a minute after the stack was made.
func (s *stack) invoke(t testing.TB, id string, raw any) ([]told, error) {
	t.Helper()
	return s.invokeUntil(t, id, s.begun.Add(time.Minute), raw)
}

func (s *stack) invokeUntil(t testing.TB, id string, end time.Time, raw any) ([]told, error) {
	t.Helper()
	event, err := json.Marshal(raw)
	if err != nil {
		t.Fatal(err)
	}
	before := len(s.Published())
	err = s.collector.Handle(s.until(t, id, end), event)
	return s.take(t, before), err
}

// attempt reads an attempt.
func (s *stack) attempt(t testing.TB, key ledger.Key) ledger.Attempt {
	t.Helper()
	a, ok, err := s.book.Get(t.Context(), key)
	if err != nil || !ok {
		t.Fatalf("%s: %v, %v", key, ok, err)
	}
	slices.Sort(a.Told) // it is a set
	return a
}

// lease is how long the attempt is its reporter's. It is counted from the time that
// the invocation really has left, of a minute at most, and 5 seconds longer.
func (s *stack) lease(t testing.TB, a ledger.Attempt) time.Time {
	t.Helper()
	if lasts := a.ReportUntil.Sub(s.now); lasts <= 5*time.Second || lasts > 65*time.Second {
		t.Errorf("the reporter's lease lasts %s", lasts)
	}
	return a.ReportUntil
}

// wire carries the requests of the collector's clients and counts them. What answer
// returns, it answers in AWS's place.
type wire struct {
	mu     sync.Mutex
	calls  []string
	answer func(call) *http.Response
	last   map[string]string // the signature of the last call of each operation
}

type call struct {
	service, operation, topic string
	n                         int // of this operation, from 1
}

func (w *wire) Do(r *http.Request) (*http.Response, error) {
	c := call{service: "sns"}
	if target := r.Header.Get("X-Amz-Target"); target != "" {
		c.service, c.operation, _ = strings.Cut(target, ".")
	} else {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		form, _ := url.ParseQuery(string(body))
		c.operation, c.topic = form.Get("Action"), form.Get("TopicArn")
	}
	w.mu.Lock()
	w.calls = append(w.calls, c.operation)
	for _, operation := range w.calls {
		if operation == c.operation {
			c.n++
		}
	}
	if w.last == nil {
		w.last = map[string]string{}
	}
	w.last[c.operation] = r.Header.Get("Authorization")
	answer := w.answer
	w.mu.Unlock()
	if answer != nil {
		if response := answer(c); response != nil {
			response.Request = r
			return response, nil
		}
	}
	return http.DefaultClient.Do(r)
}

// take returns the operations that were called since the last time.
func (w *wire) take() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	calls := w.calls
	w.calls = nil
	return calls
}

// respond lets the wire answer in AWS's place; nil ends that.
func (w *wire) respond(answer func(call) *http.Response) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answer = answer
}

func refuse(status int, code string) *http.Response {
	body := `{"__type": "` + code + `", "message": "no"}`
	return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {"application/x-amz-json-1.0"}}, Body: io.NopCloser(strings.NewReader(body))}
}

// refuseTopic is SNS's form of a refusal.
func refuseTopic(status int, code string) *http.Response {
	body := `<ErrorResponse><Error><Type>Sender</Type><Code>` + code + `</Code><Message>no</Message></Error></ErrorResponse>`
	return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {"text/xml"}}, Body: io.NopCloser(strings.NewReader(body))}
}

// buffer has the lines of the metrics.
type buffer struct {
	mu    sync.Mutex
	bytes bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.bytes.Write(p)
}

// names are the metrics that were counted since the last time, in order.
func (b *buffer) names(t testing.TB) []string {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	var names []string
	for line := range bytes.Lines(b.bytes.Bytes()) {
		var m map[string]any
		if err := json.Unmarshal(line, &m); err != nil {
			t.Fatal(err)
		}
		delete(m, "_aws")
		delete(m, "Stack")
		for name := range m {
			names = append(names, name)
		}
	}
	b.bytes.Reset()
	slices.Sort(names)
	return names
}

// expect compares, and says of what.
func expect[T any](t testing.TB, what string, want, got T) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func body(text string) io.ReadCloser { return io.NopCloser(strings.NewReader(text)) }
