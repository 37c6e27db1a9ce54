package logs_test

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/google/go-cmp/cmp"

	"errand/pkg/localaws/localtest"
)

func TestTimesAreAWSs(t *testing.T) {
	t.Parallel()
	clock := localtest.NewClock(time.UnixMilli(1000))
	e := &endpoint{localtest.StartBy(t, clock)}
	group, stream := aws.String("g"), aws.String("s")
	if _, err := e.Logs.CreateLogGroup(t.Context(), &cloudwatchlogs.CreateLogGroupInput{LogGroupName: group}); err != nil {
		t.Fatal(err)
	}
	clock.Advance(time.Second)
	if _, err := e.Logs.CreateLogStream(t.Context(), &cloudwatchlogs.CreateLogStreamInput{LogGroupName: group, LogStreamName: stream}); err != nil {
		t.Fatal(err)
	}
	clock.Advance(time.Second)
	if _, err := e.Logs.PutLogEvents(t.Context(), &cloudwatchlogs.PutLogEventsInput{
		LogGroupName: group, LogStreamName: stream,
		LogEvents: []types.InputLogEvent{{Timestamp: aws.Int64(7), Message: aws.String("m")}},
	}); err != nil {
		t.Fatal(err)
	}
	groups, err := e.Logs.DescribeLogGroups(t.Context(), &cloudwatchlogs.DescribeLogGroupsInput{})
	if err != nil {
		t.Fatal(err)
	}
	streams, err := e.Logs.DescribeLogStreams(t.Context(), &cloudwatchlogs.DescribeLogStreamsInput{LogGroupName: group})
	if err != nil {
		t.Fatal(err)
	}
	got := []int64{*groups.LogGroups[0].CreationTime, *streams.LogStreams[0].CreationTime, *streams.LogStreams[0].LastIngestionTime}
	if diff := cmp.Diff([]int64{1000, 2000, 3000}, got); diff != "" {
		t.Errorf("the times of the group, the stream and the line (-want +got):\n%s", diff)
	}
}

func TestLag(t *testing.T) {
	t.Parallel()
	clock := localtest.NewClock(time.UnixMilli(1000))
	e := &endpoint{localtest.StartBy(t, clock)}
	e.fill(t, "g", "s", "early")
	clock.Advance(2 * time.Second)
	e.LagLogs(3 * time.Second)
	put(t, e, "late")
	var got [][]string
	for range 3 {
		out, err := e.Logs.GetLogEvents(t.Context(), &cloudwatchlogs.GetLogEventsInput{LogGroupName: aws.String("g"), LogStreamName: aws.String("s")})
		if err != nil {
			t.Fatal(err)
		}
		lines := []string{}
		for _, event := range out.Events {
			lines = append(lines, *event.Message)
		}
		got = append(got, lines)
		clock.Advance(1500 * time.Millisecond)
	}
	if diff := cmp.Diff([][]string{{}, {"early"}, {"early", "late"}}, got); diff != "" {
		t.Errorf("the lines (-want +got):\n%s", diff)
	}
}

func put(t *testing.T, e *endpoint, line string) {
	t.Helper()
	if _, err := e.Logs.PutLogEvents(t.Context(), &cloudwatchlogs.PutLogEventsInput{
		LogGroupName: aws.String("g"), LogStreamName: aws.String("s"),
		LogEvents: []types.InputLogEvent{{Timestamp: aws.Int64(7), Message: &line}},
	}); err != nil {
		t.Fatal(err)
	}
}
