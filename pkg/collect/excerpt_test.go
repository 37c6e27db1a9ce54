package collect_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/google/go-cmp/cmp"

	"errand/pkg/collect"
	"errand/pkg/localaws"
	"errand/pkg/result"
)

// ending is the failed event with the times of its end: nil takes them out.
func ending(t testing.TB, stopped, executionStopped *time.Time) json.RawMessage {
	t.Helper()
	return endingOf(t, event(t, "failed"), stopped, executionStopped)
}

func endingAt(t testing.TB, raw json.RawMessage, at time.Time) json.RawMessage {
	t.Helper()
	return endingOf(t, raw, &at, &at)
}

func endingOf(t testing.TB, raw json.RawMessage, stopped, executionStopped *time.Time) json.RawMessage {
	t.Helper()
	var e map[string]any
	if err := json.Unmarshal(raw, &e); err != nil {
		t.Error(err)
		return nil
	}
	detail := e["detail"].(map[string]any)
	for name, at := range map[string]*time.Time{"stoppedAt": stopped, "executionStoppedAt": executionStopped} {
		delete(detail, name)
		if at != nil {
			detail[name] = at.Format(time.RFC3339Nano)
		}
	}
	changed, err := json.Marshal(e)
	if err != nil {
		t.Error(err)
	}
	return changed
}

// A log is complete some time after the container's end, and then is read once.
func TestWaitsUntilTheLogIsComplete(t *testing.T) {
	t.Parallel()
	const wait = 500 * time.Millisecond
	now := time.Now().UTC()
	before, ahead := now.Add(-time.Hour), now.Add(time.Hour)
	for _, tc := range []struct {
		name           string
		stopped, ended *time.Time
		late           time.Duration // how late lines are
		want           []string
		pages          int
		settled        bool
	}{
		{name: "a line that is late", stopped: &now, ended: &now, late: wait * 9 / 10, want: []string{"FATAL"}, pages: 2, settled: true},
		{name: "a line that is late by less", stopped: &now, ended: &now, late: wait / 3, want: []string{"FATAL"}, pages: 2, settled: true},
		{name: "a line that is too late", stopped: &now, ended: &now, late: time.Hour, pages: 2, settled: true},
		{name: "an end long ago", stopped: &before, ended: &before, want: []string{"FATAL"}, pages: 2, settled: true},
		{name: "a stop now, of what ended long ago", stopped: &now, ended: &before, late: wait / 2, pages: 2, settled: true},
		{name: "no execution, only a stop", stopped: &now, late: wait / 2, want: []string{"FATAL"}, pages: 2, settled: true},
		{name: "a clock that is ahead", stopped: &ahead, ended: &ahead, late: wait / 2, want: []string{"FATAL"}, pages: 2, settled: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := start(t, func(_ *ecstypes.ContainerDefinition, c *collect.Config) { c.LogWait = wait })
			s.cfg.Now = nil // the real time
			s.collector = collect.New(s.ecs, s.logs, s.book, s.reporter, s.cfg, slog.New(slog.DiscardHandler))
			s.LagLogs(tc.late)
			s.write(t, "FATAL")
			if tc.stopped == &now {
				at := time.Now()
				tc.stopped = &at
			}
			if tc.ended == &now {
				tc.ended = tc.stopped
			}
			got := s.handle(t, ending(t, tc.stopped, tc.ended))
			if diff := cmp.Diff(tc.want, got.Log.Lines); diff != "" {
				t.Errorf("lines (-want +got):\n%s", diff)
			}
			if *got.Log.Settled != tc.settled || s.Calls("GetLogEvents") != tc.pages {
				t.Errorf("settled is %v after %d pages, want %v after %d", *got.Log.Settled, s.Calls("GetLogEvents"), tc.settled, tc.pages)
			}
		})
	}
}

// What never ran is not waited for, and neither is what there is no time for.
func TestDoesNotWait(t *testing.T) {
	t.Parallel()
	hour := func(_ *ecstypes.ContainerDefinition, c *collect.Config) { c.LogWait = time.Hour }
	t.Run("the container never ran", func(t *testing.T) {
		t.Parallel()
		s := start(t, hour)
		if got := s.handle(t, event(t, "cannot-pull")); got.Log.Status != "missing" || s.Calls("GetLogEvents") != 1 {
			t.Errorf("log %+v after %d calls", got.Log, s.Calls("GetLogEvents"))
		}
	})
	t.Run("the function would end before", func(t *testing.T) {
		t.Parallel()
		s := start(t, hour)
		s.write(t, "FATAL")
		now := time.Now()
		if _, err := s.invoke(t, "q", ending(t, &now, &now)); err != nil {
			t.Fatal(err)
		}
		var got published
		if err := json.Unmarshal([]byte(s.Published()[0].Body), &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"FATAL"}, got.Log.Lines); diff != "" || *got.Log.Settled {
			t.Errorf("settled is %v, lines (-want +got):\n%s", *got.Log.Settled, diff)
		}
	})
}

