package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"errand/pkg/ledger"
)

// answers is a DynamoDB that gives these answers in turn, the last one for ever.
type answers struct {
	list  []string // a status and a body; "" for none
	calls []string // what was asked
}

func (a *answers) Do(r *http.Request) (*http.Response, error) {
	_, _ = io.Copy(io.Discard, r.Body)
	a.calls = append(a.calls, strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "DynamoDB_20120810."))
	answer := a.list[min(len(a.calls), len(a.list))-1]
	if answer == "" {
		return nil, errors.New("connection reset")
	}
	status, body, _ := strings.Cut(answer, " ")
	code := 200
	_, _ = fmt.Sscan(status, &code)
	return &http.Response{
		StatusCode: code, Header: http.Header{"Content-Type": {"application/x-amz-json-1.0"}},
		Body: io.NopCloser(strings.NewReader(body)),
	}, nil
}

func (a *answers) ledger() *ledger.Ledger {
	return ledger.New(sdk.New(sdk.Options{
		Region: "eu-west-1", HTTPClient: a, Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""),
	}), ledger.Config{Table: "errand-ledger"})
}

func fails(code string) string {
	return fmt.Sprintf(`400 {"__type": "com.amazonaws.dynamodb.v20120810#%s", "message": "no."}`, code)
}

// What passes is tried again until the deadline.
func TestTriesAgain(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{
		"a 500":               `500 {"__type": "InternalServerError", "message": "no."}`,
		"a 503 of a proxy":    `503 busy`,
		"no answer":           "",
		"throttled":           fails("ThrottlingException"),
		"throughput exceeded": fails("ProvisionedThroughputExceededException"),
		"request limit":       fails("RequestLimitExceeded"),
	} {
		t.Run(name+", for some seconds", func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a := &answers{list: append(strings.Split(strings.Repeat(answer+"\n", 30), "\n")[:30], `200 {}`)}
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				ok, err := a.ledger().NoRoom(ctx, hold(1), true, "no room", at(T))
				same(t, "answer", []any{true, nil, 31}, []any{ok, err, len(a.calls)})
			})
		})
		t.Run(name+", for good", func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a := &answers{list: []string{answer}}
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				defer cancel()
				begun := time.Now()
				_, err := a.ledger().NoRoom(ctx, hold(1), true, "no room", at(T))
				away, is := errors.AsType[ledger.Away](err)
				if !is || !strings.HasPrefix(away.Error(), "put off attempt 1 of run r1 of job bill, in the ledger (table errand-ledger): ") {
					t.Errorf("%v", err)
				}
				if took := time.Since(begun); took > 20*time.Second || took < 15*time.Second {
					t.Errorf("gave up after %v", took)
				}
			})
		})
	}
}

