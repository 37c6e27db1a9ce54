package payload_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"errand/pkg/payload"
)

// Events of other services, shortened after their documented samples
// (https://docs.aws.amazon.com/lambda/latest/dg/lambda-services.html), say what they
// are, to the launcher and to the executor, and nothing of their values is told.
func TestForeign(t *testing.T) {
	t.Parallel()
	var cases []struct {
		Name   string
		Event  json.RawMessage
		Kept   bool
		Source payload.Source
		Want   string
	}
	if err := json.Unmarshal(read(t, "testdata/foreign.json"), &cases); err != nil {
		t.Fatal(err)
	}
	for _, tc := range cases {
		t.Run(tc.Name, func(t *testing.T) {
			t.Parallel()
			_, _, err := payload.Decode(tc.Event)
			_, _, exec := payload.DecodeExec(tc.Event)
			if text(err) != tc.Want || text(exec) != tc.Want {
				t.Errorf("got  %v\nand  %v\nwant %s", err, exec, tc.Want)
			}
			if _, kept := errors.AsType[payload.Kept](err); kept != tc.Kept {
				t.Errorf("kept by its sender: %t", kept)
			}
			if _, invalid := errors.AsType[payload.Invalid](err); !invalid {
				t.Errorf("got %T", err)
			}
			source, outline := payload.Outline(tc.Event)
			if diff := cmp.Diff(tc.Source, source); diff != "" {
				t.Errorf("source (-want +got):\n%s", diff)
			}
			if !json.Valid(outline) || strings.Contains(string(outline), "hunter2") {
				t.Errorf("outline %s", outline)
			}
		})
	}
}

func TestOutline(t *testing.T) {
	t.Parallel()
	wide := `{"job": "j"`
	for _, name := range strings.Split(strings.Repeat("abcdefghij ", 1000), " ") {
		wide += `, "` + name + strings.Repeat("x", 50) + `": 1`
	}
	for _, tc := range []struct{ name, payload, want string }{
		{"names alone have values", `{"job": "j", "runId": "r", "schedule": "s", "scheduledTime": "t", "service": "a", "taskDefinition": "b", "cluster": "c", "container": "d",
			"group": "hunter2", "command": ["hunter2"], "timeout": "1h", "logLines": 5, "enableExecuteCommand": true, "x": null}`, `{"job":"j","runId":"r","schedule":"s","scheduledTime":"t","service":"a","taskDefinition":"b","cluster":"c","container":"d",` +
			`"group":"…","command":["…"],"timeout":"…","logLines":"…","enableExecuteCommand":"…","x":"…"}`},
		{"a misspelt secret", `{"job": "j", "enviroment": {"DB_PASSWORD": "hunter2", "PIN": 4711}}`, `{"job":"j","enviroment":{"DB_PASSWORD":"…","PIN":"…"}}`}, //nolint:misspell // as people misspell it
		{"names that are values", `{"DB_PASSWORD=hunter2": 1, "environment": {"A=hunter2": "x", "B=hunter2": "x", "C": "x"}, "": 1}`, `{"…":"…","environment":{"…":"…","C":"…"}}`},
		{"names further down have no values", `{"x": {"job": "hunter2", "container": "hunter2"}, "service": {"job": "hunter2"}}`, `{"x":{"job":"…","container":"…"},"service":{"job":"…"}}`},
		{"a name that is no text", `{"job": 4711, "cluster": ["hunter2"]}`, `{"job":"…","cluster":["…"]}`},
		{"a name that is too long, or not to be printed", `{"job": "` + strings.Repeat("j", 257) + `", "runId": "a\u202eb"}`, `{"job":"…","runId":"…"}`},
		{"no escapes for HTML", `{"scheduledTime": "<aws.scheduler.scheduled-time>"}`, `{"scheduledTime":"<aws.scheduler.scheduled-time>"}`},
		{"elements of one form are one", `{"overrides": {"containerOverrides": [{"name": "a", "cpu": 1}, {"name": "b", "cpu": 2}, {"name": "c"}]}}`, `{"overrides":{"containerOverrides":[{"name":"…","cpu":"…"},{"name":"…"}]}}`},
		{"the detail of an event", `{"detail-type": "Errand Job", "id": "e", "detail": {"job": "j", "x": 1}}`, `{"job":"j","x":"…"}`},
		{"an array of one", `[{"job": "j", "x": 1}]`, `{"job":"j","x":"…"}`},
		{"deep", strings.Repeat(`{"a":`, 17) + `"hunter2"` + strings.Repeat(`}`, 17), strings.Repeat(`{"a":`, 16) + `"…"` + strings.Repeat(`}`, 16)},
		{"no object", `"hunter2"`, ""},
		{"no JSON", `{"job": "j", hunter2}`, ""},
		{"nothing", ``, ""},
	} {
		_, got := payload.Outline([]byte(tc.payload))
		if string(got) != tc.want {
			t.Errorf("%s:\ngot  %s\nwant %s", tc.name, got, tc.want)
		}
	}
	for name, raw := range map[string]string{
		"wide": wide + "}", "long": `{"job": "j", "list": [` + strings.Repeat("1,", 1<<20) + `1]}`,
		"many elements": `{"job": "j", "list": [` + strings.Repeat(`{"a":1},{"b":1},`, 1<<16) + `1]}`,
	} {
		_, got := payload.Outline([]byte(raw))
		if len(got) > 4<<10 || !json.Valid(got) || !strings.HasPrefix(string(got), `{"job":"j",`) {
			t.Errorf("%s: %d bytes, %.100s", name, len(got), got)
		}
	}
}

