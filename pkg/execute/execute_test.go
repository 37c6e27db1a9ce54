package execute_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/google/go-cmp/cmp"

	"errand/pkg/execute"
	"errand/pkg/ledger"
	"errand/pkg/ledger/ledgertest"
	"errand/pkg/localaws"
	"errand/pkg/metric"
	"errand/pkg/report"
	"errand/pkg/result"
	"errand/pkg/run"
	"errand/pkg/ssmchan"
)

// stack is an executor with real clients against an embedded endpoint that has a
// cluster "jobs" with a running task of the family "web", whose container is app.
type stack struct {
	*localaws.Server
	ecs  *ecs.Client
	task string // ARN
	// build makes an executor of a ledger, which every call of exec has for itself:
	// a run is begun once.
	build     func(*ledger.Ledger) *execute.Executor
	publisher publisher
	config    execute.Config
	executor  *execute.Executor
	book      *ledger.Ledger
	metrics   bytes.Buffer

	mu   sync.Mutex
	told []result.Result
	left time.Duration // for the last publication
}

type setup struct {
	exec       *types.ExecuteCommandConfiguration
	containers []string
	disabled   bool // ECS Exec
	config     execute.Config
	fail       error // of the publication
	shell      string

	// Of the last container of the definition; the others sleep.
	command     []string
	labels      map[string]string
	environment []types.KeyValuePair
}

func start(t *testing.T, change ...func(*setup)) *stack {
	t.Helper()
	in := setup{containers: []string{"app"}, config: execute.Config{
		Cluster: "jobs", LogLines: 50,
		AgentTime: 5 * time.Second, Retry: time.Millisecond, Watch: 20 * time.Millisecond, Grace: 200 * time.Millisecond, Drain: 5 * time.Second,
		Channel: ssmchan.Options{Redial: time.Millisecond, Resend: 20 * time.Millisecond},
	}}
	for _, f := range change {
		f(&in)
	}
	server, err := localaws.Start(localaws.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	s := &stack{Server: server, ecs: ecs.NewFromConfig(server.Config())}
	publish := publisher(func(ctx context.Context, r result.Result) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.told = append(s.told, r)
		if deadline, ok := ctx.Deadline(); ok {
			s.left = time.Until(deadline)
		}
		return in.fail
	})
	s.publisher, s.config = publish, in.config
	s.build = func(l *ledger.Ledger) *execute.Executor {
		return execute.New(server.Config(), l, report.New(l, publish, metric.New(&s.metrics, "errand/jobs/", time.Now), discard), in.config, discard)
	}
	s.book, _ = ledgertest.New(t)
	s.executor = s.build(s.book)
	cluster := &ecs.CreateClusterInput{ClusterName: aws.String("jobs")}
	if in.exec != nil {
		cluster.Configuration = &types.ClusterConfiguration{ExecuteCommandConfiguration: in.exec}
	}
	if _, err := s.ecs.CreateCluster(t.Context(), cluster); err != nil {
		t.Fatal(err)
	}
	definition := &ecs.RegisterTaskDefinitionInput{Family: aws.String("web"), Memory: aws.String("512"), TaskRoleArn: aws.String("arn:aws:iam::123456789012:role/web")}
	for i, name := range in.containers {
		definition.ContainerDefinitions = append(definition.ContainerDefinitions, types.ContainerDefinition{
			Name: &name, Image: aws.String("local"), Command: []string{"sleep", "600"}, StopTimeout: aws.Int32(2),
			Environment: append(in.environment, types.KeyValuePair{Name: aws.String("STAGE"), Value: aws.String("test")}),
			Essential:   aws.Bool(i == 0),
		})
		if c := &definition.ContainerDefinitions[i]; i == len(in.containers)-1 && in.command != nil {
			c.Command, c.DockerLabels = in.command, in.labels
		}
	}
	if _, err := s.ecs.RegisterTaskDefinition(t.Context(), definition); err != nil {
		t.Fatal(err)
	}
	s.task = s.run(t, !in.disabled)
	return s
}

