package localaws

import (
	"context"
	"encoding/json"
	"time"

	"errand/pkg/localaws/events"
	"errand/pkg/localaws/host"
	"errand/pkg/localaws/lambda"
	"errand/pkg/localaws/session"
	"errand/pkg/localaws/sns"
)

// What the services have, under the names that users of the server know.
type (
	// Occurrence is something that a person who watches the endpoint wants to
	// see.
	Occurrence = host.Occurrence
	// Kind says what an Occurrence is.
	Kind = host.Kind
	// Clock is AWS's time, which may run faster than the real one.
	Clock = host.Clock
	// Fault is an answer that an operation is told to give instead of its own.
	Fault = host.Fault
	// Function is a Lambda function: a built program and its settings.
	Function = lambda.Function
	// DeadLetter is an event that a function could not handle and that has no
	// function left to go to.
	DeadLetter = lambda.DeadLetter
	// Rule sends the events that its pattern selects to a function.
	Rule = events.Rule
	// Message is what was published to a topic.
	Message = sns.Message
	// Attribute is a message attribute.
	Attribute = sns.Attribute
	// Session is what can be known of a session from outside.
	Session = session.Session
	// Disturbance is how the agents and the gateway of sessions behave.
	Disturbance = session.Disturbance
)

// The kinds of Occurrence.
const (
	TaskState    = host.TaskState
	LogLine      = host.LogLine
	Notification = host.Notification
	FunctionLog  = host.FunctionLog
	SessionState = host.SessionState
)

// Calls returns how many requests there were for an operation such as RunTask,
// those that an injected fault answered included.
func (s *Server) Calls(operation string) int { return s.host.Calls(operation) }

// Inject makes coming calls fail or wait. Faults for the same operation take
// effect one after another.
func (s *Server) Inject(f Fault) { s.host.Inject(f) }

// DecideFaults asks decide at every call that no injected fault hits which fault
// hits it; nil is none. The fault's Operation, Skip and Times say nothing then.
// One call is asked about at a time. DecideFaults(nil) ends that.
func (s *Server) DecideFaults(decide func(operation string) *Fault) { s.host.DecideFaults(decide) }

// Limit gives the operations, such as RunTask and StopTask, one quota that they
// share: so many calls at once, and then so many a second of AWS's time. A call
// beyond it is answered ThrottlingException, "Rate exceeded", and counts in Calls
// as any other. An operation may be in several quotas, and then needs all of them.
// A quota of the same operations is replaced; a burst of 0 ends it.
func (s *Server) Limit(burst int, perSecond float64, operations ...string) {
	s.host.Limit(burst, perSecond, operations...)
}

// HideLog plays lines that CloudWatch Logs shows late: the next reads
// GetLogEvents calls on the group do not see a stream's last lines. With
// lines below 0 they do not see the stream at all. Hidings of one group follow
// each other.
func (s *Server) HideLog(group string, lines, reads int) { s.logs.Hide(group, lines, reads) }

// AddFunction makes a function known, or replaces the one of that name.
func (s *Server) AddFunction(f Function) { s.lambda.Add(f) }

// InvokeAsync queues an event for a function, as rules, destinations and
// Invoke with the type Event do. An error of the function is not seen here: the
// event is tried again, goes to the function's failure function, and from there
// to the dead letters.
func (s *Server) InvokeAsync(function string, payload []byte) error {
	return s.lambda.InvokeAsync(function, payload)
}

// KillFunctions asks decide at every invocation whether its program is killed,
// with all that it has started, and how long after it has taken the event, in
// real time. Lambda reports that as a Runtime.ExitError, and tries asynchronous
// events again. A program that is through before is spared. decide is asked from
// several goroutines at once; KillFunctions(nil) ends that.
func (s *Server) KillFunctions(decide func(function string) (after time.Duration, kill bool)) {
	s.lambda.KillFunctions(decide)
}

// DeadLetters returns the events that were given up, in the order in which
// that happened.
func (s *Server) DeadLetters() []DeadLetter { return s.lambda.DeadLetters() }

// AwaitDeadLetters waits until n events in all were given up, and returns them.
func (s *Server) AwaitDeadLetters(ctx context.Context, n int) ([]DeadLetter, error) {
	return s.lambda.AwaitDeadLetters(ctx, n)
}

