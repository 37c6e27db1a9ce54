package operate

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"errand/pkg/payload"
	"errand/pkg/run"
)

// request is a payload that a person sends, and who its run is.
type request struct {
	payload            json.RawMessage
	method, job, runID string
}

// ReadPayload reads a payload's file; - is the standard input.
func ReadPayload(file string) ([]byte, error) {
	if file == "-" {
		file = "/dev/stdin"
	}
	raw, err := os.ReadFile(file) //nolint:gosec // named by whoever runs this
	if errors.Is(err, fs.ErrNotExist) && run.ValidJob(file) {
		return nil, WrongUse(fmt.Sprintf("there is no file %s; a job cannot be started by its name yet: give the file of its payload", file))
	}
	if err != nil {
		return nil, fmt.Errorf("read the payload: %w", err)
	}
	return raw, nil
}

// newRequest makes a person's request of a payload. The Scheduler's attributes are
// filled in. A payload that does not say which run it is gets a run id, so that it
// is a run of its own, however often it is sent.
func newRequest(raw []byte, method string, words []string, now time.Time) (request, error) {
	raw = bytes.TrimPrefix(raw, []byte("\xEF\xBB\xBF"))
	due := bytes.Contains(raw, []byte(dueAttribute))
	raw = []byte(strings.NewReplacer(
		dueAttribute, now.UTC().Truncate(time.Second).Format(time.RFC3339),
		"<aws.scheduler.execution-id>", randomHex(16),
		"<aws.scheduler.attempt-number>", "1",
		"<aws.scheduler.schedule-arn>", "errand start",
	).Replace(string(raw)))
	var problems []string
	for _, problem := range check(raw, method) {
		if words == nil || !strings.HasPrefix(problem, "command") {
			problems = append(problems, problem)
		}
	}
	if problems != nil {
		return request{}, refused(problems)
	}
	fields, err := fieldsOf(raw)
	if err != nil {
		return request{}, err
	}
	if words != nil {
		fields["command"], _ = json.Marshal(words) // strings cannot fail
	}
	r := request{method: method}
	if fields["runId"] == nil && (fields["scheduledTime"] == nil || due) {
		var job string
		_ = json.Unmarshal(fields["job"], &job) // as was checked
		fields["runId"], _ = json.Marshal(job + "-" + now.UTC().Format("20060102T150405Z") + "-" + randomHex(2))
	}
	if r.payload, err = json.Marshal(fields); err != nil {
		return request{}, err
	}
	if problems := check(r.payload, method); problems != nil {
		return request{}, refused(problems)
	}
	who := runOf(r.payload, "")
	r.job, r.runID = who.Job, who.ID
	return r, nil
}

const dueAttribute = "<aws.scheduler.scheduled-time>"

func randomHex(bytes int) string {
	b := make([]byte, bytes)
	_, _ = rand.Read(b) // never fails, see crypto/rand
	return hex.EncodeToString(b)
}

// renamed is the payload as another run.
func renamed(raw []byte, runID string) (request, error) {
	fields, err := fieldsOf(raw)
	if err != nil {
		return request{}, err
	}
	fields["runId"], _ = json.Marshal(runID)
	r := request{method: methodOf(raw), runID: runID}
	r.payload, err = json.Marshal(fields)
	r.job = runOf(r.payload, "").Job
	return r, err
}

// fieldsOf are the fields of a payload, bare or as the detail of an event, as they
// are written.
func fieldsOf(raw []byte) (map[string]json.RawMessage, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(raw, &fields); err != nil {
		return nil, fmt.Errorf("read the payload: %w", err)
	}
	var kind string
	if json.Unmarshal(fields["detail-type"], &kind) == nil && kind == payload.DetailType {
		return fieldsOf(fields["detail"])
	}
	return fields, nil
}

// methodOf is how a payload is run: run.MethodExec, else run.MethodRunTask.
func methodOf(raw []byte) string {
	if payload.MethodOf(raw) == run.MethodExec {
		return run.MethodExec
	}
	return run.MethodRunTask
}

// check is what is wrong with a payload.
func check(raw []byte, method string) (problems []string) {
	_, err := decode(raw, method)
	if invalid, ok := errors.AsType[payload.Invalid](err); ok {
		return invalid
	}
	if err != nil {
		return []string{err.Error()}
	}
	return nil
}

// decode reads as much of a payload as can be read.
func decode(raw []byte, method string) (who func(requestID string) run.Run, err error) {
	if method == run.MethodExec {
		p, eventID, err := payload.DecodeExec(raw)
		return func(requestID string) run.Run { return p.Run(eventID, requestID) }, err
	}
	p, eventID, err := payload.Decode(raw)
	return func(requestID string) run.Run { return p.Run(eventID, requestID) }, err
}

// runOf is the run that a payload asks for, as its function would find it.
func runOf(raw []byte, requestID string) run.Run {
	who, _ := decode(raw, methodOf(raw)) // what could be read says who it is
	return who(requestID)
}

// refused is the error of a payload that is wrong.
func refused(problems []string) error {
	if len(problems) == 1 {
		return fmt.Errorf("the payload is wrong: %s", problems[0])
	}
	return fmt.Errorf("the payload is wrong:\n  %s", strings.Join(problems, "\n  "))
}

// following is the id of the run that repeats another one: r-1 is followed by
// r-1.2, and that by r-1.3.
func following(runID string) string {
	base, last, ok := cutLast(runID, ".")
	if n, err := strconv.Atoi(last); ok && err == nil && n >= 2 && n < 1000 && strconv.Itoa(n) == last {
		return base + "." + strconv.Itoa(n+1)
	}
	return runID + ".2"
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i <= 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}
