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
// itself: a program that exits with 0 on SIGTERM was stopped. Its own exit code
// stands above the task's stop code: a fast job may have ended before its sidecar
// was started, which ECS calls TaskFailedToStart.
func (t Task) Verdict(container string, d Definition) Verdict {
	t = t.withMemory(d)
	c := t.Container(container)
	v := Verdict{ExitCode: c.ExitCode, Ran: t.ran(c, d)}
	stop := t.stopCode()
	switch {
	case t.interrupted():
		v.Status = run.Interrupted
		v.Reason, v.Summary = t.because("AWS took the task away", c), plain(cmp.Or(t.StoppedReason, c.Reason))
	case stop == userInitiated, stop == schedulerInitiated:
		v.Status = run.Stopped
		v.Reason, v.Summary = t.because("the task was stopped", c), plain(cmp.Or(t.StoppedReason, c.Reason))
	case container == "" && (v.Ran || stop != taskFailedToStart):
		v.Status = run.Lost
		v.Reason = "no container of the task carries ERRAND_RUN_ID, so it is not known which one the run is about" + detail(t.StoppedReason)
	case !v.Ran:
		v.Status, v.Reason, v.Summary = t.notStarted(c, d)
	case c.ExitCode == nil || *c.ExitCode != 0:
		v.Status = run.Failed
		v.Reason, v.Summary = t.failure(c, d)
	case stop != essentialExited && stop != taskFailedToStart:
		v.Status = run.Lost
		v.Reason = fmt.Sprintf("container %s exited with code 0, but ECS does not say that it ended by itself%s", container, detail(t.StoppedReason))
	default:
		v.Status = run.Succeeded
		v.Reason, v.Summary = t.says(c)+t.beside(c, d), ExitCode(0, c.Reason)
	}
	if v.Summary == "" {
		v.Summary = v.Reason
	}
	return v
}

// ran says whether the container was started. ECS gives an exit code or a
// runtime id to one that was, and a reason of certain classes to one that could
// not be. Without any of them, the container of a started task ran unless
// another one has the exit code that ended the task.
func (t Task) ran(c Container, d Definition) bool {
	switch {
	case neverRan(c.Reason, c.ExitCode):
		return false
	case killed(c.ExitCode) && c.RuntimeID == "" && slices.ContainsFunc(t.Containers, func(other Container) bool { return other.RuntimeID != "" }):
		// The agent gives 143 to a container that waited for one that failed
		// (https://github.com/aws/amazon-ecs-agent/pull/3218).
		return false
	case c.ExitCode != nil, outOfMemory(c.Reason):
		return true
	case t.stopCode() == taskFailedToStart, neverRan(t.StoppedReason, nil):
		return false
	case c.RuntimeID != "":
		return true
	}
	return !t.StartedAt.IsZero() && !slices.ContainsFunc(t.Containers, func(other Container) bool { return other.ExitCode != nil && d.has(other.Name) })
}

// notStarted is the verdict on a container that did not run, with the cause that ECS
// gives for it, or else the container that is the cause.
func (t Task) notStarted(c Container, d Definition) (status run.Status, reason, summary string) {
	what := "the task did not start"
	if c.Name != "" && t.stopCode() != taskFailedToStart {
		what = fmt.Sprintf("container %s did not start", c.Name)
	}
	culprit := t.culprit(c, d, false)
	if culprit == nil && c.Reason == "" && t.StopCode == "" && t.StoppedReason == "" {
		return run.Lost, "ECS gives neither an exit code nor a stop code", ""
	}
	named := ""
	if culprit != nil {
		named = t.says(*culprit)
	}
	switch {
	case c.Reason != "" && waited(c.Reason) && culprit != nil && culprit.failed():
		return run.StartFailed, what + detail(c.Reason) + "; " + named, named
	case c.Reason != "", named == "":
		cause := cmp.Or(c.Reason, t.StoppedReason)
		return run.StartFailed, what + detail(cause), plain(cause)
	case culprit.Reason == "" && !general(t.StoppedReason):
		reason = what + detail(t.StoppedReason)
		if culprit.failed() {
			reason += "; " + named
		}
		return run.StartFailed, reason, plain(t.StoppedReason)
	case c.Name != "":
		what = fmt.Sprintf("container %s did not start", c.Name)
	}
	return run.StartFailed, what + ": " + named, named
}

