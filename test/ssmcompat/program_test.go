package ssmcompat

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/google/go-cmp/cmp"

	"errand/pkg/execwrap"
	"errand/pkg/localaws"
)

// program is the plugin's, at the version that go.mod says.
const program = "github.com/aws/session-manager-plugin/src/sessionmanagerplugin-main"

const (
	buildTime   = 5 * time.Minute // when nothing of it is in the cache
	sessionTime = time.Minute
)

// build builds the plugin's program.
func build(t *testing.T) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), buildTime)
	defer cancel()
	path := filepath.Join(t.TempDir(), "session-manager-plugin")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", path, program).CombinedOutput(); err != nil {
		t.Fatalf("build the plugin: %v\n%s", err, out)
	}
	return path
}

// host is an embedded endpoint with a running task.
type host struct {
	*localaws.Server
	ecs  *ecs.Client
	task types.Task
}

func start(t *testing.T, encrypted bool, d localaws.Disturbance) *host {
	t.Helper()
	server, err := localaws.Start(localaws.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	server.DisturbSessions(d)
	h := &host{Server: server, ecs: ecs.NewFromConfig(server.Config())}
	cluster := &ecs.CreateClusterInput{ClusterName: aws.String("jobs")}
	if encrypted {
		cluster.Configuration = &types.ClusterConfiguration{ExecuteCommandConfiguration: &types.ExecuteCommandConfiguration{KmsKeyId: aws.String(server.AddKey())}}
	}
	if _, err := h.ecs.CreateCluster(t.Context(), cluster); err != nil {
		t.Fatal(err)
	}
	if _, err := h.ecs.RegisterTaskDefinition(t.Context(), &ecs.RegisterTaskDefinitionInput{
		Family: aws.String("web"), Memory: aws.String("512"), TaskRoleArn: aws.String("arn:aws:iam::123456789012:role/web"),
		ContainerDefinitions: []types.ContainerDefinition{{
			Name: aws.String("app"), Image: aws.String("local"), Command: []string{"sleep", "600"}, StopTimeout: aws.Int32(2),
		}},
	}); err != nil {
		t.Fatal(err)
	}
	out, err := h.ecs.RunTask(t.Context(), &ecs.RunTaskInput{Cluster: aws.String("jobs"), TaskDefinition: aws.String("web"), EnableExecuteCommand: true})
	if err != nil || len(out.Tasks) != 1 {
		t.Fatal(out, err)
	}
	running, err := ecs.NewTasksRunningWaiter(h.ecs, func(o *ecs.TasksRunningWaiterOptions) { o.MinDelay, o.MaxDelay = time.Millisecond, 10*time.Millisecond }).
		WaitForOutput(t.Context(), &ecs.DescribeTasksInput{Cluster: aws.String("jobs"), Tasks: []string{*out.Tasks[0].TaskArn}}, sessionTime)
	if err != nil {
		t.Fatal(err)
	}
	h.task = running.Tasks[0]
	return h
}

// connect executes a command, attaches the plugin to its session as the AWS CLI
// does, and returns the session's id and what the plugin has shown.
func (h *host) connect(t *testing.T, plugin, command, typed string, env ...string) (id, shown string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), sessionTime)
	defer cancel()
	out, err := h.ecs.ExecuteCommand(ctx, &ecs.ExecuteCommandInput{Cluster: h.task.ClusterArn, Task: h.task.TaskArn, Command: &command, Interactive: true})
	if err != nil {
		t.Fatal(err)
	}
	session, err := json.Marshal(map[string]*string{
		"SessionId": out.Session.SessionId, "StreamUrl": out.Session.StreamUrl, "TokenValue": out.Session.TokenValue,
	})
	if err != nil {
		t.Fatal(err)
	}
	// With a KMS key the target is a part of what the two sides must agree on.
	id = (*h.task.TaskArn)[strings.LastIndex(*h.task.TaskArn, "/")+1:]
	target := fmt.Sprintf(`{"Target":"ecs:jobs_%s_%s"}`, id, *h.task.Containers[0].RuntimeId)
	run := exec.CommandContext(ctx, plugin, string(session), h.Config().Region, "StartSession", "", target, h.URL())
	run.Dir = t.TempDir()
	// All that it could find on the machine or in the network is kept from it.
	run.Env = append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + run.Dir,
		"AWS_CONFIG_FILE=" + os.DevNull, "AWS_SHARED_CREDENTIALS_FILE=" + os.DevNull, "AWS_EC2_METADATA_DISABLED=true",
		"AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test", "AWS_ENDPOINT_URL=" + h.URL(),
	}, env...)
	// The plugin ends with its input, so that stays open.
	stdin, err := run.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	p := &person{keys: stdin, typed: typed}
	run.Stdout, run.Stderr = p, p
	run.WaitDelay = 5 * time.Second
	if err := run.Run(); err != nil {
		t.Errorf("the plugin: %v, %v", err, ctx.Err())
	}
	return *out.Session.SessionId, p.seen.String()
}

