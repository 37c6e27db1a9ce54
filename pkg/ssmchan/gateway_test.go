package ssmchan_test

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"errand/pkg/ssmchan"
)

const (
	token     = "the-secret-token"
	sessionID = "ecs-execute-command-0123456789abcdef0"
	targetID  = "ecs:default_0123456789abcdef_0123456789abcdef-1"
	patience  = time.Minute // after which a test that hangs fails
)

// TestMain fails if any of the package's goroutines is left after the tests.
func TestMain(m *testing.M) {
	code := m.Run()
	stacks := make([]byte, 1<<20)
	for deadline := time.Now().Add(patience / 6); ; runtime.Gosched() {
		left := string(stacks[:runtime.Stack(stacks, true)])
		if !strings.Contains(left, "ssmchan.(*Channel)") && !strings.Contains(left, "coder/websocket") {
			break
		}
		if time.Now().After(deadline) {
			fmt.Fprintln(os.Stderr, "goroutines are left:\n"+left)
			code = 1
			break
		}
	}
	os.Exit(code)
}

// gateway is the other end: it accepts the websocket and plays a script.
type gateway struct {
	accept websocket.AcceptOptions
	script func(*peer)
	// refuse may answer the upgrade instead.
	refuse func(http.ResponseWriter, *http.Request) bool

	url     string
	channel chan *ssmchan.Channel
}

// peer is one connection that a script plays with.
type peer struct {
	*testing.T
	conn *websocket.Conn
	ctx  context.Context
	c    *ssmchan.Channel
	open ssmchan.Open
}

func (g *gateway) start(t *testing.T) *gateway {
	t.Helper()
	g.channel = make(chan *ssmchan.Channel, 1)
	var wg sync.WaitGroup
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		wg.Add(1)
		defer wg.Done()
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if g.refuse != nil && g.refuse(w, r) {
			return
		}
		conn, err := websocket.Accept(w, r, &g.accept)
		if err != nil {
			t.Errorf("accept: %v", err)
			return
		}
		conn.SetReadLimit(1 << 20)
		defer func() { _ = conn.CloseNow() }()
		p := &peer{T: t, conn: conn, ctx: ctx, c: <-g.channel}
		typ, b, err := conn.Read(ctx)
		if err != nil || typ != websocket.MessageText {
			p.stop("the first message: %v, %v", typ, err)
		}
		if err := json.Unmarshal(b, &p.open); err != nil {
			p.stop("the first message: %v", err)
		}
		g.script(p)
		p.gone()
	}))
	g.url = "ws" + strings.TrimPrefix(server.URL, "http") + "/v1/data-channel/" + sessionID + "?role=publish_subscribe&cell-number=AA/b+c="
	t.Cleanup(func() {
		server.Close()
		wg.Wait()
	})
	return g
}

// run plays the client.
func (g *gateway) run(ctx context.Context, o ssmchan.Options, sink io.Writer) (ssmchan.Result, error) {
	o.URL, o.Token, o.SessionID, o.TargetID = g.url, token, sessionID, targetID
	c := ssmchan.New(o)
	g.channel <- c
	return c.Run(ctx, sink)
}

// stop ends a script that cannot go on, and so its connection.
func (p *peer) stop(format string, args ...any) {
	p.Helper()
	p.Errorf(format, args...)
	panic(http.ErrAbortHandler)
}

func (p *peer) write(b []byte) {
	p.Helper()
	if err := p.conn.Write(p.ctx, websocket.MessageBinary, b); err != nil {
		p.stop("write: %v", err)
	}
}

func frame(typ string, sequence int64, payloadType ssmchan.PayloadType, payload string) []byte {
	return ssmchan.Frame{
		Type: typ, Created: time.Now(), Sequence: sequence, ID: ssmchan.NewUUID(),
		PayloadType: payloadType, Payload: []byte(payload),
	}.Append(nil)
}

