package operate

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"errand/pkg/ledger"
	"errand/pkg/run"
)

// RunList is the answer of errand runs.
type RunList struct {
	Job  string    `json:"job"`
	Runs []JobsRun `json:"runs"`
}

// JobsRun is a run of a job that was named already.
type JobsRun struct {
	RunID         string    `json:"runId"`
	ScheduledTime time.Time `json:"scheduledTime,omitzero"`
	Attempt
}

// Which says which runs of a job are wanted.
type Which struct {
	Most   int
	Failed bool // only those that ended, and not well
	Since  time.Time
}

// maxRuns is how many runs are looked through for those that failed.
const maxRuns = 1000

// Runs lists the last runs of a job, the newest first.
func (s *Stack) Runs(ctx context.Context, job string, w Which) (RunList, error) {
	if !run.ValidJob(job) {
		return RunList{}, WrongUse(fmt.Sprintf("%q is not the name of a job: it has 1 to 64 letters, digits, - or _", job))
	}
	most := w.Most
	if w.Failed {
		most = maxRuns
	}
	list, err := s.ledger.Runs(ctx, job, w.Since, most)
	if err != nil {
		return RunList{}, s.reading(err)
	}
	if len(list) == 0 && w.Since.IsZero() {
		return RunList{}, fmt.Errorf("stack %s knows no run of job %s: errand jobs lists its jobs", s.Stack, job)
	}
	kept := RunList{Job: job, Runs: []JobsRun{}}
	var shown []ledger.Attempt
	for _, a := range list {
		failed := a.Verdict != nil && a.Verdict.Status.Outcome() == "failure"
		if len(shown) < w.Most && (failed || !w.Failed) {
			shown = append(shown, a)
		}
	}
	tasks := s.tasks(ctx, shown)
	for _, a := range shown {
		kept.Runs = append(kept.Runs, JobsRun{RunID: a.RunID, ScheduledTime: a.ScheduledTime, Attempt: s.attempt(a, tasks)})
	}
	return kept, nil
}

// Text is the list for people.
func (l RunList) Text(s Style) string {
	if len(l.Runs) == 0 {
		return "No such run of job " + l.Job + ".\n"
	}
	t := table{style: s, head: []string{"BEGAN (UTC)", "TOOK", "STATUS", "EXIT", "RUN"}, free: 4}
	for _, r := range l.Runs {
		t.row(cell{text: minute(r.BeganAt)}, cell{text: brief(r.took)}, cell{r.Status, s.color(r.Status)}, cell{text: code(r.ExitCode)}, cell{text: r.RunID})
		if r.Reason != "" && r.Status != string(run.Succeeded) {
			t.note(r.Reason)
		}
	}
	return t.String()
}

func code(n *int) string {
	if n == nil {
		return ""
	}
	return strconv.Itoa(*n)
}

// ParseSince reads how far back somebody wants to see: a time span such as 24h or
// 7d, a date, or a time.
func ParseSince(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n > 0 && n <= 10_000 {
			return now.AddDate(0, 0, -n), nil
		}
	}
	if d, err := time.ParseDuration(text); err == nil && d > 0 {
		return now.Add(-d), nil
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339, "2006-01-02 15:04"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, WrongUse(fmt.Sprintf("--since: %q is none of 24h, 7d, 2026-11-20, 2026-11-20T02:00:00Z", text))
}
