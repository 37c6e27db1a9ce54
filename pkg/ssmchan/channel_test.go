package ssmchan_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/google/go-cmp/cmp"

	"errand/pkg/ssmchan"
)

func TestRun(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		options ssmchan.Options
		accept  websocket.AcceptOptions
		script  func(*peer)

		output    string
		reason    string
		exitCode  string
		stats     ssmchan.Stats
		wantErr   error // nil: channel_closed came
		wantCause error
	}{
		{
			name: "output in order",
			script: func(p *peer) {
				want := ssmchan.Open{
					SchemaVersion: "1.0", Token: token, ClientVersion: "1.3.0.0",
					RequestID: p.open.RequestID, ClientID: p.open.ClientID,
				}
				if p.open != want || len(p.open.RequestID) != 36 || len(p.open.ClientID) != 36 || p.open.RequestID == p.open.ClientID {
					p.Errorf("open message %+v", p.open)
				}
				p.output(0, "a")
				p.output(1, "b")
				p.output(2, "c")
				p.closed("")
			},
			output: "abc", stats: ssmchan.Stats{Frames: 3},
		},
		{
			name: "lost acknowledgements",
			script: func(p *peer) {
				p.output(0, "a")
				p.output(0, "a")
				p.output(0, "a")
				p.output(1, "b")
				p.output(0, "a")
				p.closed("")
			},
			output: "ab", stats: ssmchan.Stats{Frames: 2, Duplicates: 3},
		},
		{
			name: "frames that overtake others",
			script: func(p *peer) {
				p.output(2, "c")
				p.output(3, "d")
				p.output(2, "c")
				p.output(1, "b")
				p.output(0, "a")
				p.output(3, "d")
				p.output(4, "e")
				p.output(6, "never in order")
				p.closed("")
			},
			output: "abcde", stats: ssmchan.Stats{Frames: 6, Early: 4, Duplicates: 2},
		},
		{
			name: "a frame too early to be held back",
			script: func(p *peer) {
				p.stream(10_000, ssmchan.PayloadOutput, "x")
				p.output(9_999, "y") // the first that is acknowledged
				p.output(0, "a")
				p.output(10_000, "x")
				p.closed("")
			},
			output: "a", stats: ssmchan.Stats{Frames: 3, Early: 2, Dropped: 1},
		},
		{
			name: "damaged frames that come again",
			script: func(p *peer) {
				for range 4 {
					p.spoiled(0)
				}
				p.output(0, "a")
				p.spoiled(0)
				p.output(2, "c")
				for range 5 {
					p.spoiled(2) // we have it
					p.spoiled(20_000)
				}
				for range 4 {
					p.spoiled(1)
				}
				p.output(1, "b")
				p.closed("")
			},
			output: "abc", stats: ssmchan.Stats{Frames: 3, Early: 1, BadDigests: 19},
		},
		{
			name: "a frame that always comes damaged",
			script: func(p *peer) {
				p.output(0, "a")
				for range 5 {
					p.spoiled(1)
				}
			},
			output: "a", stats: ssmchan.Stats{Frames: 1, BadDigests: 5}, wantErr: ssmchan.ErrProtocol, wantCause: ssmchan.ErrDigest,
		},
		{
			name: "malformed frames",
			script: func(p *peer) {
				p.write(nil)
				p.write(make([]byte, 119))
				p.write(bytes.Repeat([]byte{0xff}, 300))
				if err := p.conn.Write(p.ctx, websocket.MessageText, []byte(`{"not":"a frame"}`)); err != nil {
					p.Error(err)
				}
				p.stream(-1, ssmchan.PayloadOutput, "x")
				p.write(frame(ssmchan.TypeAcknowledge, 0, 0, "not JSON"))
				p.output(0, "a")
				p.closed("")
			},
			output: "a", stats: ssmchan.Stats{Frames: 1, Malformed: 6},
		},
		{
			name: "types that are not for us",
			script: func(p *peer) {
				p.write(ssmchan.Frame{Type: ssmchan.TypePausePublication}.Append(nil))
				p.write(ssmchan.Frame{Type: ssmchan.TypeStartPublication}.Append(nil))
				p.write(frame("agent_session_state", 0, 0, "{}"))
				p.write(frame(ssmchan.TypeInput, 0, ssmchan.PayloadOutput, "x"))
				p.ackInput(7)
				p.stream(0, ssmchan.PayloadFlag, "\x00\x00\x00\x02")
				p.wantAck(0)
				p.stream(1, 99, "x")
				p.wantAck(1)
				p.output(2, "a")
				p.closed("")
			},
			output: "a", stats: ssmchan.Stats{Frames: 3},
		},
		{
			name: "what other sessions send",
			script: func(p *peer) {
				p.stream(0, ssmchan.PayloadStdErr, "oops")
				p.stream(1, ssmchan.PayloadExitCode, "EXIT_CODE: 7")
				p.stream(2, ssmchan.PayloadExitCode, "no code")
				p.closed("")
			},
			output: "oops", exitCode: "7", stats: ssmchan.Stats{Frames: 3},
		},
		{
			name: "a gateway that leaves without reading",
			script: func(p *peer) {
				for n := range int64(5) { // few enough to be on their way before it leaves
					p.stream(n, ssmchan.PayloadOutput, "a")
				}
				p.closed("")
				_ = p.conn.CloseNow()
			},
			output: "aaaaa", stats: ssmchan.Stats{Frames: 5},
		},
		{
			name: "a session that cannot start",
			script: func(p *peer) {
				p.closed("Unable to start command: no such file or directory")
			},
			reason: "Unable to start command: no such file or directory",
		},
		{
			name: "channel_closed with other types than today's",
			script: func(p *peer) {
				p.write(frame(ssmchan.TypeClosed, 0, 0, `{"SchemaVersion":"2","CreatedDate":12,"Output":"timed out"}`))
			},
			reason: "timed out",
		},
		{
			name: "channel_closed without a text",
			script: func(p *peer) {
				p.write(frame(ssmchan.TypeClosed, 0, 0, `{"Output":12}`))
			},
			wantErr: ssmchan.ErrProtocol,
		},
		{
			name: "channel_closed that cannot be read",
			script: func(p *peer) {
				p.write(frame(ssmchan.TypeClosed, 0, 0, `{`))
			},
			wantErr: ssmchan.ErrProtocol,
		},
		{
			name: "a handshake without encryption",
			script: func(p *peer) {
				if a := p.handshake(sessionType); a.ProcessedClientActions[0].ActionStatus != 1 || a.Errors != nil {
					p.Errorf("handshake response %+v", a)
				}
				p.ackInput(0)
				p.c.Interrupt() // has to wait for the end of the handshake
				p.stream(1, ssmchan.PayloadHandshakeComplete, complete)
				p.wantAck(1)
				p.input(1, ssmchan.PayloadOutput)
				p.ackInput(1)
				p.output(2, "a")
				p.closed("")
			},
			output: "a", stats: ssmchan.Stats{Frames: 3},
		},
		{
			name: "a handshake for what we do not know",
			script: func(p *peer) {
				a := p.handshake(sessionType, `{"ActionType":"Dance"}`)
				if x := a.ProcessedClientActions[1]; x.ActionStatus != 3 || x.Error != "unsupported action Dance" || len(a.Errors) != 1 {
					p.Errorf("handshake response %+v", a)
				}
				p.ackInput(0)
				p.closed("Dance failed on client with status 3")
			},
			reason: "Dance failed on client with status 3", stats: ssmchan.Stats{Frames: 1}, wantErr: ssmchan.ErrHandshake,
		},
		{
			name: "a handshake that cannot be read",
			script: func(p *peer) {
				p.stream(0, ssmchan.PayloadHandshakeRequest, "{")
			},
			stats: ssmchan.Stats{Frames: 1}, wantErr: ssmchan.ErrProtocol,
		},
		{
			name:    "an encrypted session",
			options: ssmchan.Options{DataKey: dataKey},
			script: func(p *peer) {
				p.encrypted()
				p.stream(4, ssmchan.PayloadStdErr, agentEncrypt("b"))
				p.wantAck(4)
				p.output(3, agentEncrypt("a"))
				p.c.Interrupt()
				if got := p.decrypt(p.input(2, ssmchan.PayloadOutput)); got != "\x03" {
					p.Errorf("typed %q", got)
				}
				p.ackInput(2)
				p.stream(5, ssmchan.PayloadExitCode, agentEncrypt("EXIT_CODE: 130"))
				p.wantAck(5)
				p.closed("")
			},
			output: "ab", exitCode: "130", stats: ssmchan.Stats{Frames: 6, Early: 1},
		},
		{
			name:    "plain output in an encrypted session",
			options: ssmchan.Options{DataKey: dataKey},
			script: func(p *peer) {
				p.encrypted()
				p.output(3, "not encrypted, but long enough for a nonce and a tag")
			},
			stats: ssmchan.Stats{Frames: 4}, wantErr: ssmchan.ErrProtocol,
		},
		{
			name:    "too little output in an encrypted session",
			options: ssmchan.Options{DataKey: dataKey},
			script: func(p *peer) {
				p.encrypted()
				p.output(3, "short")
			},
			stats: ssmchan.Stats{Frames: 4}, wantErr: ssmchan.ErrProtocol,
		},
		{
			name:    "a challenge with another key",
			options: ssmchan.Options{DataKey: dataKey},
			script: func(p *peer) {
				p.handshake(sessionType, kmsAction)
				p.stream(1, ssmchan.PayloadChallengeRequest, `{"Challenge":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}`)
			},
			stats: ssmchan.Stats{Frames: 2}, wantErr: ssmchan.ErrProtocol,
		},
		{
			name:   "a challenge without a key",
			script: func(p *peer) { p.stream(0, ssmchan.PayloadChallengeRequest, `{}`) },
			stats:  ssmchan.Stats{Frames: 1}, wantErr: ssmchan.ErrProtocol,
		},
		{
			name:   "a challenge that cannot be read",
			script: func(p *peer) { p.stream(0, ssmchan.PayloadChallengeRequest, `[]`) },
			stats:  ssmchan.Stats{Frames: 1}, wantErr: ssmchan.ErrProtocol,
		},
		{
			name: "encryption that we are not set up for",
			script: func(p *peer) {
				a := p.handshake(sessionType, kmsAction)
				if x := a.ProcessedClientActions; x[0].ActionStatus != 1 || x[1].ActionStatus != 3 || x[1].Error == "" || x[1].ActionResult != nil || len(a.Errors) != 1 {
					p.Errorf("handshake response %+v", a)
				}
				p.closed("Encountered error while initiating handshake.")
			},
			reason: "Encountered error while initiating handshake.", stats: ssmchan.Stats{Frames: 1}, wantErr: ssmchan.ErrKMS,
		},
		{
			name: "KMS refuses",
			options: ssmchan.Options{DataKey: func(context.Context, string, map[string]string) ([]byte, []byte, error) {
				return nil, nil, errCause
			}},
			script: func(p *peer) {
				a := p.handshake(kmsAction)
				if x := a.ProcessedClientActions[0]; x.ActionStatus != 2 || x.Error == "" || strings.Contains(x.Error, errCause.Error()) {
					p.Errorf("handshake response %+v", a)
				}
				p.closed("")
			},
			stats: ssmchan.Stats{Frames: 1}, wantErr: ssmchan.ErrKMS, wantCause: errCause,
		},
		{
			name: "KMS does not answer",
			options: ssmchan.Options{DataKeyTime: time.Nanosecond, DataKey: func(ctx context.Context, _ string, _ map[string]string) ([]byte, []byte, error) {
				<-ctx.Done()
				return nil, nil, ctx.Err()
			}},
			script: func(p *peer) { p.handshake(kmsAction); p.closed("") },
			stats:  ssmchan.Stats{Frames: 1}, wantErr: ssmchan.ErrKMS, wantCause: context.DeadlineExceeded,
		},
		{
			name: "a data key of the wrong length",
			options: ssmchan.Options{DataKey: func(context.Context, string, map[string]string) ([]byte, []byte, error) {
				return []byte("a key"), nil, nil
			}},
			script: func(p *peer) { p.handshake(kmsAction); p.closed("") },
			stats:  ssmchan.Stats{Frames: 1}, wantErr: ssmchan.ErrKMS,
		},
		{
			name:    "a request for encryption that cannot be read",
			options: ssmchan.Options{DataKey: dataKey},
			script:  func(p *peer) { p.handshake(`{"ActionType":"KMSEncryption","ActionParameters":[]}`); p.closed("") },
			stats:   ssmchan.Stats{Frames: 1}, wantErr: ssmchan.ErrKMS,
		},
		{
			name:    "an agent that says nothing after a refusal",
			options: ssmchan.Options{Refusal: time.Millisecond},
			script: func(p *peer) {
				p.stream(0, ssmchan.PayloadHandshakeRequest, `{"RequestedClientActions":[`+kmsAction+`]}`)
			},
			stats: ssmchan.Stats{Frames: 1}, wantErr: ssmchan.ErrKMS,
		},
		{
			name: "an agent that goes on after a refusal",
			script: func(p *peer) {
				p.handshake(kmsAction)
				p.stream(1, ssmchan.PayloadOutput, "a")
			},
			stats: ssmchan.Stats{Frames: 2}, wantErr: ssmchan.ErrProtocol,
		},
		{
			name:    "a handshake response that is lost",
			options: ssmchan.Options{Resend: time.Millisecond},
			script: func(p *peer) {
				p.handshake(sessionType)
				for range 2 {
					if f := p.next(); f.Type != ssmchan.TypeInput || f.Sequence != 0 || f.PayloadType != ssmchan.PayloadHandshakeResponse {
						p.Errorf("got %+v", f)
					}
				}
				p.closed("")
			},
			stats: ssmchan.Stats{Frames: 1, Resent: -1},
		},
		{
			name:    "nothing comes",
			options: ssmchan.Options{FirstFrame: time.Millisecond},
			script:  func(*peer) {},
			wantErr: ssmchan.ErrNoResponse,
		},
		{
			name:    "only the gateway says something",
			options: ssmchan.Options{FirstFrame: 100 * time.Millisecond},
			script: func(p *peer) {
				start := ssmchan.Frame{Type: ssmchan.TypeStartPublication}.Append(nil)
				_ = p.conn.Write(p.ctx, websocket.MessageBinary, start) // it may have left
			},
			wantErr: ssmchan.ErrNoResponse,
		},
		{
			name:    "nothing comes after the handshake",
			options: ssmchan.Options{FirstFrame: 2 * time.Second},
			script:  func(p *peer) { p.handshake(sessionType) },
			stats:   ssmchan.Stats{Frames: 1}, wantErr: ssmchan.ErrNoResponse,
		},
		{
			name:   "a connection that breaks",
			script: func(p *peer) { p.output(0, "a"); _ = p.conn.CloseNow() },
			output: "a", stats: ssmchan.Stats{Frames: 1}, wantErr: ssmchan.ErrConnectionLost,
		},
		{
			name: "a websocket that is closed before the channel",
			script: func(p *peer) {
				p.output(0, "a")
				_ = p.conn.Close(websocket.StatusNormalClosure, "")
			},
			output: "a", stats: ssmchan.Stats{Frames: 1}, wantErr: ssmchan.ErrConnectionLost,
		},
		{
			name:    "a message that is too big",
			script:  func(p *peer) { p.output(0, "a"); p.write(make([]byte, 1<<20+1)) },
			output:  "a",
			stats:   ssmchan.Stats{Frames: 1},
			wantErr: ssmchan.ErrConnectionLost,
		},
		{
			name:    "pings without an answer",
			options: ssmchan.Options{Ping: time.Millisecond, Pong: time.Millisecond},
			accept:  websocket.AcceptOptions{OnPingReceived: func(context.Context, []byte) bool { return false }},
			script:  func(*peer) {},
			wantErr: ssmchan.ErrConnectionLost,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var sink bytes.Buffer
			got, err := (&gateway{accept: tc.accept, script: tc.script}).start(t).run(t.Context(), tc.options, &sink)
			if !errors.Is(err, tc.wantErr) || (tc.wantCause != nil && !errors.Is(err, tc.wantCause)) {
				t.Errorf("got %v, want %v, %v", err, tc.wantErr, tc.wantCause)
			}
			noSecrets(t, err)
			if sink.String() != tc.output {
				t.Errorf("output %q, want %q", sink.String(), tc.output)
			}
			if got.Reason != tc.reason || (err == nil && !got.Closed) {
				t.Errorf("closed %v, %q, want %q", got.Closed, got.Reason, tc.reason)
			}
			if code := got.ExitCode; (code == nil) != (tc.exitCode == "") || (code != nil && fmt.Sprint(*code) != tc.exitCode) {
				t.Errorf("exit code %v, want %q", code, tc.exitCode)
			}
			if tc.stats.Resent != 0 && got.Stats.Resent < 2 { // as often as time allowed
				t.Errorf("sent again %d times", got.Stats.Resent)
			}
			got.Stats.Resent, tc.stats.Resent = 0, 0
			if diff := cmp.Diff(tc.stats, got.Stats); diff != "" {
				t.Errorf("stats (-want +got):\n%s", diff)
			}
		})
	}
}