// run starts one more task and waits until it runs.
func (s *stack) run(t *testing.T, exec bool) string {
	t.Helper()
	out, err := s.ecs.RunTask(t.Context(), &ecs.RunTaskInput{Cluster: aws.String("jobs"), TaskDefinition: aws.String("web"), EnableExecuteCommand: exec})
	if err != nil || len(out.Tasks) == 0 {
		t.Fatal(out, err)
	}
	if err := ecs.NewTasksRunningWaiter(s.ecs, func(o *ecs.TasksRunningWaiterOptions) { o.MinDelay, o.MaxDelay = time.Millisecond, 10*time.Millisecond }).
		Wait(t.Context(), &ecs.DescribeTasksInput{Cluster: aws.String("jobs"), Tasks: []string{*out.Tasks[0].TaskArn}}, time.Minute); err != nil {
		t.Fatal(err)
	}
	return *out.Tasks[0].TaskArn
}

var discard = slog.New(slog.DiscardHandler)

type publisher func(context.Context, result.Result) error

func (publisher) Topics() []string { return []string{"results"} }

func (p publisher) Publish(ctx context.Context, _ string, r result.Result, _ func()) error {
	return p(ctx, r)
}

// exec hands a payload to the executor and returns the one result.
func (s *stack) exec(t *testing.T, payload string) result.Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ctx = lambdacontext.NewContext(ctx, &lambdacontext.LambdaContext{AwsRequestID: "request-1"})
	s.book, _ = ledgertest.New(t)
	s.executor = s.build(s.book)
	before := len(s.told)
	answer, err := s.executor.Handle(ctx, json.RawMessage(payload))
	if err != nil {
		t.Fatal(err)
	}
	if len(s.told) != before+1 {
		t.Fatalf("%d results published", len(s.told)-before)
	}
	r := s.told[before]
	if answer.Status != string(r.Status) || answer.Reason != r.Reason || r.Method != "exec" {
		t.Errorf("answered %+v, published %+v", answer, r)
	}
	return r
}

func payload(t *testing.T, fields map[string]any) string {
	t.Helper()
	all := map[string]any{"job": "cache-clear", "family": "web", "runId": "r-1"}
	for name, value := range fields {
		all[name] = value
	}
	text, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func sh(script string) []string { return []string{"/bin/sh", "-c", script} }

// What a command does is reported truthfully, through the real client, the real
// wrapper and a real shell in a real terminal.
func TestCommands(t *testing.T) {
	t.Parallel()
	odd := "it's \"odd\"\n$HOME $$ `x` {{ ssm:name }} 夜間バッチ"
	const unknown = -1
	for _, tc := range []struct {
		name        string
		command     []string
		environment map[string]string
		status      run.Status
		code        int
		lines       []string
		reason      string
		truncated   bool
	}{
		{name: "exit 0", command: []string{"echo", "hello"}, status: run.Succeeded, lines: []string{"hello"}},
		{name: "exit 1", command: sh("echo no; exit 1"), status: run.Failed, code: 1, lines: []string{"no"}},
		{name: "exit 37", command: sh("echo no; exit 37"), status: run.Failed, code: 37, lines: []string{"no"}, reason: "the command exited with code 37"},
		{name: "not found", command: sh("no-such-program 2>/dev/null"), status: run.Failed, code: 127, reason: "command not found"},
		{name: "killed", command: sh("kill -9 $$"), status: run.Failed, code: 137, reason: "SIGKILL"},
		{name: "quotes, line breaks, $, {{ }} and Japanese", command: []string{"printf", "%s", odd}, status: run.Succeeded, lines: strings.Split(odd, "\n")},
		{name: "no output", command: []string{"true"}, status: run.Succeeded},
		{name: "no final line break", command: []string{"printf", "one\ntwo"}, status: run.Succeeded, lines: []string{"one", "two"}},
		{name: "stderr", command: sh("echo one; echo two >&2"), status: run.Succeeded, lines: []string{"one", "two"}},
		{name: "a background child", command: sh("sleep 600 >/dev/null 2>&1 & echo started"), status: run.Succeeded, lines: []string{"started"}},
		{name: "reads stdin", command: sh("read line; echo \"[$line] $?\""), status: run.Succeeded, lines: []string{"[] 1"}},
		{name: "kills its parent shell", command: sh("echo before; kill -9 $PPID"), status: run.Failed, code: unknown, lines: []string{"before"}, reason: "without an exit code"},
		{name: "environment", command: sh(`echo "$STAGE $SCOPE $ERRAND_JOB $ERRAND_RUN_ID"`), environment: map[string]string{"SCOPE": "a b"}, status: run.Succeeded, lines: []string{"test a b cache-clear r-1"}},
		{name: "terminal escapes", command: []string{"printf", `\033[31mred\033[0m\n`}, status: run.Succeeded, lines: []string{"red"}},
		{name: "more lines than wanted", command: []string{"seq", "1", "200"}, status: run.Succeeded, lines: numbers(151, 200), truncated: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			fields := map[string]any{"command": tc.command}
			if tc.environment != nil {
				fields["environment"] = tc.environment
			}
			r := s.exec(t, payload(t, fields))
			if r.Status != tc.status || !strings.Contains(r.Reason, tc.reason) {
				t.Errorf("%s: %s", r.Status, r.Reason)
			}
			if tc.code == unknown && r.ExitCode != nil || tc.code != unknown && (r.ExitCode == nil || *r.ExitCode != tc.code) {
				t.Errorf("exit code %v, want %d", r.ExitCode, tc.code)
			}
			if tc.code == 137 {
				return // the shell has its own word for it
			}
			if tc.code == unknown { // some shells say "Killed", before or after
				r.Log.Lines = slices.DeleteFunc(r.Log.Lines, func(line string) bool { return line == "Killed" })
			}
			if diff := cmp.Diff(tc.lines, r.Log.Lines); diff != "" {
				t.Errorf("lines (-want +got):\n%s", diff)
			}
			want := result.LogOK
			if tc.lines == nil {
				want = result.LogEmpty
			} else if *r.Log.Truncated != tc.truncated {
				t.Errorf("truncated is %v", *r.Log.Truncated)
			}
			if r.Log.Status != want || r.Log.Group != "" || r.Log.Stream != "" || r.Container != "app" || r.TaskARN != s.task || r.StartedAt.IsZero() || r.StoppedAt.IsZero() {
				t.Errorf("result %+v, log %+v", r, r.Log)
			}
		})
	}
}

