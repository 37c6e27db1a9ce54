package payload

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"errand/pkg/awsjson"
	"errand/pkg/run"
)

// The bounds of an exec payload's timeout. A Lambda function runs for 15 minutes
// at most, and needs the last one to report.
const (
	minExecTimeout = time.Second
	maxExecTimeout = 14 * time.Minute
)

// Exec is the input of the executor: a command to run inside a container
// that is running already.
type Exec struct {
	Name        string `json:"job"`
	Command     []string
	Cluster     string
	Container   string
	Environment map[string]string

	// Where to run: exactly one of them.
	Task    string // id or ARN
	Service string // one of its tasks
	Family  string // one of the tasks of this task definition family

	ScheduledTime time.Time
	RunID         string `json:"runId"`
	LogLines      *int
	Timeout       string // 1s to 14m
	Method        Method
	Schedule      string // who sent it
}

// DecodeExec reads an exec payload, bare or as the detail of an "Errand Job"
// event, as strictly as Decode does.
func DecodeExec(raw []byte) (Exec, string, error) {
	var p Exec
	eventID, err := decodeWrapped(raw, run.MethodExec, &p, &p.Command, p.check)
	return p, eventID, err
}

func (p *Exec) check() []string {
	problems := checkRun(p.Name, p.RunID, p.LogLines, p.Environment)
	bad := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	if len(p.Command) == 0 {
		bad("command: required, the program and its arguments, as in %s", forms["command"].example)
	}
	problems = append(problems, checkCommand(p.Command)...)
	for _, name := range slices.Sorted(maps.Keys(p.Environment)) {
		if name != "" && !strings.ContainsAny(name, "=\x00") && (awsjson.Name(name) != name || strings.Contains(name, "-")) {
			bad("environment: has a name that a shell cannot export: it takes letters, digits and _, not beginning with a digit")
			break
		}
	}
	problems = append(problems, checkName("task", p.Task)...)
	problems = append(problems, checkName("service", p.Service)...)
	problems = append(problems, checkName("family", p.Family)...)
	problems = append(problems, checkName("cluster", p.Cluster)...)
	where := 0
	for _, name := range []string{p.Task, p.Service, p.Family} {
		if name != "" {
			where++
		}
	}
	if where != 1 {
		bad("task, service, family: give exactly one of the three, it says where the command runs")
	}
	if p.Timeout != "" {
		if d, err := time.ParseDuration(p.Timeout); err != nil || d < minExecTimeout || d > maxExecTimeout {
			bad(`timeout: must be a duration from 1s to 14m, as in "10m"`)
		}
	}
	return problems
}

// Limit is how long the command may run.
func (p *Exec) Limit() time.Duration {
	if d, err := time.ParseDuration(p.Timeout); err == nil {
		return d
	}
	return maxExecTimeout
}

// Run identifies the run that the payload asks for.
func (p *Exec) Run(eventID, requestID string) run.Run {
	return run.Identify(run.MethodExec, p.Name, p.RunID, p.ScheduledTime, eventID, requestID)
}
