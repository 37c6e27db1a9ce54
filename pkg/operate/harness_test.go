package operate_test

import (
	"context"
	"encoding/json"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	logtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/google/go-cmp/cmp"

	"errand/pkg/ledger"
	"errand/pkg/localaws"
	"errand/pkg/operate"
	"errand/pkg/payload"
	"errand/pkg/run"
)

var update = flag.Bool("update", false, "write the golden files anew")

// invocation is a call of a function.
type invocation struct{ Function, Type, Payload string }

// stack is a stack on an embedded endpoint, whose functions are the tests' own.
type stack struct {
	*operate.Stack
	server  *localaws.Server
	cfg     aws.Config
	ledger  *ledger.Ledger
	outputs map[string]string
	queues  map[string]string // ARNs

	// answer is what a function answers; an answer that begins with ! is an error.
	answer func(invocation) string
	denied string // an operation that is denied

	mu    sync.Mutex
	now   time.Time
	calls []invocation
}

// now is when the tests are, to begin with.
var now = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)

const (
	table   = "errand-Ledger-1A2B3C"
	account = "123456789012"
	cluster = "arn:aws:ecs:eu-west-1:" + account + ":cluster/jobs"
)

func (s *stack) clock() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

func (s *stack) at(t time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = t
}

func (s *stack) invoked() []invocation {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]invocation{}, s.calls...)
}

