package localaws

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// Function is a Lambda function: a built program and its settings.
type Function struct {
	Name string
	// Bootstrap is the path of the built program. It is started when the
	// function is invoked and no idle instance of it is left.
	Bootstrap string
	// Env is added to the environment that Lambda gives a program. Nothing of
	// this process's own environment reaches it.
	Env map[string]string
	// Timeout is how long one invocation may take; 0 means Lambda's default of
	// 3 seconds.
	Timeout time.Duration
	// MaximumRetryAttempts is how often an asynchronous invocation is tried
	// again after an error of the function; nil means Lambda's default of 2.
	MaximumRetryAttempts *int
	// OnFailure names the function that is told of an event that this one
	// could not handle.
	OnFailure string
	// Serial makes asynchronous events wait for one another, as a reserved
	// concurrency of 1 does. Without it they are taken in the order in which
	// they were sent, but a program that is slow does not hold up the next.
	Serial bool
}

// DeadLetter is an event that a function could not handle and that has no
// function left to go to.
type DeadLetter struct {
	Function, RequestID string
	Payload             []byte
	// Error is what the last attempt answered.
	Error []byte
}

type lambdaService struct {
	server      *Server
	deadLetters record[DeadLetter]

	mu        sync.Mutex
	functions map[string]*function
}

// function is a Function that can be invoked.
type function struct {
	Function
	server *Server

	mu sync.Mutex
	// idle are the instances that wait for an event, the latest last, which is
	// the one to use next.
	idle []*instance
	// last is closed when the next asynchronous event may go: each waits for
	// the one before it, so that they arrive in the order in which they were
	// sent.
	last <-chan struct{}
}

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

const (
	maxSyncPayload  = 6 << 20
	maxAsyncPayload = 1 << 20
	maxTail         = 4 << 10
	latest          = "$LATEST"
)

func newLambda(s *Server) *lambdaService {
	return &lambdaService{server: s, functions: map[string]*function{}}
}

// AddFunction makes a function known, or replaces the one of that name.
func (s *Server) AddFunction(f Function) {
	if f.Timeout == 0 {
		f.Timeout = 3 * time.Second
	}
	if f.MaximumRetryAttempts == nil {
		f.MaximumRetryAttempts = new(2)
	}
	if path, err := filepath.Abs(f.Bootstrap); err == nil {
		f.Bootstrap = path
	}
	added := &function{Function: f, server: s}
	s.lambda.mu.Lock()
	replaced := s.lambda.functions[f.Name]
	s.lambda.functions[f.Name] = added
	s.lambda.mu.Unlock()
	if replaced != nil {
		for _, i := range replaced.allIdle() {
			i.stop()
		}
	}
}

// InvokeAsync queues an event for a function, as rules, destinations and
// Invoke with the type Event do. An error of the function is not seen here: the
// event is tried again, goes to the function's failure function, and from there
// to the dead letters.
func (s *Server) InvokeAsync(function string, payload []byte) error {
	_, err := s.lambda.enqueue(function, payload)
	return err
}

// DeadLetters returns the events that were given up, in the order in which
// that happened.
func (s *Server) DeadLetters() []DeadLetter { return s.lambda.deadLetters.all() }

// AwaitDeadLetters waits until n events in all were given up, and returns them.
func (s *Server) AwaitDeadLetters(ctx context.Context, n int) ([]DeadLetter, error) {
	return s.lambda.deadLetters.await(ctx, n)
}

// enqueue returns the request id of the queued event.
func (l *lambdaService) enqueue(name string, payload []byte) (string, error) {
	f, err := l.find(name)
	if err != nil {
		return "", err
	}
	if payload, err = checkPayload(payload); err != nil {
		return "", err
	}
	if len(payload) > maxAsyncPayload {
		return "", &apiError{http.StatusRequestEntityTooLarge, "RequestTooLargeException", fmt.Sprintf("%d byte payload is too large for the Event invocation type (limit %d bytes)", len(payload), maxAsyncPayload), nil}
	}
	id := newUUID()
	f.enqueue(id, payload, f.OnFailure)
	return id, nil
}

