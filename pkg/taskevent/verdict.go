package taskevent

import (
	"fmt"
	"slices"
	"strings"

	"errand/pkg/result"
)

// Verdict is how a run ended.
type Verdict struct {
	Status   result.Status
	Reason   string // one sentence for a person
	ExitCode *int   // of the run's container
	// Ran says whether the run's container was started, and so may have a log.
	Ran bool
}

// Verdict judges the task by the named container alone: what ECS killed with
// it (137, 143) and containers that AWS injected do not count. A missing exit
// code is never 0, and exit code 0 is success only if the container ended by
// itself: a program that exits with 0 on SIGTERM was stopped.
func (t Task) Verdict(container string) Verdict {
	c := t.Container(container)
	v := Verdict{ExitCode: c.ExitCode, Ran: t.ran(c)}
	switch {
	case t.interrupted():
		v.Status = result.Interrupted
		v.Reason = t.because("AWS took the task away", c)
	case t.StopCode == "UserInitiated", t.StopCode == "ServiceSchedulerInitiated":
		v.Status = result.Stopped
		v.Reason = t.because("the task was stopped", c)
	case t.StopCode == "TaskFailedToStart" && !v.Ran:
		v.Status = result.StartFailed
		v.Reason = t.because("the task did not start", c)
	case container == "":
		v.Status = result.Lost
		v.Reason = "no container of the task carries ERRAND_RUN_ID, so it is not known which one the run is about" + detail(t.StoppedReason)
	case c.ExitCode == nil && !v.Ran && t.StopCode == "":
		v.Status = result.Lost
		v.Reason = t.because("ECS gives neither an exit code nor a stop code", c)
	case !v.Ran:
		// Another essential container ended before this one was started.
		v.Status = result.StartFailed
		v.Reason = t.because(fmt.Sprintf("container %s did not start", container), c)
		if other := t.failedContainer(container); other != nil {
			v.Reason = fmt.Sprintf("container %s did not start: container %s %s", container, other.Name, Exited(*other.ExitCode, other.Reason))
		}
	case c.ExitCode == nil:
		v.Status = result.Failed
		v.Reason = t.because(fmt.Sprintf("container %s ended without an exit code", container), c)
	case *c.ExitCode != 0:
		v.Status = result.Failed
		v.Reason = fmt.Sprintf("container %s %s", container, Exited(*c.ExitCode, c.Reason))
	case t.StopCode != "EssentialContainerExited":
		v.Status = result.Lost
		v.Reason = fmt.Sprintf("container %s exited with code 0, but ECS does not say that it ended by itself%s", container, detail(t.StoppedReason))
	default:
		v.Status = result.Succeeded
		v.Reason = fmt.Sprintf("container %s exited with code 0", container)
	}
	return v
}

// ran says whether the container was started. ECS gives an exit code or a
// runtime id to one that was, and a reason of these classes to one that could
// not be. Without any of them, the container of a started task ran unless
// another one has the exit code that ended the task.
func (t Task) ran(c Container) bool {
	for _, class := range []string{"CannotStartContainer", "CannotCreateContainer", "CannotPull", "ResourceInitializationError"} {
		if strings.HasPrefix(c.Reason, class) {
			return false // Docker has an exit code even then
		}
	}
	if c.ExitCode != nil || c.RuntimeID != "" {
		return true
	}
	return !t.StartedAt.IsZero() && !slices.ContainsFunc(t.Containers, func(other Container) bool { return other.ExitCode != nil })
}

// failedContainer is another container that left a failing exit code.
func (t Task) failedContainer(name string) *Container {
	for i, c := range t.Containers {
		if c.Name != name && c.ExitCode != nil && *c.ExitCode != 0 {
			return &t.Containers[i]
		}
	}
	return nil
}

// interrupted recognizes Spot, host and platform by stop code. Task retirement
// and host termination are told by their sentences only
// (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-maintenance.html).
func (t Task) interrupted() bool {
	switch t.StopCode {
	case "SpotInterruption", "TerminationNotice", "InfrastructureHealth":
		return true
	}
	for _, sentence := range []string{
		"ECS is performing maintenance on the underlying infrastructure",
		"Host EC2 (instance",
		"Your Spot Task was interrupted",
		"SpotInterruptionError",
	} {
		if strings.HasPrefix(t.StoppedReason, sentence) {
			return true
		}
	}
	return false
}

// because completes a sentence with the deepest cause that ECS gives, the
// container's before the task's, and with the exit code if there is one.
func (t Task) because(what string, c Container) string {
	cause := c.Reason
	if cause == "" {
		cause = t.StoppedReason
	}
	sentence := what + detail(cause)
	if c.ExitCode != nil {
		sentence += fmt.Sprintf("; container %s %s", c.Name, Exited(*c.ExitCode, ""))
	}
	return sentence
}

// detail appends a cause in ECS's words, on one line.
func detail(cause string) string {
	cause = strings.Join(strings.Fields(cause), " ")
	if cause == "" {
		return ""
	}
	return ": " + strings.TrimSuffix(cause, ".")
}

// Exited says what an exit code means, as the end of a sentence about what
// exited. reason is ECS's, if it gives one.
func Exited(code int, reason string) string {
	sentence := fmt.Sprintf("exited with code %d", code)
	switch name, isSignal := signalName(code - 128); {
	case strings.HasPrefix(reason, "OutOfMemoryError"):
		return fmt.Sprintf("ran out of memory and was killed with code %d (%s)", code, strings.Join(strings.Fields(reason), " "))
	case code == 126:
		sentence += " (the command is not executable)"
	case code == 127:
		sentence += " (command not found)"
	case isSignal:
		sentence += " (" + name + ")"
	}
	return sentence + detail(reason)
}

func signalName(number int) (string, bool) {
	if number >= 34 && number <= 64 {
		return fmt.Sprintf("SIGRTMIN+%d", number-34), true
	}
	name, ok := signals[number]
	return name, ok
}

// signals are Linux's, as an exit code tells them: 128 and the number.
var signals = map[int]string{
	1: "SIGHUP", 2: "SIGINT", 3: "SIGQUIT", 4: "SIGILL", 5: "SIGTRAP", 6: "SIGABRT", 7: "SIGBUS", 8: "SIGFPE",
	9: "SIGKILL", 10: "SIGUSR1", 11: "SIGSEGV", 12: "SIGUSR2", 13: "SIGPIPE", 14: "SIGALRM", 15: "SIGTERM",
	16: "SIGSTKFLT", 17: "SIGCHLD", 18: "SIGCONT", 19: "SIGSTOP", 20: "SIGTSTP", 21: "SIGTTIN", 22: "SIGTTOU",
	23: "SIGURG", 24: "SIGXCPU", 25: "SIGXFSZ", 26: "SIGVTALRM", 27: "SIGPROF", 28: "SIGWINCH", 29: "SIGIO",
	30: "SIGPWR", 31: "SIGSYS",
}
