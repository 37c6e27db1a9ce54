package localaws

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
	"unicode/utf8"

	"github.com/creack/pty"
	"github.com/google/shlex"

	"errand/pkg/ssmchan"
)

const (
	readSize    = 1024    // of the agent's reads
	agentBuffer = 100_000 // frames, in either direction
)

// errGone is the end of an agent whose container stops.
var errGone = errors.New("the container has stopped")

// agent is the one in the container. It runs the session's command in a
// terminal and numbers, keeps and resends what comes out of it.
type agent struct {
	session *session
	ctx     context.Context // ends with the session
	stop    context.CancelCauseFunc
	answers chan ssmchan.Frame // the client's, of the handshake

	// receiving orders the client's input.
	receiving sync.Mutex
	expected  int64
	early     map[int64]ssmchan.Frame

	mu          sync.Mutex
	changed     chan struct{} // closed and replaced when await is to look again
	paused      bool
	handshaking bool
	keys        *sessionKeys // nil: not encrypted
	terminal    *os.File     // nil before the command has started
	next        int64
	unacked     []*outgoing // oldest first
	resent      int

	// Measured round trips, and the timeout that follows from them.
	trip, variation, timeout time.Duration
}

// outgoing is a frame that is not acknowledged yet.
type outgoing struct {
	number int64
	frame  []byte
	sent   time.Time
}

func newAgent(s *session) *agent {
	s.FirstFrame = cmp.Or(s.FirstFrame, 50*time.Millisecond)
	s.Pace = cmp.Or(s.Pace, time.Millisecond)
	s.Resend = cmp.Or(s.Resend, 100*time.Millisecond)
	s.Drain = cmp.Or(s.Drain, 2*time.Second)
	s.Handshake = cmp.Or(s.Handshake, 15*time.Second)
	a := &agent{
		session:     s,
		answers:     make(chan ssmchan.Frame, 2),
		early:       map[int64]ssmchan.Frame{},
		changed:     make(chan struct{}),
		paused:      true, // until there is a client
		handshaking: s.keyID != "",
		trip:        s.Resend,
		timeout:     2 * s.Resend,
	}
	a.ctx, a.stop = context.WithCancelCause(s.server.ctx)
	return a
}

// run is the agent's life, and lasts as long as the container: what the command
// leaves behind lives on until then.
func (a *agent) run() {
	s := a.session
	var wg sync.WaitGroup
	wg.Go(a.resend)
	wg.Go(func() {
		select {
		case <-s.gone:
			a.stop(errGone)
		case <-a.ctx.Done():
		}
	})
	reason, command := a.work()
	cause := context.Cause(a.ctx)
	a.stop(nil)
	wg.Wait()
	switch t, terminated := errors.AsType[*termination](cause); {
	case terminated:
		s.gateway.end(t.reason)
	case errors.Is(cause, errGone):
		s.gateway.vanish()
	case cause == nil:
		s.gateway.end(reason)
	}
	if command == nil {
		return
	}
	select {
	case <-s.gone:
	case <-s.server.ctx.Done():
	}
	// The command is waited for only now, so that its process group can be no
	// other's.
	_ = syscall.Kill(-command.Process.Pid, syscall.SIGKILL)
	_ = command.Wait()
}

// work does all that the session is for, and returns why it ended if there is
// more to say than that the command did, and the command if it started.
func (a *agent) work() (string, *exec.Cmd) {
	if a.handshaking {
		if err := a.handshake(); err != nil {
			return "Encountered error while initiating handshake. " + err.Error(), nil
		}
	}
	command, terminal, err := a.start()
	if err != nil {
		a.sleep(a.session.FirstFrame)
		return "Unable to start command: " + err.Error(), nil
	}
	s := a.session
	s.server.watch(SessionState, s.ID, "STARTED")
	// Nothing that a client does may keep the command from being killed.
	var killer sync.WaitGroup
	over := make(chan struct{})
	killer.Go(func() {
		select {
		case <-a.ctx.Done():
			a.kill(command)
			_ = terminal.SetDeadline(time.Unix(1, 0))
		case <-over:
		}
	})
	a.pump(terminal)
	drain, cancel := context.WithTimeout(a.ctx, s.Drain)
	defer cancel()
	a.await(drain, func() bool { return len(a.unacked) == 0 })
	close(over)
	killer.Wait()
	_ = terminal.SetDeadline(time.Unix(1, 0)) // ends a write of input
	_ = terminal.Close()                      // hangs up
	return "", command
}

// kill kills the command when the session is terminated, and its children as
// well when the whole container goes.
func (a *agent) kill(command *exec.Cmd) {
	pid := -command.Process.Pid
	if _, ok := errors.AsType[*termination](context.Cause(a.ctx)); ok {
		pid = -pid
	}
	_ = syscall.Kill(pid, syscall.SIGKILL)
}

