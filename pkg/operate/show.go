package operate

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"errand/pkg/ledger"
	"errand/pkg/result"
	"errand/pkg/run"
)

// Run is the answer of errand show, and of errand start --wait.
type Run struct {
	Job    string `json:"job"`
	RunID  string `json:"runId"`
	Status string `json:"status"`
	// Outcome is success, failure or skipped of a run that has ended.
	Outcome       string    `json:"outcome,omitempty"`
	Reason        string    `json:"reason,omitempty"`
	Method        string    `json:"method"`
	Command       []string  `json:"command,omitempty"`
	Cluster       string    `json:"cluster,omitempty"`
	Definition    string    `json:"taskDefinition,omitempty"`
	Container     string    `json:"container,omitempty"`
	Schedule      string    `json:"schedule,omitempty"`
	ScheduledTime time.Time `json:"scheduledTime,omitzero"`
	// By is the person who sent it, if a person did.
	By       string    `json:"by,omitempty"`
	Attempts []Attempt `json:"attempts"`
	// Refused are other payloads that came under the run's identity.
	Refused []Attempt   `json:"refused,omitempty"`
	Log     *result.Log `json:"log,omitempty"`
}

// logLines is how much of its log a run shows.
const logLines = 50

// Show tells everything of a run.
func (s *Stack) Show(ctx context.Context, runText string) (Run, error) {
	f, err := s.find(ctx, runText)
	if err != nil {
		return Run{}, err
	}
	return s.show(ctx, f), nil
}

func (s *Stack) show(ctx context.Context, f found) Run {
	first, last := f.attempts[0], f.last()
	tasks := s.tasks(ctx, f.attempts)
	r := Run{
		Job: f.job, RunID: f.runID, Method: cmp.Or(first.Method, run.MethodRunTask), Cluster: last.Cluster,
		Schedule: first.Schedule, ScheduledTime: first.ScheduledTime, By: first.Person,
		Attempts: each(f.attempts, func(a ledger.Attempt) Attempt { return s.attempt(a, tasks) }),
		Refused:  each(f.others, func(a ledger.Attempt) Attempt { return s.attempt(a, tasks) }),
	}
	end := r.Attempts[len(r.Attempts)-1]
	r.Status, r.Reason = end.Status, end.Reason
	if last.Verdict != nil {
		r.Outcome = last.Verdict.Status.Outcome()
	}
	if last.Task != "" || last.Method == run.MethodExec {
		var w work
		r.Log, w = s.logEnd(ctx, last, logLines)
		r.Command, r.Definition, r.Container = w.command, w.definition, w.container
	}
	return r
}

// ExitCode is what errand start --wait exits with: the command's own exit code, else
// 0 for a run that ended well and 1 for every other.
func (r Run) ExitCode() int {
	switch code := r.Attempts[len(r.Attempts)-1].ExitCode; {
	case r.Outcome == "success":
		return 0
	case r.Status == string(run.Failed) && code != nil && *code > 0 && *code < 256:
		return *code
	}
	return 1
}

// Text is the run for people.
func (r Run) Text(s Style) string {
	out := rows{style: s}
	out.add(s.paint(s.color(r.Status), r.Status) + "  " + place(r.Job, r.RunID) + "\n")
	if r.Reason != "" {
		out.add(wrap(r.Reason, "", s.Width))
	}
	out.add("\n")
	if len(r.Command) > 0 {
		out.row("Command", result.ShellJoin(r.Command))
	}
	if r.Method == run.MethodExec {
		out.row("Method", "exec, in a live task")
	}
	out.row("Schedule", r.Schedule)
	if !r.ScheduledTime.IsZero() {
		out.row("Due", second(r.ScheduledTime))
	}
	out.row("Sent by", r.By)
	if len(r.Attempts) == 1 {
		r.Attempts[0].text(&out)
	}
	if r.Cluster != "" {
		out.row("Cluster", run.LastPart(r.Cluster))
	}
	out.row("Definition", run.LastPart(r.Definition))
	out.row("Container", r.Container)
	for _, list := range []struct {
		what     string
		attempts []Attempt
	}{{"Attempt", r.Attempts}, {"Refused", r.Refused}} {
		if list.what == "Attempt" && len(list.attempts) == 1 {
			continue
		}
		for _, a := range list.attempts {
			heading := fmt.Sprintf("\n%s %d: %s\n", list.what, a.Attempt, a.Status)
			if list.what == "Refused" {
				heading = "\nAnother payload came under this identity: " + a.Status + "\n"
			}
			out.add(heading)
			out.row("Reason", a.Reason)
			a.text(&out)
		}
	}
	r.logText(&out)
	return out.String()
}

func (a Attempt) text(out *rows) {
	for _, at := range []struct {
		name string
		time time.Time
	}{{"Began", a.BeganAt}, {"Started", a.StartedAt}, {"Ended", a.EndedAt}, {"Next try", a.NextTryAt}} {
		if !at.time.IsZero() {
			out.row(at.name, second(at.time))
		}
	}
	if a.EndedAt.IsZero() {
		out.row("Runs for", brief(a.took))
	} else {
		out.row("Ran for", brief(a.took))
	}
	out.row("Exit code", code(a.ExitCode))
	if a.StopFor != "" {
		out.row("Stopped", strings.Join(strings.Fields(stopWords[a.StopFor]+" "+a.StopBy), " "))
	}
	out.row("Task", cmp.Or(a.TaskURL, a.TaskARN))
}

// stopWords say why errand stops a task.
var stopWords = map[string]string{
	ledger.StopForTimeout: "its timeout was over", ledger.StopForStart: "it did not start in time", ledger.StopForPerson: "by",
}

func (r Run) logText(out *rows) {
	if r.Log == nil {
		return
	}
	out.row("Log", r.Log.URL)
	switch {
	case r.Log.Status == result.LogEmpty:
		out.add("\nThe log is empty.\n")
	case r.Log.Status != result.LogOK:
		out.add("\n" + wrap("There is no log to show: "+strings.TrimSuffix(r.Log.Note, ".")+".", "", out.style.Width))
	default:
		heading := fmt.Sprintf("the log, %d lines", len(r.Log.Lines))
		if r.Log.Truncated != nil && *r.Log.Truncated {
			heading = fmt.Sprintf("last %d lines of the log", len(r.Log.Lines))
		} else if len(r.Log.Lines) == 1 {
			heading = "the log, 1 line"
		}
		out.add("\n" + out.style.paint(dim, "----- "+heading+" -----") + "\n")
		for _, line := range r.Log.Lines {
			out.add(line + "\n")
		}
	}
}
