package ledger

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"errand/pkg/run"
)

// Reporter is an invocation that wants to report an attempt.
type Reporter struct {
	ID    string    // its request id
	Until time.Time // when it ends
}

// Refusal is why a step was not taken.
type Refusal string

// Every refusal there is; "" if the step was taken.
const (
	Reported  Refusal = "it was reported already"
	Held      Refusal = "somebody else is reporting it"
	OtherTask Refusal = "it has another task"
	Stopping  Refusal = "its task is being stopped, for another reason than was known"
	InHand    Refusal = "a launcher may be at it"
	HasTask   Refusal = "it has a task"
	Waiting   Refusal = "it will be launched"
)

const free = "(attribute_not_exists(#reporter) OR #reporter = :me OR #reportUntil < :now)"

// lease makes the reporter the holder.
func (l *Ledger) lease(u *update, r Reporter) {
	until := r.Until.Add(grace)
	u.value("me", text(r.ID)).value("now", instant(l.Now())).
		set("reporter", text(r.ID)).set("reportUntil", instant(until)).set("due", instant(until.Add(grace))).add("reports", number(1))
}

// End is how an attempt ended, as its reporter has seen it.
type End struct {
	Run     run.Run
	Cluster string
	Task    string // "" for a command in a live task
	Verdict Verdict
	StopFor string // why the task was stopped, as far as the reporter knows
	Digest  string
}

// Conclude is step 4: the reporter holds the attempt, and the verdict that stands in
// the one that is returned is what it tells. An attempt that is not in the ledger is
// put there.
func (l *Ledger) Conclude(ctx context.Context, r Reporter, e End) (Attempt, Refusal, error) {
	key := KeyOf(e.Run)
	condition := "attribute_not_exists(#reported) AND " + free
	if e.Task != "" {
		condition += " AND (attribute_not_exists(#task) OR #task = :task)"
	}
	if e.StopFor == "" {
		condition += " AND attribute_not_exists(#stopFor)"
	} else {
		condition += " AND #stopFor = :stopFor"
	}
	u := known(condition)
	if e.Task != "" {
		u.value("task", text(e.Task))
	}
	if e.StopFor != "" {
		u.value("stopFor", text(e.StopFor))
	}
	l.begin(u, key, Delivery{Run: e.Run, Digest: e.Digest, Cluster: e.Cluster}, l.Now())
	l.lease(u, r)
	u.set("state", text(string(Launched))).once("task", optional(e.Task)).once("verdict", e.Verdict.attribute()).set("open", text(key.shard()))
	found, ok, err := l.begun(ctx, "conclude "+key.String(), key, u)
	if err != nil {
		return Attempt{}, "", err
	}
	a, err := decode(found)
	if err != nil || ok {
		return a, "", err
	}
	switch {
	case !a.Reported.IsZero():
		return a, Reported, nil
	case l.heldByOther(a, r):
		return a, Held, nil
	case e.Task != "" && a.Task != "" && a.Task != e.Task:
		return a, OtherTask, nil
	}
	return a, Stopping, nil
}

func (l *Ledger) heldByOther(a Attempt, r Reporter) bool {
	return a.Reporter != "" && a.Reporter != r.ID && !a.ReportUntil.Before(l.Now())
}

// Abandon is the first part of step 6: no later claim can launch the attempt. Only
// then is ECS asked for a task of it. With hold it is the launcher's own, which has
// to be alone. Other is put as an attempt that nobody has ever claimed.
func (l *Ledger) Abandon(ctx context.Context, r Reporter, key Key, d Delivery, hold *Hold) (Attempt, Refusal, error) {
	now := l.Now()
	condition := "attribute_not_exists(#reported) AND attribute_not_exists(#task) AND " + free
	var u *update
	if hold != nil {
		u = on(condition+" AND ((#state = :claimed AND #claims = :claims) OR #state = :abandoned)").value("claims", number(hold.Claims))
	} else {
		u = on(condition+" AND (attribute_not_exists(#state) OR #state = :claimed OR #state = :abandoned)"+
			" AND (attribute_not_exists(#launchUntil) OR #launchUntil < :settled)").value("settled", instant(now.Add(-settle)))
	}
	u.value("claimed", text(string(Claimed))).value("abandoned", text(string(Abandoned)))
	l.begin(u, key, d, now)
	l.lease(u, r)
	u.set("state", text(string(Abandoned))).set("open", text(key.shard()))
	found, ok, err := l.begun(ctx, "abandon "+key.String(), key, u)
	if err != nil {
		return Attempt{}, "", err
	}
	a, err := decode(found)
	if err != nil || ok {
		return a, "", err
	}
	switch {
	case !a.Reported.IsZero():
		return a, Reported, nil
	case a.Task != "":
		return a, HasTask, nil
	case l.heldByOther(a, r):
		return a, Held, nil
	case a.State == Due:
		return a, Waiting, nil
	}
	return a, InHand, nil
}