// person sits before the plugin, and types when the command says that it is
// ready: the plugin loses what comes before the first output, or has it echoed
// ahead of that.
type person struct {
	seen  strings.Builder
	keys  io.Writer
	typed string
}

func (p *person) Write(b []byte) (int, error) {
	p.seen.Write(b)
	if p.typed != "" && strings.Contains(p.seen.String(), "ready") {
		_, _ = io.WriteString(p.keys, p.typed) // the command waits for it
		p.typed = ""
	}
	return len(b), nil
}

// unsigned keeps the plugin from signing the upgrade.
const unsigned = "SSM_PLUGIN_SKIP_CLIENT_CONFIGURE=true"

func TestProgram(t *testing.T) {
	plugin := build(t)
	for _, tc := range []struct {
		name      string
		encrypted bool
		signed    bool
		disturb   localaws.Disturbance
		command   string
		typed     string
		greeting  string // from the agent
		want      string // lines, whose breaks a terminal writes as CR LF
		refused   string // instead of the plugin's word of a normal end
	}{
		{name: "output", command: "seq 1 600", want: numbers(600)},
		{
			name: "signed", signed: true, disturb: localaws.Disturbance{RequireSigning: true},
			command: "seq 1 600", want: numbers(600),
		},
		{
			// The size is what the plugin makes of having no terminal.
			name:    "input and size",
			command: `/bin/sh -c 'echo ready; read line; echo "[$line]"; until [ "$(stty size)" = "100 300" ]; do sleep 0.02; done; stty size'`,
			typed:   "hello\n", want: "ready\nhello\n[hello]\n100 300\n",
		},
		{
			name: "encrypted", encrypted: true,
			command: `/bin/sh -c 'echo ready; read line; echo "[$line]"; seq 1 600'`,
			typed:   "hello\n", greeting: "This session is encrypted using AWS KMS.\n", want: "ready\nhello\n[hello]\n" + numbers(600),
		},
		{
			name: "disturbed", disturb: localaws.Disturbance{Reorder: 3, Duplicate: 4, Announce: 5},
			command: "seq 1 3000", want: numbers(3000),
		},
		{
			name: "refused", disturb: localaws.Disturbance{CloseWith: "Plugin with name InteractiveCommands not found"},
			command: "sleep 600", refused: "Plugin with name InteractiveCommands not found",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			h := start(t, tc.encrypted, tc.disturb)
			var env []string
			if !tc.signed {
				env = append(env, unsigned)
			}
			id, shown := h.connect(t, plugin, tc.command, tc.typed, env...)
			want := "\nStarting session with SessionId: " + id + "\n" + tc.greeting + strings.ReplaceAll(tc.want, "\n", "\r\n")
			if tc.refused == "" {
				want += "\n\nExiting session with sessionId: " + id + ".\n\n"
			} else {
				want += "\n\nSessionId: " + id + " : " + tc.refused + "\n\n"
			}
			if diff := cmp.Diff(want, shown); diff != "" {
				t.Errorf("the plugin (-want +shown):\n%s", diff)
			}
			sessions := h.Sessions()
			if len(sessions) != 1 || sessions[0].Upgrades != 1 || sessions[0].Signed != tc.signed || !sessions[0].Ended {
				t.Errorf("sessions: %+v", sessions)
			}
		})
	}
	// What errand makes of a command goes through a client that is not errand's.
	t.Run("wrapped", func(t *testing.T) {
		t.Parallel()
		h := start(t, false, localaws.Disturbance{})
		command, mark, err := execwrap.Wrap([]string{"/bin/sh", "-c", `seq 1 600; echo "$WHAT"; exit 37`}, []execwrap.Variable{{Name: "WHAT", Value: "it's $$ {{odd}}"}})
		if err != nil {
			t.Fatal(err)
		}
		_, shown := h.connect(t, plugin, command, "", unsigned)
		var output strings.Builder
		d := execwrap.NewDecoder(mark, &output)
		if _, err := d.Write([]byte(shown)); err != nil {
			t.Fatal(err)
		}
		if code := d.ExitCode(); code == nil || *code != 37 {
			t.Errorf("the exit code is not read from %q", shown)
		}
		if diff := cmp.Diff(numbers(600)+"it's $$ {{odd}}\n", output.String()); diff != "" {
			t.Errorf("the command (-want +got):\n%s", diff)
		}
	})
}

// numbers is what seq prints.
func numbers(n int) string {
	var lines strings.Builder
	for i := range n {
		fmt.Fprintln(&lines, i+1)
	}
	return lines.String()
}
