package session

import (
	"os"
	"slices"
	"time"
	"unicode/utf8"

	"errand/pkg/localaws/host"
	"errand/pkg/ssmchan"
)

// pump passes the terminal's output on until the command has ended and all that
// it has left behind has closed the terminal.
func (a *agent) pump(terminal *os.File) {
	host.Sleep(a.ctx, a.session.FirstFrame)
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
		host.Sleep(a.ctx, a.session.Pace)
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
//
// An agent is not paused at first: what it has sent by the time that it is told so,
// which is no more than a frame, is lost, and sent again first of all.
func (a *agent) pause(paused bool) {
	var lost []byte
	a.mu.Lock()
	a.paused = paused
	if !paused && len(a.unacked) > 0 && a.unacked[0].sent.IsZero() {
		lost, a.unacked[0].sent = a.unacked[0].frame, time.Now()
	}
	a.lookAgain()
	a.mu.Unlock()
	if lost != nil {
		a.session.gateway.output(lost, false)
	}
}

// unsent notes that the gateway had nobody to hand the newest frame to.
func (a *agent) unsent() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.paused = true
	if n := len(a.unacked); n > 0 {
		a.unacked[n-1].sent = time.Time{}
	}
}