func numbers(from, to int) []string {
	var list []string
	for i := from; i <= to; i++ {
		list = append(list, fmt.Sprint(i))
	}
	return list
}

// Two MiB: the last thousand lines are there, in order, and no more is kept than
// has to be.
func TestLargeOutput(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.DisturbSessions(localaws.Disturbance{Pace: -1})
	r := s.exec(t, payload(t, map[string]any{"command": sh(`i=0; while [ $i -lt 32768 ]; do printf '%063d\n' $i; i=$((i+1)); done`), "logLines": 1000}))
	var want []string
	for i := 31768; i < 32768; i++ {
		want = append(want, fmt.Sprintf("%063d", i))
	}
	if diff := cmp.Diff(want, r.Log.Lines); diff != "" || r.Status != run.Succeeded || !*r.Log.Truncated {
		t.Errorf("%s: %s, lines (-want +got):\n%.500s", r.Status, r.Reason, diff)
	}
}

// A hundred runs in a row over a bad connection.
func TestBadConnection(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.DisturbSessions(localaws.Disturbance{LoseAcks: 10, Reorder: 3, Duplicate: 4, Announce: 5, Pace: -1, FirstFrame: time.Millisecond, Resend: 5 * time.Millisecond})
	for i := range 100 {
		r := s.exec(t, payload(t, map[string]any{"command": sh(fmt.Sprintf("seq 1 2000; exit %d", i)), "logLines": 1000}))
		wantStatus := run.Failed
		if i == 0 {
			wantStatus = run.Succeeded
		}
		if r.Status != wantStatus || r.ExitCode == nil || *r.ExitCode != i {
			t.Fatalf("run %d: %s, %s", i, r.Status, r.Reason)
		}
		if diff := cmp.Diff(numbers(1001, 2000), r.Log.Lines); diff != "" {
			t.Fatalf("run %d: lines (-want +got):\n%.500s", i, diff)
		}
	}
}

