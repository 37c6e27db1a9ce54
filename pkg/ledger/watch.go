package ledger

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"errand/pkg/run"
)

// Entry is an open item as the index proposes it: by its key alone, and perhaps not
// as it is any more.
type Entry struct {
	pk, sk string
	Due    time.Time
}

func (e Entry) String() string   { return e.pk + " " + e.sk }
func (e Entry) attributes() item { return item{"pk": text(e.pk), "sk": text(e.sk)} }

// Open returns the open items that are due before a time, the oldest first, at most
// so many of each of the ten shards. A zero time stands for all.
func (l *Ledger) Open(ctx context.Context, before time.Time, most int) ([]Entry, error) {
	var all []Entry
	for shard := range shards {
		entries, err := l.openShard(ctx, strconv.Itoa(shard), before, most)
		if err != nil {
			return nil, err
		}
		all = append(all, entries...)
	}
	slices.SortStableFunc(all, func(a, b Entry) int { return a.Due.Compare(b.Due) })
	return all, nil
}

func (l *Ledger) openShard(ctx context.Context, shard string, before time.Time, most int) (list []Entry, err error) {
	in := &dynamodb.QueryInput{
		TableName: &l.cfg.Table, IndexName: aws.String("open"), Limit: aws.Int32(int32(most)), //nolint:gosec // a few hundred
		KeyConditionExpression:    aws.String("#open = :open"),
		ExpressionAttributeNames:  map[string]string{"#open": "open"},
		ExpressionAttributeValues: item{":open": text(shard)},
	}
	if !before.IsZero() {
		in.KeyConditionExpression = aws.String("#open = :open AND #due < :due")
		in.ExpressionAttributeNames["#due"] = "due"
		in.ExpressionAttributeValues[":due"] = instant(before)
	}
	for len(list) < most {
		out, err := persist(ctx, "look for open items", l.cfg.Table, func() (*dynamodb.QueryOutput, error) { return l.db.Query(ctx, in) })
		if err != nil {
			return nil, err
		}
		for _, found := range out.Items {
			i := item(found)
			list = append(list, Entry{i.string("pk"), i.string("sk"), i.time("due")})
		}
		if len(out.LastEvaluatedKey) == 0 {
			break
		}
		in.ExclusiveStartKey = out.LastEvaluatedKey
	}
	return list[:min(most, len(list))], nil
}

// Row is an open item, read from the table itself.
type Row struct {
	Entry
	Attempt Attempt
	// Err is Undecodable for an item that is none of this release's.
	Err error
}

// maxBatch is BatchGetItem's limit.
const maxBatch = 100

// Read reads entries, consistently and in their order, without their payloads.
// Those that are no longer there, or no longer open, are left out.
func (l *Ledger) Read(ctx context.Context, entries []Entry) ([]Row, error) {
	items, err := l.items(ctx, entries, true)
	if err != nil {
		return nil, err
	}
	var rows []Row
	for _, i := range items {
		if i["open"] == nil {
			continue
		}
		row := Row{Entry: Entry{i.string("pk"), i.string("sk"), i.time("due")}}
		row.Attempt, row.Err = decode(i)
		rows = append(rows, row)
	}
	return rows, nil
}

// items reads the items of entries without their payloads, each once and in their
// order. An index may show an item twice that moves while it is read, and DynamoDB
// refuses to be asked for one twice.
func (l *Ledger) items(ctx context.Context, entries []Entry, consistent bool) ([]item, error) {
	attributes, names := projection()
	request := types.KeysAndAttributes{ConsistentRead: &consistent, ProjectionExpression: attributes, ExpressionAttributeNames: names}
	var once []Entry
	found := map[string]item{}
	for _, e := range entries {
		if _, twice := found[e.String()]; !twice {
			found[e.String()] = nil
			once = append(once, e)
		}
	}
	for some := range slices.Chunk(once, maxBatch) {
		request.Keys = nil
		for _, e := range some {
			request.Keys = append(request.Keys, e.attributes())
		}
		items, err := l.batch(ctx, request)
		if err != nil {
			return nil, err
		}
		for _, i := range items {
			found[i.string("pk")+" "+i.string("sk")] = i
		}
	}
	var list []item
	for _, e := range once {
		if i := found[e.String()]; i != nil {
			list = append(list, i)
		}
	}
	return list, nil
}

