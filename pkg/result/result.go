// Package result is what subscribers receive: how one run ended, as JSON for
// programs and as text for people. docs/payload.md lists the fields.
package result

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"errand/pkg/console"
	"errand/pkg/run"
)

// Schema names the JSON form and its version.
const Schema = "errand/result/v1"

// Result is how one attempt of a run ended, and its JSON form: the order of the
// fields is that of the document. What is not known is left at its zero value and
// is absent from both forms.
type Result struct {
	Schema string `json:"schema"`          // filled in by JSON
	Title  string `json:"subject"`         // filled in by JSON: the text form's subject
	Stack  string `json:"stack,omitempty"` // the stack's name
	run.Run
	Status    run.Status `json:"status"`
	Outcome   string     `json:"outcome"`          // filled in by JSON
	Severity  string     `json:"severity"`         // filled in by JSON
	Reason    string     `json:"reason,omitempty"` // one sentence for a person
	Summary   string     `json:"-"`                // the reason in a few words, for the subject
	WillRetry bool       `json:"willRetry"`        // another attempt follows
	ExitCode  *int       `json:"exitCode,omitempty"`
	Place
	TaskARN       string      `json:"taskArn,omitempty"`
	TaskURL       string      `json:"taskUrl,omitempty"` // filled in by JSON
	Containers    []Container `json:"containers,omitempty"`
	StopCode      string      `json:"stopCode,omitempty"`
	StoppedReason string      `json:"stoppedReason,omitempty"`
	CreatedAt     time.Time   `json:"createdAt,omitzero"`
	StartedAt     time.Time   `json:"startedAt,omitzero"`
	// ExecutionStoppedAt is when the command ended; StoppedAt has the task's clean-up
	// in it.
	ExecutionStoppedAt time.Time   `json:"executionStoppedAt,omitzero"`
	StoppedAt          time.Time   `json:"stoppedAt,omitzero"`
	DurationSeconds    json.Number `json:"durationSeconds,omitempty"` // filled in by JSON
	ReportedAt         time.Time   `json:"reportedAt,omitzero"`       // when it was published
	Limits             *Limits     `json:"limits,omitempty"`
	Log                *Log        `json:"log,omitempty"`
	Source             *Source     `json:"source,omitempty"`
	// Payload is the outline of a refused payload, without values but for names.
	Payload json.RawMessage `json:"payload,omitempty"`
}

// Limits are what the run's container could use at most, or else its task.
type Limits struct {
	CPU    int `json:"cpu,omitempty"`    // in units, 1,024 a core
	Memory int `json:"memory,omitempty"` // in MiB
}

// Source is who sent a payload that was refused, as far as that is known.
type Source struct {
	Source     string `json:"source,omitempty"`
	DetailType string `json:"detailType,omitempty"`
	EventID    string `json:"eventId,omitempty"`
}

// Place is what a run runs, and where.
type Place struct {
	Command        []string `json:"command,omitempty"`
	Cluster        string   `json:"cluster,omitempty"` // ARN, or what the payload has
	TaskDefinition string   `json:"taskDefinition,omitempty"`
	Container      string   `json:"container,omitempty"`
}

// Container is one container of the task.
type Container struct {
	Name      string `json:"name"`
	ExitCode  *int   `json:"exitCode,omitempty"`
	Essential *bool  `json:"essential,omitempty"`
	Reason    string `json:"reason,omitempty"` // in ECS's words
}

// LogStatus says what became of the log excerpt.
type LogStatus string

// Every log status there is.
const (
	LogOK          LogStatus = "ok"
	LogEmpty       LogStatus = "empty"       // the stream is there, nothing is in it
	LogMissing     LogStatus = "missing"     // there is no stream
	LogUnsupported LogStatus = "unsupported" // not awslogs; Note has the driver's name
	LogDenied      LogStatus = "denied"
	LogError       LogStatus = "error"
)

// NoLogDriver stands in the note of an unsupported log for the name of a driver
// where the container has none.
const NoLogDriver = "none"

// Log is the end of the container's log.
type Log struct {
	Status LogStatus `json:"status"`
	Note   string    `json:"note,omitempty"`
	Group  string    `json:"group,omitempty"`
	Stream string    `json:"stream,omitempty"`
	Region string    `json:"region,omitempty"`
	Lines  []string  `json:"lines,omitempty"`
	// Truncated says that there is more before the lines.
	Truncated *bool `json:"truncated,omitempty"`
	// Settled says that the log was read when it was complete: some seconds after
	// the container's end.
	Settled *bool  `json:"settled,omitempty"`
	URL     string `json:"url,omitempty"`
}

// EndedAt is when the command ended, or else its task.
func (r Result) EndedAt() time.Time {
	if !r.ExecutionStoppedAt.IsZero() && !r.ExecutionStoppedAt.Before(r.StartedAt) {
		return r.ExecutionStoppedAt
	}
	return r.StoppedAt
}

// Duration is how long the command ran, and false if it is not known.
func (r Result) Duration() (time.Duration, bool) {
	if r.StartedAt.IsZero() || r.EndedAt().Before(r.StartedAt) {
		return 0, false
	}
	return r.EndedAt().Sub(r.StartedAt), true
}

// severity is the result's for log tools, which read it as theirs.
func (r Result) severity() string {
	switch outcome := r.Status.Outcome(); {
	case outcome == "success":
		return "info"
	case outcome == "skipped", r.WillRetry:
		return "warning"
	}
	return "error"
}

