package payload

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"errand/pkg/awsjson"
)

// shown are the fields whose values an outline has: names, by which people find out
// whose payload it was.
var shown = []string{"job", "runId", "schedule", "scheduledTime", "service", "taskDefinition", "cluster", "container"}

// Outline is what may be shown of a payload that is refused, and who sent it: its
// fields at every level, with "…" for their values, since variables and commands hold
// secrets, also under a misspelt name. Names that are no plain ones may be values,
// and are "…" too. It is nil of what is no JSON object, and has at most 4 KiB.
func Outline(raw []byte) (Source, json.RawMessage) {
	w := unwrap(raw)
	o := outline{dec: json.NewDecoder(bytes.NewReader(w.payload)), values: w.problem == ""}
	if parts := Batch(raw); len(parts) > 1 {
		o = outline{dec: json.NewDecoder(bytes.NewReader(raw))}
	}
	if !o.element(0, "") || o.text.Len() == 0 || o.text.Bytes()[0] == '"' {
		return w.source, nil
	}
	return w.source, o.text.Bytes()
}

// The bounds of an outline: its bytes, those that are kept back to close what is
// open, the tokens that are read for it, and its depth.
const (
	maxOutline  = 4 << 10
	closingRoom = 1 << 10
	maxTokens   = 20_000
	maxNesting  = 16
)

type outline struct {
	dec    *json.Decoder
	text   bytes.Buffer
	tokens int
	values bool // it is a payload, whose names are shown
	cut    bool // no more is read
}

func (o *outline) token() (json.Token, bool) {
	o.tokens++
	o.cut = o.cut || o.tokens > maxTokens || o.text.Len() > maxOutline-closingRoom
	if o.cut {
		return nil, false
	}
	token, err := o.dec.Token()
	return token, err == nil
}

// element writes the next element, which is that of a field's name at the top level.
// It is false of what is no JSON.
func (o *outline) element(depth int, name string) bool {
	token, ok := o.token()
	if !ok {
		o.text.WriteString(`"…"`)
		return o.cut
	}
	switch token {
	case json.Delim('{'):
		return o.object(depth)
	case json.Delim('['):
		return o.array(depth)
	}
	if value, ok := token.(string); ok && o.values && depth == 1 && slices.Contains(shown, name) && printable(value) {
		o.text.Write(quote(value))
	} else {
		o.text.WriteString(`"…"`)
	}
	return true
}

func (o *outline) object(depth int) bool {
	o.text.WriteByte('{')
	written := map[string]bool{}
	for o.dec.More() && !o.cut {
		key, ok := o.token()
		if !ok {
			break
		}
		name, from := awsjson.Name(key.(string)), o.text.Len()
		if len(written) > 0 {
			o.text.WriteByte(',')
		}
		o.text.Write(quote(name))
		o.text.WriteByte(':')
		if !o.inner(depth, name) {
			return false
		}
		if written[name] { // once is enough
			o.text.Truncate(from)
		}
		written[name] = true
	}
	return o.closing('}')
}

func (o *outline) array(depth int) bool {
	o.text.WriteByte('[')
	var last []byte
	for o.dec.More() && !o.cut {
		from := o.text.Len()
		if last != nil {
			o.text.WriteByte(',')
		}
		at := o.text.Len()
		if !o.inner(depth, "") {
			return false
		}
		if element := o.text.Bytes()[at:]; last != nil && bytes.Equal(element, last) {
			o.text.Truncate(from) // as the one before
		} else {
			last = bytes.Clone(element)
		}
	}
	return o.closing(']')
}

// closing reads and writes the end of what is open.
func (o *outline) closing(bracket byte) bool {
	o.text.WriteByte(bracket)
	if o.cut {
		return true
	}
	_, err := o.dec.Token()
	return err == nil
}

// inner writes an element one level deeper; too deep, its value alone is left out.
func (o *outline) inner(depth int, name string) bool {
	if depth+1 < maxNesting {
		return o.element(depth+1, name)
	}
	var rest json.RawMessage
	o.text.WriteString(`"…"`)
	return o.dec.Decode(&rest) == nil
}

// printable says whether a name is shown.
func printable(name string) bool {
	return len(name) <= 256 && !strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r > '~' })
}

// quote is a JSON string, without escapes for HTML.
func quote(text string) []byte {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(text) // strings cannot fail
	return bytes.TrimSuffix(out.Bytes(), []byte("\n"))
}
