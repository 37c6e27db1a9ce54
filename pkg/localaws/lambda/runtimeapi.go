package lambda

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"errand/pkg/localaws/host"
)

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
	header.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(time.Now().Add(i.f.limit()).UnixMilli(), 10))
	header.Set("Lambda-Runtime-Invoked-Function-Arn", i.f.arn())
	header.Set("Lambda-Runtime-Trace-Id", fmt.Sprintf("Root=1-%08x-%s;Parent=%s;Sampled=0", i.f.host.Now().Unix(), host.NewID(12), host.NewID(8)))
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
