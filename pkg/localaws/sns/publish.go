package sns

import (
	"encoding/json"
	"encoding/xml"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"errand/pkg/localaws/host"
)

func (n *Service) publish(form url.Values) (any, error) {
	if form.Has("PhoneNumber") {
		return nil, invalidParameter("PhoneNumber Reason: the embedded AWS endpoint publishes to topics only")
	}
	m := Message{TopicARN: form.Get("TopicArn"), Subject: form.Get("Subject"), Body: form.Get("Message")}
	if m.TopicARN == "" {
		m.TopicARN = form.Get("TargetArn")
	}
	if m.TopicARN == "" {
		return nil, invalidParameter("TopicArn or TargetArn Reason: no value for required parameter")
	}
	if m.Body == "" {
		return nil, invalidParameter("Empty message")
	}
	if form.Has("Subject") && !validSubject(m.Subject) {
		return nil, invalidParameter("Subject")
	}
	var size int
	var err error
	if m.Attributes, size, err = messageAttributes(form); err != nil {
		return nil, err
	}
	if len(m.Body)+size > maxMessage {
		return nil, invalidParameter("Message too long")
	}
	byProtocol := map[string]string{}
	switch structure := form.Get("MessageStructure"); structure {
	case "":
	case "json":
		if byProtocol, err = parseStructure(m.Body); err != nil {
			return nil, err
		}
		m.Attributes = nil // SNS sends them with plain messages only
	default:
		return nil, invalidParameter("MessageStructure")
	}
	n.mu.Lock()
	t, err := n.find(m.TopicARN)
	if err != nil {
		n.mu.Unlock()
		return nil, err
	}
	id := host.NewUUID()
	var due []*delivery
	for _, s := range t.subscriptions {
		if s.mail() {
			continue // there is no mail on this machine
		}
		body, ok := byProtocol[s.protocol]
		if !ok {
			if body, ok = byProtocol["default"]; !ok {
				body = m.Body
			}
		}
		if s.wants(m, body) {
			due = append(due, newDelivery(s, id, m, body))
		}
	}
	n.mu.Unlock()
	n.published.Add(m)
	text := m.Body
	if m.Subject != "" {
		text = "Subject: " + m.Subject + "\n\n" + text
	}
	n.host.Watch(host.Notification, m.TopicARN, text)
	for _, d := range due {
		n.host.Background(func() { n.deliver(d) })
	}
	return struct {
		XMLName   xml.Name `xml:"PublishResult"`
		MessageID string   `xml:"MessageId"`
	}{MessageID: id}, nil
}

// validSubject follows the API reference: fewer than 100 characters, no line
// breaks, no control characters.
func validSubject(subject string) bool {
	return subject != "" && utf8.ValidString(subject) && utf8.RuneCountInString(subject) < 100 &&
		!strings.ContainsFunc(subject, func(r rune) bool { return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' })
}

// parseStructure reads a message that has a text for each protocol. Texts that
// are not strings are ignored, but the default one is required.
func parseStructure(body string) (map[string]string, error) {
	var object map[string]json.RawMessage
	if err := json.Unmarshal([]byte(body), &object); err != nil || object == nil {
		return nil, invalidParameter("Message Structure - JSON message body failed to parse")
	}
	texts := map[string]string{}
	for protocol, value := range object {
		var text *string
		if json.Unmarshal(value, &text) == nil && text != nil {
			texts[protocol] = *text
		}
	}
	if _, ok := texts["default"]; !ok {
		return nil, invalidParameter("Message Structure - No default entry in JSON message body")
	}
	return texts, nil
}
