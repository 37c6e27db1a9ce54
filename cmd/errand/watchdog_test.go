package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"errand/pkg/run"
)

// A run for which ECS has no room waits in the ledger, and the watchdog has it
// launched.
func TestWaitsForRoom(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick)
	w.Server.FailPlacement("RESOURCE:MEMORY", 2)
	got := w.launch(t, `{"job": "billing", "runId": "r-1", "command": ["echo", "billed"]}`)
	want := run.Answer{
		Job: "billing", RunID: "r-1", Attempt: 1, Status: "WAITING",
		Reason: "ECS could not place the task: RESOURCE:MEMORY", NextTryAt: got.NextTryAt,
	}
	if diff := cmp.Diff(want, got); diff != "" || got.NextTryAt.IsZero() {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
	w.toldOnly(t, told{"billing", "r-1", 1, "SUCCEEDED", "container app exited with code 0"})
	w.tasks(t, 1)
}

// A run for which ECS has no room may be too late at last.
func TestWaitsTooLong(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick)
	w.Server.FailPlacement("RESOURCE:MEMORY", 1000)
	w.launch(t, `{"job": "billing", "runId": "r-1", "startWithin": "1m"}`)
	end := w.told(t, 1)[0]
	end.Reason = regexp.MustCompile(`it is \S+ after`).ReplaceAllString(end.Reason, "it is X after")
	if diff := cmp.Diff(told{
		"billing", "r-1", 1, "MISSED",
		"the run could not begin within 1m, its startWithin: it is X after its first delivery; ECS's last answer: ECS could not place the task: RESOURCE:MEMORY",
	}, end); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
	w.tasks(t, 0)
}

// A launcher that cannot start fails every attempt of Lambda. Its failure
// destination tells of the run.
func TestLauncherThatCannotStart(t *testing.T) {
	t.Parallel()
	w := newWorld(t, brisk)
	w.launcher(map[string]string{"CLUSTER": ""})
	if err := w.Server.InvokeAsync("launcher", []byte(`{"job": "billing", "runId": "r-1"}`)); err != nil {
		t.Fatal(err)
	}
	end := w.told(t, 1)[0]
	end.Reason = regexp.MustCompile(`[0-9a-f-]{36}`).ReplaceAllString(end.Reason, "ID")
	if diff := cmp.Diff(told{
		"billing", "r-1", 1, "LAUNCH_FAILED", "RequestId: ID Error: Runtime exited with error: exit status 1 (given up after 3 attempts)",
	}, end); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
}

// ECS runs the task, and its answer is lost, every time: ECS is asked what it runs,
// and the run ends as its task does.
func TestUnansweredRunTaskIsFound(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick)
	aws1, err := url.Parse(w.Server.URL())
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(aws1)
	proxy.ModifyResponse = func(r *http.Response) error {
		if strings.HasSuffix(r.Request.Header.Get("X-Amz-Target"), ".RunTask") {
			_, _ = io.Copy(io.Discard, r.Body)
			r.Body = io.NopCloser(bytes.NewReader(nil))
			panic(http.ErrAbortHandler)
		}
		return nil
	}
	lossy := httptest.NewServer(proxy)
	t.Cleanup(lossy.Close)
	w.launcher(map[string]string{"AWS_ENDPOINT_URL_ECS": lossy.URL})
	found := w.hears(`ECS has a task of the run`)
	ends := filepath.Join(t.TempDir(), "ends")
	if err := w.Server.InvokeAsync("launcher", []byte(`{"job": "bill", "runId": "r-1", "command": ["sh", "-c", "until [ -e `+ends+` ]; do sleep 0.05; done; exit 3"]}`)); err != nil {
		t.Fatal(err)
	}
	waitFor(t, found)
	if list := w.Server.Published(); len(list) > 0 {
		t.Errorf("published while the task runs: %v", list)
	}
	if err := os.WriteFile(ends, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	w.toldOnly(t, told{"bill", "r-1", 1, "FAILED", "container app exited with code 3"})
	w.tasks(t, 1)
}

// A task that runs longer than its payload allows is stopped, and one whose end
// nobody is told of is found.
func TestTryWithTheWatchdog(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		file, flag string
		code       int
		want       []string
	}{
		{"launcher/times-out.json", "--clock=60", exitNotWell, []string{
			"clock      time on AWS passes 60 times as fast as here\n", "│ reading the index\n", `"status": "TIMED_OUT"`, "Subject: TIMED_OUT reindex: ",
		}},
		{"launcher/nightly-report.json", "--lose-stop-event", exitWell, []string{
			"clock      time on AWS passes 30 times as fast as here\n",
			"event      the one of the task's end will be lost; the watchdog has to find out\n",
			`"status": "SUCCEEDED"`, "Subject: SUCCEEDED nightly-report: exit code 0 after ",
		}},
	} {
		t.Run(tc.file, func(t *testing.T) {
			t.Parallel()
			code, out, errOut := tryFile(t, "../../events/"+tc.file, tc.flag)
			missing := slices.DeleteFunc(slices.Clone(tc.want), func(want string) bool { return strings.Contains(out, want) })
			if code != tc.code || errOut != "" || len(missing) > 0 {
				t.Errorf("answered %d, want %d; stderr %q; not in the output: %q\n%s", code, tc.code, errOut, missing, out)
			}
		})
	}
}
