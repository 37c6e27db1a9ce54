package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"errand/pkg/localaws"
	"errand/pkg/run"
)

// told is what a topic was told of an attempt.
type told struct {
	id      string
	attempt int
	status  run.Status
	task    string
	text    bool // at the topic for people
}

// runID finds the run in the form for people.
var runID = regexp.MustCompile(`soak-\d{5}`)

// results reads the topics.
func (w *world) results() []told { return read(w.Server.Published(), w.Topics.Text) }

func read(messages []localaws.Message, textTopic string) []told {
	var list []told
	for _, m := range messages {
		t := told{status: run.Status(m.Attributes["status"].Value), text: m.TopicARN == textTopic}
		if t.text {
			t.id, t.attempt = runID.FindString(m.Body), 1
		} else {
			var r struct {
				RunID   string `json:"runId"`
				Attempt int    `json:"attempt"`
				TaskARN string `json:"taskArn"`
			}
			_ = json.Unmarshal([]byte(m.Body), &r) // what cannot be read is of no run
			t.id, t.attempt, t.task = r.RunID, r.Attempt, r.TaskARN
		}
		list = append(list, t)
	}
	return list
}

// missing is how many runs are not told at both topics.
func missing(list []planned, results []told) int {
	have := map[string]int{}
	for _, t := range results {
		if t.text {
			have[t.id] |= 1
		} else {
			have[t.id] |= 2
		}
	}
	open := 0
	for _, p := range list {
		if have[p.id] != 3 {
			open++
		}
	}
	return open
}

// verdict is what the judge found.
type verdict struct {
	runs     int
	took     time.Duration
	problems []string
	statuses map[run.Status]int
	doubles  int // publications beyond the first of an attempt at a topic
	window   int // as many as the kills and the lost answers allow
	counts   map[string]int
	faults   map[string]int
	kills    int
	herd     string // how a herd fared
}

// judge compares what was planned with what was told.
func (w *world) judge(list []planned) verdict {
	w.mu.Lock()
	tasks, counts, faults := maps.Clone(w.tasks), maps.Clone(w.counts), maps.Clone(w.faults)
	kills, publishing := w.kills, w.publishing
	w.mu.Unlock()
	v := judge(list, w.results(), tasks)
	v.counts, v.faults, v.kills = counts, faults, kills
	// A holder that is killed between a publication and its note leaves two topics to
	// be told again, and so does an answer that is lost one.
	v.window = 2*kills + publishing
	if v.doubles > v.window {
		v.problems = append(v.problems, fmt.Sprintf("%d results came twice, and only %d can be explained", v.doubles, v.window))
	}
	return v
}

func judge(list []planned, results []told, tasks map[string]map[string]bool) verdict {
	v := verdict{runs: len(list), statuses: map[run.Status]int{}}
	problem := func(format string, args ...any) { v.problems = append(v.problems, fmt.Sprintf(format, args...)) }
	byRun := map[string][]told{}
	for _, t := range results {
		byRun[t.id] = append(byRun[t.id], t)
	}
	for _, p := range list {
		all := byRun[p.id]
		var json, text int
		said := map[run.Status]bool{}
		for _, t := range all {
			said[t.status] = true
			if t.text {
				text++
			} else {
				json++
			}
		}
		began := tasks[p.id+"/1"]
		switch {
		case json == 0 || text == 0:
			problem("run %s: %d results for programs, %d for people, %d tasks", p.id, json, text, len(began))
			continue
		case len(said) > 1:
			problem("run %s: was told as %v", p.id, slices.Sorted(maps.Keys(said)))
		case len(began) > 1:
			problem("run %s: has %d tasks", p.id, len(began))
		}
		status := all[0].status
		v.statuses[status]++
		v.doubles += json - 1 + text - 1
		if why := untrue(p, status, len(began)); why != "" {
			problem("run %s: was told as %s, %s", p.id, status, why)
		}
	}
	return v
}

// untrue says what is wrong with a status, by what is known of the run.
func untrue(p planned, status run.Status, tasks int) string {
	switch status {
	case run.Succeeded:
		if p.fate != well {
			return "and its command did not end well"
		}
	case run.Failed:
		if p.fate != badly {
			return "and its command did not fail"
		}
	case run.TimedOut:
		if p.fate != hanging {
			return "and its command did not hang"
		}
	case run.LaunchFailed:
		if tasks > 0 {
			return "and it has a task"
		}
	case run.Lost:
	default:
		return "which nobody expects here"
	}
	if tasks == 0 && status != run.LaunchFailed && status != run.Lost {
		return "and it has no task"
	}
	return ""
}

// String is the verdict for people.
func (v verdict) String() string {
	var b strings.Builder
	_, _ = fmt.Fprintf(&b, "%d runs in %s\n", v.runs, v.took.Round(time.Second))
	for _, status := range slices.Sorted(maps.Keys(v.statuses)) {
		_, _ = fmt.Fprintf(&b, "  %6d %s\n", v.statuses[status], status)
	}
	_, _ = fmt.Fprintf(&b, "  %6d results came twice, at most %d can be explained\n", v.doubles, v.window)
	_, _ = fmt.Fprintf(&b, "what went wrong: %d invocations killed", v.kills)
	for _, what := range slices.Sorted(maps.Keys(v.faults)) {
		_, _ = fmt.Fprintf(&b, ", %d %s", v.faults[what], what)
	}
	b.WriteString("\nwhat errand counted:")
	for _, name := range slices.Sorted(maps.Keys(v.counts)) {
		_, _ = fmt.Fprintf(&b, " %s %d", name, v.counts[name])
	}
	b.WriteString("\n")
	for _, p := range v.problems[:min(50, len(v.problems))] {
		b.WriteString("PROBLEM: " + p + "\n")
	}
	b.WriteString(v.herd)
	if len(v.problems) == 0 {
		b.WriteString("no problem: every run was told, none twice with different ends, and no attempt has two tasks\n")
	} else {
		_, _ = fmt.Fprintf(&b, "%d problems\n", len(v.problems))
	}
	return b.String()
}
