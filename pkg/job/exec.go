package job

import (
	"fmt"
	"time"
)

// The bounds of an exec payload's timeout. A Lambda function runs for 15 minutes
// at most, and needs the last one to report.
const (
	minExecTimeout = time.Second
	maxExecTimeout = 14 * time.Minute
)

// ExecPayload is the input of the executor: a command to run inside a container
// that is running already.
type ExecPayload struct {
	Job         string
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
}

// DecodeExec reads an exec payload, bare or as the detail of an "Errand Job"
// event, as strictly as Decode does.
func DecodeExec(raw []byte) (ExecPayload, string, error) {
	var p ExecPayload
	eventID, err := decodeWrapped(raw, &p, &p.Command, p.check)
	return p, eventID, err
}

func (p *ExecPayload) check() []string {
	problems := checkRun(p.Job, p.RunID, p.LogLines, p.Environment)
	bad := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	if len(p.Command) == 0 {
		bad("command: required, the program and its arguments")
	}
	problems = append(problems, checkCommand(p.Command)...)
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
			bad("timeout: %q must be a duration from 1s to 14m, such as 90s or 10m", p.Timeout)
		}
	}
	return problems
}

// Limit is how long the command may run.
func (p *ExecPayload) Limit() time.Duration {
	if d, err := time.ParseDuration(p.Timeout); err == nil {
		return d
	}
	return maxExecTimeout
}

// Run gives the payload its identity, as NewRun does.
func (p *ExecPayload) Run(eventID, requestID string) Run {
	return NewRun(Payload{
		Job: p.Job, Command: p.Command, Cluster: p.Cluster, Container: p.Container, Environment: p.Environment,
		ScheduledTime: p.ScheduledTime, RunID: p.RunID, LogLines: p.LogLines,
	}, eventID, requestID)
}
