package sqs

import (
	"context"
	"crypto/md5" //nolint:gosec // SQS's clients check it
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"errand/pkg/localaws/host"
)

type message struct {
	id, body   string
	attributes map[string]host.Attribute
	sent       time.Time
	// visible is when the next receiver may have it.
	visible       time.Time
	received      int
	firstReceived time.Time
}

// attribute is a message attribute as the protocol has it. Binary values are in
// base64.
type attribute struct {
	DataType    string
	StringValue string `json:",omitempty"`
	BinaryValue string `json:",omitempty"`
}

type sendInput struct {
	QueueURL                string `json:"QueueUrl"`
	MessageBody             string
	DelaySeconds            *int
	MessageAttributes       map[string]attribute
	MessageSystemAttributes map[string]attribute
}

type sendOutput struct {
	MessageID              string `json:"MessageId"`
	MD5OfMessageBody       string
	MD5OfMessageAttributes string `json:",omitempty"`
}

func (s *Service) send(_ context.Context, in *sendInput) (*sendOutput, error) {
	if len(in.MessageSystemAttributes) > 0 {
		return nil, unserved("message system attributes")
	}
	attributes, err := checkAttributes(in.MessageAttributes)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.at(in.QueueURL)
	if err != nil {
		return nil, err
	}
	delay, err := number("DelaySeconds", in.DelaySeconds, 0, 900, q.settings["DelaySeconds"])
	if err != nil {
		return nil, err
	}
	m, err := s.put(q, in.MessageBody, attributes, time.Duration(delay)*time.Second)
	if err != nil {
		return nil, err
	}
	return &sendOutput{m.id, digest([]byte(m.body)), digestOf(m.attributes)}, nil
}

// put puts a message into the queue; s.mu must be held.
func (s *Service) put(q *queue, body string, attributes map[string]host.Attribute, delay time.Duration) (*message, error) {
	if body == "" {
		return nil, missing("MessageBody")
	}
	if err := checkText(body, "body"); err != nil {
		return nil, err
	}
	size := len(body)
	for name, a := range attributes {
		size += len(name) + len(a.Type) + len(bytesOf(a))
	}
	if most := q.settings["MaximumMessageSize"]; size > most {
		return nil, invalid("One or more parameters are invalid. Reason: Message must be shorter than %d bytes.", most)
	}
	now := s.host.Now()
	m := &message{id: host.NewUUID(), body: body, attributes: attributes, sent: now, visible: now.Add(delay)}
	q.messages = append(q.messages, m)
	q.wake()
	return m, nil
}

// checkText refuses the characters that XML could not have.
func checkText(text, where string) error {
	at := strings.IndexFunc(text, func(r rune) bool {
		return r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == '\uFFFE' || r == '\uFFFF'
	})
	if at < 0 && utf8.ValidString(text) {
		return nil
	}
	r, _ := utf8.DecodeRuneInString(text[max(at, 0):])
	return host.BadRequest("InvalidMessageContents", "Invalid binary character '#x%X' was found in the message %s, the set of allowed characters is #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF", r, where)
}

const maxAttributes = 10

var (
	attributeName = regexp.MustCompile(`^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$`)
	reservedName  = regexp.MustCompile(`(?i)^(aws|amazon)\.`)
	attributeType = regexp.MustCompile(`^(String|Number|Binary)(\.|$)`)
)

func checkAttributes(given map[string]attribute) (map[string]host.Attribute, error) {
	if len(given) > maxAttributes {
		return nil, invalid("Number of message attributes [%d] exceeds the allowed maximum [%d].", len(given), maxAttributes)
	}
	checked := map[string]host.Attribute{}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		a := given[name]
		if len(name) > 256 || !attributeName.MatchString(name) || reservedName.MatchString(name) {
			return nil, invalid("The message attribute name '%s' is invalid. Attribute name can contain A-Z, a-z, 0-9, underscore (_), hyphen (-), and period (.) characters, and must not start with AWS. or Amazon.", name)
		}
		if len(a.DataType) > 256 || !attributeType.MatchString(a.DataType) {
			return nil, invalid("The type of message (user) attribute '%s' is invalid. You must use only the following supported type prefixes: Binary, Number, String.", name)
		}
		value, other := a.StringValue, a.BinaryValue
		if strings.HasPrefix(a.DataType, "Binary") {
			value, other = other, value
			if _, err := base64.StdEncoding.DecodeString(value); err != nil {
				return nil, host.BadRequest("SerializationException", "the value of the message attribute '%s' is not base64", name)
			}
		}
		if value == "" || other != "" {
			return nil, invalid("Message (user) attribute '%s' must contain a non-empty value of type '%s', and no other.", name, a.DataType)
		}
		if err := checkText(value, "attribute '"+name+"'"); err != nil {
			return nil, err
		}
		checked[name] = host.Attribute{Type: a.DataType, Value: value}
	}
	return checked, nil
}

// bytesOf is the value itself.
func bytesOf(a host.Attribute) []byte {
	if !strings.HasPrefix(a.Type, "Binary") {
		return []byte(a.Value)
	}
	data, _ := base64.StdEncoding.DecodeString(a.Value) // as was checked
	return data
}

// digestOf is the checksum of attributes: of name, type and value, each after
// its length, with a byte before the value that tells text and bytes apart.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html
func digestOf(attributes map[string]host.Attribute) string {
	if len(attributes) == 0 {
		return ""
	}
	var all []byte
	add := func(part []byte) {
		all = binary.BigEndian.AppendUint32(all, uint32(len(part))) //nolint:gosec // a message is smaller
		all = append(all, part...)
	}
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		a := attributes[name]
		add([]byte(name))
		add([]byte(a.Type))
		kind := byte(1)
		if strings.HasPrefix(a.Type, "Binary") {
			kind = 2
		}
		all = append(all, kind)
		add(bytesOf(a))
	}
	return digest(all)
}

func digest(data []byte) string {
	sum := md5.Sum(data) //nolint:gosec // see above
	return hex.EncodeToString(sum[:])
}
