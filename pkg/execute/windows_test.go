package execute

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"errand/pkg/run"
)

// A task of Windows has no /bin/sh, and is not asked to run anything.
func TestWindows(t *testing.T) {
	t.Parallel()
	_, err := reachable(types.Task{
		TaskArn: aws.String("arn:aws:ecs:eu-west-1:123456789012:task/jobs/abc"), PlatformFamily: aws.String("WINDOWS_SERVER_2022_CORE"),
		LastStatus: aws.String("RUNNING"), EnableExecuteCommand: true, Containers: []types.Container{{Name: aws.String("app"), LastStatus: aws.String("RUNNING")}},
	}, "app")
	if err == nil || status(err) != run.StartFailed || !strings.Contains(err.Error(), "task abc is one of Windows (platform family WINDOWS_SERVER_2022_CORE)") {
		t.Errorf("got %v", err)
	}
}
