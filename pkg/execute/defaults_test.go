package execute

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"errand/pkg/ssmchan"
)

// Every other test shortens these times; docs/exec.md and the deadline of the function
// go by them.
func TestDefaults(t *testing.T) {
	t.Parallel()
	want := Config{Cluster: "jobs", AgentTime: 30 * time.Second, Retry: time.Second, Watch: 10 * time.Second, Grace: 5 * time.Second, Drain: 3 * time.Second, Mark: 75 * time.Second}
	got := New(aws.Config{}, nil, nil, Config{Cluster: "jobs"}, nil).cfg
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(Config{}, "Now"), cmpopts.IgnoreTypes(ssmchan.Options{})); diff != "" {
		t.Errorf("times (-want +got):\n%s", diff)
	}
	// What comes after the command has to fit into what is kept back for it.
	if after := want.Grace + callTime; after > commandTime-publishTime {
		t.Errorf("to end a session takes up to %s, and there are %s", after, commandTime-publishTime)
	}
}
