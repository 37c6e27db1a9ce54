package operate

import (
	"cmp"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"errand/pkg/ledger"
	"errand/pkg/payload"
	"errand/pkg/run"
	"errand/pkg/taskevent"
)

// Letter is a dead letter: what a function or the way to it gave up.
type Letter struct {
	ID    string `json:"id"`    // the beginning of the message's
	Queue string `json:"queue"` // schedule, rule, launcher or collector
	// For is the function that it was for, "" if that cannot be told.
	For string `json:"for,omitempty"`
	// What is payload, task-end, failed-launch or wake, "" for anything else.
	What  string    `json:"what,omitempty"`
	Job   string    `json:"job,omitempty"`
	RunID string    `json:"runId,omitempty"`
	Why   string    `json:"why,omitempty"`
	Since time.Time `json:"since,omitzero"`

	messageID, body, url, receipt string
	// payload is what the body has for launcher or executor, nil if it has none.
	payload []byte
}

// What a letter holds.
const (
	letterPayload = "payload"       // of a run that was not begun
	letterEnd     = "task-end"      // the stop event of a task
	letterFailed  = "failed-launch" // Lambda's record of a function that gave up
	letterWake    = "wake"          // the watchdog's
)

// The functions by the names that people know.
const (
	launcher  = "launcher"
	collector = "collector"
	executor  = "executor"
)

// letterID is how many characters of a message's id name its letter.
const letterID = 8

// letter reads a message of a queue. Whatever it holds, it is a letter.
func (s *Stack) letter(queue, url string, m types.Message) Letter {
	l := Letter{
		Queue: queue, Why: why(m.MessageAttributes), Since: sentAt(m),
		messageID: aws.ToString(m.MessageId), body: aws.ToString(m.Body), url: url, receipt: aws.ToString(m.ReceiptHandle),
	}
	l.ID = l.messageID[:min(letterID, len(l.messageID))]
	s.identify(&l, attribute(m.MessageAttributes, "RequestID"))
	l.For = cmp.Or(s.target(attribute(m.MessageAttributes, "TARGET_ARN")), owner(l))
	return l
}

func attribute(all map[string]types.MessageAttributeValue, name string) string {
	return aws.ToString(all[name].StringValue)
}

// why is what Lambda, or EventBridge and its Scheduler say, as far as they do.
func why(all map[string]types.MessageAttributeValue) string {
	if text := attribute(all, "ErrorMessage"); text != "" {
		return text
	}
	code, message := attribute(all, "ERROR_CODE"), attribute(all, "ERROR_MESSAGE")
	return strings.Trim(code+": "+message, ": ")
}

func sentAt(m types.Message) time.Time {
	ms, err := strconv.ParseInt(m.Attributes[string(types.MessageSystemAttributeNameSentTimestamp)], 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC().Truncate(time.Second)
}

// target is the function of the stack that an ARN names.
func (s *Stack) target(arn string) string {
	_, name, ok := strings.Cut(arn, ":function:")
	name, _, _ = strings.Cut(name, ":") // a version or an alias
	for function, output := range map[string]string{
		launcher: "LauncherFunctionName", collector: "CollectorFunctionName", executor: "ExecutorFunctionName",
	} {
		if ok && name == s.outputs[output] {
			return function
		}
	}
	return ""
}

// owner is the function that a letter is for by its queue, or else by what it is.
func owner(l Letter) string {
	switch {
	case l.Queue == launcher, l.Queue == collector:
		return l.Queue
	case l.What == letterEnd, l.What == letterFailed:
		return collector
	case l.What == letterPayload && methodOf(l.payload) == run.MethodExec:
		return executor
	case l.What == letterPayload:
		return launcher
	}
	return ""
}

// identify finds out what a letter holds, and of which run.
func (s *Stack) identify(l *Letter, requestID string) {
	raw, wake := sent([]byte(l.body))
	if wake.Wake != "" {
		l.What, l.Job, l.RunID = letterWake, wake.Job, wake.RunID
		return
	}
	var record struct {
		RequestContext struct {
			RequestID string `json:"requestId"`
		} `json:"requestContext"`
		RequestPayload json.RawMessage `json:"requestPayload"`
		DetailType     string          `json:"detail-type"`
		Job            string          `json:"job"`
	}
	_ = json.Unmarshal(raw, &record) // what is none of these has none of the fields
	switch {
	case record.RequestPayload != nil:
		l.What, requestID = letterFailed, record.RequestContext.RequestID
		if raw, wake = sent(record.RequestPayload); wake.Wake != "" {
			l.Job, l.RunID = wake.Job, wake.RunID
			return
		}
	case record.DetailType == "ECS Task State Change":
		l.What = letterEnd
		if event, err := taskevent.Decode(raw); err == nil {
			r := event.Task.Work("errand/" + s.Stack + "/").Run
			l.Job, l.RunID = r.Job, r.ID
		}
		return
	case record.DetailType == payload.DetailType, record.Job != "":
		l.What, l.payload = letterPayload, raw
	default:
		return
	}
	r := runOf(raw, requestID)
	l.Job, l.RunID = r.Job, r.ID
}

// sent is what a function was handed: what a person sends is a payload as any other
// once it lies here, and other wakes have none.
func sent(raw []byte) (payload []byte, wake ledger.Wake) {
	w, ok := ledger.DecodeWake(raw)
	switch {
	case !ok:
		return raw, ledger.Wake{}
	case w.Wake == ledger.WakeStart:
		return w.Payload, ledger.Wake{}
	}
	return nil, w
}
