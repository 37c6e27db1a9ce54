package ssmchan

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// What ends a run before channel_closed. When the context ends, Run returns its
// cause instead.
var (
	ErrOpenDenied     = errors.New("the data channel was denied, which may take ssmmessages:OpenDataChannel")
	ErrDial           = errors.New("the data channel cannot be reached")
	ErrNoResponse     = errors.New("the session's agent did not answer")
	ErrHandshake      = errors.New("the session's handshake was refused, so that the command has not run")
	ErrKMS            = errors.New("the session's encryption was not agreed on, so that the command has not run")
	ErrConnectionLost = errors.New("the data channel was lost")
	ErrProtocol       = errors.New("the data channel's protocol was broken")
)

const (
	// Agents treat clients older than 1.2.312.0 as ones that know less.
	clientVersion = "1.3.0.0"
	redials       = 3
	readLimit     = 1 << 20 // frames have a little over 1 KiB
	queueLength   = 4096    // frames between the connection and the sink
)

// Options say which session a Channel is for. The durations have defaults.
type Options struct {
	URL       string // the session's stream URL, dialled as it is
	Token     string // the session's token, a secret
	SessionID string
	TargetID  string // "ecs:<cluster>_<task>_<runtime id>", which KMS is told

	// Header goes with the upgrade request: its signature, or nothing.
	Header http.Header
	// Now is the time that frames carry; nil means time.Now.
	Now func() time.Time
	// DataKey makes the session's key. Without it, a session that asks for
	// encryption is refused.
	DataKey DataKey

	DialTimeout time.Duration // 10 s, for each dial
	Redial      time.Duration // 1.5 s, between dials; there are up to four
	FirstFrame  time.Duration // 60 s, until the command or the handshake begins
	DataKeyTime time.Duration // 10 s, since the agent waits for 15
	Refusal     time.Duration // 10 s, for the agent to close a session that we refused
	Resend      time.Duration // 500 ms, until our oldest frame is sent again
	Ping        time.Duration // 30 s, since a NAT gateway cuts idle connections at 350
	Pong        time.Duration // 20 s, for the answer
}

// Result is what is known at the end of a run, with and without an error.
type Result struct {
	Closed   bool   // channel_closed came
	Reason   string // what it said: "" at a normal end, else text for people
	ExitCode *int   // ECS Exec sends none, other sessions may
	Stats    Stats
}

// Stats count what came.
type Stats struct {
	Frames     int // with output or a part of the handshake, the first time
	Duplicates int
	Early      int // held back until those before them came
	Dropped    int // too early to be held back
	BadDigests int
	Malformed  int
	Resent     int // ours
}

// Channel is the client of one session's data channel.
type Channel struct {
	o     Options
	queue chan []byte // output on its way to the sink
	timer *time.Timer // ends the run, unless it is stopped

	// Only the reading goroutine has these, until the run is over.
	in      receiver
	result  Result
	refused error

	reader activity
	resent int // of the sending goroutine

	mu        sync.Mutex
	keys      *keys     // nil: not encrypted; set by the reading goroutine alone
	started   bool      // the agent takes input
	interrupt bool      // to be sent as soon as it does
	next      int64     // number of our next frame
	waiting   []pending // in order
	wake      chan struct{}
}

// errClosed is the normal end of reading.
var errClosed = errors.New("closed")

// New prepares the channel of a session. It does not connect.
func New(o Options) *Channel {
	o.DialTimeout = cmp.Or(o.DialTimeout, 10*time.Second)
	o.Redial = cmp.Or(o.Redial, 1500*time.Millisecond)
	o.FirstFrame = cmp.Or(o.FirstFrame, time.Minute)
	o.DataKeyTime = cmp.Or(o.DataKeyTime, 10*time.Second)
	o.Refusal = cmp.Or(o.Refusal, 10*time.Second)
	o.Resend = cmp.Or(o.Resend, 500*time.Millisecond)
	o.Ping = cmp.Or(o.Ping, 30*time.Second)
	o.Pong = cmp.Or(o.Pong, 20*time.Second)
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Channel{o: o, queue: make(chan []byte, queueLength), wake: make(chan struct{}, 1)}
}

// Run connects and writes the command's output to sink, in order, until the
// gateway closes the channel, which is no error. It may be called once.
//
// Whatever ends the run, the sink has got all output that came in order, since
// the agent was told that it arrived. A sink that stands still is waited for.
func (c *Channel) Run(ctx context.Context, sink io.Writer) (Result, error) {
	conn, err := c.dial(ctx)
	if err != nil {
		return Result{}, err
	}
	defer func() { _ = conn.CloseNow() }()
	// The first cause is why the run ended. It also closes the connection, as
	// the end of any context does that is handed to conn.
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	c.timer = time.AfterFunc(c.o.FirstFrame, func() { cancel(ErrNoResponse) })
	defer c.timer.Stop()

	var wg sync.WaitGroup
	wg.Go(func() { c.send(ctx, conn) })
	wg.Go(func() { c.ping(ctx, conn, cancel) })
	wg.Go(func() {
		defer close(c.queue)
		cancel(c.read(ctx, conn))
	})
	var sinkErr error
	for p := range c.queue {
		if sinkErr != nil {
			continue // the reader must not wait for ever
		}
		if _, err := sink.Write(p); err != nil {
			sinkErr = fmt.Errorf("write the output: %w", err)
			cancel(sinkErr)
		}
	}
	wg.Wait()

	c.result.Stats = c.in.stats
	c.result.Stats.Resent = c.resent
	switch cause := context.Cause(ctx); {
	case c.refused != nil:
		return c.result, c.refused
	case sinkErr != nil:
		return c.result, sinkErr
	case errors.Is(cause, errClosed):
		return c.result, nil
	default:
		return c.result, cause
	}
}

