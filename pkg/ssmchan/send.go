package ssmchan

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/coder/websocket"
)

// pending is a frame of ours that the agent has not acknowledged.
type pending struct {
	sequence int64
	frame    []byte
	sent     bool
}

// Interrupt types Ctrl-C, as soon as the agent takes input. It does not wait,
// and may be called at any time and from any goroutine.
func (c *Channel) Interrupt() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.interrupt = true
	c.typeInterrupt()
}

// start lets input go out. Before the agent has a terminal it leaves input
// unanswered, and during a handshake it drops it.
func (c *Channel) start() {
	c.timer.Stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.started = true
	c.typeInterrupt()
}

func (c *Channel) typeInterrupt() {
	if !c.started || !c.interrupt {
		return
	}
	c.interrupt = false
	payload := []byte{0x03}
	if c.keys != nil {
		payload = c.keys.encrypt(payload)
	}
	c.input(PayloadOutput, payload)
}

// input hands a frame to the sending goroutine. The caller has c.mu.
func (c *Channel) input(t PayloadType, payload []byte) {
	f := Frame{
		Type: TypeInput, Created: c.o.Now(), Sequence: c.next, ID: NewUUID(),
		PayloadType: t, Payload: payload,
	}
	c.waiting = append(c.waiting, pending{sequence: f.Sequence, frame: f.Append(nil)})
	c.next++
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// send sends our own frames, and the oldest one again until the agent has
// acknowledged it.
func (c *Channel) send(ctx context.Context, conn *websocket.Conn) {
	tick := time.NewTicker(c.o.Resend)
	defer tick.Stop()
	for {
		resend := false
		select {
		case <-ctx.Done():
			return
		case <-c.wake:
			tick.Reset(c.o.Resend)
		case <-tick.C:
			resend = true
		}
		for _, frame := range c.due(resend) {
			if conn.Write(ctx, websocket.MessageBinary, frame) != nil {
				return // as for acknowledgements
			}
		}
	}
}

// due is what to send now.
func (c *Channel) due(resend bool) [][]byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	var frames [][]byte
	for i := range c.waiting {
		p := &c.waiting[i]
		if p.sent && (!resend || i > 0) {
			continue
		}
		if p.sent {
			c.resent++
		}
		p.sent = true
		frames = append(frames, p.frame)
	}
	return frames
}

// ping finds out whether the connection is alive while the command is silent.
// Pongs are seen by the reading goroutine, so one that did anything else
// meanwhile proves nothing.
func (c *Channel) ping(ctx context.Context, conn *websocket.Conn, cancel context.CancelCauseFunc) {
	tick := time.NewTicker(c.o.Ping)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		before := c.reader.look()
		pong, done := context.WithTimeout(ctx, c.o.Pong)
		err := conn.Ping(pong)
		done()
		if errors.Is(err, context.DeadlineExceeded) && c.reader.waitedSince(before) {
			cancel(fmt.Errorf("%w: no pong in %v", ErrConnectionLost, c.o.Pong))
		}
	}
}

func (c *Channel) acknowledged(payload []byte) {
	var a Acknowledgement
	if json.Unmarshal(payload, &a) != nil {
		c.in.stats.Malformed++
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, p := range c.waiting {
		if p.sequence == a.Sequence {
			c.waiting = append(c.waiting[:i:i], c.waiting[i+1:]...)
			return
		}
	}
}
