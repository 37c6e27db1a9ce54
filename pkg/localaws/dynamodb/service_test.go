package dynamodb

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	"errand/pkg/localaws/host"
)

// TestConcurrentIncrements has each of 100 writers add one to what it has read,
// until nobody was faster. No increment may be lost, and none made twice.
func TestConcurrentIncrements(t *testing.T) {
	const writers = 100
	_, client := embedded(t)
	c := newTable(t, client, ledgerTable(""))
	c.put(attempt(M{"n": N("0")}))
	var all sync.WaitGroup
	for range writers {
		all.Go(func() {
			n := "0"
			for {
				got := c.update(runKey, "SET #n = #n + :one", M{":one": N("1"), ":n": N(n)}, func(in *sdk.UpdateItemInput) {
					in.ConditionExpression = aws.String("#n = :n")
					in.ReturnValuesOnConditionCheckFailure = types.ReturnValuesOnConditionCheckFailureAllOld
				})
				r, ok := got.(refusal)
				if !ok {
					return
				}
				if r.Code != conditionFailed.Code {
					t.Error(r)
					return
				}
				n = string(r.Item["n"].(N))
			}
		})
	}
	all.Wait()
	if diff := cmp.Diff(any(attempt(M{"n": N(strconv.Itoa(writers))})), c.get(runKey)); diff != "" {
		t.Error(diff)
	}
}

func TestLagIndexes(t *testing.T) {
	s, client := embedded(t)
	c := newTable(t, client, ledgerTable(""))
	open := func() string {
		var out []string
		for _, i := range c.query("#open = :o", M{":o": "0"}, onIndex("open")).(found).Items {
			out = append(out, fmt.Sprint(i["pk"], i["due"]))
		}
		return strings.Join(out, " ")
	}
	put := func(pk, due string) { c.put(M{"pk": pk, "sk": "x", "open": "0", "due": N(due)}) }
	s.LagIndexes(2)
	for _, step := range []struct {
		do   func()
		want string
	}{
		{func() { put("a", "1") }, ""},
		{func() { put("b", "2") }, ""},
		{func() { put("a", "3") }, "a1"},
		{func() { c.delete(M{"pk": "b", "sk": "x"}) }, "a1 b2"},
		{func() { c.put(M{"pk": "c", "sk": "x"}) }, "b2 a3"},
		{func() {
			c.put(M{"pk": "c", "sk": "x"}, func(in *sdk.PutItemInput) { in.ConditionExpression = aws.String("#x = #y") })
		}, "b2 a3"}, // fails, so it is no write
		{func() { s.LagIndexes(1) }, "a3"},
		{func() { put("d", "0") }, "a3"},
		{func() { s.LagIndexes(0) }, "d0 a3"},
	} {
		if step.do(); open() != step.want {
			t.Errorf("got %q, want %q", open(), step.want)
		}
	}
	if diff := cmp.Diff(any(M{"pk": "a", "sk": "x", "open": "0", "due": N("3")}), c.get(M{"pk": "a", "sk": "x"})); diff != "" {
		t.Error(diff)
	}
}

func TestExpireItems(t *testing.T) {
	s, client := embedded(t)
	c := newTable(t, client, ledgerTable(""))
	now := time.Date(2026, 11, 25, 6, 0, 0, 0, time.UTC)
	for name, v := range map[string]any{
		"past": int(now.Unix()) - 1, "now": int(now.Unix()), "later": int(now.Unix()) + 1, "text": "1", "ages ago": int(now.AddDate(-5, 0, 0).Unix()) - 1, "none": nil,
	} {
		c.put(M{"pk": "a", "sk": name, "open": "0", "due": N("1"), "expires": v})
	}
	if n := s.ExpireItems(now); n != 0 {
		t.Errorf("%d items expired without a time to live", n)
	}
	if _, err := client.UpdateTimeToLive(t.Context(), &sdk.UpdateTimeToLiveInput{
		TableName: &c.table, TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: aws.String("expires"), Enabled: aws.Bool(true)},
	}); err != nil {
		t.Fatal(err)
	}
	if n := s.ExpireItems(now); n != 2 {
		t.Errorf("%d items expired, want 2", n)
	}
	want := found{Items: []M{{"sk": "ages ago"}, {"sk": "later"}, {"sk": "none"}, {"sk": "text"}}}
	if diff := cmp.Diff(any(want), c.query("#pk = :p", M{":p": "a"}, project("#sk"))); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(any(want), c.query("#open = :o", M{":o": "0"}, onIndex("open"), project("#sk"))); diff != "" {
		t.Errorf("index: %s", diff)
	}
}

