package ledger

import (
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"errand/pkg/run"
)

// form is the version of the items' form. The release before reads this one's
// items too, so that attributes are added and never change their meaning.
const form = 1

// Key is an attempt's, or that of another payload under a run's identity.
type Key struct {
	Job     string `json:"job"`
	RunID   string `json:"runId"`
	Attempt int    `json:"attempt"`
	// Other is the digest of a payload that came second under the identity.
	Other string `json:"other,omitempty"`
}

// KeyOf is the key of a run's attempt.
func KeyOf(r run.Run) Key { return Key{Job: r.Job, RunID: r.ID, Attempt: r.Attempt} }

func (k Key) String() string {
	text := fmt.Sprintf("attempt %d of run %s of job %s", k.Attempt, k.RunID, k.Job)
	if k.Other != "" {
		text = fmt.Sprintf("another payload under run %s of job %s", k.RunID, k.Job)
	}
	return text
}

func (k Key) partition() string { return "run#" + k.Job + "#" + k.RunID }

func (k Key) sort() string {
	if k.Other != "" {
		return "x#" + k.Other
	}
	return fmt.Sprintf("a#%02d", k.Attempt)
}

// attributes are the item's key. A key without a run is that of the job's own item.
func (k Key) attributes() item {
	if k.RunID == "" {
		return item{"pk": text("job#" + k.Job), "sk": text("job")}
	}
	return item{"pk": text(k.partition()), "sk": text(k.sort())}
}

// parseKey reads a key back, and is false for the key of something else. A job's
// name has no #, a run's id neither.
func parseKey(i item) (Key, bool) {
	part := strings.Split(i.string("pk"), "#")
	if len(part) != 3 || part[0] != "run" || part[1] == "" || part[2] == "" {
		return Key{}, false
	}
	k := Key{Job: part[1], RunID: part[2], Attempt: 1}
	kind, rest, _ := strings.Cut(i.string("sk"), "#")
	switch kind {
	case "a":
		k.Attempt, _ = strconv.Atoi(rest)
	case "x":
		k.Other = rest
	}
	// What is written in another way is somebody else's.
	return k, k.Attempt > 0 && k.sort() == i.string("sk")
}

// shards is how many keys of the index open there are.
const shards = 10

// shard spreads the open items over the index.
func (k Key) shard() string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(k.partition()))
	return strconv.Itoa(int(h.Sum32() % shards))
}

// State is how far an attempt has come.
type State string

// Every state there is. Whether it was reported is told apart from it.
const (
	Claimed   State = "CLAIMED"   // a launcher, or the executor, is at it
	Due       State = "DUE"       // a launcher will be woken for it
	Launched  State = "LAUNCHED"  // it has a task, or has ended
	Abandoned State = "ABANDONED" // nobody will launch it any more
)

// Why a task is stopped, in StopFor.
const (
	StopForTimeout = "timeout"
	StopForStart   = "start"
	StopForPerson  = "person"
)

// Verdict is how an attempt ended, for all who tell of it.
type Verdict struct {
	Status   run.Status
	ExitCode *int
	Reason   string // at most 200 bytes
	// Started is when it was RUNNING, if it ever was, and Ended when it ended.
	Started, Ended time.Time
}

// Attempt is an attempt as it stands in the ledger. What is not known is zero.
type Attempt struct {
	Key
	Version       int
	State         State
	Method        string
	FirstClaim    time.Time
	ScheduledTime time.Time
	Schedule      string
	Digest        string
	Payload       []byte // as it was given, nil if it was too long
	Cluster, Task string
	// Try is the placement try, Claims how often a launcher has claimed it.
	Try, Claims           int
	LaunchUntil           time.Time
	StartTimeout, Timeout time.Duration
	StartBy, RunUntil     time.Time
	StopFor, StopBy       string
	StopAt                time.Time
	Reporter              string
	ReportUntil           time.Time
	Reports               int // how often somebody began to report it
	Verdict               *Verdict
	Told                  []string
	Reported              time.Time
	Answer                string     // ECS's last
	Refused               run.Status // what a launcher that was not alone was refused with
	Person                string     // who sent it, if a person did
	Holder                string     // the request id of the invocation that claimed it last
	Due                   time.Time
	Expires               time.Time
}

// Run is who the attempt is.
func (a Attempt) Run() run.Run {
	return run.Run{Job: a.Job, ID: a.RunID, Attempt: a.Attempt, Method: a.Method, ScheduledTime: a.ScheduledTime}
}

// item is an item as DynamoDB has it.
type item map[string]types.AttributeValue

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func number(n int) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.Itoa(n)}
}

