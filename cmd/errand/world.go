package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"go.yaml.in/yaml/v3"

	"errand/pkg/localaws"
	"errand/pkg/payload"
	"errand/pkg/run"
)

// The local stack. Its names are those of the sample that template.yaml makes.
const (
	stack      = "local"
	region     = "eu-west-1"
	account    = "123456789012"
	cluster    = "sample"
	definition = "sample"
	logGroup   = "/ecs/sample"
	subnet     = "subnet-0123456789abcdef0"
	// eventSource is the source whose events start jobs, as the template's
	// parameter JobEventSource says.
	eventSource = "com.example.shop"
)

// world is the embedded endpoint with the local stack in it.
type world struct {
	functions, template string
	screen              *screen
	pace                time.Duration // of Lambda's retries

	server *localaws.Server
	cfg    aws.Config
	topics struct{ json, text string }

	clusterARN string
}

// start serves AWS on addr and deploys the local stack.
func (w *world) start(ctx context.Context, addr, region, account string) error {
	for _, name := range []string{"launcher", "collector", "executor"} {
		if _, err := os.Stat(w.bootstrap(name)); err != nil {
			return fmt.Errorf("find the built function %s: %w; build it with make", name, err)
		}
	}
	pattern, err := collectorPattern(w.template)
	if err != nil {
		return err
	}
	w.server, err = localaws.Start(localaws.Options{
		Addr: addr, Region: region, Account: account, Watch: w.screen.watch, RetryPace: w.pace,
	})
	if err != nil {
		return err
	}
	w.cfg = w.server.Config()
	if err := w.topic(ctx, "results", &w.topics.json); err != nil {
		return err
	}
	if err := w.topic(ctx, "results-text", &w.topics.text); err != nil {
		return err
	}
	if w.clusterARN, err = w.cluster(ctx, cluster); err != nil {
		return err
	}
	w.deploy()
	for _, rule := range []localaws.Rule{
		{Name: "task-stopped", Pattern: pattern, Function: "collector"},
		{Name: "job-events", Pattern: []byte(`{"source": ["` + eventSource + `"], "detail-type": ["` + payload.DetailType + `"]}`), Function: "launcher"},
	} {
		if err := w.server.AddRule(rule); err != nil {
			return err
		}
	}
	if _, err := cloudwatchlogs.NewFromConfig(w.cfg).CreateLogGroup(ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: aws.String(logGroup)}); err != nil {
		return err
	}
	_, err = w.register(ctx, definition, noCommand, []string{"app"})
	return err
}

func (w *world) bootstrap(function string) string {
	return filepath.Join(w.functions, function, "bootstrap")
}

// deploy sets the functions up as template.yaml does.
func (w *world) deploy() {
	common := map[string]string{
		"STARTED_BY_PREFIX": "errand/" + stack + "/", "TOPIC_ARN": w.topics.json, "TEXT_TOPIC_ARN": w.topics.text,
	}
	launcher := map[string]string{"CLUSTER": w.clusterARN, "TASK_DEFINITION": definition, "SUBNETS": subnet}
	maps.Copy(launcher, common)
	w.server.AddFunction(localaws.Function{Name: "collector", Bootstrap: w.bootstrap("collector"), Env: common, Timeout: time.Minute})
	w.server.AddFunction(localaws.Function{
		Name: "launcher", Bootstrap: w.bootstrap("launcher"), Env: launcher, Timeout: 2 * time.Minute, OnFailure: "collector",
	})
	executor := map[string]string{"CLUSTER": w.clusterARN}
	maps.Copy(executor, common)
	w.server.AddFunction(localaws.Function{
		Name: "executor", Bootstrap: w.bootstrap("executor"), Env: executor, Timeout: 15 * time.Minute,
		MaximumRetryAttempts: new(0), OnFailure: "collector",
	})
}

func (w *world) topic(ctx context.Context, name string, topic *string) error {
	out, err := sns.NewFromConfig(w.cfg).CreateTopic(ctx, &sns.CreateTopicInput{Name: aws.String(name)})
	if err == nil {
		*topic = aws.ToString(out.TopicArn)
	}
	return err
}

