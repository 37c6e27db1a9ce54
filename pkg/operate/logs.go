package operate

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"

	"errand/pkg/ledger"
	"errand/pkg/result"
	"errand/pkg/run"
)

// RunLog is the answer of errand logs.
type RunLog struct {
	Job     string   `json:"job"`
	RunID   string   `json:"runId"`
	Attempt int      `json:"attempt"`
	Group   string   `json:"group"`
	Stream  string   `json:"stream"`
	Region  string   `json:"region"`
	URL     string   `json:"url"`
	Lines   []string `json:"lines"`
}

// Text is the log as it was written.
func (l RunLog) Text(Style) string {
	if len(l.Lines) == 0 {
		return ""
	}
	return strings.Join(l.Lines, "\n") + "\n"
}

// Logs reads the whole log of a run's last attempt that has one. With follow it goes
// on until the run has ended and its log is still. Each line is given to line, if
// that is not nil, and otherwise kept in the answer.
func (s *Stack) Logs(ctx context.Context, runText string, follow bool, line func(string)) (RunLog, error) {
	f, err := s.find(ctx, runText)
	if err != nil {
		return RunLog{}, err
	}
	l := RunLog{Job: f.job, RunID: f.runID, Lines: []string{}}
	if line == nil {
		line = func(text string) { l.Lines = append(l.Lines, text) }
	}
	if follow && !f.ended() {
		if f, err = s.untilLaunched(ctx, f); err != nil {
			return l, err
		}
	}
	a := f.last()
	for i := len(f.attempts) - 1; i >= 0; i-- {
		if f.attempts[i].Task != "" {
			a = f.attempts[i]
			break
		}
	}
	log, _, err := s.logOf(ctx, a)
	if _, none := errors.AsType[noLog](err); none {
		return l, fmt.Errorf("run %s has no log that can be read: %w", place(f.job, f.runID), err)
	}
	if err != nil {
		return l, err
	}
	l.Attempt, l.Group, l.Stream, l.Region, l.URL = a.Attempt, log.Group, log.Stream, log.Region, log.URL
	return l, s.stream(ctx, log, a, follow && !f.ended(), line)
}

// untilLaunched waits until the run has a task, or has ended without one.
func (s *Stack) untilLaunched(ctx context.Context, f found) (found, error) {
	for f.last().Task == "" && f.last().Method != run.MethodExec && !f.ended() {
		if !run.Pause(ctx, s.Pace) {
			return f, context.Cause(ctx)
		}
		next, err := s.attempts(ctx, f.job, f.runID)
		if err != nil {
			return f, err
		}
		f = next
	}
	return f, nil
}

// stream reads a log from its beginning. The end of what is there is where the token
// stays the same
// (https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_GetLogEvents.html).
func (s *Stack) stream(ctx context.Context, log result.Log, a ledger.Attempt, follow bool, line func(string)) error {
	in := &cloudwatchlogs.GetLogEventsInput{LogGroupName: &log.Group, LogStreamName: &log.Stream, StartFromHead: aws.Bool(true)}
	still := 0 // looks since the end of the run that found nothing new
	for {
		out, err := s.page(ctx, log, in)
		switch {
		case err != nil && (!follow || !missing(err)):
			return err
		case err == nil:
			for _, text := range linesOf(out.Events) {
				line(text)
			}
			if len(out.Events) > 0 {
				still = 0
			}
			atEnd := out.NextForwardToken == nil || aws.ToString(in.NextToken) == *out.NextForwardToken
			in.NextToken = out.NextForwardToken
			if !atEnd {
				continue
			}
		}
		if !follow {
			return nil
		}
		f, err := s.attempts(ctx, a.Job, a.RunID)
		if err != nil {
			return err
		}
		if f.ended() {
			still++
		}
		if still == enough {
			return nil
		}
		if !run.Pause(ctx, s.Pace) {
			return context.Cause(ctx)
		}
	}
}

// enough looks that find nothing say that a log is still: the last lines of a task
// may come after its end.
const enough = 2
