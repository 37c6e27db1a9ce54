package payload_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode"

	"errand/pkg/payload"
)

// Every field, at any depth, says its right form by an example when it has a wrong
// type, and the example is taken where it stands.
func TestForms(t *testing.T) {
	t.Parallel()
	seen := 0
	check := func(decode func([]byte) error) func(path []string) {
		return func(path []string) {
			seen++
			// No field takes this.
			wrong := `{"": [{"hunter2": 4711}]}`
			if last := path[len(path)-1]; strings.HasSuffix(last, "{}") {
				wrong = `4711`
			}
			err := decode([]byte(document(path, wrong)))
			invalid, ok := errors.AsType[payload.Invalid](err)
			if !ok || !strings.Contains(invalid[0], ", as in ") || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "4711") {
				t.Errorf("%s: %v", strings.Join(path, "."), err)
				return
			}
			_, example, _ := strings.Cut(invalid[0], ", as in ")
			if !json.Valid([]byte(example)) {
				t.Errorf("%s: the example %s is no JSON", strings.Join(path, "."), example)
			}
			err = decode([]byte(document(path, example)))
			for _, problem := range asInvalid(err) {
				if path[len(path)-1] != "executionRoleArn" && strings.HasPrefix(problem, strings.SplitN(invalid[0], ":", 2)[0]+": must be") {
					t.Errorf("%s: the example %s is refused: %v", strings.Join(path, "."), example, err)
				}
			}
		}
	}
	walk(reflect.TypeFor[payload.Job](), nil, check(func(raw []byte) error { _, _, err := payload.Decode(raw); return err }))
	walk(reflect.TypeFor[payload.Exec](), nil, check(func(raw []byte) error { _, _, err := payload.DecodeExec(raw); return err }))
	if seen < 90 {
		t.Errorf("only %d fields were tried", seen)
	}
}

func asInvalid(err error) payload.Invalid {
	invalid, _ := errors.AsType[payload.Invalid](err)
	return invalid
}

// document has a value at a path, whose names end with [] for what is in an array and
// with {} for an object.
func document(path []string, value string) string {
	for i := len(path) - 1; i >= 0; i-- {
		name, object := strings.CutSuffix(path[i], "{}")
		name, list := strings.CutSuffix(name, "[]")
		_ = object
		if list && i < len(path)-1 {
			value = "[" + value + "]"
		}
		value = `{"` + name + `": ` + value + `}`
	}
	return value
}

// walk visits the path of every field.
func walk(t reflect.Type, path []string, visit func([]string)) {
	for i := range t.NumField() {
		f := t.Field(i)
		if !f.IsExported() {
			continue
		}
		name := f.Tag.Get("json")
		if name == "" {
			name = string(unicode.ToLower(rune(f.Name[0]))) + f.Name[1:]
		}
		inner := f.Type
		if inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		list := inner.Kind() == reflect.Slice
		if list {
			name += "[]"
			inner = inner.Elem()
		}
		if inner.Kind() == reflect.Interface { // one of several types, which is refused
			continue
		}
		object := inner.Kind() == reflect.Struct && inner != reflect.TypeFor[time.Time]()
		if object && !list || inner.Kind() == reflect.Map {
			name += "{}"
		}
		at := append(append([]string{}, path...), name)
		visit(at)
		if object {
			walk(inner, at, visit)
		}
	}
}
