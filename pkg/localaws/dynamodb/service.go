// Package dynamodb is a DynamoDB in memory: one item at a time with conditions,
// queries on the table and on global secondary indexes, and what it costs. It
// answers as DynamoDB does, to the words of its errors, and refuses all that it
// does not serve: other operations, other members of a request, transactions,
// scans, batches of writes, local indexes, streams and provisioned capacity.
package dynamodb

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"time"

	"errand/pkg/localaws/host"
)

// Service is all tables of an account in a Region. Its methods may be called at
// any time, from any goroutine.
type Service struct {
	host *host.Host

	mu     sync.Mutex
	tables map[string]*table
	lag    int // writes that indexes are behind
	batch  int // keys that BatchGetItem answers at most
}

// New makes the service, without tables.
func New(h *host.Host) *Service {
	return &Service{host: h, tables: map[string]*table{}, batch: maxBatch}
}

// LagIndexes makes every index show its table as it was n writes ago. Indexes
// are eventually consistent, and this one has no clock:
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/GSI.html
func (s *Service) LagIndexes(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lag = n
	for _, t := range s.tables {
		t.propagate(n)
	}
}

// LimitBatches makes BatchGetItem leave all but the first n keys of a request
// unprocessed, as DynamoDB does when it is short of capacity; 0 ends that.
func (s *Service) LimitBatches(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.batch = n
	if n == 0 {
		s.batch = maxBatch
	}
}

// ExpireItems deletes the items whose time to live is over at the time, and
// says how many. Nothing else deletes them: DynamoDB takes days to, and shows
// them until then:
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/TTL.html
func (s *Service) ExpireItems(now time.Time) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	deleted := 0
	for _, t := range s.tables {
		deleted += t.expire(now, s.lag)
	}
	return deleted
}

// Operations are what the service serves.
func (s *Service) Operations() host.Operations {
	return host.Targets("DynamoDB_20120810", host.Operations{
		"BatchGetItem":       serve(s, s.batchGetItem),
		"CreateTable":        serve(s, s.createTable),
		"DeleteItem":         serve(s, s.deleteItem),
		"DeleteTable":        serve(s, s.deleteTable),
		"DescribeTable":      serve(s, s.describeTable),
		"DescribeTimeToLive": serve(s, s.describeTimeToLive),
		"GetItem":            serve(s, s.getItem),
		"PutItem":            serve(s, s.putItem),
		"Query":              serve(s, s.query),
		"UpdateItem":         serve(s, s.updateItem),
		"UpdateTimeToLive":   serve(s, s.updateTimeToLive),
	})
}

// serve makes an operation of a method. A request is one step: others see all
// of it or nothing. The members of a request are all that are served; DynamoDB
// would do something about the others.
func serve[In, Out any](s *Service, method func(*In) (*Out, *Error)) host.Operation {
	return func(ctx context.Context, body []byte) ([]byte, error) {
		in := new(In)
		decoder := json.NewDecoder(bytes.NewReader(body))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(in); err != nil {
			return nil, asError(err)
		}
		if err := ctx.Err(); err != nil {
			return nil, err // a client that has gone does not know of a write
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		out, err := method(in)
		if err != nil {
			return nil, err
		}
		return host.EncodeJSON(out), nil
	}
}

// asError is the *Error in err, or one that says that the JSON is none of ours.
func asError(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	if field, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return unserved("the member %s", field)
	}
	return failed("SerializationException", "%v", err)
}
