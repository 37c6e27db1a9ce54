package ledger_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"errand/pkg/ledger"
	"errand/pkg/run"
)

type concluded struct {
	Attempt ledger.Attempt
	Refused ledger.Refusal
}

// mineA is an attempt that mine holds.
func mineA(a ledger.Attempt) ledger.Attempt {
	a.Reporter, a.ReportUntil, a.Due, a.Reports = "me", at(T+65), at(T+70), a.Reports+1
	return a
}

func anotherA(a ledger.Attempt) ledger.Attempt {
	a.Reporter, a.ReportUntil, a.Reports = "another", at(T+1), 1
	return a
}

func goneA(a ledger.Attempt) ledger.Attempt {
	a.Reporter, a.ReportUntil, a.Reports = "another", at(T).Add(-time.Millisecond), 1
	return a
}

var lease = plus(held, M{"due": T + 70})

func TestConclude(t *testing.T) {
	conclude := func(change func(*ledger.End)) func(context.Context, *table) (any, error) {
		return func(ctx context.Context, x *table) (any, error) {
			e := ledger.End{Run: who, Cluster: cluster, Task: task, Verdict: *failedV(), Digest: "d9"}
			if change != nil {
				change(&e)
			}
			a, refused, err := x.Conclude(ctx, mine, e)
			return concluded{a, refused}, err
		}
	}
	ended := func(a ledger.Attempt) concluded {
		a = mineA(a)
		a.State, a.Task = ledger.Launched, task
		if a.Verdict == nil {
			a.Verdict = failedV()
		}
		return concluded{Attempt: a}
	}
	takes := plus(lease, M{"verdict": failed, "state": "LAUNCHED", "task": task})
	because := func(why string) func(*ledger.End) { return func(e *ledger.End) { e.StopFor = why } }
	stopping := with(launchedI, M{"stopFor": "timeout", "stopAt": T - 9})
	stoppingA := launchedA(func(a *ledger.Attempt) { a.StopFor, a.StopAt = "timeout", at(T-9) })
	succeeded := M{"status": "SUCCEEDED", "reason": "", "ended": T - 6}
	long := strings.Repeat("ü", 101)
	steps(t, []step{
		{name: "launched", stands: launchedI, do: conclude(nil), answer: ended(launchedA(nil)), changes: takes},
		{name: "before it was noted that it was launched", stands: fresh, do: conclude(nil), answer: ended(freshA(nil)), changes: takes},
		{name: "due", stands: dueItem, do: conclude(nil), answer: ended(dueA(nil)), changes: takes},
		{name: "abandoned", stands: abandonedI, do: conclude(nil), answer: ended(abandonedA(nil)), changes: takes},
		{
			name: "not in the ledger", do: conclude(nil),
			answer: ended(ledger.Attempt{Key: key, Version: 1, Method: run.MethodRunTask, Digest: "d9", Cluster: cluster, FirstClaim: at(T)}),
			changes: plus(takes, M{
				"v": 1, "method": run.MethodRunTask, "digest": "d9", "cluster": cluster, "at": T, "job": "bill", "open": "4",
			}),
		},
		{
			name: "not in the ledger, nor who it is", do: conclude(func(e *ledger.End) {
				*e = ledger.End{Run: run.Run{Job: "bill", ID: "r1", Attempt: 1}, Task: task, Verdict: e.Verdict}
			}),
			answer:  ended(ledger.Attempt{Key: key, Version: 1, FirstClaim: at(T)}),
			changes: plus(takes, M{"v": 1, "at": T, "job": "bill", "open": "4"}),
		},
		{
			name: "the verdict that stands there counts", stands: with(launchedI, plus(gone, M{"verdict": succeeded})), do: conclude(nil),
			answer: ended(goneA(launchedA(func(a *ledger.Attempt) {
				a.Verdict = &ledger.Verdict{Status: run.Succeeded, Ended: at(T - 6)}
			}))),
			changes: plus(lease, M{"reports": 2}),
		},
		{
			name: "again by the same reporter", stands: with(launchedI, plus(held, M{"reportUntil": T + 30, "verdict": failed})), do: conclude(nil),
			answer: ended(launchedA(func(a *ledger.Attempt) { a.Verdict, a.Reports = failedV(), 1 })), changes: plus(lease, M{"reports": 2}),
		},
		{
			name: "a long reason", stands: launchedI, do: conclude(func(e *ledger.End) {
				e.Verdict = ledger.Verdict{Status: run.Failed, Reason: long, Ended: at(T)}
			}),
			answer: ended(launchedA(func(a *ledger.Attempt) {
				a.Verdict = &ledger.Verdict{Status: run.Failed, Reason: strings.Repeat("ü", 98) + "…", Ended: at(T)}
			})),
			changes: plus(takes, M{"verdict": M{"status": "FAILED", "reason": strings.Repeat("ü", 98) + "…", "ended": T}}),
		},
		{
			name: "a command", stands: fresh, do: conclude(func(e *ledger.End) { e.Task = "" }),
			answer:  concluded{Attempt: mineA(freshA(func(a *ledger.Attempt) { a.State, a.Verdict = ledger.Launched, failedV() }))},
			changes: plus(lease, M{"verdict": failed, "state": "LAUNCHED"}),
		},
		{
			name: "stopped, and it was known why", stands: stopping, do: conclude(because("timeout")),
			answer: ended(stoppingA), changes: takes,
		},
		{name: "stopped, and it was not known why", stands: stopping, do: conclude(nil), answer: concluded{stoppingA, ledger.Stopping}},
		{name: "stopped for another reason", stands: stopping, do: conclude(because("start")), answer: concluded{stoppingA, ledger.Stopping}},
		{name: "not stopped after all", stands: launchedI, do: conclude(because("timeout")), answer: concluded{launchedA(nil), ledger.Stopping}},
		{name: "reported", stands: reported, do: conclude(nil), answer: concluded{reportedA(), ledger.Reported}},
		{
			name: "reported so long ago that it is over", stands: with(reported, M{"expires": T}), do: conclude(nil),
			answer: ended(ledger.Attempt{Key: key, Version: 1, Method: run.MethodRunTask, Digest: "d9", Cluster: cluster, FirstClaim: at(T)}),
			changes: anew(plus(takes, M{
				"v": 1, "method": run.MethodRunTask, "digest": "d9", "cluster": cluster, "at": T, "job": "bill", "open": "4",
			})),
		},
		{name: "a live reporter", stands: with(launchedI, another), do: conclude(nil), answer: concluded{anotherA(launchedA(nil)), ledger.Held}},
		{
			name: "a reporter whose lease ends now", stands: with(launchedI, plus(another, M{"reportUntil": T})), do: conclude(nil),
			answer: concluded{launchedA(func(a *ledger.Attempt) { a.Reporter, a.ReportUntil, a.Reports = "another", at(T), 1 }), ledger.Held},
		},
		{
			name: "a reporter that is gone", stands: with(launchedI, gone), do: conclude(nil),
			answer: ended(goneA(launchedA(nil))), changes: plus(takes, M{"reports": 2}),
		},
		{
			name: "another task", stands: with(launchedI, M{"task": other}), do: conclude(nil),
			answer: concluded{launchedA(func(a *ledger.Attempt) { a.Task = other }), ledger.OtherTask},
		},
		{name: "of a later release", stands: later, do: conclude(nil), answer: concluded{laterA(), ""}, err: laterErr},
	})
}

