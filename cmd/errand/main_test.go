package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/google/go-cmp/cmp"

	"errand/pkg/collect"
	"errand/pkg/localaws"
)

// built is the folder of the functions, built once as they are deployed.
var built string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		var err error
		if built, err = os.MkdirTemp("", "errand-functions-"); err != nil {
			panic(err)
		}
		defer func() { _ = os.RemoveAll(built) }()
		for _, name := range []string{"launcher", "collector", "executor", "watchdog"} {
			build := exec.Command("sh", "-c", goBuild()+` -o "$1" "$2"`, "sh", filepath.Join(built, name, "bootstrap"), "../../functions/"+name)
			if out, err := build.CombinedOutput(); err != nil {
				panic(fmt.Sprintf("build %s: %v\n%s", name, err, out))
			}
		}
		// The tests wait more than they compute: the collector takes its second look
		// at a log after two seconds.
		if err := flag.Set("test.parallel", "8"); err != nil {
			panic(err)
		}
		return m.Run()
	}())
}

// goBuild is the Makefile's command: what make run and make build have built
// need not be compiled again.
func goBuild() string {
	makefile, err := os.ReadFile("../../Makefile")
	if err != nil {
		panic(err)
	}
	_, rest, found := strings.Cut(string(makefile), "\nGO_BUILD = ")
	command, _, _ := strings.Cut(rest, "\n")
	if !found {
		panic("the Makefile has no GO_BUILD")
	}
	return command
}

// tryFile runs errand try.
func tryFile(t *testing.T, file string, flags ...string) (code int, out, errOut string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	args := append([]string{"try", "--functions", built, "--template", "../../template.yaml", file}, flags...)
	code = realMain(t.Context(), args, &stdout, &stderr)
	return code, stdout.String(), stderr.String()
}

func TestTry(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		file string
		code int
		want []string
	}{
		{"executor/cache-clear.json", exitWell, []string{`"method": "exec"`, `"status": "SUCCEEDED"`, "\n│ shard 3 of 3 is empty\n", "Subject: SUCCEEDED cache-clear: exit code 0 after "}},
		{"executor/failing.json", exitNotWell, []string{`"method": "exec"`, `"status": "FAILED"`, `"exitCode": 4`, "\n│ FATAL the oldest is 3 hours old\n"}},
		{"executor/errand-job-event.json", exitWell, []string{`"method": "exec"`, `"status": "SUCCEEDED"`, "\n│ configuration read by process "}},
		{"launcher/nightly-report.json", exitWell, []string{
			`"status": "SUCCEEDED"`, "Subject: SUCCEEDED nightly-report: exit code 0 after ",
			"\n│ run nightly-report-20261120T020000Z: all pages written\n----- end of the log -----",
		}},
		{"launcher/failing-job.json", exitNotWell, []string{
			`"status": "FAILED"`, `"exitCode": 3`, "Subject: FAILED billing-daily: exit code 3 after ", "\n│ FATAL rate table is empty\n", "outcome=failure",
		}},
		{"launcher/service-job.json", exitWell, []string{`"status": "SUCCEEDED"`, "\n│ warm\n"}},
		{"launcher/errand-job-event.json", exitWell, []string{`"status": "SUCCEEDED"`, "0d9c7a46-52f7-4a55-8f0e-6a3f1b7c9e10"}},
		{"launcher/misspelt.json", exitNotWell, []string{`"status": "REJECTED"`, "comand: unknown field, did you mean command?"}},
	} {
		t.Run(tc.file, func(t *testing.T) {
			t.Parallel()
			code, out, errOut := tryFile(t, "../../events/"+tc.file, "--clock=10")
			if code != tc.code || errOut != "" {
				t.Errorf("answered %d, want %d; stderr %q", code, tc.code, errOut)
			}
			for _, want := range tc.want {
				if !strings.Contains(out, want) {
					t.Errorf("%q is not in the output", want)
				}
			}
			if t.Failed() {
				t.Log(out)
			}
		})
	}
}

