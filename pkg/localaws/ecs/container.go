package ecs

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"errand/pkg/localaws/host"
)

// container is a container of a task: a process and its children.
type container struct {
	task       *task
	index      int // in the task's containers
	definition types.ContainerDefinition
	argv       []string
	env        []string
	play       play

	runtimeID string
	group     string // of the log; empty without awslogs
	stream    string

	process *exec.Cmd
	output  *os.File
	spoke   chan struct{} // closed at the first line
	drained chan struct{} // closed after the last line
}

func (t *task) containers() []*container {
	var all []*container
	for i, d := range t.definition.ContainerDefinitions {
		override := t.Overrides.ContainerOverrides[i]
		c := &container{
			task:       t,
			index:      i,
			definition: d,
			play:       plays[d.DockerLabels[playsLabel]],
			runtimeID:  t.id + "-" + strconv.Itoa(1_000_000_000+i),
			stream:     *d.Name + "/" + t.id,
			spoke:      make(chan struct{}),
			drained:    make(chan struct{}),
		}
		command := d.Command
		if override.Command != nil {
			command = override.Command
		}
		c.argv = slices.Concat(d.EntryPoint, command)
		c.env = t.environment(i)
		all = append(all, c)
	}
	return all
}

// environment is that of the i-th container. Of our own environment a program
// gets only what hardly any can run without.
func (t *task) environment(i int) []string {
	var env []string
	for _, name := range []string{"PATH", "HOME"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	for _, pair := range slices.Concat(t.definition.ContainerDefinitions[i].Environment, t.Overrides.ContainerOverrides[i].Environment) {
		env = append(env, host.Deref(pair.Name)+"="+host.Deref(pair.Value))
	}
	return env
}

// openLog prepares the log driver.
func (c *container) openLog() error {
	config := c.definition.LogConfiguration
	if config == nil || config.LogDriver != types.LogDriverAwslogs {
		return nil
	}
	c.group = config.Options["awslogs-group"]
	if prefix := config.Options["awslogs-stream-prefix"]; prefix != "" {
		c.stream = prefix + "/" + c.stream
	} else {
		c.stream = c.runtimeID
	}
	return c.task.ecs.log.Open(c.group, c.stream, config.Options["awslogs-create-group"] == "true")
}

// start starts the process in a group of its own.
func (c *container) start() error {
	if len(c.argv) == 0 {
		return errors.New("no command specified: the embedded AWS endpoint has no images, so the task definition or an override must set the command")
	}
	dir := host.Deref(c.definition.WorkingDirectory)
	if info, err := os.Stat(dir); dir != "" && (err != nil || !info.IsDir()) {
		return startError("chdir to cwd (%q) set in config.json failed: no such file or directory", dir)
	}
	path, err := LookPath(c.argv[0], dir, c.env)
	if err != nil {
		return startError("exec: %q: %w", c.argv[0], err)
	}
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	c.output = read
	c.process = &exec.Cmd{
		Path: path,
		Args: c.argv,
		Env:  c.env,
		Dir:  dir,
		// One pipe for both keeps the lines in the order in which they were
		// written.
		Stdout:      write,
		Stderr:      write,
		SysProcAttr: &syscall.SysProcAttr{Setpgid: true},
	}
	err = c.process.Start()
	_ = write.Close()
	if err != nil {
		_ = read.Close()
		if cause, ok := errors.AsType[syscall.Errno](err); ok {
			err = cause
		}
		return startError("exec %s: %w", c.argv[0], err)
	}
	go c.read()
	t := c.task
	t.ecs.mu.Lock()
	defer t.ecs.mu.Unlock()
	t.Containers[c.index].RuntimeId = &c.runtimeID
	return nil
}

// maxOutputLine is where Docker cuts a line that goes on.
const maxOutputLine = 256 << 10

// read passes the output on, line by line, as it comes.
func (c *container) read() {
	defer close(c.drained)
	e := c.task.ecs
	reader := bufio.NewReaderSize(c.output, maxOutputLine)
	first := true
	for {
		raw, err := reader.ReadSlice('\n')
		line := strings.ToValidUTF8(strings.TrimSuffix(string(raw), "\n"), "\uFFFD")
		// CloudWatch Logs takes no empty events, and the driver drops them.
		if line != "" {
			if c.group != "" {
				e.log.Write(c.group, c.stream, line)
			}
			e.host.Watch(host.LogLine, c.stream, line)
			if first {
				close(c.spoke)
				first = false
			}
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return
		}
	}
}

// signal goes to the process and its children.
func (c *container) signal(s syscall.Signal) { _ = syscall.Kill(-c.process.Process.Pid, s) }

// defaultStopTimeout is how long ECS waits between SIGTERM and SIGKILL.
const defaultStopTimeout = 30

// supervise waits for the container's end and does to it what happens to the
// task meanwhile.
func (c *container) supervise() {
	t := c.task
	exited := make(chan struct{})
	go func() {
		_ = c.process.Wait()
		close(exited)
	}()
	timeout := int32(defaultStopTimeout)
	if c.definition.StopTimeout != nil {
		timeout = *c.definition.StopTimeout
	}
	stopping, closing := t.stopping, t.ecs.host.Context().Done()
	var kill <-chan time.Time
	var strike <-chan struct{}
	if c.play.interrupted || c.play.killed {
		strike = c.spoke
	}
	for alive := true; alive; {
		select {
		case <-exited:
			alive = false
		case <-strike:
			strike = nil
			if c.play.killed {
				c.signal(syscall.SIGKILL)
			} else {
				t.interrupt(c.play)
			}
		case <-stopping:
			stopping = nil
			c.signal(syscall.SIGTERM)
			kill = time.After(t.ecs.host.Real(time.Duration(timeout) * time.Second))
		case <-kill:
			c.signal(syscall.SIGKILL)
		case <-closing:
			closing = nil
			c.signal(syscall.SIGKILL)
		}
	}
	// Whatever a container's first process leaves behind dies with it. If it
	// fled the group and holds the output, nobody waits for it for long.
	c.signal(syscall.SIGKILL)
	_ = c.output.SetReadDeadline(time.Now().Add(time.Second))
	<-c.drained
	_ = c.output.Close()
	t.update(c.stopped)
}

// stopped notes how the container ended, and ends the task with an essential
// one. The lock must be held.
func (c *container) stopped() {
	t := c.task
	close(t.gone[c.index])
	t.setExecAgent(c.index, "STOPPED")
	shown := &t.Containers[c.index]
	shown.LastStatus = new("STOPPED")
	code := exitCode(c.process.ProcessState)
	if c.play.killed {
		code = 128 + int32(syscall.SIGKILL)
	}
	if !c.play.noExitCode {
		shown.ExitCode = &code
	}
	if c.play.reason != "" {
		shown.Reason = &c.play.reason
	}
	t.ExecutionStoppedAt = new(t.ecs.host.Now())
	switch {
	case c.play.interrupted:
		t.end(c.play.stopCode, c.play.stoppedReason)
	case isEssential(&c.definition):
		t.end(types.TaskStopCodeEssentialContainerExited, essentialExited)
	}
}

// exitCode is the code of a process, or 128 and the signal that killed it.
func exitCode(state *os.ProcessState) int32 {
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int32(status.Signal())
	}
	return int32(state.ExitCode())
}