func TestAbandon(t *testing.T) {
	abandon := func(hold *ledger.Hold, d ledger.Delivery) func(context.Context, *table) (any, error) {
		return func(ctx context.Context, x *table) (any, error) {
			a, refused, err := x.Abandon(ctx, mine, key, d, hold)
			return concluded{a, refused}, err
		}
	}
	byOther := abandon(nil, ledger.Delivery{})
	owned := func(claims int) func(context.Context, *table) (any, error) {
		h := hold(claims)
		return abandon(&h, first(nil))
	}
	taken := func(a ledger.Attempt) concluded {
		a = mineA(a)
		a.State = ledger.Abandoned
		return concluded{Attempt: a}
	}
	ends := plus(lease, M{"state": "ABANDONED"})
	old := with(fresh, M{"launchUntil": T - 61})
	oldA := freshA(func(a *ledger.Attempt) { a.LaunchUntil = at(T - 61) })
	steps(t, []step{
		{name: "a claim that is over", stands: old, do: byOther, answer: taken(oldA), changes: ends},
		{
			name: "a minute after it is not", stands: with(fresh, M{"launchUntil": T - 60}), do: byOther,
			answer: concluded{freshA(func(a *ledger.Attempt) { a.LaunchUntil = at(T - 60) }), ledger.InHand},
		},
		{name: "abandoned, and left", stands: with(abandonedI, gone), do: byOther, answer: taken(goneA(abandonedA(nil))), changes: plus(lease, M{"reports": 2})},
		{
			name: "nobody claimed it", do: abandon(nil, first(func(d *ledger.Delivery) { d.Schedule, d.Run.ScheduledTime = "nightly", at(T-7) })),
			answer: taken(ledger.Attempt{
				Key: key, Version: 1, Method: run.MethodRunTask, Digest: "d1", Payload: []byte("{}"), Cluster: cluster, FirstClaim: at(T),
				Schedule: "nightly", ScheduledTime: at(T - 7),
			}),
			changes: plus(ends, M{
				"v": 1, "method": run.MethodRunTask, "digest": "d1", "payload": "{}", "cluster": cluster, "at": T, "job": "bill", "open": "4",
				"schedule": "nightly", "scheduledTime": T - 7,
			}),
		},
		{name: "due", stands: dueItem, do: byOther, answer: concluded{dueA(nil), ledger.Waiting}},
		{name: "launched", stands: launchedI, do: byOther, answer: concluded{launchedA(nil), ledger.HasTask}},
		{
			name: "concluded without a task", stands: with(fresh, M{"state": "LAUNCHED", "launchUntil": nil}), do: byOther,
			answer: concluded{freshA(func(a *ledger.Attempt) { a.State, a.LaunchUntil = ledger.Launched, time.Time{} }), ledger.InHand},
		},
		{name: "a live reporter", stands: with(old, another), do: byOther, answer: concluded{anotherA(oldA), ledger.Held}},
		{name: "reported", stands: reported, do: byOther, answer: concluded{reportedA(), ledger.Reported}},
		{
			name: "reported so long ago that it is over", stands: with(reported, M{"expires": T}), do: abandon(nil, first(nil)),
			answer: taken(ledger.Attempt{
				Key: key, Version: 1, Method: run.MethodRunTask, Digest: "d1", Payload: []byte("{}"), Cluster: cluster, FirstClaim: at(T),
			}),
			changes: anew(plus(ends, M{
				"v": 1, "method": run.MethodRunTask, "digest": "d1", "payload": "{}", "cluster": cluster, "at": T, "job": "bill", "open": "4",
			})),
		},
		{name: "of a later release", stands: later, do: byOther, answer: concluded{laterA(), ""}, err: laterErr},
		{name: "the launcher's own", stands: with(fresh, M{"launchUntil": T + 65}), do: owned(1), answer: taken(freshA(func(a *ledger.Attempt) { a.LaunchUntil = at(T + 65) })), changes: ends},
		{name: "its own, again", stands: with(abandonedI, held), do: owned(1), answer: taken(abandonedA(func(a *ledger.Attempt) { a.Reports = 1 })), changes: plus(lease, M{"reports": 2})},
		{
			name: "its own, claimed by somebody else since", stands: with(fresh, M{"claims": 2}), do: owned(1),
			answer: concluded{freshA(func(a *ledger.Attempt) { a.Claims = 2 }), ledger.InHand},
		},
		{name: "its own, put off since", stands: dueItem, do: owned(1), answer: concluded{dueA(nil), ledger.Waiting}},
		{name: "its own, launched since", stands: launchedI, do: owned(1), answer: concluded{launchedA(nil), ledger.HasTask}},
		{name: "its own, with a live reporter", stands: with(fresh, another), do: owned(1), answer: concluded{anotherA(freshA(nil)), ledger.Held}},
	})
}

