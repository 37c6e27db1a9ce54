// Package awsjson converts between JSON as AWS writes it (camelCase member
// names) and the Go SDK's own types, so that a payload takes every field of
// ECS RunTask word for word and the embedded endpoint speaks AWS JSON 1.1
// without a second set of types.
package awsjson

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Problem is one thing that is wrong with a JSON document.
type Problem struct {
	// Path leads to the value, as in overrides.containerOverrides[0].name. It
	// is empty when the document as a whole is meant.
	Path string
	Text string
}

func (p Problem) String() string {
	if p.Path == "" {
		return "the payload " + p.Text
	}
	return p.Path + ": " + p.Text
}

// maxDepth bounds the nesting of a document. The deepest RunTask field has
// seven levels.
const maxDepth = 64

// maxProblems is how many problems have a text. Nobody reads more, and to word
// thousands of them takes time.
const maxProblems = 100

// Advice is what the author of a document is told of what is wrong with it. Each of
// its functions may be nil, and returns "" where it knows nothing better.
type Advice struct {
	// Form is the right form of the value at a path, as in "a string, as in …".
	Form func(path string) string
	// Unknown says what is wrong with a field that the object at a path does not
	// have; known are those that it has.
	Unknown func(path, name string, known []string) string
	// Value says what is wrong with a text that has the right type.
	Value func(path, value string) string
}

// Decode reads data into the struct that out points to and returns everything
// that is wrong with it: unknown fields, wrong types, values that an enum does
// not have, fields given twice. What is right is decoded all the same. No problem
// quotes a value, which may be a secret, nor a name that is no plain one: Name
// says which are. The problems beyond the first hundred have no text.
func Decode(data []byte, out any, advice Advice) []Problem {
	d := decoder{strict: true, advice: advice}
	d.document(data, out)
	return d.problems
}

// DecodeLenient is Decode without complaints about unknown fields and enum
// values, as an AWS service reads a request.
func DecodeLenient(data []byte, out any) []Problem {
	var d decoder
	d.document(data, out)
	return d.problems
}

type decoder struct {
	strict   bool
	advice   Advice
	problems []Problem
}

func (d *decoder) bad(path, format string, args ...any) {
	if d.full() {
		d.problems = append(d.problems, Problem{Path: path})
		return
	}
	d.problems = append(d.problems, Problem{path, fmt.Sprintf(format, args...)})
}

func (d *decoder) full() bool { return len(d.problems) >= maxProblems }

var timeType = reflect.TypeFor[time.Time]()

// value decodes tree into v, or says why it does not fit.
func (d *decoder) value(path string, tree any, v reflect.Value) {
	if tree == nil {
		// A field that is null says nothing, and in a payload it is mostly a
		// variable that somebody expected to be set.
		if d.strict && path == "" {
			d.bad("", "is null")
		} else if d.strict {
			d.bad(path, "is null; leave the field out instead")
		}
		return
	}
	if v.Type() == timeType {
		d.time(path, tree, v)
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.value(path, tree, v.Elem())
	case reflect.Interface:
		if v.NumMethod() > 0 { // one of several types of the SDK's, which JSON does not name
			d.bad(path, "is not supported; leave it out")
			return
		}
		v.Set(reflect.ValueOf(untyped(tree)))
	case reflect.Struct:
		d.structure(path, tree, v)
	case reflect.Map:
		d.dictionary(path, tree, v)
	case reflect.Slice:
		d.list(path, tree, v)
	case reflect.String:
		d.text(path, tree, v)
	case reflect.Bool:
		if b, ok := tree.(bool); ok {
			v.SetBool(b)
		} else {
			d.mismatch(path, "true or false")
		}
	case reflect.Int, reflect.Int32, reflect.Int64:
		d.integer(path, tree, v)
	case reflect.Float64:
		d.float(path, tree, v)
	default:
		d.bad(path, "is not supported")
	}
}

func (d *decoder) dictionary(path string, tree any, v reflect.Value) {
	obj, ok := tree.(object)
	if !ok {
		d.mismatch(path, "an object")
		return
	}
	v.Set(reflect.MakeMapWithSize(v.Type(), len(obj.names)))
	for i, name := range obj.names {
		item := reflect.New(v.Type().Elem()).Elem()
		d.value(member(path, name), obj.values[i], item)
		v.SetMapIndex(reflect.ValueOf(name).Convert(v.Type().Key()), item)
	}
}

func (d *decoder) list(path string, tree any, v reflect.Value) {
	list, ok := tree.([]any)
	if !ok {
		d.mismatch(path, "an array")
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(list), len(list)))
	for i, item := range list {
		d.value(element(path, i), item, v.Index(i))
	}
}

