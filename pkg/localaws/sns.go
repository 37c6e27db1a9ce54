package localaws

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"
)

// Message is what was published to a topic.
type Message struct {
	TopicARN, Subject, Body string
	Attributes              map[string]Attribute
}

// Attribute is a message attribute. The value of a Binary one is in base64.
type Attribute struct{ Type, Value string }

// Published returns every message that a topic has accepted, in order.
func (s *Server) Published() []Message { return s.sns.published.all() }

// AwaitMessages waits until n messages in all were published, and returns them.
func (s *Server) AwaitMessages(ctx context.Context, n int) ([]Message, error) {
	return s.sns.published.await(ctx, n)
}

type snsService struct {
	server     *Server
	operations map[string]func(form url.Values) (any, error)
	client     *http.Client
	published  record[Message]

	mu     sync.Mutex
	topics map[string]*topic
}

type topic struct {
	attributes    map[string]string
	subscriptions []*subscription
}

type subscription struct {
	arn, topicARN, protocol, endpoint string
	attributes                        map[string]string
	filter                            *Pattern // nil lets everything through
}

const (
	maxMessage = 262_144
	// deliveries is how often a message is sent to an endpoint that fails:
	// SNS's first and its three retries by default, only that theirs are 20
	// seconds apart.
	deliveries    = 4
	deliveryPause = 200 * time.Millisecond
)

