package sqs

import (
	"context"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"errand/pkg/localaws/host"
)

type queue struct {
	name     string
	created  time.Time
	settings map[string]int
	messages []*message // in the order in which they were sent
	purged   time.Time
	changed  chan struct{} // closed and made anew when a message may have become visible
}

// setting is an attribute that a queue can be created with.
type setting struct{ least, most, otherwise int }

var settings = map[string]setting{
	"DelaySeconds":                  {0, 900, 0},
	"MaximumMessageSize":            {1024, 1 << 20, 1 << 20},
	"MessageRetentionPeriod":        {60, 1_209_600, 345_600},
	"ReceiveMessageWaitTimeSeconds": {0, 20, 0},
	"VisibilityTimeout":             {0, maxHide, 30},
}

var queueName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`)

type createInput struct {
	QueueName  string
	Attributes map[string]string
}

type urlOutput struct {
	QueueURL string `json:"QueueUrl"`
}

func (s *Service) createQueue(_ context.Context, in *createInput) (*urlOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.make(in.QueueName, in.Attributes)
	if err != nil {
		return nil, err
	}
	return &urlOutput{s.url(q)}, nil
}

// make makes a queue, or returns the one that there is; s.mu must be held.
func (s *Service) make(name string, attributes map[string]string) (*queue, error) {
	if strings.HasSuffix(name, ".fifo") {
		return nil, unserved("FIFO queues")
	}
	if !queueName.MatchString(name) {
		return nil, invalid("Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length")
	}
	q := &queue{name: name, created: s.host.Now(), settings: map[string]int{}, changed: make(chan struct{})}
	for attribute, kind := range settings {
		q.settings[attribute] = kind.otherwise
	}
	old := s.queues[name]
	for _, attribute := range slices.Sorted(maps.Keys(attributes)) {
		kind, served := settings[attribute]
		if !served {
			return nil, host.BadRequest("InvalidAttributeName", "the embedded AWS endpoint has no queue attribute %s", attribute)
		}
		n, err := strconv.Atoi(attributes[attribute])
		if err != nil || n < kind.least || n > kind.most {
			return nil, host.BadRequest("InvalidAttributeValue", "Invalid value for the parameter %s.", attribute)
		}
		q.settings[attribute] = n
		if old != nil && old.settings[attribute] != n {
			return nil, coded(host.BadRequest("QueueNameExists", "A queue already exists with the same name and a different value for attribute %s", attribute), "QueueAlreadyExists")
		}
	}
	if old != nil {
		return old, nil
	}
	s.queues[name] = q
	return q, nil
}

type getURLInput struct{ QueueName, QueueOwnerAWSAccountID string }

func (s *Service) getURL(_ context.Context, in *getURLInput) (*urlOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.queues[in.QueueName]
	if q == nil || in.QueueOwnerAWSAccountID != "" && in.QueueOwnerAWSAccountID != s.host.Account {
		return nil, errNoQueue()
	}
	return &urlOutput{s.url(q)}, nil
}

type listInput struct {
	QueueNamePrefix, NextToken string
	MaxResults                 *int
}

type listOutput struct {
	QueueURLs []string `json:"QueueUrls,omitempty"`
	NextToken string   `json:",omitempty"`
}

// listQueues has the name of the last queue of a page as the token of the next.
// Only who asks for pages gets a token, as at SQS.
func (s *Service) listQueues(_ context.Context, in *listInput) (*listOutput, error) {
	most, err := number("MaxResults", in.MaxResults, 1, 1000, 1000)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	out := &listOutput{}
	last := ""
	for _, name := range slices.Sorted(maps.Keys(s.queues)) {
		if !strings.HasPrefix(name, in.QueueNamePrefix) || name <= in.NextToken {
			continue
		}
		if len(out.QueueURLs) == most {
			if in.MaxResults != nil {
				out.NextToken = last
			}
			break
		}
		out.QueueURLs = append(out.QueueURLs, s.url(s.queues[name]))
		last = name
	}
	return out, nil
}

type getAttributesInput struct {
	QueueURL       string `json:"QueueUrl"`
	AttributeNames []string
}

type getAttributesOutput struct {
	Attributes map[string]string `json:",omitempty"`
}

func (s *Service) getAttributes(_ context.Context, in *getAttributesInput) (*getAttributesOutput, error) {
	if err := known(in.AttributeNames, types.QueueAttributeName("").Values()); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.at(in.QueueURL)
	if err != nil {
		return nil, err
	}
	visible, delayed, inFlight, now := 0, 0, 0, s.host.Now()
	for _, m := range q.messages {
		switch {
		case !m.visible.After(now):
			visible++
		case m.received == 0:
			delayed++
		default:
			inFlight++
		}
	}
	created := strconv.FormatInt(q.created.Unix(), 10)
	all := map[string]string{
		"ApproximateNumberOfMessages":           strconv.Itoa(visible),
		"ApproximateNumberOfMessagesDelayed":    strconv.Itoa(delayed),
		"ApproximateNumberOfMessagesNotVisible": strconv.Itoa(inFlight),
		"CreatedTimestamp":                      created,
		"LastModifiedTimestamp":                 created,
		"QueueArn":                              s.arn(q),
	}
	for name, n := range q.settings {
		all[name] = strconv.Itoa(n)
	}
	if !slices.Contains(in.AttributeNames, "All") {
		maps.DeleteFunc(all, func(name, _ string) bool { return !slices.Contains(in.AttributeNames, name) })
	}
	return &getAttributesOutput{all}, nil
}

type queueInput struct {
	QueueURL string `json:"QueueUrl"`
}

func (s *Service) purge(_ context.Context, in *queueInput) (*nothing, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.at(in.QueueURL)
	if err != nil {
		return nil, err
	}
	now := s.host.Now()
	if now.Before(q.purged.Add(time.Minute)) {
		return nil, coded(host.Errorf(http.StatusForbidden, "PurgeQueueInProgress", "Only one PurgeQueue operation on %s is allowed every 60 seconds.", q.name), "AWS.SimpleQueueService.PurgeQueueInProgress")
	}
	q.purged, q.messages = now, nil
	return &nothing{}, nil
}

// wake lets the receivers that wait look again.
func (q *queue) wake() {
	close(q.changed)
	q.changed = make(chan struct{})
}

// expire drops the messages that the queue keeps no longer.
func (q *queue) expire(now time.Time) {
	keep := time.Duration(q.settings["MessageRetentionPeriod"]) * time.Second
	q.messages = slices.DeleteFunc(q.messages, func(m *message) bool { return !now.Before(m.sent.Add(keep)) })
}