// enqueue runs an event through the attempts that an asynchronous invocation
// has. onFailure is the function to tell when all have failed.
func (f *function) enqueue(id string, payload []byte, onFailure string) {
	inv := newInvocation(id, payload)
	tried := make(chan struct{})
	f.mu.Lock()
	before := f.last
	f.last = inv.taken
	if f.Serial {
		f.last = tried
	}
	f.mu.Unlock()
	f.server.background(func() {
		if before != nil {
			select {
			case <-before:
			case <-f.server.ctx.Done():
				return
			}
		}
		out := f.run(inv)
		close(tried)
		attempts := 1
		for out.failed && attempts <= *f.MaximumRetryAttempts {
			select {
			case <-time.After(time.Duration(attempts) * f.server.opts.RetryPace):
			case <-f.server.ctx.Done():
				return
			}
			// Lambda keeps the request id over the attempts.
			out = f.run(newInvocation(id, payload))
			attempts++
		}
		if out.failed && f.server.ctx.Err() == nil {
			f.giveUp(id, payload, out, attempts, onFailure)
		}
	})
}

// giveUp sends the record of a failed event to the failure function. What that
// function cannot handle either is a dead letter, as is what has none.
func (f *function) giveUp(id string, payload []byte, out outcome, attempts int, onFailure string) {
	next, err := f.server.lambda.find(onFailure)
	if onFailure == "" || err != nil {
		f.server.lambda.deadLetters.add(DeadLetter{f.Name, id, payload, out.payload})
		return
	}
	type requestContext struct {
		RequestID              string `json:"requestId"`
		FunctionARN            string `json:"functionArn"`
		Condition              string `json:"condition"`
		ApproximateInvokeCount int    `json:"approximateInvokeCount"`
	}
	type responseContext struct {
		StatusCode      int    `json:"statusCode"`
		ExecutedVersion string `json:"executedVersion"`
		FunctionError   string `json:"functionError"`
	}
	notice := encodeJSON(struct {
		Version         string          `json:"version"`
		Timestamp       string          `json:"timestamp"`
		RequestContext  requestContext  `json:"requestContext"`
		RequestPayload  json.RawMessage `json:"requestPayload"`
		ResponseContext responseContext `json:"responseContext"`
		ResponsePayload json.RawMessage `json:"responsePayload"`
	}{
		"1.0", time.Now().UTC().Format("2006-01-02T15:04:05.000Z"),
		requestContext{id, f.arn() + ":" + latest, "RetriesExhausted", attempts},
		payload,
		responseContext{http.StatusOK, latest, "Unhandled"},
		jsonOrText(out.payload),
	})
	next.enqueue(newUUID(), notice, "")
}

// run takes the event through an idle instance, or through a new one.
func (f *function) run(inv *invocation) outcome {
	defer inv.take() // whatever happened, the next event may go
	f.mu.Lock()
	var i *instance
	if n := len(f.idle); n > 0 {
		i, f.idle = f.idle[n-1], f.idle[:n-1]
	}
	f.mu.Unlock()
	if i == nil {
		var err error
		if i, err = f.start(); err != nil {
			message := "RequestId: " + inv.id + " Error: " + err.Error()
			f.server.watch(FunctionLog, f.Name, message)
			return *lambdaError("Runtime.InvalidEntrypoint", message)
		}
	}
	return i.invoke(inv)
}

func (f *function) allIdle() []*instance {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.idle)
}

func (f *function) setIdle(i *instance) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.idle = append(f.idle, i)
}

func (f *function) remove(i *instance) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.idle = slices.DeleteFunc(f.idle, func(other *instance) bool { return other == i })
}

func (f *function) arn() string { return f.server.arn("lambda", "function:"+f.Name) }

// find takes a function's name, ARN or partial ARN, each with or without
// $LATEST, the only version that there is.
func (l *lambdaService) find(name string) (*function, error) {
	short := strings.TrimSuffix(name, ":"+latest)
	short = strings.TrimPrefix(short, l.server.arn("lambda", "function:"))
	short = strings.TrimPrefix(short, l.server.opts.Account+":function:")
	l.mu.Lock()
	defer l.mu.Unlock()
	if f := l.functions[short]; f != nil {
		return f, nil
	}
	arn := name
	if !strings.HasPrefix(name, "arn:") {
		arn = l.server.arn("lambda", "function:"+strings.TrimPrefix(name, l.server.opts.Account+":function:"))
	}
	return nil, &apiError{http.StatusNotFound, "ResourceNotFoundException", "Function not found: " + arn, map[string]any{"Type": "User"}}
}