func noSecrets(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}
	for _, secret := range []string{token, "cell-number", string(plainKey), string(plainKey[:32])} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("%q holds a secret", err)
		}
	}
}

func TestInterrupt(t *testing.T) {
	t.Parallel()
	g := (&gateway{script: func(p *peer) {
		p.c.Interrupt()
		// Until the command has a terminal only acknowledgements may come.
		p.stream(1, ssmchan.PayloadOutput, "b")
		p.wantAck(1)
		p.stream(0, ssmchan.PayloadOutput, "a")
		p.wantAck(0)
		for range 3 { // until it is acknowledged
			if got := p.input(0, ssmchan.PayloadOutput); string(got) != "\x03" {
				p.Errorf("typed %q", got)
			}
		}
		p.c.Interrupt() // goes out although the first is not acknowledged
		if got := p.input(1, ssmchan.PayloadOutput); string(got) != "\x03" {
			p.Errorf("typed %q", got)
		}
		for range 3 { // only the oldest
			if f := p.next(); f.Sequence != 0 {
				p.Errorf("input %d comes again", f.Sequence)
			}
		}
		p.ackInput(0)
		p.ackInput(0)
		for range 2 { // now the second is the oldest
			p.input(1, ssmchan.PayloadOutput)
		}
		p.ackInput(1)
		p.closed("")
	}}).start(t)
	if _, err := g.run(t.Context(), ssmchan.Options{Resend: time.Millisecond}, &bytes.Buffer{}); err != nil {
		t.Error(err)
	}
}

