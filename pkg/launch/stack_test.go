package launch_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"errand/pkg/launch"
	"errand/pkg/ledger"
	"errand/pkg/ledger/ledgertest"
	"errand/pkg/localaws"
	"errand/pkg/metric"
	"errand/pkg/notify"
	"errand/pkg/report"
)

// clusterARN is the stack's cluster.
const clusterARN = "arn:aws:ecs:eu-west-1:123456789012:cluster/jobs"

// stack is a launcher with real SDK clients against an embedded endpoint that
// has a cluster "jobs" and the task definitions billing:1 (containers app and
// metrics) and sample:1 (container app), and against a ledger.
type stack struct {
	*localaws.Server
	ecs      *ecs.Client
	db       *dynamodb.Client
	ledger   *ledger.Ledger
	reporter *report.Reporter
	metrics  *metric.Writer
	launcher *launch.Launcher
	cfg      launch.Config
	wire     *wire
	counted  bytes.Buffer // metrics

	mu  sync.Mutex
	now time.Time
}

// wire counts the requests of all clients, and can answer them itself.
type wire struct {
	mu    sync.Mutex
	calls []string
	// bodies are what was sent last, by operation.
	bodies map[string][]byte
	// broken answers a call in place of AWS, unless it returns nil.
	broken func(operation string) *answer
	// instead is what arrives in place of AWS's answer to an operation; nil for a
	// connection that is cut.
	instead map[string]*answer
	// first is called before an operation is.
	first map[string]func()
	// hanging gets no answer to these operations, for as long as the caller waits.
	hanging []string
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	if operation == "" {
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return nil, err
		}
		operation = form.Get("Action")
	}
	w.mu.Lock()
	w.calls = append(w.calls, operation)
	if w.bodies == nil {
		w.bodies = map[string][]byte{}
	}
	w.bodies[operation] = body
	broken := w.broken
	instead, replaced := w.instead[operation]
	first := w.first[operation]
	hangs := slices.Contains(w.hanging, operation)
	w.mu.Unlock()
	if hangs {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	if first != nil {
		first()
	}
	if broken != nil {
		if a := broken(operation); a != nil {
			return a.to(r), nil
		}
	}
	response, err := http.DefaultTransport.RoundTrip(r)
	if err != nil || !replaced {
		return response, err
	}
	if err := response.Body.Close(); err != nil {
		return nil, err
	}
	if instead == nil {
		return nil, errCut
	}
	return instead.to(r), nil
}

var errCut = errors.New("connection reset by peer")

// answers puts another answer in place of AWS's to an operation, once AWS has done
// it.
func (w *wire) answers(operation string, instead *answer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.instead = map[string]*answer{operation: instead}
}

// cut lets no answer to an operation arrive; "" ends that.
func (w *wire) cut(operation string) { w.answers(operation, nil) }

// before calls what comes before an operation.
func (w *wire) before(operation string, first func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.first = map[string]func(){operation: first}
}

// hang lets these operations have no answer.
func (w *wire) hang(operations ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hanging = operations
}

// body is the last request of an operation; nil if there was none.
func (w *wire) body(t *testing.T, operation string) (fields map[string]any) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if body, ok := w.bodies[operation]; ok {
		if err := json.Unmarshal(body, &fields); err != nil {
			t.Fatal(err)
		}
	}
	return fields
}

// take returns the calls since it was called last.
func (w *wire) take() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	calls := w.calls
	w.calls = nil
	return calls
}

func (w *wire) breaks(broken func(operation string) *answer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.broken = broken
}

// answer is one of AWS JSON.
type answer struct {
	status int
	body   string
}

func (a answer) to(r *http.Request) *http.Response {
	return &http.Response{
		StatusCode: a.status, Header: http.Header{"Content-Type": {"application/x-amz-json-1.1"}}, Body: io.NopCloser(strings.NewReader(a.body)), Request: r,
	}
}

func failing(status int, code, message string) *answer {
	return &answer{status, fmt.Sprintf(`{"__type": %q, "message": %q}`, code, message)}
}