// What happens is shown in the order in which it does.
func TestOrder(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		file string
		want []string // the beginnings of the lines before the notification
	}{
		{"launcher/nightly-report.json", []string{
			"clock      time on AWS passes 10 times as fast as here", "payload    ../../events/launcher/nightly-report.json", "command    sh -c ", `launcher   {"job":"nightly-report",`,
			"task       PROVISIONING", "task       PENDING", "task       RUNNING",
			"           │ report for 2026-11-19", "           │ page 1 of 3", "           │ page 2 of 3", "           │ page 3 of 3",
			"           │ run nightly-report-20261120T020000Z: all pages written",
			"task       DEPROVISIONING", "task       STOPPED",
			"",
		}},
		{"executor/cache-clear.json", []string{
			// It has a time limit.
			"clock      time on AWS passes 10 times as fast as here", "payload    ../../events/executor/cache-clear.json", "command    sh -c ",
			"task       PROVISIONING", "task       PENDING", "task       RUNNING", `executor   {"job":"cache-clear",`, "",
		}},
	} {
		t.Run(tc.file, func(t *testing.T) {
			t.Parallel()
			_, out, _ := tryFile(t, "../../events/"+tc.file, "--clock=10")
			before, _, _ := strings.Cut(out, "\nThe notification ")
			// On a busy machine, ten seconds of AWS's time are over before the collector runs.
			before = strings.Replace(before, "collector  "+collect.Waiting+"\n", "", 1)
			got := strings.Split(taskID.ReplaceAllString(before, "task       "), "\n")
			if !slices.EqualFunc(got, tc.want, strings.HasPrefix) {
				t.Errorf("got\n%s\nwant lines that begin with\n%s", strings.Join(got, "\n"), strings.Join(tc.want, "\n"))
			}
		})
	}
}

var taskID = regexp.MustCompile(`(?m)^task       [0-9a-f]{8} `)

