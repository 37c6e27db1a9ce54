package notify_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"errand/pkg/notify"
	"errand/pkg/result"
	"errand/pkg/run"
)

// Everything that may count to a message's size is under SNS's limit together: body,
// attributes and, lest it be counted one day, the subject. What is longer is cut to
// no less than that.
func TestSizeOfMessages(t *testing.T) {
	t.Parallel()
	server, n := start(t)
	const most = 262_143
	for _, r := range []result.Result{
		{Run: run.Run{Job: "j"}, Status: run.Lost},
		{
			Run: run.Run{Job: strings.Repeat("j", 64), Method: run.MethodRunTask}, Status: run.Failed, Summary: strings.Repeat("s", 500), ExitCode: aws.Int(255),
			Place: result.Place{Cluster: strings.Repeat("c", 512)},
		},
	} {
		r.Log = &result.Log{Status: result.LogOK, Lines: slicesOf(strings.Repeat("x", 999), 1000)}
		if _, err := publish(t.Context(), n, r); err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range server.Published() {
		size := len(m.Body) + len(m.Subject)
		for name, a := range m.Attributes {
			size += len(name) + len(a.Type) + len(a.Value)
		}
		if size > most || size < most-10 { // the heading of the log has room for a longer number
			t.Errorf("a message to %s has %d bytes, want %d", m.TopicARN, size, most)
		}
	}
}

// What SNS takes at the most is an attribute, and what is longer none.
func TestEdgesOfAttributes(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name  string
		r     result.Result
		value string
	}{
		{"cluster", result.Result{Place: result.Place{Cluster: strings.Repeat("c", 512)}}, strings.Repeat("c", 512)},
		{"cluster", result.Result{Place: result.Place{Cluster: strings.Repeat("c", 513)}}, ""},
		{"job", result.Result{Run: run.Run{Job: " ~"}}, " ~"},
		{"job", result.Result{Run: run.Run{Job: "a\x7f"}}, ""},
		{"job", result.Result{Run: run.Run{Job: "a\x1f"}}, ""},
		{"exitCode", result.Result{ExitCode: aws.Int(1_000_000_000)}, "1000000000"},
		{"exitCode", result.Result{ExitCode: aws.Int(1_000_000_001)}, ""},
		{"exitCode", result.Result{ExitCode: aws.Int(-1_000_000_000)}, "-1000000000"},
		{"exitCode", result.Result{ExitCode: aws.Int(-1_000_000_001)}, ""},
		{"exitCode", result.Result{ExitCode: aws.Int(3221225786)}, ""},
		{"exitCode", result.Result{ExitCode: aws.Int(0)}, "0"},
		{"exitCode", result.Result{}, ""},
	} {
		server, n := start(t)
		if err := n.Publish(t.Context(), notify.Results, tc.r, func() {}); err != nil {
			t.Fatal(err)
		}
		if got := server.Published()[0].Attributes[tc.name].Value; got != tc.value {
			t.Errorf("%s of %+v: got %q, want %q", tc.name, tc.r, got, tc.value)
		}
	}
}
