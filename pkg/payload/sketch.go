package payload

import (
	"bytes"
	"encoding/json"
	"iter"
)

// fields are those of a JSON object, as they are written and in their order; none if
// it is no object. Nothing else is read: it costs little for whatever was sent.
func fields(raw []byte) iter.Seq2[string, json.RawMessage] {
	return func(yield func(string, json.RawMessage) bool) {
		dec := json.NewDecoder(bytes.NewReader(raw))
		if open, err := dec.Token(); err != nil || open != json.Delim('{') {
			return
		}
		for dec.More() {
			name, err := dec.Token()
			if err != nil {
				return
			}
			var value json.RawMessage
			if dec.Decode(&value) != nil || !yield(name.(string), value) {
				return
			}
		}
	}
}

// elements are those of a JSON array, likewise.
func elements(raw []byte) iter.Seq[json.RawMessage] {
	return func(yield func(json.RawMessage) bool) {
		dec := json.NewDecoder(bytes.NewReader(raw))
		if open, err := dec.Token(); err != nil || open != json.Delim('[') {
			return
		}
		for dec.More() {
			var value json.RawMessage
			if dec.Decode(&value) != nil || !yield(value) {
				return
			}
		}
	}
}

// field is a field of a JSON object as it is written; nil if it has none of the name.
func field(raw []byte, name string) json.RawMessage {
	for n, value := range fields(raw) {
		if n == name {
			return value
		}
	}
	return nil
}

// maxFields is how many fields of an object are looked at.
const maxFields = 200

// sketch is what a document looks like, down to a depth: of an object the first
// fields, of an array the first element, of texts the short ones, else nil.
func sketch(raw []byte, depth int) any {
	raw = bytes.TrimLeft(raw, " \t\r\n")
	switch {
	case len(raw) == 0 || depth == 0:
	case raw[0] == '{':
		object := map[string]any{}
		for name, value := range fields(raw) {
			if _, twice := object[name]; !twice {
				object[name] = sketch(value, depth-1)
			}
			if len(object) == maxFields {
				break
			}
		}
		return object
	case raw[0] == '[':
		for value := range elements(raw) {
			return []any{sketch(value, depth-1)}
		}
		return []any{}
	case raw[0] == '"' && len(raw) <= 1<<10:
		var text string
		_ = json.Unmarshal(raw, &text) // what is no text is none
		return text
	case raw[0] != '"':
		return raw[0] // a number, true, false or null
	}
	return nil
}