// The endpoint tells what tasks do from goroutines of its own.
func TestScreen(t *testing.T) {
	t.Parallel()
	const one, two = "0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"
	state := func(s *screen, id, status string) {
		s.watch(localaws.Occurrence{Kind: localaws.TaskState, Subject: "arn:aws:ecs:eu-west-1:123456789012:task/sample/" + id, Text: status})
	}
	says := func(s *screen, id, line string) {
		s.watch(localaws.Occurrence{Kind: localaws.LogLine, Subject: "ecs/app/" + id, Text: line})
	}
	var out bytes.Buffer
	s := newScreen(&out)
	s.holdTasks()
	state(s, one, "PROVISIONING")
	says(s, one, "early")
	state(s, one, "PENDING")
	s.line("launcher", "started it")
	s.releaseTasks()
	says(s, one, "early, too")
	state(s, one, "RUNNING")
	says(s, one, "in time")
	state(s, two, "PENDING")
	says(s, two, "before it failed")
	state(s, two, "DEPROVISIONING")
	state(s, one, "STOPPED")
	want := `launcher   started it
task       01234567 PROVISIONING
task       01234567 PENDING
task       01234567 RUNNING
           │ early
           │ early, too
           │ in time
task       fedcba98 PENDING
           │ before it failed
task       fedcba98 DEPROVISIONING
task       01234567 STOPPED
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("screen (-want +got):\n%s", diff)
	}
}

// Any payload can be tried here: what only a real account has is stood in for.
func TestStandIns(t *testing.T) {
	t.Parallel()
	payload := `{"job": "billing", "cluster": "arn:aws:ecs:us-east-1:123456789012:cluster/jobs",
		"taskDefinition": "arn:aws:ecs:us-east-1:123456789012:task-definition/billing:3", "container": "worker", "command": ["echo", "billed"],
		"overrides": {"containerOverrides": [{"name": "metrics", "environment": [{"name": "LEVEL", "value": "debug"}]}]}}`
	code, out, errOut := tryFile(t, payloadFile(t, payload))
	if code != exitWell {
		t.Errorf("answered %d: %s\n%s", code, errOut, out)
	}
	for _, want := range []string{"billing:3", `"name": "metrics"`, "│ billed", `"region": "us-east-1"`} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in the output:\n%s", want, out)
		}
	}
}

func payloadFile(t *testing.T, payload string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "payload.json")
	if err := os.WriteFile(file, []byte(payload), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestExitCodes(t *testing.T) {
	t.Parallel()
	const payload = "../../events/launcher/nightly-report.json"
	for _, tc := range []struct {
		args []string
		code int
		want string // of stderr, or of stdout if all is well
	}{
		{[]string{"--help"}, exitWell, "Usage: errand <command>"},
		{[]string{"try", "--help"}, exitWell, "Usage: errand try <file>"},
		{nil, exitWrongUse, `expected one of "try"`},
		{[]string{"walk"}, exitWrongUse, "unexpected argument walk"},
		{[]string{"try"}, exitWrongUse, `expected "<file>"`},
		{[]string{"try", payload, payload}, exitWrongUse, "unexpected argument"},
		{[]string{"try", "--faster", payload}, exitWrongUse, "unknown flag --faster"},
		{[]string{"local", payload}, exitWrongUse, "unexpected argument"},
		{[]string{"try", "nope.json"}, exitNotWell, "read the payload: open nope.json"},
		{[]string{"try", "--functions", "nowhere", payload}, exitNotWell, "build it with make"},
		{[]string{"try", "--functions", built, "--template", "nope.yaml", payload}, exitNotWell, "nope.yaml"},
		{[]string{"local", "--functions", built, "--template", "../../template.yaml", "--addr", "0.0.0.0:4599"}, exitNotWell, "only loopback"},
	} {
		var out, errOut bytes.Buffer
		code := realMain(t.Context(), tc.args, &out, &errOut)
		told := errOut.String()
		if tc.code == exitWell && told == "" {
			told = out.String()
		}
		if code != tc.code || !strings.Contains(told, tc.want) {
			t.Errorf("%q: answered %d and %q, want %d and %q", tc.args, code, told, tc.code, tc.want)
		}
	}
}

// errand local serves until it is told to end, and then all is well.
func TestLocal(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	out := &listener{text: "What happens:", heard: cancel}
	var errOut bytes.Buffer
	args := []string{"local", "--functions", built, "--template", "../../template.yaml", "--addr", "127.0.0.1:0"}
	if code := realMain(ctx, args, out, &errOut); code != exitWell || errOut.Len() > 0 || ctx.Err() == nil {
		t.Errorf("answered %d: %s", code, errOut.String())
	}
}

// A stop event that EventBridge delivers twice is reported once.
func TestDisturbedEvents(t *testing.T) {
	t.Parallel()
	w := newWorld(t, brisk)
	dropped := w.hears(`message="not reported"`)
	w.Server.DisturbEvents(true, 0)
	w.launch(t, `{"job": "twice", "runId": "r-1", "command": ["echo", "one line"]}`)
	results := w.results(t, 1)
	waitFor(t, dropped)
	log, _ := results[0]["log"].(map[string]any)
	if fmt.Sprint(log["lines"]) != "[one line]" {
		t.Errorf("log %v", log)
	}
	w.toldOnly(t, told{"twice", "r-1", 1, "SUCCEEDED", "container app exited with code 0"})
}

// Only failures reach a subscriber with a filter policy, over HTTP.
func TestFilterPolicy(t *testing.T) {
	t.Parallel()
	w := newWorld(t, brisk)
	bodies := make(chan string, 10)
	subscriber := &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var body bytes.Buffer
		_, _ = body.ReadFrom(r.Body)
		bodies <- body.String()
	}), ReadHeaderTimeout: time.Second}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = subscriber.Serve(listener) }()
	t.Cleanup(func() { _ = subscriber.Close() })
	if _, err := sns.NewFromConfig(w.Config).Subscribe(t.Context(), &sns.SubscribeInput{
		TopicArn: &w.Topics.JSON, Protocol: aws.String("http"), Endpoint: aws.String("http://" + listener.Addr().String()),
		Attributes: map[string]string{"FilterPolicy": `{"outcome":["failure"]}`, "RawMessageDelivery": "true"},
	}); err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"true", "false"} {
		w.launch(t, `{"job": "`+command+`", "command": ["sh", "-c", "echo working; `+command+`"]}`)
	}
	select {
	case body := <-bodies:
		if !strings.Contains(body, `"job":"false"`) || !strings.Contains(body, `"exitCode":1`) {
			t.Errorf("got %s", body)
		}
	case <-time.After(time.Minute):
		t.Fatal("nothing arrived")
	}
	w.results(t, 2)
	select {
	case body := <-bodies:
		t.Errorf("a second message arrived: %s", body)
	default:
	}
}

// An event starts a job, as in the guide of make local.
func TestEventStartsAJob(t *testing.T) {
	t.Parallel()
	w := newWorld(t, brisk)
	entries, err := os.ReadFile("../../events/put-events.json")
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.Server.URL(), strings.NewReader(`{"Entries": `+string(entries)+`}`))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-Amz-Target", "AWSEvents.PutEvents")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if r := w.results(t, 1)[0]; r["status"] != "SUCCEEDED" || r["job"] != "rebuild-index" {
		t.Errorf("got %v", r)
	}
}
