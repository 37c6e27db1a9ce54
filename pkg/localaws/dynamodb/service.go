// Package dynamodb is a DynamoDB in memory: one item at a time with conditions,
// queries on the table and on global secondary indexes, and what it costs. It
// answers as DynamoDB does, to the words of its errors, and refuses all that it
// does not serve: other operations, other members of a request, transactions,
// scans, batches of writes, local indexes, streams and provisioned capacity.
package dynamodb

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"hash/crc32"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Service is all tables of an account in a Region. Its methods may be called at
// any time, from any goroutine.
type Service struct {
	region, account string

	mu     sync.Mutex
	tables map[string]*table
	lag    int // writes that indexes are behind
	batch  int // keys that BatchGetItem answers at most
}

// New is a Service without tables, in eu-west-1 and account 123456789012.
func New() *Service { return NewIn("eu-west-1", "123456789012") }

// NewIn is a Service whose ARNs have the Region and the account.
func NewIn(region, account string) *Service {
	return &Service{region: region, account: account, tables: map[string]*table{}, batch: maxBatch}
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

// operations are what is served. Each is called with the Service locked.
var operations = map[string]func(s *Service, body []byte) (any, error){
	"BatchGetItem":       serve((*Service).batchGetItem),
	"CreateTable":        serve((*Service).createTable),
	"DeleteItem":         serve((*Service).deleteItem),
	"DeleteTable":        serve((*Service).deleteTable),
	"DescribeTable":      serve((*Service).describeTable),
	"DescribeTimeToLive": serve((*Service).describeTimeToLive),
	"GetItem":            serve((*Service).getItem),
	"PutItem":            serve((*Service).putItem),
	"Query":              serve((*Service).query),
	"UpdateItem":         serve((*Service).updateItem),
	"UpdateTimeToLive":   serve((*Service).updateTimeToLive),
}

// Handle answers one operation with what encoding/json can write, or with an
// *Error. A request is one step: others see all of it or nothing.
func (s *Service) Handle(ctx context.Context, op string, body []byte) (any, error) {
	operation := operations[op]
	if operation == nil {
		return nil, failed("UnknownOperationException", "the embedded endpoint does not serve %s", op)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return operation(s, body)
}

// serve makes an operation of a method. The members of its request are all
// that are served; DynamoDB would do something about the others.
func serve[In, Out any](method func(*Service, *In) (*Out, *Error)) func(*Service, []byte) (any, error) {
	return func(s *Service, body []byte) (any, error) {
		in := new(In)
		decoder := json.NewDecoder(bytes.NewReader(body))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(in); err != nil {
			return nil, asError(err)
		}
		out, err := method(s, in)
		if err != nil {
			return nil, err
		}
		return out, nil
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

// maxRequest is more than the largest request: 100 keys of 3 KB, or an item of
// 400 KB with as much in the values of its expressions.
const maxRequest = 4 << 20

// ServeHTTP speaks awsJson1.0.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if err != nil {
		write(w, nil, &Error{Status: http.StatusRequestEntityTooLarge, Code: "RequestEntityTooLargeException", Message: err.Error()})
		return
	}
	op := strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "DynamoDB_20120810.")
	answer, err := s.Handle(r.Context(), op, body)
	write(w, answer, err)
}

// write answers in awsJson1.0, with the checksum that DynamoDB's clients check.
func write(w http.ResponseWriter, answer any, err error) {
	status := http.StatusOK
	if err != nil {
		e, ok := errors.AsType[*Error](err)
		if !ok {
			e = &Error{Status: http.StatusInternalServerError, Code: "InternalServerError", Message: err.Error()}
		}
		members := map[string]any{"__type": e.Type(), "message": e.Message}
		for name, value := range e.Members {
			members[name] = value
		}
		status, answer = e.Status, members
	}
	body, err := json.Marshal(answer)
	if err != nil {
		status, body = http.StatusInternalServerError, []byte(`{"__type":"InternalServerError"}`)
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	w.Header().Set("X-Amz-Crc32", strconv.FormatUint(uint64(crc32.ChecksumIEEE(body)), 10))
	w.Header().Set("X-Amzn-Requestid", newID())
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

func newID() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // never fails, see crypto/rand
	return hex.EncodeToString(b)
}
