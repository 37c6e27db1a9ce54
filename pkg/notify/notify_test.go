package notify_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/google/go-cmp/cmp"

	"errand/pkg/localaws"
	"errand/pkg/notify"
	"errand/pkg/result"
	"errand/pkg/run"
)

func start(t *testing.T) (*localaws.Server, *notify.Notifier) {
	t.Helper()
	server, err := localaws.Start(localaws.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	client := sns.NewFromConfig(server.Config())
	topics := map[string]string{}
	for _, name := range []string{"results", "results-text"} {
		out, err := client.CreateTopic(t.Context(), &sns.CreateTopicInput{Name: &name})
		if err != nil {
			t.Fatal(err)
		}
		topics[name] = *out.TopicArn
	}
	return server, notify.New(client, topics["results"], topics["results-text"])
}

// publish tells every topic, and counts how often it is about to wait.
func publish(ctx context.Context, n *notify.Notifier, r result.Result) (waits int, err error) {
	for _, topic := range n.Topics() {
		err = errors.Join(err, n.Publish(ctx, topic, r, func() { waits++ }))
	}
	return waits, err
}

func TestPublish(t *testing.T) {
	t.Parallel()
	server, n := start(t)
	r := result.Result{
		Run: run.Run{Job: "billing", Method: run.MethodRunTask}, Status: run.Failed, Reason: "no rates", Summary: "exit code 3", ExitCode: aws.Int(3),
		Place: result.Place{Cluster: "jobs"},
	}
	if waits, err := publish(t.Context(), n, r); err != nil || waits != 0 {
		t.Fatal(waits, err)
	}
	attributes := map[string]localaws.Attribute{
		"job": {Type: "String", Value: "billing"}, "status": {Type: "String", Value: "FAILED"}, "outcome": {Type: "String", Value: "failure"},
		"method": {Type: "String", Value: "run-task"}, "cluster": {Type: "String", Value: "jobs"}, "exitCode": {Type: "Number", Value: "3"},
	}
	want := []localaws.Message{
		{TopicARN: "arn:aws:sns:eu-west-1:123456789012:results", Subject: "FAILED billing: exit code 3", Body: string(r.JSON(1 << 18)), Attributes: attributes},
		{TopicARN: "arn:aws:sns:eu-west-1:123456789012:results-text", Subject: "FAILED billing: exit code 3", Body: r.Text(1 << 18), Attributes: attributes},
	}
	if diff := cmp.Diff(want, server.Published()); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
}

// SNS takes what is as long as it may be, attributes and all, and whatever a
// refused payload calls its job.
func TestPublishesTheLongest(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*result.Result){
		"a thousand long lines":        func(r *result.Result) { r.Log.Lines = slicesOf(strings.Repeat("夜\"\\", 300), 1000) },
		"one huge line":                func(r *result.Result) { r.Log.Lines = slicesOf(strings.Repeat("<\x1b", 500_000), 1) },
		"a job name that is a novel":   func(r *result.Result) { r.Job = strings.Repeat("novel ", 100_000) },
		"a job name that is nothing":   func(r *result.Result) { r.Job = "" },
		"a job name of line breaks":    func(r *result.Result) { r.Job = "\n\r\t\x00" },
		"a cluster name that is a lot": func(r *result.Result) { r.Cluster = strings.Repeat("c", 600) },
		"an exit code of Windows":      func(r *result.Result) { r.ExitCode = aws.Int(-1073741819) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, n := start(t)
			r := result.Result{Run: run.Run{Job: "j", Method: run.MethodRunTask}, Status: run.Rejected, Log: &result.Log{Status: result.LogOK, Lines: []string{"end"}}}
			change(&r)
			if _, err := publish(t.Context(), n, r); err != nil {
				t.Fatal(err)
			}
			if got := len(server.Published()); got != 2 {
				t.Errorf("%d messages", got)
			}
		})
	}
}

func slicesOf(line string, n int) []string {
	lines := make([]string, n)
	for i := range lines {
		lines[i] = line
	}
	return lines
}

