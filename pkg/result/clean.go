package result

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Lines are the lines of a log event, cleaned. An event has several where awslogs
// joins them by a pattern, and where a program joins a stack trace by carriage
// returns, so that CloudWatch Logs keeps it together.
func Lines(message string) []string {
	if stackTrace.MatchString(message) {
		message = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(message)
	}
	lines := strings.Split(strings.TrimRight(message, "\r\n"), "\n")
	for i, line := range lines {
		lines[i] = Clean(line)
	}
	return lines
}

// stackTrace tells carriage returns that end lines from those of a progress bar:
// Java's lines begin with a tab (as in https://github.com/CMSgov/dpc-app/pull/197),
// those of Node.js and .NET with blanks and "at".
var stackTrace = regexp.MustCompile(`\r(?:\t| +at )`)

// Clean makes a log line safe to show anywhere: valid UTF-8 without terminal
// escapes and control characters but tabs. Of a line that a progress bar wrote
// over and over, by carriage returns or by backspaces, what a terminal shows at last
// is kept. A carriage return begins the line anew, since a program that goes on with
// less means that, whatever a terminal would leave behind it.
func Clean(line string) string {
	if plain(line) {
		return line
	}
	for {
		before, last := "", line
		if i := strings.LastIndexByte(line, '\r'); i >= 0 {
			before, last = line[:i], line[i+1:]
		}
		if last = clean(last); last != "" || before == "" {
			return last
		}
		line = before
	}
}

// Visible makes a text of several lines safe to show anywhere, as Clean does a line,
// without what a terminal would do with it: of a command, nothing may be hidden by
// backspaces.
func Visible(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = clean(strings.NewReplacer("\r", "", "\b", "").Replace(line))
	}
	return strings.Join(lines, "\n")
}

// clean is Clean for a line without carriage returns.
func clean(line string) string {
	if plain(line) {
		return line
	}
	if strings.IndexByte(line, '\b') >= 0 {
		return overwritten(line)
	}
	var cleaned strings.Builder
	cleaned.Grow(len(line))
	for len(line) > 0 {
		if n := escape(line); n > 0 {
			line = line[n:]
			continue
		}
		r, size := utf8.DecodeRuneInString(line)
		line = line[size:]
		if r = visible(r); r >= 0 {
			cleaned.WriteRune(r) // U+FFFD for what is not UTF-8
		}
	}
	return cleaned.String()
}

// visible is the character that may be shown in r's place, or -1. U+FFFE and U+FFFF
// are not allowed in SQS messages
// (https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html),
// nor are control characters. What has no width, or turns the direction of writing,
// can hide text or make one name look like another. Separators of lines and
// paragraphs would let a line go on as one of its own.
func visible(r rune) rune {
	switch {
	case r == '\t':
		return r
	case r == '\u2028', r == '\u2029':
		return ' '
	case r == 0xFFFE, r == 0xFFFF, unicode.IsControl(r):
		return -1
	case unicode.Is(unicode.Cf, r) && !unicode.Is(unicode.Prepended_Concatenation_Mark, r), unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r):
		return -1
	}
	return r
}

// plain says whether there is nothing to clean, as in most lines.
func plain(line string) bool {
	for i := range len(line) {
		if c := line[i]; c < ' ' && c != '\t' || c >= 0x7F {
			return false
		}
	}
	return true
}

// escape returns the length of the terminal escape sequence (ECMA-48) at the
// beginning of s, or 0.
func escape(s string) int {
	if strings.HasPrefix(s, "\u009b") { // CSI in one character
		return csi(s, len("\u009b"))
	}
	if s[0] != 0x1B {
		return 0
	}
	if len(s) == 1 {
		return 1
	}
	switch s[1] {
	case '[':
		return csi(s, 2)
	case ']', 'P', 'X', '^', '_': // strings up to BEL or ESC \
		for i := 2; i < len(s); i++ {
			if s[i] == 0x07 {
				return i + 1
			}
			if s[i] == 0x1B {
				if strings.HasPrefix(s[i:], "\x1b\\") {
					i += 2
				}
				return i
			}
		}
		return 2 // never ended: what follows may be all that the line says
	}
	n := 1 // intermediate bytes, then a final one, as in ESC ( B
	for n < len(s) && s[n] >= 0x20 && s[n] <= 0x2F {
		n++
	}
	if n < len(s) && s[n] >= 0x30 && s[n] <= 0x7E {
		n++
	}
	return n
}

// csi returns where a control sequence ends whose parameters begin at start:
// after its final byte, or where it breaks off.
func csi(s string, start int) int {
	for i := start; i < len(s); i++ {
		if s[i] >= 0x40 && s[i] <= 0x7E {
			return i + 1
		}
		if s[i] < 0x20 || s[i] > 0x7E {
			return i
		}
	}
	return len(s)
}
