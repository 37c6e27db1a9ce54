package payload_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"errand/pkg/payload"
	"errand/pkg/run"
)

func TestDecodeExec(t *testing.T) {
	t.Parallel()
	p, _, err := payload.DecodeExec([]byte(`{"job": "cache-clear", "command": ["bin/cache", "clear"], "cluster": "jobs", "service": "web", "container": "app",
		"environment": {"SCOPE": "all"}, "scheduledTime": "2026-11-20T02:00:00Z", "logLines": 5, "timeout": "90s"}`))
	if err != nil {
		t.Fatal(err)
	}
	got := p.Run("", "request")
	want := run.Run{Job: "cache-clear", ID: "cache-clear-20261120T020000Z", Attempt: 1, Method: "exec", ScheduledTime: time.Date(2026, 11, 20, 2, 0, 0, 0, time.UTC)}
	if got != want || p.Limit() != 90*time.Second || p.Service != "web" || p.Command[1] != "clear" {
		t.Errorf("got %+v, %+v", p, got)
	}
	p, id, err := payload.DecodeExec([]byte(`{"detail-type": "Errand Job", "id": "e-1", "detail": {"job": "j", "command": ["a"], "task": "0123456789abcdef0123456789abcdef"}}`))
	if err != nil || id != "e-1" || p.Limit() != 14*time.Minute {
		t.Errorf("got %+v, %s, %v", p, id, err)
	}
}

func TestDecodeExecRefuses(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, payload, want string }{
		{"no job", `{"command": ["a"], "task": "t"}`, "job: required"},
		{"no command", `{"job": "j", "task": "t"}`, "command: required"},
		{"an empty command", `{"job": "j", "task": "t", "command": []}`, "command: required"},
		{"a service that is none", `{"job": "j", "command": ["a"], "service": "we b"}`, `service: "we b" is neither a name nor an ARN`},
		{"an empty program", `{"job": "j", "command": [""], "task": "t"}`, "command[0]: is empty"},
		{"NUL", `{"job": "j", "command": ["a", "\u0000"], "task": "t"}`, "command[1]: has a NUL character"},
		{"nowhere", `{"job": "j", "command": ["a"]}`, "exactly one of the three"},
		{"two places", `{"job": "j", "command": ["a"], "task": "t", "family": "f"}`, "exactly one of the three"},
		{"too short", `{"job": "j", "command": ["a"], "task": "t", "timeout": "999ms"}`, `timeout: "999ms" must be a duration from 1s to 14m`},
		{"too long", `{"job": "j", "command": ["a"], "task": "t", "timeout": "14m1s"}`, `timeout: "14m1s"`},
		{"no duration", `{"job": "j", "command": ["a"], "task": "t", "timeout": "ten"}`, `timeout: "ten"`},
		{"a field of the launcher", `{"job": "j", "command": ["a"], "task": "t", "taskDefinition": "x"}`, "taskDefinition: unknown field"},
		{"a typing mistake", `{"job": "j", "comand": ["a"], "task": "t"}`, "comand: unknown field, did you mean command?"},
		{"one of errand's variables", `{"job": "j", "command": ["a"], "task": "t", "environment": {"ERRAND_JOB": "x"}}`, "ERRAND_JOB is reserved"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, _, err := payload.DecodeExec([]byte(tc.payload))
			if _, ok := errors.AsType[payload.Invalid](err); !ok || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

func TestSampleExecPayloads(t *testing.T) {
	t.Parallel()
	for _, file := range glob(t, "../../events/executor/*.json") {
		if _, _, err := payload.DecodeExec(read(t, file)); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}
