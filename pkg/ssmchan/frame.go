// Package ssmchan is the client's side of the data channel of AWS Systems
// Manager sessions, which ECS Exec uses: frames over a websocket that number,
// acknowledge and resend the output of a command. AWS publishes no
// specification; docs/exec.md says what is known and how.
package ssmchan

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"time"
)

// The message types that a data channel carries.
const (
	TypeOutput           = "output_stream_data"
	TypeInput            = "input_stream_data"
	TypeAcknowledge      = "acknowledge"
	TypeClosed           = "channel_closed"
	TypeStartPublication = "start_publication"
	TypePausePublication = "pause_publication"
)

// PayloadType says what the payload of a stream message is.
type PayloadType uint32

// The payload types that ECS Exec knows or may come to know.
const (
	PayloadNone              PayloadType = 0
	PayloadOutput            PayloadType = 1
	PayloadError             PayloadType = 2
	PayloadSize              PayloadType = 3
	PayloadHandshakeRequest  PayloadType = 5
	PayloadHandshakeResponse PayloadType = 6
	PayloadHandshakeComplete PayloadType = 7
	PayloadChallengeRequest  PayloadType = 8
	PayloadChallengeResponse PayloadType = 9
	PayloadFlag              PayloadType = 10
	PayloadStdErr            PayloadType = 11
	PayloadExitCode          PayloadType = 12
)

// The flags of a frame.
const (
	FlagSYN uint64 = 1 << 0
	FlagFIN uint64 = 1 << 1
)

// UUID is a message id.
type UUID [16]byte

// NewUUID makes a random UUID, version 4.
func NewUUID() UUID {
	var u UUID
	_, _ = rand.Read(u[:]) // never fails, see crypto/rand
	u[6] = u[6]&0x0f | 0x40
	u[8] = u[8]&0x3f | 0x80
	return u
}

func (u UUID) String() string {
	h := hex.EncodeToString(u[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// Frame is one message of the data channel.
type Frame struct {
	Type        string // at most 32 bytes
	Created     time.Time
	Sequence    int64
	Flags       uint64
	ID          UUID
	PayloadType PayloadType
	Payload     []byte // not empty
}

// The layout, big-endian: where each field begins. The payload begins 4 bytes
// after what HeaderLength says, which does not count PayloadLength itself.
const (
	offType     = 4
	offSchema   = offType + 32
	offCreated  = offSchema + 4
	offSequence = offCreated + 8
	offFlags    = offSequence + 8
	offID       = offFlags + 8
	offDigest   = offID + 16
	offPayloadT = offDigest + 32
	offPayloadL = offPayloadT + 4
	offPayload  = offPayloadL + 4

	headerLength  = offPayloadL
	schemaVersion = 1
)

// Append appends the frame as it goes over the wire to b.
func (f Frame) Append(b []byte) []byte {
	start := len(b)
	b = append(b, make([]byte, offPayload)...)
	h := b[start:]
	binary.BigEndian.PutUint32(h, headerLength)
	copy(h[offType:offSchema], bytes.Repeat([]byte{' '}, offSchema-offType))
	copy(h[offType:offSchema], f.Type)
	binary.BigEndian.PutUint32(h[offSchema:], schemaVersion)
	binary.BigEndian.PutUint64(h[offCreated:], uint64(f.Created.UnixMilli()))
	binary.BigEndian.PutUint64(h[offSequence:], uint64(f.Sequence))
	binary.BigEndian.PutUint64(h[offFlags:], f.Flags)
	// The two halves of the id are swapped.
	copy(h[offID:], f.ID[8:])
	copy(h[offID+8:], f.ID[:8])
	digest := sha256.Sum256(f.Payload)
	copy(h[offDigest:], digest[:])
	binary.BigEndian.PutUint32(h[offPayloadT:], uint32(f.PayloadType))
	binary.BigEndian.PutUint32(h[offPayloadL:], uint32(len(f.Payload)))
	return append(b, f.Payload...)
}

// ErrDigest is a frame whose payload is not what its digest says. Parse returns
// the frame with it, so that its number can be counted.
var ErrDigest = errors.New("the payload does not match its digest")

// Parse reads one frame. Its payload is a part of b.
func Parse(b []byte) (Frame, error) {
	if len(b) < offPayload {
		return Frame{}, fmt.Errorf("a frame of %d bytes is shorter than its header", len(b))
	}
	f := Frame{
		Type:        string(bytes.TrimRight(b[offType:offSchema], "\x00 ")),
		Created:     time.UnixMilli(int64(binary.BigEndian.Uint64(b[offCreated:]))),
		Sequence:    int64(binary.BigEndian.Uint64(b[offSequence:])),
		Flags:       binary.BigEndian.Uint64(b[offFlags:]),
		PayloadType: PayloadType(binary.BigEndian.Uint32(b[offPayloadT:])),
	}
	copy(f.ID[:8], b[offID+8:offDigest])
	copy(f.ID[8:], b[offID:offID+8])
	// The gateway's own frames are ignored by clients, whatever is in them.
	if f.Type == TypeStartPublication || f.Type == TypePausePublication {
		return f, nil
	}
	header := uint64(binary.BigEndian.Uint32(b))
	start := header + 4
	// The payload's length stands right before the payload, wherever that is.
	if header < offPayloadL || start > uint64(len(b)) {
		return f, fmt.Errorf("a frame of %d bytes says that its header has %d", len(b), header)
	}
	length := uint64(binary.BigEndian.Uint32(b[header:]))
	if start+length > uint64(len(b)) {
		return f, fmt.Errorf("a frame of %d bytes says that its payload has %d after a header of %d", len(b), length, start)
	}
	f.Payload = b[start : start+length]
	if f.Type == "" || f.Created.UnixMilli() == 0 {
		return f, errors.New("a frame without a type or a date")
	}
	if length > 0 && sha256.Sum256(f.Payload) != [32]byte(b[offDigest:offPayloadT]) {
		return f, ErrDigest
	}
	return f, nil
}

// Acknowledgement is the payload of an acknowledge message. The receiver looks
// at the sequence number alone.
type Acknowledgement struct {
	Type         string `json:"AcknowledgedMessageType"`
	ID           string `json:"AcknowledgedMessageId"`
	Sequence     int64  `json:"AcknowledgedMessageSequenceNumber"`
	IsSequential bool   `json:"IsSequentialMessage"`
}

// Closed is the payload of a channel_closed message.
type Closed struct {
	MessageType   string `json:"MessageType"`
	MessageID     string `json:"MessageId"`
	DestinationID string `json:"DestinationId"`
	SessionID     string `json:"SessionId"`
	SchemaVersion int    `json:"SchemaVersion"`
	CreatedDate   string `json:"CreatedDate"`
	Output        string `json:"Output"` // "" at a normal end, else why, for people
}

// Open is the first message of a client, in text.
type Open struct {
	SchemaVersion string `json:"MessageSchemaVersion"` // "1.0"
	RequestID     string `json:"RequestId"`
	Token         string `json:"TokenValue"`
	ClientID      string `json:"ClientId"`
	ClientVersion string `json:"ClientVersion"`
}
