// Package localaws is an AWS endpoint in one process, for the machine that
// errand is developed and tried on: as much of ECS, CloudWatch Logs, SNS,
// EventBridge and Lambda as errand's main job needs, and of Systems Manager and
// KMS what ECS Exec does, over HTTP on loopback, in memory. RunTask really runs
// the container's command, as a process, ExecuteCommand another one in a
// terminal, and Lambda really runs the built bootstrap programs. What it does
// not serve is answered with UnknownOperationException.
package localaws

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"errand/pkg/awsjson"
)

// Options are what a Server may be told. The zero value serves on a free port.
type Options struct {
	// Addr is the loopback address to listen on; empty means 127.0.0.1 and a
	// free port.
	Addr string
	// Region and Account stand in every ARN; empty means eu-west-1 and
	// 123456789012.
	Region, Account string
	// Watch, if set, is told of everything that happens, in order. It must not
	// call the server back.
	Watch func(Occurrence)
	// RetryPace is the unit of Lambda's waits between the attempts of an
	// asynchronous invocation: one pace before the second attempt, two before
	// the third. Lambda's own is a minute, and so is the default.
	RetryPace time.Duration
}

// Occurrence is something that a person who watches the endpoint wants to see.
type Occurrence struct {
	At   time.Time
	Kind Kind
	// Subject is the task ARN, the log stream, the topic ARN, the function name
	// or the session id that the occurrence is about.
	Subject string
	// Text is the task's new state, the log line, the message body, the line
	// that the function wrote or what the session has come to: STARTED with its
	// command, ENDED with the reason, or GONE with its container.
	Text string
}

// Kind says what an Occurrence is.
type Kind string

// The kinds of Occurrence.
const (
	TaskState    Kind = "task"
	LogLine      Kind = "log"
	Notification Kind = "notification"
	FunctionLog  Kind = "function"
	SessionState Kind = "session"
)

// Server is the endpoint. Its methods may be called at any time, from any
// goroutine.
type Server struct {
	opts     Options
	url      string
	http     *http.Server
	ctx      context.Context // ends with the server
	stop     context.CancelFunc
	work     sync.WaitGroup // goroutines that Close waits for
	watching sync.Mutex

	mu     sync.Mutex
	closed bool
	calls  map[string]int

	ecs    *ecsService
	exec   *execService
	kms    *kmsService
	logs   *logsService
	sns    *snsService
	lambda *lambdaService
	events *eventsService
	faults faults
}

// Start listens and serves until Close.
func Start(opts Options) (*Server, error) {
	if opts.Addr == "" {
		opts.Addr = "127.0.0.1:0"
	}
	if opts.Region == "" {
		opts.Region = "eu-west-1"
	}
	if opts.Account == "" {
		opts.Account = "123456789012"
	}
	if opts.RetryPace == 0 {
		opts.RetryPace = time.Minute
	}
	if err := loopback(opts.Addr); err != nil {
		return nil, err
	}
	// Go switches Nagle's algorithm off (TCP_NODELAY on) for every connection.
	listener, err := net.Listen("tcp", opts.Addr)
	if err != nil {
		return nil, fmt.Errorf("serve AWS on %s: %w", opts.Addr, err)
	}
	s := &Server{opts: opts, url: "http://" + listener.Addr().String(), calls: map[string]int{}}
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.ecs = newECS(s)
	s.exec = newExec(s)
	s.kms = newKMS(s)
	s.logs = newLogs(s)
	s.sns = newSNS(s)
	s.lambda = newLambda(s)
	s.events = newEvents(s)
	s.http = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	s.work.Go(func() { _ = s.http.Serve(listener) })
	return s, nil
}

// loopback refuses an address that other machines could reach: whoever reaches
// the endpoint can run commands here.
func loopback(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("serve AWS on %q: want an address such as 127.0.0.1:4599: %w", addr, err)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("serve AWS on %q: only loopback addresses are allowed, since whoever reaches the endpoint can run commands", addr)
	}
	return nil
}

// URL is what AWS_ENDPOINT_URL takes.
func (s *Server) URL() string { return s.url }

// Close stops every task, session and function and waits for them.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.stop()
	err := s.http.Close()
	s.work.Wait()
	return err
}

// background runs f, which Close waits for. A request that is answered while
// the server closes must not start anything that outlives it, so f is not run
// then.
func (s *Server) background(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.work.Go(f)
	}
}

// Calls returns how many requests there were for an operation such as RunTask,
// those that an injected fault answered included.
func (s *Server) Calls(operation string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[operation]
}

// count adds one to the calls of an operation.
func (s *Server) count(operation string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls[operation]++
}

// watch tells the watcher, one occurrence at a time.
func (s *Server) watch(kind Kind, subject, text string) {
	if s.opts.Watch == nil {
		return
	}
	s.watching.Lock()
	defer s.watching.Unlock()
	s.opts.Watch(Occurrence{time.Now(), kind, subject, text})
}