// An event that does not say when the task ended: two reads have to agree.
func TestReadsUntilStill(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name         string
		lines, calls int // hidden, for so many calls
		fault        *localaws.Fault
		want         []string
		settled      bool
	}{
		{name: "still", want: []string{"working", "FATAL"}, settled: true},
		{name: "the stream is late", lines: -1, calls: 1, want: []string{"working", "FATAL"}, settled: true},
		{name: "all lines are late", lines: 2, calls: 2, want: []string{"working", "FATAL"}, settled: true},
		{name: "the last line is late", lines: 1, calls: 2, want: []string{"working", "FATAL"}, settled: true},
		{
			name: "a later read is denied", fault: &localaws.Fault{Operation: "GetLogEvents", Code: "AccessDeniedException", Skip: 2, Times: 1000},
			want: []string{"working", "FATAL"},
		},
		{
			name: "a later read has no answer", fault: &localaws.Fault{Operation: "GetLogEvents", Code: "ServiceUnavailableException", Status: 503, Skip: 2, Times: 1000},
			want: []string{"working", "FATAL"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := start(t, func(_ *ecstypes.ContainerDefinition, c *collect.Config) { c.LogWait = 2 * time.Second })
			s.write(t, "working", "FATAL")
			if tc.calls > 0 {
				s.HideLog(group, tc.lines, tc.calls)
			}
			if tc.fault != nil {
				s.Inject(*tc.fault)
			}
			got := s.handle(t, ending(t, nil, nil))
			if diff := cmp.Diff(tc.want, got.Log.Lines); diff != "" {
				t.Errorf("lines (-want +got):\n%s", diff)
			}
			if *got.Log.Settled != tc.settled {
				t.Errorf("settled is %v", *got.Log.Settled)
			}
		})
	}
}

// A quota, a 5xx and a lost answer are waited out; and what was read stays.
func TestAsksAgain(t *testing.T) {
	t.Parallel()
	throttled := localaws.Fault{Code: "ThrottlingException", Message: "Rate exceeded", Times: 4}
	for _, tc := range []struct {
		name, operation string
		fault           localaws.Fault
		skip            int
		note            string
	}{
		{name: "the definition's quota", operation: "DescribeTaskDefinition", fault: throttled},
		{
			name: "the log's quota", operation: "GetLogEvents", fault: throttled,
			note: "what stands before these lines could not be read: CloudWatch Logs takes no more calls for now",
		},
		{name: "5xx", operation: "GetLogEvents", fault: localaws.Fault{Code: "ServiceUnavailableException", Status: 503, Times: 2}},
		{name: "no answer", operation: "DescribeTaskDefinition", fault: localaws.Fault{Lost: true, Times: 2}},
		{
			name: "a page before the lines is denied", operation: "GetLogEvents", fault: localaws.Fault{Code: "AccessDeniedException", Message: "no", Times: 9}, skip: 1,
			note: "what stands before these lines could not be read: AccessDeniedException: no",
		},
		{
			name: "a page before the lines is not to be had", operation: "GetLogEvents", fault: localaws.Fault{Code: "ThrottlingException", Message: "Rate exceeded", Times: 99}, skip: 1,
			note: "what stands before these lines could not be read: ThrottlingException: Rate exceeded",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			s.write(t, "FATAL")
			tc.fault.Operation, tc.fault.Skip = tc.operation, tc.skip
			s.Inject(tc.fault)
			got := s.handle(t, event(t, "failed"))
			if diff := cmp.Diff([]string{"FATAL"}, got.Log.Lines); diff != "" {
				t.Errorf("lines (-want +got):\n%s", diff)
			}
			if got.Log.Status != "ok" || got.Log.Note != tc.note || *got.Log.Truncated != (tc.note != "") || !*got.Log.Settled {
				t.Errorf("log %+v, truncated: %v", got.Log, *got.Log.Truncated)
			}
		})
	}
}

// logCase is an input of testdata/logs, made after a public report.
type logCase struct {
	Case     string       `json:"case"`
	LogLines int          `json:"logLines"`
	Pages    [][]logEvent `json:"pages_newest_first"`
	Messages []string     `json:"messages"`
	Expect   map[string]json.RawMessage
}

type logEvent struct {
	Timestamp int64  `json:"timestamp"`
	Message   string `json:"message"`
}

// GetLogEvents gives the newest page without a token, and a page before it with each
// backward token, until the last token comes back.
func (c logCase) GetLogEvents(_ context.Context, in *cloudwatchlogs.GetLogEventsInput, _ ...func(*cloudwatchlogs.Options)) (*cloudwatchlogs.GetLogEventsOutput, error) {
	n := 0
	if in.NextToken != nil {
		if _, err := fmt.Sscanf(*in.NextToken, "b/%d", &n); err != nil {
			return nil, err
		}
	}
	out := &cloudwatchlogs.GetLogEventsOutput{NextBackwardToken: aws.String(fmt.Sprintf("b/%d", min(n+1, len(c.Pages))))}
	if n < len(c.Pages) {
		for _, e := range c.Pages[n] {
			out.Events = append(out.Events, types.OutputLogEvent{Timestamp: &e.Timestamp, Message: &e.Message})
		}
	}
	return out, nil
}

