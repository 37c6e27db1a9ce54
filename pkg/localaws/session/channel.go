package session

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"strings"

	"github.com/coder/websocket"

	"errand/pkg/localaws/host"
	"errand/pkg/ssmchan"
)

// ChannelPath is the beginning of the path of every stream URL.
const ChannelPath = "/v1/data-channel/"

// ServeChannel is the client's side: the upgrade, the opening, and then frames
// until the connection or the server ends.
func (x *Service) ServeChannel(w http.ResponseWriter, r *http.Request, _ []byte) {
	s := x.session(strings.TrimPrefix(r.URL.Path, ChannelPath))
	switch {
	case s == nil:
		host.WriteError(w, host.Errorf(http.StatusNotFound, "ResourceNotFoundException", "There is no such session."))
		return
	case r.URL.RawQuery != s.query:
		host.WriteError(w, host.BadRequest("BadRequestException", "The query is not that of the stream URL, which must be dialled as it is: %s", r.URL.RawQuery))
		return
	}
	signed := x.signed(r)
	if s.RequireSigning && !signed {
		host.WriteError(w, host.Errorf(http.StatusForbidden, "AccessDeniedException", "not authorized to perform: ssmmessages:OpenDataChannel on resource: %s", x.host.ARN("ssm", "session/"+s.ID)))
		return
	}
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return // it has answered
	}
	// Nothing else ends the websocket's own closing when the server closes.
	defer context.AfterFunc(x.host.Context(), func() { _ = conn.CloseNow() })()
	defer func() { _ = conn.CloseNow() }()
	conn.SetReadLimit(1 << 20)
	typ, first, err := conn.Read(x.host.Context())
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
		typ, b, err := conn.Read(x.host.Context())
		if err != nil {
			return
		}
		if typ == websocket.MessageBinary {
			s.gateway.fromClient(b)
		}
	}
}

// signed says whether the upgrade carries a signature for ssmmessages.
func (x *Service) signed(r *http.Request) bool {
	form := `^AWS4-HMAC-SHA256 Credential=[^/ ]+/\d{8}/` + regexp.QuoteMeta(x.host.Region) + `/ssmmessages/aws4_request, ?SignedHeaders=[a-z0-9;-]*host[a-z0-9;-]*, ?Signature=[0-9a-f]{64}$`
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