// dial connects and opens the channel. What the token is good for has begun
// already, so dialling again asks for the same session.
func (c *Channel) dial(ctx context.Context) (*websocket.Conn, error) {
	for tries := 0; ; tries++ {
		conn, err := c.open(ctx)
		switch {
		case err == nil:
			return conn, nil
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case errors.Is(err, ErrOpenDenied), tries == redials:
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(c.o.Redial):
		}
	}
}

func (c *Channel) open(ctx context.Context) (*websocket.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, c.o.DialTimeout)
	defer cancel()
	conn, resp, err := websocket.Dial(ctx, c.o.URL, &websocket.DialOptions{ //nolint:bodyclose // Dial closes it
		HTTPHeader: c.o.Header,
		HTTPClient: &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse // the token is for this host
		}},
	})
	if err != nil {
		if resp != nil && (resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden) {
			// The body stays out: that of a wrong signature repeats the credentials' token.
			return nil, fmt.Errorf("%w: %s", ErrOpenDenied, strings.TrimSpace(resp.Status+" "+resp.Header.Get("X-Amzn-Errortype")))
		}
		if u, ok := errors.AsType[*url.Error](err); ok {
			err = u.Err // the address may be signed
		}
		return nil, fmt.Errorf("%w: %s", ErrDial, err.Error()) // the time is not the caller's
	}
	conn.SetReadLimit(readLimit)
	first, err := json.Marshal(Open{
		SchemaVersion: "1.0", RequestID: NewUUID().String(), Token: c.o.Token,
		ClientID: NewUUID().String(), ClientVersion: clientVersion,
	})
	if err == nil {
		err = conn.Write(ctx, websocket.MessageText, first)
	}
	if err != nil {
		_ = conn.CloseNow()
		return nil, fmt.Errorf("%w: %s", ErrDial, err.Error())
	}
	return conn, nil
}

// read takes frames until the channel is closed.
func (c *Channel) read(ctx context.Context, conn *websocket.Conn) error {
	for {
		_, b, err := conn.Read(ctx)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrConnectionLost, err)
		}
		c.reader.came()
		f, err := Parse(b)
		if err != nil {
			if err := c.in.spoiled(f, err); err != nil {
				return err
			}
			continue // not acknowledged, so the agent sends it again
		}
		switch f.Type {
		case TypeOutput:
			err = c.output(ctx, conn, f)
		case TypeAcknowledge:
			c.acknowledged(f.Payload)
		case TypeClosed:
			return c.closed(f.Payload)
		}
		if err != nil {
			return err
		}
	}
}

// output acknowledges a frame before anything is done with it: the agent sends
// nothing but its oldest unacknowledged frame again, and at the end of the
// command waits for 2 s only.
func (c *Channel) output(ctx context.Context, conn *websocket.Conn, f Frame) error {
	inOrder, ack := c.in.take(f)
	if ack {
		payload, err := json.Marshal(Acknowledgement{
			Type: f.Type, ID: f.ID.String(), Sequence: f.Sequence, IsSequential: true,
		})
		if err != nil {
			return err
		}
		a := Frame{Type: TypeAcknowledge, Created: c.o.Now(), Flags: FlagSYN | FlagFIN, ID: NewUUID(), Payload: payload}
		// A gateway that has left takes nothing more, but what it sent before,
		// perhaps channel_closed, is still to be read. So reading alone decides
		// when the connection is lost.
		_ = conn.Write(ctx, websocket.MessageBinary, a.Append(nil))
	}
	c.reader.leave()
	defer c.reader.back()
	for _, f := range inOrder {
		if err := c.deliver(ctx, f); err != nil {
			return err
		}
	}
	return nil
}

// deliver does what a frame is for. Types that ECS Exec does not use are ignored.
func (c *Channel) deliver(ctx context.Context, f Frame) error {
	switch f.PayloadType {
	case PayloadHandshakeRequest:
		return c.handshake(ctx, f.Payload)
	case PayloadChallengeRequest:
		return c.challenge(f.Payload)
	case PayloadHandshakeComplete, PayloadOutput, PayloadStdErr, PayloadExitCode:
		if c.refused != nil {
			c.refused = nil // which promised that nothing ran
			return fmt.Errorf("%w: the agent goes on after a refused handshake", ErrProtocol)
		}
		if f.PayloadType == PayloadHandshakeComplete {
			c.start()
			return nil // its message is for people, not the command's
		}
		p := f.Payload
		if c.keys != nil {
			var err error
			if p, err = c.keys.decrypt(p); err != nil {
				return err
			}
		}
		c.start()
		if f.PayloadType == PayloadExitCode {
			var code int
			if _, err := fmt.Sscanf(string(p), "EXIT_CODE: %d", &code); err == nil {
				c.result.ExitCode = &code
			}
			return nil
		}
		c.queue <- p // a slow sink makes the reader wait, and so at last the command
	}
	return nil
}

func (c *Channel) closed(payload []byte) error {
	var closed Closed
	// The gateway may change the types of fields that we do not use.
	if err := json.Unmarshal(payload, &closed); err != nil {
		if t, ok := errors.AsType[*json.UnmarshalTypeError](err); !ok || t.Field == "Output" {
			return fmt.Errorf("%w: channel_closed: %w", ErrProtocol, err)
		}
	}
	c.result.Closed, c.result.Reason = true, closed.Output
	return errClosed
}
