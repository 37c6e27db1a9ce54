package cloudformation_test

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"errand/pkg/localaws"
	"errand/pkg/localaws/localtest"
)

// describe asks for a stack, or for all of them, and looks at what is never
// twice the same.
func describe(t *testing.T, client *cloudformation.Client, name string) []types.Stack {
	t.Helper()
	in := &cloudformation.DescribeStacksInput{}
	if name != "" {
		in.StackName = &name
	}
	out, err := client.DescribeStacks(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	for _, stack := range out.Stacks {
		if prefix := "arn:aws:cloudformation:eu-west-1:123456789012:stack/" + *stack.StackName + "/"; !strings.HasPrefix(*stack.StackId, prefix) {
			t.Errorf("the stack's id is %s", *stack.StackId)
		}
		if time.Since(*stack.CreationTime).Abs() > time.Hour || stack.LastUpdatedTime != nil && stack.LastUpdatedTime.Before(*stack.CreationTime) {
			t.Errorf("the stack was made at %v and updated at %v", stack.CreationTime, stack.LastUpdatedTime)
		}
	}
	return out.Stacks
}

var alike = []cmp.Option{
	cmpopts.IgnoreUnexported(types.Stack{}, types.Output{}), cmpopts.EquateEmpty(),
	cmpopts.IgnoreFields(types.Stack{}, "StackId", "CreationTime", "LastUpdatedTime"),
}

func stack(name string, status types.StackStatus, outputs ...string) types.Stack {
	s := types.Stack{StackName: &name, StackStatus: status, DisableRollback: aws.Bool(false)}
	for i := 0; i < len(outputs); i += 2 {
		s.Outputs = append(s.Outputs, types.Output{OutputKey: &outputs[i], OutputValue: &outputs[i+1]})
	}
	return s
}

func TestDescribeStacks(t *testing.T) {
	t.Parallel()
	s := localtest.Start(t)
	client := cloudformation.NewFromConfig(s.Config(), func(o *cloudformation.Options) { o.Retryer = aws.NopRetryer{} })
	if got := describe(t, client, ""); len(got) != 0 {
		t.Errorf("got %+v before there was a stack", got)
	}
	s.AddStack("jobs", map[string]string{"LedgerTableName": "ledger", "DeadLettersUrl": "http://x/?a=1&b=<2>"})
	s.AddStack("bare", nil)
	jobs := stack("jobs", types.StackStatusCreateComplete, "DeadLettersUrl", "http://x/?a=1&b=<2>", "LedgerTableName", "ledger")
	bare := stack("bare", types.StackStatusCreateComplete)
	if diff := cmp.Diff([]types.Stack{bare, jobs}, describe(t, client, ""), alike...); diff != "" {
		t.Errorf("all: %s", diff)
	}
	got := describe(t, client, "jobs")
	if diff := cmp.Diff([]types.Stack{jobs}, got, alike...); diff != "" {
		t.Errorf("by name: %s", diff)
	}
	id := *got[0].StackId
	s.AddStack("jobs", map[string]string{"LedgerTableName": "ledger-2"})
	got = describe(t, client, id)
	if diff := cmp.Diff([]types.Stack{stack("jobs", types.StackStatusUpdateComplete, "LedgerTableName", "ledger-2")}, got, alike...); diff != "" {
		t.Errorf("by id, after an update: %s", diff)
	}
	if *got[0].StackId != id || got[0].LastUpdatedTime == nil {
		t.Errorf("an update made %s, at %v", *got[0].StackId, got[0].LastUpdatedTime)
	}
}

func TestDescribeStacksRefuses(t *testing.T) {
	t.Parallel()
	s := localtest.Start(t)
	client := cloudformation.NewFromConfig(s.Config(), func(o *cloudformation.Options) { o.Retryer = aws.NopRetryer{} })
	s.Inject(localaws.Fault{Operation: "DescribeStacks", Code: "Throttling", Message: "Rate exceeded"})
	_, err := client.DescribeStacks(t.Context(), &cloudformation.DescribeStacksInput{})
	localtest.Refused(t, err, "Throttling", "Rate exceeded")
	_, err = client.DescribeStacks(t.Context(), &cloudformation.DescribeStacksInput{StackName: aws.String("none")})
	localtest.Refused(t, err, "ValidationError", "Stack with id none does not exist")
	_, err = client.ListStacks(t.Context(), &cloudformation.ListStacksInput{})
	localtest.Refused(t, err, "UnknownOperationException", "the action ListStacks")
	if n := s.Calls("DescribeStacks"); n != 2 {
		t.Errorf("DescribeStacks was counted %d times, want 2", n)
	}
}
