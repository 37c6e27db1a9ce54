package dynamodb

import "maps"

type getItemInput struct {
	tableNamed
	Key                      item
	ConsistentRead           *bool
	ProjectionExpression     *string
	ExpressionAttributeNames map[string]string
	ReturnConsumedCapacity   *string
}

type getItemOutput struct {
	Item             *item             `json:",omitempty"`
	ConsumedCapacity *consumedCapacity `json:",omitempty"`
}

func (s *Service) getItem(in *getItemInput) (*getItemOutput, *Error) {
	if err := checkName(in.TableName, "tableName", 1); err != nil {
		return nil, err
	}
	var c constraints
	c.notNull(in.Key != nil, "key")
	c.consumed(in.ReturnConsumedCapacity)
	if err := c.err(); err != nil {
		return nil, err
	}
	paths, err := onlyProjection(in.ProjectionExpression, in.ExpressionAttributeNames)
	if err != nil {
		return nil, err
	}
	t, err := s.named(*in.TableName)
	if err != nil {
		return nil, err
	}
	if err := t.checkKey(in.Key); err != nil {
		return nil, err
	}
	found := t.rows.find(t.key, in.Key)
	consumed := capacity{table: readUnits(found.size(), or(in.ConsistentRead, false))}
	out := &getItemOutput{ConsumedCapacity: consumed.report(in.ReturnConsumedCapacity, t.name)}
	if found != nil {
		if paths != nil {
			found = found.projected(paths)
		}
		out.Item = &found
	}
	return out, nil
}

// onlyProjection reads the projection of a request without other expressions.
func onlyProjection(text *string, names map[string]string) ([]path, *Error) {
	a, err := newAliases(names, nil, map[string]*string{"ProjectionExpression": text})
	if err != nil {
		return nil, err
	}
	paths, err := a.projection(text)
	if err != nil {
		return nil, err
	}
	return paths, a.checkUsed()
}

type writeOutput struct {
	Attributes       item              `json:",omitempty"`
	ConsumedCapacity *consumedCapacity `json:",omitempty"`
}

type putItemInput struct {
	writing
	Item item
}

func (s *Service) putItem(in *putItemInput) (*writeOutput, *Error) {
	if err := in.check("NONE", "ALL_OLD"); err != nil {
		return nil, err
	}
	var c constraints
	if c.notNull(in.Item != nil, "item"); in.Item == nil {
		return nil, c.err()
	}
	condition, err := in.conditionOnly()
	if err != nil {
		return nil, err
	}
	t, err := s.named(*in.TableName)
	if err != nil {
		return nil, err
	}
	if err := t.checkItem(in.Item); err != nil {
		return nil, err
	}
	return s.write(t, &in.writing, condition, in.Item, func(item) (item, *Error) { return in.Item, nil })
}

type keyedInput struct {
	writing
	Key item
}

func (s *Service) deleteItem(in *keyedInput) (*writeOutput, *Error) {
	if err := in.check("NONE", "ALL_OLD"); err != nil {
		return nil, err
	}
	condition, err := in.conditionOnly()
	if err != nil {
		return nil, err
	}
	t, err := s.keyed(in)
	if err != nil {
		return nil, err
	}
	return s.write(t, &in.writing, condition, in.Key, func(item) (item, *Error) { return nil, nil })
}

// keyed finds the table and checks the key of a request that has one.
func (s *Service) keyed(in *keyedInput) (*table, *Error) {
	var c constraints
	if c.notNull(in.Key != nil, "key"); in.Key == nil {
		return nil, c.err()
	}
	t, err := s.named(*in.TableName)
	if err != nil {
		return nil, err
	}
	return t, t.checkKey(in.Key)
}

// conditionOnly reads the condition of a request without other expressions.
func (w *writing) conditionOnly() (*node, *Error) {
	a, err := newAliases(w.ExpressionAttributeNames, w.ExpressionAttributeValues, map[string]*string{"ConditionExpression": w.ConditionExpression})
	if err != nil {
		return nil, err
	}
	condition, err := a.condition("ConditionExpression", w.ConditionExpression)
	if err != nil {
		return nil, err
	}
	return condition, a.checkUsed()
}

// write puts what next makes of the item with the key, if the condition holds.
func (s *Service) write(t *table, w *writing, condition *node, key item, next func(old item) (item, *Error)) (*writeOutput, *Error) {
	old := t.rows.find(t.key, key)
	if !condition.holds(old) {
		err := failed("ConditionalCheckFailedException", "The conditional request failed")
		if old != nil && or(w.ReturnValuesOnConditionCheckFailure, "NONE") == "ALL_OLD" {
			err = err.With("Item", old)
		}
		return nil, err
	}
	changed, err := next(old)
	if err != nil {
		return nil, err
	}
	c := change{old, changed}
	t.write(c, s.lag)
	out := &writeOutput{ConsumedCapacity: t.written(c).report(w.ReturnConsumedCapacity, t.name)}
	switch or(w.ReturnValues, "NONE") {
	case "ALL_OLD":
		out.Attributes = old
	case "ALL_NEW":
		out.Attributes = changed
	}
	return out, nil
}

type updateItemInput struct {
	keyedInput
	UpdateExpression *string
}

func (s *Service) updateItem(in *updateItemInput) (*writeOutput, *Error) {
	if err := in.check("NONE", "ALL_OLD", "UPDATED_OLD", "ALL_NEW", "UPDATED_NEW"); err != nil {
		return nil, err
	}
	a, err := newAliases(in.ExpressionAttributeNames, in.ExpressionAttributeValues, map[string]*string{
		"ConditionExpression": in.ConditionExpression, "UpdateExpression": in.UpdateExpression,
	})
	if err != nil {
		return nil, err
	}
	change, err := a.update(in.UpdateExpression)
	if err != nil {
		return nil, err
	}
	condition, err := a.condition("ConditionExpression", in.ConditionExpression)
	if err != nil {
		return nil, err
	}
	if err := a.checkUsed(); err != nil {
		return nil, err
	}
	t, err := s.keyed(&in.keyedInput)
	if err != nil {
		return nil, err
	}
	for _, p := range change.paths {
		if p[0].name == t.key.hash || p[0].name == t.key.rng {
			return nil, badParameter("Cannot update attribute %s. This attribute is part of the key", p[0].name)
		}
	}
	var before, after item
	out, err := s.write(t, &in.writing, condition, in.Key, func(old item) (item, *Error) {
		before = old
		if old == nil {
			old = maps.Clone(in.Key)
		}
		var err *Error
		if after, err = change.apply(old); err != nil {
			return nil, err
		}
		return after, t.checkUpdated(after)
	})
	if err != nil {
		return nil, err
	}
	switch or(in.ReturnValues, "NONE") {
	case "UPDATED_OLD":
		out.Attributes = before.projected(change.paths)
	case "UPDATED_NEW":
		out.Attributes = after.projected(change.paths)
	}
	return out, nil
}
