package result_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

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
		{"a progress bar that goes on with less", "downloading 100 MB\rdone", "done"},
		{"a progress bar by backspaces", "Downloading (5%)\b\b\b\b\b\b\b\b\b\b\b\b\b\b\b\bDownloading (100%)", "Downloading (100%)"},
		{"backspaces overwrite, and do not erase", "abc\b\bX", "aXc"},
		{"a progress bar by backspaces that leaves blanks", "100 files\b\b\b\b\b\b\b\b\b9 files  \b\b", "9 files"},
		{"backspaces beyond the beginning", "ab\b\b\b\bcd", "cd"},
		{"backspaces at the end", "abc\b\b", "abc"},
		{"a spinner", "working |\b/\b-\b\\\b|", "working |"},
		{"a spinner that wipes itself out", "working |\b \b", "working"},
		{"a display that wipes itself out by backspaces", "ERROR quota exceeded\r50%\b\b\b   \b\b\b", "ERROR quota exceeded"},
		{"an erasure to the end of the line", "abcdef\b\b\b\x1b[KX", "abcX"},
		{"an erasure at the end", "abc\x1b[K\bX", "abX"},
		{"colours between backspaces", "\x1b[32m5%\x1b[0m\b\b\x1b[32m10%\x1b[0m", "10%"},
		{"bold and underlined as in manuals", "N\bNA\bAME _\bx", "NAME x"},
		{"backspaces and carriage returns", "10%\b\b\b20%\r30%\b\b\b40%", "40%"},
		{"a wide character has two columns", "夜間\b\b朝", "夜朝"},
		{"half of a wide character is none", "夜間\bx", "夜 x"},
		{"half of a wide character before another", "a夜b\b\b間", "a 間"},
		{"an emoji", "🚀 go\b\b\b\b\bok", "ok go"},
		{"an accent has no column", "e\u0301a\bb", "e\u0301b"},
		{"an accent on nothing", "\u0301\ba", "a"},
		{"a tab is as wide as it looks", "a\tb\b\b\b\b\b\b\b\bX", "aX      b"},
		{"a tab stays one", "a\tbc\b\bX", "a\tXc"},
		{"a tab goes over what is there", "0123456789\b\b\b\b\b\b\b\b\b\b\tX", "01234567X9"},
		{"a tab beyond what is there", "ab\b\b\tX\b\b\bYZ", "ab    YZX"},
		{"control characters between backspaces", "a\x00\b\u202Eb\xff\b", "b\uFFFD"},
		{"only backspaces", "\b\b", ""},
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

func TestLines(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, message string
		want          []string
	}{
		{"a line", "done", []string{"done"}},
		{"a line with its end", "done\r\n", []string{"done"}},
		{"nothing", "", []string{""}},
		{"several lines", "Traceback:\r\n  File x\r\n\r\nValueError: y\r\n", []string{"Traceback:", "  File x", "", "ValueError: y"}},
		{"a stack trace of Java, joined", "boom\r\tat a.b.C\r\tat a.b.E\rCaused by: gone", []string{"boom", "\tat a.b.C", "\tat a.b.E", "Caused by: gone"}},
		{"one of Node.js", "Error: boom\r    at x (a.js:1)\r    at y (b.js:2)", []string{"Error: boom", "    at x (a.js:1)", "    at y (b.js:2)"}},
		{"one that ends with a carriage return", "boom\r\tat a\r", []string{"boom", "\tat a"}},
		{"one with Windows line ends, too", "boom\r\n\tat a\r\tat b\r\nend", []string{"boom", "\tat a", "\tat b", "end"}},
		{"Windows line ends and tabs alone", "boom\r\n\tat a\r\n", []string{"boom", "\tat a"}},
		{"a progress bar", "10%\r50%\r100%", []string{"100%"}},
		{"a progress bar with blanks, as curl's", "  0  100\r 50  100\r100  100", []string{"100  100"}},
		{"a progress bar in each of two lines", "a 1\ra 2\nb 1\rb 2\n", []string{"a 2", "b 2"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tc.want, result.Lines(tc.message)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func FuzzLines(f *testing.F) {
	f.Add("boom\r\tat a\r\n\tat b\b\b\n")
	f.Fuzz(func(t *testing.T, message string) {
		for _, line := range result.Lines(message) {
			if strings.ContainsAny(line, "\r\n") || result.Clean(line) != line {
				t.Errorf("%q is not clean", line)
			}
		}
	})
}

// A line without an end of backspaces and accents does not take an end of time.
func BenchmarkCleanBackspaces(b *testing.B) {
	line := strings.Repeat("夜e\u0301\b\b\t", 100_000)
	b.SetBytes(int64(len(line)))
	for b.Loop() {
		result.Clean(line)
	}
}

func FuzzClean(f *testing.F) {
	f.Add("\x1b[1;31mFATAL\x1b[0m")
	f.Add("\x1b]8;;x\x1b\\\xff\r\x9b")
	f.Add("夜a\b\b\tx\u0301\b\x1b[K")
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