// stream sends a stream frame of the agent.
func (p *peer) stream(sequence int64, payloadType ssmchan.PayloadType, payload string) {
	p.Helper()
	p.write(frame(ssmchan.TypeOutput, sequence, payloadType, payload))
}

// output sends output and waits for its acknowledgement.
func (p *peer) output(sequence int64, text string) {
	p.Helper()
	p.stream(sequence, ssmchan.PayloadOutput, text)
	p.wantAck(sequence)
}

// spoiled sends a frame that was damaged on its way.
func (p *peer) spoiled(sequence int64) {
	p.Helper()
	b := frame(ssmchan.TypeOutput, sequence, ssmchan.PayloadOutput, "damaged")
	b[len(b)-1] ^= 1
	p.write(b)
}

// closed sends channel_closed.
func (p *peer) closed(reason string) {
	p.Helper()
	payload, err := json.Marshal(ssmchan.Closed{MessageType: ssmchan.TypeClosed, SessionID: sessionID, SchemaVersion: 1, Output: reason})
	if err != nil {
		p.stop("%v", err)
	}
	p.write(frame(ssmchan.TypeClosed, 0, 0, string(payload)))
}

// next reads one frame of the client.
func (p *peer) next() ssmchan.Frame {
	p.Helper()
	typ, b, err := p.conn.Read(p.ctx)
	if err != nil || typ != websocket.MessageBinary {
		p.stop("read: %v, %v", typ, err)
	}
	f, err := ssmchan.Parse(b)
	if err != nil {
		p.stop("the client's frame: %v", err)
	}
	return f
}

func (p *peer) wantAck(sequence int64) {
	p.Helper()
	f := p.next()
	var a ssmchan.Acknowledgement
	if f.Type != ssmchan.TypeAcknowledge {
		p.stop("got %s %d, want the acknowledgement of %d", f.Type, f.PayloadType, sequence)
	}
	if err := json.Unmarshal(f.Payload, &a); err != nil {
		p.stop("acknowledgement: %v", err)
	}
	if a.Sequence != sequence || a.Type != ssmchan.TypeOutput || !a.IsSequential || len(a.ID) != 36 || f.Flags != 3 || f.Sequence != 0 {
		p.stop("got acknowledgement %+v in %+v, want %d", a, f, sequence)
	}
}

// input reads the client's next input frame with that number, whatever is sent
// again before it.
func (p *peer) input(sequence int64, payloadType ssmchan.PayloadType) []byte {
	p.Helper()
	for {
		f := p.next()
		switch {
		case f.Type == ssmchan.TypeInput && f.Sequence < sequence:
			continue
		case f.Type != ssmchan.TypeInput || f.Sequence != sequence || f.PayloadType != payloadType || f.Flags != 0:
			p.stop("got %+v, want input %d of type %d", f, sequence, payloadType)
		}
		return f.Payload
	}
}

func (p *peer) ackInput(sequence int64) {
	p.Helper()
	payload, err := json.Marshal(ssmchan.Acknowledgement{Type: ssmchan.TypeInput, Sequence: sequence, IsSequential: true})
	if err != nil {
		p.stop("%v", err)
	}
	p.write(frame(ssmchan.TypeAcknowledge, 0, 0, string(payload)))
}

// gone waits until the client has left.
func (p *peer) gone() {
	p.Helper()
	for {
		if _, _, err := p.conn.Read(p.ctx); err != nil {
			if p.ctx.Err() != nil {
				p.Error("the client does not leave")
			}
			return
		}
	}
}

// handshakeAnswer is what the client says to the agent's request.
type handshakeAnswer struct {
	ClientVersion          string
	ProcessedClientActions []struct {
		ActionType   string
		ActionStatus int
		ActionResult *struct{ KMSCipherTextKey []byte }
		Error        string
	}
	Errors []string
}

const sessionType = `{"ActionType":"SessionType","ActionParameters":{"SessionType":"InteractiveCommands","Properties":null}}`

