package ledger_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	"errand/pkg/ledger"
	"errand/pkg/localaws"
	"errand/pkg/run"
)

// Items in the cases are Go's own and these.
type (
	M  = map[string]any
	L  = []any
	N  string
	SS []string
)

func attribute(v any) types.AttributeValue {
	switch v := v.(type) {
	case string:
		return &types.AttributeValueMemberS{Value: v}
	case N:
		return &types.AttributeValueMemberN{Value: string(v)}
	case int:
		return &types.AttributeValueMemberN{Value: strconv.Itoa(v)}
	case bool:
		return &types.AttributeValueMemberBOOL{Value: v}
	case SS:
		return &types.AttributeValueMemberSS{Value: v}
	case M:
		return &types.AttributeValueMemberM{Value: attributes(v)}
	case L:
		list := &types.AttributeValueMemberL{Value: []types.AttributeValue{}}
		for _, element := range v {
			list.Value = append(list.Value, attribute(element))
		}
		return list
	}
	panic(fmt.Sprintf("%T is no attribute value", v))
}

func attributes(m M) map[string]types.AttributeValue {
	out := map[string]types.AttributeValue{}
	for name, v := range m {
		out[name] = attribute(v)
	}
	return out
}

func plain(v types.AttributeValue) any {
	switch v := v.(type) {
	case *types.AttributeValueMemberS:
		return v.Value
	case *types.AttributeValueMemberN:
		if n, err := strconv.Atoi(v.Value); err == nil {
			return n
		}
		return N(v.Value)
	case *types.AttributeValueMemberBOOL:
		return v.Value
	case *types.AttributeValueMemberSS:
		return SS(slices.Sorted(slices.Values(v.Value)))
	case *types.AttributeValueMemberM:
		return plainItem(v.Value)
	case *types.AttributeValueMemberL:
		list := L{}
		for _, element := range v.Value {
			list = append(list, plain(element))
		}
		return list
	}
	panic(fmt.Sprintf("%T is no attribute value of the ledger's", v))
}

func plainItem(i map[string]types.AttributeValue) M {
	if len(i) == 0 {
		return nil
	}
	out := M{}
	for name, v := range i {
		out[name] = plain(v)
	}
	return out
}

// with is an item with other attributes; nil takes one away.
func with(base, changes M) M {
	out := maps.Clone(base)
	for name, v := range changes {
		if v == nil {
			delete(out, name)
		} else {
			out[name] = v
		}
	}
	return out
}

// plus is changes and others.
func plus(changes, others M) M {
	out := maps.Clone(changes)
	maps.Copy(out, others)
	return out
}

// T is the time of every case, in epoch seconds.
const T = 1_800_000_000

func at(seconds int) time.Time { return time.Unix(int64(seconds), 0).UTC() }

// table is a ledger and the table behind it.
type table struct {
	*ledger.Ledger
	t      testing.TB
	client *sdk.Client
	name   string
	now    time.Time
}

func (x *table) put(i M) {
	x.t.Helper()
	if _, err := x.client.PutItem(context.Background(), &sdk.PutItemInput{TableName: &x.name, Item: attributes(i)}); err != nil {
		x.t.Fatal(err)
	}
}

func (x *table) get(key M) M {
	x.t.Helper()
	out, err := x.client.GetItem(context.Background(), &sdk.GetItemInput{
		TableName: &x.name, Key: attributes(M{"pk": key["pk"], "sk": key["sk"]}), ConsistentRead: aws.Bool(true),
	})
	if err != nil {
		x.t.Fatal(err)
	}
	return plainItem(out.Item)
}

// deletes is the request that deletes an item.
func deletes(x *table, key M) *sdk.DeleteItemInput {
	return &sdk.DeleteItemInput{TableName: &x.name, Key: attributes(M{"pk": key["pk"], "sk": key["sk"]})}
}

// row is the row of an item as the watchdog reads it.
func (x *table) row(t testing.TB) ledger.Row {
	t.Helper()
	entries, err := x.Open(t.Context(), time.Time{}, 10)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := x.Read(t.Context(), entries)
	if err != nil || len(rows) != 1 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	return rows[0]
}

var tables atomic.Int64

func client(t testing.TB, endpoint string, change ...func(*sdk.Options)) *sdk.Client {
	t.Helper()
	transport := http.DefaultTransport.(*http.Transport).Clone()
	t.Cleanup(transport.CloseIdleConnections)
	o := sdk.Options{
		Region: "eu-west-1", BaseEndpoint: &endpoint, HTTPClient: &http.Client{Transport: transport},
		Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""),
	}
	for _, c := range change {
		c(&o)
	}
	return sdk.New(o)
}

