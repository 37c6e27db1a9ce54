package localaws_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/coder/websocket"

	"errand/pkg/localaws"
	"errand/pkg/ssmchan"
)

// ecsExec makes a request start a task that ECS Exec is enabled for.
func ecsExec(in *ecs.RunTaskInput) *ecs.RunTaskInput {
	in.EnableExecuteCommand = true
	in.Overrides = &types.TaskOverride{TaskRoleArn: aws.String("arn:aws:iam::123456789012:role/task")}
	return in
}

// quick makes sessions begin at once.
var quick = localaws.Disturbance{FirstFrame: time.Nanosecond}

// host starts a task of one container and waits until it is RUNNING. Its
// sessions behave as d says.
func (e *endpoint) host(t *testing.T, d localaws.Disturbance) types.Task {
	t.Helper()
	e.DisturbSessions(d)
	e.register(t, shell("app", "exec sleep 600"))
	e.run(t, ecsExec(request()))
	return e.describe(t, e.await(t, localaws.TaskState, "RUNNING").Subject)
}

// execute starts a command.
func (e *endpoint) execute(t *testing.T, task types.Task, command string) *types.Session {
	t.Helper()
	out, err := e.ecs.ExecuteCommand(t.Context(), &ecs.ExecuteCommandInput{
		Cluster: task.ClusterArn, Task: task.TaskArn, Command: &command, Interactive: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.Session
}

// client is a client of the data channel as plain as can be: it acknowledges
// what it is told to.
type client struct {
	*testing.T
	ctx  context.Context
	conn *websocket.Conn
	sent int64 // frames of input
}

func dial(t *testing.T, session *types.Session) *client {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	conn, _, err := websocket.Dial(ctx, *session.StreamUrl, nil) //nolint:bodyclose // Dial closes it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.CloseNow() })
	conn.SetReadLimit(1 << 20)
	return &client{T: t, ctx: ctx, conn: conn}
}

func opening(session *types.Session) ssmchan.Open {
	return ssmchan.Open{
		SchemaVersion: "1.0", RequestID: ssmchan.NewUUID().String(), Token: *session.TokenValue,
		ClientID: ssmchan.NewUUID().String(), ClientVersion: "1.3.0.0",
	}
}

func (c *client) open(message ssmchan.Open) *client {
	c.Helper()
	text, err := json.Marshal(message)
	if err != nil {
		c.Fatal(err)
	}
	if err := c.conn.Write(c.ctx, websocket.MessageText, text); err != nil {
		c.Fatal(err)
	}
	return c
}

func connect(t *testing.T, session *types.Session) *client {
	t.Helper()
	return dial(t, session).open(opening(session))
}

// next reads a frame.
func (c *client) next() ssmchan.Frame {
	c.Helper()
	typ, b, err := c.conn.Read(c.ctx)
	if err != nil || typ != websocket.MessageBinary {
		c.Fatalf("read: %v, %v", typ, err)
	}
	f, err := ssmchan.Parse(b)
	if err != nil {
		c.Fatal(err)
	}
	return f
}

// output reads a frame of output that is not acknowledged yet.
func (c *client) output() ssmchan.Frame {
	c.Helper()
	f := c.next()
	if f.Type != ssmchan.TypeOutput {
		c.Fatalf("got %s %s, want output", f.Type, f.Payload)
	}
	return f
}

func (c *client) write(f ssmchan.Frame) {
	c.Helper()
	f.Created, f.ID = time.Now(), ssmchan.NewUUID()
	if err := c.conn.Write(c.ctx, websocket.MessageBinary, f.Append(nil)); err != nil {
		c.Fatal(err)
	}
}

func (c *client) ack(f ssmchan.Frame) {
	c.Helper()
	payload, err := json.Marshal(ssmchan.Acknowledgement{Type: f.Type, ID: f.ID.String(), Sequence: f.Sequence, IsSequential: true})
	if err != nil {
		c.Fatal(err)
	}
	c.write(ssmchan.Frame{Type: ssmchan.TypeAcknowledge, Flags: 3, Payload: payload})
}

// input sends a frame of input without waiting for its acknowledgement.
func (c *client) input(t ssmchan.PayloadType, payload string) {
	c.Helper()
	c.write(ssmchan.Frame{Type: ssmchan.TypeInput, Sequence: c.sent, PayloadType: t, Payload: []byte(payload)})
	c.sent++
}

// transcript is all that a client has got until the channel was closed.
type transcript struct {
	output string
	reason string
	frames []ssmchan.Frame // of output, as they came
	acked  map[int64]int   // acknowledgements of input
}

// finish reads until the channel is closed, and acknowledges everything.
func (c *client) finish() transcript {
	c.Helper()
	return c.until(func(transcript) bool { return false })
}

func (c *client) until(enough func(transcript) bool) transcript {
	c.Helper()
	got := transcript{acked: map[int64]int{}}
	early := map[int64]ssmchan.Frame{}
	var output strings.Builder
	for next := int64(0); !enough(got); {
		f := c.next()
		switch f.Type {
		case ssmchan.TypeOutput:
			c.ack(f)
			got.frames = append(got.frames, f)
			early[f.Sequence] = f
			for _, ok := early[next]; ok; _, ok = early[next] {
				output.Write(early[next].Payload)
				next++
			}
			got.output = output.String()
		case ssmchan.TypeAcknowledge:
			var ack ssmchan.Acknowledgement
			if err := json.Unmarshal(f.Payload, &ack); err != nil {
				c.Fatal(err)
			}
			got.acked[ack.Sequence]++
		case ssmchan.TypeClosed:
			var closed ssmchan.Closed
			if err := json.Unmarshal(f.Payload, &closed); err != nil {
				c.Fatal(err)
			}
			got.reason = closed.Output
			return got
		}
	}
	return got
}

func TestExecTrace(t *testing.T) {
	t.Parallel()
	e := start(t)
	task := e.host(t, quick)
	c := connect(t, e.execute(t, task, `sh -c 'echo hello; exit 7'`))
	f := c.output()
	if f.Sequence != 0 || f.Flags != ssmchan.FlagSYN || f.PayloadType != ssmchan.PayloadOutput || string(f.Payload) != "hello\r\n" {
		t.Errorf("got the frame %+v", f)
	}
	c.ack(f)
	closed := c.next()
	if !bytes.Contains(closed.Payload, []byte(`"Output":""`)) || closed.Type != ssmchan.TypeClosed {
		t.Errorf("at the end, got %s %s", closed.Type, closed.Payload)
	}
	if _, _, err := c.conn.Read(c.ctx); websocket.CloseStatus(err) != websocket.StatusNormalClosure {
		t.Errorf("after the end, got %v", err)
	}
}

func TestExecCommandLine(t *testing.T) {
	t.Parallel()
	e := start(t)
	task := e.host(t, quick)
	for _, test := range []struct{ name, command, output, reason string }{
		{"quotes", `printf '<%s>' 'a b' "c \" d" e\ f # and a comment`, `<a b><c " d><e f>`, ""},
		{"no shell", `echo $HOME * ; x`, "$HOME * ; x\r\n", ""},
		{"doubled dollars", `echo '$$'`, "$\r\n", ""},
		{"quoted dollars and braces", `echo '$''$''{''{ x }''}'`, "$${{ x }}\r\n", ""},
		{"a terminal without a size", `sh -c 'tty -s && stty size && echo $TERM ${LANG-unset}'`, "0 0\r\nxterm-256color C.UTF-8\r\n", ""},
		{"what cannot be split", `echo 'a`, "", "Unable to start command: Failed to parse commands input: EOF found when expecting closing quote"},
		{"a parameter", `echo {{ ssm:/secret }}`, "", "Unable to start command: Failed to parse commands input: there is no parameter {{ ssm:/secret }}"},
		{"nothing", `# x`, "", "Unable to start command: Failed to parse commands input: there are no words in it"},
		{"a missing file", `/bin/nope x`, "", "Unable to start command: Failed to start pty: fork/exec /bin/nope: no such file or directory"},
		{"a missing program", `nope x`, "", `Unable to start command: Failed to start pty: exec: "nope": executable file not found in $PATH`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := connect(t, e.execute(t, task, test.command)).finish()
			if got.output != test.output || got.reason != test.reason {
				t.Errorf("got %q, closed with %q; want %q, %q", got.output, got.reason, test.output, test.reason)
			}
		})
	}
}

func TestExecEnvironment(t *testing.T) {
	t.Parallel()
	e := start(t)
	dir := t.TempDir()
	e.register(t, with(shell("app", "exec sleep 600"), func(c *types.ContainerDefinition) {
		c.WorkingDirectory = &dir
		c.Environment = []types.KeyValuePair{{Name: aws.String("A"), Value: aws.String("definition")}, {Name: aws.String("LANG"), Value: aws.String("de")}}
	}))
	in := ecsExec(request())
	in.Overrides.ContainerOverrides = []types.ContainerOverride{{
		Name: aws.String("app"), Environment: []types.KeyValuePair{{Name: aws.String("A"), Value: aws.String("override")}},
	}}
	task := e.run(t, in)
	e.await(t, localaws.TaskState, "RUNNING")
	got := connect(t, e.execute(t, task, `sh -c 'echo $A $LANG; pwd'`)).finish()
	if want := "override de\r\n" + dir + "\r\n"; got.output != want {
		t.Errorf("got %q, want %q", got.output, want)
	}
}

func TestExecPiecesEndWithCharacters(t *testing.T) {
	t.Parallel()
	e := start(t)
	task := e.host(t, quick)
	got := connect(t, e.execute(t, task, `sh -c 'stty -opost; awk "BEGIN { while (i++ < 3000) printf \"%s\", \"x€\" }"; printf "\\342\\202"'`)).finish()
	if want := strings.Repeat("x€", 3000); got.output != want {
		t.Errorf("got %d bytes, want %d", len(got.output), len(want))
	}
	for _, f := range got.frames {
		if len(f.Payload) > 1024+3 || !utf8.Valid(f.Payload) {
			t.Errorf("frame %d has %d bytes, valid: %t", f.Sequence, len(f.Payload), utf8.Valid(f.Payload))
		}
	}
}

func TestExecKeepsTheOrder(t *testing.T) {
	t.Parallel()
	e := start(t)
	const size = 2 << 20
	for name, d := range map[string]localaws.Disturbance{
		"undisturbed": {Pace: -1},
		"disturbed":   {Pace: -1, Resend: 2 * time.Millisecond, LoseAcks: 50, Reorder: 7, Duplicate: 11, Announce: 100},
	} {
		task := e.host(t, d)
		got := connect(t, e.execute(t, task, fmt.Sprintf(`awk 'BEGIN { while (n < %d) { line = i++ " "; n += length(line); printf "%%s", line } }'`, size))).finish()
		var want strings.Builder
		for i := 0; want.Len() < size; i++ {
			fmt.Fprintf(&want, "%d ", i)
		}
		if got.output != want.String() {
			t.Errorf("%s: got %d bytes, want %d", name, len(got.output), want.Len())
		}
	}
}

func TestExecRefuses(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.register(t, shell("app", "exec sleep 600"), shell("side", "exec sleep 600"))
	enabled := e.run(t, ecsExec(request()))
	e.await(t, localaws.TaskState, "RUNNING")
	plain := e.run(t, request())
	e.await(t, localaws.TaskState, "RUNNING")
	for _, test := range []struct {
		name          string
		in            ecs.ExecuteCommandInput
		code, message string
	}{
		{"a cluster", ecs.ExecuteCommandInput{Cluster: aws.String("missing"), Task: enabled.TaskArn}, "ClusterNotFoundException", "Cluster not found."},
		{"an id", ecs.ExecuteCommandInput{Task: aws.String("sh")}, "InvalidParameterException", "task length should be one of [32,36]"},
		{"a task", ecs.ExecuteCommandInput{Task: aws.String(strings.Repeat("0", 32))}, "InvalidParameterException", "was not found"},
		{"no container", ecs.ExecuteCommandInput{Task: enabled.TaskArn}, "InvalidParameterException", "must be given"},
		{"a container", ecs.ExecuteCommandInput{Task: enabled.TaskArn, Container: aws.String("x")}, "InvalidParameterException", "container x was not found"},
		{"not enabled", ecs.ExecuteCommandInput{Task: plain.TaskArn, Container: aws.String("app")}, "InvalidParameterException", "execute command was not enabled"},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.in.Command, test.in.Interactive = aws.String("true"), true
			_, err := e.ecs.ExecuteCommand(t.Context(), &test.in)
			refused(t, err, test.code, test.message)
		})
	}
	in := &ecs.ExecuteCommandInput{Task: enabled.TaskArn, Container: aws.String("side"), Command: aws.String("true")}
	_, err := e.ecs.ExecuteCommand(t.Context(), in)
	refused(t, err, "InvalidParameterException", "Interactive is the only mode supported currently.")
	in.Interactive = true
	for _, status := range []string{"PENDING", "STOPPED"} {
		if err := e.SetExecAgent(*enabled.TaskArn, "side", status); err != nil {
			t.Fatal(err)
		}
		_, err := e.ecs.ExecuteCommand(t.Context(), in)
		refused(t, err, "InvalidParameterException", "or the execute command agent isn't running")
		shown := e.describe(t, *enabled.TaskArn).Containers
		if *shown[0].ManagedAgents[0].LastStatus != "RUNNING" || *shown[1].ManagedAgents[0].LastStatus != status || shown[1].ManagedAgents[0].Name != types.ManagedAgentNameExecuteCommandAgent {
			t.Errorf("got the agents %+v and %+v", shown[0].ManagedAgents, shown[1].ManagedAgents)
		}
	}
	if err := e.SetExecAgent(*plain.TaskArn, "side", "RUNNING"); err == nil {
		t.Error("a task without execute command got an agent")
	}
	if err := e.SetExecAgent(*enabled.TaskArn, "side", "RUNNING"); err != nil {
		t.Fatal(err)
	}
	e.Inject(localaws.Fault{Operation: "ExecuteCommand", Code: "TargetNotConnectedException", Message: "The execute command failed due to an internal error. Try again later."})
	_, err = e.ecs.ExecuteCommand(t.Context(), in)
	var target *types.TargetNotConnectedException
	if !errors.As(err, &target) {
		t.Errorf("got %v", err)
	}
	out, err := e.ecs.ExecuteCommand(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	if *out.ContainerName != "side" || *out.TaskArn != *enabled.TaskArn || *out.ClusterArn != *enabled.ClusterArn || !strings.HasPrefix(*out.ContainerArn, "arn:aws:ecs:") || !out.Interactive {
		t.Errorf("got %+v", out)
	}
}

func systemsManager(e *endpoint) *ssm.Client { return ssm.NewFromConfig(e.Config()) }
