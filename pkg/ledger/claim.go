package ledger

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"errand/pkg/run"
)

// maxPayload is the longest payload that is kept, in bytes. ECS takes no more than
// 8,192 characters of overrides, and a message to Lambda's queue a megabyte.
const maxPayload = 64 << 10

// Delivery is what a launcher or the executor was handed.
type Delivery struct {
	Run      run.Run
	Schedule string
	Digest   string
	Payload  []byte
	Cluster  string // as far as it is known
	Person   string // who sent it, if a person did
	Holder   string // the invocation's request id
	// Until is when this invocation ends.
	Until time.Time
	// Once is for commands in live tasks: a run that was ever claimed is not claimed
	// again.
	Once bool
}

func (d Delivery) key() Key { return KeyOf(d.Run) }

// Hold is a claim that was taken.
type Hold struct {
	Attempt
	// Alone says that no other launcher can be alive.
	Alone bool
	// Open says that a launcher before this one may have left a call of RunTask
	// without an answer.
	Open bool
}

// Claim is step 1: nobody asks ECS for the run's task, or runs its command, without
// it. If it is not taken, the attempt that stands there says why.
func (l *Ledger) Claim(ctx context.Context, d Delivery) (Hold, bool, error) {
	now := l.Now()
	condition := "attribute_not_exists(#pk)"
	if !d.Once {
		same := "#digest = :digest"
		if d.Schedule != "" && !d.Run.ScheduledTime.IsZero() {
			same += " OR (#schedule = :schedule AND #scheduledTime = :scheduledTime)"
		}
		condition += " OR (attribute_not_exists(#reported) AND attribute_not_exists(#task)" +
			" AND (#state = :due OR (#state = :claimed AND #launchUntil > :old))" +
			" AND (attribute_not_exists(#reporter) OR #reportUntil < :now)" +
			" AND (attribute_not_exists(#launchUntil) OR #launchUntil <= :mine) AND (" + same + "))"
	}
	until := exact(d.Until.Add(grace))
	u := on(condition)
	if !d.Once {
		u.value("due", text(string(Due))).value("claimed", text(string(Claimed))).value("old", instant(now.Add(-takeOver))).
			value("now", instant(now)).value("mine", instant(until)).value("digest", text(d.Digest))
		if d.Schedule != "" && !d.Run.ScheduledTime.IsZero() {
			u.value("schedule", text(d.Schedule)).value("scheduledTime", instant(d.Run.ScheduledTime))
		}
	}
	l.begin(u, d.key(), d, now)
	u.set("state", text(string(Claimed))).add("claims", number(1)).once("try", number(0)).
		set("launchUntil", instant(until)).set("holder", optional(d.Holder)).set("due", instant(until.Add(settle))).set("open", text(d.key().shard())).
		remove("refused").returning(types.ReturnValueAllOld)
	found, ok, err := l.begun(ctx, "claim "+d.key().String(), d.key(), u)
	if err != nil {
		return Hold{}, false, err
	}
	if len(found) == 0 {
		// It was new.
		h := Hold{Alone: true, Attempt: Attempt{
			Key: d.key(), Version: form, State: Claimed, Method: d.Run.Method, FirstClaim: now, ScheduledTime: exact(d.Run.ScheduledTime),
			Schedule: d.Schedule, Digest: d.Digest, Cluster: d.Cluster, Claims: 1, LaunchUntil: until, Person: d.Person, Holder: d.Holder, Due: until.Add(settle),
		}}
		if len(d.Payload) <= maxPayload {
			h.Payload = d.Payload
		}
		return h, true, nil
	}
	a, err := decode(found)
	// The SDK repeats a write whose answer was lost.
	own := a.State == Claimed && a.Claims == 1 && a.Holder == d.Holder && a.LaunchUntil.Equal(until)
	if err == nil && !ok && d.Once && own {
		return Hold{Attempt: a, Alone: true}, true, nil
	}
	if err != nil || !ok {
		return Hold{Attempt: a}, false, err
	}
	h := Hold{
		Attempt: a,
		Alone:   own || a.LaunchUntil.IsZero() || a.LaunchUntil.Add(settle).Before(now),
		Open:    !own && a.State == Claimed,
	}
	h.State, h.LaunchUntil, h.Due, h.Refused, h.Holder = Claimed, until, until.Add(settle), "", d.Holder
	h.Claims++
	return h, true, nil
}

// begin writes what an item has from its beginning.
func (l *Ledger) begin(u *update, key Key, d Delivery, now time.Time) {
	u.once("v", number(form)).once("method", optional(d.Run.Method)).
		once("digest", optional(d.Digest)).once("schedule", optional(d.Schedule)).
		once("cluster", optional(d.Cluster)).once("person", optional(d.Person))
	if !d.Run.ScheduledTime.IsZero() {
		u.once("scheduledTime", instant(d.Run.ScheduledTime))
	}
	if len(d.Payload) <= maxPayload {
		u.once("payload", optional(string(d.Payload)))
	}
	if key.Other == "" && key.Attempt == 1 {
		u.once("job", text(key.Job))
	}
	u.once("at", instant(now))
}