func TestClusterWithKey(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.key(t)
	r := s.exec(t, payload(t, map[string]any{"command": sh("echo secret; exit 5")}))
	if r.Status != run.Failed || *r.ExitCode != 5 || len(r.Log.Lines) != 1 || r.Log.Lines[0] != "secret" {
		t.Errorf("%s: %s, log %+v", r.Status, r.Reason, r.Log)
	}
	s.Inject(localaws.Fault{Operation: "GenerateDataKey", Code: "AccessDeniedException", Message: "not authorized to perform: kms:GenerateDataKey", Times: 5})
	r = s.exec(t, payload(t, map[string]any{"command": []string{"echo", "never"}}))
	if r.Status != run.StartFailed || !strings.Contains(r.Reason, "and the task role kms:Decrypt, on the cluster's key") {
		t.Errorf("KMS denied gives %s: %s", r.Status, r.Reason)
	}
}

// key gives the cluster a KMS key.
func (s *stack) key(t *testing.T) {
	t.Helper()
	if _, err := s.ecs.UpdateCluster(t.Context(), &ecs.UpdateClusterInput{Cluster: aws.String("jobs"), Configuration: &types.ClusterConfiguration{
		ExecuteCommandConfiguration: &types.ExecuteCommandConfiguration{KmsKeyId: aws.String(s.AddKey()), Logging: types.ExecuteCommandLoggingNone},
	}}); err != nil {
		t.Fatal(err)
	}
}

func TestSessionLog(t *testing.T) {
	t.Parallel()
	s := start(t, func(in *setup) {
		in.exec = &types.ExecuteCommandConfiguration{Logging: types.ExecuteCommandLoggingOverride, LogConfiguration: &types.ExecuteCommandLogConfiguration{CloudWatchLogGroupName: aws.String("/ecs/exec")}}
	})
	if r := s.exec(t, payload(t, map[string]any{"command": []string{"echo", "x"}})); !strings.HasPrefix(r.Log.Note, "the whole session is logged in group /ecs/exec, stream ecs-execute-command-") {
		t.Errorf("note %q", r.Log.Note)
	}
}

func TestTimeout(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, script string
		code         int // 0: none
		terminated   int
		last         string
	}{
		{"ends at Ctrl-C", "echo working; sleep 600", 130, 0, "working"},
		{"ignores Ctrl-C", "trap '' INT; echo working; sleep 600", 0, 1, "working"},
		{"ignores it all", "trap '' INT HUP TERM; echo working; while :; do sleep 1; done", 0, 1, "working"},
		{"says goodbye", "trap 'sleep 0.1; echo bye; exit 3' INT; echo working; sleep 600", 3, 0, "bye"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := start(t, func(in *setup) { in.config.Grace = 3 * time.Second })
			r := s.exec(t, payload(t, map[string]any{"command": sh(tc.script), "timeout": "1s"}))
			if r.Status != run.TimedOut || !strings.Contains(r.Reason, "after 1s, its timeout") || r.Log == nil || len(r.Log.Lines) == 0 || r.Log.Lines[len(r.Log.Lines)-1] != tc.last {
				t.Errorf("%s: %s, log %+v", r.Status, r.Reason, r.Log)
			}
			if tc.code == 0 && r.ExitCode != nil || tc.code != 0 && (r.ExitCode == nil || *r.ExitCode != tc.code) {
				t.Errorf("exit code %v, want %d", r.ExitCode, tc.code)
			}
			if n := s.Calls("TerminateSession"); n != tc.terminated {
				t.Errorf("TerminateSession was called %d times, want %d", n, tc.terminated)
			}
			s.await(t, "the end of the session", func() bool { return s.Sessions()[0].Ended })
		})
	}
}

// await looks until something has become true.
func (s *stack) await(t *testing.T, what string, is func() bool) {
	t.Helper()
	late := time.After(30 * time.Second)
	for tick := time.Tick(time.Millisecond); !is(); {
		select {
		case <-tick:
		case <-late:
			t.Errorf("waited in vain for %s", what)
			return
		}
	}
}

// A session that could not be ended is not called stopped.
func TestTimeoutWithoutPermission(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.Inject(localaws.Fault{Operation: "TerminateSession", Code: "AccessDeniedException", Message: "no", Times: 9})
	r := s.exec(t, payload(t, map[string]any{"command": sh("trap '' INT; echo working; sleep 600"), "timeout": "1s"}))
	if r.Status != run.TimedOut || !strings.HasSuffix(r.Reason, "; the command may still run") {
		t.Errorf("%s: %s", r.Status, r.Reason)
	}
}

