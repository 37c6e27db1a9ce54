package dynamodb

import (
	"fmt"
	"slices"
	"strings"

	"errand/pkg/localaws/host"
)

type attributeDefinition struct {
	AttributeName string
	AttributeType kind
}

type keySchemaElement struct {
	AttributeName string
	KeyType       string
}

type indexInput struct {
	IndexName  string
	KeySchema  []keySchemaElement
	Projection *projectionType
}

type createTableInput struct {
	tableNamed
	AttributeDefinitions   []attributeDefinition
	KeySchema              []keySchemaElement
	GlobalSecondaryIndexes []indexInput
	BillingMode            string
}

type tableOutput struct {
	Table            *tableDescription `json:",omitempty"`
	TableDescription *tableDescription `json:",omitempty"`
}

type tableDescription struct {
	TableName              string
	TableArn               string
	TableID                string `json:"TableId"`
	TableStatus            string
	CreationDateTime       float64
	AttributeDefinitions   []attributeDefinition
	KeySchema              []keySchemaElement
	ItemCount              int
	TableSizeBytes         int
	BillingModeSummary     billingModeSummary
	ProvisionedThroughput  throughput
	GlobalSecondaryIndexes []indexDescription `json:",omitempty"`
}

type billingModeSummary struct {
	BillingMode                       string
	LastUpdateToPayPerRequestDateTime float64
}

// throughput is all zero for a table on demand, and is told all the same.
type throughput struct {
	NumberOfDecreasesToday, ReadCapacityUnits, WriteCapacityUnits int
}

type indexDescription struct {
	IndexName             string
	IndexArn              string
	IndexStatus           string
	KeySchema             []keySchemaElement
	Projection            projectionType
	ItemCount             int
	IndexSizeBytes        int
	ProvisionedThroughput throughput
}

func (s *Service) createTable(in *createTableInput) (*tableOutput, *Error) {
	if in.TableName == nil {
		return nil, invalid("The parameter 'TableName' is required but was not present in the request")
	}
	if err := checkName(in.TableName, "tableName", 3); err != nil {
		return nil, err
	}
	if err := in.check(); err != nil {
		return nil, err
	}
	t := &table{name: *in.TableName, id: host.NewUUID(), created: s.host.Now(), definitions: in.AttributeDefinitions, kinds: map[string]kind{}, rows: rows{}}
	for _, d := range in.AttributeDefinitions {
		t.kinds[d.AttributeName] = d.AttributeType
	}
	var err *Error
	if t.key, err = t.schema(in.KeySchema); err != nil {
		return nil, err
	}
	used := t.key.names()
	for _, g := range in.GlobalSecondaryIndexes {
		x, err := t.newIndex(g)
		if err != nil {
			return nil, err
		}
		t.indexes = append(t.indexes, x)
		used = append(used, x.key.names()...)
	}
	if err := t.checkDefinitions(used); err != nil {
		return nil, err
	}
	if s.tables[t.name] != nil {
		return nil, failed("ResourceInUseException", "Table already exists: %s", t.name)
	}
	s.tables[t.name] = t
	// The table can be used at once, but who creates one has to wait for it.
	return &tableOutput{TableDescription: s.describe(t, "CREATING")}, nil
}

// check refuses what the model refuses, and the provisioned kind of tables.
func (in *createTableInput) check() *Error {
	var c constraints
	c.notNull(in.AttributeDefinitions != nil, "attributeDefinitions")
	c.notNull(in.KeySchema != nil, "keySchema")
	for i, d := range in.AttributeDefinitions {
		text := string(d.AttributeType)
		c.enum(&text, fmt.Sprintf("attributeDefinitions.%d.member.attributeType", i+1), "B", "N", "S")
	}
	for i, k := range in.KeySchema {
		c.enum(&k.KeyType, fmt.Sprintf("keySchema.%d.member.keyType", i+1), "HASH", "RANGE")
	}
	if len(in.KeySchema) > 2 {
		var shown []string
		for _, k := range in.KeySchema {
			shown = append(shown, fmt.Sprintf("KeySchemaElement(attributeName=%s, keyType=%s)", k.AttributeName, k.KeyType))
		}
		c.add("'["+strings.Join(shown, ", ")+"]'", "keySchema", "have length less than or equal to 2")
	}
	if err := c.err(); err != nil {
		return err
	}
	if in.BillingMode != "PAY_PER_REQUEST" {
		return unserved("tables with another BillingMode than PAY_PER_REQUEST")
	}
	if in.GlobalSecondaryIndexes != nil && len(in.GlobalSecondaryIndexes) == 0 {
		return badParameter("List of GlobalSecondaryIndexes is empty")
	}
	if len(in.GlobalSecondaryIndexes) > 20 {
		return badParameter("GlobalSecondaryIndex count exceeds the per-table limit of 20")
	}
	return nil
}

