package tasks_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/google/go-cmp/cmp"

	"errand/pkg/localaws"
	"errand/pkg/run"
	"errand/pkg/tasks"
)

const startedBy = "errand/jobs/j"

func start(t *testing.T) (*localaws.Server, *ecs.Client) {
	t.Helper()
	server, err := localaws.Start(localaws.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	client := ecs.NewFromConfig(server.Config(), func(o *ecs.Options) { o.Retryer = retry.AddWithMaxAttempts(retry.NewStandard(), 1) })
	if _, err := client.CreateCluster(t.Context(), &ecs.CreateClusterInput{ClusterName: aws.String("jobs")}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.RegisterTaskDefinition(t.Context(), &ecs.RegisterTaskDefinitionInput{
		Family: aws.String("sample"), NetworkMode: types.NetworkModeBridge,
		ContainerDefinitions: []types.ContainerDefinition{
			{Name: aws.String("side"), Image: aws.String("local"), Command: []string{"sleep", "60"}, Memory: aws.Int32(64), Essential: aws.Bool(false)},
			{Name: aws.String("app"), Image: aws.String("local"), Command: []string{"sleep", "60"}, Memory: aws.Int32(64)},
		},
	}); err != nil {
		t.Fatal(err)
	}
	return server, client
}

// begin starts a task as the launcher does, with these variables.
func begin(t *testing.T, client *ecs.Client, startedBy string, variables []run.Variable) string {
	t.Helper()
	overrides := []types.ContainerOverride{{Name: aws.String("side"), Environment: []types.KeyValuePair{{Name: aws.String("LEVEL"), Value: aws.String("debug")}}}, {Name: aws.String("app")}}
	for _, v := range variables {
		overrides[1].Environment = append(overrides[1].Environment, types.KeyValuePair{Name: aws.String(v.Name), Value: aws.String(v.Value)})
	}
	out, err := client.RunTask(t.Context(), &ecs.RunTaskInput{
		Cluster: aws.String("jobs"), TaskDefinition: aws.String("sample"), StartedBy: &startedBy, LaunchType: types.LaunchTypeEc2,
		Overrides: &types.TaskOverride{ContainerOverrides: overrides},
	})
	if err != nil || len(out.Tasks) != 1 {
		t.Fatalf("%+v, %v", out, err)
	}
	return *out.Tasks[0].TaskArn
}

func TestFind(t *testing.T) {
	t.Parallel()
	server, client := start(t)
	one := run.Run{Job: "j", ID: "r-1", Attempt: 1}
	two := run.Run{Job: "j", ID: "r-1", Attempt: 2}
	carried := run.Carried{LogLines: aws.Int(5), Digest: "command:n5U-L4"}
	first := begin(t, client, startedBy, one.Variables(carried))
	second := begin(t, client, startedBy, two.Variables(run.Carried{}))
	begin(t, client, startedBy, nil) // somebody's, by hand
	begin(t, client, startedBy, run.Run{Job: "j", ID: "r-2", Attempt: 1}.Variables(run.Carried{}))
	begin(t, client, startedBy, run.Run{Job: "k", ID: "r-1", Attempt: 3}.Variables(run.Carried{}))
	begin(t, client, "errand/jobs/k", run.Run{Job: "j", ID: "r-3", Attempt: 1}.Variables(run.Carried{}))
	if _, err := client.StopTask(t.Context(), &ecs.StopTaskInput{Cluster: aws.String("jobs"), Task: &second}); err != nil {
		t.Fatal(err)
	}
	const cluster = "arn:aws:ecs:eu-west-1:123456789012:cluster/jobs"
	for _, tc := range []struct {
		name, cluster string
		run           run.Run
		want          *tasks.Found
	}{
		{"one that runs", "jobs", one, &tasks.Found{ARN: first, Cluster: cluster, Carried: carried}},
		{"one that was stopped", cluster, two, &tasks.Found{ARN: second, Cluster: cluster}},
		{"an attempt without a task", "jobs", run.Run{Job: "j", ID: "r-1", Attempt: 3}, nil},
		{"one of another startedBy", "jobs", run.Run{Job: "j", ID: "r-3", Attempt: 1}, nil},
		{"a cluster that is not there", "nope", one, nil},
	} {
		got, err := tasks.Find(t.Context(), client, tc.cluster, startedBy, tc.run)
		if diff := cmp.Diff(tc.want, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", tc.name, err, diff)
		}
	}
	for _, tc := range []struct{ operation, want string }{
		{"ListTasks", "look for a task of run r-1 among those of startedBy errand/jobs/j in cluster jobs: AccessDeniedException: no"},
		{"DescribeTasks", "look at the tasks that may be the run's, in cluster jobs: AccessDeniedException: no"},
	} {
		server.Inject(localaws.Fault{Operation: tc.operation, Code: "AccessDeniedException", Message: "no"})
		if got, err := tasks.Find(t.Context(), client, cluster, startedBy, one); got != nil || err == nil || err.Error() != tc.want {
			t.Errorf("%s denied: %+v, %v", tc.operation, got, err)
		}
	}
}

// A job may have more tasks than ECS lists at once, or describes at once.
func TestFindAmongMany(t *testing.T) {
	t.Parallel()
	many := many(250)
	got, err := tasks.Find(t.Context(), many, "jobs", startedBy, run.Run{Job: "j", ID: "r-249", Attempt: 1})
	if want := (&tasks.Found{ARN: "task/249", Cluster: "cluster/jobs"}); !cmp.Equal(want, got) || err != nil {
		t.Errorf("got %+v, %v", got, err)
	}
}

// many is an ECS with so many tasks, which run the runs r-0, r-1 and so on.
type many int

func (m many) ListTasks(_ context.Context, in *ecs.ListTasksInput, _ ...func(*ecs.Options)) (*ecs.ListTasksOutput, error) {
	out := &ecs.ListTasksOutput{}
	if in.DesiredStatus == types.DesiredStatusStopped {
		return out, nil
	}
	begin := 0
	if in.NextToken != nil {
		_, _ = fmt.Sscan(*in.NextToken, &begin)
	}
	for n := begin; n < int(m) && n < begin+100; n++ {
		out.TaskArns = append(out.TaskArns, fmt.Sprintf("task/%d", n))
	}
	if begin+100 < int(m) {
		out.NextToken = aws.String(fmt.Sprint(begin + 100))
	}
	return out, nil
}

func (m many) DescribeTasks(_ context.Context, in *ecs.DescribeTasksInput, _ ...func(*ecs.Options)) (*ecs.DescribeTasksOutput, error) {
	if len(in.Tasks) > 100 {
		return nil, &types.InvalidParameterException{Message: aws.String("too many tasks")}
	}
	out := &ecs.DescribeTasksOutput{}
	for _, arn := range in.Tasks {
		task := types.Task{TaskArn: aws.String(arn), ClusterArn: aws.String("cluster/jobs"), Overrides: &types.TaskOverride{ContainerOverrides: []types.ContainerOverride{{}}}}
		for _, v := range (run.Run{Job: "j", ID: "r-" + arn[len("task/"):], Attempt: 1}).Variables(run.Carried{}) {
			o := &task.Overrides.ContainerOverrides[0]
			o.Environment = append(o.Environment, types.KeyValuePair{Name: aws.String(v.Name), Value: aws.String(v.Value)})
		}
		out.Tasks = append(out.Tasks, task)
	}
	return out, nil
}