// AddQueue makes an SQS queue, unless there is one of that name, and returns its
// URL and ARN, which may be the DeadLetterQueue of functions.
func (s *Server) AddQueue(name string) (url, arn string, err error) { return s.sqs.Add(name) }

// AddRule adds a rule, or replaces the one of that name. Its function must be
// known.
func (s *Server) AddRule(r Rule) error { return s.events.Add(r) }

// DisturbEvents makes the events that rules select arrive as EventBridge may
// deliver them: each of them twice, and out of order. With reverse at 2 or
// more, every rule holds its events back until it has that many, and then
// delivers them, the last one first. What a rule still holds is delivered that
// way at the next call; DisturbEvents(false, 0) ends the disturbance.
func (s *Server) DisturbEvents(duplicate bool, reverse int) { s.events.Disturb(duplicate, reverse) }

// DecideEvents asks decide for every event that a rule selects how often it is
// delivered, and how late: a delay of AWS's time for each copy, 0 for one that is
// not late. Without any, the event is lost, as one is whose rule was disabled or
// whose target could not be reached for a day. One event is asked about at a time,
// and decide must not call the server. DecideEvents(nil) ends that.
func (s *Server) DecideEvents(decide func(rule string, event json.RawMessage) []time.Duration) {
	s.events.DecideEvents(decide)
}

// AddTicker invokes a function, asynchronously and with the payload, each time
// that so much of AWS's time has passed, as a schedule of EventBridge Scheduler
// with a rate does. It replaces the ticker of that name. Once stop has returned,
// nothing more is invoked.
func (s *Server) AddTicker(name string, every time.Duration, function string, payload []byte) (stop func(), err error) {
	return s.events.AddTicker(name, every, function, payload)
}

// Published returns every message that a topic has accepted, in order.
func (s *Server) Published() []Message { return s.sns.Published() }

// AwaitMessages waits until n messages in all were published, and returns them.
func (s *Server) AwaitMessages(ctx context.Context, n int) ([]Message, error) {
	return s.sns.AwaitMessages(ctx, n)
}

// FailPlacement makes the next times RunTask requests answer 200 without tasks
// and with one failure of the given reason, such as RESOURCE:MEMORY. With an
// empty reason there is no failure either. A token that is replayed gets its
// old answer and uses none of them up.
func (s *Server) FailPlacement(reason string, times int) { s.ecs.FailPlacement(reason, times) }

// HoldStart keeps the tasks of a family that come to PENDING from now on in it,
// as those are whose image is large or whose capacity has yet to come: until
// release is called or they are stopped.
func (s *Server) HoldStart(family string) (release func()) { return s.ecs.HoldStart(family) }

// SetExecAgent sets the status of the agent that ECS Exec needs in a container:
// PENDING, RUNNING or STOPPED. It is RUNNING as soon as the task is.
func (s *Server) SetExecAgent(taskARN, container, status string) error {
	return s.ecs.SetExecAgent(taskARN, container, status)
}

// DisturbSessions sets how the sessions behave that start from now on.
func (s *Server) DisturbSessions(d Disturbance) { s.sessions.Disturb(d) }

// Sessions returns the sessions in the order of their start.
func (s *Server) Sessions() []Session { return s.sessions.Sessions() }

// AddKey makes a KMS key and returns its ARN, which the
// executeCommandConfiguration of a cluster may have.
func (s *Server) AddKey() string { return s.sessions.AddKey() }

// AddStack makes a CloudFormation stack with the outputs, or updates the one of
// that name.
func (s *Server) AddStack(name string, outputs map[string]string) { s.stacks.Add(name, outputs) }

// ConfirmSubscription confirms the subscription of an e-mail address, as its
// owner does with the link in SNS's mail.
func (s *Server) ConfirmSubscription(topicARN, endpoint string) error {
	return s.sns.Confirm(topicARN, endpoint)
}

// LagIndexes makes every DynamoDB index show its table as it was n writes ago.
func (s *Server) LagIndexes(n int) { s.dynamodb.LagIndexes(n) }

// LimitBatches makes BatchGetItem leave all but the first n keys of a request
// unprocessed; 0 ends that.
func (s *Server) LimitBatches(n int) { s.dynamodb.LimitBatches(n) }

// ExpireItems deletes the items of all DynamoDB tables whose time to live is
// over at the time, and says how many. Nothing else deletes them.
func (s *Server) ExpireItems(now time.Time) int { return s.dynamodb.ExpireItems(now) }
