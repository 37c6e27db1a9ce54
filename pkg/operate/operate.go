// Package operate is what the person who runs a stack does with it: look at its
// jobs and runs, start, repeat and stop them, and deal with dead letters. It
// finds everything by the outputs of the stack, and returns documents, which are
// printed as text or as JSON.
package operate

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"errand/pkg/awserr"
	"errand/pkg/ledger"
	"errand/pkg/run"
)

// Options are what the person says.
type Options struct {
	Stack string
	By    string // who starts and stops runs
	// Pace is the time between two looks at what is waited for; 0 means 3 seconds.
	Pace time.Duration
	// Now is the time; nil means run.Now.
	Now func() time.Time
}

// Stack is a stack and the clients of what is in it.
type Stack struct {
	Options
	outputs map[string]string
	ledger  *ledger.Ledger
	ecs     *ecs.Client
	logs    *cloudwatchlogs.Client
	lambda  *lambda.Client
	sqs     *sqs.Client
}

// Open finds a stack by its name.
func Open(ctx context.Context, cfg aws.Config, o Options) (*Stack, error) {
	if o.Pace == 0 {
		o.Pace = 3 * time.Second
	}
	if o.Now == nil {
		o.Now = run.Now
	}
	if cfg.Region == "" {
		return nil, fmt.Errorf("find stack %s: no Region is set; set AWS_REGION, or region in the profile", o.Stack)
	}
	s := &Stack{
		Options: o, outputs: map[string]string{},
		ecs: ecs.NewFromConfig(cfg), logs: cloudwatchlogs.NewFromConfig(cfg), lambda: lambda.NewFromConfig(cfg), sqs: sqs.NewFromConfig(cfg),
	}
	out, err := cloudformation.NewFromConfig(cfg).DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: &o.Stack})
	switch {
	case awserr.Code(err) == "ValidationError" && strings.Contains(awserr.Message(err), "does not exist"):
		return nil, fmt.Errorf("there is no stack %s in %s: name it with --stack or ERRAND_STACK, and see AWS_REGION and AWS_PROFILE", o.Stack, cfg.Region)
	case err != nil:
		return nil, s.explain("find stack "+o.Stack, err, reader)
	case len(out.Stacks) == 0:
		return nil, fmt.Errorf("there is no stack %s in %s", o.Stack, cfg.Region)
	}
	for _, output := range out.Stacks[0].Outputs {
		s.outputs[aws.ToString(output.OutputKey)] = aws.ToString(output.OutputValue)
	}
	table, err := s.output("TableName")
	if err != nil {
		return nil, err
	}
	s.ledger = ledger.New(dynamodb.NewFromConfig(cfg), ledger.Config{Table: table, Now: o.Now})
	return s, nil
}

// output is one of the stack's outputs.
func (s *Stack) output(name string) (string, error) {
	if value := s.outputs[name]; value != "" {
		return value, nil
	}
	if name == "ExecutorFunctionName" {
		return "", fmt.Errorf("stack %s has no executor, which commands in live tasks need: deploy it with EnableExec=true", s.Stack)
	}
	return "", fmt.Errorf("stack %s has no output %s: is it a stack of errand, and its release not older than this command?", s.Stack, name)
}

// The outputs with the policies that people need.
const (
	reader   = "ReaderPolicyArn"
	operator = "OperatorPolicyArn"
)

// explain makes a sentence of an error of AWS's. What may not be done is told with
// the policy that allows it.
func (s *Stack) explain(what string, err error, policy string) error {
	if err == nil {
		return nil
	}
	if awserr.Code(err) == "" || what != "" {
		err = awserr.Plain(err)
	}
	if what != "" {
		err = fmt.Errorf("%s: %w", what, err)
	}
	if !awserr.Denied(err) {
		return err
	}
	allows := "The policy in the stack's output " + policy
	if arn := s.outputs[policy]; arn != "" {
		allows = arn
	}
	return fmt.Errorf("%w. %s allows it: somebody with the right to do so can attach it to you", err, allows)
}

// reading is explain for the ledger, whose errors are sentences already.
func (s *Stack) reading(err error) error { return s.explain("", err, reader) }

// place is how people write a run.
func place(job, runID string) string { return job + "/" + cmp.Or(runID, "?") }