// Whatever hangs, there is time to publish.
func TestTimeToPublish(t *testing.T) {
	t.Parallel()
	s := start(t)
	for _, operation := range []string{"DescribeTasks", "TerminateSession", "DescribeClusters"} {
		skip := 0
		if operation == "DescribeTasks" {
			skip = 1 // it finds the task
		}
		s.Inject(localaws.Fault{Operation: operation, Delay: time.Hour, Skip: skip, Times: 1000})
	}
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Second)
	defer cancel()
	if _, err := s.executor.Handle(ctx, json.RawMessage(payload(t, map[string]any{"command": sh("trap '' INT; echo working; sleep 600"), "timeout": "1s"}))); err != nil {
		t.Fatal(err)
	}
	if r := s.told[0]; r.Status != run.TimedOut || s.left < time.Second {
		t.Errorf("%s: %s, with %s left to publish", r.Status, r.Reason, s.left)
	}
}

// The upgrade of the data channel is signed.
func TestSigned(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.DisturbSessions(localaws.Disturbance{RequireSigning: true})
	if r := s.exec(t, payload(t, map[string]any{"command": []string{"echo", "x"}})); r.Status != run.Succeeded || !s.Sessions()[0].Signed {
		t.Errorf("%s: %s", r.Status, r.Reason)
	}
}

// A gateway that does not close the channel holds nobody up for long.
func TestChannelIsNotClosed(t *testing.T) {
	t.Parallel()
	s := start(t, func(in *setup) { in.config.Drain = 50 * time.Millisecond })
	s.DisturbSessions(localaws.Disturbance{NoClose: true})
	if r := s.exec(t, payload(t, map[string]any{"command": sh("echo x; exit 3")})); r.Status != run.Failed || *r.ExitCode != 3 {
		t.Errorf("%s: %s", r.Status, r.Reason)
	}
}

// Variables of the container keep their values, whatever their names, and show
// nothing of the mark.
func TestVariablesOfTheContainer(t *testing.T) {
	t.Parallel()
	s := start(t, func(in *setup) {
		for _, name := range []string{"a", "b", "r"} {
			in.environment = append(in.environment, types.KeyValuePair{Name: aws.String(name), Value: aws.String("own")})
		}
	})
	r := s.exec(t, payload(t, map[string]any{"command": sh(`printf '\n%s%s:E:0:\n%s\n' "$a" "$b" "$r"; exit 9`)}))
	if diff := cmp.Diff([]string{"", "ownown:E:0:", "own"}, r.Log.Lines); diff != "" || *r.ExitCode != 9 {
		t.Errorf("exit code %d, lines (-want +got):\n%s", *r.ExitCode, diff)
	}
}

func TestContainerGoesAway(t *testing.T) {
	t.Parallel()
	s := start(t, func(in *setup) {
		in.containers = []string{"main", "side"}
		in.command = sh("sleep 1; exit 5")
	})
	r := s.exec(t, payload(t, map[string]any{"container": "side", "command": []string{"sleep", "600"}}))
	if r.Status != run.Stopped || r.Reason != "container side stopped under the command: it exited with code 5" {
		t.Errorf("%s: %s", r.Status, r.Reason)
	}
}

func TestInterrupted(t *testing.T) {
	t.Parallel()
	s := start(t, func(in *setup) {
		in.labels = map[string]string{"errand.local/plays": "spot"}
		in.command = sh("sleep 1; echo going; sleep 600")
	})
	r := s.exec(t, payload(t, map[string]any{"command": []string{"sleep", "600"}}))
	if r.Status != run.Interrupted || r.Reason != "AWS took the task away under the command: Your Spot Task was interrupted" {
		t.Errorf("%s: %s", r.Status, r.Reason)
	}
}

// The function's deadline comes before the payload's timeout.
func TestDeadline(t *testing.T) {
	t.Parallel()
	s := start(t)
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
	defer cancel()
	if _, err := s.executor.Handle(ctx, json.RawMessage(payload(t, map[string]any{"command": []string{"sleep", "600"}}))); err != nil {
		t.Fatal(err)
	}
	if r := s.told[0]; r.Status != run.TimedOut || !strings.Contains(r.Reason, "the time of the function was over") {
		t.Errorf("%s: %s", r.Status, r.Reason)
	}
}

