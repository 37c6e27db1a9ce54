package dynamodb

import (
	"maps"
	"slices"
	"strings"
)

type queryInput struct {
	tableNamed
	aliased
	IndexName              *string
	KeyConditionExpression *string
	FilterExpression       *string
	ProjectionExpression   *string
	Select                 *string
	ScanIndexForward       *bool
	ConsistentRead         *bool
	Limit                  *int
	ExclusiveStartKey      item
	ReturnConsumedCapacity *string
}

type queryOutput struct {
	Items            *[]item `json:",omitempty"`
	Count            int
	ScannedCount     int
	LastEvaluatedKey item              `json:",omitempty"`
	ConsumedCapacity *consumedCapacity `json:",omitempty"`
}

// maxPage is how much one query reads:
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Query.Pagination.html
const maxPage = 1 << 20

// query is one that was checked.
type query struct {
	in     *queryInput
	table  *table
	index  *index // nil for the table itself
	key    schema // of the index or the table
	where  *keyCondition
	filter *node
	paths  []path
}

func (s *Service) query(in *queryInput) (*queryOutput, *Error) {
	q, err := s.newQuery(in)
	if err != nil {
		return nil, err
	}
	source := q.table.rows
	if q.index != nil {
		source = q.index.rows
	}
	list := slices.Clone(source[q.where.hash.id()])
	if !or(in.ScanIndexForward, true) {
		slices.Reverse(list)
	}
	out, read := q.page(list)
	consumed := capacity{table: readUnits(read, or(in.ConsistentRead, false))}
	if q.index != nil {
		consumed = capacity{0, map[string]float64{q.index.name: consumed.table}}
	}
	out.ConsumedCapacity = consumed.report(in.ReturnConsumedCapacity, q.table.name)
	return out, nil
}

// page reads the rows until the limit or a megabyte is reached. The limit counts
// what the filter drops, and where it is reached a key is left, even at the end.
func (q *query) page(list []row) (out *queryOutput, read int) {
	out = &queryOutput{}
	items := []item{}
	var last item
	for _, r := range list {
		if !q.wanted(r) {
			continue
		}
		size := r.item.size()
		if read+size > maxPage || out.ScannedCount == or(q.in.Limit, -1) {
			out.LastEvaluatedKey = q.position(last)
			break
		}
		read += size
		last = r.item
		out.ScannedCount++
		if q.filter.holds(r.item) {
			items = append(items, q.shown(r.item))
		}
	}
	if out.ScannedCount == or(q.in.Limit, -1) {
		out.LastEvaluatedKey = q.position(last)
	}
	out.Count = len(items)
	if or(q.in.Select, "") != "COUNT" {
		out.Items = &items
	}
	return out, read
}

// wanted says whether the row is after the start and fits the range.
func (q *query) wanted(r row) bool {
	if start := q.in.ExclusiveStartKey; start != nil {
		order := r.compare(row{start[q.key.rng], q.table.key.id(start), nil})
		if order == 0 || (order > 0) != or(q.in.ScanIndexForward, true) {
			return false
		}
	}
	return q.where.rng.holds(r.item)
}

func (q *query) shown(i item) item {
	if q.paths == nil {
		return i
	}
	return i.projected(q.paths)
}

// position is the key of an item in what is queried: in an index that of the
// index and that of the table.
func (q *query) position(i item) item {
	key := q.key.of(i)
	maps.Copy(key, q.table.key.of(i))
	return key
}

// newQuery checks the request.
func (s *Service) newQuery(in *queryInput) (*query, *Error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	a, err := newAliases(in.ExpressionAttributeNames, in.ExpressionAttributeValues, map[string]*string{
		keyExpression: in.KeyConditionExpression, "FilterExpression": in.FilterExpression, "ProjectionExpression": in.ProjectionExpression,
	})
	if err != nil {
		return nil, err
	}
	if in.KeyConditionExpression == nil {
		return nil, invalid("Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.")
	}
	q := &query{in: in}
	if q.filter, err = a.condition("FilterExpression", in.FilterExpression); err != nil {
		return nil, err
	}
	if q.paths, err = a.projection(in.ProjectionExpression); err != nil {
		return nil, err
	}
	where, err := a.condition(keyExpression, in.KeyConditionExpression)
	if err != nil {
		return nil, err
	}
	if err := a.checkUsed(); err != nil {
		return nil, err
	}
	return q, q.bind(s, where)
}