// TestPing has a command that is silent for longer than it may take to begin.
func TestPing(t *testing.T) {
	t.Parallel()
	pings := make(chan struct{}, 10)
	accept := websocket.AcceptOptions{OnPingReceived: func(context.Context, []byte) bool {
		select {
		case pings <- struct{}{}:
		default:
		}
		return true
	}}
	g := (&gateway{accept: accept, script: func(p *peer) {
		p.output(0, "a")
		reading := p.conn.CloseRead(p.ctx) // answers them
		for range cap(pings) {
			select {
			case <-pings:
			case <-reading.Done():
				p.stop("the client left")
			}
		}
		p.closed("")
		<-reading.Done()
	}}).start(t)
	if _, err := g.run(t.Context(), ssmchan.Options{Ping: 150 * time.Millisecond, Pong: patience, FirstFrame: time.Second}, &bytes.Buffer{}); err != nil {
		t.Error(err)
	}
}

// writer is a sink made of a function.
type writer func([]byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }

// TestSlowSink has a sink that stands still: what fits between it and the
// connection is acknowledged all the same, and pings that nobody reads the
// answers of do not end the session.
func TestSlowSink(t *testing.T) {
	t.Parallel()
	const queued, all = 4096, 4200
	var acked, written atomic.Int64
	full := make(chan struct{})
	g := (&gateway{script: func(p *peer) {
		for n := range int64(all) {
			p.stream(n, ssmchan.PayloadOutput, "x")
		}
		for n := range int64(all) {
			p.wantAck(n)
			acked.Store(n + 1)
			if n+1 == queued+2 { // one is with the sink, one with the reader
				close(full)
			}
		}
		p.closed("")
	}}).start(t)
	sink := writer(func(b []byte) (int, error) {
		<-full
		if a, w := acked.Load(), written.Load(); a > w+queued+2 {
			t.Errorf("%d frames are acknowledged, of which %d are written", a, w)
		}
		written.Add(int64(len(b)))
		return len(b), nil
	})
	got, err := g.run(t.Context(), ssmchan.Options{Ping: time.Millisecond, Pong: patience / 2}, sink)
	if err != nil || written.Load() != all || got.Stats.Frames != all {
		t.Errorf("%d written, %+v, %v", written.Load(), got.Stats, err)
	}
}