// checkPayload refuses what is not JSON. No payload at all is an empty object.
func checkPayload(payload []byte) ([]byte, error) {
	if len(payload) == 0 {
		return []byte("{}"), nil
	}
	if err := json.Unmarshal(payload, new(json.RawMessage)); err != nil {
		return nil, &apiError{http.StatusBadRequest, "InvalidRequestContentException", "Could not parse request body into json: " + err.Error(), map[string]any{"Type": "User"}}
	}
	return payload, nil
}

func (l *lambdaService) serve(w http.ResponseWriter, r *http.Request, body []byte) {
	path := strings.TrimPrefix(r.URL.Path, "/2015-03-31/functions")
	name, action, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	var err error
	switch {
	case r.Method == http.MethodPost && action == "invocations":
		l.server.count("Invoke")
		if err = l.server.faults.take(r.Context(), "Invoke"); err == nil {
			err = l.invoke(w, r, name, body)
		}
	case r.Method == http.MethodGet && name == "" && action == "":
		l.server.count("ListFunctions")
		if err = l.server.faults.take(r.Context(), "ListFunctions"); err == nil {
			l.list(w)
		}
	default:
		err = unknownOperation(r.Method + " " + r.URL.Path)
	}
	if err != nil {
		writeJSONError(w, err)
	}
}

func (l *lambdaService) invoke(w http.ResponseWriter, r *http.Request, name string, payload []byte) error {
	if qualifier := r.URL.Query().Get("Qualifier"); qualifier != "" {
		name = strings.TrimSuffix(name, ":"+qualifier) + ":" + qualifier
	}
	switch kind := r.Header.Get("X-Amz-Invocation-Type"); kind {
	case "Event":
		id, err := l.enqueue(name, payload)
		if err != nil {
			return err
		}
		w.Header().Set("X-Amzn-Requestid", id)
		w.WriteHeader(http.StatusAccepted)
		return nil
	case "DryRun":
		if _, err := l.find(name); err != nil {
			return err
		}
		w.Header().Set("X-Amzn-Requestid", newUUID())
		w.WriteHeader(http.StatusNoContent)
		return nil
	case "", "RequestResponse":
	default:
		return badRequest("InvalidParameterValueException", "Value '%s' at 'invocationType' failed to satisfy constraint: Member must satisfy enum value set: [Event, RequestResponse, DryRun]", kind)
	}
	f, err := l.find(name)
	if err != nil {
		return err
	}
	if payload, err = checkPayload(payload); err != nil {
		return err
	}
	inv := newInvocation(newUUID(), payload)
	out := f.run(inv)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Amzn-Requestid", inv.id)
	w.Header().Set("X-Amz-Executed-Version", latest)
	if out.failed {
		w.Header().Set("X-Amz-Function-Error", "Unhandled")
	}
	if r.Header.Get("X-Amz-Log-Type") == "Tail" {
		w.Header().Set("X-Amz-Log-Result", base64.StdEncoding.EncodeToString(out.tail))
	}
	_, _ = w.Write(out.payload)
	return nil
}

func (l *lambdaService) list(w http.ResponseWriter) {
	type configuration struct {
		FunctionName, FunctionArn, Runtime, Handler, Version string
		Timeout, MemorySize                                  int
	}
	list := []configuration{}
	l.mu.Lock()
	for _, f := range l.functions {
		list = append(list, configuration{f.Name, f.arn(), "provided.al2023", "bootstrap", latest, int(f.Timeout.Seconds()), memorySize})
	}
	l.mu.Unlock()
	slices.SortFunc(list, func(a, b configuration) int { return strings.Compare(a.FunctionName, b.FunctionName) })
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(encodeJSON(map[string]any{"Functions": list}))
}

// encodeJSON leaves <, > and & as they are, as AWS does.
func encodeJSON(v any) []byte {
	var out strings.Builder
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(fmt.Errorf("encode %T: %w", v, err)) // only our own types come here
	}
	return []byte(strings.TrimSuffix(out.String(), "\n"))
}

// jsonOrText keeps JSON and makes a JSON string of anything else.
func jsonOrText(data []byte) json.RawMessage {
	if json.Valid(data) {
		return data
	}
	return encodeJSON(string(data))
}

func newUUID() string {
	id := newID(16)
	return strings.Join([]string{id[:8], id[8:12], "4" + id[13:16], "a" + id[17:20], id[20:]}, "-")
}
