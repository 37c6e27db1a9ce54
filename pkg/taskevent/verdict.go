package taskevent

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"errand/pkg/run"
)

// Verdict is how a run ended.
type Verdict struct {
	Status   run.Status
	Reason   string // one sentence for a person
	Summary  string // the same in a few words: "exit code 3", "exit code 137 (SIGKILL)"
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
		v.Status = run.Interrupted
		v.Reason, v.Summary = t.because("AWS took the task away", c), t.cause(c)
	case t.StopCode == "UserInitiated", t.StopCode == "ServiceSchedulerInitiated":
		v.Status = run.Stopped
		v.Reason, v.Summary = t.because("the task was stopped", c), t.cause(c)
	case t.StopCode == "TaskFailedToStart" && !v.Ran:
		v.Status = run.StartFailed
		v.Reason, v.Summary = t.because("the task did not start", c), t.cause(c)
	case container == "":
		v.Status = run.Lost
		v.Reason = "no container of the task carries ERRAND_RUN_ID, so it is not known which one the run is about" + detail(t.StoppedReason)
	case c.ExitCode == nil && !v.Ran && t.StopCode == "":
		v.Status = run.Lost
		v.Reason = t.because("ECS gives neither an exit code nor a stop code", c)
	case !v.Ran:
		// Another essential container ended before this one was started.
		v.Status = run.StartFailed
		v.Reason, v.Summary = t.because(fmt.Sprintf("container %s did not start", container), c), t.cause(c)
		if other := t.failedContainer(container); other != nil {
			v.Summary = fmt.Sprintf("container %s %s", other.Name, Exited(*other.ExitCode, other.Reason))
			v.Reason = fmt.Sprintf("container %s did not start: %s", container, v.Summary)
		}
	case c.ExitCode == nil:
		v.Status = run.Failed
		v.Reason = t.because(fmt.Sprintf("container %s ended without an exit code", container), c)
	case *c.ExitCode != 0:
		v.Status = run.Failed
		v.Reason, v.Summary = fmt.Sprintf("container %s %s", container, Exited(*c.ExitCode, c.Reason)), ExitCode(*c.ExitCode, c.Reason)
	case t.StopCode != "EssentialContainerExited":
		v.Status = run.Lost
		v.Reason = fmt.Sprintf("container %s exited with code 0, but ECS does not say that it ended by itself%s", container, detail(t.StoppedReason))
	default:
		v.Status = run.Succeeded
		v.Reason, v.Summary = fmt.Sprintf("container %s exited with code 0", container), ExitCode(0, "")
	}
	if v.Summary == "" {
		v.Summary = v.Reason
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

// because completes a sentence with the deepest cause that ECS gives and with the
// exit code if there is one.
func (t Task) because(what string, c Container) string {
	sentence := what + detail(t.deepest(c))
	if c.ExitCode != nil {
		sentence += fmt.Sprintf("; container %s %s", c.Name, Exited(*c.ExitCode, ""))
	}
	return sentence
}

// deepest is the container's reason before the task's.
func (t Task) deepest(c Container) string { return cmp.Or(c.Reason, t.StoppedReason) }

// cause is the deepest cause without the container runtime's own introductions.
func (t Task) cause(c Container) string {
	cause := oneLine(t.deepest(c))
	if _, inner, ok := strings.Cut(cause, "unable to start container process: "); ok {
		cause = strings.TrimSuffix(inner, ": unknown")
	}
	return cause
}

// detail appends a cause in ECS's words, on one line.
func detail(cause string) string {
	if cause = oneLine(cause); cause == "" {
		return ""
	}
	return ": " + cause
}

func oneLine(cause string) string {
	return strings.TrimSuffix(strings.Join(strings.Fields(cause), " "), ".")
}

// outOfMemory is how the reason of a container begins that was killed for memory
// (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/resolve-outofmemory-error.html).
const outOfMemory = "OutOfMemoryError"

// Exited says what an exit code means, as the end of a sentence about what
// exited. reason is ECS's, if it gives one.
func Exited(code int, reason string) string {
	if strings.HasPrefix(reason, outOfMemory) {
		return fmt.Sprintf("ran out of memory and was killed with code %d (%s)", code, strings.Join(strings.Fields(reason), " "))
	}
	return fmt.Sprintf("exited with code %d", code) + inBrackets(meaning(code)) + detail(reason)
}

// ExitCode is what Exited says in a few words.
func ExitCode(code int, reason string) string {
	what := meaning(code)
	if strings.HasPrefix(reason, outOfMemory) {
		what = outOfMemory
	}
	return fmt.Sprintf("exit code %d", code) + inBrackets(what)
}

func inBrackets(what string) string {
	if what == "" {
		return ""
	}
	return " (" + what + ")"
}

// meaning is what shells and the kernel mean by a code, "" for the command's own.
func meaning(code int) string {
	switch code {
	case 126:
		return "the command is not executable"
	case 127:
		return "command not found"
	}
	name, _ := signalName(code - 128)
	return name
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
