package main

import (
	"fmt"
	"io"
	"os"
	"path"
	"strings"
	"sync"

	"errand/pkg/collect"
	"errand/pkg/localaws"
)

// screen prints what happens, as it happens.
type screen struct {
	mu  sync.Mutex
	out io.Writer
	// color says whether out is a terminal that wants colours
	// (https://no-color.org).
	color bool
	// functions prints what the functions write, too.
	functions bool
	// kept are the functions' last lines, for when something goes wrong.
	kept []string
	// holding keeps what tasks do in held, until releaseTasks.
	holding bool
	held    []localaws.Occurrence
	// running are the tasks that are said to run. The log lines of others wait
	// in early: a task's state and its output come from two places of the
	// endpoint at once.
	running map[string]bool
	early   map[string][]string
}

func newScreen(out io.Writer) *screen {
	s := &screen{out: out, running: map[string]bool{}, early: map[string][]string{}}
	s.color = terminal(out) && os.Getenv("NO_COLOR") == ""
	return s
}

// terminal says whether somebody may be looking.
func terminal(out io.Writer) bool {
	file, ok := out.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

const (
	dim   = "2"
	bold  = "1"
	green = "1;32"
	red   = "1;31"
)

func (s *screen) paint(color, text string) string {
	if !s.color {
		return text
	}
	return "\x1b[" + color + "m" + text + "\x1b[0m"
}

// line prints a label and a text.
func (s *screen) line(label, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.write(label, text)
}

// write prints a label and a text. The lock must be held.
func (s *screen) write(label, text string) {
	_, _ = fmt.Fprintf(s.out, "%s  %s\n", s.paint(dim, fmt.Sprintf("%-9s", label)), text)
}

func (s *screen) text(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, _ = io.WriteString(s.out, text)
}

const maxKept = 20

// watch prints what happens in the endpoint.
func (s *screen) watch(o localaws.Occurrence) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch o.Kind {
	case localaws.TaskState, localaws.LogLine:
		if s.holding {
			s.held = append(s.held, o)
		} else {
			s.task(o)
		}
	case localaws.FunctionLog:
		switch {
		case s.functions:
			s.write(o.Subject, o.Text)
		case strings.Contains(o.Text, collect.Waiting): // nothing else would be seen for so long
			s.write(o.Subject, collect.Waiting)
		}
		s.kept = append(s.kept, o.Subject+": "+o.Text)
		if len(s.kept) > maxKept {
			s.kept = s.kept[1:]
		}
	case localaws.Notification:
		if s.functions {
			s.write("topic", path.Base(strings.ReplaceAll(o.Subject, ":", "/"))+" ◂ "+o.Text)
		}
	}
}

// task prints a state of a task, or a line of its log. The lock must be held.
func (s *screen) task(o localaws.Occurrence) {
	id := path.Base(o.Subject) // of the task's ARN, and of its log's streams
	if o.Kind == localaws.LogLine {
		s.early[id] = append(s.early[id], o.Text)
		if s.running[id] {
			s.writeEarly(id)
		}
		return
	}
	switch o.Text {
	case "PROVISIONING", "PENDING":
	case "RUNNING":
		s.running[id] = true
		defer s.writeEarly(id)
	default: // it ends
		s.writeEarly(id)
		delete(s.running, id)
	}
	s.write("task", id[:8]+" "+o.Text)
}

// writeEarly prints the lines that a task has waiting. The lock must be held.
func (s *screen) writeEarly(id string) {
	for _, line := range s.early[id] {
		s.write("", "│ "+line)
	}
	delete(s.early, id)
}

// holdTasks keeps back what tasks do from now on, until releaseTasks.
func (s *screen) holdTasks() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.holding = true
}

func (s *screen) releaseTasks() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range s.held {
		s.task(o)
	}
	s.holding, s.held = false, nil
}

// functionLog is what the functions wrote last.
func (s *screen) functionLog() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.kept) == 0 {
		return ""
	}
	return "What the functions wrote last:\n  " + strings.Join(s.kept, "\n  ") + "\n"
}