func newTable(t testing.TB, client *sdk.Client) *table {
	t.Helper()
	x := &table{t: t, client: client, name: fmt.Sprintf("ledger-%d-%d", os.Getpid(), tables.Add(1)), now: at(T)}
	if _, err := client.CreateTable(t.Context(), ledger.Table(x.name)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_, _ = client.DeleteTable(context.Background(), &sdk.DeleteTableInput{TableName: &x.name})
	})
	x.Ledger = ledger.New(client, ledger.Config{Table: x.name, Now: func() time.Time { return x.now }})
	return x
}

// embedded is a table of an embedded AWS of its own.
func embedded(t testing.TB) (*table, *localaws.Server) {
	t.Helper()
	server, err := localaws.Start(localaws.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	return newTable(t, client(t, server.URL())), server
}

// everywhere runs a test on the embedded table and, if DYNAMODB_ENDPOINT says where,
// on one that is not ours: moto, for one.
func everywhere(t *testing.T, test func(*testing.T, func(*testing.T) *table)) {
	t.Parallel()
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		first, _ := embedded(t)
		test(t, func(t *testing.T) *table { return newTable(t, first.client) })
	})
	t.Run("endpoint", func(t *testing.T) {
		endpoint := os.Getenv("DYNAMODB_ENDPOINT")
		if endpoint == "" {
			t.Skip("DYNAMODB_ENDPOINT is not set")
		}
		test(t, func(t *testing.T) *table { return newTable(t, client(t, endpoint)) })
	})
}

// step is one step of the machine on one item.
type step struct {
	name   string
	stands M // before; nil: nothing
	do     func(context.Context, *table) (any, error)
	answer any
	// changes are what is different afterwards; nil: nothing is.
	changes M
	err     string
}

// steps takes each on a table of its own, whose only item is of attempt 1 of run r1
// of job bill.
func steps(t *testing.T, list []step) {
	everywhere(t, func(t *testing.T, make func(*testing.T) *table) {
		for _, s := range list {
			t.Run(s.name, func(t *testing.T) {
				x := make(t)
				before := M{"pk": "run#bill#r1", "sk": "a#01"}
				if s.stands != nil {
					before = s.stands
					x.put(before)
				}
				answer, err := s.do(t.Context(), x)
				got := ""
				if err != nil {
					got = err.Error()
				}
				if got != s.err {
					t.Errorf("the error is %q, not %q", got, s.err)
				}
				if diff := cmp.Diff(s.answer, answer); diff != "" {
					t.Errorf("answer (-want +got)\n%s", diff)
				}
				want := with(before, s.changes)
				if s.stands == nil && s.changes == nil {
					want = nil
				}
				if diff := cmp.Diff(want, x.get(before)); diff != "" {
					t.Errorf("item (-want +got)\n%s", diff)
				}
			})
		}
	})
}

// The attempt of the cases.
var (
	key  = ledger.Key{Job: "bill", RunID: "r1", Attempt: 1}
	who  = run.Run{Job: "bill", ID: "r1", Attempt: 1, Method: run.MethodRunTask}
	mine = ledger.Reporter{ID: "me", Until: at(T + 60)}
)

const (
	cluster = "arn:aws:ecs:eu-west-1:123456789012:cluster/c"
	task    = "arn:aws:ecs:eu-west-1:123456789012:task/c/1"
	other   = "arn:aws:ecs:eu-west-1:123456789012:task/c/2"
)

// Items as they stand before a step.
var (
	fresh = M{
		"pk": "run#bill#r1", "sk": "a#01", "v": 1, "state": "CLAIMED", "job": "bill", "at": T - 100, "method": run.MethodRunTask,
		"digest": "d1", "payload": "{}", "cluster": cluster, "try": 0, "claims": 1, "holder": "first",
		"launchUntil": T - 10, "due": T + 50, "open": "4",
	}
	dueItem   = with(fresh, M{"state": "DUE", "launchUntil": nil, "due": T - 1, "answer": "no room", "try": 1})
	launchedI = with(fresh, M{
		"state": "LAUNCHED", "task": task, "startTimeout": 1800, "startBy": T + 1000, "launchUntil": nil, "due": T + 200,
	})
	abandonedI = with(fresh, M{"state": "ABANDONED", "launchUntil": T - 100, "due": T - 1})
	held       = M{"reporter": "me", "reportUntil": T + 65, "reports": 1}
	another    = M{"reporter": "another", "reportUntil": T + 1, "reports": 1}
	gone       = M{"reporter": "another", "reportUntil": N("1799999999.999"), "reports": 1}
	failed     = M{"status": "FAILED", "exitCode": 3, "reason": "it failed", "started": T - 50, "ended": T - 5}
	reported   = with(launchedI, M{"reported": T - 3, "verdict": failed, "told": SS{"a"}, "expires": T + 7_776_000, "open": nil, "due": nil})
	// later is of a release that this one does not know.
	later = with(fresh, M{"v": 2, "state": "PARKED", "launchUntil": nil, "place": M{"zone": "a"}})
)

func same(t testing.TB, what string, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got)\n%s", what, diff)
	}
}
