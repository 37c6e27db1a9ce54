// Package sqs is SQS: standard queues, which keep messages until they are
// deleted and hide them from others while one receiver has them.
package sqs

import (
	"net/url"
	"slices"
	"sync"

	"errand/pkg/localaws/host"
)

// Service is SQS.
type Service struct {
	host *host.Host

	mu     sync.Mutex
	queues map[string]*queue // by name
}

// New makes the service, without queues.
func New(h *host.Host) *Service { return &Service{host: h, queues: map[string]*queue{}} }

// Operations are what the service serves.
func (s *Service) Operations() host.Operations {
	return host.Targets("AmazonSQS", host.Operations{
		"ChangeMessageVisibility": host.ServeDocument(s.changeVisibility),
		"CreateQueue":             host.ServeDocument(s.createQueue),
		"DeleteMessage":           host.ServeDocument(s.deleteMessage),
		"GetQueueAttributes":      host.ServeDocument(s.getAttributes),
		"GetQueueUrl":             host.ServeDocument(s.getURL),
		"ListQueues":              host.ServeDocument(s.listQueues),
		"PurgeQueue":              host.ServeDocument(s.purge),
		"ReceiveMessage":          host.ServeDocument(s.receive),
		"SendMessage":             host.ServeDocument(s.send),
	})
}

// Add makes a queue with SQS's own settings, unless there is one of that name,
// and returns its URL and ARN.
func (s *Service) Add(name string) (queueURL, arn string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.make(name, nil)
	if err != nil {
		return "", "", err
	}
	return s.url(q), s.arn(q), nil
}

// Send sends a message to the queue of an ARN, as other services do.
func (s *Service) Send(arn, body string, attributes map[string]host.Attribute) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, q := range s.queues {
		if s.arn(q) == arn {
			_, err := s.put(q, body, attributes, 0)
			return err
		}
	}
	return errNoQueue()
}

func (s *Service) arn(q *queue) string { return s.host.ARN("sqs", q.name) }

func (s *Service) url(q *queue) string { return s.host.URL + s.path(q.name) }

func (s *Service) path(name string) string { return "/" + s.host.Account + "/" + name }

// at finds the queue of a URL; s.mu must be held. The host does not count:
// localhost and 127.0.0.1 are one.
func (s *Service) at(queueURL string) (*queue, error) {
	if queueURL == "" {
		return nil, missing("QueueUrl")
	}
	at, err := url.Parse(queueURL)
	if err != nil || at.Host == "" {
		return nil, host.BadRequest("InvalidAddress", "The address %s is not valid for this endpoint.", queueURL)
	}
	for _, q := range s.queues {
		if s.path(q.name) == at.Path {
			q.expire(s.host.Now())
			return q, nil
		}
	}
	return nil, errNoQueue()
}

// nothing is the answer of an operation that has none.
type nothing struct{}

// coded adds the code that SQS had before it spoke JSON, by which programs still
// know its errors.
func coded(err *host.Error, queryCode string) *host.Error {
	err.QueryCode = queryCode
	return err
}

func errNoQueue() *host.Error {
	return coded(host.BadRequest("QueueDoesNotExist", "The specified queue does not exist."), "AWS.SimpleQueueService.NonExistentQueue")
}

func missing(parameter string) *host.Error {
	return host.BadRequest("MissingParameter", "The request must contain the parameter %s.", parameter)
}

func invalid(format string, args ...any) *host.Error {
	return host.BadRequest("InvalidParameterValue", format, args...)
}

func unserved(what string) *host.Error {
	return coded(host.BadRequest("UnsupportedOperation", "the embedded AWS endpoint does not serve %s", what), "AWS.SimpleQueueService.UnsupportedOperation")
}

// number is a parameter with its limits, or what it is without a value.
func number(parameter string, value *int, least, most, otherwise int) (int, error) {
	if value == nil {
		return otherwise, nil
	}
	if *value < least || *value > most {
		return 0, invalid("Value %d for parameter %s is invalid. Reason: Must be between %d and %d, if provided.", *value, parameter, least, most)
	}
	return *value, nil
}

// known refuses a name that is not one of an enum's.
func known[E ~string](names []string, all []E) error {
	for _, name := range names {
		if name != "All" && !slices.Contains(all, E(name)) {
			return host.BadRequest("InvalidAttributeName", "Unknown Attribute %s.", name)
		}
	}
	return nil
}