// JSON is the result for programs, in at most limit bytes. What does not fit is
// cut from the beginning of the log, never from its end or from the verdict.
// Those two may need 128 KiB when every field is as long as it may be.
func (r Result) JSON(limit int) []byte {
	r = r.bounded()
	r.Schema, r.Title, r.Outcome, r.Severity = Schema, r.subject(), r.Status.Outcome(), r.severity()
	if d, ok := r.Duration(); ok {
		r.DurationSeconds = json.Number(strconv.FormatFloat(d.Seconds(), 'f', 1, 64))
	}
	if r.Log == nil {
		return marshal(r)
	}
	// The log is fitted into what the rest leaves.
	log := *r.Log
	lines := log.Lines
	log.Lines, r.Log = nil, &log
	room := limit - len(marshal(r)) - len(`"lines":[],"truncated":true,`)
	var cut bool
	log.Lines, cut = fit(lines, room, func(line string) int { return jsonSize(line) + len(",") })
	if cut {
		log.Truncated = &cut
	}
	return marshal(r)
}

// marshal writes JSON without the HTML escapes, which would make <, > and &
// six times as long.
func marshal(v any) []byte {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	// Strings, numbers and times of AWS's making cannot fail.
	_ = enc.Encode(v)
	return bytes.TrimSuffix(out.Bytes(), []byte("\n"))
}

// jsonSize is len(marshal(s)) for valid UTF-8, without writing it.
func jsonSize(s string) int {
	n := len(s) + len(`""`)
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"', c == '\\', c == '\b', c == '\f', c == '\n', c == '\r', c == '\t':
			n++
		case c < ' ':
			n += len(`\u0000`) - 1
		case c == 0xE2 && (strings.HasPrefix(s[i:], "\u2028") || strings.HasPrefix(s[i:], "\u2029")):
			n += len(`\u2028`) - len("\u2028")
		}
	}
	return n
}

// cutMark stands where the beginning of something was cut off.
const cutMark = "…"

// fit keeps the last lines whose sizes sum up to at most room. The first line
// that does not fit keeps its end. cut says whether anything is missing.
func fit(lines []string, room int, size func(string) int) (kept []string, cut bool) {
	for i := len(lines) - 1; i >= 0; i-- {
		n := size(lines[i])
		if n <= room {
			room -= n
			continue
		}
		if end := longestEnd(lines[i], room, size); end != "" {
			return append([]string{end}, lines[i+1:]...), true
		}
		return lines[i+1:], true
	}
	return lines, false
}

// longestEnd is the longest end of line that, with cutMark before it, has a size of
// at most room; "" if not even one character fits.
func longestEnd(line string, room int, size func(string) int) string {
	// Bytes never have a smaller size than one, so the end cannot be longer.
	start := max(0, len(line)-max(0, room))
	for start < len(line) {
		for start < len(line) && !utf8.RuneStart(line[start]) {
			start++
		}
		over := size(cutMark+line[start:]) - room
		if over <= 0 {
			return cutMark + line[start:]
		}
		// A byte has a size of at most six (\u0000), so this never skips an end
		// that would fit.
		start += max(1, over/6)
	}
	return ""
}

// Bounds, in bytes, of what comes from outside without a bound that fits: a
// refused payload may hold anything.
const (
	maxName    = 1 << 10
	maxReason  = 4 << 10
	maxCommand = 8 << 10
)

// bounded cuts the fields whose length others decide, and cleans all of them, for
// they may quote what somebody typed. They keep their beginning: names and reasons
// say the most there.
func (r Result) bounded() Result {
	r.TaskURL = console.Task(r.TaskARN, r.Cluster)
	for _, field := range []*string{
		&r.Stack, &r.Job, &r.ID, &r.Method, &r.Cluster, &r.TaskARN, &r.TaskURL, &r.TaskDefinition, &r.Container, &r.StopCode, &r.StoppedReason,
	} {
		*field = head(sentence(*field), maxName)
	}
	r.Reason = head(sentence(r.Reason), maxReason)
	r.Summary = head(sentence(r.Summary), maxReason)
	r.Containers = slices.Clone(r.Containers)
	for i := range r.Containers {
		c := &r.Containers[i]
		c.Name, c.Reason = head(sentence(c.Name), maxName), head(sentence(c.Reason), maxName)
	}
	if r.Source != nil {
		source := *r.Source
		for _, field := range []*string{&source.Source, &source.DetailType, &source.EventID} {
			*field = head(sentence(*field), maxName)
		}
		r.Source = &source
	}
	r.Payload = bytes.Map(visible, r.Payload) // where control characters are escaped
	if r.Log != nil {
		log := *r.Log
		for _, field := range []*string{&log.Note, &log.Group, &log.Stream, &log.Region, &log.URL} {
			*field = head(sentence(*field), 2*maxName)
		}
		log.Lines = slices.Clone(log.Lines)
		for i, line := range log.Lines {
			log.Lines[i] = Clean(line)
		}
		r.Log = &log
	}
	room := maxCommand
	var command []string
	for i, arg := range r.Command {
		arg = Visible(arg)
		if len(arg) > room || i >= maxCommand/4 {
			command = append(command, head(arg, room))
			break
		}
		command = append(command, arg)
		room -= len(arg)
	}
	r.Command = command
	return r
}

// sentence is s on one line.
func sentence(s string) string { return strings.ReplaceAll(Visible(s), "\n", " ") }

// head keeps the beginning of s, at most limit bytes and the mark, in valid
// UTF-8.
func head(s string, limit int) string {
	s = strings.ToValidUTF8(s, string(utf8.RuneError))
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit] + cutMark
}
