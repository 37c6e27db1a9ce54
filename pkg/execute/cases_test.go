package execute_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/google/go-cmp/cmp"

	"errand/pkg/localaws"
	"errand/pkg/result"
	"errand/pkg/run"
)

// shells are those of this machine that an image may have at /bin/sh.
func shells(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, words := range []string{"dash", "bash", "busybox sh", "mksh"} {
		name, rest, _ := strings.Cut(words, " ")
		path, err := exec.LookPath(name)
		if err != nil {
			t.Logf("no %s on this machine", name)
			continue
		}
		found[name] = strings.TrimSpace(path + " " + rest)
	}
	return found
}

// wanted is what is right for a case of testdata/exec, whose source and setup stand
// in its file.
type wanted struct {
	change    func(*testing.T, *setup)
	disturb   localaws.Disturbance
	prepare   func(*testing.T, *stack) (where string)
	without   string // the shell that the case is not about
	status    run.Status
	code      int // -1: none
	lines     []string
	has, not  string // of the reason
	note      string
	terminate bool
}

const noCode = -1

func variable(name, value string) func(*testing.T, *setup) {
	return func(_ *testing.T, in *setup) {
		in.environment = append(in.environment, types.KeyValuePair{Name: &name, Value: &value})
	}
}

const powerShell = "exec : The term 'exec' is not recognized as the name of a cmdlet, function, script file, or operable program."