// TestBusyReader has pings that cannot be answered since the reader waits for
// the sink, which says nothing about the connection.
func TestBusyReader(t *testing.T) {
	t.Parallel()
	const fit = 4096 + 2
	full, pings := make(chan struct{}), make(chan struct{}, 2)
	accept := websocket.AcceptOptions{OnPingReceived: func(context.Context, []byte) bool {
		select {
		case <-full:
			select {
			case pings <- struct{}{}:
			default:
			}
		default:
		}
		return true
	}}
	g := (&gateway{accept: accept, script: func(p *peer) {
		for n := range int64(fit) {
			p.output(n, "x")
		}
		close(full)
	}}).start(t)
	_, err := g.run(t.Context(), ssmchan.Options{Ping: time.Millisecond, Pong: 500 * time.Millisecond}, writer(func([]byte) (int, error) {
		for range cap(pings) { // the second is sent when the first had no answer
			<-pings
		}
		return 0, errCause
	}))
	if !errors.Is(err, errCause) {
		t.Error(err)
	}
}

// TestPongless has a gateway that answers no ping, but sends: it is alive.
func TestPongless(t *testing.T) {
	t.Parallel()
	pings := make(chan struct{}, 2)
	accept := websocket.AcceptOptions{OnPingReceived: func(context.Context, []byte) bool {
		select {
		case pings <- struct{}{}:
		default:
		}
		return false
	}}
	g := (&gateway{accept: accept, script: func(p *peer) {
		for n := int64(0); len(pings) < cap(pings); n++ {
			p.output(n, "x")
		}
		p.closed("")
	}}).start(t)
	if _, err := g.run(t.Context(), ssmchan.Options{Ping: time.Millisecond, Pong: 500 * time.Millisecond}, &bytes.Buffer{}); err != nil {
		t.Error(err)
	}
}

