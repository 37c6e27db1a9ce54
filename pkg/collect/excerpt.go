package collect

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"errand/pkg/awserr"
	"errand/pkg/result"
	"errand/pkg/run"
	"errand/pkg/taskevent"
)

// Logs reads log streams; *cloudwatchlogs.Client is one.
type Logs interface {
	GetLogEvents(context.Context, *cloudwatchlogs.GetLogEventsInput, ...func(*cloudwatchlogs.Options)) (*cloudwatchlogs.GetLogEventsOutput, error)
}

// excerpt reads the end of the container's log until it is still. ran says
// whether the container was started; if not, there is nothing to wait for.
func (c *Collector) excerpt(ctx context.Context, event taskevent.Event, container taskevent.Container, d containerDefinition, lines int, ran bool) *result.Log {
	switch d.logDriver {
	case "awslogs":
	case "":
		return &result.Log{Status: result.LogUnsupported, Note: result.NoLogDriver}
	default:
		return &result.Log{Status: result.LogUnsupported, Note: d.logDriver}
	}
	log := &result.Log{Group: d.logOption["awslogs-group"], Region: cmp.Or(d.logOption["awslogs-region"], region(event))}
	// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/specify-log-config.html
	if prefix := d.logOption["awslogs-stream-prefix"]; prefix != "" {
		log.Stream = prefix + "/" + container.Name + "/" + event.Task.ID()
	} else {
		// On EC2 without a prefix, Docker names the stream by the container's id.
		log.Stream = container.RuntimeID
	}
	if log.Group == "" || log.Stream == "" {
		log.Status, log.Note = result.LogMissing, "neither awslogs-stream-prefix nor the container's runtime id tells the stream"
		if log.Group == "" {
			log.Note = "the log configuration has no awslogs-group"
		}
		return log
	}

	ctx, cancel := run.Timeout(ctx, c.cfg.LogTime)
	defer cancel()
	last, settled, err := untilStill(
		func() (page, error) { return c.read(ctx, log, lines) },
		// Of a container that never ran, and of a log that may not be read, nothing
		// is to come.
		func(err error) bool {
			return ran && (err == nil || logStatus(err) != result.LogDenied) && run.Pause(ctx, c.cfg.LogPause)
		},
	)
	if err != nil {
		log.Status, log.Note = logStatus(err), awserr.Plain(err).Error()
		return log
	}
	log.URL = consoleURL(*log)
	log.Settled = &settled
	log.Status = result.LogOK
	if len(last.events) == 0 {
		log.Status = result.LogEmpty
		return log
	}
	var truncated bool
	log.Lines, truncated = lastLines(last.events, lines)
	truncated = truncated || last.more
	log.Truncated = &truncated
	return log
}

// untilStill reads until two reads agree, which is settled, or again says that
// there is no further read, being told the error of the one before. A log without
// a line may be one whose lines are late, so it is never still. What was read stays
// when a later read fails.
func untilStill(read func() (page, error), again func(error) bool) (last page, settled bool, err error) {
	last, err = read()
	for (!settled || len(last.events) == 0) && again(err) {
		next, readErr := read()
		switch {
		case readErr == nil:
			settled = err == nil && slices.EqualFunc(last.events, next.events, sameEvent)
			last, err = next, nil
		case err == nil:
			settled = false
		case !errors.Is(readErr, context.DeadlineExceeded):
			err = readErr // and not that the time was over
		}
	}
	return last, settled, err
}

// page is the end of a stream.
type page struct {
	events []types.OutputLogEvent // oldest first
	more   bool                   // there is more before them
}

// maxPage is the size in bytes at which GetLogEvents ends a page, with some
// room: a page as large as this may lack older events for its size alone.
const maxPage = 1 << 20 * 9 / 10

// maxEmptyPages bounds the walk back over empty pages.
const maxEmptyPages = 20

// read gets the last events of the stream, one more than lines to know whether
// there are more. A page may be empty while there are events before it; the end
// is where the token stays the same
// (https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_GetLogEvents.html).
func (c *Collector) read(ctx context.Context, log *result.Log, lines int) (page, error) {
	in := &cloudwatchlogs.GetLogEventsInput{LogGroupName: &log.Group, LogStreamName: &log.Stream, Limit: aws.Int32(int32(lines + 1))}
	for range maxEmptyPages {
		out, err := c.logs.GetLogEvents(ctx, in, func(o *cloudwatchlogs.Options) { o.Region = log.Region })
		if err != nil {
			return page{}, err
		}
		if len(out.Events) > 0 {
			slices.SortStableFunc(out.Events, func(a, b types.OutputLogEvent) int {
				return cmp.Compare(aws.ToInt64(a.Timestamp), aws.ToInt64(b.Timestamp))
			})
			size := 0
			for _, e := range out.Events {
				size += len(aws.ToString(e.Message))
			}
			return page{out.Events, size >= maxPage}, nil
		}
		if out.NextBackwardToken == nil || aws.ToString(in.NextToken) == *out.NextBackwardToken {
			return page{}, nil
		}
		in.NextToken = out.NextBackwardToken
	}
	return page{}, fmt.Errorf("the last %d pages of the log stream are empty, and there are more before them", maxEmptyPages)
}

func sameEvent(a, b types.OutputLogEvent) bool {
	return aws.ToInt64(a.Timestamp) == aws.ToInt64(b.Timestamp) && aws.ToString(a.Message) == aws.ToString(b.Message)
}

// lastLines makes clean lines of events and keeps the last n.
func lastLines(events []types.OutputLogEvent, n int) (lines []string, truncated bool) {
	for _, e := range slices.Backward(events) {
		// An event has several lines where awslogs joins them by a pattern.
		for _, line := range slices.Backward(strings.Split(strings.TrimRight(aws.ToString(e.Message), "\r\n"), "\n")) {
			if len(lines) == n {
				slices.Reverse(lines)
				return lines, true
			}
			lines = append(lines, result.Clean(line))
		}
	}
	slices.Reverse(lines)
	return lines, false
}

// logStatus classes the error of a call by its code.
func logStatus(err error) result.LogStatus {
	switch {
	case awserr.Denied(err):
		return result.LogDenied
	case awserr.Code(err) == "ResourceNotFoundException":
		return result.LogMissing
	}
	return result.LogError
}

// consoleURL links to the stream in the AWS console, which wants its names
// encoded twice, with $ for %.
func consoleURL(log result.Log) string {
	domain := "aws.amazon.com"
	switch {
	case strings.HasPrefix(log.Region, "cn-"):
		domain = "amazonaws.cn"
	case strings.HasPrefix(log.Region, "us-gov-"):
		domain = "amazonaws-us-gov.com"
	}
	twice := func(name string) string {
		once := strings.ReplaceAll(url.QueryEscape(name), "+", "%20")
		return strings.ReplaceAll(url.QueryEscape(once), "%", "$")
	}
	return "https://" + log.Region + ".console." + domain + "/cloudwatch/home?region=" + log.Region +
		"#logsV2:log-groups/log-group/" + twice(log.Group) + "/log-events/" + twice(log.Stream)
}
