package watch

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"errand/pkg/awsjson"
	"errand/pkg/run"
)

// event is an event of EventBridge's as far as errand reads one.
type event struct {
	Version    string          `json:"version"`
	DetailType string          `json:"detail-type"`
	Source     string          `json:"source"`
	Account    string          `json:"account"`
	Time       string          `json:"time"`
	Region     string          `json:"region"`
	Resources  []string        `json:"resources"`
	Detail     json.RawMessage `json:"detail"`
}

// stopEvent is the ECS Task State Change event of a task that has stopped, for the
// one that did not arrive. DescribeTasks and the event show a task alike.
func stopEvent(task *types.Task, now time.Time) ([]byte, error) {
	arn := aws.ToString(task.TaskArn)
	detail := *task
	detail.Tags = nil // which the event does not have
	raw, err := awsjson.EncodeEvent(detail)
	if err != nil {
		return nil, fmt.Errorf("encode task %s: %w", arn, err)
	}
	e := event{
		Version: "0", DetailType: "ECS Task State Change", Source: "aws.ecs",
		Time: now.UTC().Format(time.RFC3339), Resources: []string{arn}, Detail: raw,
	}
	if a, ok := run.ParseARN(arn); ok {
		e.Account, e.Region = a.Account, a.Region
	}
	return json.Marshal(e)
}
