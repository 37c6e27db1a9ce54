package payload_test

import (
	"encoding/json"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"errand/pkg/awsjson"
	"errand/pkg/payload"
)

func TestDigest(t *testing.T) {
	t.Parallel()
	one := payload.Digest([]byte(`{"job": "import", "command": ["./import", "eu"], "scheduledTime": "2026-11-20T02:00:00Z", "logLines": 5}`))
	if want := "command:n5U-L4,logLines:7y0Sfe,scheduledTime:6n2_gn"; one != want {
		t.Errorf("digest %s, want %s", one, want)
	}
	for _, tc := range []struct {
		name, payload string
		differing     []string
	}{
		{"another form", `{"logLines":5,"scheduledTime":"2026-11-20T02:00:00Z","command":["./import","eu"],"job":"import"}`, nil},
		{"in an event", `{"detail-type": "Errand Job", "id": "e", "detail": {"job": "import", "command": ["./import", "eu"], "scheduledTime": "2026-11-20T02:00:00Z", "logLines": 5}}`, nil},
		{"another job", `{"job": "export", "command": ["./import", "eu"], "scheduledTime": "2026-11-20T02:00:00Z", "logLines": 5}`, nil},
		{"from a schedule", `{"job": "import", "command": ["./import", "eu"], "scheduledTime": "2026-11-20T02:00:00Z", "logLines": 5, "schedule": "nightly"}`, nil},
		{"another command", `{"job": "import", "command": ["./import", "us"], "scheduledTime": "2026-11-20T02:00:00Z", "logLines": 5}`, []string{"command"}},
		{"a field less and one more", `{"job": "import", "command": ["./import", "eu"], "scheduledTime": "2026-11-20T02:00:00Z", "cluster": "c"}`, []string{"cluster", "logLines"}},
		{"everything else", `{"job": "import"}`, []string{"command", "logLines", "scheduledTime"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			other := payload.Digest([]byte(tc.payload))
			if diff := cmp.Diff(tc.differing, payload.Differing(one, other)); diff != "" || (other == one) != (tc.differing == nil) {
				t.Errorf("digest %s, differing fields (-want +got):\n%s", other, diff)
			}
		})
	}
	if got := payload.Digest([]byte(`{"job": "import"}`)); got != "-" {
		t.Errorf("digest of a payload of the job alone is %s", got)
	}
	for _, none := range []string{``, `[]`, `5`, `null`, `{"detail-type": "Other", "detail": {}}`} {
		if got := payload.Digest([]byte(none)); got != "" {
			t.Errorf("digest of %s is %s", none, got)
		}
	}
}

// A retry has to send the payload again.
func TestPayloadsEncodeBack(t *testing.T) {
	t.Parallel()
	payloads := map[string][]byte{"everything": []byte(everything)}
	for _, file := range glob(t, "../../events/launcher/*.json") {
		payloads[filepath.Base(file)] = read(t, file)
	}
	delete(payloads, "misspelt.json")
	for name, raw := range payloads {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, _, err := payload.Decode(raw)
			if err != nil {
				t.Fatal(err)
			}
			text, err := awsjson.EncodeEvent(p)
			if err != nil {
				t.Fatal(err)
			}
			again, _, err := payload.Decode(text)
			if diff := cmp.Diff(p, again, cmpopts.IgnoreUnexported(sdkTypes...)); diff != "" || err != nil {
				t.Errorf("decoded again from %s: %v (-want +got):\n%s", text, err, diff)
			}
		})
	}
	for _, file := range glob(t, "../../events/executor/*.json") {
		p, _, err := payload.DecodeExec(read(t, file))
		if err != nil {
			t.Fatal(err)
		}
		text, err := awsjson.EncodeEvent(p)
		if err != nil {
			t.Fatal(err)
		}
		again, _, err := payload.DecodeExec(text)
		if diff := cmp.Diff(p, again); diff != "" || err != nil {
			t.Errorf("%s decoded again from %s: %v (-want +got):\n%s", file, text, err, diff)
		}
	}
}

// What is not built yet has its types all the same.
func TestPolicyEncodesBack(t *testing.T) {
	t.Parallel()
	given := `{"expectEvery":"26h","job":"j","overlap":"skip","retry":{"attempts":3,"delay":"2m","fallback":{"launchType":"FARGATE"},"on":["start","exit"]},"startTimeout":"10m","startWithin":"1h","timeout":"45m"}`
	var p payload.Job
	if problems := awsjson.Decode([]byte(given), &p, awsjson.Advice{}); problems != nil {
		t.Fatal(problems)
	}
	text, err := awsjson.EncodeEvent(p)
	if err != nil {
		t.Fatal(err)
	}
	var got, want map[string]any
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(given), &want); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"enableExecuteCommand", "enableECSManagedTags"} {
		delete(got, name) // false where it is left out
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("encoded (-want +got):\n%s", diff)
	}
}

func TestMethod(t *testing.T) {
	t.Parallel()
	const job = `"job": "j"`
	const exec = `"job": "j", "command": ["a"], "task": "t"`
	for _, tc := range []struct{ name, payload, launcher, executor string }{
		{
			"left out", `{` + job + `}`, "",
			"command: required, the program and its arguments, as in [\"./bill\", \"--day\", \"yesterday\"]; task, service, family: give exactly one of the three, it says where the command runs",
		},
		{
			"run-task", `{"method": "run-task", ` + job + `}`, "",
			`method: "run-task" starts a task of its own, which is the launcher's; send this payload to the launcher (output LauncherFunctionArn of the stack)`,
		},
		{
			"exec", `{"method": "exec", ` + exec + `}`,
			`method: "exec" runs a command in a live task, which is the executor's; send this payload to the executor (output ExecutorFunctionArn of a stack with EnableExec)`, "",
		},
		{
			"exec in an event", `{"detail-type": "Errand Job", "detail": {"method": "exec", ` + exec + `}}`,
			`method: "exec" runs a command in a live task, which is the executor's; send this payload to the executor (output ExecutorFunctionArn of a stack with EnableExec)`, "",
		},
		{
			"none of both", `{"method": "ssh", ` + job + `}`, "method: must be one of run-task, exec",
			`method: must be one of run-task, exec; command: required, the program and its arguments, as in ["./bill", "--day", "yesterday"]; task, service, family: give exactly one of the three, it says where the command runs`,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, _, err := payload.Decode([]byte(tc.payload))
			if got := text(err); got != tc.launcher {
				t.Errorf("the launcher says %q\nwant %q", got, tc.launcher)
			}
			_, _, err = payload.DecodeExec([]byte(tc.payload))
			if got := text(err); got != tc.executor {
				t.Errorf("the executor says %q\nwant %q", got, tc.executor)
			}
		})
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