func (w *world) cluster(ctx context.Context, name string) (arn string, err error) {
	out, err := ecs.NewFromConfig(w.cfg).CreateCluster(ctx, &ecs.CreateClusterInput{ClusterName: aws.String(name)})
	if err != nil {
		return "", err
	}
	return aws.ToString(out.Cluster.ClusterArn), nil
}

// where is the cluster that a payload names, which is made if need be.
func (w *world) where(ctx context.Context, name string) (string, error) {
	if name == "" {
		return cluster, nil
	}
	_, err := w.cluster(ctx, run.LastPart(name))
	return run.LastPart(name), err
}

// service makes a service with so many live tasks.
func (w *world) service(ctx context.Context, where, name, family string, tasks int32) error {
	_, err := ecs.NewFromConfig(w.cfg).CreateService(ctx, &ecs.CreateServiceInput{
		Cluster: aws.String(where), ServiceName: aws.String(run.LastPart(name)), TaskDefinition: aws.String(family),
		LaunchType: types.LaunchTypeFargate, DesiredCount: &tasks, EnableExecuteCommand: true,
		NetworkConfiguration: &types.NetworkConfiguration{AwsvpcConfiguration: &types.AwsVpcConfiguration{Subnets: []string{subnet}}},
	})
	return err
}

// register makes a revision of a task definition whose containers run
// processes of this machine. The first container is the job's, with the given
// command of its own; the others end with it.
func (w *world) register(ctx context.Context, family string, command, containers []string) (revision int, err error) {
	in := &ecs.RegisterTaskDefinitionInput{
		Family: aws.String(family), NetworkMode: types.NetworkModeAwsvpc, Cpu: aws.String("256"), Memory: aws.String("512"),
		RequiresCompatibilities: []types.Compatibility{types.CompatibilityFargate},
		ExecutionRoleArn:        aws.String("arn:aws:iam::123456789012:role/sample-execution"),
		TaskRoleArn:             aws.String("arn:aws:iam::123456789012:role/sample-task"),
	}
	for i, name := range containers {
		own := forever
		if i == 0 {
			own = command
		}
		in.ContainerDefinitions = append(in.ContainerDefinitions, types.ContainerDefinition{
			Name: aws.String(name), Image: aws.String("local"), Command: own, Essential: aws.Bool(i == 0), StopTimeout: aws.Int32(2),
			LogConfiguration: &types.LogConfiguration{LogDriver: types.LogDriverAwslogs, Options: map[string]string{
				"awslogs-group": logGroup, "awslogs-region": w.cfg.Region, "awslogs-stream-prefix": "ecs",
			}},
		})
	}
	out, err := ecs.NewFromConfig(w.cfg).RegisterTaskDefinition(ctx, in)
	if err != nil {
		return 0, err
	}
	return int(out.TaskDefinition.Revision), nil
}

var (
	// forever is the command of containers that only have to be there.
	forever = []string{"sleep", "86400"}
	// noCommand is that of containers that wait for a job's.
	noCommand = []string{"echo", "no command given: here the image's own command would run"}
)

// live makes the task that an exec payload wants to run in, and waits for it.
func (w *world) live(ctx context.Context, p payload.Exec) error {
	where, err := w.where(ctx, p.Cluster)
	if err != nil {
		return err
	}
	family := cmp.Or(p.Family, definition)
	if _, err := w.register(ctx, family, forever, []string{cmp.Or(p.Container, "app")}); err != nil {
		return err
	}
	if err := w.service(ctx, where, cmp.Or(p.Service, "web"), family, 1); err != nil {
		return err
	}
	clients := ecs.NewFromConfig(w.cfg)
	tasks, err := clients.ListTasks(ctx, &ecs.ListTasksInput{Cluster: aws.String(where), Family: aws.String(family)})
	if err != nil {
		return err
	}
	return ecs.NewTasksRunningWaiter(clients, func(o *ecs.TasksRunningWaiterOptions) { o.MinDelay, o.MaxDelay = time.Millisecond, time.Second }).
		Wait(ctx, &ecs.DescribeTasksInput{Cluster: aws.String(where), Tasks: tasks.TaskArns}, time.Minute)
}

