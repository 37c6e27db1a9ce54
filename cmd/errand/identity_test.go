package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"errand/pkg/localstack"
	"errand/pkg/payload"
	"errand/pkg/run"
)

// A run is its job and its id.
func TestTwoJobsWithOneRunID(t *testing.T) {
	t.Parallel()
	w := newWorld(t, brisk)
	one := w.launch(t, `{"job": "bill", "command": ["echo", "bill"], "runId": "upload-7"}`)
	two := w.launch(t, `{"job": "scan", "command": ["echo", "scan"], "runId": "upload-7"}`)
	want := []run.Answer{
		{Job: "bill", RunID: "upload-7", Attempt: 1, Status: "STARTED", TaskARN: one.TaskARN},
		{Job: "scan", RunID: "upload-7", Attempt: 1, Status: "STARTED", TaskARN: two.TaskARN},
	}
	if diff := cmp.Diff(want, []run.Answer{one, two}); diff != "" || one.TaskARN == two.TaskARN {
		t.Errorf("tasks %s and %s (-want +got):\n%s", one.TaskARN, two.TaskARN, diff)
	}
	ended := map[string]told{}
	for _, end := range w.told(t, 2) {
		ended[end.Job] = end
	}
	if diff := cmp.Diff(map[string]told{
		"bill": {"bill", "upload-7", 1, "SUCCEEDED", "container app exited with code 0"},
		"scan": {"scan", "upload-7", 1, "SUCCEEDED", "container app exited with code 0"},
	}, ended); diff != "" {
		t.Errorf("results (-want +got):\n%s", diff)
	}
}

// Two payloads of one job that are due at one minute: the first runs, of the
// second people are told.
func TestTwoPayloadsUnderOneIdentity(t *testing.T) {
	t.Parallel()
	w := newWorld(t, brisk)
	eu := w.launch(t, `{"job": "import", "command": ["sleep", "600"], "environment": {"REGION": "eu", "PIN": "4711"}, "scheduledTime": "2026-11-20T02:00:00Z"}`)
	us := w.launch(t, `{"job": "import", "command": ["sleep", "601"], "environment": {"REGION": "us", "PIN": "0815"}, "scheduledTime": "2026-11-20T02:00:00Z", "group": "us"}`)
	reason := "runId: run import-20261120T020000Z of job import was delivered before, as task " + run.LastPart(eu.TaskARN) +
		", with a payload that differs in command, environment, group; this one was not run: give each its own runId, scheduledTime or job"
	if diff := cmp.Diff([]run.Answer{
		{Job: "import", RunID: "import-20261120T020000Z", Attempt: 1, Status: "STARTED", TaskARN: eu.TaskARN},
		{Job: "import", RunID: "import-20261120T020000Z", Attempt: 1, Status: "REJECTED", Reason: reason},
	}, []run.Answer{eu, us}); diff != "" || eu.TaskARN == "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
	w.toldOnly(t, told{"import", "import-20261120T020000Z", 1, "REJECTED", reason})
}

// The digest is of the payload, not of the revision that it means today.
func TestRedeliveryAfterADeployment(t *testing.T) {
	t.Parallel()
	w := newWorld(t, brisk)
	payload := `{"job": "report", "command": ["sleep", "600"], "scheduledTime": "2026-11-20T02:00:00Z"}`
	first := w.launch(t, payload)
	if _, err := w.Deploy(t.Context(), localstack.Definition); err != nil {
		t.Fatal(err)
	}
	// As the Scheduler delivers again: the same input, in whatever form.
	again := w.launch(t, `{"scheduledTime": "2026-11-20T02:00:00Z", "job": "report", "command": ["sleep","600"]}`)
	want := first
	want.Again = true
	if diff := cmp.Diff(want, again); diff != "" || first.TaskARN == "" {
		t.Errorf("the second delivery is answered otherwise (-want +got):\n%s", diff)
	}
	w.tasks(t, 1)
}

// A command in a live task that is delivered several times, at once and
// afterwards, runs once.
func TestCommandDeliveredTwice(t *testing.T) {
	t.Parallel()
	w := newWorld(t, brisk)
	if err := w.Live(t.Context(), payload.Exec{}); err != nil {
		t.Fatal(err)
	}
	mark, ends := filepath.Join(t.TempDir(), "mark"), filepath.Join(t.TempDir(), "ends")
	command := `{"job": "cache-clear", "method": "exec", "runId": "r-1", "service": "web",
		"command": ["sh", "-c", "echo ran >> ` + mark + `; until [ -e ` + ends + ` ]; do sleep 0.05; done"]}`
	type reply struct {
		raw []byte
		err error
	}
	const atOnce = 3
	replies := make(chan reply, atOnce)
	for range atOnce {
		go func() {
			raw, err := w.Invoke(t.Context(), "executor", []byte(command))
			replies <- reply{raw, err}
		}()
	}
	var got []run.Answer
	for i := range atOnce {
		if i == atOnce-1 {
			// The others were answered while the command runs.
			if err := os.WriteFile(ends, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		r := <-replies
		if r.err != nil {
			t.Fatal(r.err)
		}
		got = append(got, answerOf(t, r.raw))
	}
	again, err := w.Invoke(t.Context(), "executor", []byte(command))
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, answerOf(t, again))
	begun := run.Answer{
		Job: "cache-clear", RunID: "r-1", Attempt: 1, Status: "STARTED", Again: true,
		Reason: "the command of this run was begun by another delivery; it is not run again",
	}
	ran := run.Answer{
		Job: "cache-clear", RunID: "r-1", Attempt: 1, Status: "SUCCEEDED", TaskARN: w.tasks(t, 1)[0],
		Reason: "the command exited with code 0",
	}
	known := ran
	known.Again, known.TaskARN = true, "" // the ledger keeps no task of a command
	if diff := cmp.Diff([]run.Answer{begun, begun, ran, known}, got); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
	if text, err := os.ReadFile(mark); err != nil || string(text) != "ran\n" {
		t.Errorf("the command wrote %q, %v", text, err)
	}
	w.toldOnly(t, told{"cache-clear", "r-1", 1, "SUCCEEDED", "the command exited with code 0"})
}
