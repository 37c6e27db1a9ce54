package sqs

import (
	"context"
	"encoding/base64"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"errand/pkg/localaws/host"
)

type receiveInput struct {
	QueueURL                                    string `json:"QueueUrl"`
	MaxNumberOfMessages                         *int
	VisibilityTimeout, WaitTimeSeconds          *int
	AttributeNames, MessageSystemAttributeNames []string // two names of one thing
	MessageAttributeNames                       []string
}

type receivedMessage struct {
	MessageID              string `json:"MessageId"`
	ReceiptHandle          string
	MD5OfBody              string
	Body                   string
	Attributes             map[string]string    `json:",omitempty"`
	MD5OfMessageAttributes string               `json:",omitempty"`
	MessageAttributes      map[string]attribute `json:",omitempty"`
}

type receiveOutput struct {
	Messages []receivedMessage `json:",omitempty"`
}

// receive waits, if it is to, until there is a message: one that is sent
// meanwhile, or one that becomes visible again.
func (s *Service) receive(ctx context.Context, in *receiveInput) (*receiveOutput, error) {
	in.MessageSystemAttributeNames = append(in.MessageSystemAttributeNames, in.AttributeNames...)
	if err := known(in.MessageSystemAttributeNames, types.MessageSystemAttributeName("").Values()); err != nil {
		return nil, err
	}
	start := s.host.Now()
	for {
		out, wait, changed, err := s.look(in, start)
		if err != nil || len(out.Messages) > 0 || wait <= 0 {
			return out, err
		}
		select {
		case <-changed:
		case <-s.host.After(wait):
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-s.host.Context().Done():
			return out, nil
		}
	}
}

// look takes what is visible now. Without a message it says how long to wait
// before it is worth looking again, and what is closed if it is so before.
func (s *Service) look(in *receiveInput, start time.Time) (out *receiveOutput, wait time.Duration, changed <-chan struct{}, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.at(in.QueueURL)
	if err != nil {
		return nil, 0, nil, err
	}
	most, err := number("MaxNumberOfMessages", in.MaxNumberOfMessages, 1, 10, 1)
	if err != nil {
		return nil, 0, nil, err
	}
	hide, err := number("VisibilityTimeout", in.VisibilityTimeout, 0, maxHide, q.settings["VisibilityTimeout"])
	if err != nil {
		return nil, 0, nil, err
	}
	seconds, err := number("WaitTimeSeconds", in.WaitTimeSeconds, 0, 20, q.settings["ReceiveMessageWaitTimeSeconds"])
	if err != nil {
		return nil, 0, nil, err
	}
	now, next := s.host.Now(), start.Add(time.Duration(seconds)*time.Second)
	out = &receiveOutput{}
	for _, m := range q.messages {
		switch {
		case m.visible.After(now):
			if m.visible.Before(next) {
				next = m.visible
			}
		case len(out.Messages) < most:
			out.Messages = append(out.Messages, s.take(q, m, in, now.Add(time.Duration(hide)*time.Second)))
		}
	}
	return out, next.Sub(now), q.changed, nil
}

// take gives a message to a receiver and hides it from others; s.mu must be
// held.
func (s *Service) take(q *queue, m *message, in *receiveInput, until time.Time) receivedMessage {
	if m.received++; m.received == 1 {
		m.firstReceived = s.host.Now()
	}
	m.visible = until
	milliseconds := func(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }
	system := map[string]string{
		"ApproximateFirstReceiveTimestamp": milliseconds(m.firstReceived),
		"ApproximateReceiveCount":          strconv.Itoa(m.received),
		"SenderId":                         s.host.Account,
		"SentTimestamp":                    milliseconds(m.sent),
	}
	if asked := in.MessageSystemAttributeNames; !slices.Contains(asked, "All") {
		maps.DeleteFunc(system, func(name, _ string) bool { return !slices.Contains(asked, name) })
	}
	wanted := map[string]host.Attribute{}
	shown := map[string]attribute{}
	for name, a := range m.attributes {
		if !wants(in.MessageAttributeNames, name) {
			continue
		}
		wanted[name] = a
		if strings.HasPrefix(a.Type, "Binary") {
			shown[name] = attribute{DataType: a.Type, BinaryValue: a.Value}
		} else {
			shown[name] = attribute{DataType: a.Type, StringValue: a.Value}
		}
	}
	return receivedMessage{
		MessageID: m.id, ReceiptHandle: m.receipt(q), Body: m.body, MD5OfBody: digest([]byte(m.body)), Attributes: system,
		MessageAttributes: shown, MD5OfMessageAttributes: digestOf(wanted),
	}
}

// wants takes names, All or .* for all, and bar.* for those that begin with bar.
func wants(asked []string, name string) bool {
	return slices.ContainsFunc(asked, func(a string) bool {
		prefix, all := strings.CutSuffix(a, ".*")
		return a == "All" || a == name || all && strings.HasPrefix(name, prefix)
	})
}

// receipt is a handle of the message, another one each time that it is received.
func (m *message) receipt(q *queue) string {
	return base64.StdEncoding.EncodeToString([]byte(q.name + " " + m.id + " " + strconv.Itoa(m.received)))
}

// of finds the message of a handle, which is nil if it was deleted or received
// again since.
func (q *queue) of(handle string) (*message, error) {
	if handle == "" {
		return nil, missing("ReceiptHandle")
	}
	text, _ := base64.StdEncoding.DecodeString(handle)
	parts := strings.Split(string(text), " ")
	if len(parts) != 3 || parts[0] != q.name {
		return nil, host.BadRequest("ReceiptHandleIsInvalid", "The input receipt handle %q is not a valid receipt handle.", handle)
	}
	for _, m := range q.messages {
		if m.receipt(q) == handle {
			return m, nil
		}
	}
	return nil, nil
}

type receiptInput struct {
	QueueURL          string `json:"QueueUrl"`
	ReceiptHandle     string
	VisibilityTimeout *int
}

// deleteMessage does nothing, and succeeds, for a handle that is not the last
// one of its message.
func (s *Service) deleteMessage(_ context.Context, in *receiptInput) (*nothing, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.at(in.QueueURL)
	if err != nil {
		return nil, err
	}
	m, err := q.of(in.ReceiptHandle)
	if err != nil {
		return nil, err
	}
	q.messages = slices.DeleteFunc(q.messages, func(other *message) bool { return other == m })
	return &nothing{}, nil
}

func (s *Service) changeVisibility(_ context.Context, in *receiptInput) (*nothing, error) {
	if in.VisibilityTimeout == nil {
		return nil, missing("VisibilityTimeout")
	}
	hide, err := number("VisibilityTimeout", in.VisibilityTimeout, 0, maxHide, 0)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.at(in.QueueURL)
	if err != nil {
		return nil, err
	}
	m, err := q.of(in.ReceiptHandle)
	if err != nil {
		return nil, err
	}
	now := s.host.Now()
	if m == nil || !m.visible.After(now) {
		return nil, invalid("Value %s for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available for visibility timeout change.", in.ReceiptHandle)
	}
	m.visible = now.Add(time.Duration(hide) * time.Second)
	q.wake()
	return &nothing{}, nil
}

// maxHide is 12 hours.
const maxHide = 43_200
