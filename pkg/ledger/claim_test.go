package ledger_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"errand/pkg/ledger"
	"errand/pkg/run"
)

// freshA is fresh as an Attempt, changed.
func freshA(change func(*ledger.Attempt)) ledger.Attempt {
	a := ledger.Attempt{
		Key: key, Version: 1, State: ledger.Claimed, Method: run.MethodRunTask, FirstClaim: at(T - 100), Digest: "d1", Payload: []byte("{}"),
		Cluster: cluster, Claims: 1, Holder: "first", LaunchUntil: at(T - 10), Due: at(T + 50),
	}
	if change != nil {
		change(&a)
	}
	return a
}

func dueA(change func(*ledger.Attempt)) ledger.Attempt {
	return freshA(func(a *ledger.Attempt) {
		a.State, a.LaunchUntil, a.Due, a.Answer, a.Try = ledger.Due, time.Time{}, at(T-1), "no room", 1
		if change != nil {
			change(a)
		}
	})
}

func launchedA(change func(*ledger.Attempt)) ledger.Attempt {
	return freshA(func(a *ledger.Attempt) {
		a.State, a.Task, a.StartTimeout, a.StartBy = ledger.Launched, task, 30*time.Minute, at(T+1000)
		a.LaunchUntil, a.Due = time.Time{}, at(T+200)
		if change != nil {
			change(a)
		}
	})
}

func abandonedA(change func(*ledger.Attempt)) ledger.Attempt {
	return freshA(func(a *ledger.Attempt) {
		a.State, a.LaunchUntil, a.Due = ledger.Abandoned, at(T-100), at(T-1)
		if change != nil {
			change(a)
		}
	})
}

func failedV() *ledger.Verdict {
	code := 3
	return &ledger.Verdict{Status: run.Failed, ExitCode: &code, Reason: "it failed", Started: at(T - 50), Ended: at(T - 5)}
}

func reportedA() ledger.Attempt {
	return launchedA(func(a *ledger.Attempt) {
		a.Reported, a.Verdict, a.Told, a.Expires, a.Due = at(T-3), failedV(), []string{"a"}, at(T+7_776_000), time.Time{}
	})
}

func laterA() ledger.Attempt {
	return freshA(func(a *ledger.Attempt) { a.Version, a.State, a.LaunchUntil = 2, "PARKED", time.Time{} })
}

const laterErr = `item run#bill#r1 a#01 of the ledger cannot be read: state "PARKED" is none of this release's`

// first is a delivery of the run of fresh, by an invocation that ends in a minute.
func first(change func(*ledger.Delivery)) ledger.Delivery {
	d := ledger.Delivery{Run: who, Digest: "d1", Payload: []byte("{}"), Cluster: cluster, Holder: "second", Until: at(T + 60)}
	if change != nil {
		change(&d)
	}
	return d
}

type claimed struct {
	Hold ledger.Hold
	OK   bool
}

func claim(change func(*ledger.Delivery)) func(context.Context, *table) (any, error) {
	return func(ctx context.Context, x *table) (any, error) {
		hold, ok, err := x.Claim(ctx, first(change))
		return claimed{hold, ok}, err
	}
}

func not(a ledger.Attempt) claimed { return claimed{Hold: ledger.Hold{Attempt: a}} }

// anew are the changes from a reported item to one that has nothing of it.
func anew(item M) M {
	changes := M{"stopFor": nil, "schedule": nil}
	for name := range reported {
		if name != "pk" && name != "sk" {
			changes[name] = nil
		}
	}
	return plus(changes, item)
}

