package session

import (
	"cmp"
	"context"
	"errors"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"errand/pkg/localaws/host"
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
	began   bool               // it has a turn to give back

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
		handshaking: s.container.KMSKeyID != "",
		trip:        s.Resend,
		timeout:     2 * s.Resend,
	}
	a.ctx, a.stop = context.WithCancelCause(s.host.Context())
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
		case <-s.container.Gone:
			a.stop(errGone)
		case <-a.ctx.Done():
		}
	})
	var reason string
	var command *exec.Cmd
	if a.turn() {
		reason, command = a.work()
	}
	cause := context.Cause(a.ctx)
	a.stop(nil)
	if a.began {
		<-s.turns.running
	}
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
	case <-s.container.Gone:
	case <-s.host.Context().Done():
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
		host.Sleep(a.ctx, a.session.FirstFrame)
		return "Unable to start command: " + err.Error(), nil
	}
	s := a.session
	s.host.Watch(host.SessionState, s.ID, "STARTED")
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
	if s.FullDisk {
		close(over)
		killer.Wait()
		_ = terminal.Close() // hangs up
		return "encountered an error while creating file /var/lib/amazon/ssm/session/orchestration/" + s.ID + "/ipcTempFile.log: no space left on device", command
	}
	a.pump(terminal)
	drain, cancel := context.WithTimeout(a.ctx, s.Drain)
	defer cancel()
	a.await(drain, func() bool { return len(a.unacked) == 0 })
	close(over)
	killer.Wait()
	_ = terminal.SetDeadline(time.Unix(1, 0)) // ends a write of input
	_ = terminal.Close()                      // hangs up
	return s.LastWords, command
}

// An agent has two sessions at once, unless ECS tells it otherwise, and one that
// waits for its turn (SessionWorkersLimit and SessionWorkerBufferLimit of
// https://github.com/aws/amazon-ssm-agent). What comes then is dropped.
const (
	maxSessions = 2
	maxWaiting  = 1
)

// turns are those of the sessions in one container.
type turns struct {
	running chan struct{}
	waiting chan struct{}
}

// turn waits until the session may begin. It is false for one that never does.
func (a *agent) turn() bool {
	t := a.session.turns
	select {
	case t.running <- struct{}{}:
	default:
		select {
		case t.waiting <- struct{}{}:
		default: // as if it had never come
			<-a.ctx.Done()
			return false
		}
		defer func() { <-t.waiting }()
		select {
		case t.running <- struct{}{}:
		case <-a.ctx.Done():
			return false
		}
	}
	a.began = true
	return true
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