func TestAbandonBeside(t *testing.T) {
	beside := M{
		"pk": "run#bill#r1", "sk": "x#0123", "v": 1, "state": "ABANDONED", "method": run.MethodRunTask, "digest": "d2", "payload": "{}",
		"cluster": cluster, "at": T, "open": "4", "reporter": "me", "reportUntil": T + 65, "reports": 1, "due": T + 70,
	}
	key := key
	key.Other = "0123"
	d := first(func(d *ledger.Delivery) { d.Digest = "d2" })
	a := mineA(ledger.Attempt{
		Key: key, Version: 1, State: ledger.Abandoned, Method: run.MethodRunTask, Digest: "d2", Payload: []byte("{}"), Cluster: cluster, FirstClaim: at(T),
	})
	everywhere(t, func(t *testing.T, make func(*testing.T) *table) {
		x := make(t)
		x.put(fresh)
		got, refused, err := x.Abandon(t.Context(), mine, key, d, nil)
		same(t, "first", []any{a, ledger.Refusal(""), nil}, []any{got, refused, err})
		same(t, "its item", beside, x.get(beside))
		same(t, "the run's item", fresh, x.get(fresh))
		rejected := ledger.Verdict{Status: run.Rejected, Reason: "another payload", Ended: at(T)}
		_, ok, err := x.Decide(t.Context(), mine, key, rejected)
		same(t, "decided", []any{true, nil}, []any{ok, err})
		ok, err = x.Mark(t.Context(), mine, key, []string{"a"})
		same(t, "marked", []any{true, nil}, []any{ok, err})
		got, refused, err = x.Abandon(t.Context(), mine, key, d, nil)
		a := a
		a.Verdict, a.Told, a.Reported, a.Expires, a.Due = &rejected, []string{"a"}, at(T), at(T+7_776_000), time.Time{}
		same(t, "second", []any{a, ledger.Reported, nil}, []any{got, refused, err})
	})
}

