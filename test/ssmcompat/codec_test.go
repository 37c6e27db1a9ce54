package ssmcompat

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/aws/session-manager-plugin/src/log"
	"github.com/aws/session-manager-plugin/src/message"
	"github.com/aws/session-manager-plugin/src/service"
	"github.com/google/go-cmp/cmp"
	"github.com/twinj/uuid"

	"errand/pkg/ssmchan"
)

// The plugin's program does the same as its first act. The format is global.
func init() { uuid.SwitchFormat(uuid.CleanHyphen) }

// quiet is the logger that the plugin's codec wants. What it is told comes back
// as an error as well.
type quiet struct{ log.T }

func (quiet) Error(...any) error          { return nil }
func (quiet) Errorf(string, ...any) error { return nil }

var id = ssmchan.UUID{0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff}

// plugins is a frame as the plugin has it before it encodes it.
func plugins(f ssmchan.Frame) message.ClientMessage {
	return message.ClientMessage{
		MessageType:    f.Type,
		SchemaVersion:  1,
		CreatedDate:    uint64(f.Created.UnixMilli()),
		SequenceNumber: f.Sequence,
		Flags:          f.Flags,
		MessageId:      uuid.New(f.ID[:]),
		PayloadType:    uint32(f.PayloadType),
		Payload:        f.Payload,
	}
}

// decode reads a frame as the plugin does, which slices without looking.
func decode(b []byte) (m message.ClientMessage, ok bool) {
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	return m, m.DeserializeClientMessage(quiet{}, b) == nil && m.Validate() == nil
}

// agree checks that both codecs make the same bytes of a frame, and that each
// reads in the other's what was meant. It returns the bytes.
func agree(t *testing.T, f ssmchan.Frame) []byte {
	t.Helper()
	ours := f.Append(nil)
	want := plugins(f)
	theirs, err := want.SerializeClientMessage(quiet{})
	if err != nil {
		t.Fatalf("the plugin cannot encode %+v: %v", f, err)
	}
	if !bytes.Equal(ours, theirs) {
		t.Errorf("%+v\nerrand %x\nplugin %x", f, ours, theirs)
	}
	if got, err := ssmchan.Parse(theirs); err != nil {
		t.Errorf("errand refuses the plugin's %x: %v", theirs, err)
	} else if diff := cmp.Diff(f, got); diff != "" {
		t.Errorf("frame from plugin to errand (-sent +read):\n%s", diff)
	}
	got, ok := decode(ours)
	if !ok {
		t.Fatalf("the plugin refuses errand's %x", ours)
	}
	// What only a decoded message has.
	want.HeaderLength = message.ClientMessage_PayloadLengthOffset
	want.PayloadDigest = ours[80:112]
	sameID := cmp.Comparer(func(a, b uuid.UUID) bool { return bytes.Equal(a.Bytes(), b.Bytes()) })
	if diff := cmp.Diff(want, got, sameID); diff != "" {
		t.Errorf("frame from errand to plugin (-sent +read):\n%s", diff)
	}
	if got.MessageId.String() != f.ID.String() {
		t.Errorf("the plugin writes the id %s, errand %s", got.MessageId, f.ID)
	}
	return ours
}

func vector1() ssmchan.Frame {
	return ssmchan.Frame{
		Type: ssmchan.TypeOutput, Created: time.UnixMilli(1700000000000), Sequence: 5, ID: id,
		PayloadType: ssmchan.PayloadOutput, Payload: []byte("hi\r\n"),
	}
}

