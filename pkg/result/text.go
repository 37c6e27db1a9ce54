package result

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"errand/pkg/run"
)

// maxSubject is SNS's limit for a subject: fewer than 100 characters.
const maxSubject = 99

// Subject is the e-mail's subject: status and job first, ASCII, at most 99
// characters, as SNS takes it.
func (r Result) Subject() string {
	r = r.bounded()
	name := r.Job
	if name == "" {
		name = "(no job name)"
	}
	what := cmp.Or(r.Summary, r.Reason)
	if d, ok := r.Duration(); ok && r.Status != run.StartFailed {
		what += " after " + duration(d)
	}
	subject := ascii(fmt.Sprintf("%s %s: %s", r.Status, name, what))
	if len(subject) > maxSubject {
		subject = subject[:maxSubject-3] + "..."
	}
	return subject
}

// ascii replaces what SNS may refuse in a subject.
func ascii(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case r < ' ' || r == 0x7F:
			return -1
		case r > 0x7F:
			return '?'
		}
		return r
	}, s)
}

// Text is the result for people, in at most limit bytes: what happened, why,
// the last lines of the log, and where to look further. Like JSON, it gives up
// the beginning of the log first.
func (r Result) Text(limit int) string {
	r = r.bounded()
	above, below := printable(r.textAbove()), printable(r.textBelow())
	if r.Log == nil || len(r.Log.Lines) == 0 {
		return above + r.logSentence() + below
	}
	end := "----- end of the log -----\n\n"
	if r.Log.Settled != nil && !*r.Log.Settled {
		end = "----- end of what was there; more may have come later -----\n\n"
	}
	// The heading is longest when something is missing.
	room := limit - len(above) - len(below) - len(logHeading(len(r.Log.Lines), true)) - len(end)
	lines, cut := fit(r.Log.Lines, room, func(line string) int { return len(line) + len("\n") })
	var text strings.Builder
	text.Grow(limit - room + sum(lines))
	text.WriteString(above)
	text.WriteString(logHeading(len(lines), cut || r.Log.Truncated != nil && *r.Log.Truncated))
	for _, line := range lines {
		text.WriteString(line)
		text.WriteByte('\n')
	}
	text.WriteString(end)
	text.WriteString(below)
	return text.String()
}

// printable drops control characters, which reasons and names of refused
// payloads may have; the log's lines come without them.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && unicode.IsControl(r) {
			return -1
		}
		return r
	}, s)
}

func sum(lines []string) int {
	n := 0
	for _, line := range lines {
		n += len(line) + 1
	}
	return n
}

func logHeading(lines int, more bool) string {
	what := fmt.Sprintf("last %d lines of the log", lines)
	switch {
	case !more && lines == 1:
		what = "the log, 1 line"
	case !more:
		what = fmt.Sprintf("the log, %d lines", lines)
	case lines == 1:
		what = "last line of the log"
	}
	return "----- " + what + " -----\n"
}

// logSentence stands where the lines would.
func (r Result) logSentence() string {
	if r.Log == nil {
		return ""
	}
	sentence := ""
	switch r.Log.Status {
	case LogOK: // with no lines asked for
		return ""
	case LogEmpty:
		sentence = "The log is empty: the command wrote nothing"
		if r.Status == run.StartFailed {
			sentence = "The log is empty: the container did not start"
		}
	case LogMissing:
		sentence = "There is no log: " + r.Log.Note
		if r.Status == run.StartFailed {
			sentence = "There is no log: the container did not start"
		}
	case LogUnsupported:
		sentence = elsewhere(r.Log.Note)
	case LogDenied:
		sentence = "The log could not be read: " + r.Log.Note
	case LogError:
		sentence = "The log could not be read: " + r.Log.Note
	}
	return strings.TrimSuffix(sentence, ".") + ".\n\n"
}

// textAbove is what stands before the log.
func (r Result) textAbove() string {
	var text strings.Builder
	fmt.Fprintf(&text, "%s %s", mark(r.Status), r.Status)
	if r.Job != "" {
		text.WriteString("  " + r.Job)
	}
	text.WriteString("\n")
	if r.Reason != "" {
		text.WriteString(upperFirst(r.Reason) + "\n")
	}
	text.WriteString(r.refused())
	text.WriteString("\n")
	table := rows{&text}
	head := text.Len()
	if len(r.Command) > 0 {
		table.row("Command", oneLine(ShellJoin(r.Command)))
	}
	if !r.ScheduledTime.IsZero() {
		table.row("Due", stamp(r.ScheduledTime))
	}
	if !r.StartedAt.IsZero() {
		table.row("Started", stamp(r.StartedAt))
	}
	if ended := r.EndedAt(); !ended.IsZero() {
		table.row("Ended", stamp(ended))
	}
	if d, ok := r.Duration(); ok && r.Status != run.StartFailed {
		table.row("Ran for", duration(d))
	}
	if len(r.Containers) > 1 {
		var codes []string
		for _, c := range r.Containers {
			code := " without an exit code"
			if c.ExitCode != nil {
				code = fmt.Sprintf(" exit %d", *c.ExitCode)
			}
			codes = append(codes, c.Name+code)
		}
		table.row("Containers", strings.Join(codes, ", "))
	}
	if text.Len() > head {
		text.WriteString("\n")
	}
	return text.String()
}

