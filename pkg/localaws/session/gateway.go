package session

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"

	"errand/pkg/localaws/host"
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
	if conn == nil {
		if !again {
			g.session.agent.unsent()
			g.mu.Lock()
			attached := g.conn != nil // meanwhile
			g.mu.Unlock()
			if attached {
				g.session.agent.pause(false)
			}
		}
		return
	}
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
		_ = conn.Write(g.session.host.Context(), websocket.MessageBinary, b)
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
	g.session.host.Watch(host.SessionState, g.session.ID, strings.TrimSpace("ENDED "+reason))
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
	g.session.host.Watch(host.SessionState, g.session.ID, "GONE")
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
	g.session.host.Background(func() {
		late := time.AfterFunc(closeTime, func() { _ = conn.CloseNow() })
		defer late.Stop()
		_ = conn.Close(websocket.StatusNormalClosure, "")
	})
}