func TestFrames(t *testing.T) {
	now := time.UnixMilli(time.Now().UnixMilli())
	for _, tc := range []struct {
		name  string
		frame ssmchan.Frame
	}{
		{"output", vector1()},
		{"the first output", ssmchan.Frame{Type: ssmchan.TypeOutput, Created: now, Flags: ssmchan.FlagSYN, ID: ssmchan.NewUUID(), PayloadType: ssmchan.PayloadOutput, Payload: []byte("a")}},
		{"the last input", ssmchan.Frame{Type: ssmchan.TypeInput, Created: now, Sequence: 7, Flags: ssmchan.FlagFIN, ID: ssmchan.NewUUID(), PayloadType: ssmchan.PayloadOutput, Payload: []byte{3}}},
		{"size", ssmchan.Frame{Type: ssmchan.TypeInput, Created: now, ID: ssmchan.NewUUID(), PayloadType: ssmchan.PayloadSize, Payload: []byte(`{"cols":80,"rows":24}`)}},
		{"bytes that are not text", ssmchan.Frame{Type: ssmchan.TypeOutput, Created: now, ID: ssmchan.NewUUID(), PayloadType: ssmchan.PayloadOutput, Payload: []byte{0, 0xff, 0xfe, 0, 0x80}}},
		{"every bit", ssmchan.Frame{
			Type: strings.Repeat("x", 32), Created: time.UnixMilli(-1), Sequence: -1, Flags: math.MaxUint64,
			ID: ssmchan.UUID(bytes.Repeat([]byte{0xff}, 16)), PayloadType: math.MaxUint32, Payload: bytes.Repeat([]byte{0xff}, 70_000),
		}},
		{"the highest numbers", ssmchan.Frame{Type: "t", Created: time.UnixMilli(math.MaxInt64), Sequence: math.MaxInt64, Flags: 1 << 63, PayloadType: 1 << 31, Payload: []byte{0}}},
		{"the lowest numbers", ssmchan.Frame{Type: "t", Created: time.UnixMilli(1), Sequence: math.MinInt64, Payload: []byte{0}}},
	} {
		t.Run(tc.name, func(t *testing.T) { agree(t, tc.frame) })
	}
}

func TestRandomFrames(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	types := []string{ssmchan.TypeOutput, ssmchan.TypeInput, ssmchan.TypeAcknowledge, ssmchan.TypeClosed, "agent_session_state"}
	for range 1000 {
		f := ssmchan.Frame{
			Type:        types[random.IntN(len(types))],
			Created:     time.UnixMilli(1 + random.Int64()),
			Sequence:    int64(random.Uint64()),
			Flags:       random.Uint64(),
			PayloadType: ssmchan.PayloadType(random.Uint32()),
			Payload:     make([]byte, 1+random.IntN(1500)),
		}
		for _, b := range [][]byte{f.ID[:], f.Payload} {
			for i := range b {
				b[i] = byte(random.Uint32())
			}
		}
		if agree(t, f); t.Failed() {
			return
		}
	}
}

func FuzzFrames(f *testing.F) {
	v := vector1()
	f.Add(v.Type, v.Created.UnixMilli(), v.Sequence, v.Flags, v.ID[:], uint32(v.PayloadType), v.Payload)
	f.Add(ssmchan.TypeAcknowledge, int64(-1), int64(math.MinInt64), uint64(3), make([]byte, 16), uint32(0), []byte("{}"))
	f.Fuzz(func(t *testing.T, typ string, created, sequence int64, flags uint64, id []byte, payloadType uint32, payload []byte) {
		switch {
		case typ == "" || created == 0:
			t.Skip("both refuse to read it")
		case len(payload) == 0 || len(typ) > 32:
			t.Skip("the plugin refuses to write it")
		case typ != strings.TrimSpace(strings.Trim(typ, "\x00")):
			t.Skip("the padding is trimmed with more around it")
		case typ == ssmchan.TypeStartPublication || typ == ssmchan.TypePausePublication:
			t.Skip("errand does not look into it")
		case len(id) != 16:
			t.Skip("not an id")
		}
		agree(t, ssmchan.Frame{
			Type: typ, Created: time.UnixMilli(created), Sequence: sequence, Flags: flags,
			ID: ssmchan.UUID(id), PayloadType: ssmchan.PayloadType(payloadType), Payload: payload,
		})
	})
}

