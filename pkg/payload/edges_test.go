package payload_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"errand/pkg/payload"
)

// What is as much as may be is taken, and one more is refused, with nothing else said.
func TestEdges(t *testing.T) {
	t.Parallel()
	const timeout, startTimeout = `timeout: must be a duration from 1m to 168h, as in "45m"`, `startTimeout: must be a duration from 1m to 24h, as in "10m"`
	const startWithin, exec = `startWithin: must be a duration from 1m to 24h, as in "2h"`, `timeout: must be a duration from 1s to 14m, as in "10m"`
	job := func(fields string) func() error {
		return func() error {
			_, _, err := payload.Decode([]byte(`{"job": "j"` + fields + `}`))
			return err
		}
	}
	command := func(fields string) func() error {
		return func() error {
			_, _, err := payload.DecodeExec([]byte(`{"job": "j", "task": "t", "command": ["a"]` + fields + `}`))
			return err
		}
	}
	field := func(name, value string) string { return fmt.Sprintf(`, %q: %q`, name, value) }
	for _, tc := range []struct {
		name  string
		over  func() error
		want  string
		still func() error // as much as may be
	}{
		{"timeout, short", job(field("timeout", "59.999s")), timeout, job(field("timeout", "60s"))},
		{"timeout, long", job(field("timeout", "168h0m0.001s")), timeout, job(field("timeout", "168h"))},
		{"timeout, negative", job(field("timeout", "-1h")), timeout, job(field("timeout", "1h"))},
		{"startTimeout, short", job(field("startTimeout", "59.999s")), startTimeout, job(field("startTimeout", "1m"))},
		{"startTimeout, long", job(field("startTimeout", "24h0m1s")), startTimeout, job(field("startTimeout", "1440m"))},
		{"startWithin, short", job(field("startWithin", "59s")), startWithin, job(field("startWithin", "1m"))},
		{"startWithin, long", job(field("startWithin", "24h0m1s")), startWithin, job(field("startWithin", "24h"))},
		{"a command's timeout, short", command(field("timeout", "0.999s")), exec, command(field("timeout", "1s"))},
		{"a command's timeout, none", command(field("timeout", "0s")), exec, command(field("timeout", "1s"))},
		{"a command's timeout, negative", command(field("timeout", "-1s")), exec, command(field("timeout", "1s"))},
		{"a command's timeout, long", command(field("timeout", "14m0.001s")), exec, command(field("timeout", "840s"))},
		{"log lines", job(`, "logLines": 1001`), "logLines: must be an integer from 0 to 1000, as in 50", job(`, "logLines": 1000`)},
		{"log lines, negative", job(`, "logLines": -1`), "logLines: must be an integer from 0 to 1000, as in 50", job(`, "logLines": 0`)},
		{"log lines of a command", command(`, "logLines": 1001`), "logLines: must be an integer from 0 to 1000, as in 50", command(`, "logLines": 1000`)},
		{"a run id", job(field("runId", strings.Repeat("r", 129))), "runId: must be 1 to 128 letters, digits or one of - _ . :", job(field("runId", strings.Repeat("r", 128)))},
		{
			"the bytes of a payload", job(strings.Repeat(" ", 64<<10-11)), "the payload has 65537 bytes, and errand takes 65536; pass large input through S3 or SSM",
			job(strings.Repeat(" ", 64<<10-12)),
		},
		{"a variable that a shell cannot export", command(`, "environment": {"A-B": "x"}`), "environment: has a name that a shell cannot export: it takes letters, digits and _, not beginning with a digit", command(`, "environment": {"A_B": "x"}`)},
		{"one of errand's variables", job(`, "environment": {"ERRAND_ANY": "x"}`), "environment: ERRAND_ANY is reserved; variables beginning with ERRAND_ are errand's own", job(`, "environment": {"ERRANDS": "x"}`)},
		{"an empty program", job(`, "command": ["", "a"]`), "command[0]: is empty; it is the program to run", job(`, "command": ["a", ""]`)},
		{"the tags of a service", job(field("propagateTags", "SERVICE")), "propagateTags: SERVICE is for services; RunTask takes TASK_DEFINITION or NONE", job(field("propagateTags", "NONE"))},
	} {
		if got := text(tc.over()); got != tc.want {
			t.Errorf("%s:\ngot  %s\nwant %s", tc.name, got, tc.want)
		}
		if err := tc.still(); err != nil {
			t.Errorf("%s, as much as may be: %v", tc.name, err)
		}
	}
}

