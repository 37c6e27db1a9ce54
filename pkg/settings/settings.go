// Package settings reads the environment of the functions. docs/operations.md
// lists every variable; a test keeps template.yaml in step with the structs.
package settings

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Common is what every function needs.
type Common struct {
	StartedByPrefix string `env:"STARTED_BY_PREFIX,required,notEmpty"`
	TopicARN        string `env:"TOPIC_ARN,required,notEmpty"`
	TextTopicARN    string `env:"TEXT_TOPIC_ARN"`
	// TableName is the ledger's, HistoryDays how long it keeps what was reported.
	TableName   string `env:"TABLE_NAME,required,notEmpty"`
	HistoryDays int    `env:"HISTORY_DAYS" envDefault:"90"`
}

// Stack is what every function of the stack is told.
func (c Common) Stack() Common { return c }

// Launcher is the environment of functions/launcher.
type Launcher struct {
	Common
	Cluster        string   `env:"CLUSTER,required,notEmpty"`
	TaskDefinition string   `env:"TASK_DEFINITION"`
	Subnets        []string `env:"SUBNETS"`
	SecurityGroups []string `env:"SECURITY_GROUPS"`
	AssignPublicIP string   `env:"ASSIGN_PUBLIC_IP" envDefault:"DISABLED"`
	LaunchType     string   `env:"LAUNCH_TYPE" envDefault:"FARGATE"`
	// OverrideTaskRoleARNs are the roles that a payload may give to its task.
	OverrideTaskRoleARNs []string `env:"OVERRIDE_TASK_ROLE_ARNS"`
}

// Collector is the environment of functions/collector.
type Collector struct {
	Common
	LogLines int `env:"LOG_LINES" envDefault:"50"`
}

// Executor is the environment of functions/executor.
type Executor struct {
	Common
	Cluster  string `env:"CLUSTER,required,notEmpty"`
	LogLines int    `env:"LOG_LINES" envDefault:"50"`
	// SignSessions is whether the data channel's upgrade request is signed.
	SignSessions bool `env:"SIGN_SESSIONS" envDefault:"true"`
}

// Watchdog is the environment of functions/watchdog.
type Watchdog struct {
	Common
	// LauncherName and CollectorName are the functions that it wakes.
	LauncherName  string `env:"LAUNCHER_NAME,required,notEmpty"`
	CollectorName string `env:"COLLECTOR_NAME,required,notEmpty"`
	// StopRate and LaunchRate are how many StopTasks and launches a second.
	StopRate   int `env:"STOP_RATE" envDefault:"15"`
	LaunchRate int `env:"LAUNCH_RATE" envDefault:"22"`
	// AlarmTopicARN and Email are whose subscriptions are looked after.
	AlarmTopicARN string `env:"ALARM_TOPIC_ARN"`
	Email         string `env:"EMAIL"`
}

// Load reads environ (as os.Environ returns it) into a settings struct and
// names everything that is missing or bad in one error.
func Load[T any](environ []string) (T, error) {
	values := make(map[string]string, len(environ))
	for _, variable := range environ {
		name, value, _ := strings.Cut(variable, "=")
		values[name] = value
	}
	var settings T
	problems := fill(reflect.ValueOf(&settings).Elem(), values)
	if c, ok := any(&settings).(interface{ check() []string }); ok {
		problems = append(problems, c.check()...)
	}
	if len(problems) > 0 {
		return settings, fmt.Errorf("settings (environment variables of the function): %s", strings.Join(problems, "; "))
	}
	return settings, nil
}

// Plain functions rather than regular expressions, which would be compiled at
// each start, wanted or not.

// isStartedBy is whether s is a prefix of startedBy. The slash at its end keeps
// the tasks of one stack apart from those of another whose name begins alike.
func isStartedBy(s string) bool {
	name, ok := strings.CutSuffix(s, "/")
	return ok && len(name) <= 126 && consistsOf(name, alphanumeric+"/_-")
}

// isTopicARN is whether s is arn:<partition>:sns:<Region>:<account>:<name>. The
// name of a topic that is not a standard one has a dot, as in .fifo.
func isTopicARN(s string) bool {
	part := strings.Split(s, ":")
	return len(part) == 6 && part[0] == "arn" && consistsOf(part[1], lower+"-") && part[2] == "sns" &&
		consistsOf(part[3], lower+digits+"-") && len(part[4]) == 12 && consistsOf(part[4], digits) &&
		consistsOf(part[5], alphanumeric+"_-")
}