// ledgerAway answers every call of DynamoDB's in its place.
func ledgerAway(status int, code, message string) func(string) *answer {
	return func(operation string) *answer {
		if strings.HasSuffix(operation, "Item") {
			return failing(status, code, message)
		}
		return nil
	}
}

func start(t testing.TB, change ...func(*launch.Config)) *stack {
	t.Helper()
	server, err := localaws.Start(localaws.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	s := &stack{Server: server, wire: &wire{}, now: time.Now().UTC().Truncate(time.Second)}
	s.cfg = launch.Config{
		Cluster: clusterARN, TaskDefinition: "sample", Subnets: []string{"subnet-1"}, AssignPublicIP: "DISABLED",
		LaunchType: "FARGATE", StartedByPrefix: "errand/jobs/", Now: s.time,
	}
	for _, f := range change {
		f(&s.cfg)
	}
	client := &http.Client{Transport: s.wire}
	s.ecs = ecs.NewFromConfig(server.Config(), func(o *ecs.Options) { o.Retryer, o.HTTPClient = quick(), client })
	topics := sns.NewFromConfig(server.Config(), func(o *sns.Options) { o.Retryer, o.HTTPClient = quick(), client })
	_, table := ledgertest.New(t)
	s.db = dynamodb.New(table.Options(), func(o *dynamodb.Options) { o.Retryer, o.HTTPClient = quick(), client })
	s.ledger = ledger.New(s.db, ledger.Config{Table: ledgertest.Table, Now: s.time})
	topic, err := topics.CreateTopic(t.Context(), &sns.CreateTopicInput{Name: aws.String("results")})
	if err != nil {
		t.Fatal(err)
	}
	s.metrics = metric.New(&s.counted, s.cfg.StartedByPrefix, s.time)
	s.reporter = report.New(s.ledger, notify.New(topics, *topic.TopicArn, ""), s.metrics, slog.New(slog.DiscardHandler))
	s.launcher = s.another()
	if _, err := s.ecs.CreateCluster(t.Context(), &ecs.CreateClusterInput{ClusterName: aws.String("jobs")}); err != nil {
		t.Fatal(err)
	}
	s.register(t, "billing", "app", "metrics")
	s.register(t, "sample", "app")
	s.wire.take()
	return s
}

// another is a launcher that has been told nothing yet.
func (s *stack) another() *launch.Launcher {
	return launch.New(s.ecs, s.ledger, s.reporter, s.metrics, s.cfg, slog.New(slog.DiscardHandler))
}

// quick does not wait between the SDK's own retries.
func quick() aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return 0, nil })
		o.RateLimiter = unlimited{}
	})
}

// unlimited lets a client try again however often it has.
type unlimited struct{}

func (unlimited) GetToken(context.Context, uint) (func() error, error) {
	return func() error { return nil }, nil
}
func (unlimited) AddTokens(uint) error { return nil }

func (s *stack) time() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

func (s *stack) pass(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = s.now.Add(d)
}

func (s *stack) register(t testing.TB, family string, containers ...string) {
	t.Helper()
	in := &ecs.RegisterTaskDefinitionInput{Family: &family, NetworkMode: types.NetworkModeAwsvpc, Cpu: aws.String("256"), Memory: aws.String("512")}
	for _, name := range containers {
		in.ContainerDefinitions = append(in.ContainerDefinitions, types.ContainerDefinition{
			Name: aws.String(name), Image: aws.String("local"), Command: []string{"sleep", "60"}, StopTimeout: aws.Int32(2),
		})
	}
	if _, err := s.ecs.RegisterTaskDefinition(t.Context(), in); err != nil {
		t.Fatal(err)
	}
}

// invoke hands a payload to the launcher as Lambda does, without a deadline: the
// launcher then takes it to be a minute ahead.
func (s *stack) invoke(t testing.TB, payload string) (launch.Answer, error) {
	t.Helper()
	return s.invokeAs(t, "request-1", payload)
}

func (s *stack) invokeAs(t testing.TB, request, payload string) (launch.Answer, error) {
	t.Helper()
	return s.launcher.Handle(invocation(t.Context(), request), json.RawMessage(payload))
}

