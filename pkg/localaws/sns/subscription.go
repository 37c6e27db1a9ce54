package sns

import (
	"encoding/xml"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"errand/pkg/eventpattern"
	"errand/pkg/localaws/host"
)

type subscription struct {
	arn, topicARN, protocol, endpoint string
	attributes                        map[string]string
	filter                            *eventpattern.Pattern // nil lets everything through
}

func (n *Service) subscribe(form url.Values) (any, error) {
	s := &subscription{
		topicARN: form.Get("TopicArn"), protocol: form.Get("Protocol"), endpoint: form.Get("Endpoint"),
		attributes: map[string]string{},
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	t, err := n.find(s.topicARN)
	if err != nil {
		return nil, err
	}
	if s.protocol != "http" && s.protocol != "https" {
		return nil, invalidParameter("Protocol Reason: the embedded AWS endpoint delivers by http and https only, not by %q", s.protocol)
	}
	endpoint, err := url.Parse(s.endpoint)
	if err != nil || endpoint.Scheme != s.protocol {
		return nil, invalidParameter("Endpoint must match the specified protocol")
	}
	if ip := net.ParseIP(endpoint.Hostname()); endpoint.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, invalidParameter("Endpoint Reason: the embedded AWS endpoint delivers to loopback addresses only, not to %q", endpoint.Host)
	}
	for name, value := range host.Entries(form, "Attributes") {
		if err := s.set(name, value); err != nil {
			err.Message = strings.Replace(err.Message, "Invalid parameter: ", "Invalid parameter: Attributes Reason: ", 1)
			return nil, err
		}
	}
	// FilterPolicyScope may have come after FilterPolicy.
	if s.filter, err = compileFilter(s.attributes); err != nil {
		return nil, invalidParameter("Attributes Reason: FilterPolicy: %v", err)
	}
	result := struct {
		XMLName         xml.Name `xml:"SubscribeResult"`
		SubscriptionARN string   `xml:"SubscriptionArn"`
	}{}
	for _, other := range t.subscriptions {
		if other.protocol == s.protocol && other.endpoint == s.endpoint {
			if !maps.Equal(other.attributes, s.attributes) {
				return nil, invalidParameter("Attributes Reason: Subscription already exists with different attributes")
			}
			result.SubscriptionARN = other.arn
			return result, nil
		}
	}
	s.arn = s.topicARN + ":" + host.NewUUID()
	t.subscriptions = append(t.subscriptions, s)
	result.SubscriptionARN = s.arn
	return result, nil
}

func (s *subscription) set(name, value string) *host.Error {
	switch name {
	case "RawMessageDelivery":
		if value != "true" && value != "false" {
			return invalidParameter("RawMessageDelivery: Invalid value [%s]. Must be true or false.", value)
		}
	case "FilterPolicyScope":
		if value != "MessageAttributes" && value != "MessageBody" {
			return invalidParameter("FilterPolicyScope: Invalid value [%s]. Please use either MessageBody or MessageAttributes", value)
		}
	case "FilterPolicy":
	default:
		return invalidParameter("the embedded AWS endpoint has no subscription attribute %s", name)
	}
	s.attributes[name] = value
	return nil
}

// subscription returns the topic and the subscription of an ARN; n.mu must be
// held.
func (n *Service) subscription(arn string) (*topic, *subscription, error) {
	if parts := len(strings.Split(arn, ":")); parts < 6 {
		return nil, nil, invalidParameter("SubscriptionArn Reason: An ARN must have at least 6 elements, not %d", parts)
	}
	for _, t := range n.topics {
		for _, s := range t.subscriptions {
			if s.arn == arn {
				return t, s, nil
			}
		}
	}
	return nil, nil, host.Errorf(http.StatusNotFound, "NotFound", "Subscription does not exist")
}

func (n *Service) unsubscribe(form url.Values) (any, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	t, s, err := n.subscription(form.Get("SubscriptionArn"))
	if err != nil {
		return nil, err
	}
	t.subscriptions = slices.DeleteFunc(t.subscriptions, func(other *subscription) bool { return other == s })
	return nil, nil
}

func (n *Service) setSubscriptionAttribute(form url.Values) (any, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	_, s, err := n.subscription(form.Get("SubscriptionArn"))
	if err != nil {
		return nil, err
	}
	changed := &subscription{attributes: maps.Clone(s.attributes)}
	if err := changed.set(form.Get("AttributeName"), form.Get("AttributeValue")); err != nil {
		return nil, err
	}
	filter, err := compileFilter(changed.attributes)
	if err != nil {
		return nil, invalidParameter("FilterPolicy: %v", err)
	}
	s.attributes, s.filter = changed.attributes, filter
	return nil, nil
}

func (n *Service) listSubscriptions(form url.Values) (any, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	t, err := n.find(form.Get("TopicArn"))
	if err != nil {
		return nil, err
	}
	type item struct {
		TopicARN        string `xml:"TopicArn"`
		Protocol        string
		SubscriptionARN string `xml:"SubscriptionArn"`
		Owner, Endpoint string
	}
	var list []item
	for _, s := range t.subscriptions {
		list = append(list, item{s.topicARN, s.protocol, s.arn, n.host.Account, s.endpoint})
	}
	return struct {
		XMLName xml.Name `xml:"ListSubscriptionsByTopicResult"`
		Items   []item   `xml:"Subscriptions>member"`
	}{Items: list}, nil
}