// start starts the command in a terminal of its own.
func (a *agent) start() (*exec.Cmd, *os.File, error) {
	s := a.session
	words, err := commandWords(s.Command)
	if err != nil {
		return nil, nil, fmt.Errorf("Failed to parse commands input: %w", err) //nolint:revive,staticcheck // the agent's words
	}
	env := append(slices.Clone(s.env), "TERM=xterm-256color")
	if !slices.ContainsFunc(s.env, func(pair string) bool { return strings.HasPrefix(pair, "LANG=") && pair != "LANG=" }) {
		env = append(env, "LANG=C.UTF-8")
	}
	// There is no shell between, and no PATH but the container's.
	path := words[0]
	if !strings.Contains(path, "/") {
		if path, err = lookPath(path, s.dir, env); err != nil {
			err = fmt.Errorf("exec: %q: %w", words[0], err)
		}
	}
	command := &exec.Cmd{Path: path, Args: words, Env: env, Dir: s.dir}
	var terminal *os.File
	if err == nil {
		terminal, err = pty.Start(command)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("Failed to start pty: %w", err) //nolint:revive,staticcheck // the agent's words
	}
	terminal = pollable(terminal)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.terminal = terminal
	return command, terminal, nil
}

// pollable makes reads and writes of the terminal obey deadlines, which the pty
// package undoes.
func pollable(f *os.File) *os.File {
	defer func() { _ = f.Close() }()
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	fd, err := syscall.Dup(int(f.Fd()))
	if err != nil {
		return f
	}
	syscall.CloseOnExec(fd)
	_ = syscall.SetNonblock(fd, true)
	return os.NewFile(uintptr(fd), f.Name())
}

var parameters = regexp.MustCompile(`\{\{ *(ssm:[A-Za-z0-9_./-]+|[A-Za-z0-9]+) *\}\}`)

// commandWords does to the command what happens to it on its way: Systems
// Manager replaces {{ names }} and writes $ for $$, then the agent splits it as
// a shell would. There are no parameters here to replace a name with, so one is
// an error.
func commandWords(command string) ([]string, error) {
	if name := parameters.FindString(command); name != "" {
		return nil, fmt.Errorf("there is no parameter %s", name)
	}
	words, err := shlex.Split(strings.ReplaceAll(command, "$$", "$"))
	if err == nil && len(words) == 0 {
		err = errors.New("there are no words in it")
	}
	return words, err
}

// pump passes the terminal's output on until the command has ended and all that
// it has left behind has closed the terminal.
func (a *agent) pump(terminal *os.File) {
	a.sleep(a.session.FirstFrame)
	buffer := make([]byte, readSize)
	var kept []byte
	for a.await(a.ctx, func() bool { return !a.paused }) {
		n, err := terminal.Read(buffer)
		if err != nil {
			return // and what is kept is never sent
		}
		var piece []byte
		piece, kept = cutPiece(append(kept, buffer[:n]...))
		a.send(ssmchan.PayloadOutput, piece)
		a.sleep(a.session.Pace)
	}
}

// cutPiece cuts off the up to three bytes at the end that may be the beginning
// of a character. As in the real agent, U+FFFD itself loses two of its bytes
// unless it is at the end.
func cutPiece(p []byte) (piece, kept []byte) {
	for i := 0; i < len(p); {
		r, size := utf8.DecodeRune(p[i:])
		switch {
		case r != utf8.RuneError:
			piece = append(piece, p[i:i+size]...)
		case len(p)-i < utf8.UTFMax:
			return piece, slices.Clone(p[i:])
		default:
			piece = append(piece, p[i])
		}
		i += size
	}
	return piece, nil
}

// send gives a frame its number, and keeps it until it is acknowledged.
func (a *agent) send(t ssmchan.PayloadType, payload []byte) {
	if len(payload) == 0 {
		return
	}
	a.mu.Lock()
	if a.keys != nil && t == ssmchan.PayloadOutput {
		payload = seal(a.keys.agent, payload)
	}
	f := ssmchan.Frame{
		Type: ssmchan.TypeOutput, Created: time.Now(), Sequence: a.next, ID: ssmchan.NewUUID(), PayloadType: t, Payload: payload,
	}
	if a.next == 0 {
		f.Flags = ssmchan.FlagSYN
	}
	o := &outgoing{number: a.next, frame: f.Append(nil)} // due at once, if it is not sent now
	if !a.paused {
		o.sent = f.Created
	}
	a.next++
	if len(a.unacked) < agentBuffer {
		a.unacked = append(a.unacked, o)
	}
	paused := a.paused
	a.mu.Unlock()
	if !paused {
		a.session.gateway.output(o.frame, false)
	}
}

