package localaws

import (
	"bytes"
	"context"
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
	"syscall"
	"time"
)

// instance is one running program of a function, together with the Lambda
// Runtime API that it is served.
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
type instance struct {
	f      *function
	output *output
	stop   context.CancelFunc // kills the program
	events chan *invocation   // one at most
	exited chan struct{}
	exit   error // of the program, once it has exited

	mu      sync.Mutex
	current *invocation
	answer  *outcome // what the program has answered to the current one
}

const (
	// initLimit is the time that Lambda gives a program until it asks for its
	// first event.
	initLimit  = 10 * time.Second
	memorySize = 128
	// maxResponse is Lambda's, a little over the 6 MB of a request.
	maxResponse = 6291556
)

// start starts a program. Whoever calls it is part of the server's work, which
// therefore may grow.
func (f *function) start() (*instance, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	stream := time.Now().UTC().Format("2006/01/02") + "/[" + latest + "]" + newID(16)
	out, err := newOutput(func(line string) {
		f.server.watch(FunctionLog, f.Name, line)
		f.server.logs.write("/aws/lambda/"+f.Name, stream, line)
	})
	if err != nil {
		_ = listener.Close()
		return nil, err
	}
	ctx, stop := context.WithCancel(f.server.ctx)
	cmd := exec.CommandContext(ctx, f.Bootstrap) //nolint:gosec // to run it is the purpose
	cmd.Dir = filepath.Dir(f.Bootstrap)
	cmd.Env = f.environment(listener.Addr().String(), stream)
	cmd.Stdout, cmd.Stderr = out.to, out.to
	// What the program has started goes with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	f.server.work.Go(out.read)
	if err := cmd.Start(); err != nil {
		stop()
		out.close()
		_ = listener.Close()
		return nil, err
	}
	i := &instance{f: f, output: out, stop: stop, events: make(chan *invocation, 1), exited: make(chan struct{})}
	api := &http.Server{Handler: i, ReadHeaderTimeout: 10 * time.Second}
	f.server.work.Go(func() { _ = api.Serve(listener) })
	f.server.work.Go(func() {
		i.exit = cmd.Wait()
		stop()
		f.remove(i)
		_ = api.Close()
		out.close()
		close(i.exited)
	})
	return i, nil
}

// environment is what Lambda sets, and then the function's own settings.
func (f *function) environment(api, stream string) []string {
	env := []string{
		"PATH=/usr/local/bin:/usr/bin:/bin:/opt/bin",
		"LANG=en_US.UTF-8",
		"TZ=:UTC",
		"LAMBDA_TASK_ROOT=" + filepath.Dir(f.Bootstrap),
		"_HANDLER=bootstrap",
		"AWS_LAMBDA_RUNTIME_API=" + api,
		"AWS_LAMBDA_FUNCTION_NAME=" + f.Name,
		"AWS_LAMBDA_FUNCTION_VERSION=" + latest,
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE=" + strconv.Itoa(memorySize),
		"AWS_LAMBDA_LOG_GROUP_NAME=/aws/lambda/" + f.Name,
		"AWS_LAMBDA_LOG_STREAM_NAME=" + stream,
		"AWS_REGION=" + f.server.opts.Region,
		"AWS_DEFAULT_REGION=" + f.server.opts.Region,
		"AWS_ACCESS_KEY_ID=local",
		"AWS_SECRET_ACCESS_KEY=local",
		"AWS_SESSION_TOKEN=local",
		"AWS_ENDPOINT_URL=" + f.server.url,
	}
	for name, value := range f.Env {
		env = append(env, name+"="+value) // the last one counts
	}
	return env
}

// invoke hands the event to the program and waits until it is through with it.
func (i *instance) invoke(inv *invocation) outcome {
	i.mu.Lock()
	i.current, i.answer = inv, nil
	i.mu.Unlock()
	i.events <- inv
	limit := time.NewTimer(initLimit)
	defer limit.Stop()
	for taken := inv.taken; ; {
		select {
		case <-taken:
			limit.Reset(i.f.Timeout)
			taken = nil
		case <-inv.done:
			return inv.outcome
		case <-i.exited:
			reason := "Runtime exited without providing a reason"
			if i.exit != nil {
				reason = "Runtime exited with error: " + i.exit.Error()
			}
			return i.conclude(inv, "Runtime.ExitError", reason)
		case <-limit.C:
			i.stop()
			<-i.exited
			return i.conclude(inv, "Sandbox.Timedout", fmt.Sprintf("Task timed out after %.2f seconds", i.f.Timeout.Seconds()))
		}
	}
}

// conclude ends an invocation whose program is gone: with the program's answer,
// if it gave one before, else with the given error.
func (i *instance) conclude(inv *invocation, kind, reason string) outcome {
	i.mu.Lock()
	answer := i.answer
	i.mu.Unlock()
	if answer == nil {
		answer = lambdaError(kind, "RequestId: "+inv.id+" Error: "+reason)
		if i.f.server.ctx.Err() == nil { // when the server closes, nobody has to know
			i.output.line("RequestId: " + inv.id + " Error: " + reason)
		}
	}
	answer.tail = i.output.takeTail()
	return *answer
}

// lambdaError is the outcome that Lambda gives when the program gave none.
func lambdaError(kind, message string) *outcome {
	return &outcome{failed: true, payload: encodeJSON(struct {
		Type    string `json:"errorType"`
		Message string `json:"errorMessage"`
	}{kind, message})}
}