// The bytes that docs/exec.md and errand's own tests are about, from both.
func TestVectors(t *testing.T) {
	const frame = "000000746f75747075745f73747265616d5f64617461" + "2020202020202020202020202020" + "000000010000018bcfe56800" +
		"00000000000000050000000000000000" + "8899aabbccddeeff0011223344556677" +
		"44723dd4d0e0d46a3c7fa8aca254b61c27b6b5789f96177e82c80700409f1535" + "000000010000000468690d0a"
	if got := hex.EncodeToString(agree(t, vector1())); got != frame {
		t.Errorf("got  %s\nwant %s", got, frame)
	}
	const payload = `{"AcknowledgedMessageType":"output_stream_data","AcknowledgedMessageId":"00112233-4455-6677-8899-aabbccddeeff","AcknowledgedMessageSequenceNumber":5,"IsSequentialMessage":true}`
	ack := agree(t, ssmchan.Frame{
		Type: ssmchan.TypeAcknowledge, Created: time.UnixMilli(1700000000000), ID: id,
		Flags: ssmchan.FlagSYN | ssmchan.FlagFIN, Payload: []byte(payload),
	})
	if len(ack) != 296 || hex.EncodeToString(ack[80:112]) != "c042f04dae720ddf0a04ac8686902518"+"97ea8e1f56ee6bc073b455575d2e1996" {
		t.Errorf("acknowledgement of %d bytes with digest %x", len(ack), ack[80:112])
	}
}

// A frame that is damaged on its way is refused by both or by neither. Only the
// payload's length has another say: the plugin takes what there is.
func TestDamage(t *testing.T) {
	whole := agree(t, vector1())
	for i := range len(whole) * 8 {
		if at := i / 8; at >= message.ClientMessage_PayloadLengthOffset && at < message.ClientMessage_PayloadOffset {
			continue
		}
		b := bytes.Clone(whole)
		b[i/8] ^= 1 << (i % 8)
		_, err := ssmchan.Parse(b)
		if _, ok := decode(b); ok != (err == nil) {
			t.Errorf("bit %d of byte %d: the plugin accepts it: %v, errand: %v", i%8, i/8, ok, err)
		}
	}
	for i := range whole {
		_, err := ssmchan.Parse(whole[:i])
		if _, ok := decode(whole[:i]); ok || err == nil {
			t.Errorf("the first %d bytes: the plugin accepts them: %v, errand: %v", i, ok, err)
		}
	}
	for _, typ := range []string{ssmchan.TypeStartPublication, ssmchan.TypePausePublication} {
		b := ssmchan.Frame{Type: typ, Created: time.UnixMilli(0), Payload: []byte("x")}.Append(nil)
		b[len(b)-1]++
		_, err := ssmchan.Parse(b)
		if m, ok := decode(b); !ok || err != nil || m.MessageType != typ {
			t.Errorf("%s without a date, with a wrong digest: the plugin accepts it: %v, errand: %v", typ, ok, err)
		}
	}
}

func TestConstants(t *testing.T) {
	for ours, plugins := range map[string]string{
		ssmchan.TypeOutput:           message.OutputStreamMessage,
		ssmchan.TypeInput:            message.InputStreamMessage,
		ssmchan.TypeAcknowledge:      message.AcknowledgeMessage,
		ssmchan.TypeClosed:           message.ChannelClosedMessage,
		ssmchan.TypeStartPublication: message.StartPublicationMessage,
		ssmchan.TypePausePublication: message.PausePublicationMessage,
	} {
		if ours != plugins {
			t.Errorf("message type %q is the plugin's %q", ours, plugins)
		}
	}
	for ours, plugins := range map[ssmchan.PayloadType]message.PayloadType{
		ssmchan.PayloadOutput:            message.Output,
		ssmchan.PayloadError:             message.Error,
		ssmchan.PayloadSize:              message.Size,
		ssmchan.PayloadHandshakeRequest:  message.HandshakeRequestPayloadType,
		ssmchan.PayloadHandshakeResponse: message.HandshakeResponsePayloadType,
		ssmchan.PayloadHandshakeComplete: message.HandshakeCompletePayloadType,
		ssmchan.PayloadChallengeRequest:  message.EncChallengeRequest,
		ssmchan.PayloadChallengeResponse: message.EncChallengeResponse,
		ssmchan.PayloadFlag:              message.Flag,
		ssmchan.PayloadStdErr:            message.StdErr,
		ssmchan.PayloadExitCode:          message.ExitCode,
	} {
		if uint32(ours) != uint32(plugins) {
			t.Errorf("payload type %d is the plugin's %d", ours, plugins)
		}
	}
}

