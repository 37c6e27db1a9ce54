package main

import (
	"context"
	"io"
	"strings"

	"errand/pkg/localstack"
)

type localCommand struct {
	stackFlags
	Addr string `default:"127.0.0.1:4599" placeholder:"HOST:PORT" help:"Loopback address to serve on (default: ${default})"`
}

// Run serves the local stack until ctx ends.
func (c *localCommand) Run(ctx context.Context, out io.Writer) error {
	w := c.world(out)
	w.screen.functions = true
	if err := w.start(ctx, c.Addr, localstack.Region, localstack.Account); err != nil {
		return err
	}
	w.screen.text(strings.NewReplacer("{url}", w.Server.URL(), "{topic}", w.Topics.JSON, "{cluster}", localstack.Cluster, "{subnet}", localstack.Subnet).Replace(guide))
	<-ctx.Done()
	return w.Server.Close()
}

const guide = `errand is here: {url} serves ECS, CloudWatch Logs, SNS, EventBridge and Lambda.

In another terminal:

  export AWS_ENDPOINT_URL={url} AWS_REGION=eu-west-1 AWS_DEFAULT_REGION=eu-west-1 AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local

  # start a job, as a schedule does
  aws lambda invoke --function-name launcher \
    --payload fileb://events/launcher/nightly-report.json /dev/stdout
  # … and without waiting for the answer
  aws lambda invoke --function-name launcher --invocation-type Event \
    --payload fileb://events/launcher/failing-job.json /dev/stdout

  # … and by an event
  aws events put-events --entries file://events/put-events.json

  # look at its task and its log
  aws ecs list-tasks --cluster {cluster} --started-by errand/local/nightly-report --desired-status STOPPED
  aws logs filter-log-events --log-group-name /ecs/sample --log-stream-name-prefix ecs/app/

  # start a task of your own; its end is not reported, since it is not errand's
  aws ecs run-task --cluster {cluster} --task-definition sample --started-by me \
    --network-configuration 'awsvpcConfiguration={subnets=[{subnet}]}' \
    --overrides '{"containerOverrides":[{"name":"app","command":["sleep","60"]}]}'
  aws ecs stop-task --cluster {cluster} --task <task>

  # receive results: a URL of yours, and failures only
  aws sns subscribe --topic-arn {topic} --protocol http --notification-endpoint http://127.0.0.1:8080/ \
    --attributes '{"FilterPolicy":"{\"outcome\":[\"failure\"]}"}'

Ctrl-C ends it. What happens:

`
