package result

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// overwritten is what a terminal shows of a line with backspaces: each goes back a
// column, and what follows takes the place of what was there. What is left of blanks
// behind it is wiped text, and is not kept.
func overwritten(line string) string {
	var s row
	for len(line) > 0 {
		if n := escape(line); n > 0 {
			if sequence := line[:n]; sequence == "\x1b[K" || sequence == "\x1b[0K" { // erase to the end of the line
				s.cut()
			}
			line = line[n:]
			continue
		}
		r, size := utf8.DecodeRuneInString(line)
		line = line[size:]
		if r != '\b' {
			r = visible(r)
		}
		switch {
		case r == '\b':
			s.at = max(0, s.at-1)
		case r == '\t':
			s.tab()
		case r < 0:
		default:
			s.put(string(r), columns(r)) // U+FFFD for what is not UTF-8
		}
	}
	return strings.TrimRight(s.String(), " \t")
}

// row is a line on a terminal.
type row struct {
	// columns have the character that begins in each, and nothing where the one
	// before reaches into it.
	columns []string
	at      int // the cursor
}

// put writes a character, which has 0, 1 or 2 columns.
func (s *row) put(character string, columns int) {
	if columns == 0 { // an accent belongs to the character before
		if i := s.begin(s.at - 1); i >= 0 && len(s.columns[i]) < maxAccents {
			s.columns[i] += character
		}
		return
	}
	for i := range columns {
		s.blank(s.at + i)
	}
	s.columns[s.at] = character
	if columns == 2 {
		s.columns[s.at+1] = ""
	}
	s.at += columns
}

// maxAccents bounds what is put on one character, in bytes: a text of nothing else
// would take for ever.
const maxAccents = 64

// tab goes on to the next eighth column. It leaves what is there, as terminals do.
func (s *row) tab() {
	stop, fill := (s.at/8+1)*8, " "
	if s.at == len(s.columns) { // at the end, where it stays a tab
		s.columns, fill = append(s.columns, "\t"), ""
	}
	for len(s.columns) < stop {
		s.columns = append(s.columns, fill)
	}
	s.at = stop
}

// blank makes blanks of the character that has the column, up to the column's own:
// half a character is none.
func (s *row) blank(column int) {
	if column == len(s.columns) {
		s.columns = append(s.columns, " ")
		return
	}
	for i := s.begin(column); ; {
		s.columns[i] = " "
		if i++; i == len(s.columns) || s.columns[i] != "" {
			return
		}
	}
}

// begin is where the character begins that has the column.
func (s *row) begin(column int) int {
	for column > 0 && s.columns[column] == "" {
		column--
	}
	return column
}

// cut erases from the cursor on.
func (s *row) cut() {
	if s.at < len(s.columns) {
		s.blank(s.at)
		s.columns = s.columns[:s.at]
	}
}

func (s *row) String() string { return strings.Join(s.columns, "") }

// columns is how many columns a terminal gives a character: two to those of East
// Asian scripts and to emoji (Unicode Standard Annex 11), none to accents.
func columns(r rune) int {
	switch {
	case r < 0x300:
		return 1
	case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		return 0
	case unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul),
		r >= 0x3000 && r <= 0x303E, r >= 0xFF01 && r <= 0xFF60, r >= 0xFFE0 && r <= 0xFFE6, r >= 0x1F300 && r <= 0x1FAFF:
		return 2
	}
	return 1
}
