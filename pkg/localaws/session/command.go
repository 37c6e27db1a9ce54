package session

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"syscall"

	"github.com/creack/pty"
	"github.com/google/shlex"

	"errand/pkg/localaws/ecs"
)

// start starts the command in a terminal of its own.
func (a *agent) start() (*exec.Cmd, *os.File, error) {
	s := a.session
	words, err := commandWords(s.Command)
	if err != nil {
		return nil, nil, fmt.Errorf("Failed to parse commands input: %w", err) //nolint:revive,staticcheck // the agent's words
	}
	if s.Shell != "" && words[0] == "/bin/sh" {
		for i := range min(4, len(words)) { // the wrapper's own words
			words[i] = strings.ReplaceAll(words[i], "/bin/sh", s.Shell)
		}
		words = append(strings.Fields(words[0]), words[1:]...)
	}
	env := append(slices.Clone(s.container.Env), "TERM=xterm-256color")
	if !slices.ContainsFunc(s.container.Env, func(pair string) bool { return strings.HasPrefix(pair, "LANG=") && pair != "LANG=" }) {
		env = append(env, "LANG=C.UTF-8")
	}
	// There is no shell between, and no PATH but the container's.
	path := words[0]
	if !strings.Contains(path, "/") {
		if path, err = ecs.LookPath(path, s.container.Dir, env); err != nil {
			err = fmt.Errorf("exec: %q: %w", words[0], err)
		}
	}
	command := &exec.Cmd{Path: path, Args: words, Env: env, Dir: s.container.Dir}
	var terminal *os.File
	if err == nil {
		terminal, err = pty.Start(command)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("Failed to start pty: %w", err) //nolint:revive,staticcheck // the agent's words
	}
	terminal = pollable(terminal)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.terminal = terminal
	return command, terminal, nil
}

// pollable makes reads and writes of the terminal obey deadlines, which the pty
// package undoes.
func pollable(f *os.File) *os.File {
	defer func() { _ = f.Close() }()
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	fd, err := syscall.Dup(int(f.Fd()))
	if err != nil {
		return f
	}
	syscall.CloseOnExec(fd)
	_ = syscall.SetNonblock(fd, true)
	return os.NewFile(uintptr(fd), f.Name())
}

var parameters = regexp.MustCompile(`\{\{ *(ssm:[A-Za-z0-9_./-]+|[A-Za-z0-9]+) *\}\}`)

// commandWords does to the command what happens to it on its way: Systems
// Manager replaces {{ names }} and writes $ for $$, then the agent splits it as
// a shell would. There are no parameters here to replace a name with, so one is
// an error.
func commandWords(command string) ([]string, error) {
	if name := parameters.FindString(command); name != "" {
		return nil, fmt.Errorf("there is no parameter %s", name)
	}
	words, err := shlex.Split(strings.ReplaceAll(command, "$$", "$"))
	if err == nil && len(words) == 0 {
		err = errors.New("there are no words in it")
	}
	return words, err
}
