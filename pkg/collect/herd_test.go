package collect_test

import (
	"context"
	"io"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	logstypes "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/smithy-go"

	"errand/pkg/collect"
	"errand/pkg/ledger"
	"errand/pkg/localaws/host"
	"errand/pkg/metric"
	"errand/pkg/report"
	"errand/pkg/result"
)

// crowded is an AWS whose calls take some time and have AWS's quotas, and whose logs
// have so many lines. No time really passes.
type crowded struct {
	still
	host  *host.Host
	lines int
}

func (c crowded) call(ctx context.Context, operation string) error {
	time.Sleep(time.Duration(20+rand.IntN(40)) * time.Millisecond)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if c.host.Call(ctx, operation, func() error { return nil }) != nil {
		return &smithy.GenericAPIError{Code: "ThrottlingException", Message: "Rate exceeded"}
	}
	return nil
}

func (c crowded) DescribeTaskDefinition(ctx context.Context, in *ecs.DescribeTaskDefinitionInput, _ ...func(*ecs.Options)) (*ecs.DescribeTaskDefinitionOutput, error) {
	if err := c.call(ctx, "DescribeTaskDefinition"); err != nil {
		return nil, err
	}
	return c.still.DescribeTaskDefinition(ctx, in)
}

func (c crowded) GetLogEvents(ctx context.Context, in *cloudwatchlogs.GetLogEventsInput, _ ...func(*cloudwatchlogs.Options)) (*cloudwatchlogs.GetLogEventsOutput, error) {
	if err := c.call(ctx, "GetLogEvents"); err != nil {
		return nil, err
	}
	out := &cloudwatchlogs.GetLogEventsOutput{NextBackwardToken: aws.String("b/1")}
	for range c.lines {
		if in.NextToken == nil {
			out.Events = append(out.Events, logstypes.OutputLogEvent{Timestamp: aws.Int64(1), Message: aws.String("line")})
		}
	}
	return out, nil
}

// Many runs that end together share AWS's quotas: none loses its excerpt. The
// quotas are those of docs/operations.md; every run is on a function of its own that
// knows no definition yet, and has the time that the template gives it.
func TestManyRunsEnd(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name      string
		runs      int
		perSecond float64 // 0: all at once
		quota     int     // of GetLogEvents, a second
		lines     int
		ago       time.Duration // from the end to the event
	}{
		{"200 on Fargate, long logs", 200, 0, 10, 60, 23 * time.Second},
		{"200 on Fargate, short logs", 200, 0, 10, 1, 23 * time.Second},
		{"200 on instances, long logs", 200, 0, 10, 60, 0},
		{"200 on instances, short logs", 200, 0, 10, 1, 0},
		{"200 on instances in a large Region", 200, 0, 25, 1, 0},
		{"15 a second in a large Region", 900, 15, 25, 1, 23 * time.Second},
	} {
		t.Run(tc.name, func(t *testing.T) {
			raw := event(t, "failed")
			synctest.Test(t, func(t *testing.T) {
				on := crowded{still{definition: described()}, host.New("eu-west-1", "123456789012", "", nil, nil), tc.lines}
				on.host.Limit(50, 20, "DescribeTaskDefinition")
				on.host.Limit(tc.quota, float64(tc.quota), "GetLogEvents")
				began := time.Now()
				var (
					mu          sync.Mutex
					lost        int
					total, most time.Duration
					all         sync.WaitGroup
				)
				for i := range tc.runs {
					all.Go(func() {
						if tc.perSecond > 0 {
							time.Sleep(time.Duration(float64(i) / tc.perSecond * float64(time.Second)))
						}
						at := time.Now()
						ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
						defer cancel()
						book := ledger.New(on, ledger.Config{Table: "ledger"})
						reporter := report.New(book, publisher(func(r result.Result) error {
							mu.Lock()
							defer mu.Unlock()
							if r.Log.Status != result.LogOK || !*r.Log.Settled || len(r.Log.Lines) == 0 {
								lost++
							}
							total += time.Since(at)
							most = max(most, time.Since(at))
							return nil
						}), metric.New(io.Discard, "errand/jobs/", time.Now), slog.New(slog.DiscardHandler))
						c := collect.New(on, on, book, reporter, collect.Config{StartedByPrefix: "errand/jobs/", LogLines: 50}, slog.New(slog.DiscardHandler))
						if err := c.Handle(ctx, endingAt(t, raw, at.Add(-tc.ago))); err != nil {
							t.Error(err)
						}
					})
				}
				all.Wait()
				t.Logf("in %s, calls a run: %.1f DescribeTaskDefinition, %.1f GetLogEvents; from stop to message %s, at most %s", time.Since(began).Round(time.Second),
					float64(on.host.Calls("DescribeTaskDefinition"))/float64(tc.runs), float64(on.host.Calls("GetLogEvents"))/float64(tc.runs),
					(total / time.Duration(tc.runs)).Round(10*time.Millisecond), most.Round(10*time.Millisecond))
				if lost > 0 {
					t.Errorf("%d of %d lost their excerpt", lost, tc.runs)
				}
			})
		})
	}
}