func optional(s string) types.AttributeValue {
	if s == "" {
		return nil
	}
	return text(s)
}

// Same says whether a delivery is of the run that the attempt is of, and not
// another payload under its identity.
func (a Attempt) Same(d Delivery) bool {
	byTime := a.Schedule != "" && a.Schedule == d.Schedule && !a.ScheduledTime.IsZero() && a.ScheduledTime.Equal(d.Run.ScheduledTime)
	return a.Digest == "" || a.Digest == d.Digest || byTime
}

// NoRoom is step 2': ECS may have room later. The watchdog wakes a launcher for the
// attempt at the time. With burned, ECS has answered the placement try with
// failures, which it would repeat. The launcher must be alone, and no call open.
func (l *Ledger) NoRoom(ctx context.Context, h Hold, burned bool, answer string, next time.Time) (bool, error) {
	u := l.held(h).set("state", text(string(Due))).set("due", instant(next)).set("answer", optional(cut(answer, maxAnswer))).
		remove("launchUntil")
	if burned {
		u.set("try", number(h.Try+1))
	}
	_, ok, err := l.write(ctx, "put off "+h.String(), h.Key, u)
	return ok, err
}

// maxAnswer is the length of the longest answer of ECS that is kept, in bytes.
const maxAnswer = 500

// held begins a write that the claim's holder alone may make.
func (l *Ledger) held(h Hold) *update {
	return on("#state = :claimed AND #claims = :claims AND attribute_not_exists(#task) AND attribute_not_exists(#reported)").
		value("claimed", text(string(Claimed))).value("claims", number(h.Claims))
}

// Note leaves an answer of ECS's, with a status if it is final, to whoever
// concludes the attempt: a launcher that is not alone must not.
func (l *Ledger) Note(ctx context.Context, h Hold, refused run.Status, answer string) error {
	u := on("#state = :claimed AND attribute_not_exists(#task) AND attribute_not_exists(#reported)").value("claimed", text(string(Claimed))).
		set("answer", optional(cut(answer, maxAnswer))).set("refused", optional(string(refused)))
	if len(u.sets) == 0 {
		return nil
	}
	_, _, err := l.write(ctx, "note ECS's answer for "+h.String(), h.Key, u)
	return err
}

// Limits are the times that an attempt has, from its payload.
type Limits struct {
	Start   time.Duration // to be RUNNING
	Timeout time.Duration // from RUNNING; 0: none
}

// firstLook is how long after its launch the watchdog first looks at a task: what
// has ended by then without a word is told then.
const firstLook = 5 * time.Minute

// Launched is step 3: the attempt has its task. It is not taken if the attempt has
// another one, which the attempt that is returned tells, or was reported.
func (l *Ledger) Launched(ctx context.Context, key Key, cluster, task string, limits Limits) (Attempt, bool, error) {
	u := known("attribute_not_exists(#reported) AND (attribute_not_exists(#task) OR #task = :task)").value("task", text(task))
	l.launched(u, key, cluster, task, limits)
	found, ok, err := l.write(ctx, "note the task of "+key.String(), key, u)
	if err != nil {
		return Attempt{}, false, err
	}
	a, err := decode(found)
	return a, ok, err
}

// Yield is step 3 for a task of another payload under the run's identity, which was
// started while there was no ledger: from now on the attempt is of that payload, of
// which only the digest is known, and of the holder's no more.
func (l *Ledger) Yield(ctx context.Context, h Hold, cluster, task, digest string, limits Limits) error {
	u := l.held(h)
	l.launched(u, h.Key, cluster, task, limits)
	u.set("digest", optional(digest)).remove("payload", "schedule", "person")
	_, _, err := l.write(ctx, "note the task of "+h.String(), h.Key, u)
	return err
}

func (l *Ledger) launched(u *update, key Key, cluster, task string, limits Limits) {
	now := l.Now()
	look := now.Add(min(firstLook, limits.Start))
	u.set("state", text(string(Launched))).set("task", text(task)).set("cluster", optional(cluster)).set("open", text(key.shard())).
		set("startTimeout", number(int(limits.Start/time.Second))).once("startBy", instant(now.Add(limits.Start)))
	if limits.Timeout > 0 {
		u.set("timeout", number(int(limits.Timeout/time.Second)))
		look = now.Add(min(firstLook, limits.Start, limits.Timeout))
	}
	u.set("due", instant(look)).remove("launchUntil")
}
