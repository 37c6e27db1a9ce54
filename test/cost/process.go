package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// process is one running function, served Lambda's Runtime API.
type process struct {
	cmd    *exec.Cmd
	server *http.Server
	output *counter
	exited chan struct{}
	// asks has a signal for each time that the program asks for an event, which
	// is then taken from events.
	asks   chan struct{}
	events chan []byte

	mu     sync.Mutex
	answer string // to the latest event
	failed bool
}

// sample is what a part of a process's life took.
type sample struct {
	cpu, took      time.Duration
	calls, written int
	peak           int // bytes that were resident so far, at most
}

// counter counts and keeps the end of what a program writes.
type counter struct {
	mu   sync.Mutex
	n    int
	tail []byte
}

func (c *counter) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n += len(p)
	c.tail = append(c.tail, p...)
	c.tail = c.tail[max(0, len(c.tail)-4096):]
	return len(p), nil
}

func (c *counter) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n
}

// start starts a program, in a control group if there is one.
func start(ctx context.Context, program string, env []string, group string) (*process, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &process{output: &counter{}, exited: make(chan struct{}), asks: make(chan struct{}, 1), events: make(chan []byte)}
	p.server = &http.Server{Handler: p, ReadHeaderTimeout: time.Minute}
	go func() { _ = p.server.Serve(listener) }()
	p.cmd = exec.CommandContext(ctx, program) //nolint:gosec // to run it is the purpose
	if group != "" {
		// The shell goes into the group, and the program takes the shell's place.
		p.cmd = exec.CommandContext(ctx, "sh", "-c", `echo $$ > "$0/cgroup.procs" && exec "$1"`, group, program) //nolint:gosec // as above
	}
	p.cmd.Env = append(env, "AWS_LAMBDA_RUNTIME_API="+listener.Addr().String())
	p.cmd.Stdout, p.cmd.Stderr = p.output, p.output
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = p.cmd.Wait()
		close(p.exited)
	}()
	return p, nil
}

func (p *process) stop() {
	_ = p.cmd.Process.Kill()
	<-p.exited
	_ = p.server.Close()
}

// ServeHTTP is the Runtime API.
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
func (p *process) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet {
		p.asks <- struct{}{}
		select {
		case event := <-p.events:
			w.Header().Set("Lambda-Runtime-Aws-Request-Id", strconv.FormatInt(time.Now().UnixNano(), 36))
			w.Header().Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(time.Now().Add(time.Minute).UnixMilli(), 10))
			_, _ = w.Write(event)
		case <-r.Context().Done():
		}
		return
	}
	body, _ := io.ReadAll(r.Body)
	p.mu.Lock()
	p.answer, p.failed = string(body), !strings.HasSuffix(r.URL.Path, "/response")
	p.mu.Unlock()
	w.WriteHeader(http.StatusAccepted)
}

// await waits until the program asks for an event.
func (p *process) await(ctx context.Context) error {
	select {
	case <-p.asks:
		return nil
	case <-p.exited:
		return fmt.Errorf("the function ended: %s", p.output.tail)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// handle hands the program an event and waits until it is through with it.
func (p *process) handle(ctx context.Context, event []byte) error {
	select {
	case p.events <- event:
	case <-p.exited:
	}
	if err := p.await(ctx); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failed || strings.Contains(p.answer, `"LOST"`) {
		return errors.New("the function answers " + p.answer)
	}
	return nil
}

// cpu is the processor's time that the program's threads have had. Go ends none.
func (p *process) cpu() (sum time.Duration, err error) {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", p.cmd.Process.Pid))
	if err == nil && len(files) == 0 {
		err = errors.New("no /proc/…/schedstat: this needs Linux")
	}
	for _, file := range files {
		text, err := os.ReadFile(file) //nolint:gosec // of /proc
		if err != nil {
			return 0, err
		}
		first, _, _ := strings.Cut(string(text), " ")
		nanoseconds, err := strconv.ParseInt(first, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", file, err)
		}
		sum += time.Duration(nanoseconds)
	}
	return sum, err
}

// peak is how much memory was resident at most, in bytes.
func (p *process) peak() (int, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := bytes.Cut(text, []byte("VmHWM:"))
	line, _, _ := bytes.Cut(rest, []byte("kB"))
	kilobytes, err := strconv.Atoi(string(bytes.TrimSpace(line)))
	return kilobytes << 10, err
}