func TestClaimNew(t *testing.T) {
	long := make([]byte, 64<<10+1)
	scheduled := func(d *ledger.Delivery) {
		d.Schedule, d.Person, d.Run.ScheduledTime = "nightly", "ann", at(T-7)
	}
	stands := M{
		"v": 1, "state": "CLAIMED", "job": "bill", "at": T, "method": run.MethodRunTask, "digest": "d1", "payload": "{}", "cluster": cluster,
		"try": 0, "claims": 1, "holder": "second", "launchUntil": T + 65, "due": T + 125, "open": "4",
	}
	is := func(change func(*ledger.Attempt)) claimed {
		return claimed{ledger.Hold{Alone: true, Attempt: freshA(func(a *ledger.Attempt) {
			a.FirstClaim, a.Holder, a.LaunchUntil, a.Due = at(T), "second", at(T+65), at(T+125)
			change(a)
		})}, true}
	}
	steps(t, []step{
		{name: "new", do: claim(nil), answer: is(func(*ledger.Attempt) {}), changes: stands},
		{
			name: "of a schedule, by a person", do: claim(scheduled),
			answer: is(func(a *ledger.Attempt) {
				a.Schedule, a.Person, a.ScheduledTime = "nightly", "ann", at(T-7)
			}),
			changes: with(stands, M{"schedule": "nightly", "person": "ann", "scheduledTime": T - 7}),
		},
		{
			name: "a payload too long to keep", do: claim(func(d *ledger.Delivery) { d.Payload = long }),
			answer: is(func(a *ledger.Attempt) { a.Payload = nil }), changes: with(stands, M{"payload": nil}),
		},
		{
			name: "once", do: claim(func(d *ledger.Delivery) { d.Once = true }),
			answer: is(func(*ledger.Attempt) {}), changes: stands,
		},
		{
			name: "the one before is over, and not deleted yet", stands: with(reported, M{"expires": T, "claims": 7, "schedule": "old", "stopFor": "person"}), do: claim(nil),
			answer: is(func(*ledger.Attempt) {}), changes: anew(stands),
		},
		{
			name: "the same, of a command", stands: with(reported, M{"expires": T - 1}), do: claim(func(d *ledger.Delivery) { d.Once = true }),
			answer: is(func(*ledger.Attempt) {}), changes: anew(stands),
		},
		{name: "the one before is nearly over", stands: with(reported, M{"expires": T + 1}), do: claim(nil), answer: not(func() ledger.Attempt {
			a := reportedA()
			a.Expires = at(T + 1)
			return a
		}())},
		{
			name: "to the millisecond", do: claim(func(d *ledger.Delivery) { d.Until = at(T + 60).Add(1_234_567) }),
			answer: is(func(a *ledger.Attempt) {
				a.LaunchUntil, a.Due = at(T+65).Add(time.Millisecond), at(T+125).Add(time.Millisecond)
			}),
			changes: with(stands, M{"launchUntil": N("1800000065.001"), "due": N("1800000125.001")}),
		},
		{
			name: "nothing but a name", do: claim(func(d *ledger.Delivery) {
				*d = ledger.Delivery{Run: run.Run{Job: "bill", ID: "r1", Attempt: 1}, Until: d.Until}
			}),
			answer: is(func(a *ledger.Attempt) {
				a.Method, a.Digest, a.Payload, a.Cluster, a.Holder = "", "", nil, "", ""
			}),
			changes: with(stands, M{"method": nil, "digest": nil, "payload": nil, "cluster": nil, "holder": nil}),
		},
	})
}

