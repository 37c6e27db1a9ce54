package payload_test

import (
	"errors"
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
		{"no job", `{"command": ["a"], "task": "t"}`, "job: required, the job's name"},
		{"no command", `{"job": "j", "task": "t"}`, `command: required, the program and its arguments, as in ["./bill", "--day", "yesterday"]`},
		{"an empty command", `{"job": "j", "task": "t", "command": []}`, `command: required, the program and its arguments, as in ["./bill", "--day", "yesterday"]`},
		{"a service that is none", `{"job": "j", "command": ["a"], "service": "we b"}`, `service: "we b" is neither a name nor an ARN`},
		{"an empty program", `{"job": "j", "command": [""], "task": "t"}`, "command[0]: is empty; it is the program to run"},
		{"NUL", `{"job": "j", "command": ["a", "\u0000"], "task": "t"}`, "command[1]: has a NUL character, which no program can be given"},
		{"nowhere", `{"job": "j", "command": ["a"]}`, "task, service, family: give exactly one of the three, it says where the command runs"},
		{"two places", `{"job": "j", "command": ["a"], "task": "t", "family": "f"}`, "task, service, family: give exactly one of the three, it says where the command runs"},
		{"too short", `{"job": "j", "command": ["a"], "task": "t", "timeout": "999ms"}`, `timeout: must be a duration from 1s to 14m, as in "10m"`},
		{"too long", `{"job": "j", "command": ["a"], "task": "t", "timeout": "14m1s"}`, `timeout: must be a duration from 1s to 14m, as in "10m"`},
		{"no duration", `{"job": "j", "command": ["a"], "task": "t", "timeout": "ten"}`, `timeout: must be a duration from 1s to 14m, as in "10m"`},
		{"a field of the launcher", `{"job": "j", "command": ["a"], "task": "t", "taskDefinition": "x"}`, "taskDefinition: unknown field; it is the launcher's, of a task of its own (method run-task); give family for one of the running tasks of a task definition"},
		{"a typing mistake", `{"job": "j", "comand": ["a"], "task": "t"}`, "comand: unknown field, did you mean command?"},
		{"a task that is no text", `{"job": "j", "command": ["a"], "task": 5}`, `task: must be a string, as in "0123456789abcdef0123456789abcdef"`},
		{"a misspelt service", `{"job": "j", "command": ["a"], "servcie": "web"}`, "servcie: unknown field, did you mean service?"},
		{"a misspelt command", `{"job": "j", "comand": ["a"], "task": "t"}`, "comand: unknown field, did you mean command?"},
		{"the launcher's fields", `{"job": "j", "command": ["a"], "family": "f", "overrides": {}, "cpu": 1, "LaunchType": "EC2", "taskDef": "x"}`, "overrides: unknown field; it is the launcher's, of a task of its own (method run-task); cpu: unknown field; it is the launcher's, of a task of its own (method run-task); LaunchType: unknown field; it is the launcher's, of a task of its own (method run-task); taskDef: unknown field; it is the launcher's, of a task of its own (method run-task); give family for one of the running tasks of a task definition"},
		{"a name that no shell can export", `{"job": "j", "command": ["a"], "task": "t", "environment": {"hunter 2": "x"}}`, "environment: has a name that a shell cannot export: it takes letters, digits and _, not beginning with a digit"},
		{"a secret as a name", `{"job": "j", "command": ["a"], "task": "t", "environment": {"DB_PASSWORD=hunter2": 1}, "DB_PASSWORD=hunter2": 1}`, `environment.…: must be a string, also for a number, as in "8080"; …: unknown field, whose name is not shown, since there may be a value in it; environment: has a variable with = or NUL in its name; give name and value apart, as in {"NAME": "value"}`},
		{"one of errand's variables", `{"job": "j", "command": ["a"], "task": "t", "environment": {"ERRAND_JOB": "x"}}`, "environment: ERRAND_JOB is reserved; variables beginning with ERRAND_ are errand's own"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, _, err := payload.DecodeExec([]byte(tc.payload))
			if _, ok := errors.AsType[payload.Invalid](err); !ok || err.Error() != tc.want {
				t.Errorf("got  %v\nwant %s", err, tc.want)
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