func TestForgotten(t *testing.T) {
	t.Parallel()
	x, _ := embedded(t)
	for _, c := range []struct {
		until time.Time
		want  bool
	}{{time.Time{}, false}, {at(T - 3600), false}, {at(T - 3601), true}} {
		if got := x.Forgotten(ledger.Attempt{LaunchUntil: c.until}); got != c.want {
			t.Errorf("%v: %v", c.until, got)
		}
	}
}

func TestFound(t *testing.T) {
	found := func(ctx context.Context, x *table) (any, error) {
		return x.Found(ctx, mine, key, cluster, task, ledger.Limits{Start: time.Minute, Timeout: time.Hour})
	}
	stands := with(abandonedI, plus(held, M{"verdict": failed, "refused": "LAUNCH_FAILED"}))
	has := M{
		"state": "LAUNCHED", "task": task, "startTimeout": 60, "timeout": 3600, "startBy": T + 60, "due": T + 60,
		"launchUntil": nil, "reporter": nil, "reportUntil": nil, "reports": nil, "verdict": nil,
	}
	steps(t, []step{
		{name: "found", stands: stands, do: found, answer: true, changes: has},
		{name: "noted meanwhile", stands: with(stands, M{"task": task, "startBy": T + 9}), do: found, answer: true, changes: with(has, M{"startBy": T + 9, "task": task})},
		{name: "another task", stands: with(stands, M{"task": other}), do: found, answer: false},
		{name: "another reporter", stands: with(stands, another), do: found, answer: false},
		{name: "reported", stands: with(stands, M{"reported": T}), do: found, answer: false},
		{name: "not there", do: found, answer: false},
	})
}

func TestDecide(t *testing.T) {
	decide := func(ctx context.Context, x *table) (any, error) {
		a, ok, err := x.Decide(ctx, mine, key, *failedV())
		return attempt{a, ok}, err
	}
	stands := with(abandonedI, held)
	holdsIt := func(change func(*ledger.Attempt)) ledger.Attempt {
		a := abandonedA(change)
		a.Reporter, a.ReportUntil, a.Reports = "me", at(T+65), 1
		return a
	}
	steps(t, []step{
		{
			name: "decided", stands: stands, do: decide, changes: M{"verdict": failed},
			answer: attempt{holdsIt(func(a *ledger.Attempt) { a.Verdict = failedV() }), true},
		},
		{
			name: "the verdict that stands there counts", do: decide,
			stands: with(stands, M{"verdict": M{"status": "LOST", "reason": "", "ended": T}}),
			answer: attempt{holdsIt(func(a *ledger.Attempt) { a.Verdict = &ledger.Verdict{Status: run.Lost, Ended: at(T)} }), true},
		},
		{name: "there is a task now", stands: with(stands, M{"task": task}), do: decide, answer: attempt{}},
		{name: "another reporter", stands: with(stands, another), do: decide, answer: attempt{}},
		{name: "reported", stands: with(stands, M{"reported": T}), do: decide, answer: attempt{}},
		{name: "not there", do: decide, answer: attempt{}},
	})
}

