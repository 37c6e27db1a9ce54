package operate_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	compare "github.com/google/go-cmp/cmp"

	"errand/pkg/operate"
)

// post puts a message into a queue and returns its id.
func (s *stack) post(t testing.TB, queue, body string, attributes ...string) string {
	t.Helper()
	url := s.outputs[strings.ToUpper(queue[:1])+queue[1:]+"DeadLettersUrl"]
	in := &sqs.SendMessageInput{QueueUrl: &url, MessageBody: &body, MessageAttributes: map[string]types.MessageAttributeValue{}}
	for i := 0; i < len(attributes); i += 2 {
		in.MessageAttributes[attributes[i]] = types.MessageAttributeValue{DataType: aws.String("String"), StringValue: &attributes[i+1]}
	}
	out, err := sqs.NewFromConfig(s.cfg).SendMessage(context.Background(), in)
	if err != nil {
		t.Fatal(err)
	}
	return *out.MessageId
}

func function(name string) string {
	return "arn:aws:lambda:eu-west-1:" + account + ":function:" + name
}

// Why the letters lie there.
const (
	noConcurrency = "Rate Exceeded. (Service: Lambda)"
	ledgerAway    = "claim attempt 1 of run r-1 of job bill, in the ledger (table errand-Ledger-1A2B3C): ProvisionedThroughputExceededException: Throughput exceeds"
)

// postAll posts letters of every kind, and returns their ids.
func postAll(t testing.TB, s *stack) map[string]string {
	t.Helper()
	stop, err := os.ReadFile("../../events/collector/failed.json")
	if err != nil {
		t.Fatal(err)
	}
	ours := strings.ReplaceAll(string(stop), "errand/jobs/", "errand/errand/")
	record := func(payload string) string {
		return `{"version": "1.0", "requestContext": {"requestId": "q-1", "functionArn": "x", "condition": "RetriesExhausted", "approximateInvokeCount": 3}, "requestPayload": ` + payload + `}`
	}
	return map[string]string{
		"01 new":       s.post(t, "launcher", `{"job": "bill", "runId": "r-1", "command": ["./bill"]}`, "RequestID", "q-1", "ErrorCode", "200", "ErrorMessage", ledgerAway),
		"02 told":      s.post(t, "launcher", `{"errand": "start", "payload": {"job": "bill", "runId": "r-2"}, "by": "grace"}`, "ErrorMessage", "x"),
		"03 request":   s.post(t, "launcher", `{"job": "bill"}`, "RequestID", "q-3"),
		"04 wake":      s.post(t, "launcher", `{"errand": "launch", "job": "bill", "runId": "r-4", "attempt": 1}`),
		"05 odd":       s.post(t, "launcher", "not even JSON"),
		"06 end":       s.post(t, "collector", ours),
		"07 record":    s.post(t, "collector", record(`{"job": "bill", "runId": "r-7"}`)),
		"08 record":    s.post(t, "collector", record(`{"errand": "launch", "job": "bill", "runId": "r-8", "attempt": 1}`)),
		"09 schedule":  s.post(t, "schedule", `{"job": "bill", "scheduledTime": "2026-11-20T02:00:00Z"}`, "TARGET_ARN", function("errand-launcher"), "ERROR_CODE", "AWS.Scheduler.InternalServerError", "ERROR_MESSAGE", noConcurrency),
		"10 exec":      s.post(t, "schedule", `{"job": "clear", "runId": "e-1", "service": "web", "command": ["clear"]}`, "TARGET_ARN", function("errand-executor")+":live"),
		"11 exec":      s.post(t, "schedule", `{"job": "clear", "runId": "e-2", "method": "exec", "service": "web", "command": ["clear"]}`),
		"12 universal": s.post(t, "schedule", `{"FunctionName": "errand-launcher", "Payload": "{}"}`, "TARGET_ARN", "arn:aws:scheduler:::aws-sdk:lambda:invoke"),
		"13 event":     s.post(t, "rule", `{"id": "e-13", "detail-type": "Errand Job", "source": "shop", "detail": {"job": "bill"}}`, "ERROR_CODE", "NO_PERMISSIONS", "RULE_ARN", "x"),
		"14 end":       s.post(t, "rule", ours, "TARGET_ARN", function("errand-collector")),
		"15 upload":    s.post(t, "rule", `{"id": "e-15", "detail-type": "Object Created", "source": "aws.s3", "detail": {}}`, "TARGET_ARN", function("errand-launcher")),
		"16 schedule":  s.post(t, "schedule", `{"job": "bill"}`, "TARGET_ARN", function("errand-launcher")),
	}
}

