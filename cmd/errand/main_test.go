package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"

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
		for _, name := range []string{"launcher", "collector", "executor"} {
			build := exec.Command("go", "build", "-buildvcs=false", "-tags", "lambda.norpc", "-o", filepath.Join(built, name, "bootstrap"), "../../functions/"+name)
			build.Env = append(os.Environ(), "CGO_ENABLED=0")
			if out, err := build.CombinedOutput(); err != nil {
				panic(fmt.Sprintf("build %s: %v\n%s", name, err, out))
			}
		}
		return m.Run()
	}())
}

func TestRun(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		file string
		err  error
		want []string
	}{
		{"../executor/cache-clear.json", nil, []string{`"method": "exec"`, `"status": "SUCCEEDED"`, "\nshard 3 of 3 is empty\n", "Subject: SUCCEEDED cache-clear: exit code 0 after "}},
		{"nightly-report.json", nil, []string{
			"│ report for 2026-11-19", "RUNNING", "STOPPED", `"status": "SUCCEEDED"`, "Subject: SUCCEEDED nightly-report: exit code 0 after ",
			"run nightly-report-20261120T020000Z: all pages written\n----- end of the log -----",
		}},
		{"failing-job.json", errNotSucceeded, []string{
			`"status": "FAILED"`, `"exitCode": 3`, "Subject: FAILED billing-daily: exit code 3 after ", "\nFATAL rate table is empty\n", "outcome=failure",
		}},
		{"service-job.json", nil, []string{`"status": "SUCCEEDED"`, "\nwarm\n"}},
		{"errand-job-event.json", nil, []string{`"status": "SUCCEEDED"`, "0d9c7a46-52f7-4a55-8f0e-6a3f1b7c9e10"}},
		{"misspelt.json", errNotSucceeded, []string{`"status": "REJECTED"`, "comand: unknown field, did you mean command?"}},
	} {
		t.Run(tc.file, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			err := realMain(t.Context(), []string{"run", "-functions", built, "-template", "../../template.yaml", "../../events/launcher/" + tc.file}, &out)
			if !errors.Is(err, tc.err) || tc.err == nil && err != nil {
				t.Errorf("got %v, want %v", err, tc.err)
			}
			for _, want := range tc.want {
				if !strings.Contains(out.String(), want) {
					t.Errorf("%q is not in the output", want)
				}
			}
			if t.Failed() {
				t.Log(out.String())
			}
		})
	}
}

// Any payload can be tried here: what only a real account has is stood in for.
func TestStandIns(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "payload.json")
	payload := `{"job": "billing", "cluster": "arn:aws:ecs:us-east-1:123456789012:cluster/jobs",
		"taskDefinition": "arn:aws:ecs:us-east-1:123456789012:task-definition/billing:3", "container": "worker", "command": ["echo", "billed"],
		"overrides": {"containerOverrides": [{"name": "metrics", "environment": [{"name": "LEVEL", "value": "debug"}]}]}}`
	if err := os.WriteFile(file, []byte(payload), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := realMain(t.Context(), []string{"run", "-functions", built, "-template", "../../template.yaml", file}, &out); err != nil {
		t.Errorf("%v\n%s", err, out.String())
	}
	for _, want := range []string{"billing:3", `"name": "metrics"`, "│ billed", `"region": "us-east-1"`} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in the output:\n%s", want, out.String())
		}
	}
}

func TestBadArguments(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		args []string
		want string
	}{
		{nil, "usage:"},
		{[]string{"walk"}, "usage:"},
		{[]string{"run"}, "usage:"},
		{[]string{"run", "nope.json"}, "read the payload: open nope.json"},
		{[]string{"run", "-functions", "nowhere", "../../events/launcher/nightly-report.json"}, "build it with make"},
		{[]string{"run", "-functions", built, "-template", "nope.yaml", "../../events/launcher/nightly-report.json"}, "nope.yaml"},
		{[]string{"local", "-functions", built, "-template", "../../template.yaml", "-addr", "0.0.0.0:4599"}, "only loopback"},
	} {
		var out bytes.Buffer
		if err := realMain(t.Context(), tc.args, &out); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%q: got %v, want %q", tc.args, err, tc.want)
		}
	}
}

