package result_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"errand/pkg/result"
	"errand/pkg/run"
)

// SNS takes a subject of fewer than 100 characters of ASCII, without line breaks
// (https://docs.aws.amazon.com/sns/latest/api/API_Publish.html). However long the parts
// are, it is never longer, and as long as it may be where something is cut.
func TestSubjectsAreShort(t *testing.T) {
	t.Parallel()
	for n := range 300 {
		for _, piece := range []string{"x", "é", "夜", "\n", "a b ", "\x1b[31m", "😀"} {
			long := strings.Repeat(piece, n)
			for _, r := range []result.Result{
				{Run: run.Run{Job: "j"}, Status: run.Failed, Summary: long},
				{Run: run.Run{Job: "j"}, Status: run.LaunchFailed, Reason: long},
				{Run: run.Run{Job: long}, Status: run.Rejected, Reason: "no such job"},
				{Run: run.Run{Job: long}, Status: run.StartFailed, Summary: long, Reason: long},
			} {
				subject := r.Subject()
				if len(subject) > 99 || subject == "" || strings.ContainsFunc(subject, func(r rune) bool { return r < ' ' || r > '~' }) {
					t.Fatalf("%d times %q: a subject of %d characters: %q", n, piece, len(subject), subject)
				}
			}
		}
	}
}

// The JSON form fits whatever the limit, down to what it needs without a log; it is
// UTF-8, though what it has is not.
func TestJSONFits(t *testing.T) {
	t.Parallel()
	for _, piece := range []string{"x", `"`, `\`, "\t", "\u2028", "夜", "\xff", "<&>", "😀"} {
		line := strings.ToValidUTF8(piece, "\uFFFD") // as logs are read
		r := result.Result{
			Run: run.Run{Job: strings.Repeat(piece, 5000), ID: "r"}, Status: run.Failed, Reason: strings.Repeat(piece, 5000), Place: result.Place{Command: []string{strings.Repeat(piece, 9000), "b"}},
			Log: &result.Log{Status: result.LogOK, Note: strings.Repeat(piece, 5000), Lines: []string{strings.Repeat(line, 100_000), strings.Repeat(line, 10), "end"}},
		}
		for _, limit := range []int{128 << 10, 128<<10 + 1, 200_000, 262_143} {
			if got := r.JSON(limit); len(got) > limit || !utf8.Valid(got) || !strings.Contains(string(got), `"end"]`) {
				t.Errorf("lines of %q in %d bytes: %d bytes, …%.100s", piece, limit, len(got), got[max(0, len(got)-100):])
			}
		}
	}
}

// Without a beginning and an end that comes after it, nobody knows how long a command
// ran.
func TestUnknownDurations(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 20, 2, 0, 0, 0, time.UTC)
	for _, tc := range []struct {
		started, ended, stopped time.Time
		want                    time.Duration
		known                   bool
	}{
		{},
		{started: at},
		{stopped: at},
		{ended: at},
		{started: at, stopped: at.Add(-time.Nanosecond)},
		{started: at, ended: at.Add(-time.Second), stopped: at.Add(-time.Second)},
		{started: at, stopped: at, known: true},
		{started: at, ended: at, stopped: at.Add(time.Minute), known: true},
		{started: at, ended: at.Add(-time.Second), stopped: at.Add(time.Minute), want: time.Minute, known: true},
		{started: at, ended: at.Add(time.Second), stopped: at.Add(time.Minute), want: time.Second, known: true},
	} {
		r := result.Result{StartedAt: tc.started, ExecutionStoppedAt: tc.ended, StoppedAt: tc.stopped}
		if got, known := r.Duration(); got != tc.want || known != tc.known {
			t.Errorf("%+v: got %s, %v", tc, got, known)
		}
	}
}

// What is missing of a log is told, wherever the limit cuts it.
func TestWhatIsCutIsTold(t *testing.T) {
	t.Parallel()
	lines := []string{"one", "two two", "", "夜間", "end"}
	r := result.Result{Run: run.Run{Job: "j", ID: "r"}, Status: run.Failed, Log: &result.Log{Status: result.LogOK, Truncated: new(false)}}
	least := len(r.JSON(0))
	r.Log.Lines = lines
	whole := len(r.JSON(1 << 18))
	for limit := least; limit < whole+20; limit++ {
		var got struct {
			Log struct {
				Lines     []string
				Truncated bool
			}
		}
		if err := json.Unmarshal(r.JSON(limit), &got); err != nil {
			t.Fatal(err)
		}
		kept := got.Log.Lines
		if got.Log.Truncated == slices.Equal(kept, lines) {
			t.Errorf("%d bytes: truncated is %v of %q", limit, got.Log.Truncated, kept)
		}
		if len(kept) > 0 {
			end, cut := strings.CutPrefix(kept[0], "…")
			if first := lines[len(lines)-len(kept)]; !cut && first != end || !strings.HasSuffix(first, end) || !slices.Equal(kept[1:], lines[len(lines)-len(kept)+1:]) {
				t.Errorf("%d bytes: kept %q", limit, kept)
			}
		}
	}
}

// A command is cut by its bytes and by its words, of which the empty ones have none.
func TestCommandsAreBounded(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name          string
		command, want []string
	}{
		{"as long as may be", []string{"a", strings.Repeat("b", 8<<10-1)}, []string{"a", strings.Repeat("b", 8<<10-1)}},
		{"one more", []string{"a", strings.Repeat("b", 8<<10)}, []string{"a", strings.Repeat("b", 8<<10-1) + "…"}},
		{"words after it", []string{strings.Repeat("b", 8<<10), "c", "d"}, []string{strings.Repeat("b", 8<<10), "…"}},
		{"half a character", []string{"a" + strings.Repeat("é", 8<<10)}, []string{"a" + strings.Repeat("é", 4<<10-1) + "…"}},
		{"empty words", make([]string, 100_000), make([]string, 2<<10+1)},
	} {
		var got struct{ Command []string }
		if err := json.Unmarshal(result.Result{Place: result.Place{Command: tc.command}}.JSON(1<<18), &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tc.want, got.Command); diff != "" {
			t.Errorf("%s (-want +got):\n%.500s", tc.name, diff)
		}
	}
}

// A text of nothing but accents is no longer than a character may be.
func TestAccentsAreBounded(t *testing.T) {
	t.Parallel()
	if got, want := result.Clean("x\be"+strings.Repeat("\u0301", 100_000)), "e"+strings.Repeat("\u0301", 32); got != want {
		t.Errorf("%d bytes, want %d", len(got), len(want))
	}
}

// A line break in a job's name is a blank of the subject, and a control nothing.
func TestSubjectOfAnOddName(t *testing.T) {
	t.Parallel()
	r := result.Result{Run: run.Run{Job: "a\nb\tc\x07d\x7fé"}, Status: run.Rejected, Reason: "no such job"}
	if got, want := r.Subject(), "REJECTED a b cd?: no such job"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// What others word is cut at its end, and keeps its beginning.
func TestNotesAreBounded(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]string{
		2 << 10: strings.Repeat("n", 2<<10), 2<<10 + 1: strings.Repeat("n", 2<<10) + "…", 100_000: strings.Repeat("n", 2<<10) + "…",
	} {
		var got struct{ Log struct{ Note string } }
		if err := json.Unmarshal(result.Result{Log: &result.Log{Status: result.LogError, Note: strings.Repeat("n", n)}}.JSON(1<<18), &got); err != nil {
			t.Fatal(err)
		}
		if got.Log.Note != want {
			t.Errorf("a note of %d characters has %d bytes", n, len(got.Log.Note))
		}
	}
}
