package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"errand/pkg/ledger"
)

// open is an item of run n that is due then.
func open(n int, due any) M {
	k := ledger.Key{Job: "bill", RunID: fmt.Sprintf("r%d", n), Attempt: 1}
	return with(launchedI, M{"pk": "run#bill#" + k.RunID, "due": due, "open": fmt.Sprint(n % 10)})
}

func names(entries []ledger.Entry) (list []string) {
	for _, e := range entries {
		list = append(list, fmt.Sprintf("%s %d", e, e.Due.Unix()-T))
	}
	return list
}

func TestOpen(t *testing.T) {
	everywhere(t, func(t *testing.T, make func(*testing.T) *table) {
		x := make(t)
		for n, due := range []int{3, -5, 0, -1} {
			x.put(open(n, T+due))
		}
		x.put(open(11, T-9)) // of the same shard as 1
		x.put(with(reported, M{"pk": "run#bill#r7"}))
		all := []string{"run#bill#r11 a#01 -9", "run#bill#r1 a#01 -5", "run#bill#r3 a#01 -1", "run#bill#r2 a#01 0", "run#bill#r0 a#01 3"}
		for _, c := range []struct {
			name   string
			before time.Time
			most   int
			want   []string
		}{
			{"all", time.Time{}, 10, all},
			{"due", at(T), 10, all[:3]},
			{"one of each shard", at(T), 1, []string{all[0], all[2]}},
			{"none", at(T - 9), 10, nil},
		} {
			entries, err := x.Open(t.Context(), c.before, c.most)
			same(t, c.name, []any{c.want, nil}, []any{names(entries), err})
		}
	})
}

// Read gives what stands in the table, not what the index says, each item once.
func TestRead(t *testing.T) {
	everywhere(t, func(t *testing.T, make func(*testing.T) *table) {
		x := make(t)
		x.put(with(launchedI, M{"due": T - 9}))
		x.put(with(later, M{"pk": "run#bill#r2", "due": T - 8}))
		x.put(M{"pk": "junk", "sk": "junk", "open": "0", "due": T - 7})
		x.put(open(4, T-6))
		x.put(open(5, T-5))
		entries, err := x.Open(t.Context(), time.Time{}, 10)
		if err != nil {
			t.Fatal(err)
		}
		x.put(with(launchedI, M{"due": T + 4}))
		x.put(with(open(4, nil), M{"open": nil}))
		if _, err := x.client.DeleteItem(t.Context(), deletes(x, open(5, nil))); err != nil {
			t.Fatal(err)
		}
		rows, err := x.Read(t.Context(), append(entries, entries...))
		if err != nil {
			t.Fatal(err)
		}
		type row struct {
			Name    string
			Due     int64
			Attempt ledger.Attempt
			Err     error
		}
		var got []row
		for _, r := range rows {
			got = append(got, row{r.String(), r.Due.Unix() - T, r.Attempt, r.Err})
		}
		parked := laterA()
		parked.RunID, parked.Due, parked.Payload = "r2", at(T-8), nil
		same(t, "rows", []row{
			{"run#bill#r1 a#01", 4, launchedA(func(a *ledger.Attempt) { a.Due, a.Payload = at(T+4), nil }), nil},
			{"run#bill#r2 a#01", -8, parked, ledger.Undecodable{Key: "run#bill#r2 a#01", Why: `state "PARKED" is none of this release's`}},
			{"junk junk", -7, ledger.Attempt{}, ledger.Undecodable{Key: "junk junk", Why: "its key is not an attempt's"}},
		}, got)
	})
}

// A batch that DynamoDB cuts short is asked for again, and one of more than 100 in
// parts.
func TestReadMany(t *testing.T) {
	t.Parallel()
	x, service := embedded(t)
	for n := range 250 {
		x.put(open(n, T-n))
	}
	service.LimitBatches(7)
	entries, err := x.Open(t.Context(), time.Time{}, 1000)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := x.Read(t.Context(), entries)
	if err != nil {
		t.Fatal(err)
	}
	var want, got []string
	for n := 249; n >= 0; n-- {
		want = append(want, fmt.Sprintf("run#bill#r%d a#01 %d", n, -n))
	}
	for _, r := range rows {
		got = append(got, names([]ledger.Entry{r.Entry})...)
	}
	same(t, "rows", want, got)
}

