package session

import (
	"encoding/json"
	"math"
	"slices"
	"time"

	"github.com/creack/pty"

	"errand/pkg/ssmchan"
)

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