// isRoleARN is whether s is arn:<partition>:iam::<account>:role/<path and name>.
func isRoleARN(s string) bool {
	part := strings.Split(s, ":")
	return len(part) == 6 && part[0] == "arn" && consistsOf(part[1], lower+"-") && part[2] == "iam" && part[3] == "" &&
		len(part[4]) == 12 && consistsOf(part[4], digits) && strings.HasPrefix(part[5], "role/") && len(part[5]) > len("role/")
}

const (
	digits       = "0123456789"
	lower        = "abcdefghijklmnopqrstuvwxyz"
	alphanumeric = digits + lower + "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
)

// consistsOf is whether s has characters, and no others than these.
func consistsOf(s, these string) bool {
	return s != "" && strings.Trim(s, these) == ""
}

func (c *Common) check() []string {
	var problems []string
	if c.StartedByPrefix != "" && !isStartedBy(c.StartedByPrefix) {
		problems = append(problems, fmt.Sprintf("STARTED_BY_PREFIX: %q must be up to 126 letters, digits, - _ or /, which is what startedBy of an ECS task takes, and end with a /", c.StartedByPrefix))
	}
	for _, topic := range []struct{ name, arn string }{{"TOPIC_ARN", c.TopicARN}, {"TEXT_TOPIC_ARN", c.TextTopicARN}} {
		if topic.arn != "" && !isTopicARN(topic.arn) {
			problems = append(problems, fmt.Sprintf("%s: %q is not the ARN of a standard SNS topic", topic.name, topic.arn))
		}
	}
	// Less than 15 days would forget a run while its payload is kept.
	if c.HistoryDays < 15 || c.HistoryDays > 3650 {
		problems = append(problems, fmt.Sprintf("HISTORY_DAYS: %d is not from 15 to 3650", c.HistoryDays))
	}
	return problems
}

func (l *Launcher) check() []string {
	problems := l.Common.check()
	for _, list := range []struct {
		name, prefix string
		items        []string
	}{{"SUBNETS", "subnet-", l.Subnets}, {"SECURITY_GROUPS", "sg-", l.SecurityGroups}} {
		for _, item := range list.items {
			if !strings.HasPrefix(item, list.prefix) {
				problems = append(problems, fmt.Sprintf("%s: %q does not begin with %s; separate ids by commas alone", list.name, item, list.prefix))
			}
		}
	}
	for _, role := range l.OverrideTaskRoleARNs {
		if !isRoleARN(role) {
			problems = append(problems, fmt.Sprintf("OVERRIDE_TASK_ROLE_ARNS: %q is not the ARN of an IAM role; separate ARNs by commas alone", role))
		}
	}
	problems = append(problems, oneOf("ASSIGN_PUBLIC_IP", l.AssignPublicIP, "ENABLED", "DISABLED")...)
	return append(problems, oneOf("LAUNCH_TYPE", l.LaunchType, "FARGATE", "EC2", "EXTERNAL", "CLUSTER")...)
}

func (c *Collector) check() []string {
	return append(c.Common.check(), checkLogLines(c.LogLines)...)
}

func (e *Executor) check() []string {
	return append(e.Common.check(), checkLogLines(e.LogLines)...)
}

func (w *Watchdog) check() []string {
	problems := w.Common.check()
	for _, rate := range []struct {
		name  string
		value int
	}{{"STOP_RATE", w.StopRate}, {"LAUNCH_RATE", w.LaunchRate}} {
		if rate.value < 1 || rate.value > 100 {
			problems = append(problems, fmt.Sprintf("%s: %d is not from 1 to 100 a second", rate.name, rate.value))
		}
	}
	if w.AlarmTopicARN != "" && !isTopicARN(w.AlarmTopicARN) {
		problems = append(problems, fmt.Sprintf("ALARM_TOPIC_ARN: %q is not the ARN of a standard SNS topic", w.AlarmTopicARN))
	}
	return problems
}

func checkLogLines(n int) []string {
	if n < 0 || n > 1000 {
		return []string{fmt.Sprintf("LOG_LINES: %d is not from 0 to 1000", n)}
	}
	return nil
}

func oneOf(name, value string, allowed ...string) []string {
	if slices.Contains(allowed, value) {
		return nil
	}
	return []string{fmt.Sprintf("%s: %q is not one of %s", name, value, strings.Join(allowed, ", "))}
}
