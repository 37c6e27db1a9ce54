package ledger

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"errand/pkg/awserr"
	"errand/pkg/run"
)

// DynamoDB is what the ledger calls; *dynamodb.Client is one.
type DynamoDB interface {
	GetItem(context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error)
	BatchGetItem(context.Context, *dynamodb.BatchGetItemInput, ...func(*dynamodb.Options)) (*dynamodb.BatchGetItemOutput, error)
	UpdateItem(context.Context, *dynamodb.UpdateItemInput, ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error)
	Query(context.Context, *dynamodb.QueryInput, ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error)
}

// Config is what a stack sets for its ledger.
type Config struct {
	Table   string
	History time.Duration // how long a reported attempt is kept; 0 means 90 days
	// Now is the time; nil means run.Now.
	Now func() time.Time
}

// Ledger is a stack's table.
type Ledger struct {
	db  DynamoDB
	cfg Config
}

// New makes a Ledger.
func New(db DynamoDB, cfg Config) *Ledger {
	if cfg.History == 0 {
		cfg.History = 90 * 24 * time.Hour
	}
	if cfg.Now == nil {
		cfg.Now = run.Now
	}
	return &Ledger{db, cfg}
}

// Now is the time by which the ledger goes, as items have it.
func (l *Ledger) Now() time.Time { return exact(l.cfg.Now()) }

// Until is when an invocation ends, by the ledger's time: a minute from now where
// its context does not say.
func (l *Ledger) Until(ctx context.Context) time.Time {
	left := time.Minute
	if deadline, ok := run.Deadline(ctx); ok {
		left = run.Until(deadline)
	}
	return l.Now().Add(left)
}

// The times of the state machine.
const (
	// grace is how long a lease outlasts its holder's deadline: Lambda was seen to
	// end a function 0.7 s after it (aws-powertools/powertools-lambda-python#4759).
	grace = 5 * time.Second
	// settle is how long after a launcher's lease nobody else acts: its last call
	// to ECS may still be under way.
	settle = 60 * time.Second
	// remembered is how long ECS knows a token and a stopped task: an hour after the
	// task ended (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ECS_Idempotency.html).
	remembered = time.Hour
	// takeOver is the age at which a dead launcher's claim is left to Abandon: a
	// launch has to be over before ECS forgets the token.
	takeOver = 45 * time.Minute
)

// Away is the error of a ledger that cannot be reached, or refuses.
type Away struct{ Err error }

func (a Away) Error() string { return a.Err.Error() }
func (a Away) Unwrap() error { return a.Err }

// Waits between two tries of a write; the SDK's own last half a second.
const (
	firstWait   = 100 * time.Millisecond
	longestWait = 2 * time.Second
)

// persist calls until DynamoDB has answered, refused for good, or the context would
// end before the next try.
func persist[T any](ctx context.Context, what, table string, call func() (T, error)) (T, error) {
	for wait := firstWait; ; wait = min(2*wait, longestWait) {
		out, err := call()
		if err == nil {
			return out, nil
		}
		if _, ok := errors.AsType[*types.ConditionalCheckFailedException](err); ok {
			return out, err
		}
		passes := awserr.Uncertain(err) || awserr.Throttled(err)
		_, limited := ctx.Deadline()
		if !passes || !limited || !run.Pause(ctx, wait/2+rand.N(wait/2)) { //nolint:gosec // jitter is no secret
			return out, Away{fmt.Errorf("%s, in the ledger (table %s): %w%s", what, table, awserr.Plain(err), advice(err))}
		}
	}
}

// advice is what to change about an error that does not pass.
func advice(err error) string {
	switch {
	case awserr.Denied(err):
		return "; allow this role dynamodb:GetItem, BatchGetItem, UpdateItem and Query on the table and its indexes, and the use of the table's key"
	case awserr.Code(err) == "ResourceNotFoundException":
		return "; deploy the stack again, or name its table and Region: this one has no such table or index"
	}
	return ""
}

// write is one conditional write. Without an error and with ok false its condition
// did not hold, and found is the item that stands there.
func (l *Ledger) write(ctx context.Context, what string, key Key, u *update) (found item, ok bool, err error) {
	in := &dynamodb.UpdateItemInput{
		TableName: &l.cfg.Table, Key: key.attributes(),
		UpdateExpression: aws.String(u.expression()), ConditionExpression: aws.String(u.condition),
		ExpressionAttributeNames: u.names, ExpressionAttributeValues: u.values,
		ReturnValues:                        u.returns,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}
	out, err := persist(ctx, what, l.cfg.Table, func() (*dynamodb.UpdateItemOutput, error) { return l.db.UpdateItem(ctx, in) })
	if failed, not := errors.AsType[*types.ConditionalCheckFailedException](err); not {
		return failed.Item, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	return out.Attributes, true, nil
}

// begun is a write that may be the first of its item, and knows whether it was by
// what it finds. An item whose time to live is over is none.
func (l *Ledger) begun(ctx context.Context, what string, key Key, u *update) (found item, ok bool, err error) {
	found, ok, err = l.write(ctx, what, key, u)
	if err != nil || ok || found["expires"] == nil || found.time("expires").After(l.Now()) {
		return found, ok, err
	}
	found, ok, err = l.write(ctx, what, key, u.anew(found["expires"]))
	if ok && u.returns == types.ReturnValueAllOld {
		found = nil
	}
	return found, ok, err
}

// Get reads one attempt, and is false if there is none.
func (l *Ledger) Get(ctx context.Context, key Key) (Attempt, bool, error) {
	out, err := persist(ctx, "read "+key.String(), l.cfg.Table, func() (*dynamodb.GetItemOutput, error) {
		return l.db.GetItem(ctx, &dynamodb.GetItemInput{TableName: &l.cfg.Table, Key: key.attributes(), ConsistentRead: aws.Bool(true)})
	})
	if err != nil || len(out.Item) == 0 {
		return Attempt{}, false, err
	}
	a, err := decode(out.Item)
	return a, err == nil, err
}