// exact is a time as an item has it.
func exact(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return time.UnixMilli(t.UnixMilli()).UTC()
}

// instant is a time in epoch seconds, with milliseconds, which leases need.
func instant(t time.Time) types.AttributeValue {
	ms := t.UnixMilli()
	value := strconv.FormatInt(ms/1000, 10)
	if rest := ms % 1000; rest != 0 {
		value += strings.TrimRight(fmt.Sprintf(".%03d", rest), "0")
	}
	return &types.AttributeValueMemberN{Value: value}
}

// set is a set, in which DynamoDB takes nothing twice.
func set(words []string) types.AttributeValue {
	return &types.AttributeValueMemberSS{Value: slices.Compact(slices.Sorted(slices.Values(words)))}
}

func (v Verdict) attribute() types.AttributeValue {
	m := item{"status": text(string(v.Status)), "reason": text(cut(v.Reason, maxReason)), "ended": instant(v.Ended)}
	if !v.Started.IsZero() {
		m["started"] = instant(v.Started)
	}
	if v.ExitCode != nil {
		m["exitCode"] = number(*v.ExitCode)
	}
	return &types.AttributeValueMemberM{Value: m}
}

// maxReason is the length of the longest reason that is kept, in bytes.
const maxReason = 200

// cut shortens s to n bytes at most, between characters.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n-len("…")], "") + "…"
}

func (i item) string(name string) string {
	if s, ok := i[name].(*types.AttributeValueMemberS); ok {
		return s.Value
	}
	return ""
}

func (i item) float(name string) float64 {
	if n, ok := i[name].(*types.AttributeValueMemberN); ok {
		f, _ := strconv.ParseFloat(n.Value, 64)
		return f
	}
	return 0
}

func (i item) int(name string) int { return int(i.float(name)) }

func (i item) time(name string) time.Time {
	if i[name] == nil {
		return time.Time{}
	}
	return time.UnixMilli(int64(i.float(name)*1000 + 0.5)).UTC()
}

func (i item) seconds(name string) time.Duration {
	return time.Duration(i.float(name) * float64(time.Second))
}

// Undecodable is an item that is none of this release's.
type Undecodable struct{ Key, Why string }

func (u Undecodable) Error() string {
	return fmt.Sprintf("item %s of the ledger cannot be read: %s", u.Key, u.Why)
}

// decode reads an attempt.
func decode(i item) (Attempt, error) {
	key, ok := parseKey(i)
	name := i.string("pk") + " " + i.string("sk")
	if !ok {
		return Attempt{}, Undecodable{name, "its key is not an attempt's"}
	}
	a := Attempt{
		Key: key, Version: i.int("v"), State: State(i.string("state")), Method: i.string("method"),
		FirstClaim: i.time("at"), ScheduledTime: i.time("scheduledTime"), Schedule: i.string("schedule"),
		Digest: i.string("digest"), Cluster: i.string("cluster"), Task: i.string("task"),
		Try: i.int("try"), Claims: i.int("claims"), LaunchUntil: i.time("launchUntil"),
		StartTimeout: i.seconds("startTimeout"), Timeout: i.seconds("timeout"), StartBy: i.time("startBy"), RunUntil: i.time("runUntil"),
		StopFor: i.string("stopFor"), StopBy: i.string("stopBy"), StopAt: i.time("stopAt"),
		Reporter: i.string("reporter"), ReportUntil: i.time("reportUntil"), Reported: i.time("reported"), Reports: i.int("reports"),
		Answer: i.string("answer"), Refused: run.Status(i.string("refused")), Person: i.string("person"), Holder: i.string("holder"),
		Due: i.time("due"), Expires: i.time("expires"),
	}
	if payload := i.string("payload"); payload != "" {
		a.Payload = []byte(payload)
	}
	if told, ok := i["told"].(*types.AttributeValueMemberSS); ok {
		a.Told = told.Value
	}
	if v, ok := i["verdict"].(*types.AttributeValueMemberM); ok {
		m := item(v.Value)
		a.Verdict = &Verdict{Status: run.Status(m.string("status")), Reason: m.string("reason"), Started: m.time("started"), Ended: m.time("ended")}
		if m["exitCode"] != nil {
			code := m.int("exitCode")
			a.Verdict.ExitCode = &code
		}
	}
	switch a.State {
	case Claimed, Due, Launched, Abandoned:
		return a, nil
	}
	return a, Undecodable{name, fmt.Sprintf("state %q is none of this release's", a.State)}
}
