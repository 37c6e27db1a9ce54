package operate

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"time"

	"errand/pkg/ledger"
)

// JobList is the answer of errand jobs.
type JobList struct {
	Jobs []Job `json:"jobs"`
}

// Job is how a job is.
type Job struct {
	Job string `json:"job"`
	// Status is that of the last run that has ended, Since when the job began to end
	// well, or not to.
	Status         string      `json:"status,omitempty"`
	Since          time.Time   `json:"since,omitzero"`
	FailuresInARow int         `json:"failuresInARow"`
	LastRun        *RunAt      `json:"lastRun,omitempty"`
	LastSuccess    *RunAt      `json:"lastSuccess,omitempty"`
	Going          []JobsGoing `json:"going"`
}

// RunAt is a run of a job, and when it was.
type RunAt struct {
	RunID string    `json:"runId"`
	At    time.Time `json:"at"`
}

// JobsGoing is a run that has not ended.
type JobsGoing struct {
	RunID string `json:"runId"`
	Attempt
}

// Jobs lists all jobs by name.
func (s *Stack) Jobs(ctx context.Context) (JobList, error) {
	known, err := s.ledger.Jobs(ctx)
	if err != nil {
		return JobList{}, s.reading(err)
	}
	going, err := s.ledger.Going(ctx)
	if err != nil {
		return JobList{}, s.reading(err)
	}
	jobs := map[string]*Job{}
	for _, k := range known {
		j := &Job{Job: k.Name, Status: string(k.Status), Since: k.Since, FailuresInARow: k.InRow, Going: []JobsGoing{}}
		if k.LastRun != "" {
			j.LastRun = &RunAt{k.LastRun, k.LastAt}
		}
		if k.LastSuccess != "" {
			j.LastSuccess = &RunAt{k.LastSuccess, k.SucceededAt}
		}
		jobs[k.Name] = j
	}
	going = slices.DeleteFunc(going, func(a ledger.Attempt) bool { return a.Other != "" })
	slices.SortStableFunc(going, func(a, b ledger.Attempt) int { return a.FirstClaim.Compare(b.FirstClaim) })
	tasks := s.tasks(ctx, going)
	for _, a := range going {
		j := jobs[a.Job]
		if j == nil {
			j = &Job{Job: a.Job}
			jobs[a.Job] = j
		}
		j.Going = append(j.Going, JobsGoing{a.RunID, s.attempt(a, tasks)})
	}
	list := JobList{Jobs: []Job{}}
	for _, j := range jobs {
		list.Jobs = append(list.Jobs, *j)
	}
	slices.SortFunc(list.Jobs, func(a, b Job) int { return cmp.Compare(a.Job, b.Job) })
	return list, nil
}

// Text is the list for people.
func (l JobList) Text(s Style) string {
	if len(l.Jobs) == 0 {
		return "No job has had a run yet.\n"
	}
	t := table{style: s, head: []string{"JOB", "STATUS", "LAST RUN (UTC)", "SINCE (UTC)", "GOING"}}
	for _, j := range l.Jobs {
		status, last, going := j.Status, "", ""
		if j.FailuresInARow > 1 {
			status += " ×" + strconv.Itoa(j.FailuresInARow)
		}
		if j.LastRun != nil {
			last = minute(j.LastRun.At)
		}
		if n := len(j.Going); n > 0 {
			going = strconv.Itoa(n)
		}
		t.row(cell{text: j.Job}, cell{status, s.color(j.Status)}, cell{text: last}, cell{text: minute(j.Since)}, cell{text: going})
	}
	return t.String()
}
