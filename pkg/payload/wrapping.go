package payload

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// DetailType is the detail-type of the EventBridge events that carry a payload
// as their detail.
const DetailType = "Errand Job"

// Source is who sent a payload, as far as that is known.
type Source struct {
	Source     string `json:"source,omitempty"`
	DetailType string `json:"detailType,omitempty"`
	EventID    string `json:"eventId,omitempty"`
}

// wrapped is a payload, and how it came.
type wrapped struct {
	payload json.RawMessage // without its wrapping
	source  Source
	array   bool
	problem string // why there is no payload
	kept    bool   // the sender needs an error
}

// unwrap takes the payload out of what came.
func unwrap(raw []byte) wrapped {
	if len(raw) <= maxBytes && !json.Valid(raw) {
		return wrapped{payload: raw} // which says what is wrong with it
	}
	if parts := Batch(raw); len(parts) == 1 {
		w := unwrapOne(parts[0], true)
		w.array = true
		return w
	} else if len(parts) > 1 {
		w := wrapped{array: true, problem: tooMany(len(parts))}
		first := unwrapOne(parts[0], true)
		w.source.Source = first.source.Source
		if first.problem != "" && first.kept {
			w.problem = first.problem // of what is no payload, one is as good as several
		}
		return w
	}
	return unwrapOne(raw, false)
}

func tooMany(n int) string {
	count := fmt.Sprint(n)
	if n > maxBatch {
		count = fmt.Sprintf("more than %d", maxBatch)
	}
	return "the payload came in an array of " + count + ", and errand takes one at a time: none of them was run; set the batch size of the pipe to 1, or send each by itself"
}

// maxBatch is the largest batch of a pipe
// (https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-pipes-batching-concurrency.html).
const maxBatch = 10_000

// Batch are the objects of an array, which is how a pipe sends them; nil if raw is
// none.
func Batch(raw []byte) (parts []json.RawMessage) {
	if !bytes.HasPrefix(bytes.TrimLeft(raw, " \t\r\n"), []byte("[")) {
		return nil
	}
	for part := range elements(raw) {
		if part[0] != '{' {
			return nil
		}
		if parts = append(parts, part); len(parts) > maxBatch {
			break
		}
	}
	return parts
}

// unwrapOne takes the payload out of an EventBridge event, or says what is none.
func unwrapOne(raw []byte, piped bool) wrapped {
	shape, _ := sketch(raw, 6).(map[string]any)
	detailType, event := shape["detail-type"].(string)
	if !event {
		if what, ok := recognize(shape, piped); ok {
			return wrapped{payload: raw, source: Source{Source: what.source}, problem: what.String(), kept: what.waits}
		}
		return wrapped{payload: raw}
	}
	w := wrapped{payload: raw, source: Source{Source: clean(text(shape, "source")), DetailType: clean(detailType), EventID: clean(text(shape, "id"))}}
	detail := field(raw, "detail")
	switch {
	case detailType == "Scheduled Event" && w.source.Source == "aws.scheduler":
		w.problem = "this is the event of a schedule without an input, not a job payload; put the payload into the input of the schedule's target, since a schedule has no transformer"
	case detailType == "Scheduled Event" && w.source.Source == "aws.events":
		w.problem = "this is the event of a rule with a schedule, not a job payload; give the rule's target a constant input, which is the payload"
	case detailType != DetailType:
		w.problem = fmt.Sprintf(
			"this is an EventBridge event with detail-type %q of source %q, not a job payload; send detail-type %q, or give the rule an input transformer that produces a payload",
			w.source.DetailType, w.source.Source, DetailType)
	case detail == nil:
		w.problem = "detail: required, it is the job payload of an event with detail-type " + DetailType
	case detail[0] == '"':
		w.problem = `detail: must be an object, as in {"job": "nightly-report"}; it is text, which may have JSON in it: write it as JSON once, not twice`
	case detail[0] != '{':
		w.problem = `detail: must be an object, as in {"job": "nightly-report"}`
	default:
		w.payload = detail
	}
	return w
}

// clean is a name of the sender's, such as may be shown.
func clean(name string) string {
	if len(name) > 128 {
		name = name[:128]
	}
	return string(bytes.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, []byte(name)))
}

func text(object map[string]any, name string) string {
	s, _ := object[name].(string)
	return s
}
