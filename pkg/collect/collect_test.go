package collect_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	logstypes "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/google/go-cmp/cmp"

	"errand/pkg/collect"
	"errand/pkg/ledger"
	"errand/pkg/localaws"
	"errand/pkg/metric"
	"errand/pkg/report"
	"errand/pkg/result"
)

const (
	group  = "/ecs/billing"
	stream = "ecs/app/7b3a9c51e0f24d7f9a6d0c2e8b41f5d3"
)

// write puts lines into the run's log stream, making what is missing.
func (s *stack) write(t testing.TB, lines ...string) {
	t.Helper()
	ctx := t.Context()
	_, _ = s.logs.CreateLogGroup(ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: aws.String(group)})
	_, _ = s.logs.CreateLogStream(ctx, &cloudwatchlogs.CreateLogStreamInput{LogGroupName: aws.String(group), LogStreamName: aws.String(stream)})
	now := time.Now().UnixMilli()
	for len(lines) > 0 {
		batch := lines[:min(len(lines), 1000)]
		lines = lines[len(batch):]
		in := &cloudwatchlogs.PutLogEventsInput{LogGroupName: aws.String(group), LogStreamName: aws.String(stream)}
		for _, line := range batch {
			in.LogEvents = append(in.LogEvents, logstypes.InputLogEvent{Message: aws.String(line), Timestamp: &now})
		}
		if _, err := s.logs.PutLogEvents(ctx, in); err != nil {
			t.Fatal(err)
		}
	}
}

