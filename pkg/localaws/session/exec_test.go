package session_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
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

// quick makes sessions begin at once, and send nothing again however slow the
// test is.
var quick = localaws.Disturbance{FirstFrame: time.Nanosecond, Resend: limit}

// host starts a task of one container and waits until it is RUNNING. Its
// sessions behave as d says.
func (e *endpoint) host(t *testing.T, d localaws.Disturbance) types.Task {
	t.Helper()
	e.DisturbSessions(d)
	e.Register(t, shell("app", "exec sleep 600"))
	e.Run(t, ecsExec(request()))
	return e.Describe(t, e.Await(t, localaws.TaskState, "RUNNING").Subject)
}

// execute starts a command.
func (e *endpoint) execute(t *testing.T, task types.Task, command string) *types.Session {
	t.Helper()
	out, err := e.ECS.ExecuteCommand(t.Context(), &ecs.ExecuteCommandInput{
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

	got      transcript
	text     strings.Builder
	early    map[int64]ssmchan.Frame
	expected int64
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
	return newClient(ctx, t, conn)
}

func newClient(ctx context.Context, t *testing.T, conn *websocket.Conn) *client {
	conn.SetReadLimit(1 << 20)
	return &client{T: t, ctx: ctx, conn: conn, got: transcript{acked: map[int64]int{}}, early: map[int64]ssmchan.Frame{}}
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

// output reads the next frame of output and leaves it to be acknowledged.
func (c *client) output() ssmchan.Frame {
	c.Helper()
	f := c.next()
	for f.Type == ssmchan.TypeAcknowledge {
		f = c.next()
	}
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

// until reads until there is enough, counting from the first frame.
func (c *client) until(enough func(transcript) bool) transcript {
	c.Helper()
	for !enough(c.got) {
		f := c.next()
		switch f.Type {
		case ssmchan.TypeOutput:
			c.ack(f)
			c.got.frames = append(c.got.frames, f)
			c.early[f.Sequence] = f
			for ; c.early[c.expected].Payload != nil; c.expected++ {
				c.text.Write(c.early[c.expected].Payload)
			}
			c.got.output = c.text.String()
		case ssmchan.TypeAcknowledge:
			var ack ssmchan.Acknowledgement
			if err := json.Unmarshal(f.Payload, &ack); err != nil {
				c.Fatal(err)
			}
			c.got.acked[ack.Sequence]++
		case ssmchan.TypeClosed:
			var closed ssmchan.Closed
			if err := json.Unmarshal(f.Payload, &closed); err != nil {
				c.Fatal(err)
			}
			c.got.reason = closed.Output
			return c.got
		}
	}
	return c.got
}

func TestExecTrace(t *testing.T) {
	t.Parallel()
	e := start(t)
	task := e.host(t, quick)
	path, free := fifo(t)
	session := e.execute(t, task, `sh -c 'exec 3>`+path+`; echo hello; exit 7'`)
	released(t, free) // else the line may come in two frames
	c := connect(t, session)
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
		{"U+FFFD, which the agent damages", `printf '\357\277\275abcd'`, "\xefabcd", ""},
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
	e.Register(t, with(shell("app", "exec sleep 600"), func(c *types.ContainerDefinition) {
		c.WorkingDirectory = &dir
		c.Environment = []types.KeyValuePair{{Name: aws.String("A"), Value: aws.String("definition")}, {Name: aws.String("LANG"), Value: aws.String("de")}}
	}))
	in := ecsExec(request())
	in.Overrides.ContainerOverrides = []types.ContainerOverride{{
		Name: aws.String("app"), Environment: []types.KeyValuePair{{Name: aws.String("A"), Value: aws.String("override")}},
	}}
	task := e.Run(t, in)
	e.Await(t, localaws.TaskState, "RUNNING")
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
		"undisturbed": {Pace: -1, Drain: limit},
		"disturbed":   {Pace: -1, Resend: 2 * time.Millisecond, Drain: limit, LoseAcks: 50, Reorder: 7, Duplicate: 11, Announce: 100},
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
	e.Register(t, shell("app", "exec sleep 600"), shell("side", "exec sleep 600"))
	enabled := e.Run(t, ecsExec(request()))
	e.Await(t, localaws.TaskState, "RUNNING")
	plain := e.Run(t, request())
	e.Await(t, localaws.TaskState, "RUNNING")
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
			_, err := e.ECS.ExecuteCommand(t.Context(), &test.in)
			refused(t, err, test.code, test.message)
		})
	}
	in := &ecs.ExecuteCommandInput{Task: enabled.TaskArn, Container: aws.String("side"), Command: aws.String("true")}
	_, err := e.ECS.ExecuteCommand(t.Context(), in)
	refused(t, err, "InvalidParameterException", "Interactive is the only mode supported currently.")
	in.Interactive = true
	for _, status := range []string{"PENDING", "STOPPED"} {
		if err := e.SetExecAgent(*enabled.TaskArn, "side", status); err != nil {
			t.Fatal(err)
		}
		_, err := e.ECS.ExecuteCommand(t.Context(), in)
		refused(t, err, "InvalidParameterException", "or the execute command agent isn't running")
		shown := e.Describe(t, *enabled.TaskArn).Containers
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
	_, err = e.ECS.ExecuteCommand(t.Context(), in)
	var target *types.TargetNotConnectedException
	if !errors.As(err, &target) {
		t.Errorf("got %v", err)
	}
	out, err := e.ECS.ExecuteCommand(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	if *out.ContainerName != "side" || *out.TaskArn != *enabled.TaskArn || *out.ClusterArn != *enabled.ClusterArn || !strings.HasPrefix(*out.ContainerArn, "arn:aws:ecs:") || !out.Interactive {
		t.Errorf("got %+v", out)
	}
}

// terminate calls TerminateSession.
func (e *endpoint) terminate(t *testing.T, id *string) error {
	t.Helper()
	out, err := ssm.NewFromConfig(e.Config()).TerminateSession(t.Context(), &ssm.TerminateSessionInput{SessionId: id})
	if err == nil && *out.SessionId != *id {
		t.Errorf("TerminateSession of %s answers for %s", *id, *out.SessionId)
	}
	return err
}

// ready says that a command has printed the line ready.
func ready(got transcript) bool { return strings.Contains(got.output, "ready\r\n") }

func TestExecStartsWithoutAClient(t *testing.T) {
	t.Parallel()
	e := start(t)
	task := e.host(t, quick)
	path, free := fifo(t)
	session := e.execute(t, task, `sh -c 'echo early; exec 3>`+path+`'`)
	released(t, free)
	if got := connect(t, session).finish(); got.output != "early\r\n" {
		t.Errorf("a client that comes later got %q", got.output)
	}
}

func TestExecResendsTheOldestFrame(t *testing.T) {
	t.Parallel()
	e := start(t)
	task := e.host(t, localaws.Disturbance{FirstFrame: time.Nanosecond, Resend: time.Millisecond})
	session := e.execute(t, task, `sh -c 'stty -echo; printf one; read x; printf two; read x'`)
	c := connect(t, session)
	first := c.output()
	c.input(ssmchan.PayloadOutput, "\n")
	var second ssmchan.Frame
	for second.Sequence != 1 {
		if second = c.next(); second.Type == ssmchan.TypeOutput && second.Sequence == 0 && (second.ID != first.ID || !bytes.Equal(second.Payload, first.Payload) || second.Flags != first.Flags) {
			t.Fatalf("sent again, frame 0 is %+v, not %+v", second, first)
		}
	}
	for range 5 {
		if f := c.output(); f.Sequence != 0 {
			t.Fatalf("frame %d is sent again before frame 0 is acknowledged", f.Sequence)
		}
	}
	c.ack(first)
	for c.output().Sequence != 1 {
	}
	if f := c.output(); f.Sequence != 1 {
		t.Errorf("frame %d is sent again although it is acknowledged", f.Sequence)
	}
	c.ack(second)
	c.input(ssmchan.PayloadOutput, "\n")
	c.finish()
	if shown := e.Sessions(); len(shown) != 1 || shown[0].ID != *session.SessionId || shown[0].Resent < 6 || !shown[0].Ended || shown[0].Upgrades != 1 || shown[0].Signed {
		t.Errorf("got the sessions %+v", shown)
	}
}

func TestExecEndsWithoutAcknowledgements(t *testing.T) {
	t.Parallel()
	e := start(t)
	task := e.host(t, localaws.Disturbance{FirstFrame: time.Nanosecond, Drain: time.Millisecond, LoseAcks: 1})
	if got := connect(t, e.execute(t, task, "echo hello")).finish(); got.output != "hello\r\n" || got.reason != "" {
		t.Errorf("got %+v", got)
	}
}

func TestExecInput(t *testing.T) {
	t.Parallel()
	e := start(t)
	task := e.host(t, quick)
	t.Run("Ctrl-C", func(t *testing.T) {
		t.Parallel()
		c := connect(t, e.execute(t, task, `sh -c 'echo ready; exec sleep 600'`))
		c.until(ready)
		c.input(ssmchan.PayloadOutput, "\x03")
		if got := c.finish(); got.reason != "" || got.acked[0] != 1 {
			t.Errorf("got %+v", got)
		}
	})
	t.Run("in order, once", func(t *testing.T) {
		t.Parallel()
		c := connect(t, e.execute(t, task, `sh -c 'stty -echo; echo ready; read a; read b; read c; echo $a $b $c'`))
		c.until(ready)
		for _, i := range []int64{1, 0, 0, 2} { // as if an acknowledgement had been lost
			c.sent = i
			c.input(ssmchan.PayloadOutput, fmt.Sprintf("%d\n", i))
		}
		if got := c.finish(); got.output != "ready\r\n0 1 2\r\n" || got.acked[0] != 2 || got.acked[1] != 1 || got.acked[2] != 1 {
			t.Errorf("got %q and the acknowledgements %v", got.output, got.acked)
		}
	})
	t.Run("size", func(t *testing.T) {
		t.Parallel()
		c := connect(t, e.execute(t, task, `sh -c 'stty -echo; echo ready; read x; stty size'`))
		c.until(ready)
		c.input(ssmchan.PayloadSize, `{"cols":100,"rows":40}`)
		c.input(ssmchan.PayloadOutput, "\n")
		if got := c.finish(); !strings.HasSuffix(got.output, "40 100\r\n") {
			t.Errorf("got %q", got.output)
		}
	})
}

func TestExecInputBeforeTheTerminal(t *testing.T) {
	t.Parallel()
	e := start(t)
	task := e.host(t, localaws.Disturbance{FirstFrame: limit}) // until it says that it cannot start
	session := e.execute(t, task, "/bin/nope")
	c := connect(t, session)
	c.input(ssmchan.PayloadOutput, "lost")
	c.input(ssmchan.PayloadOutput, "held")
	got := c.until(func(got transcript) bool { return len(got.acked) > 0 })
	if got.acked[1] != 1 || got.acked[0] != 0 {
		t.Errorf("got the acknowledgements %v", got.acked)
	}
	if err := e.terminate(t, session.SessionId); err != nil {
		t.Error(err)
	}
}

func TestExecTerminate(t *testing.T) {
	t.Parallel()
	e := start(t)
	task := e.host(t, quick)
	path, free := fifo(t)
	session := e.execute(t, task, `sh -c 'exec 3>`+path+`; sleep 600 & trap "" INT HUP TERM; echo ready; wait; wait'`)
	c := connect(t, session)
	c.until(ready)
	if err := e.terminate(t, session.SessionId); err != nil {
		t.Fatal(err)
	}
	if got := c.finish(); got.reason != "" {
		t.Errorf("closed with %q", got.reason)
	}
	released(t, free)
	refused(t, e.terminate(t, session.SessionId), "ValidationException", "Session is not in a valid state")
	refused(t, e.terminate(t, aws.String("ecs-execute-command-0")), "DoesNotExistException", "does not exist")
}

func TestExecRefusesClients(t *testing.T) {
	t.Parallel()
	e := start(t)
	task := e.host(t, quick)
	session := e.execute(t, task, "echo hello")
	for name, spoil := range map[string]func(*ssmchan.Open){
		"the token":            func(m *ssmchan.Open) { m.Token += "x" },
		"MessageSchemaVersion": func(m *ssmchan.Open) { m.SchemaVersion = "2" },
		"RequestId":            func(m *ssmchan.Open) { m.RequestID = "" },
		"ClientId":             func(m *ssmchan.Open) { m.ClientID = "X" },
		"ClientVersion":        func(m *ssmchan.Open) { m.ClientVersion = "" },
	} {
		message := opening(session)
		spoil(&message)
		c := dial(t, session).open(message)
		_, _, err := c.conn.Read(c.ctx)
		if websocket.CloseStatus(err) != websocket.StatusPolicyViolation || !strings.Contains(err.Error(), name) {
			t.Errorf("with a wrong %s, got %v", name, err)
		}
	}
	for name, url := range map[string]string{
		"404": strings.Replace(*session.StreamUrl, *session.SessionId, "ecs-execute-command-0", 1),
		"400": strings.Replace(*session.StreamUrl, "+", "%2B", 1),
	} {
		_, resp, err := websocket.Dial(t.Context(), url, nil) //nolint:bodyclose // Dial closes it
		if err == nil || !strings.HasPrefix(resp.Status, name) {
			t.Errorf("got %v, want %s", err, name)
		}
	}
	if got := connect(t, session).finish(); got.output != "hello\r\n" {
		t.Errorf("after the refusals, got %q", got.output)
	}
}

func TestExecRequiresSigning(t *testing.T) {
	t.Parallel()
	e := start(t)
	task := e.host(t, localaws.Disturbance{FirstFrame: time.Nanosecond, RequireSigning: true})
	session := e.execute(t, task, "echo hello")
	for _, test := range []struct {
		service string
		ok      bool
	}{{"ssm", false}, {"ssmmessages", true}} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, *session.StreamUrl, nil)
		if err != nil {
			t.Fatal(err)
		}
		hash := sha256.Sum256(nil)
		if err := v4.NewSigner().SignHTTP(t.Context(), aws.Credentials{AccessKeyID: "x", SecretAccessKey: "y"}, request, hex.EncodeToString(hash[:]), test.service, "eu-west-1", time.Now()); err != nil {
			t.Fatal(err)
		}
		conn, resp, err := websocket.Dial(t.Context(), *session.StreamUrl, &websocket.DialOptions{HTTPHeader: request.Header}) //nolint:bodyclose // Dial closes it
		if !test.ok {
			if err == nil || resp.StatusCode != http.StatusForbidden || resp.Header.Get("X-Amzn-Errortype") != "AccessDeniedException" {
				t.Errorf("signed for %s, got %v", test.service, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if got := newClient(t.Context(), t, conn).open(opening(session)).finish(); got.output != "hello\r\n" {
			t.Errorf("got %q", got.output)
		}
	}
	if shown := e.Sessions(); !shown[0].Signed || shown[0].Upgrades != 1 {
		t.Errorf("got the sessions %+v", shown)
	}
}

func TestExecDisturbances(t *testing.T) {
	t.Parallel()
	e := start(t)
	task := e.host(t, localaws.Disturbance{
		FirstFrame: time.Nanosecond, Pace: -1, Resend: 2 * time.Millisecond, Drain: limit, LoseAcks: 4, Reorder: 5, Duplicate: 7, Announce: 10,
	})
	c := connect(t, e.execute(t, task, `awk 'BEGIN { while (i++ < 50000) print i }'`))
	var numbers []int64
	counts := map[string]int{}
	for {
		f := c.next()
		counts[f.Type]++
		if f.Type == ssmchan.TypeClosed {
			break
		}
		if f.Type == ssmchan.TypeOutput {
			numbers = append(numbers, f.Sequence)
			c.ack(f)
		}
	}
	copies := map[int64]int{}
	backwards := 0
	for i, n := range numbers {
		copies[n]++
		if i > 0 && n == numbers[i-1]-1 {
			backwards++
		}
	}
	frames := len(copies)
	if frames < 200 || len(numbers) < frames+frames/7 || backwards < frames/10 {
		t.Errorf("%d frames of %d numbers, %d times backwards", len(numbers), frames, backwards)
	}
	if want := frames / 10; counts[ssmchan.TypePausePublication] != want || counts[ssmchan.TypeStartPublication] != want {
		t.Errorf("%d frames, and of other types %v", frames, counts)
	}
	if shown := e.Sessions(); shown[0].Resent == 0 {
		t.Error("nothing was sent again")
	}
}

func TestExecCutConnection(t *testing.T) {
	t.Parallel()
	e := start(t)
	task := e.host(t, localaws.Disturbance{FirstFrame: time.Nanosecond, Resend: time.Millisecond, CutAfter: 1})
	session := e.execute(t, task, `sh -c 'printf one; read x; echo two'`)
	c := connect(t, session)
	if f := c.output(); string(f.Payload) != "one" {
		t.Errorf("got %q", f.Payload)
	}
	var err error
	for err == nil { // it may be sent again before
		_, _, err = c.conn.Read(c.ctx)
	}
	if websocket.CloseStatus(err) != -1 || c.ctx.Err() != nil {
		t.Errorf("the connection was not cut: %v", err)
	}
	c = connect(t, session)
	c.input(ssmchan.PayloadOutput, "\n")
	if got := c.finish(); got.output != "one\r\ntwo\r\n" {
		t.Errorf("after the cut, got %q", got.output)
	}
}

func TestExecCloseWith(t *testing.T) {
	t.Parallel()
	e := start(t)
	for after, want := range []string{"", "one"} {
		task := e.host(t, localaws.Disturbance{FirstFrame: time.Nanosecond, CloseWith: "Your session timed out.", CloseAfter: after})
		path, free := "/dev/null", (<-chan struct{})(nil)
		if after > 0 {
			path, free = fifo(t)
		}
		got := connect(t, e.execute(t, task, `sh -c 'exec 3>`+path+`; printf one; exec sleep 600'`)).finish()
		if !strings.HasPrefix(want, got.output) || after > 0 && got.output != want || got.reason != "Your session timed out." {
			t.Errorf("after %d: got %q, closed with %q", after, got.output, got.reason)
		}
		if after > 0 { // else it may not even have begun
			released(t, free)
		}
	}
}

// ended waits for the end of a session that its client is not told of.
func (e *endpoint) ended(t *testing.T, session *types.Session, how string) {
	t.Helper()
	if o := e.Await(t, localaws.SessionState, how); o.Subject != *session.SessionId {
		t.Errorf("session %s is %s", o.Subject, how)
	}
}

// cut wants nothing but the loss of the connection.
func (c *client) cut() {
	c.Helper()
	if typ, b, err := c.conn.Read(c.ctx); err == nil || websocket.CloseStatus(err) != -1 || c.ctx.Err() != nil {
		c.Errorf("got %v, %q, %v", typ, b, err)
	}
}

func TestExecSilent(t *testing.T) {
	t.Parallel()
	e := start(t)
	task := e.host(t, localaws.Disturbance{FirstFrame: time.Nanosecond, Drain: time.Millisecond, Silent: true})
	session := e.execute(t, task, "echo hello")
	c := connect(t, session)
	e.ended(t, session, "ENDED")
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	c.cut()
}

func TestExecNoClose(t *testing.T) {
	t.Parallel()
	e := start(t)
	task := e.host(t, localaws.Disturbance{FirstFrame: time.Nanosecond, Resend: limit, NoClose: true})
	session := e.execute(t, task, "echo hello")
	c := connect(t, session)
	c.ack(c.output())
	e.ended(t, session, "ENDED")
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	c.cut()
}

func TestExecEndsWithTheTask(t *testing.T) {
	t.Parallel()
	for _, cut := range []bool{false, true} {
		e := start(t)
		task := e.host(t, localaws.Disturbance{FirstFrame: time.Nanosecond, Resend: limit, CutWhenStopped: cut})
		path, free := fifo(t)
		session := e.execute(t, task, `sh -c 'exec 3>`+path+`; trap "" HUP; sleep 600 & echo ready; wait'`)
		c := connect(t, session)
		c.until(ready)
		if _, err := e.ECS.StopTask(t.Context(), &ecs.StopTaskInput{Task: task.TaskArn}); err != nil {
			t.Fatal(err)
		}
		e.ended(t, session, "GONE")
		released(t, free)
		if cut {
			c.cut()
			continue
		}
		// The gateway is still there, and says nothing by itself.
		if err := e.terminate(t, session.SessionId); err != nil {
			t.Error(err)
		}
		if f := c.next(); f.Type != ssmchan.TypeClosed {
			t.Errorf("got %s", f.Type)
		}
	}
}

func TestExecCloseKillsCommands(t *testing.T) {
	t.Parallel()
	e := start(t)
	task := e.host(t, quick)
	path, free := fifo(t)
	c := connect(t, e.execute(t, task, `sh -c 'exec 3>`+path+`; trap "" HUP INT; sleep 600 & echo ready; wait'`))
	c.until(ready)
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	released(t, free)
	c.cut()
}

func TestExecLeavesWhatIgnoresTheHangup(t *testing.T) {
	t.Parallel()
	e := start(t)
	task := e.host(t, quick)
	path, free := fifo(t)
	c := connect(t, e.execute(t, task, `sh -c 'exec 3>`+path+`; trap "" HUP; sleep 600 </dev/null >/dev/null 2>&1 & echo hello'`))
	if got := c.finish(); got.output != "hello\r\n" {
		t.Errorf("got %q", got.output)
	}
	if _, err := e.ECS.StopTask(t.Context(), &ecs.StopTaskInput{Task: task.TaskArn}); err != nil {
		t.Fatal(err)
	}
	released(t, free)
}