// arn builds an ARN of this server's Region and account.
func (s *Server) arn(service, resource string) string {
	return "arn:aws:" + service + ":" + s.opts.Region + ":" + s.opts.Account + ":" + resource
}

// newID returns n random bytes in hex: 16 make a task id.
func newID(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails, see crypto/rand
	return hex.EncodeToString(b)
}

// maxRequest is Lambda's limit for a synchronous payload, the largest of all.
const maxRequest = 6 << 20

// ServeHTTP finds the service by what its protocol leaves in the request:
// AWS JSON has a target header, Lambda's REST a path, SNS a form.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return
	}
	s.work.Add(1) // http.Server.Close does not wait for its handlers
	s.mu.Unlock()
	defer s.work.Done()
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if err != nil {
		writeJSONError(w, &apiError{http.StatusRequestEntityTooLarge, "RequestTooLargeException", fmt.Sprintf("Request must be smaller than %d bytes for the InvokeFunction operation", maxRequest), nil})
		return
	}
	target := r.Header.Get("X-Amz-Target")
	switch {
	case target != "":
		service, name, _ := strings.Cut(target, ".")
		s.serveJSON(w, r, service, name, body)
	case strings.HasPrefix(r.URL.Path, channelPath):
		s.exec.serveChannel(w, r)
	case strings.HasPrefix(r.URL.Path, "/2015-03-31/"):
		s.lambda.serve(w, r, body)
	case strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded"):
		s.sns.serve(w, r, body)
	default:
		writeJSONError(w, unknownOperation(r.Method+" "+r.URL.Path))
	}
}

func (s *Server) serveJSON(w http.ResponseWriter, r *http.Request, service, name string, body []byte) {
	var op operation
	switch service {
	case "AmazonEC2ContainerServiceV20141113":
		op = s.ecs.operations[name]
	case "Logs_20140328":
		op = s.logs.operations[name]
	case "AWSEvents":
		op = s.events.operations[name]
	case "AmazonSSM":
		op = s.exec.ssm[name]
	case "TrentService":
		op = s.kms.operations[name]
	}
	if op == nil {
		writeJSONError(w, unknownOperation(service+"."+name))
		return
	}
	s.count(name)
	if fault := s.faults.take(r.Context(), name); fault != nil {
		writeJSONError(w, fault)
		return
	}
	answer, err := op(r.Context(), body)
	if err != nil {
		writeJSONError(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.Header().Set("X-Amzn-Requestid", newID(16))
	_, _ = w.Write(answer)
}

// operation answers one request of an AWS JSON service.
type operation func(ctx context.Context, body []byte) ([]byte, error)

// serve makes an operation of a method on the SDK's own types. Members that
// the types do not have are ignored, as AWS does.
func serve[In, Out any](method func(context.Context, *In) (*Out, error)) operation {
	return func(ctx context.Context, body []byte) ([]byte, error) {
		in := new(In)
		if problems := awsjson.DecodeLenient(body, in); len(problems) > 0 {
			return nil, &apiError{http.StatusBadRequest, "SerializationException", problems[0].String(), nil}
		}
		out, err := method(ctx, in)
		if err != nil {
			return nil, err
		}
		return awsjson.Encode(out)
	}
}

// serveDocument makes an operation of a method on types that encoding/json can
// read and write, for services that have blobs or capitals in their JSON.
func serveDocument[In, Out any](method func(context.Context, *In) (*Out, error)) operation {
	return func(ctx context.Context, body []byte) ([]byte, error) {
		in := new(In)
		if err := json.Unmarshal(body, in); err != nil {
			return nil, badRequest("SerializationException", "%v", err)
		}
		out, err := method(ctx, in)
		if err != nil {
			return nil, err
		}
		return json.Marshal(out)
	}
}

// apiError is an error as AWS words it: an HTTP status, a code, a message, and
// for a few codes more members.
type apiError struct {
	status  int
	code    string
	message string
	members map[string]any
}

func (e *apiError) Error() string { return e.code + ": " + e.message }

func badRequest(code, format string, args ...any) *apiError {
	return &apiError{http.StatusBadRequest, code, fmt.Sprintf(format, args...), nil}
}

func unknownOperation(what string) *apiError {
	return badRequest("UnknownOperationException", "the embedded AWS endpoint does not serve %s", what)
}

func asAPIError(err error) *apiError {
	if e, ok := errors.AsType[*apiError](err); ok {
		return e
	}
	return &apiError{http.StatusInternalServerError, "ServerException", err.Error(), nil}
}

func writeJSONError(w http.ResponseWriter, err error) {
	e := asAPIError(err)
	members := map[string]any{"__type": e.code, "message": e.message}
	for name, value := range e.members {
		members[name] = value
	}
	body, _ := json.Marshal(members)
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.Header().Set("X-Amzn-Errortype", e.code)
	w.Header().Set("X-Amzn-Requestid", newID(16))
	w.WriteHeader(e.status)
	_, _ = w.Write(body)
}
