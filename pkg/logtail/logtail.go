// Package logtail reads the end of a log stream of CloudWatch Logs.
package logtail

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"errand/pkg/result"
)

// Get gets one page; found says whether a page before it had lines.
type Get func(in *cloudwatchlogs.GetLogEventsInput, found bool) (*cloudwatchlogs.GetLogEventsOutput, error)

// Tail is the end of a stream.
type Tail struct {
	Lines     []string // oldest first, clean
	Empty     bool     // there is no event
	Truncated bool     // there is more before the lines
	Note      string   // why Truncated is not sure, for people

	newest int64 // when the last event was
	size   int
}

// Same says whether nothing was added between two reads.
func (t Tail) Same(other Tail) bool {
	return t.Empty == other.Empty && t.newest == other.newest && slices.Equal(t.Lines, other.Lines)
}

// maxSize is how much is read, in bytes: more than a message to SNS has room for,
// and what GetLogEvents gives at most in a page, with some room: a page as large as
// this may lack older events for its size alone.
const maxSize = 1 << 20 * 9 / 10

// maxPages bounds the walk back.
const maxPages = 20

// Read reads the last lines of a stream, of what was written from a time on, which
// may be zero. A page may have a part of what was asked for, or nothing, while there
// is more before it; the beginning of the stream is where the token that was sent
// comes back, and to give the time makes for fewer empty pages
// (https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_GetLogEvents.html).
// What was read stays when a page before it cannot be had.
func Read(get Get, group, stream string, from time.Time, lines int) (Tail, error) {
	in := &cloudwatchlogs.GetLogEventsInput{LogGroupName: &group, LogStreamName: &stream, Limit: aws.Int32(int32(lines + 1))}
	if !from.IsZero() {
		in.StartTime = aws.Int64(from.UnixMilli())
	}
	t := Tail{Empty: true}
	for range maxPages {
		out, err := get(in, !t.Empty)
		if err != nil && t.Empty {
			return t, err
		}
		if err != nil {
			return t.unsure("what stands before these lines could not be read: " + err.Error()), nil //nolint:nilerr // it is told in the note
		}
		if t.add(out.Events, lines) {
			return t.done(), nil
		}
		if out.NextBackwardToken == nil || aws.ToString(in.NextToken) == *out.NextBackwardToken {
			return t.done(), nil
		}
		in.NextToken = out.NextBackwardToken
	}
	if t.Empty {
		return t, fmt.Errorf("the last %d pages of the log stream are empty, and there are more before them", maxPages)
	}
	return t.unsure(fmt.Sprintf("only the last %d pages of the log stream were read, and there are more before them", maxPages)), nil
}

// add puts the lines of events before those that are there, and says whether that
// is all that is wanted. The lines are the last one first until done.
func (t *Tail) add(events []types.OutputLogEvent, lines int) (enough bool) {
	slices.SortStableFunc(events, func(a, b types.OutputLogEvent) int {
		return cmp.Compare(aws.ToInt64(a.Timestamp), aws.ToInt64(b.Timestamp))
	})
	for _, e := range slices.Backward(events) {
		if t.Empty {
			t.newest, t.Empty = aws.ToInt64(e.Timestamp), false
		}
		t.size += len(aws.ToString(e.Message))
		for _, line := range slices.Backward(result.Lines(aws.ToString(e.Message))) {
			if len(t.Lines) == lines {
				t.Truncated = true
				return true
			}
			t.Lines = append(t.Lines, line)
		}
	}
	// Of so much, the beginning does not get into a message.
	t.Truncated = t.size >= maxSize
	return t.Truncated
}

func (t Tail) done() Tail {
	slices.Reverse(t.Lines)
	return t
}

// unsure is a tail before which there may be more.
func (t Tail) unsure(note string) Tail {
	t.Truncated, t.Note = true, note
	return t.done()
}
