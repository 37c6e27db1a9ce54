package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/google/go-cmp/cmp"

	"errand/pkg/localaws"
	"errand/pkg/localstack"
	"errand/pkg/run"
)

// newWorld is the local stack with the built functions.
func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{functions: built, template: "../../template.yaml", screen: newScreen(io.Discard), pace: time.Millisecond}
	if err := w.start(t.Context(), "", localstack.Region, localstack.Account); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Server.Close() })
	return w
}

// launch hands a payload to the built launcher.
func (w *world) launch(t *testing.T, payload string) run.Answer {
	t.Helper()
	raw, err := w.Invoke(t.Context(), "launcher", []byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	var answer run.Answer
	if err := json.Unmarshal(raw, &answer); err != nil {
		t.Fatal(err)
	}
	return answer
}

// told are the results of a job at the topic for programs, when there are n.
func (w *world) told(t *testing.T, n int) []told {
	t.Helper()
	messages, err := w.Server.AwaitMessages(t.Context(), 2*n)
	if err != nil {
		t.Fatal(err)
	}
	var list []told
	for _, m := range messages {
		var one told
		if m.TopicARN != w.Topics.JSON {
			continue
		}
		if err := json.Unmarshal([]byte(m.Body), &one); err != nil {
			t.Fatal(err)
		}
		list = append(list, one)
	}
	return list
}

type told struct{ Job, RunID, Status, Reason string }

// A run is its job and its id.
func TestTwoJobsWithOneRunID(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
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
		"bill": {"bill", "upload-7", "SUCCEEDED", "container app exited with code 0"},
		"scan": {"scan", "upload-7", "SUCCEEDED", "container app exited with code 0"},
	}, ended); diff != "" {
		t.Errorf("results (-want +got):\n%s", diff)
	}
}

// Two payloads of one job that are due at one minute: the first runs, of the
// second people are told.
func TestTwoPayloadsUnderOneIdentity(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	eu := w.launch(t, `{"job": "import", "command": ["sleep", "600"], "environment": {"REGION": "eu", "PIN": "4711"}, "scheduledTime": "2026-11-20T02:00:00Z"}`)
	us := w.launch(t, `{"job": "import", "command": ["sleep", "601"], "environment": {"REGION": "us", "PIN": "0815"}, "scheduledTime": "2026-11-20T02:00:00Z", "group": "us"}`)
	reason := "runId: run import-20261120T020000Z of job import was started before, as task " + run.LastPart(eu.TaskARN) +
		", whose payload differs in command, environment, group; this payload was not run: give each its own runId, scheduledTime or job"
	if diff := cmp.Diff([]run.Answer{
		{Job: "import", RunID: "import-20261120T020000Z", Attempt: 1, Status: "STARTED", TaskARN: eu.TaskARN},
		{Job: "import", RunID: "import-20261120T020000Z", Attempt: 1, Status: "REJECTED", Reason: reason},
	}, []run.Answer{eu, us}); diff != "" || eu.TaskARN == "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]told{{"import", "import-20261120T020000Z", "REJECTED", reason}}, w.told(t, 1)); diff != "" {
		t.Errorf("results (-want +got):\n%s", diff)
	}
}

// The digest is of the payload, not of the revision that it means today.
func TestRedeliveryAfterADeployment(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	payload := `{"job": "report", "command": ["sleep", "600"], "scheduledTime": "2026-11-20T02:00:00Z"}`
	first := w.launch(t, payload)
	if _, err := w.Deploy(t.Context(), localstack.Definition); err != nil {
		t.Fatal(err)
	}
	// As the Scheduler delivers again: the same input, in whatever form.
	again := w.launch(t, `{"scheduledTime": "2026-11-20T02:00:00Z", "job": "report", "command": ["sleep","600"]}`)
	if diff := cmp.Diff(first, again); diff != "" || first.TaskARN == "" {
		t.Errorf("the second delivery is answered otherwise (-first +second):\n%s", diff)
	}
	tasks, err := ecs.NewFromConfig(w.Config).ListTasks(t.Context(), &ecs.ListTasksInput{Cluster: aws.String(localstack.Cluster)})
	if err != nil || len(tasks.TaskArns) != 1 {
		t.Errorf("tasks %v, %v", tasks, err)
	}
}

// ECS runs the task, and its answer is lost, every time: nobody may be told that
// ECS would not run it.
func TestUnansweredRunTaskIsLost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
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
	w.Server.AddFunction(localaws.Function{
		Name: "launcher", Bootstrap: w.Bootstrap("launcher"), Timeout: 4 * time.Second, OnFailure: "collector",
		Env: map[string]string{
			"STARTED_BY_PREFIX": "errand/" + localstack.Name + "/", "TOPIC_ARN": w.Topics.JSON, "TEXT_TOPIC_ARN": w.Topics.Text,
			"CLUSTER": w.ClusterARN, "TASK_DEFINITION": localstack.Definition, "SUBNETS": localstack.Subnet, "TABLE_NAME": localstack.Table, "AWS_ENDPOINT_URL_ECS": lossy.URL,
		},
	})
	if _, err := lambda.NewFromConfig(w.Config).Invoke(t.Context(), &lambda.InvokeInput{
		FunctionName: aws.String("launcher"), InvocationType: lambdatypes.InvocationTypeEvent,
		Payload: []byte(`{"job": "bill", "command": ["sleep", "600"], "runId": "r-1"}`),
	}); err != nil {
		t.Fatal(err)
	}
	want := []told{{
		"bill", "r-1", "LOST",
		"it is not known whether ECS started sample:1 in cluster sample, RunTask had no clear answer: no answer: EOF (given up after 3 attempts)",
	}}
	if diff := cmp.Diff(want, w.told(t, 1)); diff != "" {
		t.Errorf("results (-want +got):\n%s", diff)
	}
	tasks, err := ecs.NewFromConfig(w.Config).ListTasks(t.Context(), &ecs.ListTasksInput{Cluster: aws.String(localstack.Cluster)})
	if err != nil || len(tasks.TaskArns) != 1 {
		t.Errorf("tasks %v, %v", tasks, err)
	}
}
