package collect_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/google/go-cmp/cmp"

	"errand/pkg/collect"
	"errand/pkg/result"
)

// asked notes what GetLogEvents is asked for.
type asked struct {
	collect.Logs
	from []*int64
}

func (a *asked) GetLogEvents(ctx context.Context, in *cloudwatchlogs.GetLogEventsInput, o ...func(*cloudwatchlogs.Options)) (*cloudwatchlogs.GetLogEventsOutput, error) {
	a.from = append(a.from, in.StartTime)
	return a.Logs.GetLogEvents(ctx, in, o...)
}

// A log is read from a minute before its task was made: not the lines of a run before,
// which has the same stream on EC2 without a prefix, and those of an instance whose clock
// is behind.
func TestReadsFromTheTasksBeginning(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.write(t, "FATAL")
	logs := &asked{Logs: s.logs}
	c := collect.New(s.ecs, logs, s.book, s.telling(func(result.Result) error { return nil }), s.cfg, slog.New(slog.DiscardHandler))
	if err := c.Handle(t.Context(), event(t, "failed")); err != nil {
		t.Fatal(err)
	}
	from := aws.Int64(time.Date(2026, 11, 20, 1, 59, 9, 102e6, time.UTC).UnixMilli())
	if diff := cmp.Diff([]*int64{from, from}, logs.from); diff != "" {
		t.Errorf("asked from (-want +got):\n%s", diff)
	}
}

// To wait for a log must leave the time to read it: where it would not, what is there
// is read at once.
func TestWaitingLeavesTimeToRead(t *testing.T) {
	t.Parallel()
	s := start(t, func(_ *ecstypes.ContainerDefinition, c *collect.Config) { c.LogWait = 3 * time.Second })
	s.write(t, "FATAL")
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Second) // half of it is the publication's
	defer cancel()
	if err := s.collector.Handle(ctx, ending(t, &s.now, &s.now)); err != nil {
		t.Fatal(err)
	}
	var got published
	if err := json.Unmarshal([]byte(s.Published()[0].Body), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"FATAL"}, got.Log.Lines); diff != "" || *got.Log.Settled {
		t.Errorf("settled is %v, lines (-want +got):\n%s", *got.Log.Settled, diff)
	}
}

// silent is an ECS that does not say which containers are essential.
type silent struct{ collect.ECS }

func (s silent) DescribeTaskDefinition(ctx context.Context, in *ecs.DescribeTaskDefinitionInput, o ...func(*ecs.Options)) (*ecs.DescribeTaskDefinitionOutput, error) {
	out, err := s.ECS.DescribeTaskDefinition(ctx, in, o...)
	if err == nil {
		for i := range out.TaskDefinition.ContainerDefinitions {
			out.TaskDefinition.ContainerDefinitions[i].Essential = nil
		}
	}
	return out, err
}

// A container of which the definition does not say so is essential
// (https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ContainerDefinition.html).
func TestEssentialByDefault(t *testing.T) {
	t.Parallel()
	s := start(t)
	var told []result.Container
	c := collect.New(silent{s.ecs}, s.logs, s.book, s.telling(func(r result.Result) error { told = r.Containers; return nil }), s.cfg, slog.New(slog.DiscardHandler))
	if err := c.Handle(t.Context(), event(t, "failed")); err != nil {
		t.Fatal(err)
	}
	want := []result.Container{{Name: "app", ExitCode: aws.Int(3), Essential: aws.Bool(true)}, {Name: "metrics-sidecar", ExitCode: aws.Int(143), Essential: aws.Bool(true)}}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Errorf("containers (-want +got):\n%s", diff)
	}
}