// ServeHTTP is the Runtime API.
func (i *instance) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimPrefix(r.URL.Path, "/2018-06-01/runtime/")
	id, action, _ := strings.Cut(strings.TrimPrefix(path, "invocation/"), "/")
	switch {
	case r.Method == http.MethodGet && path == "invocation/next":
		i.next(w, r)
	case r.Method == http.MethodPost && path == "init/error":
		i.take(w, r, "", true)
	case r.Method == http.MethodPost && (action == "response" || action == "error"):
		i.take(w, r, id, action == "error")
	default:
		http.NotFound(w, r)
	}
}

// next ends the current invocation, which is not over before the program asks
// for the next, and waits for that.
func (i *instance) next(w http.ResponseWriter, r *http.Request) {
	i.output.flush()
	i.mu.Lock()
	inv := i.current
	over := inv != nil && i.answer != nil
	if over {
		inv.outcome = *i.answer
		inv.outcome.tail = i.output.takeTail()
		i.current = nil
	}
	i.mu.Unlock()
	if over {
		i.f.setIdle(i)
		close(inv.done)
	}
	select {
	case inv = <-i.events:
	case <-r.Context().Done():
		return
	}
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("Lambda-Runtime-Aws-Request-Id", inv.id)
	header.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(time.Now().Add(i.f.Timeout).UnixMilli(), 10))
	header.Set("Lambda-Runtime-Invoked-Function-Arn", i.f.arn())
	header.Set("Lambda-Runtime-Trace-Id", fmt.Sprintf("Root=1-%08x-%s;Parent=%s;Sampled=0", time.Now().Unix(), newID(12), newID(8)))
	inv.take()
	_, _ = w.Write(inv.payload)
}

// take keeps the program's answer to the current event. An error before the
// first event has no id, and is the answer to whatever event there is.
func (i *instance) take(w http.ResponseWriter, r *http.Request, id string, failed bool) {
	payload, err := io.ReadAll(io.LimitReader(r.Body, maxResponse+1))
	if err != nil {
		return
	}
	answer := &outcome{payload: payload, failed: failed}
	status, reply := http.StatusAccepted, `{"status":"OK"}`
	if len(payload) > maxResponse {
		status, reply = http.StatusRequestEntityTooLarge, `{"errorMessage":"Exceeded maximum allowed payload size (6291556 bytes).","errorType":"RequestEntityTooLarge"}`
		answer = lambdaError("Function.ResponseSizeTooLarge", "Response payload size exceeded maximum allowed payload size (6291556 bytes).")
	}
	i.mu.Lock()
	if i.current == nil || i.answer != nil || id != "" && id != i.current.id {
		status, reply = http.StatusBadRequest, `{"errorMessage":"Invalid request ID","errorType":"InvalidRequestID"}`
	} else {
		i.answer = answer
	}
	i.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, reply)
}

// output reads what a program writes, line by line.
type output struct {
	from, to *os.File // the pipe that the program writes into
	emit     func(line string)
	// mark is a line that flush writes after the program's own.
	mark   string
	marked chan struct{}
	ended  chan struct{}

	mu   sync.Mutex
	tail []byte
}

// maxLine is the longest line that is kept in one piece, CloudWatch's own limit
// of old.
const maxLine = 256 << 10

func newOutput(emit func(line string)) (*output, error) {
	from, to, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	return &output{from: from, to: to, emit: emit, mark: newID(16), marked: make(chan struct{}, 1), ended: make(chan struct{})}, nil
}

// flush returns when everything was read that the program has written so far:
// the mark goes through the same pipe, behind it.
func (o *output) flush() {
	if _, err := o.to.WriteString(o.mark + "\n"); err != nil {
		return
	}
	select {
	case <-o.marked:
	case <-o.ended:
	}
}

// close waits for the rest of the output, though not for long if a process
// that the program has left behind holds the pipe open.
func (o *output) close() {
	_ = o.to.Close()
	_ = o.from.SetReadDeadline(time.Now().Add(time.Second))
	<-o.ended
}

func (o *output) read() {
	defer close(o.ended)
	defer func() { _ = o.from.Close() }()
	var buf []byte
	chunk := make([]byte, 32<<10)
	for {
		n, err := o.from.Read(chunk)
		buf = append(buf, chunk[:n]...)
		for {
			text, rest, found := bytes.Cut(buf, []byte("\n"))
			if !found {
				break
			}
			buf = rest
			text, marked := bytes.CutSuffix(text, []byte(o.mark))
			if len(text) > 0 || !marked {
				o.line(strings.TrimSuffix(string(text), "\r"))
			}
			if marked {
				o.marked <- struct{}{}
			}
		}
		if cut := len(buf) - len(o.mark); cut > maxLine {
			o.line(string(buf[:cut]))
			buf = buf[cut:]
		}
		if err != nil {
			if len(buf) > 0 {
				o.line(string(buf))
			}
			return
		}
	}
}

func (o *output) line(text string) {
	o.mu.Lock()
	o.tail = append(o.tail, text...)
	o.tail = append(o.tail, '\n')
	o.tail = o.tail[max(0, len(o.tail)-maxTail):]
	o.mu.Unlock()
	o.emit(text)
}

// takeTail returns the end of the output since the last time.
func (o *output) takeTail() []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	tail := o.tail
	o.tail = nil
	return tail
}
