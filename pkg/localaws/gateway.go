package localaws

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"

	"errand/pkg/ssmchan"
)

// gateway stands between the client and the agent of one session. The real one
// (ssmmessages) is known by what it does alone: while no client is connected
// it makes the agent pause, and it is the one that tells the client of the end.
type gateway struct {
	session *session

	mu        sync.Mutex
	conn      *websocket.Conn // of the client, or nil
	upgrades  int
	signed    bool
	ended     bool
	reason    string // for the end
	agentGone bool   // without a word
	frames    int    // of output, sent ones of the agent's not counted again
	acks      int
	held      []byte // goes out after the next frame
}

// closeTime is what a client has for its part of closing the websocket.
const closeTime = 2 * time.Second

const channelPath = "/v1/data-channel/"

// serveChannel is the client's side: the upgrade, the opening, and then frames
// until the connection or the server ends.
func (x *execService) serveChannel(w http.ResponseWriter, r *http.Request) {
	s := x.session(strings.TrimPrefix(r.URL.Path, channelPath))
	switch {
	case s == nil:
		writeJSONError(w, &apiError{http.StatusNotFound, "ResourceNotFoundException", "There is no such session.", nil})
		return
	case r.URL.RawQuery != s.query:
		writeJSONError(w, badRequest("BadRequestException", "The query is not that of the stream URL, which must be dialled as it is: %s", r.URL.RawQuery))
		return
	}
	signed := x.signed(r)
	if s.RequireSigning && !signed {
		writeJSONError(w, &apiError{http.StatusForbidden, "AccessDeniedException", "not authorized to perform: ssmmessages:OpenDataChannel on resource: " + x.server.arn("ssm", "session/"+s.ID), nil})
		return
	}
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return // it has answered
	}
	// Nothing else ends the websocket's own closing when the server closes.
	defer context.AfterFunc(x.server.ctx, func() { _ = conn.CloseNow() })()
	defer func() { _ = conn.CloseNow() }()
	conn.SetReadLimit(1 << 20)
	typ, first, err := conn.Read(x.server.ctx)
	if err != nil {
		return
	}
	if err := s.checkOpen(typ, first); err != nil {
		_ = conn.Close(websocket.StatusPolicyViolation, err.Error())
		return
	}
	s.gateway.attach(conn, signed)
	defer s.gateway.detach(conn)
	for {
		typ, b, err := conn.Read(x.server.ctx)
		if err != nil {
			return
		}
		if typ == websocket.MessageBinary {
			s.gateway.fromClient(b)
		}
	}
}

// signed says whether the upgrade carries a signature for ssmmessages.
func (x *execService) signed(r *http.Request) bool {
	form := `^AWS4-HMAC-SHA256 Credential=[^/ ]+/\d{8}/` + regexp.QuoteMeta(x.server.opts.Region) + `/ssmmessages/aws4_request, ?SignedHeaders=[a-z0-9;-]*host[a-z0-9;-]*, ?Signature=[0-9a-f]{64}$`
	return r.Header.Get("X-Amz-Date") != "" && regexp.MustCompile(form).MatchString(r.Header.Get("Authorization"))
}

var uuids = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)

// checkOpen checks the client's first message. Its errors fit in a close frame.
func (s *session) checkOpen(typ websocket.MessageType, first []byte) error {
	var open ssmchan.Open
	switch err := json.Unmarshal(first, &open); {
	case typ != websocket.MessageText || err != nil:
		return errors.New("the first message must be JSON in a text message")
	case open.SchemaVersion != "1.0":
		return errors.New("MessageSchemaVersion must be 1.0")
	case !uuids.MatchString(open.RequestID) || !uuids.MatchString(open.ClientID):
		return errors.New("RequestId and ClientId must be UUIDs")
	case open.ClientVersion == "":
		return errors.New("ClientVersion is missing")
	case open.Token != s.token:
		return errors.New("the token is not that of the session")
	}
	return nil
}

// attach makes a connection the client's, in the place of an older one.
func (g *gateway) attach(conn *websocket.Conn, signed bool) {
	s := g.session
	g.mu.Lock()
	old := g.conn
	g.conn, g.signed = conn, signed
	g.upgrades++
	ended, closing := g.ended, s.CloseWith != "" && g.frames >= s.CloseAfter
	g.mu.Unlock()
	if old != nil {
		_ = old.CloseNow()
	}
	switch {
	case ended:
		g.farewell(conn)
	case closing:
		s.terminate(s.CloseWith)
	default:
		s.agent.pause(false)
	}
}

func (g *gateway) detach(conn *websocket.Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.conn == conn {
		g.conn = nil
		g.session.agent.pause(true)
	}
}

// fromClient passes a frame to the agent. Whether digests are right is for the
// receiver to check, and the agent does not.
func (g *gateway) fromClient(b []byte) {
	f, err := ssmchan.Parse(b)
	if err != nil && !errors.Is(err, ssmchan.ErrDigest) {
		return
	}
	if f.Type == ssmchan.TypeAcknowledge {
		g.mu.Lock()
		g.acks++
		lost := nth(g.session.LoseAcks, g.acks)
		g.mu.Unlock()
		if lost {
			return
		}
	}
	g.session.agent.receive(f)
}

