// Package localstack is what template.yaml describes, on the embedded AWS of one
// machine: the built functions with their settings, topics, the ledger's table, rules
// and queues, and a cluster to run on.
package localstack

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"errand/pkg/ledger"
	"errand/pkg/localaws"
	"errand/pkg/payload"
)

// The local stack. Its names are those of the sample that template.yaml makes.
const (
	Name       = "local"
	Region     = "eu-west-1"
	Account    = "123456789012"
	Cluster    = "sample"
	Definition = "sample"
	LogGroup   = "/ecs/sample"
	Subnet     = "subnet-0123456789abcdef0"
	Table      = "local-ledger"
	// EventSource is the source whose events start jobs, as the template's
	// parameter JobEventSource says.
	EventSource = "com.example.shop"
)

// functions are those of the stack.
var functions = []string{"launcher", "collector", "executor", "watchdog"}

// Options are what a Stack is made of.
type Options struct {
	Functions string // folder of the built functions: launcher/bootstrap, …
	Template  string // template.yaml, whose rule decides which events reach the collector
	localaws.Options
}

// Stack is the embedded endpoint with the local stack in it.
type Stack struct {
	Server     *localaws.Server
	Config     aws.Config // for clients of the server
	Topics     struct{ JSON, Text, Alarms string }
	ClusterARN string

	opts Options
}

// Start serves AWS and deploys the stack.
func Start(ctx context.Context, opts Options) (*Stack, error) {
	s := &Stack{opts: opts}
	for _, name := range functions {
		if _, err := os.Stat(s.Bootstrap(name)); err != nil {
			return nil, fmt.Errorf("find the built function %s: %w; build it with make", name, err)
		}
	}
	pattern, err := collectorPattern(opts.Template)
	if err != nil {
		return nil, err
	}
	if s.Server, err = localaws.Start(opts.Options); err != nil {
		return nil, err
	}
	s.Config = s.Server.Config()
	if err := s.deploy(ctx, pattern); err != nil {
		_ = s.Server.Close()
		return nil, err
	}
	return s, nil
}

// deploy makes what the template does.
func (s *Stack) deploy(ctx context.Context, pattern []byte) (err error) {
	if s.Topics.JSON, err = s.topic(ctx, "results"); err != nil {
		return err
	}
	if s.Topics.Text, err = s.topic(ctx, "results-text"); err != nil {
		return err
	}
	if s.Topics.Alarms, err = s.topic(ctx, "alarms"); err != nil {
		return err
	}
	if s.ClusterARN, err = s.cluster(ctx, Cluster); err != nil {
		return err
	}
	queues, err := s.addQueues()
	if err != nil {
		return err
	}
	if _, err := dynamodb.NewFromConfig(s.Config).CreateTable(ctx, ledger.Table(Table)); err != nil {
		return err
	}
	s.addFunctions(queues)
	for _, rule := range []localaws.Rule{
		{Name: "task-stopped", Pattern: pattern, Function: "collector"},
		{Name: "job-events", Pattern: []byte(`{"source": ["` + EventSource + `"], "detail-type": ["` + payload.DetailType + `"]}`), Function: "launcher"},
	} {
		if err := s.Server.AddRule(rule); err != nil {
			return err
		}
	}
	if _, err := s.Server.AddTicker("watchdog", time.Minute, "watchdog", []byte(`{}`)); err != nil {
		return err
	}
	if _, err := cloudwatchlogs.NewFromConfig(s.Config).CreateLogGroup(ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: aws.String(LogGroup)}); err != nil {
		return err
	}
	s.Server.AddStack(Name, s.outputs(queues))
	_, err = s.register(ctx, Definition, noCommand, []string{"app"})
	return err
}

// queue is a dead-letter queue of the stack.
type queue struct{ url, arn string }

