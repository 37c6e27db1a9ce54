package lambda

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"errand/pkg/localaws/host"
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
	initLimit = 10 * time.Second
	// minLimit is the real time that a program has for an event however fast
	// AWS's time runs, since the program does not.
	minLimit   = 5 * time.Second
	memorySize = 128
	// maxResponse is Lambda's, a little over the 6 MB of a request.
	maxResponse = 6291556
)

// invocation is one event on its way through one instance.
type invocation struct {
	id      string
	payload []byte
	// taken is closed when the program takes the event or cannot take it, done
	// when the program is through with it and outcome is set.
	taken, done chan struct{}
	once        sync.Once
	outcome     outcome
}

func newInvocation(id string, payload []byte) *invocation {
	return &invocation{id: id, payload: payload, taken: make(chan struct{}), done: make(chan struct{})}
}

func (inv *invocation) take() { inv.once.Do(func() { close(inv.taken) }) }

// outcome is what became of an invocation.
type outcome struct {
	payload []byte
	failed  bool
	// tail is the end of what the program wrote meanwhile.
	tail []byte
}

// start starts a program. Whoever calls it is part of the server's work, which
// therefore may grow.
func (f *function) start() (*instance, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	stream := f.host.Now().UTC().Format("2006/01/02") + "/[" + latest + "]" + host.NewID(16)
	out, err := newOutput(func(line string) {
		f.host.Watch(host.FunctionLog, f.Name, line)
		f.service.log.Write("/aws/lambda/"+f.Name, stream, line)
	})
	if err != nil {
		_ = listener.Close()
		return nil, err
	}
	ctx, stop := context.WithCancel(f.host.Context())
	cmd := exec.CommandContext(ctx, f.Bootstrap) //nolint:gosec // to run it is the purpose
	cmd.Dir = filepath.Dir(f.Bootstrap)
	cmd.Env = f.environment(listener.Addr().String(), stream)
	cmd.Stdout, cmd.Stderr = out.to, out.to
	// What the program has started goes with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	f.host.Go(out.read)
	if err := cmd.Start(); err != nil {
		stop()
		out.close()
		_ = listener.Close()
		return nil, err
	}
	i := &instance{f: f, output: out, stop: stop, events: make(chan *invocation, 1), exited: make(chan struct{})}
	api := &http.Server{Handler: i, ReadHeaderTimeout: 10 * time.Second}
	f.host.Go(func() { _ = api.Serve(listener) })
	f.host.Go(func() {
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
		"AWS_REGION=" + f.host.Region,
		"AWS_DEFAULT_REGION=" + f.host.Region,
		"AWS_ACCESS_KEY_ID=local",
		"AWS_SECRET_ACCESS_KEY=local",
		"AWS_SESSION_TOKEN=local",
		"AWS_ENDPOINT_URL=" + f.host.URL,
	}
	if clock := f.host.Clock(); clock != "" {
		env = append(env, "ERRAND_CLOCK="+clock)
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
	var kill <-chan time.Time
	for taken := inv.taken; ; {
		select {
		case <-taken:
			limit.Reset(i.f.limit())
			taken, kill = nil, i.f.killer()
		case <-kill:
			kill = nil
			select {
			case <-inv.done: // just before
			default:
				i.stop()
			}
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
	// The program's last request may still be looking at it.
	i.current, i.answer = nil, nil
	i.mu.Unlock()
	if answer == nil {
		answer = lambdaError(kind, "RequestId: "+inv.id+" Error: "+reason)
		if i.f.host.Context().Err() == nil { // when the server closes, nobody has to know
			i.output.line("RequestId: " + inv.id + " Error: " + reason)
		}
	}
	answer.tail = i.output.takeTail()
	return *answer
}

// lambdaError is the outcome that Lambda gives when the program gave none.
func lambdaError(kind, message string) *outcome {
	return &outcome{failed: true, payload: host.EncodeJSON(struct {
		Type    string `json:"errorType"`
		Message string `json:"errorMessage"`
	}{kind, message})}
}