// The documents inside the frames have the same keys, in the same order where
// errand is the one that writes them.
func TestDocuments(t *testing.T) {
	text := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	frame := func(typ, payload string) message.ClientMessage {
		m, ok := decode(ssmchan.Frame{Type: typ, Created: time.Now(), ID: id, Flags: 3, Payload: []byte(payload)}.Append(nil))
		if !ok {
			t.Fatalf("the plugin refuses %s", payload)
		}
		return m
	}

	ack := ssmchan.Acknowledgement{Type: ssmchan.TypeOutput, ID: id.String(), Sequence: math.MaxInt64, IsSequential: true}
	theirAck := message.AcknowledgeContent{MessageType: ssmchan.TypeOutput, MessageId: id.String(), SequenceNumber: math.MaxInt64, IsSequentialMessage: true}
	if diff := cmp.Diff(text(theirAck), text(ack)); diff != "" {
		t.Errorf("acknowledgement (-plugin +errand):\n%s", diff)
	}
	m := frame(ssmchan.TypeAcknowledge, text(ack))
	if got, err := m.DeserializeDataStreamAcknowledgeContent(quiet{}); err != nil || got != theirAck {
		t.Errorf("the plugin reads errand's acknowledgement as %+v, %v", got, err)
	}
	b, err := message.SerializeClientMessageWithAcknowledgeContent(quiet{}, theirAck)
	if err != nil {
		t.Fatal(err)
	}
	f, err := ssmchan.Parse(b)
	if err != nil || f.Type != ssmchan.TypeAcknowledge || f.Sequence != 0 || f.Flags != ssmchan.FlagSYN|ssmchan.FlagFIN || f.PayloadType != ssmchan.PayloadNone {
		t.Errorf("errand reads the plugin's acknowledgement as %+v, %v", f, err)
	}
	var gotAck ssmchan.Acknowledgement
	if err := json.Unmarshal(f.Payload, &gotAck); err != nil || gotAck != ack {
		t.Errorf("errand reads the plugin's acknowledgement as %+v, %v", gotAck, err)
	}

	closed := ssmchan.Closed{
		MessageType: ssmchan.TypeClosed, MessageID: id.String(), DestinationID: "ecs:c_t_r", SessionID: "ecs-execute-command-1",
		SchemaVersion: 1, CreatedDate: "1700000000000", Output: "why",
	}
	theirClosed := message.ChannelClosed{
		MessageType: ssmchan.TypeClosed, MessageId: id.String(), DestinationId: "ecs:c_t_r", SessionId: "ecs-execute-command-1",
		SchemaVersion: 1, CreatedDate: "1700000000000", Output: "why",
	}
	m = frame(ssmchan.TypeClosed, text(closed))
	if got, err := m.DeserializeChannelClosedMessage(quiet{}); err != nil || got != theirClosed {
		t.Errorf("the plugin reads errand's channel_closed as %+v, %v", got, err)
	}
	var gotClosed ssmchan.Closed
	if err := json.Unmarshal([]byte(text(theirClosed)), &gotClosed); err != nil || gotClosed != closed {
		t.Errorf("errand reads the plugin's channel_closed as %+v, %v", gotClosed, err)
	}

	a, c, d, e, g := "1.0", id.String(), "token", ssmchan.NewUUID().String(), "1.3.0.0"
	open := ssmchan.Open{SchemaVersion: a, RequestID: c, Token: d, ClientID: e, ClientVersion: g}
	theirOpen := service.OpenDataChannelInput{MessageSchemaVersion: &a, RequestId: &c, TokenValue: &d, ClientId: &e, ClientVersion: &g}
	if diff := cmp.Diff(text(theirOpen), text(open)); diff != "" {
		t.Errorf("first message (-plugin +errand):\n%s", diff)
	}
}
