package dynamodb

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// tableNamed is a part of every request for one table.
type tableNamed struct {
	TableName *string
}

// aliased is a part of every request with expressions.
type aliased struct {
	ExpressionAttributeNames  map[string]string
	ExpressionAttributeValues map[string]json.RawMessage
}

// writing is a part of every request that writes an item.
type writing struct {
	tableNamed
	aliased
	ConditionExpression                 *string
	ReturnConsumedCapacity              *string
	ReturnItemCollectionMetrics         *string // of tables with local indexes only, so it adds nothing
	ReturnValues                        *string
	ReturnValuesOnConditionCheckFailure *string
}

// constraints collect what the request's model refuses, which DynamoDB tells
// together.
type constraints []string

func (c *constraints) add(shown, member, constraint string, args ...any) {
	*c = append(*c, fmt.Sprintf("Value %s at '%s' failed to satisfy constraint: Member must %s", shown, member, fmt.Sprintf(constraint, args...)))
}

func (c *constraints) notNull(present bool, member string) {
	if !present {
		c.add("null", member, "not be null")
	}
}

// enum leaves nil alone.
func (c *constraints) enum(value *string, member string, allowed ...string) {
	if value != nil && !slices.Contains(allowed, *value) {
		c.add("'"+*value+"'", member, "satisfy enum value set: [%s]", strings.Join(allowed, ", "))
	}
}

func (c *constraints) consumed(mode *string) {
	c.enum(mode, "returnConsumedCapacity", "INDEXES", "TOTAL", "NONE")
}

func (c constraints) err() *Error {
	if len(c) == 0 {
		return nil
	}
	plural := ""
	if len(c) > 1 {
		plural = "s"
	}
	return invalid("%d validation error%s detected: %s", len(c), plural, strings.Join(c, "; "))
}

var nameSyntax = regexp.MustCompile(`^[a-zA-Z0-9_.-]+$`)

// checkName refuses what can be no name of at least the length.
func checkName(name *string, member string, shortest int) *Error {
	var c constraints
	c.notNull(name != nil, member)
	if name == nil {
		return c.err()
	}
	shown := "'" + *name + "'"
	if *name != "" && !nameSyntax.MatchString(*name) {
		c.add(shown, member, "satisfy regular expression pattern: [a-zA-Z0-9_.-]+")
	}
	if len(*name) < shortest {
		c.add(shown, member, "have length greater than or equal to %d", shortest)
	}
	if len(*name) > 255 {
		c.add(shown, member, "have length less than or equal to 255")
	}
	return c.err()
}

// check refuses what the model refuses of a request that writes.
func (w *writing) check(returnValues ...string) *Error {
	if err := checkName(w.TableName, "tableName", 1); err != nil {
		return err
	}
	var c constraints
	c.enum(w.ReturnValues, "returnValues", "ALL_NEW", "UPDATED_OLD", "ALL_OLD", "NONE", "UPDATED_NEW")
	c.consumed(w.ReturnConsumedCapacity)
	c.enum(w.ReturnItemCollectionMetrics, "returnItemCollectionMetrics", "SIZE", "NONE")
	c.enum(w.ReturnValuesOnConditionCheckFailure, "returnValuesOnConditionCheckFailure", "ALL_OLD", "NONE")
	if err := c.err(); err != nil {
		return err
	}
	if !slices.Contains(returnValues, or(w.ReturnValues, "NONE")) {
		return invalid("ReturnValues can only be ALL_OLD or NONE")
	}
	return nil
}

// or is the value, or else the default.
func or[V any](value *V, otherwise V) V {
	if value == nil {
		return otherwise
	}
	return *value
}

// named finds the table of a request for items. It says less than the
// operations on tables do.
func (s *Service) named(name string) (*table, *Error) {
	if t := s.tables[name]; t != nil {
		return t, nil
	}
	return nil, failed("ResourceNotFoundException", "Requested resource not found")
}