func TestTaskGoesAway(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		cut  bool
	}{{"silently", false}, {"with the connection", true}} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			s.DisturbSessions(localaws.Disturbance{CutWhenStopped: tc.cut})
			go func() {
				s.await(t, "a session", func() bool { return len(s.Sessions()) > 0 })
				_, _ = s.ecs.StopTask(context.Background(), &ecs.StopTaskInput{Cluster: aws.String("jobs"), Task: &s.task, Reason: aws.String("deploy freeze")})
			}()
			r := s.exec(t, payload(t, map[string]any{"command": sh("trap '' HUP; echo working; sleep 600")}))
			if r.Status != run.Stopped || !strings.Contains(r.Reason, "the task stopped under the command: deploy freeze") {
				t.Errorf("%s: %s", r.Status, r.Reason)
			}
		})
	}
}

// Every way in which a command is not started or its end not seen has a sentence
// that says what to change.
func TestErrors(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		change  func(*setup)
		prepare func(*testing.T, *stack)
		fields  map[string]any
		status  run.Status
		reason  string
	}{
		{name: "a bad payload", fields: map[string]any{"comand": "x"}, status: run.Rejected, reason: "comand: unknown field, did you mean command?"},
		{name: "too long", fields: map[string]any{"command": []string{strings.Repeat("x", 9000)}}, status: run.Rejected, reason: "bytes too long"},
		{name: "no such family", fields: map[string]any{"family": "nope"}, status: run.StartFailed, reason: "family nope has no running task in cluster jobs"},
		{name: "no such task", fields: map[string]any{"family": nil, "task": "0123456789abcdef0123456789abcdef"}, status: run.StartFailed, reason: "cluster jobs has no task 0123456789abcdef0123456789abcdef"},
		{name: "no such cluster", fields: map[string]any{"cluster": "nope"}, status: run.StartFailed, reason: "ClusterNotFoundException"},
		{name: "exec not enabled", change: func(in *setup) { in.disabled = true }, status: run.StartFailed, reason: "set enableExecuteCommand on the service or in RunTask"},
		{name: "several containers", change: func(in *setup) { in.containers = []string{"app", "envoy"} }, status: run.Rejected, reason: "container: required, since task"},
		{name: "no such container", fields: map[string]any{"container": "nope"}, status: run.Rejected, reason: `has no container "nope"; it has app`},
		{name: "the agent has stopped", prepare: func(t *testing.T, s *stack) { s.agent(t, "STOPPED") }, status: run.StartFailed, reason: "writable root file system"},
		{name: "the agent does not come up", change: func(in *setup) { in.config.AgentTime = 50 * time.Millisecond }, prepare: func(t *testing.T, s *stack) { s.agent(t, "PENDING") }, status: run.StartFailed, reason: "the task role needs the four ssmmessages actions"},
		{name: "not connected", change: func(in *setup) { in.config.AgentTime = 50 * time.Millisecond }, prepare: fault(localaws.Fault{Code: "TargetNotConnectedException", Message: "internal error", Times: 1000}), status: run.StartFailed, reason: "ssmmessages:CreateControlChannel"},
		{name: "denied", prepare: fault(localaws.Fault{Code: "AccessDeniedException", Message: "not authorized"}), status: run.StartFailed, reason: "the executor's role needs ecs:ExecuteCommand"},
		{name: "a broken server may have run it", prepare: fault(localaws.Fault{Code: "ServerException", Status: 500, Message: "oops"}), status: run.Lost, reason: "it is not known whether the command ran"},
		{name: "no shell", prepare: disturb(localaws.Disturbance{CloseWith: "Unable to start command: Failed to start pty: fork/exec /bin/sh: no such file or directory"}), status: run.StartFailed, reason: "use an image with a shell"},
		{name: "no plugin", prepare: disturb(localaws.Disturbance{CloseWith: "Plugin with name InteractiveCommands not found. Step name: InteractiveCommands"}), status: run.StartFailed, reason: "the disk of the task may be full"},
		{name: "no answer", change: func(in *setup) { in.config.Channel.FirstFrame = 50 * time.Millisecond }, prepare: disturb(localaws.Disturbance{Silent: true}), status: run.Lost, reason: "it is not known whether the command ran: the session's agent did not answer"},
		{name: "not signed", change: func(in *setup) { in.config.Unsigned = true }, prepare: disturb(localaws.Disturbance{RequireSigning: true}), status: run.Lost, reason: "ssmmessages:OpenDataChannel"},
		{name: "closed in the middle", prepare: disturb(localaws.Disturbance{CloseWith: "Your session timed out due to inactivity and has been terminated.", CloseAfter: 1}), fields: map[string]any{"command": sh("echo working; sleep 600 >/dev/null; echo never")}, status: run.Lost, reason: "AWS ends a session after 20 minutes"},
		{name: "cut in the middle", prepare: disturb(localaws.Disturbance{CutAfter: 2}), fields: map[string]any{"command": sh("for i in 1 2 3 4 5 6 7 8 9; do echo $i; sleep 0.05; done; sleep 600")}, status: run.Lost, reason: "; the session was then ended, and what does not end with it may run on"},
		{name: "a server that is not there may have run it", prepare: fault(localaws.Fault{Code: "ServiceUnavailable", Status: 503, Message: "oops", Times: 9}), status: run.Lost, reason: "it is not known whether the command ran, ECS gave no clear answer to ExecuteCommand: ServiceUnavailable: oops"},
		{name: "KMS is not to be had", prepare: func(t *testing.T, s *stack) {
			s.key(t)
			s.Inject(localaws.Fault{Operation: "GenerateDataKey", Code: "DisabledException", Message: "key is disabled", Times: 9})
		}, status: run.StartFailed, reason: "the command did not run: "},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := start(t, func(in *setup) {
				if tc.change != nil {
					tc.change(in)
				}
			})
			if tc.prepare != nil {
				tc.prepare(t, s)
			}
			all := map[string]any{"job": "cache-clear", "family": "web", "runId": "r-1", "command": []string{"echo", "x"}}
			for name, value := range tc.fields {
				all[name] = value
				if value == nil {
					delete(all, name)
				}
			}
			text, err := json.Marshal(all)
			if err != nil {
				t.Fatal(err)
			}
			r := s.exec(t, string(text))
			if r.Status != tc.status || !strings.Contains(strings.ToLower(r.Reason), strings.ToLower(tc.reason)) {
				t.Errorf("%s: %s\nwant %s: %s", r.Status, r.Reason, tc.status, tc.reason)
			}
			if strings.Contains(r.Reason, "may still run") && strings.Contains(r.Reason, "was then ended") {
				t.Errorf("the reason contradicts itself: %s", r.Reason)
			}
			if n := s.Calls("ExecuteCommand"); tc.status == run.Lost && n != 1 {
				t.Errorf("ExecuteCommand was called %d times", n)
			}
			if r.Status != run.Lost && r.Log != nil {
				t.Errorf("log %+v of a command that did not run", r.Log)
			}
		})
	}
}