// resend sends the oldest frame again, and no other, while it is due.
func (a *agent) resend() {
	tick := time.NewTicker(a.session.Resend)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-a.ctx.Done():
			return
		}
		var due []byte
		a.mu.Lock()
		if len(a.unacked) > 0 && !a.paused && time.Since(a.unacked[0].sent) > a.timeout {
			due, a.unacked[0].sent = a.unacked[0].frame, time.Now()
			a.resent++
		}
		a.mu.Unlock()
		if due != nil {
			a.session.gateway.output(due, true)
		}
	}
}

func (a *agent) resentFrames() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.resent
}

// pause is what the gateway tells the agent. A paused agent neither reads the
// terminal, so that at last the command stands still, nor sends anything.
func (a *agent) pause(paused bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.paused = paused
	a.lookAgain()
}

// receive takes a frame of the client. Acknowledgements are told by the number
// in them alone.
func (a *agent) receive(f ssmchan.Frame) {
	switch f.Type {
	case ssmchan.TypeAcknowledge:
		var ack ssmchan.Acknowledgement
		if json.Unmarshal(f.Payload, &ack) == nil {
			a.acknowledged(ack.Sequence)
		}
	case ssmchan.TypeInput:
		a.receiving.Lock()
		defer a.receiving.Unlock()
		a.input(f)
	}
}

func (a *agent) acknowledged(number int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	i := slices.IndexFunc(a.unacked, func(o *outgoing) bool { return o.number == number })
	if i < 0 {
		return
	}
	trip := time.Since(a.unacked[i].sent)
	a.variation += time.Duration((math.Abs(float64(a.trip-trip)) - float64(a.variation)) / 4)
	a.trip += (trip - a.trip) / 8
	a.timeout = min(a.trip+max(10*time.Millisecond, 4*a.variation), 10*a.session.Resend)
	a.unacked = slices.Delete(a.unacked, i, i+1)
	if len(a.unacked) == 0 {
		a.lookAgain()
	}
}

// input puts the client's frames in order. One that nobody can take yet is not
// acknowledged, so that it comes again.
func (a *agent) input(f ssmchan.Frame) {
	switch {
	case f.Sequence < a.expected:
		a.acknowledge(f) // again: the first one was lost
	case f.Sequence > a.expected:
		if len(a.early) < agentBuffer {
			a.early[f.Sequence] = f
			a.acknowledge(f)
		}
	default:
		if !a.takes(f.PayloadType) {
			return
		}
		a.acknowledge(f)
		a.take(f)
		for a.expected++; ; a.expected++ {
			next, ok := a.early[a.expected]
			if !ok {
				return
			}
			delete(a.early, a.expected)
			a.take(next)
		}
	}
}

// takes says whether there is anybody for an input frame. During the handshake
// all is taken, if only to be dropped.
func (a *agent) takes(t ssmchan.PayloadType) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.handshaking || a.terminal != nil || t == ssmchan.PayloadHandshakeResponse || t == ssmchan.PayloadChallengeResponse
}

// take does what an input frame is for.
func (a *agent) take(f ssmchan.Frame) {
	a.mu.Lock()
	terminal, handshaking, keys := a.terminal, a.handshaking, a.keys
	a.mu.Unlock()
	switch f.PayloadType {
	case ssmchan.PayloadHandshakeResponse, ssmchan.PayloadChallengeResponse:
		select {
		case a.answers <- f:
		default: // more answers than questions
		}
	case ssmchan.PayloadOutput:
		typed := f.Payload
		if keys != nil {
			typed, _ = unseal(keys.client, typed) // nothing, if it is not encrypted
		}
		if !handshaking {
			_, _ = terminal.Write(typed)
		}
	case ssmchan.PayloadSize:
		var size struct{ Cols, Rows uint16 }
		if json.Unmarshal(f.Payload, &size) == nil && !handshaking {
			_ = pty.Setsize(terminal, &pty.Winsize{Cols: size.Cols, Rows: size.Rows})
		}
	}
}

func (a *agent) acknowledge(f ssmchan.Frame) {
	payload, _ := json.Marshal(ssmchan.Acknowledgement{Type: f.Type, ID: f.ID.String(), Sequence: f.Sequence, IsSequential: true})
	a.session.gateway.toClient(ssmchan.Frame{
		Type: ssmchan.TypeAcknowledge, Created: time.Now(), Flags: ssmchan.FlagSYN | ssmchan.FlagFIN, ID: ssmchan.NewUUID(), Payload: payload,
	})
}

// await waits until f, which is called with the lock, says so.
func (a *agent) await(ctx context.Context, f func() bool) bool {
	for {
		a.mu.Lock()
		ok, changed := f(), a.changed
		a.mu.Unlock()
		if ctx.Err() != nil || ok {
			return ok
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
}

// lookAgain wakes await. The lock must be held.
func (a *agent) lookAgain() {
	close(a.changed)
	a.changed = make(chan struct{})
}

func (a *agent) sleep(d time.Duration) {
	if d <= 0 {
		return
	}
	select {
	case <-time.After(d):
	case <-a.ctx.Done():
	}
}