func newSNS(s *Server) *snsService {
	n := &snsService{server: s, topics: map[string]*topic{}}
	n.operations = map[string]func(url.Values) (any, error){
		"CreateTopic":               n.createTopic,
		"ListTopics":                n.listTopics,
		"Subscribe":                 n.subscribe,
		"Unsubscribe":               n.unsubscribe,
		"ListSubscriptionsByTopic":  n.listSubscriptions,
		"SetSubscriptionAttributes": n.setSubscriptionAttribute,
		"Publish":                   n.publish,
	}
	n.client = &http.Client{
		Timeout: 15 * time.Second, // SNS's own
		// Neither a proxy nor a redirect leads away from this machine.
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return n
}

// serve speaks the query protocol: a form in, XML out.
func (n *snsService) serve(w http.ResponseWriter, r *http.Request, body []byte) {
	form, err := url.ParseQuery(string(body))
	if err != nil {
		writeXMLError(w, badRequest("MalformedQueryString", "%v", err))
		return
	}
	action := form.Get("Action")
	op := n.operations[action]
	if op == nil {
		writeXMLError(w, unknownOperation("the action "+action))
		return
	}
	n.server.count(action)
	if err := n.server.faults.take(r.Context(), action); err != nil {
		writeXMLError(w, err)
		return
	}
	result, err := op(form)
	if err != nil {
		writeXMLError(w, err)
		return
	}
	writeXML(w, http.StatusOK, struct {
		XMLName   xml.Name
		Result    any    // named by its own XMLName
		RequestID string `xml:"ResponseMetadata>RequestId"`
	}{xml.Name{Space: snsNamespace, Local: action + "Response"}, result, newUUID()})
}

const snsNamespace = "http://sns.amazonaws.com/doc/2010-03-31/"

func writeXML(w http.ResponseWriter, status int, answer any) {
	body, err := xml.Marshal(answer)
	if err != nil {
		panic(fmt.Errorf("encode %T: %w", answer, err)) // only our own types come here
	}
	w.Header().Set("Content-Type", "text/xml")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

func writeXMLError(w http.ResponseWriter, err error) {
	e := asAPIError(err)
	type detail struct{ Type, Code, Message string }
	d := detail{"Sender", e.code, e.message}
	if e.status >= http.StatusInternalServerError {
		d.Type = "Receiver"
	}
	writeXML(w, e.status, struct {
		XMLName   xml.Name
		Error     detail
		RequestID string `xml:"RequestId"`
	}{xml.Name{Space: snsNamespace, Local: "ErrorResponse"}, d, newUUID()})
}

func invalidParameter(format string, args ...any) *apiError {
	return badRequest("InvalidParameter", "Invalid parameter: "+format, args...)
}

// invalidValue has the code that is SNS's for InvalidParameterValueException.
func invalidValue(format string, args ...any) *apiError {
	return badRequest("ParameterValueInvalid", format, args...)
}

// entries reads a map of the query protocol: Attributes.entry.1.key and so on.
func entries(form url.Values, name string) map[string]string {
	m := map[string]string{}
	for i := 1; ; i++ {
		prefix := name + ".entry." + strconv.Itoa(i) + "."
		if !form.Has(prefix + "key") {
			return m
		}
		m[form.Get(prefix+"key")] = form.Get(prefix + "value")
	}
}

var topicName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,256}$`)

func (n *snsService) createTopic(form url.Values) (any, error) {
	name, attributes := form.Get("Name"), entries(form, "Attributes")
	if strings.HasSuffix(name, ".fifo") {
		return nil, invalidParameter("Topic Name Reason: the embedded AWS endpoint has no FIFO topics")
	}
	if !topicName.MatchString(name) {
		return nil, invalidParameter("Topic Name")
	}
	arn := n.server.arn("sns", name)
	n.mu.Lock()
	defer n.mu.Unlock()
	if t := n.topics[arn]; t == nil {
		n.topics[arn] = &topic{attributes: attributes}
	} else if len(attributes) > 0 && !maps.Equal(attributes, t.attributes) {
		return nil, invalidParameter("Attributes Reason: Topic already exists with different attributes")
	}
	return struct {
		XMLName  xml.Name `xml:"CreateTopicResult"`
		TopicARN string   `xml:"TopicArn"`
	}{TopicARN: arn}, nil
}

func (n *snsService) listTopics(url.Values) (any, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return struct {
		XMLName xml.Name `xml:"ListTopicsResult"`
		ARNs    []member `xml:"Topics>member"`
	}{ARNs: members(slices.Sorted(maps.Keys(n.topics)))}, nil
}

type member struct {
	TopicARN string `xml:"TopicArn"`
}

func members(arns []string) []member {
	var list []member
	for _, arn := range arns {
		list = append(list, member{arn})
	}
	return list
}

// find returns the topic of an ARN; n.mu must be held.
func (n *snsService) find(arn string) (*topic, error) {
	if parts := len(strings.Split(arn, ":")); parts < 6 {
		return nil, invalidParameter("TopicArn Reason: An ARN must have at least 6 elements, not %d", parts)
	}
	if t := n.topics[arn]; t != nil {
		return t, nil
	}
	return nil, &apiError{http.StatusNotFound, "NotFound", "Topic does not exist", nil}
}

func (n *snsService) subscribe(form url.Values) (any, error) {
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
	for name, value := range entries(form, "Attributes") {
		if err := s.set(name, value); err != nil {
			err.message = strings.Replace(err.message, "Invalid parameter: ", "Invalid parameter: Attributes Reason: ", 1)
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
	s.arn = s.topicARN + ":" + newUUID()
	t.subscriptions = append(t.subscriptions, s)
	result.SubscriptionARN = s.arn
	return result, nil
}

func (s *subscription) set(name, value string) *apiError {
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

// compileFilter reads a filter policy. One without conditions lets everything
// through, as does none.
func compileFilter(attributes map[string]string) (*Pattern, error) {
	policy := attributes["FilterPolicy"]
	if policy == "" || strings.Join(strings.Fields(policy), "") == "{}" {
		return nil, nil
	}
	pattern, err := CompilePattern([]byte(policy))
	if err != nil {
		return nil, err
	}
	var tree map[string]any
	if err := json.Unmarshal([]byte(policy), &tree); err != nil {
		return nil, err
	}
	if attributes["FilterPolicyScope"] != "MessageBody" {
		for _, value := range tree {
			if _, nested := value.(map[string]any); nested {
				return nil, errors.New("filter policy scope MessageAttributes does not support nested filter policy")
			}
		}
	}
	if countKeys(tree) > 5 {
		return nil, errors.New("filter policy can not have more than 5 keys")
	}
	return pattern, nil
}

// countKeys counts the keys that have values, those of nested objects included.
func countKeys(policy map[string]any) int {
	count := 0
	for _, value := range policy {
		if nested, ok := value.(map[string]any); ok {
			count += countKeys(nested)
		} else {
			count++
		}
	}
	return count
}

// subscription returns the topic and the subscription of an ARN; n.mu must be
// held.
func (n *snsService) subscription(arn string) (*topic, *subscription, error) {
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
	return nil, nil, &apiError{http.StatusNotFound, "NotFound", "Subscription does not exist", nil}
}

func (n *snsService) unsubscribe(form url.Values) (any, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	t, s, err := n.subscription(form.Get("SubscriptionArn"))
	if err != nil {
		return nil, err
	}
	t.subscriptions = slices.DeleteFunc(t.subscriptions, func(other *subscription) bool { return other == s })
	return nil, nil
}

func (n *snsService) setSubscriptionAttribute(form url.Values) (any, error) {
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

func (n *snsService) listSubscriptions(form url.Values) (any, error) {
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
		list = append(list, item{s.topicARN, s.protocol, s.arn, n.server.opts.Account, s.endpoint})
	}
	return struct {
		XMLName xml.Name `xml:"ListSubscriptionsByTopicResult"`
		Items   []item   `xml:"Subscriptions>member"`
	}{Items: list}, nil
}

func (n *snsService) publish(form url.Values) (any, error) {
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
	id := newUUID()
	var due []*delivery
	for _, s := range t.subscriptions {
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
	n.published.add(m)
	text := m.Body
	if m.Subject != "" {
		text = "Subject: " + m.Subject + "\n\n" + text
	}
	n.server.watch(Notification, m.TopicARN, text)
	for _, d := range due {
		n.server.background(func() { n.deliver(d) })
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

// messageAttributes reads and checks the attributes of a message. size is what
// they add to the message's.
func messageAttributes(form url.Values) (attributes map[string]Attribute, size int, err error) {
	for i := 1; ; i++ {
		prefix := "MessageAttributes.entry." + strconv.Itoa(i) + "."
		if !form.Has(prefix + "Name") {
			return attributes, size, nil
		}
		name, kind := form.Get(prefix+"Name"), form.Get(prefix+"Value.DataType")
		if err := checkAttributeName(name); err != nil {
			return nil, 0, err
		}
		if !form.Has(prefix + "Value.DataType") {
			return nil, 0, badRequest("ValidationError", "1 validation error detected: Value null at 'messageAttributes.%s.member.dataType' failed to satisfy constraint: Member must not be null", name)
		}
		text, binary := prefix+"Value.StringValue", prefix+"Value.BinaryValue"
		field, other, fieldName := text, binary, "String"
		switch basic, _, _ := strings.Cut(kind, "."); basic {
		case "String", "Number":
		case "Binary":
			field, other, fieldName = binary, text, "Binary"
		default:
			return nil, 0, invalidValue("The message attribute '%s' has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String.", name)
		}
		value := form.Get(field)
		if value == "" && form.Get(other) != "" {
			return nil, 0, invalidValue("The message attribute '%s' with type '%s' must use field '%s'.", name, kind, fieldName)
		}
		if value == "" {
			return nil, 0, invalidValue("The message attribute '%s' must contain non-empty message attribute value for message attribute type '%s'.", name, kind)
		}
		if _, ok := attributeNumber(Attribute{kind, value}); !ok && strings.HasPrefix(kind, "Number") {
			return nil, 0, invalidValue("Could not cast message attribute '%s' value to number.", name)
		}
		length := len(value)
		if fieldName == "Binary" {
			data, err := base64.StdEncoding.DecodeString(value)
			if err != nil {
				return nil, 0, invalidValue("The message attribute '%s' contains an invalid Base64 Encoded String as a binary value", name)
			}
			length = len(data)
		}
		if attributes == nil {
			attributes = map[string]Attribute{}
		}
		attributes[name] = Attribute{kind, value}
		size += len(name) + len(kind) + length
	}
}

func checkAttributeName(name string) error {
	switch {
	case name == "":
		return invalidValue("The request must contain non-empty message attribute name.")
	case len(name) > 256:
		return invalidValue("Length of message attribute name must be less than 256 bytes.")
	case strings.HasPrefix(name, "."):
		return invalidValue("Invalid message attribute name starting with character '.' was found.")
	case strings.HasSuffix(name, "."):
		return invalidValue("Invalid message attribute name ending with character '.' was found.")
	case strings.Contains(name, ".."):
		return invalidValue("Message attribute name can not have successive '.' character.")
	}
	if lower := strings.ToLower(name); strings.HasPrefix(lower, "aws.") || strings.HasPrefix(lower, "amazon.") {
		return invalidValue("You can't use message attribute names beginning with 'AWS.' or 'Amazon.'. These strings are reserved for internal use.")
	}
	for _, r := range name {
		if r >= utf8.RuneSelf || !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-_.", r) {
			return invalidValue("Invalid non-alphanumeric character '#x%X' was found in the message attribute name. Can only include alphanumeric characters, hyphens, underscores, or dots.", r)
		}
	}
	return nil
}

var decimal = regexp.MustCompile(`^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$`)

func attributeNumber(a Attribute) (float64, bool) {
	f, err := strconv.ParseFloat(a.Value, 64)
	return f, err == nil && strings.HasPrefix(a.Type, "Number") && decimal.MatchString(a.Value)
}

// wants holds the message against the subscription's filter policy.
func (s *subscription) wants(m Message, body string) bool {
	if s.filter == nil {
		return true
	}
	if s.attributes["FilterPolicyScope"] == "MessageBody" {
		return s.filter.Match([]byte(body))
	}
	event := map[string]any{}
	for name, a := range m.Attributes {
		var list []any
		if number, ok := attributeNumber(a); ok {
			event[name] = number
		} else if a.Type == "String.Array" && json.Unmarshal([]byte(a.Value), &list) == nil {
			event[name] = list
		} else if !strings.HasPrefix(a.Type, "Binary") { // which filter policies ignore
			event[name] = a.Value
		}
	}
	return s.filter.Match(encodeJSON(event))
}

// delivery is one message on its way to one endpoint.
type delivery struct {
	endpoint string
	header   http.Header
	body     []byte
}

func newDelivery(s *subscription, id string, m Message, text string) *delivery {
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
	d.body = encodeJSON(struct {
		Type      string
		MessageID string `json:"MessageId"`
		TopicARN  string `json:"TopicArn"`
		Subject   string `json:",omitempty"`
		Message   string
		Timestamp string
		Attrs     map[string]Attribute `json:"MessageAttributes,omitempty"`
	}{
		"Notification", id, s.topicARN, m.Subject, text,
		time.Now().UTC().Format("2006-01-02T15:04:05.000Z"), m.Attributes,
	})
	return d
}

// deliver tries a few times, and gives up without a word, as SNS does for a
// subscription without a dead-letter queue.
func (n *snsService) deliver(d *delivery) {
	for attempt := range deliveries {
		select {
		case <-time.After(time.Duration(attempt) * deliveryPause):
		case <-n.server.ctx.Done():
			return
		}
		r, err := http.NewRequestWithContext(n.server.ctx, http.MethodPost, d.endpoint, bytes.NewReader(d.body))
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