func invocation(ctx context.Context, request string) context.Context {
	return lambdacontext.NewContext(ctx, &lambdacontext.LambdaContext{AwsRequestID: request})
}

// within is an invocation that has so long.
func (s *stack) within(t testing.TB, d time.Duration, payload string) (launch.Answer, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	return s.launcher.Handle(invocation(ctx, "request-1"), json.RawMessage(payload))
}

func (s *stack) task(t *testing.T, arn string) types.Task {
	t.Helper()
	out, err := s.ecs.DescribeTasks(t.Context(), &ecs.DescribeTasksInput{Cluster: aws.String("jobs"), Tasks: []string{arn}, Include: []types.TaskField{types.TaskFieldTags}})
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Tasks) != 1 {
		t.Fatalf("task %s: %v", arn, out.Failures)
	}
	return out.Tasks[0]
}

func (s *stack) started(t *testing.T, job string) []string {
	t.Helper()
	out, err := s.ecs.ListTasks(t.Context(), &ecs.ListTasksInput{Cluster: aws.String("jobs"), StartedBy: aws.String("errand/jobs/" + job)})
	if err != nil {
		t.Fatal(err)
	}
	return out.TaskArns
}

// item is the first attempt of a run as it stands in the table, as plain values.
func (s *stack) item(t *testing.T, job, runID string) map[string]any {
	t.Helper()
	return s.itemAt(t, "run#"+job+"#"+runID, "a#01")
}

func (s *stack) itemAt(t *testing.T, pk, sk string) map[string]any {
	t.Helper()
	out, err := s.db.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: aws.String(ledgertest.Table), Key: map[string]dynamotypes.AttributeValue{
		"pk": &dynamotypes.AttributeValueMemberS{Value: pk}, "sk": &dynamotypes.AttributeValueMemberS{Value: sk},
	}})
	if err != nil {
		t.Fatal(err)
	}
	item := map[string]any{}
	for name, value := range out.Item {
		item[name] = plain(t, value)
	}
	return item
}

func plain(t *testing.T, value dynamotypes.AttributeValue) any {
	t.Helper()
	switch v := value.(type) {
	case *dynamotypes.AttributeValueMemberS:
		return v.Value
	case *dynamotypes.AttributeValueMemberN:
		n, err := strconv.ParseFloat(v.Value, 64)
		if err != nil {
			t.Fatal(err)
		}
		return n
	case *dynamotypes.AttributeValueMemberSS:
		return v.Value
	case *dynamotypes.AttributeValueMemberM:
		m := map[string]any{}
		for name, member := range v.Value {
			m[name] = plain(t, member)
		}
		return m
	}
	t.Fatalf("an attribute of type %T", value)
	return nil
}

// at is a time as the table has it.
func (s *stack) at(d time.Duration) float64 {
	return float64(s.time().Add(d).UnixMilli()) / 1000
}

// published are the results that were sent, decoded.
func (s *stack) published(t *testing.T) []map[string]any {
	t.Helper()
	var all []map[string]any
	for _, message := range s.Published() {
		var body map[string]any
		if err := json.Unmarshal([]byte(message.Body), &body); err != nil {
			t.Fatal(err)
		}
		all = append(all, body)
	}
	return all
}

// metricsCounted are the names of the metrics, in the order in which they were counted.
func (s *stack) metricsCounted(t *testing.T) []string {
	t.Helper()
	var names []string
	for line := range strings.Lines(s.counted.String()) {
		var m struct {
			AWS struct {
				CloudWatchMetrics []struct{ Metrics []struct{ Name string } }
			} `json:"_aws"`
		}
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatal(err)
		}
		names = append(names, m.AWS.CloudWatchMetrics[0].Metrics[0].Name)
	}
	return names
}

func key(job, runID string) ledger.Key { return ledger.Key{Job: job, RunID: runID, Attempt: 1} }

// limits are those of a payload without any.
var limits = ledger.Limits{Start: 30 * time.Minute}

// last is the name at the end of an ARN.
func last(arn string) string { return arn[strings.LastIndex(arn, "/")+1:] }