// check refuses what can be refused without the table.
func (in *queryInput) check() *Error {
	if err := checkName(in.TableName, "tableName", 1); err != nil {
		return err
	}
	if in.IndexName != nil {
		if err := checkName(in.IndexName, "indexName", 3); err != nil {
			return err
		}
	}
	var c constraints
	c.enum(in.Select, "select", "SPECIFIC_ATTRIBUTES", "COUNT", "ALL_ATTRIBUTES", "ALL_PROJECTED_ATTRIBUTES")
	c.consumed(in.ReturnConsumedCapacity)
	if err := c.err(); err != nil {
		return err
	}
	if or(in.Limit, 1) < 1 {
		return invalid("1 validation error detected: Value at 'Limit' failed to satisfy constraint: Member must have value greater than or equal to 1")
	}
	selected, projected := or(in.Select, "SPECIFIC_ATTRIBUTES"), in.ProjectionExpression != nil
	switch {
	case projected && selected != "SPECIFIC_ATTRIBUTES":
		if selected == "COUNT" {
			return invalid("Cannot specify the ProjectionExpression when choosing to get only the Count")
		}
		return invalid("Cannot specify the ProjectionExpression when choosing to get %s", selected)
	case in.Select != nil && selected == "SPECIFIC_ATTRIBUTES" && !projected:
		return invalid("Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES")
	case selected == "ALL_PROJECTED_ATTRIBUTES" && in.IndexName == nil:
		return invalid("ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName")
	}
	return nil
}

// bind checks the query against the table and its index.
func (q *query) bind(s *Service, where *node) *Error {
	var err *Error
	if q.table, err = s.named(*q.in.TableName); err != nil {
		return err
	}
	q.key = q.table.key
	if q.in.IndexName != nil {
		if q.index, err = q.table.index(*q.in.IndexName); err != nil {
			return err
		}
		q.key = q.index.key
		if err := q.checkIndex(); err != nil {
			return err
		}
	}
	if q.where, err = q.table.keyCondition(q.key, where); err != nil {
		return err
	}
	if err := checkFilter(q.key, q.filter); err != nil {
		return err
	}
	return q.checkStart()
}

func (q *query) checkIndex() *Error {
	if or(q.in.ConsistentRead, false) {
		return invalid("Consistent reads are not supported on global secondary indexes")
	}
	if or(q.in.Select, "") == "ALL_ATTRIBUTES" && q.index.projection.ProjectionType != "ALL" {
		return badParameter("Select type ALL_ATTRIBUTES is not supported for global secondary index %s because its projection type is not ALL", q.index.name)
	}
	var missing []string
	for _, p := range q.paths {
		if !q.index.projects(q.table, p[0].name) {
			missing = append(missing, p[0].name)
		}
	}
	if missing != nil {
		return badParameter("Global secondary index %s does not project [%s]", q.index.name, strings.Join(missing, ", "))
	}
	return nil
}

// checkStart refuses a start that can be no LastEvaluatedKey of this query.
func (q *query) checkStart() *Error {
	start := q.in.ExclusiveStartKey
	if start == nil {
		return nil
	}
	names := slices.Concat(q.table.key.names(), q.key.names())
	slices.Sort(names)
	names = slices.Compact(names)
	if len(start) != len(names) {
		return invalid("The provided starting key is invalid")
	}
	for _, name := range names {
		if v := start[name]; v == nil || v.kind != q.table.kinds[name] {
			return invalid("The provided starting key is invalid: The provided key element does not match the schema")
		}
	}
	if !start[q.key.hash].equal(q.where.hash) || !q.where.rng.holds(start) {
		return invalid("The provided starting key is outside query boundaries based on provided conditions")
	}
	return nil
}