// named orders letters by the names of postAll, which take the place of their ids,
// and gives them a time.
func named[L any](list []L, ids map[string]string, of func(*L) *operate.Letter) {
	names := map[string]string{}
	for name, id := range ids {
		names[id[:8]] = name
	}
	for i := range list {
		l := of(&list[i])
		l.ID, l.Since = names[l.ID], now
	}
	slices.SortFunc(list, func(a, b L) int { return cmp.Compare(of(&a).ID, of(&b).ID) })
	for i := range list {
		l := of(&list[i])
		l.ID = "letter" + l.ID[:2]
	}
}

func TestLetters(t *testing.T) {
	t.Parallel()
	s := start(t)
	ids := postAll(t, s)
	for range 2 { // they stay where they are
		list, err := s.Letters(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		named(list.Letters, ids, func(l *operate.Letter) *operate.Letter { return l })
		golden(t, "letters", list)
	}
	list, err := s.Letters(t.Context(), "rule")
	if err != nil || len(list.Letters) != 3 {
		t.Errorf("got %+v, %v", list, err)
	}
	_, err = s.Letters(t.Context(), "executor")
	fails(t, err, `--queue: "executor" is none of schedule, rule, launcher, collector`)
}

func TestNoLetters(t *testing.T) {
	t.Parallel()
	s := start(t)
	list, err := s.Letters(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "letters-none", list)
	none, err := s.SendLetters(t.Context(), operate.Selection{All: true})
	if diff := compare.Diff(operate.Handled{Letters: []operate.HandledLetter{}}, none); diff != "" || err != nil || !none.Well() {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

// handled are letters in the order and with the ids of postAll.
func handled(h operate.Handled, ids map[string]string) operate.Handled {
	for i := range h.Letters {
		for _, id := range ids {
			h.Letters[i].Error = strings.ReplaceAll(h.Letters[i].Error, id, "00000000-0000-4000-8000-000000000000")
		}
	}
	named(h.Letters, ids, func(l *operate.HandledLetter) *operate.Letter { return &l.Letter })
	return h
}

func TestSendLetters(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.launchFailed(t, job("bill", "r-2"), `{}`, "no")
	ids := postAll(t, s)
	s.answer = func(c invocation) string {
		wake, fields := wakeOf(t, c)
		if fields["scheduledTime"] != nil {
			return "!the ledger is away"
		}
		return fmt.Sprintf(`{"job": %q, "runId": "x", "attempt": 1, "status": "STARTED"}`, wake.By)
	}
	h, err := s.SendLetters(t.Context(), operate.Selection{All: true})
	if err != nil || h.Well() {
		t.Fatal(err, h.Well())
	}
	golden(t, "letters-send", handled(h, ids))

	var sent []string
	for _, c := range s.invoked() {
		what := c.Payload
		if c.Type == "RequestResponse" {
			wake, fields := wakeOf(t, c)
			if id, _ := fields["runId"].(string); strings.HasPrefix(id, "bill-20261122T100000Z-") {
				fields["runId"] = "~"
			}
			raw, _ := json.Marshal(fields)
			what = wake.By + ": " + string(raw)
		}
		what = strings.Join(strings.Fields(what), " ")
		sent = append(sent, c.Function+" "+c.Type+" "+what[:min(66, len(what))])
	}
	slices.Sort(sent)
	want := []string{
		`errand-collector Event { "version": "0", "id": "5f1d6f0e-3f0b-7d0c-9d52-8a64b7c0e1aa", "d`,
		`errand-collector Event { "version": "0", "id": "5f1d6f0e-3f0b-7d0c-9d52-8a64b7c0e1aa", "d`,
		`errand-collector Event {"version": "1.0", "requestContext": {"requestId": "q-1", "functio`,
		`errand-collector Event {"version": "1.0", "requestContext": {"requestId": "q-1", "functio`,
		`errand-launcher Event not even JSON`,
		`errand-launcher Event {"errand": "launch", "job": "bill", "runId": "r-4", "attempt": 1}`,
		`errand-launcher RequestResponse ada: {"command":["./bill"],"job":"bill","runId":"r-1"}`,
		`errand-launcher RequestResponse ada: {"detail":{"job":"bill"},"detail-type":"Errand Job","id":"e-1`,
		`errand-launcher RequestResponse ada: {"job":"bill","runId":"q-3"}`,
		`errand-launcher RequestResponse ada: {"job":"bill","runId":"r-2.2"}`,
		`errand-launcher RequestResponse ada: {"job":"bill","runId":"~"}`,
		`errand-launcher RequestResponse ada: {"job":"bill","scheduledTime":"2026-11-20T02:00:00Z"}`,
	}
	if diff := compare.Diff(want, sent); diff != "" {
		t.Errorf("sent (-want +got):\n%s", diff)
	}

	// What was not taken is there at once, and a command goes only by force.
	s.answer = func(invocation) string {
		return `{"job": "clear", "runId": "e-1", "attempt": 1, "status": "SUCCEEDED"}`
	}
	exec := []string{ids["10 exec"], ids["11 exec"][:8]}
	h, err = s.SendLetters(t.Context(), operate.Selection{Queue: "schedule", IDs: exec, Force: true})
	if err != nil || !h.Well() || len(h.Letters) != 2 {
		t.Fatalf("%+v, %v", h, err)
	}
	calls := s.invoked()
	for _, c := range calls[len(calls)-2:] {
		if c.Function != "errand-executor" || c.Type != "RequestResponse" {
			t.Errorf("called %+v", c)
		}
	}
	left, err := s.Letters(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	named(left.Letters, ids, func(l *operate.Letter) *operate.Letter { return l })
	var names []string
	for _, l := range left.Letters {
		names = append(names, l.ID)
	}
	if diff := compare.Diff([]string{"letter09", "letter12", "letter15"}, names); diff != "" {
		t.Errorf("letters that are left (-want +got):\n%s", diff)
	}
}

func TestDropLetters(t *testing.T) {
	t.Parallel()
	s := start(t)
	one, two := s.post(t, "launcher", `{"job": "bill", "runId": "r-1"}`), s.post(t, "rule", "{}")
	for _, tc := range []struct {
		which operate.Selection
		want  string
	}{
		{operate.Selection{}, "say which letters: their ids, or --all"},
		{operate.Selection{All: true, IDs: []string{one}}, "say which letters: their ids, or --all"},
		{operate.Selection{IDs: []string{one[:7]}}, "there is no letter " + one[:7] + " now: errand letters lists them; one that was being read by somebody else comes back within half a minute"},
		{operate.Selection{IDs: []string{one}, Queue: "rule"}, "there is no letter " + one + " now: errand letters lists them; one that was being read by somebody else comes back within half a minute"},
	} {
		_, err := s.DropLetters(t.Context(), tc.which)
		fails(t, err, tc.want)
	}
	h, err := s.DropLetters(t.Context(), operate.Selection{IDs: []string{one[:8]}})
	if err != nil || !h.Well() {
		t.Fatal(h, err)
	}
	golden(t, "letters-drop", handled(h, map[string]string{"01": one}))
	left, err := s.Letters(t.Context(), "")
	if err != nil || len(left.Letters) != 1 || left.Letters[0].ID != two[:8] || time.Since(left.Letters[0].Since) > time.Hour {
		t.Errorf("left are %+v, %v", left, err)
	}
	if calls := s.invoked(); len(calls) != 0 {
		t.Errorf("called %+v", calls)
	}
}