// maxRevision bounds the stand-ins for a payload that names a revision.
const maxRevision = 1000

// standIn makes what the payload names and only a real account has, so that any
// payload can be tried here.
func (w *world) standIn(ctx context.Context, p payload.Job) error {
	where, err := w.where(ctx, cmp.Or(p.Cluster, run.ClusterOf(p.Service)))
	if err != nil {
		return err
	}
	containers := []string{"app"}
	if p.Container != "" {
		containers = []string{p.Container}
	}
	if p.Overrides != nil {
		for _, o := range p.Overrides.ContainerOverrides {
			if name := aws.ToString(o.Name); p.Container == "" && len(containers) == 1 && containers[0] == "app" {
				containers = []string{name}
			} else if name != containers[0] {
				containers = append(containers, name)
			}
		}
	}
	family, number, _ := strings.Cut(run.LastPart(p.TaskDefinition), ":")
	if p.TaskDefinition == "" {
		family = definition
	}
	wanted, _ := strconv.Atoi(number)
	for {
		revision, err := w.register(ctx, family, noCommand, containers)
		if err != nil {
			return err
		}
		if revision >= min(wanted, maxRevision) {
			break
		}
	}
	if p.Service == "" {
		return nil
	}
	return w.service(ctx, where, p.Service, family, 0)
}

// place is the Region and account of the first ARN among names.
func place(names ...string) (string, string) {
	for _, name := range names {
		if a, ok := run.ParseARN(name); ok {
			return a.Region, a.Account
		}
	}
	return region, account
}

// invoke calls a function as Lambda's clients do and returns its answer.
func (w *world) invoke(ctx context.Context, function string, payload []byte) ([]byte, error) {
	// The client must not call again while the executor waits for a command.
	patient := func(o *lambda.Options) {
		o.Retryer = aws.NopRetryer{}
		o.HTTPClient = http.DefaultClient
	}
	out, err := lambda.NewFromConfig(w.cfg, patient).Invoke(ctx, &lambda.InvokeInput{FunctionName: &function, Payload: payload})
	if err != nil {
		return nil, err
	}
	if out.FunctionError == nil {
		return out.Payload, nil
	}
	var failure struct {
		ErrorMessage string `json:"errorMessage"`
	}
	if err := json.Unmarshal(out.Payload, &failure); err != nil || failure.ErrorMessage == "" {
		failure.ErrorMessage = string(out.Payload)
	}
	return nil, fmt.Errorf("the %s failed: %s", function, failure.ErrorMessage)
}

// collectorPattern reads the pattern of the rule that wakes the collector from
// the template, with the local stack's name in it.
func collectorPattern(file string) ([]byte, error) {
	text, err := os.ReadFile(file) //nolint:gosec // named by whoever runs this
	if err != nil {
		return nil, fmt.Errorf("read the collector's rule from the template: %w", err)
	}
	var template struct {
		Resources map[string]struct {
			Properties struct {
				Events map[string]struct {
					Properties struct {
						Pattern yaml.Node `yaml:"Pattern"`
					} `yaml:"Properties"`
				} `yaml:"Events"`
			} `yaml:"Properties"`
		} `yaml:"Resources"`
	}
	if err := yaml.Unmarshal(text, &template); err != nil {
		return nil, fmt.Errorf("read the collector's rule from %s: %w", file, err)
	}
	pattern := template.Resources["CollectorFunction"].Properties.Events["TaskStopped"].Properties.Pattern
	substitute(&pattern)
	var value any
	if err := pattern.Decode(&value); err != nil || value == nil {
		return nil, fmt.Errorf("%s has no pattern at CollectorFunction, event TaskStopped (%w)", file, err)
	}
	return json.Marshal(value)
}

// substitute does what CloudFormation does with !Sub and the stack's name.
func substitute(n *yaml.Node) {
	if n.Tag == "!Sub" {
		n.Tag = "!!str"
		n.Value = strings.ReplaceAll(n.Value, "${AWS::StackName}", stack)
	}
	for _, child := range n.Content {
		substitute(child)
	}
}