func (s *stack) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	const functions = "/2015-03-31/functions/"
	if target := r.Header.Get("X-Amz-Target"); s.denied != "" && strings.HasSuffix(target, "."+s.denied) {
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"__type":"AccessDeniedException","message":"User: arn:aws:iam::123456789012:user/eve is not authorized to perform this"}`)
		return
	}
	if !strings.HasPrefix(r.URL.Path, functions) {
		s.server.ServeHTTP(w, r)
		return
	}
	body, _ := io.ReadAll(r.Body)
	call := invocation{strings.Split(strings.TrimPrefix(r.URL.Path, functions), "/")[0], r.Header.Get("X-Amz-Invocation-Type"), string(body)}
	s.mu.Lock()
	s.calls = append(s.calls, call)
	s.mu.Unlock()
	if call.Type == "Event" {
		w.WriteHeader(http.StatusAccepted)
		return
	}
	answer := s.answer(call)
	if failure, failed := strings.CutPrefix(answer, "!"); failed {
		w.Header().Set("X-Amz-Function-Error", "Unhandled")
		answer = `{"errorMessage":` + quote(failure) + `}`
	}
	_, _ = io.WriteString(w, answer)
}

func quote(text string) string {
	raw, _ := json.Marshal(text)
	return string(raw)
}

// start makes a stack with an empty ledger.
func start(t *testing.T, change ...func(*stack)) *stack {
	t.Helper()
	server, err := localaws.Start(localaws.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	s := &stack{server: server, cfg: server.Config(), now: now, queues: map[string]string{}}
	front := httptest.NewServer(s)
	t.Cleanup(front.Close)
	s.cfg.BaseEndpoint = &front.URL
	s.outputs = map[string]string{
		"TableName": table, "LauncherFunctionName": "errand-launcher", "CollectorFunctionName": "errand-collector", "ExecutorFunctionName": "errand-executor",
		"OperatorPolicyArn": "arn:aws:iam::123456789012:policy/errand-operator", "ReaderPolicyArn": "arn:aws:iam::123456789012:policy/errand-reader",
	}
	for name, output := range map[string]string{
		"schedule": "ScheduleDeadLettersUrl", "rule": "RuleDeadLettersUrl", "launcher": "LauncherDeadLettersUrl", "collector": "CollectorDeadLettersUrl",
	} {
		if s.outputs[output], s.queues[name], err = server.AddQueue(name); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := ecs.NewFromConfig(s.cfg).CreateCluster(t.Context(), &ecs.CreateClusterInput{ClusterName: aws.String("jobs")}); err != nil {
		t.Fatal(err)
	}
	db := dynamodb.NewFromConfig(s.cfg)
	if _, err := db.CreateTable(t.Context(), ledger.Table(table)); err != nil {
		t.Fatal(err)
	}
	s.ledger = ledger.New(db, ledger.Config{Table: table, Now: s.clock})
	for _, f := range change {
		f(s)
	}
	server.AddStack("errand", s.outputs)
	s.Stack, err = operate.Open(t.Context(), s.cfg, operate.Options{Stack: "errand", By: "ada", Now: s.clock, Pace: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// taskARN is that of a task that ECS has forgotten.
func taskARN(id string) string {
	return "arn:aws:ecs:eu-west-1:" + account + ":task/jobs/" + (id + "00000000000000000000000000000000")[:32]
}

// claim is what a launcher, or the executor, does first.
func (s *stack) claim(t testing.TB, r run.Run, raw string, person string) ledger.Hold {
	t.Helper()
	d := ledger.Delivery{
		Run: r, Payload: []byte(raw), Digest: payload.Digest([]byte(raw)), Cluster: cluster, Person: person,
		Until: s.clock().Add(2 * time.Minute), Once: r.Method == run.MethodExec,
	}
	if !r.ScheduledTime.IsZero() {
		d.Schedule = "arn:aws:scheduler:eu-west-1:123456789012:schedule/errand/" + r.Job
	}
	h, ok, err := s.ledger.Claim(context.Background(), d)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	return h
}

func (s *stack) launched(t testing.TB, r run.Run, task string) {
	t.Helper()
	if _, ok, err := s.ledger.Launched(context.Background(), ledger.KeyOf(r), cluster, task, ledger.Limits{Start: 30 * time.Minute}); err != nil || !ok {
		t.Fatal(ok, err)
	}
}

// ended is everything from the verdict to the mark.
func (s *stack) ended(t testing.TB, r run.Run, task string, v ledger.Verdict) {
	t.Helper()
	ctx := context.Background()
	s.at(v.Ended.Add(3 * time.Second))
	me := ledger.Reporter{ID: "request", Until: s.clock().Add(time.Minute)}
	a, refused, err := s.ledger.Conclude(ctx, me, ledger.End{Run: r, Cluster: cluster, Task: task, Verdict: v})
	if err != nil || refused != "" {
		t.Fatal(refused, err)
	}
	s.told(t, me, a)
}

func (s *stack) told(t testing.TB, me ledger.Reporter, a ledger.Attempt) {
	t.Helper()
	if err := s.ledger.JobEnded(context.Background(), a); err != nil {
		t.Fatal(err)
	}
	if ok, err := s.ledger.Mark(context.Background(), me, a.Key, []string{"results"}); err != nil || !ok {
		t.Fatal(ok, err)
	}
}

// launchFailed is a run that the launcher refuses for good.
func (s *stack) launchFailed(t testing.TB, r run.Run, raw, why string) {
	t.Helper()
	ctx := context.Background()
	h := s.claim(t, r, raw, "")
	me := ledger.Reporter{ID: "request", Until: s.clock().Add(time.Minute)}
	if _, refused, err := s.ledger.Abandon(ctx, me, h.Key, ledger.Delivery{Run: r}, &h); err != nil || refused != "" {
		t.Fatal(refused, err)
	}
	a, ok, err := s.ledger.Decide(ctx, me, h.Key, ledger.Verdict{Status: run.LaunchFailed, Reason: why, Ended: s.clock()})
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	s.told(t, me, a)
}

func exited(status run.Status, code int, reason string, started time.Time, took time.Duration) ledger.Verdict {
	return ledger.Verdict{Status: status, ExitCode: &code, Reason: reason, Started: started, Ended: started.Add(took)}
}

func job(name, id string) run.Run {
	return run.Run{Job: name, ID: id, Attempt: 1, Method: run.MethodRunTask}
}

// nightly is the run of a day of November 2026.
func nightly(day int) run.Run {
	due := time.Date(2026, 11, day, 2, 0, 0, 0, time.UTC)
	return run.Identify(run.MethodRunTask, "billing-daily", "", due, "", "")
}

const billing = `{"job": "billing-daily", "taskDefinition": "billing:1", "command": ["./bill", "--day", "yesterday"], "environment": {"TOKEN": "hush"}, "scheduledTime": "2026-11-20T02:00:00Z"}`

// seed fills the ledger with what there is of two days.
func seed(t testing.TB, s *stack) {
	t.Helper()
	s.night(t, 18, exited(run.Succeeded, 0, "the container exited with 0", time.Date(2026, 11, 18, 2, 1, 10, 0, time.UTC), 372*time.Second))
	s.night(t, 19, exited(run.Failed, 3, "the container exited with 3", time.Date(2026, 11, 19, 2, 1, 9, 0, time.UTC), 453*time.Second))
	s.night(t, 20, exited(run.Failed, 137, "the container was killed (exit code 137); the task definition gives it 512 MiB of memory, which may not be enough for what it does", time.Date(2026, 11, 20, 2, 1, 12, 0, time.UTC), 2*time.Hour+5*time.Minute))
	r := nightly(21)
	s.at(r.ScheduledTime.Add(2 * time.Second))
	s.launchFailed(t, r, billing, "ECS refused the task: ClientException: TaskDefinition is inactive")

	s.at(time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC))
	clear := run.Run{Job: "cache-clear", ID: "r-1", Attempt: 1, Method: run.MethodExec}
	s.claim(t, clear, `{"job": "cache-clear", "service": "web", "command": ["bin/cache", "clear"], "runId": "r-1"}`, "grace")
	s.ended(t, clear, "", exited(run.Succeeded, 0, "the command exited with 0", s.clock(), 1400*time.Millisecond))

	s.at(time.Date(2026, 11, 22, 9, 57, 0, 0, time.UTC))
	s.claim(t, job("import", "r-1"), `{"job": "import", "runId": "r-1"}`, "")
	s.launched(t, job("import", "r-1"), taskARN("1f"))
	s.at(time.Date(2026, 11, 22, 9, 58, 0, 0, time.UTC))
	h := s.claim(t, job("import", "r-2"), `{"job": "import", "runId": "r-2"}`, "")
	if ok, err := s.ledger.NoRoom(context.Background(), h, true, "RESOURCE:MEMORY", now.Add(30*time.Second)); err != nil || !ok {
		t.Fatal(ok, err)
	}
	s.claim(t, job("a-job-whose-name-is-as-long-as-the-name-of-a-job-can-be-not-more", "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9"), `{}`, "")
	s.at(now)
}

func (s *stack) night(t testing.TB, day int, v ledger.Verdict) {
	t.Helper()
	r := nightly(day)
	s.at(r.ScheduledTime.Add(2 * time.Second))
	s.claim(t, r, billing, "")
	task := taskARN(r.ScheduledTime.Format("20060102"))
	s.launched(t, r, task)
	s.ended(t, r, task, v)
}

// define registers billing:1, and writes the log of a task of it.
func (s *stack) define(t testing.TB, id string, lines ...string) {
	t.Helper()
	const group = "/ecs/billing"
	stream := "ecs/app/" + run.LastPart(taskARN(id))
	if _, err := ecs.NewFromConfig(s.cfg).RegisterTaskDefinition(context.Background(), &ecs.RegisterTaskDefinitionInput{
		Family: aws.String("billing"), Cpu: aws.String("256"), Memory: aws.String("512"), NetworkMode: types.NetworkModeAwsvpc,
		RequiresCompatibilities: []types.Compatibility{types.CompatibilityFargate}, ExecutionRoleArn: aws.String("arn:aws:iam::123456789012:role/execution"),
		ContainerDefinitions: []types.ContainerDefinition{{
			Name: aws.String("app"), Image: aws.String("local"),
			LogConfiguration: &types.LogConfiguration{LogDriver: types.LogDriverAwslogs, Options: map[string]string{
				"awslogs-group": group, "awslogs-region": "eu-west-1", "awslogs-stream-prefix": "ecs",
			}},
		}},
	}); err != nil {
		t.Fatal(err)
	}
	logs := cloudwatchlogs.NewFromConfig(s.cfg)
	if _, err := logs.CreateLogGroup(context.Background(), &cloudwatchlogs.CreateLogGroupInput{LogGroupName: aws.String(group)}); err != nil {
		t.Fatal(err)
	}
	if _, err := logs.CreateLogStream(context.Background(), &cloudwatchlogs.CreateLogStreamInput{LogGroupName: aws.String(group), LogStreamName: &stream}); err != nil {
		t.Fatal(err)
	}
	in := &cloudwatchlogs.PutLogEventsInput{LogGroupName: aws.String(group), LogStreamName: &stream}
	for _, line := range lines {
		in.LogEvents = append(in.LogEvents, logtypes.InputLogEvent{Message: aws.String(line), Timestamp: aws.Int64(time.Now().UnixMilli())})
	}
	if len(lines) == 0 {
		return
	}
	if _, err := logs.PutLogEvents(context.Background(), in); err != nil {
		t.Fatal(err)
	}
}

// golden compares a document, as text of 80 columns and as JSON, with its files.
func golden(t *testing.T, name string, d operate.Document) {
	t.Helper()
	for ending, got := range map[string]string{".txt": d.Text(operate.Style{Width: 80}), ".json": operate.JSON(d)} {
		file := filepath.Join("testdata", name+ending)
		if *update {
			if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", file, diff)
		}
	}
}

func fails(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || err.Error() != want {
		t.Errorf("got the error\n%v\nwant\n%s", err, want)
	}
}