func (s *stack) agent(t *testing.T, status string) {
	t.Helper()
	if err := s.SetExecAgent(s.task, "app", status); err != nil {
		t.Fatal(err)
	}
}

func fault(f localaws.Fault) func(*testing.T, *stack) {
	f.Operation = "ExecuteCommand"
	return func(_ *testing.T, s *stack) { s.Inject(f) }
}

func disturb(d localaws.Disturbance) func(*testing.T, *stack) {
	return func(_ *testing.T, s *stack) { s.DisturbSessions(d) }
}

// What is sure to have made no session is tried again; a command never runs twice.
func TestTriesAgain(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.Inject(localaws.Fault{Operation: "ExecuteCommand", Code: "TargetNotConnectedException", Message: "internal error", Times: 2})
	if r := s.exec(t, payload(t, map[string]any{"command": []string{"echo", "x"}})); r.Status != run.Succeeded {
		t.Errorf("%s: %s", r.Status, r.Reason)
	}
	if n := s.Calls("ExecuteCommand"); n != 3 {
		t.Errorf("%d calls of ExecuteCommand, want 3", n)
	}
	for _, throttling := range []string{"ThrottlingException", "TooManyRequestsException", "RequestLimitExceeded"} {
		before := s.Calls("ExecuteCommand")
		s.Inject(localaws.Fault{Operation: "ExecuteCommand", Code: throttling, Message: "Rate exceeded"})
		if r := s.exec(t, payload(t, map[string]any{"command": []string{"echo", "x"}})); r.Status != run.Succeeded {
			t.Errorf("%s: %s: %s", throttling, r.Status, r.Reason)
		}
		if n := s.Calls("ExecuteCommand") - before; n != 2 {
			t.Errorf("%s: %d calls of ExecuteCommand, want 2", throttling, n)
		}
	}
	for _, once := range []localaws.Fault{
		{Operation: "ExecuteCommand", Code: "ServerException", Status: 500},
		{Operation: "ExecuteCommand", Code: "ClientException", Message: "Unable to execute HTTP request: Read timed out"},
	} {
		before := s.Calls("ExecuteCommand")
		s.Inject(once)
		s.exec(t, payload(t, map[string]any{"command": []string{"echo", "x"}}))
		if n := s.Calls("ExecuteCommand") - before; n != 1 {
			t.Errorf("%s was tried again: %d calls", once.Code, n)
		}
	}
}