func TestLogCases(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/logs/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
			t.Parallel()
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var tc logCase
			if err := json.Unmarshal(raw, &tc); err != nil {
				t.Fatal(err)
			}
			s := start(t, func(_ *ecstypes.ContainerDefinition, c *collect.Config) { c.LogLines = tc.LogLines })
			var logs collect.Logs = s.logs
			if tc.Pages != nil {
				logs = tc
			} else {
				s.write(t, tc.Messages...)
			}
			var got result.Result
			c := collect.New(ecs.NewFromConfig(s.Config()), logs, s.book, s.telling(func(r result.Result) error { got = r; return nil }), s.cfg, slog.New(slog.DiscardHandler))
			if err := c.Handle(t.Context(), event(t, "failed")); err != nil {
				t.Fatal(err)
			}
			tc.check(t, got)
		})
	}
}

// awslogs splits a line at 256 KiB (https://github.com/moby/moby/issues/41794): the
// result is published, with the end of the log.
func TestSplitLongLine(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.write(t, strings.Repeat("A", 262_118), strings.Repeat("A", 27))
	got := s.handle(t, event(t, "failed"))
	n := len(got.Log.Lines)
	if n == 0 || got.Log.Lines[n-1] != strings.Repeat("A", 27) || !*got.Log.Truncated {
		t.Errorf("%d lines, truncated: %v", n, *got.Log.Truncated)
	}
}

// What an event's task definition says of the log: FireLens may send it to
// CloudWatch Logs, and the console of the European Sovereign Cloud is elsewhere.
func TestEventCasesOfLogs(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]result.Log{
		"f18-firelens-to-cloudwatch": {Status: result.LogUnsupported, Note: "awsfirelens"},
		"f19-console-eusc": {
			Status: result.LogMissing, Note: "ResourceNotFoundException: The specified log group does not exist", Group: "/ecs/solo", Stream: "ecs/app/7d3f0c5a91e84b6c8a2e1f6b0d4c9a35", Region: "eusc-de-east-1",
			URL: "https://eusc-de-east-1.console.amazonaws-eusc.eu/cloudwatch/home?region=eusc-de-east-1#logsV2:log-groups/log-group/$252Fecs$252Fsolo/log-events/ecs$252Fapp$252F7d3f0c5a91e84b6c8a2e1f6b0d4c9a35",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			raw, err := os.ReadFile(filepath.Join("testdata/events", name+".json"))
			if err != nil {
				t.Fatal(err)
			}
			var tc publicEvent
			if err := json.Unmarshal(raw, &tc); err != nil {
				t.Fatal(err)
			}
			s := start(t)
			s.registerPublic(t, tc, "eusc-de-east-1")
			var got result.Result
			s.cfg.StartedByPrefix = "errand/lab/"
			c := collect.New(s.ecs, s.logs, s.book, s.telling(func(r result.Result) error { got = r; return nil }), s.cfg, slog.New(slog.DiscardHandler))
			event := strings.ReplaceAll(string(tc.Event), "eusc-de-east-1:123456789012:task-definition", "eu-west-1:123456789012:task-definition") // the endpoint's
			if err := c.Handle(t.Context(), json.RawMessage(event)); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(&want, got.Log); diff != "" {
				t.Errorf("log (-want +got):\n%s", diff)
			}
			if text := got.Text(1 << 18); strings.Contains(text, "not in CloudWatch Logs") {
				t.Errorf("the text form says what is not so:\n%s", text)
			}
		})
	}
}

// check compares a result with what is right. Every key is known.
func (c logCase) check(t *testing.T, got result.Result) {
	t.Helper()
	if got.Log.Status != result.LogOK || got.Log.Truncated == nil {
		t.Fatalf("log %+v", got.Log)
	}
	for key, raw := range c.Expect {
		var want any
		if err := json.Unmarshal(raw, &want); err != nil {
			t.Fatal(err)
		}
		var lines, stripped []any
		for _, line := range got.Log.Lines {
			lines, stripped = append(lines, line), append(stripped, strings.TrimRight(line, " "))
		}
		switch key {
		case "lines":
			expect(t, key, want, any(lines))
		case "lines_rstripped":
			expect(t, key, want, any(stripped))
		case "truncated":
			expect(t, key, want, any(*got.Log.Truncated))
		case "last_line":
			expect(t, key, want, lines[len(lines)-1])
		case "published":
		case "text_has":
			text := got.Text(1 << 18)
			for _, part := range want.([]any) {
				if !strings.Contains(text, part.(string)) {
					t.Errorf("the text form lacks %q:\n%s", part, text)
				}
			}
		default:
			t.Errorf("what does %s expect?", key)
		}
	}
}
