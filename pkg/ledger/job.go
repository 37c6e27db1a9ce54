package ledger

import (
	"context"
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
	order := a.ScheduledTime
	if order.IsZero() {
		order = a.FirstClaim
	}
	well := a.Verdict.Status.Outcome() == "success"
	// Most ends are like the one before.
	u := l.jobUpdate(a, order, "attribute_exists(#pk) AND (#lastAt < :order OR #lastAt = :order) AND #lastMark <> :mark AND #well = :well")
	u.value("order", instant(order)).value("mark", text(markOf(a))).value("well", &types.AttributeValueMemberBOOL{Value: well})
	if !well {
		u.add("inRow", number(1))
	}
	found, ok, err := l.write(ctx, "note the end in job "+a.Job, jobEntry(a.Job), u.returning(types.ReturnValueAllNew))
	switch {
	case err != nil:
		return err
	case ok:
		return l.trim(ctx, found)
	}
	before := decodeJob(found)
	if len(found) > 0 && (found.string("lastMark") == markOf(a) || before.LastAt.After(order)) {
		return nil
	}
	// It is another outcome than the last, or the first at all.
	condition := "attribute_not_exists(#pk)"
	if len(found) > 0 {
		condition = "#lastMark = :last"
	}
	u = l.jobUpdate(a, order, condition)
	if len(found) > 0 {
		u.value("last", text(found.string("lastMark")))
	}
	u.set("well", &types.AttributeValueMemberBOOL{Value: well}).set("since", instant(a.Verdict.Ended))
	inRow := 0
	if !well {
		inRow = 1
	}
	u.set("inRow", number(inRow))
	// Lost to another end at the same moment, it is left out: the mark is for
	// people, and the run's own item has all.
	_, _, err = l.write(ctx, "note the end in job "+a.Job, jobEntry(a.Job), u)
	return err
}

func markOf(a Attempt) string { return a.RunID + " " + a.sort() }

// jobEntry is the key of a job's own item.
func jobEntry(name string) Key { return Key{Job: name} }

func (l *Ledger) jobUpdate(a Attempt, order time.Time, condition string) *update {
	u := on(condition)
	v := a.Verdict
	mark := item{"runId": text(a.RunID), "attempt": number(a.Key.Attempt), "status": text(string(v.Status)), "at": instant(v.Ended)}
	u.set("v", number(form)).set("job", text(allJobs)).set("at", instant(order)).set("lastAt", instant(order)).
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