// An outline is JSON, has no values, and is short.
func FuzzOutline(f *testing.F) {
	for _, file := range glob(f, "../../events/*/*.json") {
		f.Add(read(f, file))
	}
	f.Add([]byte(`[{"job":"j","a":[{"b":[1,"x",null]},{}]}]`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		_, outline := payload.Outline(raw)
		if outline == nil {
			return
		}
		if len(outline) > 4<<10 || !json.Valid(outline) {
			t.Errorf("%d bytes: %s", len(outline), outline)
		}
	})
}

// A payload that is too long, has too many faults or is too deep is refused without
// much ado, and so that people can read it.
func TestBounds(t *testing.T) {
	t.Parallel()
	faults := strings.Repeat(`"x": 1, `, 5000)
	for _, tc := range []struct{ name, payload, want string }{
		{"many faults", `{` + faults + `"job": "j"}`, strings.Repeat("x: given twice; ", 20) + "and 4980 more"},
		{"deep", `{"job": "j", "command": ` + strings.Repeat("[", 101) + strings.Repeat("]", 101) + `}`, "the payload is not valid JSON: line 1: nested deeper than 64 levels"},
		{"6 MB", `{"job": "j", "environment": {"A": "` + strings.Repeat("x", 6_000_000) + `"}}`, "the payload has 6000038 bytes, and errand takes 65536; pass large input through S3 or SSM"},
	} {
		p, _, err := payload.Decode([]byte(tc.payload))
		if text(err) != tc.want {
			t.Errorf("%s: got %.500s", tc.name, text(err))
		}
		if tc.name == "6 MB" && p.Name != "j" {
			t.Errorf("%s: the job is %q", tc.name, p.Name)
		}
	}
	p, id, err := payload.DecodeExec([]byte(`{"detail-type": "Errand Job", "id": "e-1", "detail": {"job": "j", "runId": "r-1", "x": "` + strings.Repeat("x", 70_000) + `"}}`))
	if want := "the payload has 70091 bytes, and errand takes 65536; pass large input through S3 or SSM"; text(err) != want || p.Name != "j" || p.RunID != "r-1" || id != "e-1" {
		t.Errorf("%+v, %s, %v", p, id, err)
	}
}
