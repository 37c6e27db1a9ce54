package sns

import (
	"encoding/xml"
	"maps"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"errand/pkg/eventpattern"
	"errand/pkg/localaws/host"
)

type subscription struct {
	arn, topicARN, protocol, endpoint string
	pending                           bool // not confirmed yet
	attributes                        map[string]string
	filter                            *eventpattern.Pattern // nil lets everything through
}

func (s *subscription) mail() bool { return s.protocol == "email" || s.protocol == "email-json" }

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
	if err := s.checkEndpoint(); err != nil {
		return nil, err
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
	for _, other := range t.subscriptions {
		if other.protocol == s.protocol && other.endpoint == s.endpoint {
			if !maps.Equal(other.attributes, s.attributes) {
				return nil, invalidParameter("Attributes Reason: Subscription already exists with different attributes")
			}
			return subscribed(other, form), nil
		}
	}
	s.arn = s.topicARN + ":" + host.NewUUID()
	t.subscriptions = append(t.subscriptions, s)
	return subscribed(s, form), nil
}

// checkEndpoint lets the subscriptions of e-mail addresses wait for their
// owners. Those over HTTP are of this machine, and need no confirmation here.
func (s *subscription) checkEndpoint() error {
	if s.mail() {
		if !address.MatchString(s.endpoint) {
			return invalidParameter("Email address")
		}
		s.pending = true
		return nil
	}
	if s.protocol != "http" && s.protocol != "https" {
		return invalidParameter("Protocol Reason: the embedded AWS endpoint delivers by http and https only, and knows email, not %q", s.protocol)
	}
	endpoint, err := url.Parse(s.endpoint)
	if err != nil || endpoint.Scheme != s.protocol {
		return invalidParameter("Endpoint must match the specified protocol")
	}
	if ip := net.ParseIP(endpoint.Hostname()); endpoint.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return invalidParameter("Endpoint Reason: the embedded AWS endpoint delivers to loopback addresses only, not to %q", endpoint.Host)
	}
	return nil
}

var address = regexp.MustCompile(`^[^@\s]+@[^@\s]+$`)

// subscribed is the answer to Subscribe.
func subscribed(s *subscription, form url.Values) any {
	arn := s.arn
	if s.pending && form.Get("ReturnSubscriptionArn") != "true" {
		arn = "pending confirmation"
	}
	return struct {
		XMLName         xml.Name `xml:"SubscribeResult"`
		SubscriptionARN string   `xml:"SubscriptionArn"`
	}{SubscriptionARN: arn}
}

// Confirm confirms the subscription of an e-mail address, as its owner does with
// the link in SNS's mail.
func (n *Service) Confirm(topicARN, endpoint string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	t, err := n.find(topicARN)
	if err != nil {
		return err
	}
	for _, s := range t.subscriptions {
		if s.endpoint == endpoint && s.pending {
			s.pending = false
			return nil
		}
	}
	return host.Errorf(http.StatusNotFound, "NotFound", "No subscription of %s to %s is pending", endpoint, topicARN)
}

func (s *subscription) set(name, value string) *host.Error {
	switch name {
	case "RawMessageDelivery":
		if value != "true" && value != "false" {
			return invalidParameter("RawMessageDelivery: Invalid value [%s]. Must be true or false.", value)
		}
		if value == "true" && s.mail() {
			return invalidParameter("Delivery protocol [%s] does not support raw message delivery.", s.protocol)
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
	if s.pending {
		return nil, invalidParameter("SubscriptionArn Reason: a subscription that is pending confirmation cannot be deleted")
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
	changed := &subscription{protocol: s.protocol, attributes: maps.Clone(s.attributes)}
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

// pageOfSubscriptions is SNS's.
const pageOfSubscriptions = 100

func (n *Service) listSubscriptions(form url.Values) (any, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	t, err := n.find(form.Get("TopicArn"))
	if err != nil {
		return nil, err
	}
	first := 0
	if token := form.Get("NextToken"); token != "" {
		if first, err = strconv.Atoi(token); err != nil || first < 0 {
			return nil, invalidParameter("NextToken Reason: this is not a token of ListSubscriptionsByTopic")
		}
	}
	first = min(first, len(t.subscriptions)) // some may have gone since
	last := min(first+pageOfSubscriptions, len(t.subscriptions))
	type item struct {
		TopicARN        string `xml:"TopicArn"`
		Protocol        string
		SubscriptionARN string `xml:"SubscriptionArn"`
		Owner, Endpoint string
	}
	result := struct {
		XMLName   xml.Name `xml:"ListSubscriptionsByTopicResult"`
		Items     []item   `xml:"Subscriptions>member"`
		NextToken string   `xml:",omitempty"`
	}{}
	if last < len(t.subscriptions) {
		result.NextToken = strconv.Itoa(last)
	}
	for _, s := range t.subscriptions[first:last] {
		arn := s.arn
		if s.pending {
			arn = "PendingConfirmation"
		}
		result.Items = append(result.Items, item{s.topicARN, s.protocol, arn, n.host.Account, s.endpoint})
	}
	return result, nil
}

func (n *Service) getSubscriptionAttributes(form url.Values) (any, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	_, s, err := n.subscription(form.Get("SubscriptionArn"))
	if err != nil {
		return nil, err
	}
	all := map[string]string{
		"SubscriptionArn": s.arn, "TopicArn": s.topicARN, "Owner": n.host.Account, "Protocol": s.protocol, "Endpoint": s.endpoint,
		"PendingConfirmation": strconv.FormatBool(s.pending), "ConfirmationWasAuthenticated": "false", "RawMessageDelivery": "false",
	}
	maps.Copy(all, s.attributes)
	type entry struct {
		Key   string `xml:"key"`
		Value string `xml:"value"`
	}
	result := struct {
		XMLName xml.Name `xml:"GetSubscriptionAttributesResult"`
		Entries []entry  `xml:"Attributes>entry"`
	}{}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		result.Entries = append(result.Entries, entry{name, all[name]})
	}
	return result, nil
}