func TestOneTopicOnly(t *testing.T) {
	t.Parallel()
	server, _ := start(t)
	n := notify.New(sns.NewFromConfig(server.Config()), "arn:aws:sns:eu-west-1:123456789012:results", "")
	if diff := cmp.Diff([]string{"results"}, n.Topics()); diff != "" {
		t.Errorf("topics (-want +got):\n%s", diff)
	}
	if _, err := publish(t.Context(), n, result.Result{Status: run.Lost}); err != nil || len(server.Published()) != 1 {
		t.Errorf("%d messages, %v", len(server.Published()), err)
	}
}

// Values that SNS may refuse are no attributes; the message goes out.
func TestOddAttributes(t *testing.T) {
	t.Parallel()
	server, n := start(t)
	if _, err := publish(t.Context(), n, result.Result{
		Run: run.Run{Job: "夜\n", Method: "m"}, Status: run.Rejected, Place: result.Place{Cluster: strings.Repeat("c", 513)},
	}); err != nil {
		t.Fatal(err)
	}
	want := map[string]localaws.Attribute{
		"status": {Type: "String", Value: "REJECTED"}, "outcome": {Type: "String", Value: "failure"}, "method": {Type: "String", Value: "m"},
	}
	if diff := cmp.Diff(want, server.Published()[0].Attributes); diff != "" {
		t.Errorf("attributes (-want +got):\n%s", diff)
	}
}

// SNS compares numbers up to a thousand millions; a code beyond is in the body alone.
func TestExitCodeAttribute(t *testing.T) {
	t.Parallel()
	for code, want := range map[int]string{
		0: "0", -1: "-1", 1_000_000_000: "1000000000", -1_000_000_000: "-1000000000",
		1_000_000_001: "", -1_000_000_001: "", 3221225786: "", -1073741510: "",
	} {
		server, n := start(t)
		if _, err := publish(t.Context(), n, result.Result{Run: run.Run{Job: "j"}, Status: run.Failed, ExitCode: &code}); err != nil {
			t.Fatal(err)
		}
		if got := server.Published()[0].Attributes["exitCode"].Value; got != want {
			t.Errorf("%d: attribute %q, want %q", code, got, want)
		}
	}
}

// SNS is away for longer than the SDK tries, and a refusal is one at once.
func TestPublishesUntilTheTimeIsOver(t *testing.T) {
	t.Parallel()
	r := result.Result{Run: run.Run{Job: "j", Method: run.MethodRunTask}, Status: run.Lost}
	for _, tc := range []struct {
		name      string
		fault     localaws.Fault
		published int
		waits     bool
		err       string
	}{
		{"a broken server, for a while", localaws.Fault{Operation: "Publish", Code: "InternalError", Message: "oops", Status: 500, Times: 12}, 2, true, ""},
		{"throttled, for a while", localaws.Fault{Operation: "Publish", Code: "Throttled", Message: "slow down", Status: 400, Times: 4}, 2, true, ""},
		{
			"one topic refuses",
			localaws.Fault{Operation: "Publish", Code: "AuthorizationError", Message: "no", Status: 403},
			1, true,
			"publish the result to arn:aws:sns:eu-west-1:123456789012:results: AuthorizationError: no",
		},
		{
			"one topic hangs",
			localaws.Fault{Operation: "Publish", Delay: 10 * time.Second, Code: "InternalError", Status: 500},
			1, true,
			"publish the result to arn:aws:sns:eu-west-1:123456789012:results: no answer in time",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			server, n := start(t)
			server.Inject(tc.fault)
			ctx, cancel := context.WithTimeout(t.Context(), 6*time.Second)
			defer cancel()
			waits, err := publish(ctx, n, r)
			if (waits > 0) != tc.waits {
				t.Errorf("about to wait %d times", waits)
			}
			if got := len(server.Published()); got != tc.published || (err == nil) != (tc.err == "") || err != nil && err.Error() != tc.err {
				t.Errorf("%d messages, %v; want %d, %q", got, err, tc.published, tc.err)
			}
		})
	}
}