var cases = map[string]wanted{
	"A1": {status: run.Failed, code: 1},
	"B": {
		change: func(t *testing.T, in *setup) {
			variable("spring.profiles.active", "prod")(t, in)
			variable("MY-VAR", "x")(t, in)
		},
		status: run.Succeeded, lines: []string{"prod"},
	},
	"C1": {status: run.Failed, code: 143, lines: []string{"working"}},
	"C3": {status: run.Failed, code: 143, lines: []string{"a"}},
	"D1": {status: run.TimedOut, code: noCode, has: "interrupted after 2s, its timeout", not: "was stopped"},
	"D2": {status: run.TimedOut, code: noCode, has: "interrupted after 2s, its timeout", not: "was stopped"},
	"E":  {status: run.Succeeded, lines: []string{"started"}},
	"F": {
		prepare: func(t *testing.T, s *stack) string {
			where := s.run(t, true)
			s.run(t, true)
			s.Inject(localaws.Fault{Operation: "ExecuteCommand", Code: "TargetNotConnectedException", Message: "internal error"})
			return where
		},
		status: run.Succeeded, lines: []string{"x"},
	},
	"G": {
		change: func(t *testing.T, in *setup) {
			path := filepath.Join(t.TempDir(), "sh")
			if err := os.WriteFile(path, []byte("#!/bin/sh\necho \""+powerShell+"\"\nexit 1\n"), 0o700); err != nil {
				t.Fatal(err)
			}
			in.shell = path
		},
		status: run.StartFailed, code: noCode, has: "did not answer as a shell does, but with \"" + powerShell[:40],
	},
	"J": {status: run.Succeeded, lines: []string{`{"ok":true}`}},
	"K": {
		change: func(t *testing.T, in *setup) {
			dir := t.TempDir()
			for _, name := range []string{"seq", "sleep", "stty", "printf"} {
				path, err := exec.LookPath(name)
				if err == nil {
					err = os.Symlink(path, filepath.Join(dir, name))
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			variable("PATH", dir)(t, in)
		},
		without: "busybox", // which has a cat of its own
		status:  run.StartFailed, code: noCode, has: "the image has no cat",
	},
	"N": {change: variable("SHELLOPTS", "errexit"), status: run.Failed, code: 1},
	"O": {
		change: func(_ *testing.T, in *setup) {
			in.exec = &types.ExecuteCommandConfiguration{Logging: types.ExecuteCommandLoggingOverride, LogConfiguration: &types.ExecuteCommandLogConfiguration{CloudWatchLogGroupName: aws.String("/ecs/exec")}}
		},
		disturb: localaws.Disturbance{LastWords: "unable to generate log data: exec: \"script\": not found"},
		status:  run.Succeeded, lines: []string{"hello"},
		note: "the session is not logged: the agent said: unable to generate log data: exec: \"script\": not found. To log sessions it needs script and cat in the image",
	},
	"P": {status: run.Failed, code: 4, lines: []string{"done"}, terminate: true},
}

// Every case that people have reported, with each shell at /bin/sh.
func TestCases(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/exec/*.json")
	if err != nil || len(files) != len(cases) {
		t.Fatalf("%d cases, %d files, %v", len(cases), len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var c struct {
			ID      string          `json:"id"`
			Payload json.RawMessage `json:"payload"`
		}
		if err := json.Unmarshal(text, &c); err != nil {
			t.Fatal(err)
		}
		for name, shell := range shells(t) {
			if w := cases[c.ID]; w.without != name {
				// The cases share this machine's processes, which containers do not.
				payload := strings.NewReplacer(`"service": "web"`, `"family": "web"`, "queue-worker", "queue-worker-"+name).Replace(string(c.Payload))
				t.Run(c.ID+" in "+name, func(t *testing.T) {
					t.Parallel()
					w.try(t, shell, payload)
				})
			}
		}
	}
}

func (w wanted) try(t *testing.T, shell, payload string) {
	t.Helper()
	s := start(t, func(in *setup) {
		in.shell, in.config.Drain, in.config.Grace = shell, time.Second, time.Second
		if w.change != nil {
			w.change(t, in)
		}
		w.disturb.Shell = in.shell
	})
	s.DisturbSessions(w.disturb)
	where := s.task
	if w.prepare != nil {
		where = w.prepare(t, s)
	}
	r := s.exec(t, payload)
	if r.Status != w.status || !strings.Contains(r.Reason, w.has) || w.not != "" && strings.Contains(r.Reason, w.not) {
		t.Errorf("%s: %s", r.Status, r.Reason)
	}
	if r.TaskARN != where {
		t.Errorf("in %s, want %s", r.TaskARN, where)
	}
	if w.status == run.TimedOut {
		return // whether a code is known depends on the shell
	}
	if w.code == noCode && r.ExitCode != nil || w.code != noCode && (r.ExitCode == nil || *r.ExitCode != w.code) {
		t.Errorf("exit code %v, want %d", r.ExitCode, w.code)
	}
	log := cmpOr(r.Log)
	if diff := cmp.Diff(w.lines, log.Lines); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
	if w.note != "" && log.Note != w.note {
		t.Errorf("note %q, want %q", log.Note, w.note)
	}
	if n := s.Calls("TerminateSession"); (n > 0) != w.terminate {
		t.Errorf("TerminateSession was called %d times", n)
	}
}

func cmpOr(log *result.Log) result.Log {
	if log == nil {
		return result.Log{}
	}
	return *log
}

// A process that has the words is found, and nothing else.
func TestFindsTheOneProcess(t *testing.T) {
	t.Parallel()
	s := start(t)
	other := exec.Command("sh", "-c", "sleep 60; : a-worker-that-is-there")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	r := s.exec(t, payload(t, map[string]any{"command": []string{"pkill", "-TERM", "-f", "a-worker-that-is-there"}}))
	if r.Status != run.Succeeded || *r.ExitCode != 0 {
		t.Errorf("%s: %s", r.Status, r.Reason)
	}
	if err := other.Wait(); err == nil || err.Error() != "signal: terminated" {
		t.Errorf("it ended with %v", err)
	}
}

// The agent has started the command by the time that it finds the disk full.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.DisturbSessions(localaws.Disturbance{FullDisk: true})
	r := s.exec(t, payload(t, map[string]any{"command": []string{"true"}}))
	if r.Status != run.Lost || !strings.Contains(r.Reason, "The disk of the task is full") {
		t.Errorf("%s: %s", r.Status, r.Reason)
	}
}