// Forgotten says whether ECS may have forgotten the abandoned attempt's task, so
// that its silence proves nothing. An attempt that nobody claimed never had one.
func (l *Ledger) Forgotten(a Attempt) bool {
	return !a.LaunchUntil.IsZero() && l.Now().Sub(a.LaunchUntil) > remembered
}

// mine begins a write that the reporter alone may make.
func (l *Ledger) mine(r Reporter, and string) *update {
	return on("#reporter = :me AND attribute_not_exists(#reported)"+and).value("me", text(r.ID))
}

// Found ends an abandonment: ECS has a task of the attempt after all.
func (l *Ledger) Found(ctx context.Context, r Reporter, key Key, cluster, task string, limits Limits) (bool, error) {
	u := l.mine(r, " AND (attribute_not_exists(#task) OR #task = :task)").value("task", text(task))
	l.launched(u, key, cluster, task, limits)
	u.remove("verdict", "reporter", "reportUntil", "reports")
	_, ok, err := l.write(ctx, "note the task of "+key.String(), key, u)
	return ok, err
}

// Decide is the last part of step 6: there is no task and none can come, and this is
// what is told. The verdict that stands in the attempt that is returned counts.
func (l *Ledger) Decide(ctx context.Context, r Reporter, key Key, v Verdict) (Attempt, bool, error) {
	u := l.mine(r, " AND attribute_not_exists(#task)").once("verdict", v.attribute())
	found, ok, err := l.write(ctx, "decide "+key.String(), key, u)
	if err != nil || !ok {
		return Attempt{}, false, err
	}
	a, err := decode(found)
	return a, err == nil, err
}

// DueAgain is the other end of step 6: what nobody refused is launched again.
func (l *Ledger) DueAgain(ctx context.Context, r Reporter, key Key, next time.Time) (bool, error) {
	u := l.mine(r, " AND attribute_not_exists(#task) AND attribute_not_exists(#verdict)").
		set("state", text(string(Due))).set("due", instant(next)).remove("reporter", "reportUntil", "reports", "launchUntil")
	_, ok, err := l.write(ctx, "put off "+key.String(), key, u)
	return ok, err
}

// Told is step 7's note: these topics have the result, whoever holds the attempt
// next.
func (l *Ledger) Told(ctx context.Context, r Reporter, key Key, topics []string) error {
	if len(topics) == 0 { // DynamoDB has no empty sets
		return nil
	}
	u := l.mine(r, "").add("told", set(topics))
	_, _, err := l.write(ctx, "note who was told of "+key.String(), key, u)
	return err
}

// NothingOpen says that the reporter ends without having told everybody, and that no
// answer of a topic is missing: nothing may have been told but what was noted.
func (l *Ledger) NothingOpen(ctx context.Context, r Reporter, key Key) error {
	_, _, err := l.write(ctx, "note who was told of "+key.String(), key, l.mine(r, "").remove("reports"))
	return err
}

// Mark is step 8: the attempt is reported, and leaves the index of open ones. Its
// time to live begins, which is never under 15 days.
func (l *Ledger) Mark(ctx context.Context, r Reporter, key Key, topics []string) (bool, error) {
	now := l.Now()
	u := l.mine(r, "").set("reported", instant(now)).set("expires", instant(now.Add(l.history()).Truncate(time.Second))).
		remove("open", "due").returning(types.ReturnValueNone)
	if len(topics) > 0 {
		u.add("told", set(topics))
	}
	_, ok, err := l.write(ctx, "mark "+key.String(), key, u)
	return ok, err
}

func (l *Ledger) history() time.Duration { return max(l.cfg.History, 15*24*time.Hour) }
