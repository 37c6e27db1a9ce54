package awsjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"
)

// object keeps the order of a JSON object, so that problems are named in the
// order in which the author reads the document.
type object struct {
	names  []string
	values []any
}

func (d *decoder) document(data []byte, out any) {
	if !utf8.Valid(data) {
		d.bad("", "is not valid UTF-8")
		return
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	tree, err := d.parse(dec, "", 0)
	if err == nil {
		if _, err = dec.Token(); err == nil {
			err = errors.New("more text after the end of the JSON document")
		} else if errors.Is(err, io.EOF) {
			err = nil
		}
	}
	if err != nil {
		d.problems = []Problem{{"", "is not valid JSON: " + explain(err, data, dec.InputOffset())}}
		return
	}
	d.value("", tree, reflect.ValueOf(out).Elem())
}

func explain(err error, data []byte, offset int64) string {
	if len(bytes.TrimSpace(data)) == 0 {
		return "it is empty"
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return "it ends too early"
	}
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		offset = syntax.Offset
	}
	before := data[:min(int(offset), len(data))]
	line := 1 + bytes.Count(before, []byte("\n"))
	return fmt.Sprintf("line %d: %v", line, err)
}

func (d *decoder) parse(dec *json.Decoder, path string, depth int) (any, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("nested deeper than %d levels", maxDepth)
	}
	token, err := dec.Token()
	if err != nil {
		return nil, err
	}
	switch token {
	case json.Delim('{'):
		obj := object{}
		seen := map[string]bool{}
		for dec.More() {
			key, err := dec.Token()
			if err != nil {
				return nil, err
			}
			name := key.(string)
			value, err := d.parse(dec, member(path, name), depth+1)
			if err != nil {
				return nil, err
			}
			if seen[name] {
				d.bad(member(path, name), "given twice")
				continue
			}
			seen[name] = true
			obj.names = append(obj.names, name)
			obj.values = append(obj.values, value)
		}
		_, err := dec.Token()
		return obj, err
	case json.Delim('['):
		list := []any{}
		for dec.More() {
			value, err := d.parse(dec, element(path, len(list)), depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, value)
		}
		_, err := dec.Token()
		return list, err
	}
	return token, nil
}

// maxName is the longest name that is shown.
const maxName = 64

// Name is how a field's name is shown: as it is if it is a plain one, else as "…".
// What somebody took for a name may be a value, as in "PASSWORD=…".
func Name(name string) string {
	plain := name != "" && len(name) <= maxName && (name[0] < '0' || name[0] > '9') && !strings.ContainsFunc(name, func(r rune) bool {
		letter := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
		return !letter && r != '_' && r != '-'
	})
	if !plain {
		return "…"
	}
	return name
}

func member(path, name string) string {
	if path == "" {
		return Name(name)
	}
	return path + "." + Name(name)
}

func element(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

// untyped turns a parsed tree into the values that encoding/json uses.
func untyped(tree any) any {
	switch t := tree.(type) {
	case object:
		m := make(map[string]any, len(t.names))
		for i, name := range t.names {
			m[name] = untyped(t.values[i])
		}
		return m
	case []any:
		list := make([]any, len(t))
		for i, item := range t {
			list[i] = untyped(item)
		}
		return list
	}
	return tree
}
