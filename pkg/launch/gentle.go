package launch

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"

	"errand/pkg/awserr"
)

// gentle is ECS without the SDK's retries of what was throttled: the run waits in the
// ledger, and two more calls at once would only keep others from being answered when
// many jobs begin in the same minute. A broken connection or a 5xx is tried again, as
// these calls change nothing. RunTask has its own rule, once.
type gentle struct{ ECS }

func (g gentle) DescribeServices(ctx context.Context, in *ecs.DescribeServicesInput, o ...func(*ecs.Options)) (*ecs.DescribeServicesOutput, error) {
	return g.ECS.DescribeServices(ctx, in, slices.Concat(o, calm)...)
}

func (g gentle) DescribeTaskDefinition(ctx context.Context, in *ecs.DescribeTaskDefinitionInput, o ...func(*ecs.Options)) (*ecs.DescribeTaskDefinitionOutput, error) {
	return g.ECS.DescribeTaskDefinition(ctx, in, slices.Concat(o, calm)...)
}

func (g gentle) DescribeTasks(ctx context.Context, in *ecs.DescribeTasksInput, o ...func(*ecs.Options)) (*ecs.DescribeTasksOutput, error) {
	return g.ECS.DescribeTasks(ctx, in, slices.Concat(o, calm)...)
}

func (g gentle) ListTasks(ctx context.Context, in *ecs.ListTasksInput, o ...func(*ecs.Options)) (*ecs.ListTasksOutput, error) {
	return g.ECS.ListTasks(ctx, in, slices.Concat(o, calm)...)
}

var calm = []func(*ecs.Options){func(o *ecs.Options) { o.Retryer = unthrottled{o.Retryer} }}

// unthrottled is a retryer that takes throttling for an answer.
type unthrottled struct{ aws.Retryer }

func (u unthrottled) IsErrorRetryable(err error) bool {
	return !awserr.Throttled(err) && u.Retryer.IsErrorRetryable(err)
}