func TestMove(t *testing.T) {
	// The row is as it was read before the item was made into what stands there.
	do := func(act func(context.Context, *table, ledger.Row) (bool, error), changes M) func(context.Context, *table) (any, error) {
		return func(ctx context.Context, x *table) (any, error) {
			r := x.row(x.t)
			if changes != nil {
				x.put(with(x.get(fresh), changes))
			}
			return act(ctx, x, r)
		}
	}
	move := func(ctx context.Context, x *table, r ledger.Row) (bool, error) { return x.Move(ctx, r, at(T+60)) }
	started := func(ctx context.Context, x *table, r ledger.Row) (bool, error) {
		return x.Started(ctx, r, at(T+3600), at(T+60))
	}
	stop := func(why string) func(context.Context, *table, ledger.Row) (bool, error) {
		return func(ctx context.Context, x *table, r ledger.Row) (bool, error) {
			return x.StopFor(ctx, r, why, at(T+60))
		}
	}
	moved := M{"due": T + 60}
	stopped := func(why string) M { return M{"due": T + 60, "stopFor": why, "stopAt": T} }
	stands := with(launchedI, M{"due": N("1799999999.25")})
	steps(t, []step{
		{name: "moved", stands: stands, do: do(move, nil), answer: true, changes: moved},
		{name: "moved by another tick", stands: stands, do: do(move, M{"due": T + 1}), answer: false, changes: M{"due": T + 1}},
		{name: "reported", stands: stands, do: do(move, M{"reported": T}), answer: false, changes: M{"reported": T}},
		{name: "of a later release", stands: later, do: do(move, nil), answer: true, changes: moved},
		{name: "of nobody", stands: M{"pk": "junk", "sk": "junk", "open": "1", "due": T}, do: do(move, nil), answer: true, changes: moved},
		{name: "started", stands: stands, do: do(started, nil), answer: true, changes: M{"due": T + 60, "runUntil": T + 3600}},
		{name: "started, seen by another tick", stands: stands, do: do(started, M{"due": T + 1}), answer: false, changes: M{"due": T + 1}},
		{name: "stopped", stands: stands, do: do(stop("timeout"), nil), answer: true, changes: stopped("timeout")},
		{name: "stopped by another tick", stands: stands, do: do(stop("timeout"), M{"due": T + 1}), answer: false, changes: M{"due": T + 1}},
		{name: "a timeout after a late start", stands: with(stands, M{"stopFor": "start"}), do: do(stop("timeout"), nil), answer: true, changes: stopped("timeout")},
		{name: "a late start again", stands: with(stands, M{"stopFor": "start"}), do: do(stop("start"), nil), answer: true, changes: stopped("start")},
		{name: "a timeout again", stands: with(stands, M{"stopFor": "timeout"}), do: do(stop("timeout"), nil), answer: true, changes: stopped("timeout")},
		{name: "no late start after a timeout", stands: with(stands, M{"stopFor": "timeout"}), do: do(stop("start"), nil), answer: false},
		{name: "a person was first", stands: with(stands, M{"stopFor": "person"}), do: do(stop("timeout"), nil), answer: false},
		{name: "it has a verdict", stands: with(stands, M{"verdict": failed}), do: do(stop("timeout"), nil), answer: false},
		{name: "not launched", stands: fresh, do: do(stop("timeout"), nil), answer: false},
		{name: "stopped and reported", stands: stands, do: do(stop("timeout"), M{"reported": T}), answer: false, changes: M{"reported": T}},
	})
}

func TestDaily(t *testing.T) {
	everywhere(t, func(t *testing.T, make func(*testing.T) *table) {
		x := make(t)
		item := M{"pk": "watch#runtimes", "sk": "day"}
		for i, c := range []struct {
			now  time.Time
			want bool
			day  string
		}{
			{at(T), true, "2027-01-15"},
			{at(T), false, "2027-01-15"},
			{at(T).Add(-24 * time.Hour), false, "2027-01-15"},
			{at(T).Add(24 * time.Hour), true, "2027-01-16"},
		} {
			x.now = c.now
			got, err := x.Daily(t.Context(), "runtimes")
			same(t, fmt.Sprint(i), []any{c.want, nil}, []any{got, err})
			same(t, "item", with(item, M{"v": 1, "day": c.day}), x.get(item))
		}
		same(t, "not done", error(nil), x.NotDone(t.Context(), "runtimes"))
		again, err := x.Daily(t.Context(), "runtimes")
		same(t, "again", []any{true, nil}, []any{again, err})
	})
}

func TestGet(t *testing.T) {
	everywhere(t, func(t *testing.T, make func(*testing.T) *table) {
		x := make(t)
		a, ok, err := x.Get(t.Context(), key)
		same(t, "nothing", []any{ledger.Attempt{}, false, nil}, []any{a, ok, err})
		x.put(fresh)
		a, ok, err = x.Get(t.Context(), key)
		same(t, "an attempt", []any{freshA(nil), true, nil}, []any{a, ok, err})
		x.put(later)
		_, ok, err = x.Get(t.Context(), key)
		if _, is := errors.AsType[ledger.Undecodable](err); !is || ok || err.Error() != laterErr {
			t.Errorf("%v, %v", ok, err)
		}
	})
}

// TestKeys reads keys that are nearly an attempt's.
func TestKeys(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pk, sk string
		want   ledger.Key
		ok     bool
	}{
		{"run#bill#r1", "a#01", key, true},
		{"run#bill#r1", "a#10", ledger.Key{Job: "bill", RunID: "r1", Attempt: 10}, true},
		{"run#bill#r1", "x#0123", ledger.Key{Job: "bill", RunID: "r1", Attempt: 1, Other: "0123"}, true},
		{"run#bill#r1", "a#1", ledger.Key{}, false},
		{"run#bill#r1", "a#00", ledger.Key{}, false},
		{"run#bill#r1", "x#", ledger.Key{}, false},
		{"run#bill#r1", "p", ledger.Key{}, false},
		{"run##r1", "a#01", ledger.Key{}, false},
		{"run#bill#r1#2", "a#01", ledger.Key{}, false},
		{"job#bill", "job", ledger.Key{}, false},
		{"watch#runtimes", "day", ledger.Key{}, false},
	} {
		a, err := ledger.Decode(attributes(with(fresh, M{"pk": c.pk, "sk": c.sk})))
		same(t, c.pk+" "+c.sk, []any{c.want, c.ok}, []any{a.Key, err == nil})
	}
}
