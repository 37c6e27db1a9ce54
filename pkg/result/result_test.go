package result_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"errand/pkg/result"
	"errand/pkg/run"
)

var update = flag.Bool("update", false, "write the golden files")

func ptr[T any](v T) *T { return &v }

func failed() result.Result {
	return result.Result{
		Stack: "errand", ReportedAt: time.Date(2026, 11, 20, 2, 8, 4, 511e6, time.UTC),
		Run: run.Run{
			Job: "billing-daily", ID: "billing-daily-20261120T020000Z", Attempt: 1, Method: run.MethodRunTask,
			ScheduledTime: time.Date(2026, 11, 20, 2, 0, 0, 0, time.UTC),
		},
		Status: run.Failed, Reason: "container app exited with code 3", Summary: "exit code 3", ExitCode: ptr(3),
		Place: result.Place{
			Command:        []string{"./bill", "--day", "2026-11-19", "--note", "it's late"},
			Cluster:        "arn:aws:ecs:eu-west-1:123456789012:cluster/jobs",
			TaskDefinition: "arn:aws:ecs:eu-west-1:123456789012:task-definition/billing:42",
			Container:      "app",
		},
		TaskARN: "arn:aws:ecs:eu-west-1:123456789012:task/jobs/7b3a9c51e0f24d7f9a6d0c2e8b41f5d3",
		Containers: []result.Container{
			{Name: "app", ExitCode: ptr(3), Essential: ptr(true)},
			{Name: "metrics-sidecar", ExitCode: ptr(143), Essential: ptr(false)},
		},
		StopCode: "EssentialContainerExited", StoppedReason: "Essential container in task exited",
		CreatedAt: time.Date(2026, 11, 20, 2, 0, 9, 102e6, time.UTC),
		StartedAt: time.Date(2026, 11, 20, 2, 0, 31, 6e6, time.UTC),
		StoppedAt: time.Date(2026, 11, 20, 2, 7, 41, 233e6, time.UTC),
		Log: &result.Log{
			Status: result.LogOK, Group: "/ecs/billing", Stream: "ecs/app/7b3a9c51e0f24d7f9a6d0c2e8b41f5d3", Region: "eu-west-1",
			Lines:     []string{"loading rates for 2026-11-19", "412 accounts to bill", "FATAL rate table is empty"},
			Truncated: ptr(true), Settled: ptr(true),
			URL: "https://eu-west-1.console.aws.amazon.com/cloudwatch/home?region=eu-west-1#logsV2:log-groups/log-group/$252Fecs$252Fbilling/log-events/ecs$252Fapp$252F7b3a9c51e0f24d7f9a6d0c2e8b41f5d3",
		},
	}
}

