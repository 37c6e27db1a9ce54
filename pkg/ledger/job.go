package ledger

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"errand/pkg/run"
)

// maxMarks is how many of a job's last ends its item has.
const maxMarks = 20

// allJobs is the key under which the index history has every job. No job can have
// that name.
const allJobs = "#jobs"

// Mark is one end in a job's row of marks.
type Mark struct {
	RunID   string
	Attempt int
	Status  run.Status
	At      time.Time // when it ended
}

// Job is what is remembered of a job, the last end first.
type Job struct {
	Name   string
	Status run.Status
	// Since is when the job's runs began to end well, or not to: see InRow.
	Since       time.Time
	InRow       int // failures without a success between them
	LastRun     string
	LastAt      time.Time // when that run was due, else first claimed
	LastSuccess string
	SucceededAt time.Time
	Marks       []Mark
}

// JobEnded puts an end into the item of its job, between steps 4 and 7. It is a
// single write while a job goes on ending as it did. An end of a run that is older
// than the last one changes nothing, and a repeat neither. What a job's runs say
// changes with successes and failures; what was skipped says nothing.
func (l *Ledger) JobEnded(ctx context.Context, a Attempt) error {
	if a.Verdict == nil || a.Verdict.Status.Outcome() == "skipped" || a.Other != "" {
		return nil
	}
	order := exact(a.ScheduledTime)
	if order.IsZero() {
		order = a.FirstClaim
	}
	well := a.Verdict.Status.Outcome() == "success"
	// Most ends are like the one before.
	u := jobUpdate(a, order, "attribute_exists(#pk) AND #well = :well"+
		" AND (#lastAt < :order OR (#lastAt = :order AND (#lastRun <> :run OR #lastMark < :mark)))")
	u.value("order", instant(order)).value("run", text(a.RunID)).value("mark", text(markOf(a))).
		value("well", &types.AttributeValueMemberBOOL{Value: well})
	if !well {
		u.add("inRow", number(1))
	}
	found, ok, err := l.write(ctx, "note the end in job "+a.Job, jobEntry(a.Job), u)
	for tries := 0; err == nil && !ok && !found.hasEnd(a, order); tries++ {
		if tries == maxTries {
			return fmt.Errorf("note the end in job %s: other ends came between each time", a.Job)
		}
		found, ok, err = l.turn(ctx, a, order, found)
	}
	if err != nil || !ok {
		return err
	}
	return l.trim(ctx, found)
}

// maxTries is how often an end is put into its job when others come between.
const maxTries = 10

// hasEnd says of a job's item that it has this end or a later one.
func (i item) hasEnd(a Attempt, order time.Time) bool {
	lastAt := i.time("lastAt")
	return len(i) > 0 && (lastAt.After(order) ||
		lastAt.Equal(order) && i.string("lastRun") == a.RunID && i.string("lastMark") >= markOf(a))
}

// turn puts an end into its job that has another outcome than the last, or is the
// first at all. It is not taken if the item is no longer as it was found.
func (l *Ledger) turn(ctx context.Context, a Attempt, order time.Time, found item) (item, bool, error) {
	condition := "attribute_not_exists(#pk)"
	if len(found) > 0 {
		condition = "#lastMark = :last"
	}
	u := jobUpdate(a, order, condition)
	if len(found) > 0 {
		u.value("last", text(found.string("lastMark")))
	}
	well, inRow := a.Verdict.Status.Outcome() == "success", 0
	if !well {
		inRow = 1
	}
	before, known := found["well"].(*types.AttributeValueMemberBOOL)
	if known && before.Value == well { // the item was made, or turned, between the two writes
		inRow += found.int("inRow")
	} else {
		u.set("since", instant(a.Verdict.Ended))
	}
	u.set("well", &types.AttributeValueMemberBOOL{Value: well}).set("inRow", number(inRow))
	return l.write(ctx, "note the end in job "+a.Job, jobEntry(a.Job), u)
}

func markOf(a Attempt) string { return a.RunID + " " + a.sort() }

// jobEntry is the key of a job's own item.
func jobEntry(name string) Key { return Key{Job: name} }

func jobUpdate(a Attempt, order time.Time, condition string) *update {
	u := on(condition)
	v := a.Verdict
	mark := item{"runId": text(a.RunID), "attempt": number(a.Attempt), "status": text(string(v.Status)), "at": instant(v.Ended)}
	u.once("v", number(form)).set("job", text(allJobs)).set("at", instant(order)).set("lastAt", instant(order)).
		set("lastRun", text(a.RunID)).set("lastMark", text(markOf(a))).set("status", text(string(v.Status)))
	u.names["#marks"] = "marks"
	u.values[":marks_"] = &types.AttributeValueMemberL{Value: []types.AttributeValue{&types.AttributeValueMemberM{Value: mark}}}
	u.values[":none"] = &types.AttributeValueMemberL{Value: []types.AttributeValue{}}
	u.sets = append(u.sets, "#marks = list_append(:marks_, if_not_exists(#marks, :none))")
	if v.Status == run.Succeeded {
		u.set("lastSuccess", text(a.RunID)).set("succeededAt", instant(v.Ended))
	}
	return u
}

// trim cuts the row of marks when it is twice as long as it should be.
func (l *Ledger) trim(ctx context.Context, found item) error {
	marks, _ := found["marks"].(*types.AttributeValueMemberL)
	if marks == nil || len(marks.Value) < 2*maxMarks {
		return nil
	}
	u := on("#lastMark = :last").value("last", text(found.string("lastMark"))).
		set("marks", &types.AttributeValueMemberL{Value: marks.Value[:maxMarks]})
	name := decodeJob(found).Name
	_, _, err := l.write(ctx, "shorten the marks of job "+name, jobEntry(name), u)
	return err
}

func decodeJob(i item) Job {
	j := Job{
		Status: run.Status(i.string("status")), Since: i.time("since"), InRow: i.int("inRow"),
		LastRun: i.string("lastRun"), LastAt: i.time("lastAt"), LastSuccess: i.string("lastSuccess"), SucceededAt: i.time("succeededAt"),
	}
	if pk := i.string("pk"); len(pk) > len("job#") {
		j.Name = pk[len("job#"):]
	}
	if marks, ok := i["marks"].(*types.AttributeValueMemberL); ok {
		for _, value := range marks.Value[:min(maxMarks, len(marks.Value))] {
			if m, ok := value.(*types.AttributeValueMemberM); ok {
				mark := item(m.Value)
				j.Marks = append(j.Marks, Mark{mark.string("runId"), mark.int("attempt"), run.Status(mark.string("status")), mark.time("at")})
			}
		}
	}
	return j
}
