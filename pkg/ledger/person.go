package ledger

import (
	"context"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"errand/pkg/run"
)

// What follows is for the command errand and the people who use it.

// shown are the attributes that a person without the right to see payloads may
// read: every one but the payload. A request has to name them, or IAM refuses it.
var shown = []string{
	"pk", "sk", "v", "state", "job", "at", "method", "digest", "schedule", "scheduledTime", "cluster", "task", "try", "claims",
	"launchUntil", "startTimeout", "timeout", "startBy", "runUntil", "stopFor", "stopAt", "stopBy", "reporter", "reportUntil", "reports",
	"verdict", "told", "reported", "answer", "refused", "person", "holder", "next", "open", "due", "expires",
	"marks", "status", "since", "inRow", "well", "lastSuccess", "succeededAt", "lastRun", "lastMark", "lastAt",
}

func projection() (expression *string, names map[string]string) {
	text := ""
	names = map[string]string{}
	for i, name := range shown {
		if i > 0 {
			text += ", "
		}
		text += "#" + name
		names["#"+name] = name
	}
	return &text, names
}

// Runs returns the last runs of a job, the newest first, at most so many, those
// that began before a time left out.
func (l *Ledger) Runs(ctx context.Context, job string, since time.Time, most int) ([]Attempt, error) {
	entries, err := l.keysOf(ctx, "read the runs of job "+job, job, since, most)
	if err != nil {
		return nil, err
	}
	return l.attempts(ctx, entries)
}

// attempts reads the attempts of entries; what cannot be read is left out.
func (l *Ledger) attempts(ctx context.Context, entries []Entry) ([]Attempt, error) {
	items, err := l.items(ctx, entries, false)
	if err != nil {
		return nil, err
	}
	var list []Attempt
	for _, i := range items {
		if a, err := decode(i); err == nil {
			list = append(list, a)
		}
	}
	return list, nil
}

// Jobs returns every job that has ever ended a run, the one with the newest run
// first.
func (l *Ledger) Jobs(ctx context.Context) ([]Job, error) {
	entries, err := l.keysOf(ctx, "list the jobs", allJobs, time.Time{}, 10_000)
	if err != nil {
		return nil, err
	}
	items, err := l.items(ctx, entries, false)
	if err != nil {
		return nil, err
	}
	var list []Job
	for _, i := range items {
		list = append(list, decodeJob(i))
	}
	return list, nil
}

// Going returns every attempt that is not reported yet.
func (l *Ledger) Going(ctx context.Context) ([]Attempt, error) {
	entries, err := l.Open(ctx, time.Time{}, 10_000)
	if err != nil {
		return nil, err
	}
	list, err := l.attempts(ctx, entries)
	return slices.DeleteFunc(list, func(a Attempt) bool { return !a.Reported.IsZero() }), err
}

// Attempts returns all attempts of a run, the first one first, and what came second
// under its identity after them.
func (l *Ledger) Attempts(ctx context.Context, job, runID string) ([]Attempt, error) {
	attributes, names := projection()
	names["#pk"] = "pk"
	in := &dynamodb.QueryInput{
		TableName: &l.cfg.Table, ConsistentRead: aws.Bool(true), KeyConditionExpression: aws.String("#pk = :pk"),
		ExpressionAttributeValues: item{":pk": text(Key{Job: job, RunID: runID}.partition())},
		ProjectionExpression:      attributes, ExpressionAttributeNames: names, Select: types.SelectSpecificAttributes,
	}
	var list []Attempt
	for {
		out, err := persist(ctx, "read run "+runID+" of job "+job, l.cfg.Table, func() (*dynamodb.QueryOutput, error) { return l.db.Query(ctx, in) })
		if err != nil {
			return nil, err
		}
		for _, i := range out.Items {
			if a, err := decode(i); err == nil {
				list = append(list, a)
			}
		}
		if in.ExclusiveStartKey = out.LastEvaluatedKey; len(in.ExclusiveStartKey) == 0 {
			return list, nil
		}
	}
}

// Find returns the first attempts of the runs of this id, whichever of the jobs has
// them.
func (l *Ledger) Find(ctx context.Context, jobs []string, runID string) ([]Attempt, error) {
	var entries []Entry
	for _, job := range jobs {
		k := Key{Job: job, RunID: runID, Attempt: 1}
		entries = append(entries, Entry{pk: k.partition(), sk: k.sort()})
	}
	return l.attempts(ctx, entries)
}

// keysOf returns keys of the index history, the newest first.
func (l *Ledger) keysOf(ctx context.Context, what, job string, since time.Time, most int) (list []Entry, err error) {
	in := &dynamodb.QueryInput{
		TableName: &l.cfg.Table, IndexName: aws.String("history"), ScanIndexForward: aws.Bool(false), Limit: aws.Int32(int32(min(most, 1000))), //nolint:gosec // bounded
		KeyConditionExpression:    aws.String("#job = :job AND #at >= :since"),
		ExpressionAttributeNames:  map[string]string{"#job": "job", "#at": "at", "#pk": "pk", "#sk": "sk"},
		ExpressionAttributeValues: item{":job": text(job), ":since": instant(since)},
		ProjectionExpression:      aws.String("#pk, #sk"), Select: types.SelectSpecificAttributes,
	}
	if since.IsZero() {
		in.ExpressionAttributeValues[":since"] = number(0)
	}
	for len(list) < most {
		out, err := persist(ctx, what, l.cfg.Table, func() (*dynamodb.QueryOutput, error) { return l.db.Query(ctx, in) })
		if err != nil {
			return nil, err
		}
		for _, found := range out.Items {
			i := item(found)
			list = append(list, Entry{pk: i.string("pk"), sk: i.string("sk")})
		}
		if in.ExclusiveStartKey = out.LastEvaluatedKey; len(in.ExclusiveStartKey) == 0 {
			break
		}
	}
	return list[:min(most, len(list))], nil
}

// StopByPerson says who ends an attempt and why, before its task is stopped, unless
// that is being stopped for another reason; an attempt that waits ends without a
// task. The refusal is why it cannot be ended.
func (l *Ledger) StopByPerson(ctx context.Context, a Attempt, by, why string) (Attempt, Refusal, error) {
	now := l.Now()
	answer := cut("stopped by "+by+why, maxAnswer)
	var u *update
	switch a.State {
	case Launched:
		u = on("#state = :state AND attribute_not_exists(#verdict) AND attribute_not_exists(#reported)"+
			" AND (attribute_not_exists(#stopFor) OR #stopFor = :person)").value("person", text(StopForPerson)).
			set("stopFor", text(StopForPerson)).set("stopBy", text(cut(by+why, maxReason))).set("stopAt", instant(now)).
			set("due", instant(now)) // the watchdog stops the task if the person cannot
	case Due:
		u = on("#state = :state AND attribute_not_exists(#reported)").set("state", text(string(Abandoned))).
			set("refused", text(string(run.Stopped))).set("answer", text(answer)).set("due", instant(now))
	default:
		return a, InHand, nil
	}
	found, ok, err := l.write(ctx, "stop "+a.String(), a.Key, u.value("state", text(string(a.State))))
	if err != nil {
		return a, "", err
	}
	after, err := decode(found)
	switch {
	case err != nil || ok:
		return after, "", err
	case !after.Reported.IsZero():
		return after, Reported, nil
	case after.Verdict != nil:
		return after, Held, nil
	case after.State == Launched && a.State == Launched:
		return after, Stopping, nil
	}
	return after, InHand, nil
}