func samples() map[string]result.Result {
	ok := failed()
	ok.Status, ok.Reason, ok.Summary, ok.ExitCode = run.Succeeded, "container app exited with code 0", "exit code 0", ptr(0)
	ok.Containers, ok.Log.Truncated = ok.Containers[:1], ptr(false)

	noStart := failed()
	noStart.Status, noStart.ExitCode, noStart.Containers = run.StartFailed, nil, nil
	noStart.Reason = "the task did not start: CannotPullContainerError: pull image manifest has been retried 5 time(s): failed to resolve ref example/billing:2026-11-18: not found"
	_, noStart.Summary, _ = strings.Cut(noStart.Reason, ": ")
	noStart.StopCode, noStart.StoppedReason = "TaskFailedToStart", "Task failed to start"
	noStart.StartedAt = time.Time{}
	noStart.Log = &result.Log{Status: result.LogMissing, Group: "/ecs/billing", Stream: "ecs/app/7b3a", Region: "eu-west-1", Note: "ResourceNotFoundException: The specified log stream does not exist."}

	rejected := result.Result{
		Run: run.Run{Job: "billing-daily", ID: "e4b46cbf", Attempt: 1, Method: run.MethodRunTask}, Status: run.Rejected,
		Reason: "comand: unknown field, did you mean command?", Place: result.Place{Cluster: "jobs"},
		Source:  &result.Source{Source: "com.example.shop", DetailType: "Errand Job", EventID: "e4b46cbf"},
		Payload: json.RawMessage(`{"job":"billing-daily","comand":["…"],"environment":{"DB_PASSWORD":"…"},"cluster":"jobs"}`),
	}
	driver := failed()
	driver.Attempt, driver.Stack = 2, "billing"
	driver.Log = &result.Log{Status: result.LogUnsupported, Note: "awsfirelens"}
	lateLog := failed()
	lateLog.Command = []string{"sh", "-c", "set -e\n./bill --day 2026-11-19\n" + strings.Repeat("./more\n", 50)}
	lateLog.Log.Lines, lateLog.Log.Truncated, lateLog.Log.Settled = lateLog.Log.Lines[:1], ptr(false), ptr(false)
	noDriver := failed()
	noDriver.Log = &result.Log{Status: result.LogUnsupported, Note: result.NoLogDriver}
	denied := failed()
	denied.Log = &result.Log{Status: result.LogDenied, Group: "/ecs/billing", Note: "AccessDeniedException: User: arn:aws:sts::123456789012:assumed-role/errand-CollectorRole/errand-Collector is not authorized to perform: logs:GetLogEvents on resource: arn:aws:logs:eu-west-1:123456789012:log-group:/ecs/billing:log-stream:ecs/app/7b3a because no identity-based policy allows the logs:GetLogEvents action; LogGroups lacks /ecs/billing"}
	denied.Log.URL = failed().Log.URL
	launch := failed()
	launch.Status, launch.ExitCode, launch.Containers, launch.Log = run.LaunchFailed, nil, nil, nil
	launch.TaskARN, launch.StopCode, launch.StoppedReason = "", "", ""
	launch.CreatedAt, launch.StartedAt, launch.StoppedAt = time.Time{}, time.Time{}, time.Time{}
	launch.Summary = "TaskRoleArns lacks arn:aws:iam::123456789012:role/billing-task"
	launch.Reason = "ECS would not run billing:42 in cluster jobs: AccessDeniedException: User: arn:aws:sts::123456789012:assumed-role/errand-LauncherRole/errand-Launcher is not authorized to perform: iam:PassRole on resource: arn:aws:iam::123456789012:role/billing-task because no identity-based policy allows the iam:PassRole action; " + launch.Summary
	empty := failed()
	empty.Log = &result.Log{Status: result.LogEmpty, Settled: ptr(true)}
	skipped := result.Result{Run: run.Run{Job: "billing-daily", ID: "r-1", Method: run.MethodRunTask}, Status: run.Skipped, Reason: "the previous run is still going"}
	return map[string]result.Result{
		"late-log": lateLog, "no-driver": noDriver, "denied": denied, "empty": empty, "skipped": skipped, "launch-failed": launch,
		"failed": failed(), "succeeded": ok, "start-failed": noStart, "rejected": rejected, "other-driver": driver,
	}
}

// What subscribers receive, to the letter.
func TestForms(t *testing.T) {
	t.Parallel()
	for name, r := range samples() {
		var pretty strings.Builder
		enc := json.NewEncoder(&pretty)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		if err := enc.Encode(json.RawMessage(r.JSON(1 << 18))); err != nil {
			t.Fatal(err)
		}
		golden(t, name+".json", pretty.String())
		golden(t, name+".txt", "Subject: "+r.Subject()+"\n\n"+r.Text(1<<18))
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
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
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

func TestUnknownFieldsAreAbsent(t *testing.T) {
	t.Parallel()
	got := string(result.Result{Run: run.Run{Method: run.MethodRunTask}, Status: run.Lost}.JSON(1 << 18))
	want := `{"schema":"errand/result/v1","subject":"LOST (no job name): ","method":"run-task","status":"LOST","outcome":"failure","severity":"error","willRetry":false}`
	if got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	// A known zero stays.
	r := result.Result{ExitCode: ptr(0), Log: &result.Log{Status: result.LogOK, Truncated: ptr(false), Settled: ptr(false)}}
	for _, want := range []string{`"exitCode":0`, `"truncated":false`, `"settled":false`} {
		if got := string(r.JSON(1 << 18)); !strings.Contains(got, want) {
			t.Errorf("%s is not in %s", want, got)
		}
	}
}

func TestOutcomes(t *testing.T) {
	t.Parallel()
	for status, want := range map[run.Status]string{
		run.Succeeded: "success", run.Skipped: "skipped", run.Failed: "failure", run.TimedOut: "failure",
		run.StartFailed: "failure", run.Stopped: "failure", run.Interrupted: "failure",
		run.LaunchFailed: "failure", run.Rejected: "failure", run.Lost: "failure",
	} {
		if got := status.Outcome(); got != want {
			t.Errorf("outcome of %s is %s, want %s", status, got, want)
		}
	}
}

func TestSubject(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		change func(*result.Result)
		want   string
	}{
		{"exit code and duration", func(*result.Result) {}, "FAILED billing-daily: exit code 3 after 7m10s"},
		{"a short run", func(r *result.Result) { r.StoppedAt = r.StartedAt.Add(412 * time.Millisecond) }, "FAILED billing-daily: exit code 3 after 0.4s"},
		{"a long run", func(r *result.Result) { r.StoppedAt = r.StartedAt.Add(125*time.Minute + 3*time.Second) }, "FAILED billing-daily: exit code 3 after 2h5m"},
		{"a whole minute", func(r *result.Result) { r.StoppedAt = r.StartedAt.Add(59999 * time.Millisecond) }, "FAILED billing-daily: exit code 3 after 1m"},
		{"a whole hour", func(r *result.Result) { r.StoppedAt = r.StartedAt.Add(time.Hour - 400*time.Millisecond) }, "FAILED billing-daily: exit code 3 after 1h"},
		{"ten minutes", func(r *result.Result) { r.StoppedAt = r.StartedAt.Add(10 * time.Minute) }, "FAILED billing-daily: exit code 3 after 10m"},
		{"ten hours", func(r *result.Result) { r.StoppedAt = r.StartedAt.Add(10 * time.Hour) }, "FAILED billing-daily: exit code 3 after 10h"},
		{"three seconds", func(r *result.Result) { r.StoppedAt = r.StartedAt.Add(3 * time.Second) }, "FAILED billing-daily: exit code 3 after 3s"},
		{"what the code means", func(r *result.Result) {
			r.Reason, r.Summary = "container app exited with code 139 (SIGSEGV); essential container side exited with code 1", "exit code 139 (SIGSEGV)"
		}, "FAILED billing-daily: exit code 139 (SIGSEGV) after 7m10s"},
		{"out of memory", func(r *result.Result) {
			r.Reason, r.Summary = "container app ran out of memory and was killed with code 137 (OutOfMemoryError: container killed due to memory usage)", "exit code 137 (OutOfMemoryError)"
		}, "FAILED billing-daily: exit code 137 (OutOfMemoryError) after 7m10s"},
		{"a container that did not start ran for no time", func(r *result.Result) { r.Status, r.Summary = run.StartFailed, "no image" }, "START_FAILED billing-daily: no image"},
		{"no exit code", func(r *result.Result) { r.ExitCode, r.Summary = nil, "it ended" }, "FAILED billing-daily: it ended after 7m10s"},
		{"stopped with an exit code", func(r *result.Result) {
			r.Status, r.Reason, r.Summary = run.Stopped, "the task was stopped: by ops; container app exited with code 143", "by ops"
		}, "STOPPED billing-daily: by ops after 7m10s"},
		{"no job", func(r *result.Result) { r.Job, r.Status, r.Reason, r.Summary = "", run.Rejected, "job: required", "" }, "REJECTED (no job name): job: required after 7m10s"},
		{"line breaks and other languages", func(r *result.Result) { r.ExitCode, r.Summary = nil, "one\ntwo\x00 夜\x1b[31m" }, "FAILED billing-daily: one two ? after 7m10s"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := failed()
			tc.change(&r)
			if got := r.Subject(); got != tc.want {
				t.Errorf("got  %q\nwant %q", got, tc.want)
			}
		})
	}
}

