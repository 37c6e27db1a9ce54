package main

import (
	"fmt"
	"io"
	"os"
	"path"
	"strings"
	"sync"

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
}

func newScreen(out io.Writer) *screen {
	s := &screen{out: out}
	if file, ok := out.(*os.File); ok && os.Getenv("NO_COLOR") == "" {
		info, err := file.Stat()
		s.color = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	return s
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
	switch o.Kind {
	case localaws.TaskState:
		s.line("task", fmt.Sprintf("%s %s", path.Base(o.Subject)[:8], o.Text))
	case localaws.LogLine:
		s.line("", "│ "+o.Text)
	case localaws.FunctionLog:
		if s.functions {
			s.line(o.Subject, o.Text)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.kept = append(s.kept, o.Subject+": "+o.Text)
		if len(s.kept) > maxKept {
			s.kept = s.kept[1:]
		}
	case localaws.Notification:
		if s.functions {
			s.line("topic", path.Base(strings.ReplaceAll(o.Subject, ":", "/"))+" ◂ "+o.Text)
		}
	}
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