// Twenty mistakes are all told; of more, the others are counted.
func TestMistakesThatAreTold(t *testing.T) {
	t.Parallel()
	const one = "logLines: given twice; "
	for n, want := range map[int]string{
		19: strings.TrimSuffix(strings.Repeat(one, 19), "; "), 20: strings.TrimSuffix(strings.Repeat(one, 20), "; "),
		21: strings.Repeat(one, 20) + "and 1 more", 22: strings.Repeat(one, 20) + "and 2 more",
	} {
		_, _, err := payload.Decode([]byte(`{"job": "j"` + strings.Repeat(`, "logLines": 5`, n+1) + `}`))
		if got := text(err); got != want {
			t.Errorf("%d mistakes: %s", n, got)
		}
	}
}

// A refused payload keeps what could be read, so that the refusal can name its job, but
// no part of a command: half of one is worse than none.
func TestWhatARefusedPayloadKeeps(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{`["a", 5, "c"]`, `["a", null]`, `["a", ["b"]]`, `["a", "\u0000"]`, `["", "a"]`, `"a b"`, `[]`, `{"a": "b"}`} {
		const rest = `"runId": "r-1", "cluster": "c", "container": "app", "logLines": 5`
		p, _, err := payload.Decode([]byte(`{"job": "j", "command": ` + bad + `, "taskDefinition": "t", ` + rest + `}`))
		want := payload.Job{Name: "j", RunID: "r-1", Cluster: "c", Container: "app", TaskDefinition: "t", LogLines: new(5)}
		if diff := cmp.Diff(want, p, cmpopts.IgnoreUnexported(sdkTypes...)); diff != "" || err == nil {
			t.Errorf("a job with %s: %v (-want +got):\n%s", bad, err, diff)
		}
		x, _, err := payload.DecodeExec([]byte(`{"job": "j", "command": ` + bad + `, "task": "t", ` + rest + `}`))
		if diff := cmp.Diff(payload.Exec{Name: "j", RunID: "r-1", Cluster: "c", Container: "app", Task: "t", LogLines: new(5)}, x); diff != "" || err == nil {
			t.Errorf("a command with %s: %v (-want +got):\n%s", bad, err, diff)
		}
	}
}

// Who sent what is refused is told in at most 128 characters each.
func TestSourcesAreBounded(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]int{127: 127, 128: 128, 129: 128, 1000: 128} {
		long := strings.Repeat("s", n)
		got, _ := payload.Outline([]byte(`{"source": "` + long + `", "detail-type": "` + long + `", "id": "` + long + `", "detail": {}}`))
		short := strings.Repeat("s", want)
		if diff := cmp.Diff(payload.Source{Source: short, DetailType: short, EventID: short}, got); diff != "" {
			t.Errorf("%d characters (-want +got):\n%s", n, diff)
		}
	}
}

// An array of payloads is no payload: each is kept by its sender, with an error.
func TestArraysAreKept(t *testing.T) {
	t.Parallel()
	const tooMany = "the payload came in an array of 2, and errand takes one at a time: none of them was run; set the batch size of the pipe to 1, or send each by itself"
	for _, tc := range []struct{ raw, want string }{
		{`[{"job": "j"}, {"job": "k"}]`, tooMany},
		{`[{"job": "j", "comand": []}]`, "comand: unknown field, did you mean command?"},
	} {
		_, _, err := payload.Decode([]byte(tc.raw))
		want := payload.Kept{Invalid: payload.Invalid{tc.want}}
		if diff := cmp.Diff(error(want), err); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.raw, diff)
		}
	}
}

// A number counts as it was written, though a float64 may not tell it from another.
func TestDigestOfNumbers(t *testing.T) {
	t.Parallel()
	digest := func(number string) string { return payload.Digest([]byte(`{"job": "j", "overrides": ` + number + `}`)) }
	for _, tc := range [][2]string{{"9007199254740992", "9007199254740993"}, {"1", "1.0"}, {"0.1", "0.10000000000000000001"}, {"1e400", "1e401"}} {
		a, b := digest(tc[0]), digest(tc[1])
		if diff := cmp.Diff([]string{"overrides"}, payload.Differing(a, b)); diff != "" {
			t.Errorf("%s and %s: %s, %s differ in (-want +got):\n%s", tc[0], tc[1], a, b, diff)
		}
	}
}