// limit is SNS's for a message without attributes, which stays under it.
const limit = 262_143

// A message never outgrows its limit, and the verdict and the end of the log
// always stay.
func TestLimit(t *testing.T) {
	t.Parallel()
	huge := map[string]string{
		"short lines":       "x",
		"long lines":        strings.Repeat("long ", 100),
		"one huge line":     strings.Repeat("0123456789", 30_000),
		"quotes":            strings.Repeat(`"\`, 5000),
		"control":           strings.Repeat("\x01", 5000),
		"other languages":   strings.Repeat("夜間バッチ", 2000),
		"line separators":   strings.Repeat("\u2028", 3000),
		"HTML, not escaped": strings.Repeat("<&>", 3000),
	}
	for name, line := range huge {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := failed()
			r.Log.Truncated = ptr(false)
			r.Log.Lines = nil
			for i := range 1000 {
				line := line
				if i < 980 && len(line) > 1000 {
					line = line[:9] // nothing of these is ever sent
				}
				r.Log.Lines = append(r.Log.Lines, fmt.Sprintf("%s line %d", line, i))
			}
			body := r.JSON(limit)
			checkLimit(t, body)
			var got struct {
				ExitCode *int
				Log      struct {
					Lines     []string
					Truncated bool
				}
			}
			if err := json.Unmarshal(body, &got); err != nil {
				t.Fatal(err)
			}
			if got.ExitCode == nil || *got.ExitCode != 3 {
				t.Error("the exit code is gone")
			}
			lines := got.Log.Lines
			if len(lines) == 0 || !strings.HasSuffix(lines[len(lines)-1], " line 999") {
				t.Fatalf("the end of the log is gone; %d lines", len(lines))
			}
			if cut := len(lines) < 1000 || lines[0] != result.Clean(r.Log.Lines[0]); cut != got.Log.Truncated {
				t.Errorf("truncated is %v, cut is %v", got.Log.Truncated, cut)
			}
			if !got.Log.Truncated && len(lines) != 1000 {
				t.Error("lines are missing")
			}
			if got.Log.Truncated && len(body) < limit-1000 {
				t.Errorf("only %d bytes of %d are used", len(body), limit)
			}
			text := r.Text(limit)
			checkLimit(t, []byte(text))
			if !strings.Contains(text, " line 999\n") || !strings.Contains(text, "exited with code 3") || !strings.Contains(text, r.Log.URL) {
				t.Error("the text form lost its end or its verdict")
			}
		})
	}
}

func checkLimit(t *testing.T, body []byte) {
	t.Helper()
	if len(body) > limit {
		t.Errorf("%d bytes, limit %d", len(body), limit)
	}
	if !utf8.Valid(body) {
		t.Error("not valid UTF-8")
	}
}

// A refused payload may hold anything.
func TestLimitWithoutLog(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("\x01夜", 100_000)
	r := result.Result{
		Run: run.Run{Job: long, ID: long}, Status: run.Rejected, Reason: long,
		Place:   result.Place{Command: []string{"./bill", long, long}, Cluster: long, TaskDefinition: long, Container: long},
		TaskARN: long, StopCode: long, StoppedReason: long,
		Log: &result.Log{Status: result.LogOK, Lines: []string{long, "end"}},
	}
	for range 5000 {
		r.Command = append(r.Command, "")
	}
	checkLimit(t, r.JSON(limit))
	checkLimit(t, []byte(r.Text(limit)))
	if !strings.HasSuffix(string(r.JSON(limit)), `,"end"],"truncated":true}}`) {
		t.Error("the end of the log is gone")
	}
	if s := r.Subject(); len(s) > 99 || !strings.HasPrefix(s, "REJECTED ") {
		t.Errorf("subject %q", s)
	}
}

func FuzzForms(f *testing.F) {
	f.Add("job", "reason", "line one", "line two", 2000)
	f.Add("", "\x00\xff", strings.Repeat("\u2028", 50), `"\`, 900)
	f.Fuzz(func(t *testing.T, job, reason, one, two string, limit int) {
		r := result.Result{
			Run: run.Run{Job: job}, Reason: reason, Status: run.Failed, ExitCode: ptr(1),
			Log: &result.Log{Status: result.LogOK, Lines: []string{strings.ToValidUTF8(one, "?"), strings.ToValidUTF8(two, "?")}},
		}
		bare := r
		bare.Log = &result.Log{Status: result.LogOK}
		floor := max(len(bare.JSON(0)), len(bare.Text(0))) + 100
		limit = max(limit%(1<<18), floor)
		if body := r.JSON(limit); len(body) > limit || !json.Valid(body) {
			t.Errorf("JSON of %d bytes, limit %d: %s", len(body), limit, body)
		}
		if text := r.Text(limit); len(text) > limit || !utf8.ValidString(text) {
			t.Errorf("text of %d bytes, limit %d: %q", len(text), limit, text)
		}
		if s := r.Subject(); len(s) > 99 || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Errorf("subject %q", s)
		}
	})
}

