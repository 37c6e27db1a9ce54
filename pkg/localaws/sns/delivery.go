package sns

import (
	"bytes"
	"net/http"
	"time"

	"errand/pkg/localaws/host"
)

// delivery is one message on its way to one endpoint.
type delivery struct {
	endpoint string
	header   http.Header
	body     []byte
}

func (n *Service) newDelivery(s *subscription, id string, m Message, text string) *delivery {
	d := &delivery{endpoint: s.endpoint, header: http.Header{}, body: []byte(text)}
	d.header.Set("Content-Type", "text/plain; charset=UTF-8")
	d.header.Set("User-Agent", "Amazon Simple Notification Service Agent")
	d.header.Set("X-Amz-Sns-Message-Type", "Notification")
	d.header.Set("X-Amz-Sns-Message-Id", id)
	d.header.Set("X-Amz-Sns-Topic-Arn", s.topicARN)
	d.header.Set("X-Amz-Sns-Subscription-Arn", s.arn)
	if s.attributes["RawMessageDelivery"] == "true" {
		d.header.Set("X-Amz-Sns-Rawdelivery", "true")
		return d
	}
	d.body = host.EncodeJSON(struct {
		Type      string
		MessageID string `json:"MessageId"`
		TopicARN  string `json:"TopicArn"`
		Subject   string `json:",omitempty"`
		Message   string
		Timestamp string
		Attrs     map[string]Attribute `json:"MessageAttributes,omitempty"`
	}{
		"Notification", id, s.topicARN, m.Subject, text,
		n.host.Stamp(), m.Attributes,
	})
	return d
}

// deliver tries a few times, and gives up without a word, as SNS does for a
// subscription without a dead-letter queue.
func (n *Service) deliver(d *delivery) {
	for attempt := range deliveries {
		if !n.host.Sleep(n.host.Context(), time.Duration(attempt)*deliveryPause) {
			return
		}
		r, err := http.NewRequestWithContext(n.host.Context(), http.MethodPost, d.endpoint, bytes.NewReader(d.body))
		if err != nil {
			return
		}
		r.Header = d.header.Clone()
		answer, err := n.client.Do(r)
		if err != nil {
			continue
		}
		_ = answer.Body.Close()
		// An answer that blames the request will not change.
		if answer.StatusCode < http.StatusInternalServerError && answer.StatusCode != http.StatusTooManyRequests {
			return
		}
	}
}