func TestSinkFails(t *testing.T) {
	t.Parallel()
	for _, when := range []string{"before the end", "at the end", "with much behind it"} {
		t.Run(when, func(t *testing.T) {
			t.Parallel()
			sent := make(chan struct{})
			g := (&gateway{script: func(p *peer) {
				if when == "with much behind it" { // more than is queued
					for n := range int64(5000) {
						p.output(n+1, "x")
					}
				}
				p.output(0, "a")
				if when == "at the end" {
					p.output(1, "b")
					p.closed("")
				}
				close(sent)
			}}).start(t)
			writes := 0
			_, err := g.run(t.Context(), ssmchan.Options{}, writer(func([]byte) (int, error) {
				writes++
				<-sent
				for range 20_000 {
					runtime.Gosched() // so that the end is most likely read
				}
				return 0, errCause
			}))
			if !errors.Is(err, errCause) || writes != 1 {
				t.Errorf("%v after %d writes", err, writes)
			}
		})
	}
}

// TestContext ends the context while output is on its way: what was
// acknowledged is written.
func TestContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	g := (&gateway{script: func(p *peer) {
		for n := range int64(100) {
			p.output(n, "x")
		}
		cancel(errCause)
	}}).start(t)
	var sink bytes.Buffer
	got, err := g.run(ctx, ssmchan.Options{}, &sink)
	if err != errCause || sink.Len() != 100 || got.Closed { //nolint:errorlint // the cause itself
		t.Errorf("%d bytes, %+v, %v", sink.Len(), got, err)
	}
}