func TestClaimAgain(t *testing.T) {
	again := func(alone, open bool, a ledger.Attempt) claimed {
		a.State, a.Claims, a.Holder, a.LaunchUntil, a.Due = ledger.Claimed, a.Claims+1, "second", at(T+65), at(T+125)
		return claimed{ledger.Hold{Alone: alone, Open: open, Attempt: a}, true}
	}
	taken := M{"state": "CLAIMED", "claims": 2, "holder": "second", "launchUntil": T + 65, "due": T + 125}
	scheduled := with(fresh, M{"schedule": "nightly", "scheduledTime": T - 900})
	scheduledA := freshA(func(a *ledger.Attempt) { a.Schedule, a.ScheduledTime = "nightly", at(T-900) })
	secondDigest := func(schedule string, due int) func(*ledger.Delivery) {
		return func(d *ledger.Delivery) { d.Digest, d.Schedule, d.Run.ScheduledTime = "d2", schedule, at(due) }
	}
	steps(t, []step{
		{
			name: "of a launcher that may be alive", stands: fresh, do: claim(nil),
			answer: again(false, true, freshA(nil)), changes: taken,
		},
		{
			name: "of one that ended a minute ago", stands: with(fresh, M{"launchUntil": T - 60}), do: claim(nil),
			answer: again(false, true, freshA(nil)), changes: taken,
		},
		{
			name: "of one that ended longer ago", stands: with(fresh, M{"launchUntil": T - 61}), do: claim(nil),
			answer: again(true, true, freshA(nil)), changes: taken,
		},
		{
			name: "as late as mine", stands: with(fresh, M{"launchUntil": T + 65}), do: claim(nil),
			answer: again(false, true, freshA(nil)), changes: taken,
		},
		{
			name: "later than mine", stands: with(fresh, M{"launchUntil": N("1800000065.001")}), do: claim(nil),
			answer: not(freshA(func(a *ledger.Attempt) { a.LaunchUntil = at(T + 65).Add(time.Millisecond) })),
		},
		{
			name: "not quite 45 minutes old", stands: with(fresh, M{"launchUntil": T - 2699}), do: claim(nil),
			answer: again(true, true, freshA(nil)), changes: taken,
		},
		{
			name: "45 minutes old", stands: with(fresh, M{"launchUntil": T - 2700}), do: claim(nil),
			answer: not(freshA(func(a *ledger.Attempt) { a.LaunchUntil = at(T - 2700) })),
		},
		{
			name: "due", stands: dueItem, do: claim(nil),
			answer: again(true, false, dueA(nil)), changes: taken,
		},
		{
			name: "refused before", stands: with(fresh, M{"refused": "LAUNCH_FAILED", "answer": "no"}), do: claim(nil),
			answer:  again(false, true, freshA(func(a *ledger.Attempt) { a.Answer = "no" })),
			changes: plus(taken, M{"refused": nil}),
		},
		{
			name: "the first payload, cluster and person stay", stands: fresh,
			do:     claim(func(d *ledger.Delivery) { d.Payload, d.Cluster, d.Person = []byte("[]"), "other", "ann" }),
			answer: again(false, true, freshA(nil)), changes: plus(taken, M{"person": "ann"}),
		},
		{
			name: "reported", stands: reported, do: claim(nil), answer: not(reportedA()),
		},
		{
			name: "it has a task", stands: launchedI, do: claim(nil), answer: not(launchedA(nil)),
		},
		{
			name: "claimed, and it has a task", stands: with(fresh, M{"task": task}), do: claim(nil),
			answer: not(freshA(func(a *ledger.Attempt) { a.Task = task })),
		},
		{
			name: "abandoned", stands: abandonedI, do: claim(nil), answer: not(abandonedA(nil)),
		},
		{
			name: "a live reporter", stands: with(dueItem, another), do: claim(nil),
			answer: not(dueA(func(a *ledger.Attempt) { a.Reporter, a.ReportUntil, a.Reports = "another", at(T+1), 1 })),
		},
		{
			name: "a reporter that is gone", stands: with(dueItem, gone), do: claim(nil),
			answer: again(true, false, dueA(func(a *ledger.Attempt) {
				a.Reporter, a.ReportUntil, a.Reports = "another", at(T).Add(-time.Millisecond), 1
			})),
			changes: taken,
		},
		{
			name: "the same by digest, of another schedule", stands: scheduled,
			do:     claim(func(d *ledger.Delivery) { d.Schedule, d.Run.ScheduledTime = "hourly", at(T-900) }),
			answer: again(false, true, scheduledA), changes: taken,
		},
		{
			name: "the same by schedule and time", stands: scheduled, do: claim(secondDigest("nightly", T-900)),
			answer: again(false, true, scheduledA), changes: taken,
		},
		{
			name: "of another time", stands: scheduled, do: claim(secondDigest("nightly", T-901)), answer: not(scheduledA),
		},
		{
			name: "of another schedule", stands: scheduled, do: claim(secondDigest("hourly", T-900)), answer: not(scheduledA),
		},
		{
			name: "another payload", stands: fresh, do: claim(func(d *ledger.Delivery) { d.Digest = "d2" }), answer: not(freshA(nil)),
		},
		{
			name: "once, and it was", stands: fresh, do: claim(func(d *ledger.Delivery) { d.Once = true }), answer: not(freshA(nil)),
		},
		{
			name: "once, and it was long ago", stands: with(fresh, M{"launchUntil": T - 2000}),
			do:     claim(func(d *ledger.Delivery) { d.Once = true }),
			answer: not(freshA(func(a *ledger.Attempt) { a.LaunchUntil = at(T - 2000) })),
		},
		{
			name: "of a later release", stands: later, do: claim(nil), answer: not(laterA()), err: laterErr,
		},
		{
			name: "of a later release, in a state that is known", stands: with(fresh, M{"v": 2, "place": M{"zone": "a"}}), do: claim(nil),
			answer: again(false, true, freshA(func(a *ledger.Attempt) { a.Version = 2 })), changes: taken,
		},
		{
			name: "an item that lacks everything", stands: M{"pk": "run#bill#r1", "sk": "a#01", "note": "by hand"}, do: claim(nil),
			answer: not(ledger.Attempt{Key: key}), err: `item run#bill#r1 a#01 of the ledger cannot be read: state "" is none of this release's`,
		},
	})
}

