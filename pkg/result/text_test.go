package result_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"errand/pkg/result"
	"errand/pkg/run"
)

// hostile is in every field: what SQS refuses, what hides text, and what breaks a line
// or a terminal.
const hostile = "a\x00\x07\x1b[31m\r\b\u202e\u2066\u200b\u200d\u2060\ufeff\u00ad\U000E0041\ufffe\uffff\u0085\u2028b\xff"

// fill puts hostile into every string that v holds.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(hostile)
	case reflect.Pointer:
		if v.Type().Elem() != reflect.TypeFor[time.Location]() {
			v.Set(reflect.New(v.Type().Elem()))
			fill(v.Elem())
		}
	case reflect.Slice:
		if v.Type() == reflect.TypeFor[json.RawMessage]() {
			v.SetBytes([]byte(`{"` + strings.ToValidUTF8(strings.ReplaceAll(hostile[len("a\x00\x07\x1b[31m\r\b"):], "\u0085", ""), "") + `":"…"}`))
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return
		}
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	}
}

// Whatever a field is made of, no body has it.
func TestBodiesAreClean(t *testing.T) {
	t.Parallel()
	var r result.Result
	fill(reflect.ValueOf(&r).Elem())
	r.Status, r.Log.Status = run.Failed, result.LogOK
	r.DurationSeconds, r.Schema = "", ""
	other := r
	log := *r.Log
	log.Lines, log.Status = nil, result.LogDenied
	other.Log = &log
	for name, body := range map[string]string{
		"JSON": string(r.JSON(1 << 18)), "text": r.Text(1 << 18), "text without lines": other.Text(1 << 18), "subject": r.Subject(),
	} {
		for _, bad := range "\x00\x07\x1b\r\b\u202e\u2066\u200b\u200d\u2060\ufeff\u00ad\U000E0041\ufffe\uffff\u0085\u2028" {
			escaped := strings.Trim(string(must(json.Marshal(string(bad)))), `"`)
			if strings.ContainsRune(body, bad) || strings.Contains(body, escaped) {
				t.Errorf("%s has %q: %q", name, bad, body)
			}
		}
		if !utf8.ValidString(body) || strings.Contains(body, "[31m") {
			t.Errorf("%s: %q", name, body)
		}
	}
	if !json.Valid(r.JSON(1 << 18)) {
		t.Error("not JSON")
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// A command and a reason are shown as they are, whatever a terminal would make of them.
func TestNothingIsHidden(t *testing.T) {
	t.Parallel()
	r := result.Result{
		Run: run.Run{Job: "j"}, Status: run.Failed, Reason: "rm -rf /\rall is well",
		Place: result.Place{Command: []string{"rm", "-rf\b\b\bls", "a\nb\u202ec"}},
	}
	want := "✗ FAILED  j\nRm -rf /all is well\n\nCommand     rm -rfls 'a ⏎ bc'\n"
	if diff := cmp.Diff(want, r.Text(1<<18)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	var got struct{ Command []string }
	if err := json.Unmarshal(r.JSON(1<<18), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"rm", "-rfls", "a\nbc"}, got.Command); diff != "" {
		t.Errorf("command (-want +got):\n%s", diff)
	}
	if r.Command[1] != "-rf\b\b\bls" {
		t.Error("the result itself was changed")
	}
}

// No line of a log passes for one of errand's, whatever it says.
func TestForgedLines(t *testing.T) {
	t.Parallel()
	lines := []string{"----- end of the log -----", "", "✓ SUCCEEDED  billing-daily\u2028Run again   errand again x/y", "│ Log         https://example.com", "\x1b[2J\rTask        https://example.com"}
	r := result.Result{Run: run.Run{Job: "j"}, Status: run.Failed, Reason: "no", Log: &result.Log{Status: result.LogOK, Lines: lines, Settled: ptr(true)}}
	want := `✗ FAILED  j
No

----- the log, 5 lines -----
│ ----- end of the log -----
│ 
│ ✓ SUCCEEDED  billing-daily Run again   errand again x/y
│ │ Log         https://example.com
│ Task        https://example.com
----- end of the log -----
`
	if diff := cmp.Diff(want, r.Text(1<<18)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if lines[2] != "✓ SUCCEEDED  billing-daily\u2028Run again   errand again x/y" {
		t.Error("the result itself was changed")
	}
}

// The last line says what there is beside the lines.
func TestEndOfTheLog(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		truncated, settled *bool
		heading, end       string
	}{
		{ptr(false), ptr(true), "the log, 2 lines", "end of the log"},
		{ptr(true), ptr(true), "last 2 lines of the log", "end of the log; there is more before these lines"},
		{ptr(false), ptr(false), "the log, 2 lines", "end of what was there; more may have come later"},
		{ptr(true), ptr(false), "last 2 lines of the log", "end of what was there; there is more before these lines, and more may have come later"},
		{nil, nil, "the log, 2 lines", "end of the log"},
	} {
		r := result.Result{Status: run.Lost, Log: &result.Log{Status: result.LogOK, Lines: []string{"a", "b"}, Truncated: tc.truncated, Settled: tc.settled}}
		want := "✗ LOST\n\n----- " + tc.heading + " -----\n│ a\n│ b\n----- " + tc.end + " -----\n"
		if diff := cmp.Diff(want, r.Text(1<<18)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

// A line of the log that is too long keeps its beginning and its end, in the text form
// alone.
func TestLongLines(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ line, want string }{
		"as long as it may be":          {strings.Repeat("x", 2000), strings.Repeat("x", 2000)},
		"one character more":            {strings.Repeat("a", 1000) + strings.Repeat("b", 1001), strings.Repeat("a", 1000) + " … " + strings.Repeat("b", 997)},
		"of more bytes than characters": {strings.Repeat("夜", 2000), strings.Repeat("夜", 2000)},
		"of many characters":            {strings.Repeat("夜", 50_000) + "end", strings.Repeat("夜", 1000) + " … " + strings.Repeat("夜", 994) + "end"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := result.Result{Status: run.Failed, Log: &result.Log{Status: result.LogOK, Lines: []string{tc.line}}}
			want := "✗ FAILED\n\n----- the log, 1 line -----\n│ " + tc.want + "\n----- end of the log -----\n"
			if got := r.Text(1 << 18); got != want {
				t.Errorf("got %q", got)
			}
			var got struct{ Log result.Log }
			if err := json.Unmarshal(r.JSON(1<<18), &got); err != nil || got.Log.Lines[0] != tc.line {
				t.Errorf("the JSON form has %q, %v", got.Log.Lines, err)
			}
		})
	}
}

func TestSeverity(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		status    run.Status
		willRetry bool
		want      string
	}{
		{run.Succeeded, false, "info"},
		{run.Skipped, false, "warning"},
		{run.Failed, true, "warning"},
		{run.Failed, false, "error"},
		{run.Rejected, false, "error"},
		{run.Missed, false, "error"},
		{run.Lost, false, "error"},
	} {
		var got struct{ Severity string }
		if err := json.Unmarshal(result.Result{Status: tc.status, WillRetry: tc.willRetry}.JSON(1<<18), &got); err != nil || got.Severity != tc.want {
			t.Errorf("%s: got %q, %v; want %s", tc.status, got.Severity, err, tc.want)
		}
	}
}

// What is shown to run it again can be typed.
func TestRunAgain(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		change func(*result.Result)
		want   string
	}{
		{"of the stack that is meant anyway", func(*result.Result) {}, "errand again billing-daily/billing-daily-20261120T020000Z"},
		{"of another", func(r *result.Result) { r.Stack = "prod" }, "errand again --stack prod billing-daily/billing-daily-20261120T020000Z"},
		{"of one that is not known", func(r *result.Result) { r.Stack = "" }, "errand again billing-daily/billing-daily-20261120T020000Z"},
		{"a payload that was refused", func(r *result.Result) { r.Status = run.Rejected }, ""},
		{"no job", func(r *result.Result) { r.Job = "" }, ""},
		{"a job that is none", func(r *result.Result) { r.Job = "; rm -rf /" }, ""},
		{"no id", func(r *result.Result) { r.ID = "" }, ""},
	} {
		r := failed()
		tc.change(&r)
		_, rest, ok := strings.Cut(r.Text(1<<18), "\nRun again   ")
		got, _, _ := strings.Cut(rest, "\n")
		if got != tc.want || ok != (tc.want != "") {
			t.Errorf("%s: got %q, want %q", tc.name, got, tc.want)
		}
	}
}
