package operate

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"errand/pkg/run"
)

// Document is an answer of the command.
type Document interface {
	// Text is the answer for people, in whole lines.
	Text(s Style) string
}

// JSON is a document for programs.
func JSON(d Document) string {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	_ = enc.Encode(d) // strings, numbers and times of the ledger's cannot fail
	return out.String()
}

// Style is how text is written.
type Style struct {
	Color bool
	Width int // of the longest line, where there is a choice; 0 means any
}

const (
	dim   = "2"
	green = "1;32"
	red   = "1;31"
)

// color is that of a status.
func (s Style) color(status string) string {
	switch status {
	case "", Starting, Started, Running, Waiting, Stopping, Ending:
		return ""
	case string(run.Succeeded):
		return green
	case string(run.Skipped):
		return dim
	}
	return red
}

func (s Style) paint(color, text string) string {
	if !s.Color || color == "" || text == "" {
		return text
	}
	return "\x1b[" + color + "m" + text + "\x1b[0m"
}

// table is rows of cells under a head. One column, the first or the last, is free:
// what is too long there stands in a line of its own, since names must be whole.
type table struct {
	style Style
	head  []string
	free  int
	rows  [][]cell // a row of one cell is a note to the row before it
}

type cell struct{ text, color string }

func (t *table) row(cells ...cell)     { t.rows = append(t.rows, cells) }
func (t *table) note(text string)      { t.rows = append(t.rows, []cell{{text: text}}) }
func (t *table) isNote(r []cell) bool  { return len(r) == 1 }
func length(text string) (columns int) { return utf8.RuneCountInString(text) }

const (
	gap    = 2
	indent = "    "
)

// widths are those of the columns. One that has nothing is left out, with width 0.
func (t *table) widths() []int {
	widths := make([]int, len(t.head))
	for _, r := range t.rows {
		for i, c := range r {
			if !t.isNote(r) {
				widths[i] = max(widths[i], length(c.text))
			}
		}
	}
	room := t.style.Width
	for i, w := range widths {
		if w > 0 {
			widths[i] = max(w, length(t.head[i]))
			if i != t.free {
				room -= widths[i] + gap
			}
		}
	}
	if t.style.Width > 0 && widths[t.free] > room {
		// As wide as the widest of those that fit.
		fits := length(t.head[t.free])
		for _, r := range t.rows {
			if n := length(r[min(t.free, len(r)-1)].text); !t.isNote(r) && n <= room {
				fits = max(fits, n)
			}
		}
		widths[t.free] = fits
	}
	return widths
}

func (t *table) String() string {
	var out strings.Builder
	widths := t.widths()
	line := func(cells []cell) {
		text := ""
		column := 0
		for i, c := range cells {
			if widths[i] == 0 {
				continue
			}
			if column > 0 {
				text += strings.Repeat(" ", gap)
			}
			column++
			text += t.style.paint(c.color, c.text) + strings.Repeat(" ", widths[i]-length(c.text))
		}
		out.WriteString(strings.TrimRight(text, " ") + "\n")
	}
	var head []cell
	for _, name := range t.head {
		head = append(head, cell{name, dim})
	}
	line(head)
	for _, r := range t.rows {
		switch {
		case t.isNote(r):
			out.WriteString(wrap(r[0].text, indent, t.style.Width))
			continue
		case length(r[t.free].text) <= widths[t.free]:
			line(r)
			continue
		}
		alone := r[t.free].text
		r[t.free].text = ""
		if t.free == 0 {
			out.WriteString(alone + "\n")
			line(r)
		} else {
			line(r)
			out.WriteString(indent + alone + "\n")
		}
	}
	return out.String()
}

// wrap breaks a text into lines of the width, each after the indent. A word is never
// broken.
func wrap(text, before string, width int) string {
	var out strings.Builder
	line := before
	for _, word := range strings.Fields(printable(text)) {
		if width > 0 && line != before && length(line)+1+length(word) > width {
			out.WriteString(line + "\n")
			line = before
		}
		if line != before {
			line += " "
		}
		line += word
	}
	return out.String() + line + "\n"
}

// printable drops control characters, which could do anything to a terminal.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r >= 0x7F && r < 0xA0 {
			return -1
		}
		return r
	}, text)
}

func minute(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04")
}

func second(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// brief is a time span as people say it: 0.4s, 37s, 6m37s, 2h5m.
func brief(d time.Duration) string {
	switch {
	case d <= 0:
		return ""
	case d < 9950*time.Millisecond:
		return strings.TrimSuffix(fmt.Sprintf("%.1f", d.Seconds()), ".0") + "s"
	}
	d = d.Round(time.Second)
	if d < time.Hour {
		return strings.TrimSuffix(d.String(), "m0s") + map[bool]string{true: "m"}[d%time.Minute == 0]
	}
	d = d.Round(time.Minute)
	return strings.TrimSuffix(strings.TrimSuffix(d.String(), "0s"), "h0m") + map[bool]string{true: "h"}[d%time.Hour == 0]
}

// rows writes "Name      value" lines.
type rows struct {
	text  strings.Builder
	style Style
}

func (r *rows) String() string { return r.text.String() }

// add writes a text as it is.
func (r *rows) add(text string) { r.text.WriteString(text) }

const label = 12

// row writes what there is; a long text goes on under its beginning.
func (r *rows) row(name, value string) {
	if value == "" {
		return
	}
	text := wrap(value, strings.Repeat(" ", label), r.style.Width)
	r.add(r.style.paint(dim, name) + strings.Repeat(" ", label-length(name)) + text[label:])
}