func TestSame(t *testing.T) {
	t.Parallel()
	scheduled := ledger.Attempt{Digest: "d1", Schedule: "nightly", ScheduledTime: at(T)}
	for _, c := range []struct {
		name string
		a    ledger.Attempt
		d    ledger.Delivery
		want bool
	}{
		{"by digest", scheduled, ledger.Delivery{Digest: "d1"}, true},
		{"by schedule and time", scheduled, ledger.Delivery{Digest: "d2", Schedule: "nightly", Run: run.Run{ScheduledTime: at(T)}}, true},
		{"of another time", scheduled, ledger.Delivery{Digest: "d2", Schedule: "nightly", Run: run.Run{ScheduledTime: at(T + 1)}}, false},
		{"of another schedule", scheduled, ledger.Delivery{Digest: "d2", Schedule: "hourly", Run: run.Run{ScheduledTime: at(T)}}, false},
		{"without a time", ledger.Attempt{Digest: "d1", Schedule: "nightly"}, ledger.Delivery{Digest: "d2", Schedule: "nightly"}, false},
		{"another payload", ledger.Attempt{Digest: "d1"}, ledger.Delivery{Digest: "d2"}, false},
		{"not known", ledger.Attempt{}, ledger.Delivery{Digest: "d2"}, true},
	} {
		if got := c.a.Same(c.d); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

// hold is the claim of fresh.
func hold(claims int) ledger.Hold {
	return ledger.Hold{Alone: true, Attempt: freshA(func(a *ledger.Attempt) { a.Claims = claims })}
}

func TestNoRoom(t *testing.T) {
	noRoom := func(claims int, burned bool, answer string) func(context.Context, *table) (any, error) {
		return func(ctx context.Context, x *table) (any, error) {
			return x.NoRoom(ctx, hold(claims), burned, answer, at(T+30))
		}
	}
	off := M{"state": "DUE", "due": T + 30, "launchUntil": nil, "answer": "no room"}
	steps(t, []step{
		{name: "throttled", stands: fresh, do: noRoom(1, false, "no room"), answer: true, changes: off},
		{name: "failures", stands: fresh, do: noRoom(1, true, "no room"), answer: true, changes: with(off, M{"try": 1})},
		{name: "as long as is kept", stands: fresh, do: noRoom(1, false, strings.Repeat("a", 500)), answer: true, changes: with(off, M{"answer": strings.Repeat("a", 500)})},
		{name: "longer than is kept", stands: fresh, do: noRoom(1, false, strings.Repeat("a", 501)), answer: true, changes: with(off, M{"answer": strings.Repeat("a", 497) + "…"})},
		{name: "no answer keeps the last one", stands: with(fresh, M{"answer": "no room"}), do: noRoom(1, false, ""), answer: true, changes: off},
		{name: "claimed by somebody else since", stands: with(fresh, M{"claims": 2}), do: noRoom(1, true, "no room"), answer: false},
		{name: "put off already", stands: dueItem, do: noRoom(1, true, "no room"), answer: false},
		{name: "abandoned", stands: abandonedI, do: noRoom(1, true, "no room"), answer: false},
		{name: "it has a task", stands: with(fresh, M{"task": task}), do: noRoom(1, true, "no room"), answer: false},
		{name: "reported", stands: with(fresh, M{"reported": T}), do: noRoom(1, true, "no room"), answer: false},
		{name: "not there", do: noRoom(1, true, "no room"), answer: false},
	})
}

func TestNote(t *testing.T) {
	note := func(refused run.Status, answer string) func(context.Context, *table) (any, error) {
		return func(ctx context.Context, x *table) (any, error) { return nil, x.Note(ctx, hold(1), refused, answer) }
	}
	steps(t, []step{
		{name: "an answer", stands: fresh, do: note("", "no room"), changes: M{"answer": "no room"}},
		{name: "a refusal", stands: fresh, do: note(run.LaunchFailed, "no such cluster"), changes: M{"answer": "no such cluster", "refused": "LAUNCH_FAILED"}},
		{name: "longer than is kept", stands: fresh, do: note("", strings.Repeat("é", 251)), changes: M{"answer": strings.Repeat("é", 248) + "…"}},
		{name: "by one of two", stands: with(fresh, M{"claims": 2}), do: note(run.LaunchFailed, "no"), changes: M{"answer": "no", "refused": "LAUNCH_FAILED"}},
		{name: "nothing", stands: fresh, do: note("", "")},
		{name: "due", stands: dueItem, do: note(run.LaunchFailed, "no")},
		{name: "it has a task", stands: launchedI, do: note(run.LaunchFailed, "no")},
		{name: "abandoned", stands: abandonedI, do: note(run.LaunchFailed, "no")},
		{name: "reported", stands: reported, do: note(run.LaunchFailed, "no")},
		{name: "not there", do: note(run.LaunchFailed, "no")},
	})
}

type attempt struct {
	Attempt ledger.Attempt
	OK      bool
}

func TestLaunched(t *testing.T) {
	launched := func(limits ledger.Limits) func(context.Context, *table) (any, error) {
		return func(ctx context.Context, x *table) (any, error) {
			a, ok, err := x.Launched(ctx, key, cluster, task, limits)
			return attempt{a, ok}, err
		}
	}
	plain := ledger.Limits{Start: 30 * time.Minute}
	begun := M{"state": "LAUNCHED", "task": task, "startTimeout": 1800, "startBy": T + 1800, "launchUntil": nil, "due": T + 300}
	is := func(change func(*ledger.Attempt)) attempt {
		return attempt{launchedA(func(a *ledger.Attempt) {
			a.StartBy, a.Due = at(T+1800), at(T+300)
			change(a)
		}), true}
	}
	steps(t, []step{
		{name: "launched", stands: fresh, do: launched(plain), answer: is(func(*ledger.Attempt) {}), changes: begun},
		{
			name: "with a timeout that ends first", stands: fresh, do: launched(ledger.Limits{Start: 10 * time.Minute, Timeout: time.Minute}),
			answer: is(func(a *ledger.Attempt) {
				a.StartTimeout, a.Timeout, a.StartBy, a.Due = 10*time.Minute, time.Minute, at(T+600), at(T+60)
			}),
			changes: with(begun, M{"startTimeout": 600, "timeout": 60, "startBy": T + 600, "due": T + 60}),
		},
		{
			name: "again: startBy stays", stands: launchedI, do: launched(plain),
			answer: is(func(a *ledger.Attempt) { a.StartBy = at(T + 1000) }), changes: M{"due": T + 300},
		},
		{
			name: "found by 6 meanwhile", stands: with(abandonedI, another), do: launched(plain),
			answer:  is(func(a *ledger.Attempt) { a.Reporter, a.ReportUntil, a.Reports = "another", at(T+1), 1 }),
			changes: begun,
		},
		{
			name: "another task", stands: with(launchedI, M{"task": other}), do: launched(plain),
			answer: attempt{launchedA(func(a *ledger.Attempt) { a.Task = other }), false},
		},
		{name: "reported", stands: reported, do: launched(plain), answer: attempt{reportedA(), false}},
		{name: "of a later release", stands: later, do: launched(plain), answer: attempt{laterA(), false}, err: laterErr},
		{
			name: "not there: at least the watchdog sees it", do: launched(plain),
			answer: attempt{ledger.Attempt{
				Key: key, State: ledger.Launched, Cluster: cluster, Task: task, StartTimeout: 30 * time.Minute, StartBy: at(T + 1800), Due: at(T + 300),
			}, true},
			changes: with(begun, M{"cluster": cluster, "open": "4"}),
		},
	})
}