// deployed is a local stack with the built functions.
func deployed(t *testing.T) *world {
	t.Helper()
	w := &world{functions: built, template: "../../template.yaml", screen: newScreen(t.Output()), pace: time.Millisecond}
	w.screen.functions = true
	if err := w.start(t.Context(), "", "eu-west-1", "123456789012"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.server.Close() })
	return w
}

// results waits for n results and returns them in their JSON form.
func (w *world) results(t *testing.T, n int) []map[string]any {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	messages, err := w.server.AwaitMessages(ctx, 2*n)
	if err != nil {
		t.Fatal(err)
	}
	var results []map[string]any
	for _, m := range messages {
		if m.TopicARN == w.topics.json {
			var r map[string]any
			if err := json.Unmarshal([]byte(m.Body), &r); err != nil {
				t.Fatal(err)
			}
			results = append(results, r)
		}
	}
	return results
}

// An asynchronous invocation that failed every attempt is reported.
func TestLaunchGivenUp(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		change func(*localaws.Function)
		reason string
	}{
		{"no room at any attempt", func(*localaws.Function) {}, "ECS could not place the task: RESOURCE:MEMORY (given up after 3 attempts)"},
		{"a launcher that cannot start", func(f *localaws.Function) { f.Env = map[string]string{} }, "RequestId: "},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := deployed(t)
			f := localaws.Function{
				Name: "launcher", Bootstrap: w.bootstrap("launcher"), OnFailure: "collector", Timeout: time.Second,
				Env: map[string]string{
					"STARTED_BY_PREFIX": "errand/local/", "TOPIC_ARN": w.topics.json, "CLUSTER": cluster, "TASK_DEFINITION": definition, "SUBNETS": subnet,
				},
			}
			tc.change(&f)
			w.server.AddFunction(f)
			w.server.FailPlacement("RESOURCE:MEMORY", 1000)
			if err := w.server.InvokeAsync("launcher", []byte(`{"job": "billing", "runId": "r-1"}`)); err != nil {
				t.Fatal(err)
			}
			r := w.results(t, 1)[0]
			if r["status"] != "LAUNCH_FAILED" || r["runId"] != "r-1" || !strings.HasPrefix(fmt.Sprint(r["reason"]), tc.reason) {
				t.Errorf("got %v", r)
			}
		})
	}
}

// A stop event that EventBridge delivers twice, after the others and before
// them, changes nothing but the number of messages.
func TestDisturbedEvents(t *testing.T) {
	t.Parallel()
	w := deployed(t)
	w.server.DisturbEvents(true, 0)
	if _, err := w.invoke(t.Context(), "launcher", []byte(`{"job": "twice", "runId": "r-1", "command": ["echo", "one line"]}`)); err != nil {
		t.Fatal(err)
	}
	for _, r := range w.results(t, 2) {
		log, _ := r["log"].(map[string]any)
		if r["status"] != "SUCCEEDED" || r["runId"] != "r-1" || fmt.Sprint(log["lines"]) != "[one line]" {
			t.Errorf("got %v", r)
		}
	}
}

// Only failures reach a subscriber with a filter policy, over HTTP.
func TestFilterPolicy(t *testing.T) {
	t.Parallel()
	w := deployed(t)
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
	if _, err := sns.NewFromConfig(w.cfg).Subscribe(t.Context(), &sns.SubscribeInput{
		TopicArn: &w.topics.json, Protocol: aws.String("http"), Endpoint: aws.String("http://" + listener.Addr().String()),
		Attributes: map[string]string{"FilterPolicy": `{"outcome":["failure"]}`, "RawMessageDelivery": "true"},
	}); err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"true", "false"} {
		if _, err := w.invoke(t.Context(), "launcher", []byte(`{"job": "`+command+`", "command": ["sh", "-c", "echo working; `+command+`"]}`)); err != nil {
			t.Fatal(err)
		}
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
	w := deployed(t)
	entries, err := os.ReadFile("../../events/put-events.json")
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.server.URL(), strings.NewReader(`{"Entries": `+string(entries)+`}`))
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