func event(t testing.TB, name string) json.RawMessage {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("../../events/collector", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return json.RawMessage(strings.ReplaceAll(string(raw), "billing:42", "billing:1"))
}

// published is the part of the JSON form that the tests look at.
type published struct {
	Job, RunID, Status, Outcome, Reason, Container, Cluster, Method string
	Attempt                                                         int
	ExitCode                                                        *int
	Command                                                         []string
	Containers                                                      []struct {
		Name      string
		ExitCode  *int
		Essential *bool
	}
	Log *struct {
		Status, Note, Group, Stream, Region, URL string
		Lines                                    []string
		Truncated, Settled                       *bool
	}
}

// handle gives an event to the collector and returns the one result.
func (s *stack) handle(t testing.TB, raw json.RawMessage) published {
	t.Helper()
	before := len(s.Published())
	if err := s.collector.Handle(t.Context(), raw); err != nil {
		t.Fatal(err)
	}
	messages := s.Published()[before:]
	if len(messages) != 2 {
		t.Fatalf("%d messages, want one per topic", len(messages))
	}
	var got published
	for _, m := range messages {
		if m.Subject != messages[0].Subject || m.Subject == "" {
			t.Errorf("%s has the subject %q, want one for both topics", m.TopicARN, m.Subject)
		}
		if m.TopicARN == s.text {
			continue
		}
		if err := json.Unmarshal([]byte(m.Body), &got); err != nil {
			t.Fatal(err)
		}
		want := map[string]localaws.Attribute{
			"status": {Type: "String", Value: got.Status}, "outcome": {Type: "String", Value: got.Outcome},
			"method": {Type: "String", Value: got.Method},
		}
		for name, value := range map[string]string{"job": got.Job, "cluster": got.Cluster} {
			if value != "" { // SNS refuses empty values
				want[name] = localaws.Attribute{Type: "String", Value: value}
			}
		}
		if got.ExitCode != nil {
			want["exitCode"] = localaws.Attribute{Type: "Number", Value: fmt.Sprint(*got.ExitCode)}
		}
		if diff := cmp.Diff(want, m.Attributes); diff != "" {
			t.Errorf("attributes (-want +got):\n%s", diff)
		}
	}
	return got
}

func TestReportsARun(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.write(t, "loading rates", "\x1b[31mFATAL\x1b[0m rate table is empty")
	got := s.handle(t, event(t, "failed"))
	if got.Job != "billing-daily" || got.RunID != "billing-daily-20261120T020000Z" || got.Attempt != 1 || got.Status != "FAILED" || got.Container != "app" {
		t.Errorf("got %+v", got)
	}
	if diff := cmp.Diff([]string{"./bill", "--day", "2026-11-19"}, got.Command); diff != "" {
		t.Errorf("command (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"loading rates", "FATAL rate table is empty"}, got.Log.Lines); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
	if got.Log.Status != "ok" || *got.Log.Truncated || !*got.Log.Settled || got.Log.Group != group || got.Log.Stream != stream || got.Log.Region != "eu-west-1" {
		t.Errorf("log %+v", got.Log)
	}
	if want := "https://eu-west-1.console.aws.amazon.com/cloudwatch/home?region=eu-west-1#logsV2:log-groups/log-group/$252Fecs$252Fbilling/log-events/ecs$252Fapp$252F7b3a9c51e0f24d7f9a6d0c2e8b41f5d3"; got.Log.URL != want {
		t.Errorf("url %s", got.Log.URL)
	}
	if len(got.Containers) != 2 || !*got.Containers[0].Essential || *got.Containers[1].Essential {
		t.Errorf("containers %+v", got.Containers)
	}
}

// Every sample event, and all that is made of it.
func TestEverySample(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../events/collector/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	s := start(t)
	s.write(t, "loading rates", "FATAL rate table is empty")
	for _, file := range files {
		s.fresh(t) // the samples are all of one run
		before := len(s.Published())
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		if err := s.collector.Handle(t.Context(), event(t, name)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		var got strings.Builder
		for _, m := range s.Published()[before:] {
			if m.TopicARN == s.text {
				got.WriteString("Subject: " + m.Subject + "\n\n" + m.Body)
				continue
			}
			body := reportedAt.ReplaceAllString(m.Body, `"reportedAt":"2026-11-20T02:08:04Z"`)
			got.WriteString("Subject: " + m.Subject + "\n\n" + strings.ReplaceAll(body, `,"`, ",\n\"") + "\n\n")
		}
		golden := filepath.Join("testdata", name+".golden")
		if *update {
			if err := os.WriteFile(golden, []byte(got.String()), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// reportedAt is the one time in a result that is not the event's.
var reportedAt = regexp.MustCompile(`"reportedAt":"[^"]*"`)

var update = flag.Bool("update", false, "write the golden files")

// Without a prefix, Docker on EC2 names the stream by the container's id.
func TestStreamWithoutPrefix(t *testing.T) {
	t.Parallel()
	s := start(t, func(c *types.ContainerDefinition, _ *collect.Config) {
		delete(c.LogConfiguration.Options, "awslogs-stream-prefix")
	})
	if got := s.handle(t, event(t, "failed")); got.Log.Stream != "7b3a9c51e0f24d7f9a6d0c2e8b41f5d3-1733940215" {
		t.Errorf("log %+v", got.Log)
	}
}

// pages are the answers of GetLogEvents, one after another, the last for ever.
type pages struct {
	list []cloudwatchlogs.GetLogEventsOutput
	asks int
}

func (p *pages) GetLogEvents(_ context.Context, in *cloudwatchlogs.GetLogEventsInput, _ ...func(*cloudwatchlogs.Options)) (*cloudwatchlogs.GetLogEventsOutput, error) {
	page := p.list[min(p.asks, len(p.list)-1)]
	p.asks++
	if page.NextBackwardToken == nil {
		page.NextBackwardToken = in.NextToken
	}
	return &page, nil
}

func TestOddPages(t *testing.T) {
	t.Parallel()
	at := func(ms int64, message string) logstypes.OutputLogEvent {
		return logstypes.OutputLogEvent{Timestamp: &ms, Message: &message}
	}
	page := func(events ...logstypes.OutputLogEvent) cloudwatchlogs.GetLogEventsOutput {
		return cloudwatchlogs.GetLogEventsOutput{Events: events}
	}
	empty := cloudwatchlogs.GetLogEventsOutput{NextBackwardToken: aws.String("b/1")}
	endless := make([]cloudwatchlogs.GetLogEventsOutput, 100_000)
	for i := range endless {
		endless[i].NextBackwardToken = aws.String(fmt.Sprintf("b/%d", i))
	}
	for _, tc := range []struct {
		name  string
		pages []cloudwatchlogs.GetLogEventsOutput
		want  []string
		more  bool
		err   bool
	}{
		{"out of order", []cloudwatchlogs.GetLogEventsOutput{page(at(2, "two"), at(1, "one"))}, []string{"one", "two"}, false, false},
		{"several lines in an event", []cloudwatchlogs.GetLogEventsOutput{page(at(1, "Traceback\n  at x\n"), at(2, "end"))}, []string{"Traceback", "  at x", "end"}, false, false},
		{"an empty page before the events", []cloudwatchlogs.GetLogEventsOutput{empty, page(at(1, "one")), empty, page(at(1, "one"))}, []string{"one"}, false, false},
		{"a page that is full by its size", []cloudwatchlogs.GetLogEventsOutput{page(at(1, strings.Repeat("x", 1<<20)))}, []string{strings.Repeat("x", 1<<20)}, true, false},
		{"empty pages for ever", endless, nil, false, true},
		{"events without anything", []cloudwatchlogs.GetLogEventsOutput{page(logstypes.OutputLogEvent{}, at(1, "one"))}, []string{"", "one"}, false, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			var got result.Result
			c := collect.New(ecs.NewFromConfig(s.Config()), &pages{list: tc.pages}, s.book, s.telling(func(r result.Result) error { got = r; return nil }),
				collect.Config{StartedByPrefix: "errand/jobs/", LogLines: 50, LogWait: time.Millisecond}, slog.New(slog.DiscardHandler))
			if err := c.Handle(t.Context(), event(t, "failed")); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got.Log.Lines); diff != "" {
				t.Errorf("lines (-want +got):\n%.200s", diff)
			}
			if tc.err != (got.Log.Status == result.LogError) || !tc.err && *got.Log.Truncated != tc.more {
				t.Errorf("log %+v", got.Log.Status)
			}
		})
	}
}

// publisher is a single topic.
type publisher func(result.Result) error

func (p publisher) Topics() []string { return []string{"results"} }

func (p publisher) Publish(_ context.Context, _ string, r result.Result, _ func()) error {
	return p(r)
}

// telling is a Reporter with a publisher of the test's.
func (s *stack) telling(p publisher) *report.Reporter {
	return report.New(s.book, p, metric.New(s.metrics, s.cfg.StartedByPrefix, time.Now), slog.New(slog.DiscardHandler))
}

// Containers that AWS injects are no containers of the job.
func TestLeavesInjectedContainersOut(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.write(t, "done")
	if got := s.handle(t, event(t, "injected-container")); got.Status != "SUCCEEDED" || len(got.Containers) != 1 || got.Containers[0].Name != "app" {
		t.Errorf("got %+v", got)
	}
}

// A warm function reports two runs: a log is read once, a revision described once, and nothing of the first run is in the second's result.
func TestTwoRunsOnAWarmFunction(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.write(t, "line of the first run")
	s.handle(t, event(t, "failed"))
	second := strings.NewReplacer("7b3a9c51e0f24d7f9a6d0c2e8b41f5d3", "0123456789abcdef0123456789abcdef", "billing-daily-2026", "other-2026").Replace(string(event(t, "succeeded")))
	if _, err := s.logs.CreateLogStream(t.Context(), &cloudwatchlogs.CreateLogStreamInput{
		LogGroupName: aws.String(group), LogStreamName: aws.String("ecs/app/0123456789abcdef0123456789abcdef"),
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.logs.PutLogEvents(t.Context(), &cloudwatchlogs.PutLogEventsInput{
		LogGroupName: aws.String(group), LogStreamName: aws.String("ecs/app/0123456789abcdef0123456789abcdef"),
		LogEvents: []logstypes.InputLogEvent{{Message: aws.String("line of the second run"), Timestamp: aws.Int64(time.Now().UnixMilli())}},
	}); err != nil {
		t.Fatal(err)
	}
	reads, publishes := s.Calls("GetLogEvents"), s.Calls("Publish")
	got := s.handle(t, json.RawMessage(second))
	if diff := cmp.Diff([]string{"line of the second run"}, got.Log.Lines); diff != "" {
		t.Errorf("lines of the second run (-want +got):\n%s", diff)
	}
	for _, message := range s.Published()[2:] {
		if strings.Contains(message.Body, "first run") {
			t.Errorf("the first run's log is in the second's message:\n%s", message.Body)
		}
	}
	if got.RunID != "other-20261120T020000Z" || got.ExitCode == nil || *got.ExitCode != 0 {
		t.Errorf("got %+v", got)
	}
	if n := s.Calls("GetLogEvents") - reads; n != 2 {
		t.Errorf("%d pages of a log of one line, want it and the one that says that there is none before it", n)
	}
	if n := s.Calls("Publish") - publishes; n != 2 {
		t.Errorf("%d publications, want one per topic", n)
	}
	if n := s.Calls("DescribeTaskDefinition"); n != 1 {
		t.Errorf("the revision was described %d times", n)
	}
}

func TestIgnoresWhatIsNotOurs(t *testing.T) {
	t.Parallel()
	s := start(t)
	for _, name := range []string{"deprovisioning", "spot-warning", "other-stack", "service-task"} {
		if err := s.collector.Handle(t.Context(), event(t, name)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := s.collector.Handle(t.Context(), json.RawMessage(`{"source": "aws.ecs", "detail-type": "ECS Deployment State Change", "detail": {}}`)); err != nil {
		t.Error(err)
	}
	for _, operation := range []string{"GetLogEvents", "Publish", "DescribeTaskDefinition"} {
		want := 0
		if n := s.Calls(operation); n != want {
			t.Errorf("%s was called %d times", operation, n)
		}
	}
	if err := s.collector.Handle(t.Context(), json.RawMessage(`[]`)); err == nil {
		t.Error("an event that cannot be read is not an error, and so is lost")
	}
}

// Whatever keeps the log from being read, the verdict is published and says so.
func TestLogStatus(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		event   string
		change  func(*types.ContainerDefinition, *collect.Config)
		prepare func(*testing.T, *stack)
		status  string
		note    string
		unnamed bool // no group and stream
	}{
		{name: "empty", prepare: func(t *testing.T, s *stack) { s.write(t) }, status: "empty"},
		{name: "no stream", prepare: func(t *testing.T, s *stack) {
			if _, err := s.logs.CreateLogGroup(t.Context(), &cloudwatchlogs.CreateLogGroupInput{LogGroupName: aws.String(group)}); err != nil {
				t.Fatal(err)
			}
		}, status: "missing", note: "log stream does not exist"},
		{name: "no group", status: "missing", note: "log group does not exist"},
		{name: "the container never ran", event: "cannot-pull", status: "missing", note: "log group does not exist"},
		{name: "another driver", change: func(c *types.ContainerDefinition, _ *collect.Config) {
			c.LogConfiguration = &types.LogConfiguration{LogDriver: types.LogDriverAwsfirelens}
		}, status: "unsupported", note: "awsfirelens", unnamed: true},
		{name: "no driver", change: func(c *types.ContainerDefinition, _ *collect.Config) { c.LogConfiguration = nil }, status: "unsupported", note: "none", unnamed: true},
		{name: "denied", prepare: func(_ *testing.T, s *stack) {
			s.Inject(localaws.Fault{Operation: "GetLogEvents", Code: "AccessDeniedException", Message: "not authorized to perform: logs:GetLogEvents", Times: 100})
		}, status: "denied", note: "AccessDeniedException: not authorized to perform: logs:GetLogEvents; LogGroups lacks " + group},
		{name: "denied for its key", prepare: func(_ *testing.T, s *stack) {
			s.Inject(localaws.Fault{Operation: "GetLogEvents", Code: "AccessDeniedException", Message: "The specified KMS key is not allowed", Times: 100})
		}, status: "denied", note: "AccessDeniedException: The specified KMS key is not allowed"},
		{name: "broken", prepare: func(_ *testing.T, s *stack) {
			s.Inject(localaws.Fault{Operation: "GetLogEvents", Code: "InvalidParameterException", Message: "bad", Times: 100000})
		}, status: "error", note: "InvalidParameterException: bad"},
		{name: "a task definition that ECS no longer shows", prepare: func(_ *testing.T, s *stack) {
			s.Inject(localaws.Fault{Operation: "DescribeTaskDefinition", Code: "ClientException", Message: "Unable to describe task definition.", Times: 100})
		}, status: "error", note: "DescribeTaskDefinition, which tells where the log is: ClientException: Unable to describe", unnamed: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			change := tc.change
			if change == nil {
				change = func(*types.ContainerDefinition, *collect.Config) {}
			}
			s := start(t, change)
			if tc.prepare != nil {
				tc.prepare(t, s)
			}
			name, wantStatus := "failed", "FAILED"
			if tc.event != "" {
				name, wantStatus = tc.event, "START_FAILED"
			}
			got := s.handle(t, event(t, name))
			if got.Status != wantStatus || got.Log == nil || got.Log.Status != tc.status || !strings.Contains(got.Log.Note, tc.note) || got.Log.Lines != nil {
				t.Errorf("status %s, log %+v; want %s, note %q", got.Status, got.Log, tc.status, tc.note)
			}
			if unnamed := got.Log.Group == "" && got.Log.Stream == ""; unnamed != tc.unnamed {
				t.Errorf("group %q, stream %q", got.Log.Group, got.Log.Stream)
			}
		})
	}
}

func TestHowManyLines(t *testing.T) {
	t.Parallel()
	lines := make([]string, 60)
	for i := range lines {
		lines[i] = fmt.Sprintf("line %d", i)
	}
	withLogLines := func(t *testing.T, n string) json.RawMessage {
		return json.RawMessage(strings.Replace(string(event(t, "failed")), `"name": "ERRAND_ATTEMPT"`, `"name": "ERRAND_LOG_LINES", "value": "`+n+`"}, {"name": "ERRAND_ATTEMPT"`, 1))
	}
	s := start(t)
	s.write(t, lines...)
	for _, tc := range []struct {
		name      string
		event     json.RawMessage
		want      []string
		truncated bool
	}{
		{"the stack's number", event(t, "failed"), lines[10:], true},
		{"the run's own number", withLogLines(t, "3"), lines[57:], true},
		{"exactly as many as there are", withLogLines(t, "60"), lines, false},
		{"none", withLogLines(t, "0"), nil, true},
	} {
		s.fresh(t)
		got := s.handle(t, tc.event)
		if diff := cmp.Diff(tc.want, got.Log.Lines); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, diff)
		}
		if got.Log.Status != "ok" || *got.Log.Truncated != tc.truncated {
			t.Errorf("%s: log status %s, truncated %v", tc.name, got.Log.Status, *got.Log.Truncated)
		}
	}
}

// The log group may be in another Region than the task.
func TestReadsTheLogInItsOwnRegion(t *testing.T) {
	t.Parallel()
	s := start(t, func(c *types.ContainerDefinition, _ *collect.Config) {
		c.LogConfiguration.Options["awslogs-region"] = "eu-central-1"
	})
	s.write(t, "here")
	if got := s.handle(t, event(t, "failed")); got.Log.Region != "eu-central-1" || !strings.Contains(got.Log.URL, "https://eu-central-1.console") {
		t.Errorf("log %+v", got.Log)
	}
	if !strings.Contains(s.wire.last["GetLogEvents"], "/eu-central-1/logs/aws4_request") {
		t.Errorf("GetLogEvents was signed as %s", s.wire.last["GetLogEvents"])
	}
}

// A task without the variables is reported too; its container is the only one
// of the definition, and if there is none to be sure of, that is said.
func TestTaskStartedByHand(t *testing.T) {
	t.Parallel()
	s := start(t)
	if got := s.handle(t, event(t, "started-by-hand")); got.Status != "LOST" || got.Job != "billing-daily" || !strings.Contains(got.Reason, "ERRAND_RUN_ID") {
		t.Errorf("got %+v", got)
	}
}

// A publication that fails is an error, so that Lambda's retry and the
// dead-letter queue see it; the other topic is told all the same.
func TestFailedPublicationIsAnError(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.write(t, "x")
	s.Inject(localaws.Fault{Operation: "Publish", Code: "AuthorizationError", Message: "no", Status: 403})
	err := s.collector.Handle(t.Context(), event(t, "failed"))
	if err == nil || !strings.Contains(err.Error(), "publish the result to arn:aws:sns:eu-west-1:123456789012:results:") {
		t.Errorf("got %v", err)
	}
	if messages := s.Published(); len(messages) != 1 || messages[0].TopicARN != s.text {
		t.Errorf("published %+v", messages)
	}
}

// KMS throttling is SNS's error that the SDK does not try again by itself.
func TestThrottledPublicationIsTriedAgain(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.Inject(localaws.Fault{Operation: "Publish", Code: "KMSThrottling", Message: "slow down"})
	s.handle(t, event(t, "launch-failed"))
	if n := s.Calls("Publish"); n != 3 {
		t.Errorf("%d calls of Publish, want 3", n)
	}
}

// What Lambda gave up is a run that was not launched.
func TestFailedLaunch(t *testing.T) {
	t.Parallel()
	s := start(t)
	handle := func(t *testing.T, raw json.RawMessage) published {
		t.Helper()
		s.fresh(t) // all are of one run
		return s.handle(t, raw)
	}
	got := handle(t, event(t, "launch-failed"))
	want := "ECS could not place the task: RESOURCE:MEMORY (given up after 3 attempts)"
	if got.Status != "LAUNCH_FAILED" || got.Job != "billing-daily" || got.RunID != "billing-daily-20261120T020000Z" || got.Reason != want {
		t.Errorf("got %+v", got)
	}
	command := strings.NewReplacer("jobs-launcher", "jobs-ExecutorFunction-1A2B3C", `"job": `, `"service": "web", "job": `).Replace(string(event(t, "launch-failed")))
	lost := handle(t, json.RawMessage(command))
	if lost.Status != "LOST" || !strings.HasPrefix(lost.Reason, "the executor failed, and the command may have run: ") {
		t.Errorf("an executor that died gives %+v", lost)
	}
	old := strings.ReplaceAll(command, "RetriesExhausted", "EventAgeExceeded")
	if got := handle(t, json.RawMessage(old)); got.Status != "START_FAILED" || got.Method != "exec" {
		t.Errorf("an executor that was never run gives %+v", got)
	}
	rejected := handle(t, json.RawMessage(strings.Replace(string(event(t, "launch-failed")), `"command"`, `"comand"`, 1)))
	if rejected.Status != "REJECTED" || rejected.Reason != "comand: unknown field, did you mean command?" {
		t.Errorf("a refusal that could not be published gives %+v", rejected)
	}
	for _, tc := range []struct{ response, status string }{
		{`{"errorMessage": "it is not known", "errorType": "Uncertain"}`, "LOST"},
		{`{"errorMessage": "2026-11-20T02:02:00Z e4b46cbf Task timed out after 120.00 seconds"}`, "LOST"},
		{`{"errorMessage": "RequestId: e4b46cbf Error: Runtime exited with error: signal: killed", "errorType": "Runtime.ExitError"}`, "LOST"},
		{`{"errorMessage": "RequestId: e4b46cbf Error: Runtime exited with error: exit status 1", "errorType": "Runtime.ExitError"}`, "LAUNCH_FAILED"},
		{`{"errorMessage": "ECS would not run billing:1 in cluster jobs: ThrottlingException: Rate exceeded", "errorType": "wrapError"}`, "LAUNCH_FAILED"},
	} {
		raw := `{"requestContext": {"requestId": "r-1", "functionArn": "arn:aws:lambda:eu-west-1:123456789012:function:jobs-launcher", "condition": "RetriesExhausted"}, "requestPayload": {"job": "j"}, "responsePayload": ` + tc.response + `}`
		if got := handle(t, json.RawMessage(raw)); got.Status != tc.status {
			t.Errorf("%s gives %s, want %s", tc.response, got.Status, tc.status)
		}
	}
	for name, record := range map[string]string{
		"too old, never run":     `{"requestContext": {"requestId": "r-1", "condition": "EventAgeExceeded"}, "requestPayload": {"job": "j"}, "responsePayload": null}`,
		"an answer of any form":  `{"requestContext": {"requestId": "r-1", "condition": "RetriesExhausted"}, "requestPayload": {"job": "j"}, "responsePayload": "text"}`,
		"a payload of any form":  `{"requestContext": {"requestId": "r-1", "condition": "RetriesExhausted"}, "requestPayload": [1], "responsePayload": {}}`,
		"a payload that is null": `{"requestContext": {"requestId": "r-1", "condition": "RetriesExhausted"}, "requestPayload": null}`,
	} {
		if got := handle(t, json.RawMessage(record)); got.Outcome != "failure" || got.RunID != "r-1" || got.Reason == "" {
			t.Errorf("%s: got %+v", name, got)
		}
	}
}

// The function's deadline leaves time to publish, however slow the log is.
func TestDeadlineLeavesTimeToPublish(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.write(t, "x")
	s.Inject(localaws.Fault{Operation: "GetLogEvents", Delay: time.Hour})
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if err := s.collector.Handle(ctx, event(t, "failed")); err != nil {
		t.Fatal(err)
	}
	if got := s.Published()[0]; !strings.Contains(got.Body, `"status":"FAILED"`) || !strings.Contains(got.Body, `"log":{"status":"error"`) {
		t.Errorf("published %s", got.Body)
	}
}

// still answers like AWS for a log of 1,000 lines, without HTTP in between.
type still struct {
	page       *cloudwatchlogs.GetLogEventsOutput
	definition *ecs.DescribeTaskDefinitionOutput
}

func (s still) GetLogEvents(context.Context, *cloudwatchlogs.GetLogEventsInput, ...func(*cloudwatchlogs.Options)) (*cloudwatchlogs.GetLogEventsOutput, error) {
	return s.page, nil
}

func (s still) DescribeTaskDefinition(context.Context, *ecs.DescribeTaskDefinitionInput, ...func(*ecs.Options)) (*ecs.DescribeTaskDefinitionOutput, error) {
	return s.definition, nil
}

// DescribeTasks and ListTasks are never called.
func (s still) DescribeTasks(context.Context, *ecs.DescribeTasksInput, ...func(*ecs.Options)) (*ecs.DescribeTasksOutput, error) {
	return nil, errors.ErrUnsupported
}

func (s still) ListTasks(context.Context, *ecs.ListTasksInput, ...func(*ecs.Options)) (*ecs.ListTasksOutput, error) {
	return nil, errors.ErrUnsupported
}

// The answers of a table to an end like the one before, without HTTP in between.
func (s still) UpdateItem(context.Context, *dynamodb.UpdateItemInput, ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error) {
	text := func(s string) dbtypes.AttributeValue { return &dbtypes.AttributeValueMemberS{Value: s} }
	return &dynamodb.UpdateItemOutput{Attributes: map[string]dbtypes.AttributeValue{
		"pk": text("run#billing-daily#billing-daily-20261120T020000Z"), "sk": text("a#01"), "state": text("LAUNCHED"),
	}}, nil
}

func (s still) GetItem(context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error) {
	return nil, errors.ErrUnsupported
}

func (s still) BatchGetItem(context.Context, *dynamodb.BatchGetItemInput, ...func(*dynamodb.Options)) (*dynamodb.BatchGetItemOutput, error) {
	return nil, errors.ErrUnsupported
}

func (s still) Query(context.Context, *dynamodb.QueryInput, ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error) {
	return nil, errors.ErrUnsupported
}

func thousand(r result.Result) error {
	if len(r.Log.Lines) != 1000 {
		return fmt.Errorf("%d lines", len(r.Log.Lines))
	}
	return nil
}

// described is the definition of a container that logs.
func described() *ecs.DescribeTaskDefinitionOutput {
	return &ecs.DescribeTaskDefinitionOutput{
		TaskDefinition: &types.TaskDefinition{ContainerDefinitions: []types.ContainerDefinition{{
			Name: aws.String("app"),
			LogConfiguration: &types.LogConfiguration{LogDriver: types.LogDriverAwslogs, Options: map[string]string{
				"awslogs-group": group, "awslogs-region": "eu-west-1", "awslogs-stream-prefix": "ecs",
			}},
		}}},
	}
}

func BenchmarkEventToResult(b *testing.B) {
	aws1000 := still{page: &cloudwatchlogs.GetLogEventsOutput{}, definition: described()}
	for i := range 1000 {
		aws1000.page.Events = append(aws1000.page.Events, logstypes.OutputLogEvent{
			Timestamp: aws.Int64(int64(i)), Message: aws.String(fmt.Sprintf("2026-11-20T02:07:01Z INFO billed account %d of 1000, total 17.50", i)),
		})
	}
	book := ledger.New(aws1000, ledger.Config{Table: "ledger"})
	reporter := report.New(book, publisher(thousand), metric.New(io.Discard, "errand/jobs/", time.Now), slog.New(slog.DiscardHandler))
	c := collect.New(aws1000, aws1000, book, reporter, collect.Config{
		StartedByPrefix: "errand/jobs/", LogLines: 1000,
	}, slog.New(slog.DiscardHandler))
	raw := event(b, "succeeded")
	b.ReportAllocs()
	for b.Loop() {
		if err := c.Handle(b.Context(), raw); err != nil {
			b.Fatal(err)
		}
	}
}
