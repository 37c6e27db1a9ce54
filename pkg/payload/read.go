package payload

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"errand/pkg/awsjson"
	"errand/pkg/run"
)

// Invalid says everything that is wrong with a payload. It quotes no value of it but
// such as are names.
type Invalid []string

func (e Invalid) Error() string { return strings.Join(e, "; ") }

// Kept is an Invalid whose sender, a queue, a stream, a pipe or a program that waits
// for the answer, would take any answer for a success, and drop what it sent. It has
// to be given an error.
type Kept struct{ Invalid }

// Unwrap is the Invalid.
func (k Kept) Unwrap() error { return k.Invalid }

// maxBytes is the longest payload, in bytes, with its wrapping. The ledger keeps no
// longer one, and a run that waits, or that a person sends again, has only that.
const maxBytes = 64 << 10

// maxProblems bounds a refusal that people have to read.
const maxProblems = 20

// reader reads one payload.
type reader struct {
	exec bool
	// told are the paths of which something was said that is wrong with them: what
	// has another problem is not missing as well.
	told map[string]bool
}

// decodeWrapped reads a payload of the given kind, whose command is a part of it,
// out of its wrapping.
func decodeWrapped(raw []byte, method Method, p any, command *[]string, check func() []string) (eventID string, err error) {
	w := unwrap(raw)
	invalid := func(problems Invalid) error {
		if w.kept || w.array {
			return Kept{problems}
		}
		return problems
	}
	if w.problem != "" {
		return w.source.EventID, invalid(Invalid{w.problem})
	}
	if len(raw) > maxBytes {
		// It is not read, which would take long.
		_ = awsjson.Decode(identity(w.payload), p, awsjson.Advice{})
		return w.source.EventID, invalid(Invalid{fmt.Sprintf("the payload has %d bytes, and errand takes %d; pass large input through S3 or SSM", len(raw), maxBytes)})
	}
	r := reader{exec: method == run.MethodExec, told: map[string]bool{}}
	problems := r.decode(w.payload, p, check)
	if of := methodOf(w.payload); of == other(method) {
		// Its fields are right where it belongs.
		problems = Invalid{misdirected[of]}
	}
	if problems == nil {
		return w.source.EventID, nil
	}
	if slices.ContainsFunc(problems, func(text string) bool { return strings.HasPrefix(text, "command") }) {
		*command = nil // half of a command is worse than none
	}
	return w.source.EventID, invalid(shortened(problems))
}

// decode reads a payload into p and adds what check finds in it.
func (r *reader) decode(payload []byte, p any, check func() []string) Invalid {
	var problems Invalid
	for _, bad := range awsjson.Decode(payload, p, awsjson.Advice{Form: r.form, Unknown: r.place, Value: value}) {
		problems = append(problems, bad.String())
		r.told[bad.Path] = true
	}
	if r.told[""] { // nothing was read
		return problems
	}
	for _, text := range check() {
		paths, _, _ := strings.Cut(text, ": ")
		if !slices.ContainsFunc(strings.Split(paths, ", "), r.wrong) {
			problems = append(problems, text)
		}
	}
	return problems
}

// wrong says whether something was said of a path, or of what it is in.
func (r *reader) wrong(path string) bool {
	for {
		if r.told[path] {
			return true
		}
		at := strings.LastIndexAny(path, ".[")
		if at < 0 {
			return false
		}
		path = path[:at]
	}
}

// form is that of the value at a path.
func (r *reader) form(path string) string {
	if r.exec && path == "timeout" { // which is bounded more closely
		return `a duration, as in "10m"`
	}
	return formOf(path)
}

func shortened(problems Invalid) Invalid {
	more := len(problems) - maxProblems
	if more <= 0 {
		return problems
	}
	return append(problems[:maxProblems:maxProblems], "and "+strconv.Itoa(more)+" more")
}

// identity is what a payload says of which run it is and where it belongs, whatever
// else is in it.
func identity(raw []byte) []byte {
	kept := map[string]any{}
	object, _ := sketch(raw, 2).(map[string]any)
	for _, name := range shown {
		if text, ok := object[name].(string); ok {
			kept[name] = text
		}
	}
	text, _ := json.Marshal(kept) // strings cannot fail
	return text
}

// attributes are what EventBridge Scheduler replaces in a schedule's input
// (https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html).
var attributes = []string{"<aws.scheduler.scheduled-time>", "<aws.scheduler.schedule-arn>", "<aws.scheduler.execution-id>", "<aws.scheduler.attempt-number>"}

// value says what is wrong with a text of the right type.
func value(path, text string) string {
	switch {
	case strings.Contains(text, "<aws.scheduler."):
		for _, attribute := range attributes {
			if strings.Contains(text, attribute) {
				what := map[bool]string{true: "a time", false: "a value"}[pattern(path) == "scheduledTime"]
				return attribute + " was not replaced: the Scheduler replaces this in the input of a schedule; by hand give " + what + " or leave it out"
			}
		}
		return "what begins with <aws.scheduler. was not replaced: the Scheduler replaces " + strings.Join(attributes, ", ") + " and nothing else"
	case strings.Contains(text, "<aws.events."):
		return "what begins with <aws.events. was not replaced: a rule replaces this in its input transformer; by hand give a value or leave it out"
	case pattern(path) == "launchType" && (strings.EqualFold(text, "FARGATE_SPOT") || strings.EqualFold(text, "SPOT")):
		return "FARGATE_SPOT is a capacity provider, not a launch type; in place of launchType give " + inPlace("capacityProviderStrategy")
	case pattern(path) == "networkConfiguration.awsvpcConfiguration.subnets[]" && strings.Contains(text, ","),
		pattern(path) == "networkConfiguration.awsvpcConfiguration.securityGroups[]" && strings.Contains(text, ","):
		return "has a comma in it; give each id as a string of its own, as in " + forms[strings.TrimSuffix(pattern(path), "[]")].example
	}
	return ""
}

// quoted is a text that is a name, for a message that goes on after it; nothing if it
// is too long for a name, or not to be printed.
func quoted(text string) string {
	if len(text) > 64 || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) {
		return ""
	}
	return strconv.Quote(text) + " "
}
