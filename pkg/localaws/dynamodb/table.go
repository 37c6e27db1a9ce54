package dynamodb

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// table is a table with its items and indexes.
type table struct {
	name, id    string
	created     time.Time
	definitions []attributeDefinition
	kinds       map[string]kind // of the keys
	key         schema
	rows        rows
	indexes     []*index
	pending     []change // that the indexes do not show yet
	expires     string   // the attribute of the time to live
	count, size int
}

// index finds an index by its name.
func (t *table) index(name string) (*index, *Error) {
	for _, x := range t.indexes {
		if x.name == name {
			return x, nil
		}
	}
	return nil, invalid("The table does not have the specified index: %s", name)
}

// write stores the change, and brings one into the indexes that is lag writes old.
func (t *table) write(c change, lag int) {
	if c.old != nil {
		t.rows.remove(t.key, c.old, t.key.id(c.old))
		t.count--
		t.size -= c.old.size()
	}
	if c.new != nil {
		t.rows.put(t.key, c.new, t.key.id(c.new))
		t.count++
		t.size += c.new.size()
	}
	t.pending = append(t.pending, c)
	t.propagate(lag)
}

// propagate brings all but the last changes into the indexes.
func (t *table) propagate(keep int) {
	for len(t.pending) > max(keep, 0) {
		for _, x := range t.indexes {
			x.apply(t, t.pending[0])
		}
		t.pending = t.pending[1:]
	}
}

// expire deletes what is over. Only numbers count, and none that are more than
// five years old.
func (t *table) expire(now time.Time, lag int) int {
	if t.expires == "" {
		return 0
	}
	oldest, newest := intValue(int(now.AddDate(-5, 0, 0).Unix())), intValue(int(now.Unix()))
	var over []item
	for _, hash := range slices.Sorted(maps.Keys(t.rows)) {
		for _, r := range t.rows[hash] {
			if v := r.item[t.expires]; v != nil && ordered(oldest, "<=", v) && ordered(v, "<=", newest) {
				over = append(over, r.item)
			}
		}
	}
	for _, i := range over {
		t.write(change{i, nil}, lag)
	}
	return len(over)
}

// Limits of keys, and of an item's bytes and depth:
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
const (
	maxHashKey  = 2048
	maxRangeKey = 1024
	maxItem     = 400 << 10
	maxDepth    = 32
)

// checkKey refuses a key that is not just the table's.
func (t *table) checkKey(key item) *Error {
	if len(key) != len(t.key.names()) {
		return invalid("The provided key element does not match the schema")
	}
	for _, name := range t.key.names() {
		if v := key[name]; v == nil || v.kind != t.kinds[name] {
			return invalid("The provided key element does not match the schema")
		}
	}
	return t.checkKeyValues(key)
}

// checkKeyValues looks at what is in a key of the right types.
func (t *table) checkKeyValues(key item) *Error {
	for _, name := range t.key.names() {
		v := key[name]
		if text, empty := emptyKey(v); empty {
			return invalid("One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty %s value. Key: %s", text, name)
		}
	}
	return checkKeySize(t.key, key)
}

func checkKeySize(k schema, key item) *Error {
	if v := key[k.hash]; v.size() > maxHashKey {
		return badParameter("Size of hashkey has exceeded the maximum size limit of%d bytes", maxHashKey)
	}
	if k.rng != "" && key[k.rng].size() > maxRangeKey {
		return badParameter("Aggregated size of all range keys has exceeded the size limit of %d bytes", maxRangeKey)
	}
	return nil
}

// emptyKey says whether the value is one that cannot be a key's, and what it is.
func emptyKey(v *value) (what string, empty bool) {
	switch v.kind {
	case kindS:
		return "string", v.text == ""
	case kindB:
		return "binary", v.text == ""
	}
	return "", false
}

// checkItem refuses an item that is put and that the table or one of its indexes
// cannot hold.
func (t *table) checkItem(i item) *Error {
	if err := t.checkPrimary(i); err != nil {
		return err
	}
	for _, x := range t.indexes {
		if err := x.check(t, i); err != nil {
			return err
		}
	}
	return i.check("Item size has exceeded the maximum allowed size")
}

// checkUpdated is checkItem for what an update has made, in the words for it:
// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchStatementError.html
// has most of them.
func (t *table) checkUpdated(i item) *Error {
	const what = "The update expression attempted to update the secondary index key "
	for _, x := range t.indexes {
		for name, v := range x.key.of(i) {
			if v.kind != t.kinds[name] {
				return invalid(what + "to unsupported type")
			}
		}
		if err := x.check(t, i); err != nil && x.entry(t, i) != nil && checkKeySize(x.key, i) != nil {
			return invalid(what + "beyond allowed size limits")
		} else if err != nil {
			return err
		}
	}
	return i.check("Item size to update has exceeded the maximum allowed size")
}

// checkPrimary refuses an item without the table's key.
func (t *table) checkPrimary(i item) *Error {
	for _, name := range t.key.names() {
		v := i[name]
		if v == nil {
			return badParameter("Missing the key %s in the item", name)
		}
		if v.kind != t.kinds[name] {
			return badParameter("Type mismatch for key %s expected: %s actual: %s", name, t.kinds[name], v.kind)
		}
	}
	return t.checkKeyValues(i)
}

// check refuses an item that no table can hold.
func (i item) check(tooLarge string) *Error {
	for _, v := range i {
		if v.depth() > maxDepth {
			return invalid("Nesting Levels have exceeded supported limits")
		}
	}
	if i.size() > maxItem {
		return invalid("%s", tooLarge)
	}
	return nil
}

// check refuses an item whose attributes cannot be keys of the index. One that
// lacks them is only not in it.
func (x *index) check(t *table, i item) *Error {
	for _, name := range x.key.names() {
		v := i[name]
		if v == nil {
			continue
		}
		if v.kind != t.kinds[name] {
			return badParameter("Type mismatch for Index Key %s Expected: %s Actual: %s IndexName: %s", name, t.kinds[name], v.kind, x.name)
		}
		if text, empty := emptyKey(v); empty {
			return invalid("One or more parameter values are not valid. A value specified for a secondary index key is not supported. The AttributeValue for a key attribute cannot contain an empty %s value. IndexName: %s, IndexKey: %s", text, x.name, name)
		}
	}
	if x.entry(t, i) == nil {
		return nil
	}
	return checkKeySize(x.key, i)
}

func (s *Service) arn(parts ...string) string {
	return s.host.ARN("dynamodb", strings.Join(parts, "/"))
}
