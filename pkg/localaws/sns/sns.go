// Package sns is SNS: topics, and the delivery of what is published to them to
// subscribers over HTTP on loopback.
package sns

import (
	"context"
	"net/http"
	"net/url"
	"sync"
	"time"

	"errand/pkg/localaws/host"
)

// Service is SNS.
type Service struct {
	host      *host.Host
	client    *http.Client
	published host.Record[Message]

	mu     sync.Mutex
	topics map[string]*topic
}

// New makes the service, without topics.
func New(h *host.Host) *Service {
	return &Service{host: h, topics: map[string]*topic{}, client: &http.Client{
		Timeout: 15 * time.Second, // SNS's own
		// Neither a proxy nor a redirect leads away from this machine.
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Query is what the service serves.
func (n *Service) Query() host.Query {
	return host.Query{Version: "2010-03-31", Namespace: "http://sns.amazonaws.com/doc/2010-03-31/", Actions: map[string]func(url.Values) (any, error){
		"CreateTopic":               n.createTopic,
		"ListTopics":                n.listTopics,
		"Subscribe":                 n.subscribe,
		"Unsubscribe":               n.unsubscribe,
		"ListSubscriptionsByTopic":  n.listSubscriptions,
		"GetSubscriptionAttributes": n.getSubscriptionAttributes,
		"SetSubscriptionAttributes": n.setSubscriptionAttribute,
		"Publish":                   n.publish,
	}}
}

// Published returns every message that a topic has accepted, in order.
func (n *Service) Published() []Message { return n.published.All() }

// AwaitMessages waits until n messages in all were published, and returns them.
func (n *Service) AwaitMessages(ctx context.Context, count int) ([]Message, error) {
	return n.published.Await(ctx, count)
}

// Message is what was published to a topic.
type Message struct {
	TopicARN, Subject, Body string
	Attributes              map[string]Attribute
}

// Attribute is a message attribute.
type Attribute = host.Attribute

const (
	maxMessage = 262_144
	// deliveries is how often a message is sent to an endpoint that fails:
	// SNS's first and its three retries by default, only that theirs are 20
	// seconds apart.
	deliveries    = 4
	deliveryPause = 200 * time.Millisecond
)

func invalidParameter(format string, args ...any) *host.Error {
	return host.BadRequest("InvalidParameter", "Invalid parameter: "+format, args...)
}

// invalidValue has the code that is SNS's for InvalidParameterValueException.
func invalidValue(format string, args ...any) *host.Error {
	return host.BadRequest("ParameterValueInvalid", format, args...)
}
