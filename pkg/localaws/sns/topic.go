package sns

import (
	"encoding/xml"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"errand/pkg/localaws/host"
)

type topic struct {
	attributes    map[string]string
	subscriptions []*subscription
}

var topicName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,256}$`)

func (n *Service) createTopic(form url.Values) (any, error) {
	name, attributes := form.Get("Name"), host.Entries(form, "Attributes")
	if strings.HasSuffix(name, ".fifo") {
		return nil, invalidParameter("Topic Name Reason: the embedded AWS endpoint has no FIFO topics")
	}
	if !topicName.MatchString(name) {
		return nil, invalidParameter("Topic Name")
	}
	arn := n.host.ARN("sns", name)
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

func (n *Service) listTopics(url.Values) (any, error) {
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
func (n *Service) find(arn string) (*topic, error) {
	if parts := len(strings.Split(arn, ":")); parts < 6 {
		return nil, invalidParameter("TopicArn Reason: An ARN must have at least 6 elements, not %d", parts)
	}
	if t := n.topics[arn]; t != nil {
		return t, nil
	}
	return nil, host.Errorf(http.StatusNotFound, "NotFound", "Topic does not exist")
}
