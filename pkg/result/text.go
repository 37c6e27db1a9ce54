package result

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"errand/pkg/run"
)

// Text is the result for people, in at most limit bytes: what happened and why, what
// to do about it, where to look further, and the last lines of the log. Nothing that
// matters stands below them, and they are marked, so that none can pass for one of
// errand's own. Like JSON, it gives up the beginning of the log first.
func (r Result) Text(limit int) string {
	r = r.bounded()
	above := r.textAbove()
	if r.Log == nil || len(r.Log.Lines) == 0 {
		if sentence := r.logSentence(); sentence != "" && r.Log.Status != LogDenied {
			return above + "\n" + sentence
		}
		return above
	}
	lines := r.Log.Lines
	for i := range lines {
		lines[i] = middle(lines[i])
	}
	// Heading and end are longest when something is missing.
	room := limit - len(above) - len("\n") - len(logHeading(len(lines), true)) - len(r.logEnd(true))
	lines, cut := fit(lines, room, func(line string) int { return len(lineMark) + len(line) + len("\n") })
	more := cut || r.Log.Truncated != nil && *r.Log.Truncated
	var text strings.Builder
	text.WriteString(above + "\n" + logHeading(len(lines), more))
	for _, line := range lines {
		text.WriteString(lineMark)
		text.WriteString(line)
		text.WriteByte('\n')
	}
	text.WriteString(r.logEnd(more))
	return text.String()
}

// lineMark is what no line of errand's own begins with.
const lineMark = "│ "

// maxLogLine is how long a line of the log may be, in characters, before it hides the
// others. All of it is in the JSON form.
const maxLogLine = 2000

// middle cuts the middle out of a line that is too long: what it says stands at its
// beginning, and the cause at its end.
func middle(line string) string {
	if len(line) <= maxLogLine {
		return line
	}
	runes := []rune(line)
	if len(runes) <= maxLogLine {
		return line
	}
	const mark = " " + cutMark + " "
	begin := maxLogLine / 2
	end := maxLogLine - begin - utf8.RuneCountInString(mark)
	return string(runes[:begin]) + mark + string(runes[len(runes)-end:])
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

// logEnd says whether there is more of the log than the lines above it.
func (r Result) logEnd(more bool) string {
	late := r.Log.Settled != nil && !*r.Log.Settled
	what := "end of the log"
	switch {
	case late && more:
		what = "end of what was there; there is more before these lines, and more may have come later"
	case late:
		what = "end of what was there; more may have come later"
	case more:
		what = "end of the log; there is more before these lines"
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
	return strings.TrimSuffix(sentence, ".") + ".\n"
}

// textAbove is everything but the log.
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
	if r.Log != nil && r.Log.Status == LogDenied {
		text.WriteString(r.logSentence()) // which says what to do about it
	}
	for _, paragraph := range []string{r.facts(), r.links(), r.refused()} {
		if paragraph != "" {
			text.WriteString("\n" + paragraph)
		}
	}
	return text.String()
}

// facts are what was run, and when.
func (r Result) facts() string {
	var text strings.Builder
	table := rows{&text}
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
	return text.String()
}

// links are where to look further, and what to type.
func (r Result) links() string {
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
	if again := r.again(); again != "" {
		table.row("Run again", again)
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

// defaultStack is the stack of the command errand if nothing else is said.
const defaultStack = "errand"

// again is the command that runs it again, "" for what cannot be: a payload that was
// refused would be again.
func (r Result) again() string {
	if r.Status == run.Rejected || !run.ValidJob(r.Job) || !run.ValidID(r.ID) {
		return ""
	}
	command := []string{"errand", "again"}
	if r.Stack != "" && r.Stack != defaultStack {
		command = append(command, "--stack", r.Stack)
	}
	return ShellJoin(append(command, r.Job+"/"+r.ID))
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
	return text.String()
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