// Of several tasks the newest that can be reached is taken.
func TestChoosesTheNewest(t *testing.T) {
	t.Parallel()
	s := start(t)
	second := s.run(t, true)
	s.run(t, false) // the newest, which cannot be reached
	for _, where := range []string{second, s.task} {
		if r := s.exec(t, payload(t, map[string]any{"command": []string{"echo", "x"}})); r.TaskARN != where || r.Status != run.Succeeded {
			t.Errorf("%s in %s, want %s: %s", r.Status, r.TaskARN, where, r.Reason)
		}
		if _, err := s.ecs.StopTask(t.Context(), &ecs.StopTaskInput{Cluster: aws.String("jobs"), Task: &where}); err != nil {
			t.Fatal(err)
		}
	}
	by := map[string]any{"job": "j", "command": []string{"echo", "x"}, "task": s.run(t, true)}
	text, _ := json.Marshal(by)
	if r := s.exec(t, string(text)); r.Status != run.Succeeded || r.TaskARN != by["task"] || r.ID != "request-1" {
		t.Errorf("by its ARN: %+v", r)
	}
}

// A result that nobody was told of is an error, for the failure destination.
func TestUnpublished(t *testing.T) {
	t.Parallel()
	s := start(t, func(in *setup) { in.fail = fmt.Errorf("no topic") })
	if _, err := s.executor.Handle(t.Context(), json.RawMessage(payload(t, map[string]any{"command": []string{"echo", "x"}}))); err == nil {
		t.Error("no error")
	}
}

// Neither the session's token nor anything like it is ever shown.
func TestSecrets(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	var token string
	s := start(t)
	cfg := s.Config()
	cfg.HTTPClient = doer(func(r *http.Request) (*http.Response, error) {
		response, err := http.DefaultClient.Do(r)
		if err != nil || !strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".ExecuteCommand") {
			return response, err
		}
		body, err := io.ReadAll(response.Body)
		response.Body = io.NopCloser(bytes.NewReader(body))
		if _, after, ok := strings.Cut(string(body), `"tokenValue":"`); ok {
			token, _, _ = strings.Cut(after, `"`)
		}
		return response, err
	})
	logger := slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	publish := publisher(func(_ context.Context, r result.Result) error { s.told = append(s.told, r); return nil })
	s.build = func(l *ledger.Ledger) *execute.Executor {
		return execute.New(cfg, l, report.New(l, publish, metric.New(&log, "errand/jobs/", time.Now), logger),
			execute.Config{Cluster: "jobs", Retry: time.Millisecond, Channel: ssmchan.Options{FirstFrame: 50 * time.Millisecond}}, logger)
	}
	for _, d := range []localaws.Disturbance{{Silent: true}, {CutAfter: 1}, {CloseWith: "no"}, {}} {
		s.DisturbSessions(d)
		r := s.exec(t, payload(t, map[string]any{"command": []string{"echo", "x"}}))
		if token == "" || strings.Contains(log.String()+string(r.JSON(1<<18)), token) {
			t.Errorf("the token %q is in the log or the result", token)
		}
	}
}

type doer func(*http.Request) (*http.Response, error)

func (d doer) Do(r *http.Request) (*http.Response, error) { return d(r) }
