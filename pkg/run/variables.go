package run

import (
	"strconv"
	"time"
)

// Reserved begins the names of errand's own variables.
const Reserved = "ERRAND_"

// VarRunID is the variable that marks the container of a run.
const VarRunID = Reserved + "RUN_ID"

const (
	varJob           = Reserved + "JOB"
	varAttempt       = Reserved + "ATTEMPT"
	varScheduledTime = Reserved + "SCHEDULED_TIME"
	varLogLines      = Reserved + "LOG_LINES"
	varDigest        = Reserved + "DIGEST"
)

// MaxLogLines is the most log lines that a result is asked for.
const MaxLogLines = 1000

// Variable is one environment variable.
type Variable struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Carried is what the container of a run carries in its variables beside who the
// run is, for whoever reports its end or meets its task again.
type Carried struct {
	LogLines *int // nil: as the stack says
	// Digest tells the payload from others under the same identity; "" if the
	// task was started without.
	Digest string
}

// Variables are the run's ERRAND_ variables, for its container. The stop event
// and DescribeTasks show them again.
func (r Run) Variables(c Carried) []Variable {
	variables := []Variable{
		{varJob, r.Job},
		{VarRunID, r.ID},
		{varAttempt, strconv.Itoa(r.Attempt)},
	}
	if !r.ScheduledTime.IsZero() {
		variables = append(variables, Variable{varScheduledTime, r.ScheduledTime.Format(time.RFC3339)})
	}
	if c.LogLines != nil {
		variables = append(variables, Variable{varLogLines, strconv.Itoa(*c.LogLines)})
	}
	if c.Digest != "" {
		variables = append(variables, Variable{varDigest, c.Digest})
	}
	return variables
}

// FromVariables reads a run back, and is false for a container that carries
// none. What cannot be read is left at its zero value.
func FromVariables(variables []Variable) (Run, Carried, bool) {
	values := make(map[string]string, len(variables))
	for _, v := range variables {
		values[v.Name] = v.Value
	}
	id, ok := values[VarRunID]
	if !ok {
		return Run{}, Carried{}, false
	}
	r := Run{Job: values[varJob], ID: id, Method: MethodRunTask}
	r.Attempt, _ = strconv.Atoi(values[varAttempt])
	r.ScheduledTime, _ = time.Parse(time.RFC3339, values[varScheduledTime])
	c := Carried{Digest: values[varDigest]}
	if n, err := strconv.Atoi(values[varLogLines]); err == nil && n >= 0 && n <= MaxLogLines {
		c.LogLines = &n
	}
	return r, c, true
}