// addQueues makes the dead-letter queues. Only those of functions are filled here:
// no rule and no schedule of this machine fails to reach its function.
func (s *Stack) addQueues() (map[string]queue, error) {
	queues := map[string]queue{}
	for _, name := range []string{"ScheduleDeadLetters", "RuleDeadLetters", "LauncherDeadLetters", "CollectorDeadLetters"} {
		url, arn, err := s.Server.AddQueue(Name + "-" + name)
		if err != nil {
			return nil, err
		}
		queues[name] = queue{url, arn}
	}
	return queues, nil
}

// outputs are those of the template, by which the command errand finds everything.
func (s *Stack) outputs(queues map[string]queue) map[string]string {
	outputs := map[string]string{
		"TableName": Table, "ClusterArn": s.ClusterARN, "StartedByPrefix": prefix,
		"ResultTopicArn": s.Topics.JSON, "TextTopicArn": s.Topics.Text, "AlarmTopicArn": s.Topics.Alarms,
		"LauncherFunctionName": "launcher", "CollectorFunctionName": "collector", "ExecutorFunctionName": "executor", "WatchdogFunctionName": "watchdog",
		"SampleLogGroup": LogGroup,
	}
	for name, q := range queues {
		outputs[name+"Url"] = q.url
	}
	return outputs
}

// prefix begins startedBy of the stack's tasks.
const prefix = "errand/" + Name + "/"

// Bootstrap is the built program of a function.
func (s *Stack) Bootstrap(function string) string {
	return filepath.Join(s.opts.Functions, function, "bootstrap")
}

// addFunctions sets the functions up as template.yaml does.
func (s *Stack) addFunctions(queues map[string]queue) {
	add := func(f localaws.Function, own map[string]string) {
		f.Bootstrap = s.Bootstrap(f.Name)
		f.Env = map[string]string{
			"STARTED_BY_PREFIX": prefix, "TOPIC_ARN": s.Topics.JSON, "TEXT_TOPIC_ARN": s.Topics.Text, "TABLE_NAME": Table,
		}
		maps.Copy(f.Env, own)
		s.Server.AddFunction(f)
	}
	add(localaws.Function{Name: "collector", Timeout: time.Minute, DeadLetterQueue: queues["CollectorDeadLetters"].arn}, nil)
	add(localaws.Function{Name: "launcher", Timeout: 2 * time.Minute, OnFailure: "collector", DeadLetterQueue: queues["LauncherDeadLetters"].arn},
		map[string]string{"CLUSTER": s.ClusterARN, "TASK_DEFINITION": Definition, "SUBNETS": Subnet})
	add(localaws.Function{Name: "executor", Timeout: 15 * time.Minute, MaximumRetryAttempts: new(0), OnFailure: "collector"},
		map[string]string{"CLUSTER": s.ClusterARN})
	add(localaws.Function{Name: "watchdog", Timeout: 58 * time.Second, MaximumRetryAttempts: new(0)},
		map[string]string{"LAUNCHER_NAME": "launcher", "COLLECTOR_NAME": "collector", "ALARM_TOPIC_ARN": s.Topics.Alarms})
}

func (s *Stack) topic(ctx context.Context, name string) (string, error) {
	out, err := sns.NewFromConfig(s.Config).CreateTopic(ctx, &sns.CreateTopicInput{Name: aws.String(name)})
	if err != nil {
		return "", err
	}
	return aws.ToString(out.TopicArn), nil
}

func (s *Stack) cluster(ctx context.Context, name string) (arn string, err error) {
	out, err := ecs.NewFromConfig(s.Config).CreateCluster(ctx, &ecs.CreateClusterInput{ClusterName: aws.String(name)})
	if err != nil {
		return "", err
	}
	return aws.ToString(out.Cluster.ClusterArn), nil
}

// Invoke calls a function as Lambda's clients do and returns its answer.
func (s *Stack) Invoke(ctx context.Context, function string, payload []byte) ([]byte, error) {
	// The client must not call again while the executor waits for a command.
	patient := func(o *lambda.Options) {
		o.Retryer = aws.NopRetryer{}
		o.HTTPClient = http.DefaultClient
	}
	out, err := lambda.NewFromConfig(s.Config, patient).Invoke(ctx, &lambda.InvokeInput{FunctionName: &function, Payload: payload})
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
