package awsjson

import (
	"bytes"
	"encoding/json"
	"reflect"
	"time"
)

// Encode writes an SDK value as compact JSON, leaving out what is not set:
// nil pointers, nil lists and empty strings. Times are epoch seconds, as in
// AWS JSON 1.1 answers.
func Encode(v any) ([]byte, error) {
	return encode(v, func(t time.Time) any { return json.Number(epoch(t)) })
}

// EncodeEvent is Encode with the ISO 8601 times of EventBridge events, which
// have milliseconds.
func EncodeEvent(v any) ([]byte, error) {
	return encode(v, func(t time.Time) any { return t.UTC().Format("2006-01-02T15:04:05.999Z07:00") })
}

func encode(v any, stamp func(time.Time) any) ([]byte, error) {
	tree, _ := encoder{stamp}.value(reflect.ValueOf(v))
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(tree); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

func epoch(t time.Time) string {
	text, _ := json.Marshal(float64(t.UnixMilli()) / 1e3)
	return string(text)
}

type encoder struct {
	stamp func(time.Time) any
}

// value returns the tree to marshal, and false for a value that is not set.
func (e encoder) value(v reflect.Value) (any, bool) {
	if !v.IsValid() {
		return nil, false
	}
	if v.Type() == timeType {
		t := v.Interface().(time.Time)
		return e.stamp(t), !t.IsZero()
	}
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return nil, false
		}
		if v.Elem().Kind() == reflect.String {
			return v.Elem().String(), true
		}
		return e.value(v.Elem())
	case reflect.Interface:
		if v.IsNil() {
			return nil, false
		}
		return e.value(v.Elem())
	case reflect.Struct:
		members := make(map[string]any, v.NumField())
		for i := range v.NumField() {
			name := wireName(v.Type().Field(i))
			if name == "" {
				continue
			}
			if item, ok := e.value(v.Field(i)); ok {
				members[name] = item
			}
		}
		return members, true
	case reflect.Map:
		if v.IsNil() {
			return nil, false
		}
		members := make(map[string]any, v.Len())
		for entries := v.MapRange(); entries.Next(); {
			item, _ := e.value(entries.Value())
			members[entries.Key().String()] = item
		}
		return members, true
	case reflect.Slice:
		if v.IsNil() {
			return nil, false
		}
		list := make([]any, v.Len())
		for i := range list {
			item := v.Index(i)
			if item.Kind() == reflect.String {
				list[i] = item.String()
				continue
			}
			list[i], _ = e.value(item)
		}
		return list, true
	case reflect.String:
		return v.String(), v.Len() > 0
	}
	return v.Interface(), true
}
