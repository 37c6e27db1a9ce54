package operate

import (
	"cmp"
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"

	"errand/pkg/ledger"
	"errand/pkg/run"
)

// Stopped is the answer of errand stop.
type Stopped struct {
	Job     string `json:"job"`
	RunID   string `json:"runId"`
	Attempt int    `json:"attempt"`
	// Status is how the run is now: STOPPING or ENDING.
	Status  string `json:"status"`
	By      string `json:"by"`
	Reason  string `json:"reason,omitempty"`
	TaskARN string `json:"taskArn,omitempty"`
}

// Text is the answer for people.
func (st Stopped) Text(s Style) string {
	what := "Its task is being stopped. Its end is told when the task has ended."
	if st.TaskARN == "" {
		what = "It had no task and gets none. Its end is told within a minute or two."
	}
	return st.Status + "  " + place(st.Job, st.RunID) + "\n" + wrap(what, "", s.Width)
}

// maxStopReason is the longest reason that StopTask takes.
const maxStopReason = 1024

// Stop ends a run: its task, or its wait for one.
func (s *Stack) Stop(ctx context.Context, runText, reason string) (Stopped, error) {
	f, err := s.find(ctx, runText)
	if err != nil {
		return Stopped{}, err
	}
	why := ""
	if reason != "" {
		why = ": " + reason
	}
	a := f.last()
	for range 2 {
		if err := s.cannotStop(a); err != nil {
			return Stopped{}, err
		}
		after, refusal, err := s.ledger.StopByPerson(ctx, a, s.By, why)
		if err != nil {
			return Stopped{}, s.explain("", err, operator)
		}
		if refusal == "" {
			return s.stopped(ctx, after, reason, why)
		}
		if after.State == a.State && after.Verdict == nil && after.Reported.IsZero() {
			break
		}
		a = after // it went on meanwhile
	}
	return Stopped{}, fmt.Errorf("run %s is changing at this moment: try again in a minute", place(f.job, f.runID))
}

// cannotStop says why an attempt cannot be ended now.
func (s *Stack) cannotStop(a ledger.Attempt) error {
	name := place(a.Job, a.RunID)
	switch {
	case a.Verdict != nil:
		return fmt.Errorf("run %s has ended already, at %s: %s", name, second(a.Verdict.Ended), a.Verdict.Status)
	case !a.Reported.IsZero():
		return fmt.Errorf("run %s has ended already, at %s", name, second(a.Reported))
	case a.Method == run.MethodExec:
		return fmt.Errorf("run %s is a command in a live task, which only its own timeout ends, at %s at the latest", name, second(a.LaunchUntil))
	case a.State == ledger.Abandoned:
		return fmt.Errorf("run %s is given up already, and its end is being told", name)
	case a.State == ledger.Claimed:
		return fmt.Errorf("run %s is being started at this moment, so that it has no task yet: try again in a minute", name)
	}
	return nil
}

// stopped stops the attempt's task, if it has one.
func (s *Stack) stopped(ctx context.Context, a ledger.Attempt, reason, why string) (Stopped, error) {
	st := Stopped{Job: a.Job, RunID: a.RunID, Attempt: a.Attempt, Status: Ending, By: s.By, Reason: reason, TaskARN: a.Task}
	if a.Task == "" {
		return st, nil
	}
	st.Status = Stopping
	text := []rune("stopped by " + s.By + why)
	_, err := s.ecs.StopTask(ctx, &ecs.StopTaskInput{
		Cluster: aws.String(cmp.Or(a.Cluster, run.ClusterOf(a.Task))), Task: &a.Task, Reason: aws.String(string(text[:min(len(text), maxStopReason)])),
	})
	return st, s.explain("stop task "+run.LastPart(a.Task)+" of run "+place(a.Job, a.RunID), err, operator)
}