func TestDial(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name     string
		statuses []int // of the upgrades before one succeeds
		dials    int64
		wantErr  error
		want     string
	}{
		{name: "at once", dials: 1},
		{name: "after failures", statuses: []int{500, 503, 404}, dials: 4},
		{name: "never", statuses: []int{500, 500, 500, 500}, dials: 4, wantErr: ssmchan.ErrDial, want: "500"},
		{name: "elsewhere", statuses: []int{302, 307, 308, 302}, dials: 4, wantErr: ssmchan.ErrDial, want: "302"},
		{name: "unauthorized", statuses: []int{401}, dials: 1, wantErr: ssmchan.ErrOpenDenied, want: "401 Unauthorized AccessDeniedException"},
		{name: "forbidden", statuses: []int{500, 403}, dials: 2, wantErr: ssmchan.ErrOpenDenied, want: "ssmmessages:OpenDataChannel"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var dials atomic.Int64
			g := &gateway{script: func(p *peer) { p.closed("") }}
			g.refuse = func(w http.ResponseWriter, r *http.Request) bool {
				n := int(dials.Add(1))
				if !strings.HasSuffix(g.url, r.RequestURI) || r.Header.Get("Authorization") != "signed" {
					t.Errorf("got %s with %v", r.RequestURI, r.Header)
				}
				if n > len(tc.statuses) {
					return false
				}
				w.Header().Set("X-Amzn-Errortype", "AccessDeniedException")
				w.Header().Set("Location", g.url)
				http.Error(w, "the request had the token "+token, tc.statuses[n-1])
				return true
			}
			_, err := g.start(t).run(t.Context(), ssmchan.Options{
				Header: http.Header{"Authorization": {"signed"}}, Redial: time.Nanosecond,
			}, &bytes.Buffer{})
			if !errors.Is(err, tc.wantErr) || (err != nil && !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("got %v, want %v: %s", err, tc.wantErr, tc.want)
			}
			noSecrets(t, err)
			if dials.Load() != tc.dials {
				t.Errorf("dialled %d times, want %d", dials.Load(), tc.dials)
			}
		})
	}
}