func (d *decoder) text(path string, tree any, v reflect.Value) {
	text, ok := tree.(string)
	if !ok {
		d.mismatch(path, "a string")
		return
	}
	if d.wrong(path, text) {
		return
	}
	if known := enum(v); d.strict && text != "" && known != nil && !slices.Contains(known, text) {
		d.bad(path, "must be one of %s", strings.Join(known, ", "))
		return
	}
	v.SetString(text)
}

// wrong says whether a text is none that may stand at the path.
func (d *decoder) wrong(path, text string) bool {
	if d.advice.Value == nil {
		return false
	}
	why := d.advice.Value(path, text)
	if why != "" {
		d.bad(path, "%s", why)
	}
	return why != ""
}

func (d *decoder) integer(path string, tree any, v reflect.Value) {
	number, ok := tree.(json.Number)
	if !ok {
		d.mismatch(path, "an integer")
		return
	}
	n, err := strconv.ParseInt(number.String(), 10, v.Type().Bits())
	if err != nil {
		d.mismatch(path, fmt.Sprintf("an integer of %d bits", v.Type().Bits()))
		return
	}
	v.SetInt(n)
}

func (d *decoder) float(path string, tree any, v reflect.Value) {
	number, ok := tree.(json.Number)
	if !ok {
		d.mismatch(path, "a number")
		return
	}
	f, err := number.Float64()
	if err != nil {
		d.bad(path, "is not a number in range")
		return
	}
	v.SetFloat(f)
}

func (d *decoder) structure(path string, tree any, v reflect.Value) {
	obj, ok := tree.(object)
	if !ok {
		d.mismatch(path, "an object")
		return
	}
	for i, name := range obj.names {
		field := fieldNamed(v, name)
		if field.IsValid() {
			d.value(member(path, name), obj.values[i], field)
			if d.strict {
				d.empty(member(path, name), name, obj.values[i])
			}
			continue
		}
		if d.strict {
			d.unknown(path, name, v.Type())
		}
	}
}

// empty refuses empty strings, which mostly are variables that somebody expected
// to be set. The values of variables and tags and the words of a command may be
// empty.
func (d *decoder) empty(path, name string, tree any) {
	switch t := tree.(type) {
	case string:
		if t == "" && name != "value" {
			d.bad(path, "is empty; leave the field out instead")
		}
	case []any:
		for i, item := range t {
			if item == "" && name != "command" {
				d.bad(element(path, i), "is empty")
			}
		}
	}
}

func (d *decoder) unknown(path, name string, t reflect.Type) {
	text := ""
	if d.advice.Unknown != nil && !d.full() {
		text = d.advice.Unknown(path, name, names(t))
	}
	if text == "" {
		text = "unknown field"
	}
	d.bad(member(path, name), "%s", text)
}

// time reads RFC 3339 in our payloads, and epoch seconds as well in requests
// to the embedded endpoint.
func (d *decoder) time(path string, tree any, v reflect.Value) {
	const want = "an RFC 3339 time"
	switch t := tree.(type) {
	case string:
		if d.wrong(path, t) {
			return
		}
		at, err := time.Parse(time.RFC3339Nano, t)
		if err != nil {
			d.mismatch(path, want)
			return
		}
		v.Set(reflect.ValueOf(at))
	case json.Number:
		seconds, err := t.Float64()
		if d.strict || err != nil {
			d.mismatch(path, want)
			return
		}
		whole, fraction := math.Modf(seconds)
		v.Set(reflect.ValueOf(time.Unix(int64(whole), int64(fraction*1e9)).UTC()))
	default:
		d.mismatch(path, want)
	}
}

// mismatch tells of a value that is not what is wanted at the path.
func (d *decoder) mismatch(path, want string) {
	if d.advice.Form != nil && !d.full() {
		if form := d.advice.Form(path); form != "" {
			want = form
		}
	}
	d.bad(path, "must be %s", want)
}

// enum returns the values that an SDK enum type knows.
func enum(v reflect.Value) []string {
	values := v.MethodByName("Values")
	if !values.IsValid() {
		return nil
	}
	list := values.Call(nil)[0]
	known := make([]string, list.Len())
	for i := range known {
		known[i] = list.Index(i).String()
	}
	return known
}

// wireName is the member's name in JSON: ECS and Logs write the SDK's field
// names with a small first letter. A json tag says otherwise.
func wireName(f reflect.StructField) string {
	if !f.IsExported() || f.Name == "ResultMetadata" {
		return ""
	}
	if name := f.Tag.Get("json"); name != "" {
		return name
	}
	first, size := utf8.DecodeRuneInString(f.Name)
	return string(unicode.ToLower(first)) + f.Name[size:]
}

func fieldNamed(v reflect.Value, name string) reflect.Value {
	for i := range v.NumField() {
		if wireName(v.Type().Field(i)) == name {
			return v.Field(i)
		}
	}
	return reflect.Value{}
}

func names(t reflect.Type) []string {
	var list []string
	for i := range t.NumField() {
		if name := wireName(t.Field(i)); name != "" {
			list = append(list, name)
		}
	}
	return list
}