func TestUnprocessedKeys(t *testing.T) {
	s, client := embedded(t)
	c := newTable(t, client, ledgerTable(""))
	for _, i := range rowsOf("a", "b", "c") {
		c.put(i)
	}
	s.LimitBatches(2)
	rest := map[string]types.KeysAndAttributes{c.table: {
		ConsistentRead: aws.Bool(true), ProjectionExpression: aws.String("#sk"), ExpressionAttributeNames: map[string]string{"#sk": "sk"},
		Keys: []map[string]types.AttributeValue{attributes(rowsOf("c")[0])},
	}}
	want := L{[]M{{"sk": "a"}, {"sk": "b"}}, rest}
	got := batch(c, aws.String("#sk"), rowsOf("a", "b", "c")...)
	if diff := cmp.Diff(any(want), got, cmp.Exporter(func(reflect.Type) bool { return true })); diff != "" {
		t.Error(diff)
	}
	s.LimitBatches(0)
	if diff := cmp.Diff(any(rowsOf("a", "b", "c")), batch(c, nil, rowsOf("a", "b", "c")...)); diff != "" {
		t.Error(diff)
	}
}

// TestUnprocessedBySize needs more than 16 MB, which are not sent.
func TestUnprocessedBySize(t *testing.T) {
	s, client := embedded(t)
	c := newTable(t, client, ledgerTable(""))
	text := func(text string) *value { return &value{kind: kindS, text: text} }
	large := text(strings.Repeat("x", 399<<10))
	var all []M
	for i := range 45 {
		all = append(all, M{"pk": "a", "sk": fmt.Sprint(i)})
		s.tables[c.table].write(change{nil, item{"pk": text("a"), "sk": text(fmt.Sprint(i)), "c": large}}, 0)
	}
	got, ok := batch(c, aws.String("#sk"), all...).(L)
	if !ok || len(got[0].([]M)) != 41 || len(got[1].(map[string]types.KeysAndAttributes)[c.table].Keys) != 4 {
		t.Errorf("got %.300v, want 41 items and 4 keys", got)
	}
}