// general says whether a stopped reason tells no more than that the task stopped.
func general(stoppedReason string) bool {
	switch strings.ToLower(oneLine(stoppedReason)) {
	case "", "essential container in task exited", "task failed to start", "taskfailedtostart":
		return true
	}
	return false
}

// failure tells of a container that ran and left another code than 0, or none. If it
// was killed, and ECS does not say why, that is another container's doing.
func (t Task) failure(c Container, d Definition) (reason, summary string) {
	reason = t.says(c)
	if c.ExitCode != nil {
		summary = ExitCode(*c.ExitCode, c.Reason)
	} else if c.Reason == "" {
		reason += detail(t.StoppedReason)
	}
	if c.Reason != "" || c.ExitCode != nil && !killed(c.ExitCode) {
		return reason + t.beside(c, d), summary
	}
	culprit := t.culprit(c, d, true)
	if culprit == nil {
		if c.ExitCode != nil && !general(t.StoppedReason) {
			reason += detail(t.StoppedReason)
		}
		return reason, summary
	}
	essential := ""
	if d[culprit.Name].Essential {
		essential = "essential "
	}
	reason += "; " + essential + t.says(*culprit)
	if essential != "" && !neverRan(culprit.Reason, culprit.ExitCode) {
		reason += ", and ECS stops a task when an essential container ends"
	}
	return reason, summary
}

// because completes a sentence about the task with ECS's reason, and with what there
// is to say about the container.
func (t Task) because(what string, c Container) string {
	what += detail(t.StoppedReason)
	if c.ExitCode == nil && c.Reason == "" {
		return what
	}
	return what + "; " + t.says(c)
}

// plain is a cause without the container runtime's own introductions.
func plain(cause string) string {
	cause = oneLine(cause)
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
	cause = strings.Join(strings.Fields(cause), " ")
	if strings.HasSuffix(cause, "..") { // there was more
		return cause
	}
	return strings.TrimSuffix(cause, ".")
}

// outOfMemory says whether ECS's reason is that a process of the container was killed
// for memory. It need not be the command: Docker tells it of any process in the
// container, and the command may go on (https://github.com/aws/amazon-ecs-agent/issues/2467,
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/resolve-outofmemory-error.html).
func outOfMemory(reason string) bool {
	return len(reason) >= len(oomError) && strings.EqualFold(reason[:len(oomError)], oomError)
}

const oomError = "OutOfMemoryError"

// Exited says what an exit code means, as the end of a sentence about what
// exited. reason is ECS's, if it gives one.
func Exited(code int, reason string) string { return ended(&code, reason, 0) }

// ended is Exited for a container that may have left no code, and whose memory limit
// in MiB may be known.
func ended(code *int, reason string, limit int) string {
	if outOfMemory(reason) {
		return endedForMemory(code, reason, limit)
	}
	if code == nil {
		return "ended without an exit code" + detail(reason)
	}
	return fmt.Sprintf("exited with code %d", *code) + inBrackets(meaning(*code)) + detail(reason)
}

func endedForMemory(code *int, reason string, limit int) string {
	why := strings.Join(strings.Fields(reason), " ")
	if limit > 0 {
		why += fmt.Sprintf("; the limit was %d MiB: raise memory", limit)
	}
	why = inBrackets(why)
	switch {
	case code == nil:
		return "ran out of memory and was killed, without an exit code" + why
	case *code == 137:
		return "ran out of memory and was killed with code 137" + why
	case *code == 0:
		return "exited with code 0, though a process was killed for memory and the command went on" + why
	}
	return ended(code, "", 0) + ", after a process was killed for memory" + why
}

// ExitCode is what Exited says in a few words.
func ExitCode(code int, reason string) string {
	what := meaning(code)
	if outOfMemory(reason) {
		what = oomError
	}
	return fmt.Sprintf("exit code %d", code) + inBrackets(what)
}

func inBrackets(what string) string {
	if what == "" {
		return ""
	}
	return " (" + what + ")"
}

// meaning is what shells, the kernel and Windows mean by a code, "" for the command's own.
func meaning(code int) string {
	switch code {
	case 126:
		return "the command is not executable"
	case 127:
		return "command not found"
	}
	if name := ofWindows(code); name != "" {
		return name
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
