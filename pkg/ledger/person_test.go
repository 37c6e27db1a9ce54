package ledger_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"errand/pkg/ledger"
	"errand/pkg/run"
)

// runs is a table with runs of two jobs: n began at T + n.
func runs(x *table) {
	for n := range 5 {
		x.put(with(launchedI, M{"pk": fmt.Sprintf("run#bill#r%d", n), "at": T + n}))
	}
	x.put(with(launchedI, M{"pk": "run#bill#r4", "sk": "a#02", "job": nil, "at": T + 9}))
	x.put(with(launchedI, M{"pk": "run#bill#r4", "sk": "x#0123", "job": nil, "at": T + 8, "digest": "d2"}))
	x.put(with(reported, M{"pk": "run#mail#r4", "job": "mail", "at": T + 7}))
	x.put(with(later, M{"pk": "run#bill#r9", "at": T + 9, "open": "9"}))
	x.put(M{"pk": "job#bill", "sk": "job", "job": "#jobs", "at": T, "v": 1})
	x.put(M{"pk": "job#mail", "sk": "job", "job": "#jobs", "at": T + 1, "v": 2, "status": "FAILED", "marks": L{"no mark"}})
}

// keys are those of attempts, none of which shows a payload.
func keys(t *testing.T, list []ledger.Attempt, err error) (all []string) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range list {
		if a.Payload != nil {
			t.Errorf("%s shows its payload", a.Key)
		}
		all = append(all, strings.TrimSpace(fmt.Sprintf("%s %s %d %s", a.Job, a.RunID, a.Attempt, a.Other)))
	}
	return all
}

func TestLists(t *testing.T) {
	everywhere(t, func(t *testing.T, make func(*testing.T) *table) {
		x := make(t)
		runs(x)
		ctx := t.Context()
		list, err := x.Runs(ctx, "bill", time.Time{}, 10)
		same(t, "runs", []string{"bill r4 1", "bill r3 1", "bill r2 1", "bill r1 1", "bill r0 1"}, keys(t, list, err))
		same(t, "one of them", launchedA(func(a *ledger.Attempt) { a.RunID, a.FirstClaim, a.Payload = "r4", at(T+4), nil }), list[0])
		list, err = x.Runs(ctx, "bill", at(T+3), 10)
		same(t, "runs since", []string{"bill r4 1", "bill r3 1"}, keys(t, list, err))
		list, err = x.Runs(ctx, "bill", time.Time{}, 3)
		same(t, "the last runs", []string{"bill r4 1", "bill r3 1"}, keys(t, list, err)) // and one of a later release
		list, err = x.Runs(ctx, "none", time.Time{}, 3)
		same(t, "no runs", []string(nil), keys(t, list, err))
		list, err = x.Going(ctx)
		same(t, "going", 7, len(keys(t, list, err)))
		list, err = x.Attempts(ctx, "bill", "r4")
		same(t, "attempts", []string{"bill r4 1", "bill r4 2", "bill r4 1 0123"}, keys(t, list, err))
		list, err = x.Attempts(ctx, "bill", "r9")
		same(t, "attempts of a later release", []string(nil), keys(t, list, err))
		list, err = x.Find(ctx, []string{"mail", "none", "bill", "mail"}, "r4")
		same(t, "found", []string{"mail r4 1", "bill r4 1"}, keys(t, list, err))
		list, err = x.Find(ctx, nil, "r4")
		same(t, "found in no job", []string(nil), keys(t, list, err))
		jobs, err := x.Jobs(ctx)
		same(t, "jobs", []any{[]ledger.Job{{Name: "mail", Status: run.Failed}, {Name: "bill"}}, nil}, []any{jobs, err})
	})
}

func TestStopByPerson(t *testing.T) {
	stop := func(read ledger.Attempt) func(context.Context, *table) (any, error) {
		return func(ctx context.Context, x *table) (any, error) {
			a, refused, err := x.StopByPerson(ctx, read, "ann", ": too slow")
			return concluded{a, refused}, err
		}
	}
	word := M{"stopFor": "person", "stopBy": "ann: too slow", "stopAt": T, "due": T}
	byAnn := func(a *ledger.Attempt) {
		a.StopFor, a.StopBy, a.StopAt, a.Due = "person", "ann: too slow", at(T), at(T)
	}
	withV := with(launchedI, M{"verdict": failed})
	steps(t, []step{
		{name: "launched", stands: launchedI, do: stop(launchedA(nil)), answer: concluded{Attempt: launchedA(byAnn)}, changes: word},
		{name: "again", stands: with(launchedI, with(word, M{"stopBy": "bob"})), do: stop(launchedA(nil)), answer: concluded{Attempt: launchedA(byAnn)}, changes: word},
		{
			name: "for a timeout already", stands: with(launchedI, M{"stopFor": "timeout"}), do: stop(launchedA(nil)),
			answer: concluded{launchedA(func(a *ledger.Attempt) { a.StopFor = "timeout" }), ledger.Stopping},
		},
		{
			name: "it has ended", stands: withV, do: stop(launchedA(nil)),
			answer: concluded{launchedA(func(a *ledger.Attempt) { a.Verdict = failedV() }), ledger.Held},
		},
		{name: "reported", stands: reported, do: stop(launchedA(nil)), answer: concluded{reportedA(), ledger.Reported}},
		{
			name: "due", stands: dueItem, do: stop(dueA(nil)),
			answer: concluded{Attempt: dueA(func(a *ledger.Attempt) {
				a.State, a.Refused, a.Answer, a.Due = ledger.Abandoned, run.Stopped, "stopped by ann: too slow", at(T)
			})},
			changes: M{"state": "ABANDONED", "refused": "STOPPED", "answer": "stopped by ann: too slow", "due": T},
		},
		{name: "due, and claimed since", stands: fresh, do: stop(dueA(nil)), answer: concluded{freshA(nil), ledger.InHand}},
		{name: "due, and launched since", stands: launchedI, do: stop(dueA(nil)), answer: concluded{launchedA(nil), ledger.InHand}},
		{name: "claimed", stands: fresh, do: stop(freshA(nil)), answer: concluded{freshA(nil), ledger.InHand}},
		{name: "abandoned", stands: abandonedI, do: stop(abandonedA(nil)), answer: concluded{abandonedA(nil), ledger.InHand}},
	})
}