// handshake asks for actions in frame 0, and returns the answer.
func (p *peer) handshake(actions ...string) handshakeAnswer {
	p.Helper()
	p.stream(0, ssmchan.PayloadHandshakeRequest, `{"AgentVersion":"3.3.0.0","RequestedClientActions":[`+strings.Join(actions, ",")+`]}`)
	p.wantAck(0)
	var a handshakeAnswer
	if err := json.Unmarshal(p.input(0, ssmchan.PayloadHandshakeResponse), &a); err != nil {
		p.stop("handshake response: %v", err)
	}
	if len(a.ProcessedClientActions) != len(actions) || a.ClientVersion != "1.3.0.0" {
		p.stop("handshake response: %+v", a)
	}
	return a
}

const (
	kmsKey    = "arn:aws:kms:eu-central-1:123456789012:key/0"
	kmsAction = `{"ActionType":"KMSEncryption","ActionParameters":{"KMSKeyId":"` + kmsKey + `","Challenge":"AAAAAAAAAAAAAAAAAAAAAA=="}}`
	complete  = `{"HandshakeTimeToComplete":1,"CustomerMessage":"This session is encrypted using AWS KMS."}`
)

// dataKey is a KMS that has one key.
func dataKey(_ context.Context, keyID string, encryptionContext map[string]string) ([]byte, []byte, error) {
	if keyID != kmsKey || len(encryptionContext) != 2 ||
		encryptionContext["aws:ssm:SessionId"] != sessionID || encryptionContext["aws:ssm:TargetId"] != targetID {
		return nil, nil, fmt.Errorf("wrong request: %s, %v", keyID, encryptionContext)
	}
	return plainKey, []byte("encrypted"), nil
}

var plainKey = []byte("the agent encrypts with this one" + "and the client with this, a key.")

// The agent's cryptography, written another way than the client's: an explicit
// nonce before what AES-GCM makes.
func gcm(key []byte) cipher.AEAD {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err)
	}
	a, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	return a
}

var nonces struct {
	sync.Mutex
	n byte
}

func agentEncrypt(text string) string {
	nonces.Lock()
	defer nonces.Unlock()
	nonces.n++
	nonce := bytes.Repeat([]byte{nonces.n}, 12)
	return string(nonce) + string(gcm(plainKey[:32]).Seal(nil, nonce, []byte(text), nil))
}

func (p *peer) decrypt(sealed []byte) string {
	p.Helper()
	if len(sealed) < 12 {
		p.stop("%d bytes cannot be encrypted", len(sealed))
	}
	plain, err := gcm(plainKey[32:]).Open(nil, sealed[:12], sealed[12:], nil)
	if err != nil {
		p.stop("decrypt: %v", err)
	}
	return string(plain)
}

// encrypted agrees on a key, up to and with the end of the handshake: the
// agent's frames 0 to 2, the client's 0 and 1.
func (p *peer) encrypted() {
	p.Helper()
	a := p.handshake(sessionType, kmsAction)
	kms := a.ProcessedClientActions[1]
	if kms.ActionStatus != 1 || kms.ActionResult == nil || string(kms.ActionResult.KMSCipherTextKey) != "encrypted" || a.Errors != nil {
		p.stop("handshake response: %+v", a)
	}
	p.ackInput(0)
	secret := strings.Repeat("secret 8", 8)
	ask, err := json.Marshal(map[string][]byte{"Challenge": []byte(agentEncrypt(secret))})
	if err != nil {
		p.stop("%v", err)
	}
	p.stream(1, ssmchan.PayloadChallengeRequest, string(ask))
	p.wantAck(1)
	var answer struct{ Challenge []byte }
	if err := json.Unmarshal(p.input(1, ssmchan.PayloadChallengeResponse), &answer); err != nil {
		p.stop("challenge response: %v", err)
	}
	if got := p.decrypt(answer.Challenge); got != secret {
		p.stop("the challenge comes back as %q", got)
	}
	p.ackInput(1)
	p.stream(2, ssmchan.PayloadHandshakeComplete, complete)
	p.wantAck(2)
}

var errCause = errors.New("the cause")