// What a person has to mend is said at once, in all steps.
func TestAway(t *testing.T) {
	t.Parallel()
	const table = "in the ledger (table errand-ledger): "
	const (
		denied = "AccessDeniedException: no; allow this role dynamodb:GetItem, BatchGetItem, UpdateItem and Query on the table and its indexes, and the use of the table's key"
		absent = "ResourceNotFoundException: no; deploy the stack again, or name its table and Region: this one has no such table or index"
	)
	for code, sentence := range map[string]string{
		"AccessDeniedException": denied, "ResourceNotFoundException": absent, "ValidationException": "ValidationException: no",
	} {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			a := &answers{list: []string{fails(code)}}
			l := a.ledger()
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			defer cancel()
			entries := []ledger.Entry{{}}
			row := ledger.Row{Attempt: freshA(nil)}
			var got, want []string
			for _, c := range []struct {
				what string
				do   func() error
			}{
				{"claim attempt 1 of run r1 of job bill", func() error { _, _, err := l.Claim(ctx, first(nil)); return err }},
				{"put off attempt 1 of run r1 of job bill", func() error { _, err := l.NoRoom(ctx, hold(1), true, "", at(T)); return err }},
				{"note ECS's answer for attempt 1 of run r1 of job bill", func() error { return l.Note(ctx, hold(1), "", "no") }},
				{"note the task of attempt 1 of run r1 of job bill", func() error { _, _, err := l.Launched(ctx, key, "", task, ledger.Limits{}); return err }},
				{"conclude attempt 1 of run r1 of job bill", func() error { _, _, err := l.Conclude(ctx, mine, ledger.End{Run: who}); return err }},
				{"abandon attempt 1 of run r1 of job bill", func() error { _, _, err := l.Abandon(ctx, mine, key, ledger.Delivery{}, nil); return err }},
				{"note the task of attempt 1 of run r1 of job bill", func() error { _, err := l.Found(ctx, mine, key, "", task, ledger.Limits{}); return err }},
				{"decide attempt 1 of run r1 of job bill", func() error { _, _, err := l.Decide(ctx, mine, key, *failedV()); return err }},
				{"put off attempt 1 of run r1 of job bill", func() error { _, err := l.DueAgain(ctx, mine, key, at(T)); return err }},
				{"note who was told of attempt 1 of run r1 of job bill", func() error { return l.Told(ctx, mine, key, []string{"a"}) }},
				{"mark attempt 1 of run r1 of job bill", func() error { _, err := l.Mark(ctx, mine, key, nil); return err }},
				{"note the end in job bill", func() error { return l.JobEnded(ctx, reportedA()) }},
				{"read attempt 1 of run r1 of job bill", func() error { _, _, err := l.Get(ctx, key); return err }},
				{"look for open items", func() error { _, err := l.Open(ctx, at(T), 10); return err }},
				{"read open items", func() error { _, err := l.Read(ctx, entries); return err }},
				{"move  ", func() error { _, err := l.Move(ctx, row, at(T)); return err }},
				{"move  ", func() error { _, err := l.Started(ctx, row, at(T), at(T)); return err }},
				{"move  ", func() error { _, err := l.StopFor(ctx, row, "timeout", at(T)); return err }},
				{"move watch#runtimes day", func() error { _, err := l.Daily(ctx, "runtimes"); return err }},
				{"read the runs of job bill", func() error { _, err := l.Runs(ctx, "bill", at(T), 1); return err }},
				{"list the jobs", func() error { _, err := l.Jobs(ctx); return err }},
				{"look for open items", func() error { _, err := l.Going(ctx); return err }},
				{"read run r1 of job bill", func() error { _, err := l.Attempts(ctx, "bill", "r1"); return err }},
				{"read open items", func() error { _, err := l.Find(ctx, []string{"bill"}, "r1"); return err }},
				{"stop attempt 1 of run r1 of job bill", func() error { _, _, err := l.StopByPerson(ctx, launchedA(nil), "ann", ""); return err }},
			} {
				before := len(a.calls)
				err := c.do()
				if _, away := errors.AsType[ledger.Away](err); !away || len(a.calls) != before+1 {
					t.Errorf("%s: %d calls, %v", c.what, len(a.calls)-before, err)
					continue
				}
				got, want = append(got, err.Error()), append(want, c.what+", "+table+sentence)
			}
			same(t, "sentences", want, got)
		})
	}
}

// A write whose answer was lost is sent again, and finds its own trace.
func TestLostAnswer(t *testing.T) {
	t.Parallel()
	x, _ := embedded(t)
	lost := client(t, endpointOf(x), func(o *sdk.Options) { o.HTTPClient = &loser{o.HTTPClient, map[string]int{}} })
	l := ledger.New(lost, ledger.Config{Table: x.name, Now: func() time.Time { return at(T) }})
	h, ok, err := l.Claim(t.Context(), first(nil))
	// It knows its own claim again.
	same(t, "claim", []any{true, nil, true, false, 2}, []any{ok, err, h.Alone, h.Open, h.Claims})
	_, ok, err = l.Launched(t.Context(), key, cluster, task, ledger.Limits{Start: time.Minute})
	same(t, "launched", []any{true, nil}, []any{ok, err})
	_, refused, err := l.Conclude(t.Context(), mine, ledger.End{Run: who, Task: task, Verdict: *failedV()})
	same(t, "conclude", []any{ledger.Refusal(""), nil}, []any{refused, err})
	a, _, err := x.Get(t.Context(), key)
	a.Told = []string{"a"}
	same(t, "told", []error{nil, nil, nil}, []error{err, l.Told(t.Context(), mine, key, a.Told), l.JobEnded(t.Context(), a)})
	_, err = l.Mark(t.Context(), mine, key, []string{"a"})
	a.Reported, a.Expires, a.Due = at(T), at(T+7_776_000), time.Time{}
	after, _, err2 := x.Get(t.Context(), key)
	same(t, "marked", []any{nil, nil, a}, []any{err, err2, after})
	jobs, err := x.Jobs(t.Context())
	same(t, "marks", []any{nil, []ledger.Mark{{RunID: "r1", Attempt: 1, Status: "FAILED", At: at(T - 5)}}, 1}, []any{err, jobs[0].Marks, jobs[0].InRow})
}

// endpointOf is where the table's client calls.
func endpointOf(x *table) string { return *x.client.Options().BaseEndpoint }

// loser loses the first answer to every kind of write.
type loser struct {
	sdk.HTTPClient
	seen map[string]int
}

func (l *loser) Do(r *http.Request) (*http.Response, error) {
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(strings.NewReader(string(body)))
	out, err := l.HTTPClient.Do(r)
	if l.seen[string(body)]++; l.seen[string(body)] == 1 && err == nil {
		_ = out.Body.Close()
		return nil, errors.New("connection reset")
	}
	return out, err
}
