package ledger_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"errand/pkg/ledger"
)

func TestDecodeWake(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		raw  string
		want ledger.Wake
		ok   bool
	}{
		{`{"errand":"launch","job":"bill","runId":"r1","attempt":1}`, ledger.Wake{Wake: "launch", Key: key}, true},
		{`{"errand":"abandon","job":"bill","runId":"r1","attempt":1}`, ledger.Wake{Wake: "abandon", Key: key}, true},
		{
			`{"errand":"missing","job":"bill","runId":"r1","attempt":1,"other":"0123"}`,
			ledger.Wake{Wake: "missing", Key: ledger.Key{Job: "bill", RunID: "r1", Attempt: 1, Other: "0123"}},
			true,
		},
		{`{"errand":"start","payload":{"job":"bill"},"by":"ann"}`, ledger.Wake{Wake: "start", Payload: json.RawMessage(`{"job":"bill"}`), By: "ann"}, true},
		{`{"errand":"start"}`, ledger.Wake{Wake: "start"}, false},
		{`{"errand":"launch","job":"bill","runId":"r1"}`, ledger.Wake{Wake: "launch", Key: ledger.Key{Job: "bill", RunID: "r1"}}, false},
		{`{"errand":"launch","job":"bill","attempt":1}`, ledger.Wake{Wake: "launch", Key: ledger.Key{Job: "bill", Attempt: 1}}, false},
		{`{"errand":"launch","job":"b#b","runId":"r1","attempt":1}`, ledger.Wake{Wake: "launch", Key: ledger.Key{Job: "b#b", RunID: "r1", Attempt: 1}}, false},
		{`{"errand":"dance","job":"bill","runId":"r1","attempt":1}`, ledger.Wake{}, false},
		{`{"job":"bill","command":["true"]}`, ledger.Wake{}, false},
		{`[]`, ledger.Wake{}, false},
		{``, ledger.Wake{}, false},
	} {
		got, ok := ledger.DecodeWake([]byte(c.raw))
		same(t, c.raw, []any{c.want, c.ok}, []any{got, ok})
	}
}

// What is read as a Wake is written as one that is read alike.
func FuzzDecodeWake(f *testing.F) {
	f.Add([]byte(`{"errand":"launch","job":"bill","runId":"r1","attempt":1,"other":"0123"}`))
	f.Add([]byte(`{"errand":"start","payload":{"job":"bill"},"by":"ann"}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		w, ok := ledger.DecodeWake(raw)
		if !ok {
			return
		}
		again, err := json.Marshal(w)
		if err != nil {
			t.Fatal(err)
		}
		got, ok := ledger.DecodeWake(again)
		compact := cmp.Transformer("JSON", func(r json.RawMessage) string {
			var v any
			_ = json.Unmarshal(r, &v)
			b, _ := json.Marshal(v)
			return string(b)
		})
		if diff := cmp.Diff(w, got, compact); diff != "" || !ok {
			t.Errorf("%v %s", ok, diff)
		}
	})
}

// fuzzed makes an item of JSON, as a release to come or a person might have.
func fuzzed(v any) types.AttributeValue {
	switch v := v.(type) {
	case json.Number:
		return &types.AttributeValueMemberN{Value: v.String()}
	case bool:
		return &types.AttributeValueMemberBOOL{Value: v}
	case string:
		return &types.AttributeValueMemberS{Value: v}
	case []any:
		list := &types.AttributeValueMemberL{}
		set := &types.AttributeValueMemberSS{}
		for _, e := range v {
			list.Value = append(list.Value, fuzzed(e))
			if s, ok := e.(string); ok {
				set.Value = append(set.Value, s)
			}
		}
		if len(set.Value) == len(v) && len(v) > 0 {
			return set
		}
		return list
	case map[string]any:
		m := map[string]types.AttributeValue{}
		for name, e := range v {
			m[name] = fuzzed(e)
		}
		return &types.AttributeValueMemberM{Value: m}
	}
	return &types.AttributeValueMemberNULL{Value: true}
}

// object reads a JSON object, with its numbers as they are.
func object(raw []byte) (map[string]types.AttributeValue, bool) {
	var m map[string]any
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	if decoder.Decode(&m) != nil {
		return nil, false
	}
	i := map[string]types.AttributeValue{}
	for name, v := range m {
		i[name] = fuzzed(v)
	}
	return i, true
}

// Any item at all can be looked at: it is an attempt, whose key leads back to it, or
// Undecodable.
func FuzzDecode(f *testing.F) {
	for _, i := range []M{fresh, dueItem, launchedI, abandonedI, reported, later} {
		seed, err := json.Marshal(i)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(seed)
	}
	f.Add([]byte(`{"pk":"run#a#b","sk":"a#01","state":"DUE","due":1e400,"told":[],"verdict":{"exitCode":"x","ended":{}},"launchUntil":-1.5}`))
	f.Add([]byte(`{"pk":"run##","sk":"x#","v":"1","state":"DUE"}`))
	f.Add([]byte(`{"pk":"run#a#b","sk":"a#1","state":"DUE"}`))
	f.Add([]byte(`{"pk":"job#a","sk":"job","marks":[1,{"at":true}],"lastAt":"soon"}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, ok := object(raw)
		if !ok {
			return
		}
		a, err := ledger.Decode(m)
		ledger.DecodeJob(m)
		if err != nil {
			return
		}
		again, err := ledger.Decode(m)
		if diff := cmp.Diff(a, again, cmpopts.EquateNaNs()); diff != "" || err != nil {
			t.Error(diff, err)
		}
		if pk, sk := ledger.KeyAttributes(a.Key); pk != plain(m["pk"]) || sk != plain(m["sk"]) {
			t.Errorf("%v has the key %s %s", a.Key, pk, sk)
		}
	})
}
