package dynamodb

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// kind is a data type as AttributeValue names it.
type kind string

const (
	kindS    kind = "S"
	kindN    kind = "N"
	kindB    kind = "B"
	kindBool kind = "BOOL"
	kindNull kind = "NULL"
	kindM    kind = "M"
	kindL    kind = "L"
	kindSS   kind = "SS"
	kindNS   kind = "NS"
	kindBS   kind = "BS"
)

// elements are the kinds of what is in a set.
var elements = map[kind]kind{kindSS: kindS, kindNS: kindN, kindBS: kindB}

// value is an attribute value. It is never changed: items, answers and the
// index's past share it.
type value struct {
	kind    kind
	text    string // S, and the bytes of B
	number  number
	flag    bool
	members item     // M
	list    []*value // L, and the elements of a set
}

// item is an item, a key, or the inside of a map.
type item map[string]*value

// UnmarshalJSON reads an item, in which no value may be null.
func (i *item) UnmarshalJSON(data []byte) error {
	members := map[string]*value{}
	if err := json.Unmarshal(data, &members); err != nil {
		return err
	}
	if slices.Contains(slices.Collect(maps.Values(members)), nil) {
		return errEmpty
	}
	*i = members
	return nil
}

var errEmpty = invalid("Supplied AttributeValue is empty, must contain exactly one of the supported datatypes")

// UnmarshalJSON reads a value and refuses one that DynamoDB would not store.
func (v *value) UnmarshalJSON(data []byte) error {
	var union map[kind]json.RawMessage
	if err := json.Unmarshal(data, &union); err != nil {
		return err
	}
	if len(union) == 0 {
		return errEmpty
	}
	if len(union) > 1 {
		return invalid("Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes")
	}
	for kind, raw := range union {
		v.kind = kind
		if bytes.Equal(raw, []byte("null")) {
			return failed("SerializationException", "AttributeValue %s is null", kind)
		}
		return v.read(raw)
	}
	return nil
}

func (v *value) read(raw []byte) error {
	switch v.kind {
	case kindS:
		return json.Unmarshal(raw, &v.text)
	case kindN:
		var text string
		if err := json.Unmarshal(raw, &text); err != nil {
			return err
		}
		return v.setNumber(text)
	case kindB:
		var data []byte
		err := json.Unmarshal(raw, &data)
		v.text = string(data)
		return err
	case kindBool:
		return json.Unmarshal(raw, &v.flag)
	case kindNull:
		if err := json.Unmarshal(raw, &v.flag); err != nil {
			return err
		}
		if !v.flag {
			return badParameter("Null attribute value types must have the value of true")
		}
		return nil
	case kindM:
		v.members = item{}
		return json.Unmarshal(raw, &v.members)
	case kindL:
		v.list = []*value{}
		if err := json.Unmarshal(raw, &v.list); err != nil {
			return err
		}
		if slices.Contains(v.list, nil) {
			return errEmpty
		}
		return nil
	case kindSS, kindNS, kindBS:
		return v.readSet(raw)
	}
	return failed("SerializationException", "Unrecognized data type %s", v.kind)
}

// setNumber keeps a nil *Error from becoming an error that is not nil.
func (v *value) setNumber(text string) error {
	n, err := parseNumber(text)
	if err != nil {
		return err
	}
	v.number = n
	return nil
}

func (v *value) readSet(raw []byte) error {
	var texts []json.RawMessage
	if err := json.Unmarshal(raw, &texts); err != nil {
		return err
	}
	if len(texts) == 0 {
		return badParameter("%s", map[kind]string{
			kindSS: "An string set  may not be empty", kindNS: "An number set  may not be empty", kindBS: "Binary sets should not be empty",
		}[v.kind])
	}
	for _, text := range texts {
		element := &value{kind: elements[v.kind]}
		if err := element.read(text); err != nil {
			return err
		}
		if v.contains(element) {
			if v.kind == kindNS {
				return invalid("Input collection contains duplicates")
			}
			var shown []string
			for _, text := range texts {
				var s string
				_ = json.Unmarshal(text, &s) // an element that could not be read is refused above
				shown = append(shown, s)
			}
			return badParameter("Input collection [%s] contains duplicates.", strings.Join(shown, ", "))
		}
		v.list = append(v.list, element)
	}
	return nil
}

// contains says whether the set or list has an element equal to e.
func (v *value) contains(e *value) bool { return slices.ContainsFunc(v.list, e.equal) }

// MarshalJSON writes the value as AttributeValue.
func (v *value) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[kind]any{v.kind: v.plain()})
}

func (v *value) plain() any {
	switch v.kind {
	case kindS:
		return v.text
	case kindN:
		return v.number.String()
	case kindB:
		return base64.StdEncoding.EncodeToString([]byte(v.text))
	case kindM:
		return v.members
	case kindL:
		return v.list
	case kindSS, kindNS, kindBS:
		list := make([]any, len(v.list))
		for i, element := range v.list {
			list[i] = element.plain()
		}
		return list
	}
	return v.flag
}

// shown is the value as messages have it: {S:abc}.
func (v *value) shown() string {
	if text, ok := v.plain().(string); ok {
		return "{" + string(v.kind) + ":" + text + "}"
	}
	data, _ := json.Marshal(v.plain()) // of our own types, which can be written
	return "{" + string(v.kind) + ":" + string(data) + "}"
}

func (v *value) equal(w *value) bool {
	if v.kind != w.kind || v.text != w.text || v.flag != w.flag || v.number != w.number || len(v.list) != len(w.list) {
		return false
	}
	switch v.kind {
	case kindM:
		return v.members.equal(w.members)
	case kindL:
		return slices.EqualFunc(v.list, w.list, (*value).equal)
	}
	// Sets have no order. Without duplicates and with equal lengths, one
	// direction is enough.
	return !slices.ContainsFunc(v.list, func(e *value) bool { return !w.contains(e) })
}

func (i item) equal(j item) bool { return maps.EqualFunc(i, j, (*value).equal) }

// compare orders two values of one kind: numbers by value, strings by the bytes
// of their UTF-8, binary by unsigned bytes. Values of other kinds, or of two,
// have no order.
func (v *value) compare(w *value) (order int, ordered bool) {
	if v.kind != w.kind {
		return 0, false
	}
	switch v.kind {
	case kindS, kindB:
		return cmp.Compare(v.text, w.text), true
	case kindN:
		return v.number.compare(w.number), true
	}
	return 0, false
}

// depth counts the maps and lists around the deepest value.
func (v *value) depth() int {
	deepest := 0
	for _, member := range v.members {
		deepest = max(deepest, member.depth())
	}
	for _, element := range v.list {
		deepest = max(deepest, element.depth())
	}
	if v.kind == kindM || v.kind == kindL {
		deepest++
	}
	return deepest
}

// size is what the value counts for the 400 KB of an item and for capacity:
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
func (v *value) size() int {
	switch v.kind {
	case kindS, kindB:
		return len(v.text)
	case kindN:
		return v.number.size()
	case kindBool, kindNull:
		return 1
	}
	size := v.members.size()
	for _, element := range v.list {
		size += element.size()
	}
	if v.kind == kindM || v.kind == kindL {
		size += 3 + len(v.members) + len(v.list)
	}
	return size
}

func (i item) size() int {
	size := 0
	for name, v := range i {
		size += len(name) + v.size()
	}
	return size
}