func thousandLines() result.Result {
	r := failed()
	r.Log.Lines = nil
	for i := range 1000 {
		r.Log.Lines = append(r.Log.Lines, fmt.Sprintf(`2026-11-20T02:07:01Z INFO billed account %d of 1000, "total" 17.50`, i))
	}
	return r
}

func BenchmarkJSON(b *testing.B) {
	r := thousandLines()
	b.ReportAllocs()
	for b.Loop() {
		r.JSON(262_143)
	}
}

func BenchmarkText(b *testing.B) {
	r := thousandLines()
	b.ReportAllocs()
	for b.Loop() {
		_ = r.Text(262_143)
	}
}

// What is copied into a shell runs the same command there.
func TestShellJoin(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		command []string
		want    string
	}{
		{[]string{"./bill", "--day=2026-11-19", "a b", ""}, "./bill --day=2026-11-19 'a b' ''"},
		{[]string{"A=b", "x"}, "'A=b' x"},
		{[]string{"env", "A=b", "x"}, "env A=b x"},
		{[]string{"it's", "$HOME", "ü"}, `'it'\''s' '$HOME' 'ü'`},
		{nil, ""},
	} {
		if got := result.ShellJoin(tc.command); got != tc.want {
			t.Errorf("%q: got %s, want %s", tc.command, got, tc.want)
		}
	}
}

// An outline that is too long for people to read is cut in the text form alone.
func TestLongOutline(t *testing.T) {
	t.Parallel()
	outline := `{"job":"j","` + strings.Repeat("x", 3000) + `":"…"}`
	r := result.Result{Run: run.Run{Job: "j"}, Status: run.Rejected, Reason: "no", Payload: json.RawMessage(outline)}
	if got := r.Text(1 << 18); !strings.Contains(got, "Payload     "+outline[:1000]+"…\n") {
		t.Errorf("got %s", got)
	}
	if got := string(r.JSON(1 << 18)); !strings.Contains(got, `"payload":`+outline) {
		t.Errorf("got %s", got)
	}
}