// TestRefusals are of what DynamoDB serves and this package does not.
func TestRefusals(t *testing.T) {
	operations := New(host.New("eu-west-1", "123456789012", "", nil)).Operations()
	for _, row := range []struct{ op, body, want string }{
		{"PutItem", `{"TableName":"t","Item":{},"Expected":{}}`, `ValidationException: the embedded endpoint does not serve the member "Expected"`},
		{"Query", `{"TableName":"t","KeyConditions":{}}`, `ValidationException: the embedded endpoint does not serve the member "KeyConditions"`},
		{"CreateTable", `{"TableName":"tab","AttributeDefinitions":[],"KeySchema":[]}`, "ValidationException: the embedded endpoint does not serve tables with another BillingMode than PAY_PER_REQUEST"},
		{"CreateTable", `{"TableName":"tab","StreamSpecification":{}}`, `ValidationException: the embedded endpoint does not serve the member "StreamSpecification"`},
		{"UpdateItem", `{"TableName":"t","Key":{},"UpdateExpression":"ADD a.b :v","ExpressionAttributeValues":{":v":{"N":"1"}}}`, "ValidationException: the embedded endpoint does not serve ADD for the path [a, b]: it is for top-level attributes"},
		{"GetItem", `{`, "SerializationException: unexpected EOF"},
		{"GetItem", `{"TableName":1}`, "SerializationException: json: cannot unmarshal number into Go struct field getItemInput.tableNamed.TableName of type string"},
		{"GetItem", `{"TableName":"t","Key":{"pk":null}}`, "ValidationException: Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"},
		{"GetItem", `{"TableName":"t","Key":{"pk":{"L":[null]}}}`, "ValidationException: Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"},
		{"GetItem", `{"TableName":"t","Key":{"pk":{}}}`, "ValidationException: Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"},
		{"GetItem", `{"TableName":"t","Key":{"pk":{"S":"a","N":"1"}}}`, "ValidationException: Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes"},
		{"GetItem", `{"TableName":"t","Key":{"pk":{"X":"a"}}}`, "SerializationException: Unrecognized data type X"},
		{"GetItem", `{"TableName":"t","Key":{"pk":{"S":null}}}`, "SerializationException: AttributeValue S is null"},
		{"GetItem", `{"TableName":"t","Key":{"pk":{"NULL":false}}}`, "ValidationException: One or more parameter values were invalid: Null attribute value types must have the value of true"},
		{"GetItem", `{}`, "ValidationException: 1 validation error detected: Value null at 'tableName' failed to satisfy constraint: Member must not be null"},
		{"GetItem", `{"TableName":"t"}`, "ValidationException: 1 validation error detected: Value null at 'key' failed to satisfy constraint: Member must not be null"},
		{"PutItem", `{"TableName":"a b","Item":{}}`, "ValidationException: 1 validation error detected: Value 'a b' at 'tableName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+"},
		{"PutItem", `{"TableName":"t","Item":{},"ReturnValues":"X","ReturnConsumedCapacity":"Y"}`, "ValidationException: 2 validation errors detected: Value 'X' at 'returnValues' failed to satisfy constraint: Member must satisfy enum value set: [ALL_NEW, UPDATED_OLD, ALL_OLD, NONE, UPDATED_NEW]; " +
			"Value 'Y' at 'returnConsumedCapacity' failed to satisfy constraint: Member must satisfy enum value set: [INDEXES, TOTAL, NONE]"},
	} {
		answer, err := operations["DynamoDB_20120810."+row.op](t.Context(), []byte(row.body))
		if answer != nil || err == nil || err.Error() != row.want {
			t.Errorf("%s %s:\n got %v, %v\nwant %s", row.op, row.body, answer, err, row.want)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := operations["DynamoDB_20120810.GetItem"](ended, []byte("{}")); err != context.Canceled { //nolint:errorlint // it is returned as it is
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

// TestProtocol looks at what the SDK hides: the error's form and the checksum.
func TestProtocol(t *testing.T) {
	_, url := serveHTTP(t)
	c := newTable(t, newClient(t, url), ledgerTable(""))
	c.put(runKey)
	body := fmt.Sprintf(`{"TableName":%q,"Item":{"pk":{"S":"run#a"},"sk":{"S":"a#01"}},"ConditionExpression":"attribute_not_exists(pk)","ReturnValuesOnConditionCheckFailure":"ALL_OLD"}`, c.table)
	for _, row := range []struct{ op, body, want string }{
		{"PutItem", body, `{"Item":{"pk":{"S":"run#a"},"sk":{"S":"a#01"}},"__type":"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException","message":"The conditional request failed"}`},
		{"PutItem", "{}", `{"__type":"com.amazon.coral.validate#ValidationException","message":"1 validation error detected: Value null at 'tableName' failed to satisfy constraint: Member must not be null"}`},
		{"Scan", "{}", `{"__type":"UnknownOperationException","message":"the embedded AWS endpoint does not serve DynamoDB_20120810.Scan"}`},
	} {
		request, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(row.body))
		request.Header.Set("Content-Type", "application/x-amz-json-1.0")
		request.Header.Set("X-Amz-Target", "DynamoDB_20120810."+row.op)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		got, _ := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if string(got) != row.want || response.StatusCode != http.StatusBadRequest {
			t.Errorf("%d %s\nwant %s", response.StatusCode, got, row.want)
		}
		if sum := response.Header.Get("X-Amz-Crc32"); sum != fmt.Sprint(crc32.ChecksumIEEE(got)) {
			t.Errorf("checksum %s", sum)
		}
		if kind := response.Header.Get("Content-Type"); kind != "application/x-amz-json-1.0" {
			t.Errorf("content type %s", kind)
		}
	}
}

// TestSizes has sizes that the documentation gives or implies.
func TestSizes(t *testing.T) {
	for text, want := range map[string]int{
		`{"a":{"S":"ä"}}`:                        3,
		`{"a":{"N":"0"}}`:                        2,
		`{"a":{"N":"1"}}`:                        3,
		`{"a":{"N":"-1"}}`:                       4,
		`{"a":{"N":"123"}}`:                      4,
		`{"a":{"N":"1000"}}`:                     3,
		`{"a":{"B":"YWJj"}}`:                     4,
		`{"a":{"BOOL":true},"b":{"NULL":true}}`:  4,
		`{"a":{"SS":["ab","c"]}}`:                4,
		`{"a":{"L":[]},"b":{"M":{}}}`:            8,
		`{"a":{"L":[{"S":"ab"}]}}`:               7,
		`{"a":{"M":{"bc":{"L":[{"S":"d"}]}}}}`:   1 + 3 + 1 + 2 + 3 + 1 + 1,
		`{"pk":{"S":"run#a"},"sk":{"S":"a#01"}}`: 13,
	} {
		var i item
		if err := json.NewDecoder(bytes.NewReader([]byte(text))).Decode(&i); err != nil {
			t.Error(err)
		}
		if i.size() != want {
			t.Errorf("%s has %d, want %d", text, i.size(), want)
		}
	}
}
