package dynamodb

import (
	"maps"
	"slices"
)

const (
	maxBatch     = 100      // keys
	maxBatchSize = 16 << 20 // of all items in an answer
)

type batchGetItemInput struct {
	RequestItems           map[string]*keysAndAttributes
	ReturnConsumedCapacity *string
}

type keysAndAttributes struct {
	Keys                     []item
	ConsistentRead           *bool             `json:",omitempty"`
	ProjectionExpression     *string           `json:",omitempty"`
	ExpressionAttributeNames map[string]string `json:",omitempty"`

	table *table
	paths []path
}

type batchGetItemOutput struct {
	Responses        map[string][]item
	UnprocessedKeys  map[string]*keysAndAttributes
	ConsumedCapacity []*consumedCapacity `json:",omitempty"`
}

// batchGetItem answers with the items that there are. Those that do not fit in
// 16 MB are unprocessed, and the caller asks again:
// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html
func (s *Service) batchGetItem(in *batchGetItemInput) (*batchGetItemOutput, *Error) {
	if err := s.checkBatch(in); err != nil {
		return nil, err
	}
	out := &batchGetItemOutput{Responses: map[string][]item{}, UnprocessedKeys: map[string]*keysAndAttributes{}}
	size, room := 0, s.batch
	for _, name := range slices.Sorted(maps.Keys(in.RequestItems)) {
		request := in.RequestItems[name]
		t, consumed := request.table, capacity{}
		items := []item{}
		for at, key := range request.Keys {
			found := t.rows.find(t.key, key)
			if room == 0 || size+found.size() > maxBatchSize {
				rest := *request
				rest.Keys = request.Keys[at:]
				out.UnprocessedKeys[name] = &rest
				break
			}
			room--
			size += found.size()
			consumed.table += readUnits(found.size(), or(request.ConsistentRead, false))
			if found != nil && request.paths != nil {
				found = found.projected(request.paths)
			}
			if found != nil {
				items = append(items, found)
			}
		}
		out.Responses[name] = items
		if report := consumed.report(in.ReturnConsumedCapacity, t.name); report != nil {
			out.ConsumedCapacity = append(out.ConsumedCapacity, report)
		}
	}
	return out, nil
}

// checkBatch refuses a request as a whole, and finds its tables and paths.
func (s *Service) checkBatch(in *batchGetItemInput) *Error {
	var c constraints
	c.consumed(in.ReturnConsumedCapacity)
	if err := c.err(); err != nil {
		return err
	}
	if len(in.RequestItems) == 0 {
		return invalid("The requestItems parameter is required for BatchGetItem")
	}
	total := 0
	for _, name := range slices.Sorted(maps.Keys(in.RequestItems)) {
		if err := checkName(&name, "requestItems", 1); err != nil {
			return err
		}
		request := in.RequestItems[name]
		if request == nil || len(request.Keys) == 0 || len(request.Keys) > maxBatch {
			limit := "greater than or equal to 1"
			if request != nil && len(request.Keys) > maxBatch {
				limit = "less than or equal to 100"
			}
			return invalid("1 validation error detected: Value at 'RequestItems.%s.member.Keys' failed to satisfy constraint: Member must have length %s", name, limit)
		}
		total += len(request.Keys)
	}
	if total > maxBatch {
		return invalid("Too many items requested for the BatchGetItem call")
	}
	for _, name := range slices.Sorted(maps.Keys(in.RequestItems)) {
		if err := s.checkKeys(name, in.RequestItems[name]); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) checkKeys(name string, request *keysAndAttributes) *Error {
	var err *Error
	if request.paths, err = onlyProjection(request.ProjectionExpression, request.ExpressionAttributeNames); err != nil {
		return err
	}
	if request.table, err = s.named(name); err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, key := range request.Keys {
		if err := request.table.checkKey(key); err != nil {
			return err
		}
		id := request.table.key.id(key)
		if seen[id] {
			return invalid("Provided list of item keys contains duplicates")
		}
		seen[id] = true
	}
	return nil
}