func TestDialFails(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	for _, url := range []string{"ws" + strings.TrimPrefix(server.URL, "http") + "/?cell-number=1", "ws://%zz/?cell-number=1", "ftp://x/"} {
		c := ssmchan.New(ssmchan.Options{URL: url, Token: token, Redial: time.Nanosecond})
		_, err := c.Run(t.Context(), &bytes.Buffer{})
		if !errors.Is(err, ssmchan.ErrDial) {
			t.Errorf("%s: %v", url, err)
		}
		noSecrets(t, err)
	}
}

// TestDialEnds ends the context during a dial, and between two.
func TestDialEnds(t *testing.T) {
	t.Parallel()
	for _, status := range []int{0, 500} {
		ctx, cancel := context.WithCancelCause(t.Context())
		g := &gateway{refuse: func(w http.ResponseWriter, r *http.Request) bool {
			if status == 0 {
				cancel(errCause)
				<-r.Context().Done()
				return true
			}
			w.WriteHeader(status)
			time.AfterFunc(time.Millisecond, func() { cancel(errCause) })
			return true
		}}
		_, err := g.start(t).run(ctx, ssmchan.Options{Redial: patience}, &bytes.Buffer{})
		if !errors.Is(err, errCause) {
			t.Errorf("after %d: %v", status, err)
		}
	}
}

// TestDialTimesOut has a gateway that does not answer, which is not the
// caller's deadline.
func TestDialTimesOut(t *testing.T) {
	t.Parallel()
	g := &gateway{refuse: func(_ http.ResponseWriter, r *http.Request) bool {
		<-r.Context().Done()
		return true
	}}
	_, err := g.start(t).run(t.Context(), ssmchan.Options{DialTimeout: time.Millisecond, Redial: time.Nanosecond}, &bytes.Buffer{})
	if !errors.Is(err, ssmchan.ErrDial) || errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}
