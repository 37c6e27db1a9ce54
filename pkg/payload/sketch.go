package payload

import (
	"bytes"
	"encoding/json"
	"iter"
)

// fields are those of a JSON object, as they are written and in their order; none if
// it is no object. Nothing else is read, nor copied: it costs little for whatever was
// sent, which may be 6 MB. What is no JSON may have fields too.
func fields(raw []byte) iter.Seq2[string, json.RawMessage] {
	return func(yield func(string, json.RawMessage) bool) {
		for at := inside(raw, '{'); at >= 0; {
			end := after(raw, at)
			var name string
			if end < 0 || json.Unmarshal(raw[at:end], &name) != nil {
				return
			}
			at = solid(raw, end)
			if at < 0 || raw[at] != ':' {
				return
			}
			at = solid(raw, at+1)
			if end = after(raw, at); end < 0 || !yield(name, raw[at:end]) {
				return
			}
			at = following(raw, end)
		}
	}
}

// elements are those of a JSON array, likewise.
func elements(raw []byte) iter.Seq[json.RawMessage] {
	return func(yield func(json.RawMessage) bool) {
		for at := inside(raw, '['); at >= 0; {
			end := after(raw, at)
			if end < 0 || !yield(raw[at:end]) {
				return
			}
			at = following(raw, end)
		}
	}
}

// solid is where the white space from at on ends; -1 where everything does.
func solid(raw []byte, at int) int {
	for ; at < len(raw); at++ {
		switch raw[at] {
		case ' ', '\t', '\r', '\n':
		default:
			return at
		}
	}
	return -1
}

// inside is the beginning of the first value after an opening bracket.
func inside(raw []byte, bracket byte) int {
	at := solid(raw, 0)
	if at < 0 || raw[at] != bracket {
		return -1
	}
	return solid(raw, at+1)
}

// following is the beginning of the value after the comma at the end of another one.
func following(raw []byte, end int) int {
	at := solid(raw, end)
	if at < 0 || raw[at] != ',' {
		return -1
	}
	return solid(raw, at+1)
}

// after is the end of the value that begins at a place; -1 if there is none.
func after(raw []byte, at int) int {
	if at < 0 {
		return -1
	}
	depth, start := 0, at
	for ; at < len(raw); at++ {
		switch raw[at] {
		case '"':
			if at = quoteEnd(raw, at); at < 0 {
				return -1
			}
			if depth == 0 {
				return at + 1
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return at + 1
			}
			if depth < 0 { // it closes what the value is in
				return ended(start, at)
			}
		case ',', ' ', '\t', '\r', '\n':
			if depth == 0 {
				return ended(start, at)
			}
		}
	}
	if depth > 0 {
		return -1
	}
	return ended(start, at)
}

func ended(start, at int) int {
	if start == at {
		return -1
	}
	return at
}

// quoteEnd is the quote that ends the string that begins at a place.
func quoteEnd(raw []byte, at int) int {
	for at++; at < len(raw); at++ {
		switch raw[at] {
		case '"':
			return at
		case '\\':
			at++ // what is escaped
		}
	}
	return -1
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
		seen := 0
		for name, value := range fields(raw) {
			if _, twice := object[name]; !twice {
				object[name] = sketch(value, depth-1)
			}
			if seen++; seen == maxFields {
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
