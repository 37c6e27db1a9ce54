package result_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"errand/pkg/result"
)

func TestClean(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, line, want string }{
		{"plain", "a line\twith a tab", "a line\twith a tab"},
		{"colours", "\x1b[1;31mFATAL\x1b[0m no rates", "FATAL no rates"},
		{"cursor movement", "\x1b[2K\x1b[1Gdone", "done"},
		{"a title", "\x1b]0;title\x07text", "text"},
		{"a link", "\x1b]8;;https://example.com\x1b\\here\x1b]8;;\x1b\\", "here"},
		{"a title that never ends", "\x1b]0;all that the line says", "0;all that the line says"},
		{"a title that is broken off by colours", "\x1b]0;title\x1b[31mtext", "text"},
		{"a character set", "\x1b(Btext", "text"},
		{"one letter", "\x1bMtext", "text"},
		{"an escape before a character that is none of it", "\x1b夜", "夜"},
		{"a lone escape at the end", "text\x1b", "text"},
		{"colours that break off", "text\x1b[31", "text"},
		{"colours that break off in the middle", "\x1b[3\x01text", "text"},
		{"CSI in one character", "\u009b31mtext", "text"},
		{"control characters", "a\x00b\x07c\x7fd\u0085e", "abcde"},
		{"invalid UTF-8", "a\xffb\xc3", "a\uFFFDb\uFFFD"},
		{"not allowed in SQS", "a\uFFFEb\uFFFF", "ab"},
		{"text that runs backwards", "abc\u202Edef\u2066", "abcdef"},
		{"other languages", "夜間バッチ 🚀", "夜間バッチ 🚀"},
		{"a progress bar", "10%\r50%\r100%\r", "100%"},
		{"a progress bar that wipes itself out", "ERROR quota exceeded\r\x1b[K", "ERROR quota exceeded"},
		{"only carriage returns", "\r\r", ""},
		{"Windows line end", "text\r", "text"},
		{"nothing", "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if got := result.Clean(tc.line); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func FuzzClean(f *testing.F) {
	f.Add("\x1b[1;31mFATAL\x1b[0m")
	f.Add("\x1b]8;;x\x1b\\\xff\r\x9b")
	f.Fuzz(func(t *testing.T, line string) {
		got := result.Clean(line)
		if !utf8.ValidString(got) {
			t.Errorf("%q is not valid UTF-8", got)
		}
		if strings.ContainsFunc(got, func(r rune) bool { return r != '\t' && unicode.IsControl(r) }) {
			t.Errorf("%q has control characters", got)
		}
		if again := result.Clean(got); again != got {
			t.Errorf("%q cleaned again is %q", got, again)
		}
	})
}