// schema reads a key schema, whose attributes must be defined.
func (t *table) schema(list []keySchemaElement) (schema, *Error) {
	var k schema
	if len(list) == 0 || len(list) > 2 {
		return k, invalid("1 validation error detected: Value at 'keySchema' failed to satisfy constraint: Member must have length between 1 and 2")
	}
	if list[0].KeyType != "HASH" {
		return k, invalid("Invalid KeySchema: The first KeySchemaElement is not a HASH key type")
	}
	k.hash = list[0].AttributeName
	if len(list) == 2 {
		if list[1].KeyType != "RANGE" {
			return k, invalid("Invalid KeySchema: The second KeySchemaElement is not a RANGE key type")
		}
		if k.rng = list[1].AttributeName; k.rng == k.hash {
			return k, invalid("Invalid KeySchema: Some index key attribute have no definition")
		}
	}
	for _, name := range k.names() {
		if t.kinds[name] == "" {
			return k, badParameter("Some index key attributes are not defined in AttributeDefinitions. Keys: [%s], AttributeDefinitions: [%s]", strings.Join(k.names(), ", "), t.defined())
		}
	}
	return k, nil
}

func (t *table) defined() string {
	var names []string
	for _, d := range t.definitions {
		names = append(names, d.AttributeName)
	}
	return strings.Join(names, ", ")
}

// checkDefinitions refuses attributes that no key uses: others have no type.
func (t *table) checkDefinitions(used []string) *Error {
	if len(t.kinds) != len(t.definitions) {
		return badParameter("Cannot define the same attribute twice in AttributeDefinitions")
	}
	slices.Sort(used)
	used = slices.Compact(used)
	switch {
	case len(used) == len(t.kinds):
		return nil
	case len(t.indexes) == 0:
		return badParameter("Number of attributes in KeySchema does not exactly match number of attributes defined in AttributeDefinitions")
	}
	return badParameter("Some AttributeDefinitions are not used. AttributeDefinitions: [%s], keys used: [%s]", t.defined(), strings.Join(used, ", "))
}

func (t *table) newIndex(g indexInput) (*index, *Error) {
	if err := checkName(&g.IndexName, "globalSecondaryIndexes.1.member.indexName", 3); err != nil {
		return nil, err
	}
	if slices.ContainsFunc(t.indexes, func(x *index) bool { return x.name == g.IndexName }) {
		return nil, badParameter("Duplicate index name: %s", g.IndexName)
	}
	x := &index{name: g.IndexName, rows: rows{}}
	var err *Error
	if x.key, err = t.schema(g.KeySchema); err != nil {
		return nil, err
	}
	if g.Projection == nil || g.Projection.ProjectionType == "" {
		return nil, badParameter("Unknown ProjectionType: null")
	}
	x.projection = *g.Projection
	switch kind := x.projection.ProjectionType; kind {
	case "ALL", "KEYS_ONLY":
		if x.projection.NonKeyAttributes != nil {
			return nil, badParameter("ProjectionType is %s, but NonKeyAttributes is specified", kind)
		}
	case "INCLUDE":
		if len(x.projection.NonKeyAttributes) == 0 {
			return nil, badParameter("ProjectionType is INCLUDE, but NonKeyAttributes is not specified")
		}
	default:
		return nil, badParameter("Unknown ProjectionType: %s", kind)
	}
	return x, nil
}

func (k schema) elements() []keySchemaElement {
	list := []keySchemaElement{{k.hash, "HASH"}}
	if k.rng != "" {
		list = append(list, keySchemaElement{k.rng, "RANGE"})
	}
	return list
}

// describe counts items and bytes at once; DynamoDB does so every six hours.
func (s *Service) describe(t *table, status string) *tableDescription {
	created := float64(t.created.UnixMilli()) / 1000
	d := &tableDescription{
		TableName: t.name, TableArn: s.arn("table", t.name), TableID: t.id, TableStatus: status, CreationDateTime: created,
		AttributeDefinitions: t.definitions, KeySchema: t.key.elements(), ItemCount: t.count, TableSizeBytes: t.size,
		BillingModeSummary: billingModeSummary{"PAY_PER_REQUEST", created},
	}
	for _, x := range t.indexes {
		i := indexDescription{IndexName: x.name, IndexArn: s.arn("table", t.name, "index", x.name), IndexStatus: status, KeySchema: x.key.elements(), Projection: x.projection}
		for _, list := range x.rows {
			i.ItemCount += len(list)
			for _, r := range list {
				i.IndexSizeBytes += r.item.size()
			}
		}
		d.GlobalSecondaryIndexes = append(d.GlobalSecondaryIndexes, i)
	}
	return d
}

// found is the table of a request for a table.
func (s *Service) found(in tableNamed) (*table, *Error) {
	if err := checkName(in.TableName, "tableName", 1); err != nil {
		return nil, err
	}
	if t := s.tables[*in.TableName]; t != nil {
		return t, nil
	}
	return nil, noTable(*in.TableName)
}

func (s *Service) describeTable(in *tableNamed) (*tableOutput, *Error) {
	t, err := s.found(*in)
	if err != nil {
		return nil, err
	}
	return &tableOutput{Table: s.describe(t, "ACTIVE")}, nil
}

func (s *Service) deleteTable(in *tableNamed) (*tableOutput, *Error) {
	t, err := s.found(*in)
	if err != nil {
		return nil, err
	}
	delete(s.tables, t.name)
	return &tableOutput{TableDescription: s.describe(t, "DELETING")}, nil
}