func TestDueAgain(t *testing.T) {
	dueAgain := func(ctx context.Context, x *table) (any, error) { return x.DueAgain(ctx, mine, key, at(T+10)) }
	stands := with(abandonedI, held)
	steps(t, []step{
		{
			name: "due again", stands: stands, do: dueAgain, answer: true,
			changes: M{"state": "DUE", "due": T + 10, "launchUntil": nil, "reporter": nil, "reportUntil": nil, "reports": nil},
		},
		{name: "there is a task now", stands: with(stands, M{"task": task}), do: dueAgain, answer: false},
		{name: "there is a verdict", stands: with(stands, M{"verdict": failed}), do: dueAgain, answer: false},
		{name: "another reporter", stands: with(stands, another), do: dueAgain, answer: false},
		{name: "reported", stands: with(stands, M{"reported": T}), do: dueAgain, answer: false},
		{name: "not there", do: dueAgain, answer: false},
	})
}

func TestTold(t *testing.T) {
	told := func(topics ...string) func(context.Context, *table) (any, error) {
		return func(ctx context.Context, x *table) (any, error) { return nil, x.Told(ctx, mine, key, topics) }
	}
	stands := with(launchedI, held)
	steps(t, []step{
		{name: "the first", stands: stands, do: told("a"), changes: M{"told": SS{"a"}}},
		{name: "another", stands: with(stands, M{"told": SS{"b"}}), do: told("a"), changes: M{"told": SS{"a", "b"}}},
		{name: "the same", stands: with(stands, M{"told": SS{"a"}}), do: told("a")},
		{name: "one twice", stands: stands, do: told("b", "a", "b"), changes: M{"told": SS{"a", "b"}}},
		{name: "none", stands: stands, do: told()},
		{name: "another reporter", stands: with(stands, another), do: told("a")},
		{name: "reported", stands: with(stands, M{"reported": T}), do: told("a")},
		{name: "not there", do: told("a")},
	})
}

func TestMark(t *testing.T) {
	mark := func(topics ...string) func(context.Context, *table) (any, error) {
		return func(ctx context.Context, x *table) (any, error) {
			x.now = x.now.Add(500 * time.Millisecond)
			return x.Mark(ctx, mine, key, topics)
		}
	}
	stands := with(launchedI, plus(held, M{"verdict": failed}))
	marked := M{"reported": N("1800000000.5"), "expires": T + 7_776_000, "open": nil, "due": nil}
	steps(t, []step{
		{name: "marked", stands: stands, do: mark("a", "b"), answer: true, changes: plus(marked, M{"told": SS{"a", "b"}})},
		{name: "the rest", stands: with(stands, M{"told": SS{"a"}}), do: mark("a", "b"), answer: true, changes: plus(marked, M{"told": SS{"a", "b"}})},
		{name: "no topics", stands: stands, do: mark(), answer: true, changes: marked},
		{
			name: "a short history", stands: stands, answer: true, changes: plus(marked, M{"reported": T, "expires": T + 15*86400}),
			do: func(ctx context.Context, x *table) (any, error) {
				l := ledger.New(x.client, ledger.Config{Table: x.name, History: time.Hour, Now: func() time.Time { return at(T) }})
				return l.Mark(ctx, mine, key, nil)
			},
		},
		{name: "again", stands: reported, do: mark("a"), answer: false},
		{name: "another reporter", stands: with(stands, another), do: mark("a"), answer: false},
		{name: "not there", do: mark("a"), answer: false},
	})
}