// nth says whether the i-th is one of every n.
func nth(n, i int) bool { return n > 0 && i%n == 0 }

// output passes a frame of the agent's output to the client, with what the
// session's disturbance makes of it. A frame that is sent again is passed as it
// is.
func (g *gateway) output(frame []byte, again bool) {
	d := &g.session.Disturbance
	g.mu.Lock()
	conn := g.conn
	frames, cut, end := [][]byte{frame}, false, false
	if !again && conn != nil {
		g.frames++
		if nth(d.Duplicate, g.frames) {
			frames = append(frames, frame)
		}
		switch {
		case g.held != nil:
			frames, g.held = append(frames, g.held), nil
		case nth(d.Reorder, g.frames):
			frames, g.held = nil, frame
		}
		if nth(d.Announce, g.frames) {
			frames = append(frames, announcement(ssmchan.TypePausePublication), announcement(ssmchan.TypeStartPublication))
		}
		cut = g.frames == d.CutAfter
		end = d.CloseWith != "" && g.frames == d.CloseAfter
	}
	g.mu.Unlock()
	for _, b := range frames {
		g.write(conn, b)
	}
	if cut {
		_ = conn.CloseNow()
	}
	if end {
		g.session.terminate(d.CloseWith)
	}
}

// announcement is a frame that clients must ignore, so all but its type is
// spoiled.
func announcement(typ string) []byte {
	b := ssmchan.Frame{Type: typ, Created: time.UnixMilli(0), Payload: []byte("not valid")}.Append(nil)
	b[len(b)-1] ^= 1
	return b
}

// write waits for a client that does not read.
func (g *gateway) write(conn *websocket.Conn, b []byte) {
	if conn != nil && !g.session.Silent {
		_ = conn.Write(g.session.server.ctx, websocket.MessageBinary, b)
	}
}

// toClient passes a message that no disturbance counts.
func (g *gateway) toClient(f ssmchan.Frame) {
	g.mu.Lock()
	conn := g.conn
	g.mu.Unlock()
	g.write(conn, f.Append(nil))
}

func (g *gateway) describe(shown *Session) {
	g.mu.Lock()
	defer g.mu.Unlock()
	shown.Upgrades, shown.Signed, shown.Ended = g.upgrades, g.signed, g.ended
}

// end ends the session and tells the client, now or when it connects.
func (g *gateway) end(reason string) {
	g.mu.Lock()
	if g.ended {
		g.mu.Unlock()
		return
	}
	g.ended, g.reason = true, reason
	conn := g.conn
	g.mu.Unlock()
	g.session.server.watch(SessionState, g.session.ID, strings.TrimSpace("ENDED "+reason))
	if conn != nil {
		g.farewell(conn)
	}
}

// vanish is the end of an agent whose container has stopped: nobody says a word.
func (g *gateway) vanish() {
	g.mu.Lock()
	g.agentGone = true
	conn := g.conn
	g.mu.Unlock()
	if conn != nil && g.session.CutWhenStopped {
		_ = conn.CloseNow()
	}
	g.session.server.watch(SessionState, g.session.ID, "GONE")
}

// farewell sends channel_closed and closes the connection.
func (g *gateway) farewell(conn *websocket.Conn) {
	if g.session.NoClose || g.session.Silent {
		return
	}
	id := ssmchan.NewUUID()
	payload, _ := json.Marshal(ssmchan.Closed{
		MessageType:   ssmchan.TypeClosed,
		MessageID:     id.String(),
		DestinationID: g.session.target,
		SessionID:     g.session.ID,
		SchemaVersion: 1,
		CreatedDate:   fmt.Sprint(time.Now().UnixMilli()),
		Output:        g.reason,
	})
	g.write(conn, ssmchan.Frame{
		Type: ssmchan.TypeClosed, Created: time.Now(), Flags: ssmchan.FlagSYN | ssmchan.FlagFIN, ID: id, Payload: payload,
	}.Append(nil))
	g.session.server.background(func() {
		late := time.AfterFunc(closeTime, func() { _ = conn.CloseNow() })
		defer late.Stop()
		_ = conn.Close(websocket.StatusNormalClosure, "")
	})
}

// terminate ends the session from outside, unless it has ended. An agent that
// is gone does not notice, so then the gateway does it alone.
func (s *session) terminate(reason string) bool {
	g := s.gateway
	g.mu.Lock()
	ended, gone := g.ended, g.agentGone
	g.mu.Unlock()
	switch {
	case ended:
	case gone:
		g.end(reason)
	default:
		s.agent.stop(&termination{reason})
	}
	return !ended
}

// termination is the cause of an agent's end that came from outside.
type termination struct{ reason string }

func (t *termination) Error() string { return "terminated: " + t.reason }