// textBelow is what stands after the log: where to look further.
func (r Result) textBelow() string {
	var text strings.Builder
	table := rows{&text}
	if r.Log != nil && r.Log.URL != "" {
		table.row("Log", r.Log.URL)
	}
	if r.Log != nil && r.Log.Status == LogOK && r.Log.Note != "" {
		table.row("Note", r.Log.Note)
	}
	if r.TaskARN != "" {
		table.row("Task", cmp.Or(r.TaskURL, run.LastPart(r.TaskARN)))
	}
	if r.Cluster != "" {
		table.row("Cluster", cluster(r.Cluster))
	}
	if r.TaskDefinition != "" {
		table.row("Definition", run.LastPart(r.TaskDefinition))
	}
	if r.ID != "" {
		id := r.ID
		if r.Attempt > 1 {
			id += fmt.Sprintf(", attempt %d", r.Attempt)
		}
		table.row("Run id", id)
	}
	return text.String()
}

// maxOutline is how much of a payload's outline people are shown; all of it is in
// the JSON form.
const maxOutline = 1000

// refused is what was refused, and who sent it.
func (r Result) refused() string {
	var text strings.Builder
	table := rows{&text}
	if s := r.Source; s != nil {
		who := strings.Join(slices.DeleteFunc([]string{s.Source, s.DetailType, s.EventID}, func(part string) bool { return part == "" }), ", ")
		table.row("Sent by", who)
	}
	if len(r.Payload) > 0 {
		table.row("Payload", head(string(r.Payload), maxOutline))
	}
	if text.Len() == 0 {
		return ""
	}
	return "\n" + text.String()
}

// cluster is a cluster's name, with the account and the Region if they are known.
func cluster(arn string) string {
	if a, ok := run.ParseARN(arn); ok {
		return fmt.Sprintf("%s (account %s, %s)", run.LastPart(arn), a.Account, a.Region)
	}
	return arn
}

// maxLine is how long a command may be before it hides what matters more.
const maxLine = 200

// oneLine keeps a command from pushing the log off the screen. All of it is in
// the JSON form.
func oneLine(s string) string { return head(strings.ReplaceAll(s, "\n", " ⏎ "), maxLine) }

// rows writes "Name      value" lines.
type rows struct{ text *strings.Builder }

func (t rows) row(name, value string) { fmt.Fprintf(t.text, "%-10s  %s\n", name, value) }

func mark(s run.Status) string {
	switch s.Outcome() {
	case "success":
		return "✓"
	case "skipped":
		return "–"
	}
	return "✗"
}

// upperFirst begins a sentence, unless it begins with the name of a field.
func upperFirst(s string) string {
	word, _, _ := strings.Cut(s, " ")
	if word == "" || strings.Trim(word, "abcdefghijklmnopqrstuvwxyz") != "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

func stamp(t time.Time) string { return t.UTC().Format("Mon 2006-01-02 15:04:05 UTC") }

// duration is short: 0.4s, 37s, 6m37s, 2h5m.
func duration(d time.Duration) string {
	if d < 50*time.Millisecond {
		return "<0.1s"
	}
	if d < 9950*time.Millisecond {
		return strings.TrimSuffix(fmt.Sprintf("%.1f", d.Seconds()), ".0") + "s"
	}
	d = d.Round(time.Second)
	if d >= time.Hour {
		d = d.Round(time.Minute)
	}
	text := strings.TrimSuffix(d.String(), "m0s")
	if text != d.String() {
		text += "m"
	}
	return strings.TrimSuffix(text, "h0m") + map[bool]string{true: "h"}[strings.HasSuffix(text, "h0m")]
}

// ShellJoin writes a command as one would type it into a shell.
func ShellJoin(command []string) string {
	words := make([]string, len(command))
	for i, word := range command {
		// Before a program's name, a word with = would set a variable.
		variable := i == 0 && strings.Contains(word, "=")
		if word == "" || variable || strings.ContainsFunc(word, func(r rune) bool { return !strings.ContainsRune(plainCharacters, r) }) {
			word = "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
		}
		words[i] = word
	}
	return strings.Join(words, " ")
}

const plainCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:=,@%+"