// batch reads the items of up to 100 keys.
func (l *Ledger) batch(ctx context.Context, keys types.KeysAndAttributes) (items []item, err error) {
	for len(keys.Keys) > 0 {
		in := &dynamodb.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{l.cfg.Table: keys}}
		out, err := persist(ctx, "read open items", l.cfg.Table, func() (*dynamodb.BatchGetItemOutput, error) { return l.db.BatchGetItem(ctx, in) })
		if err != nil {
			return nil, err
		}
		for _, i := range out.Responses[l.cfg.Table] {
			items = append(items, i)
		}
		left := out.UnprocessedKeys[l.cfg.Table].Keys
		if len(left) == len(keys.Keys) && !run.Pause(ctx, firstWait) {
			return nil, Away{errors.New("read open items, in the ledger (table " + l.cfg.Table + "): DynamoDB processed none of the keys")}
		}
		keys.Keys = left
	}
	return items, nil
}

// BusyUntil is how long somebody may still be at the attempt, so that waking others
// for it would do nothing: a launcher with its last call to ECS, or its reporter.
func (a Attempt) BusyUntil() time.Time {
	until := a.ReportUntil
	if a.State != Launched && !a.LaunchUntil.IsZero() && a.LaunchUntil.Add(settle).After(until) {
		until = a.LaunchUntil.Add(settle)
	}
	return until
}

// LaunchedAt is when its task was noted, else when it was first claimed.
func (a Attempt) LaunchedAt() time.Time {
	if a.StartBy.IsZero() {
		return a.FirstClaim
	}
	return a.StartBy.Add(-a.StartTimeout)
}

// asRead begins a write that is taken only if the item is due when it was read to
// be: of two ticks that read it, one acts.
func asRead(r Row, and string) *update {
	return on("#due = :read AND attribute_not_exists(#reported)"+and).value("read", instant(r.Due))
}

// Move is the watchdog's first act on a row: the next look is at that time, whatever
// becomes of this one.
func (l *Ledger) Move(ctx context.Context, r Row, next time.Time) (bool, error) {
	return l.move(ctx, r, asRead(r, "").set("due", instant(next)))
}

// Started moves a row whose task was seen to run, and sets how long it may.
func (l *Ledger) Started(ctx context.Context, r Row, runUntil, next time.Time) (bool, error) {
	return l.move(ctx, r, asRead(r, "").set("runUntil", instant(runUntil)).set("due", instant(next)))
}

// StopFor moves a row whose task is about to be stopped, and says why before it is.
// A timeout takes the place of a late start, nothing that of a person. The same
// reason is taken again, since a task is stopped until it has stopped.
func (l *Ledger) StopFor(ctx context.Context, r Row, why string, next time.Time) (bool, error) {
	u := asRead(r, " AND #state = :launched AND attribute_not_exists(#verdict) AND (attribute_not_exists(#stopFor) OR #stopFor = :start OR #stopFor = :why)").
		value("launched", text(string(Launched))).value("start", text(StopForStart)).value("why", text(why)).
		set("stopFor", text(why)).set("stopAt", instant(l.Now())).set("due", instant(next))
	return l.move(ctx, r, u)
}

func (l *Ledger) move(ctx context.Context, r Row, u *update) (bool, error) {
	in := &dynamodb.UpdateItemInput{
		TableName: &l.cfg.Table, Key: r.attributes(), UpdateExpression: aws.String(u.expression()), ConditionExpression: aws.String(u.condition),
		ExpressionAttributeNames: u.names, ExpressionAttributeValues: u.values,
	}
	_, err := persist(ctx, "move "+r.String(), l.cfg.Table, func() (*dynamodb.UpdateItemOutput, error) { return l.db.UpdateItem(ctx, in) })
	if _, not := errors.AsType[*types.ConditionalCheckFailedException](err); not {
		return false, nil
	}
	return err == nil, err
}

// Daily says, once a day and to one tick alone, that it is the first of the day.
func (l *Ledger) Daily(ctx context.Context, what string) (bool, error) {
	today := l.today()
	u := on("attribute_not_exists(#day) OR #day < :today").value("today", today).set("day", today).once("v", number(form))
	return l.move(ctx, daily(what), u)
}

// NotDone takes back what Daily said: the next tick is the first of the day.
func (l *Ledger) NotDone(ctx context.Context, what string) error {
	_, err := l.move(ctx, daily(what), on("#day = :today").value("today", l.today()).remove("day"))
	return err
}

func (l *Ledger) today() types.AttributeValue {
	return text(l.cfg.Now().UTC().Format(time.DateOnly))
}

func daily(what string) Row { return Row{Entry: Entry{pk: "watch#" + what, sk: "day"}} }
