package execute

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"errand/pkg/result"
	"errand/pkg/run"
	"errand/pkg/ssmchan"
	"errand/pkg/taskevent"
)

// ending is the way in which a command ended, as far as it is known.
type ending int

const (
	exited             ending = iota // with a code
	exitedUnknown                    // without a code
	exitedTooLate                    // after it was interrupted for its time
	noCat                            // the wrapper could not run it
	noMark                           // it was no shell that answered
	noHandshake                      // the agent was refused before it ran anything
	notStarted                       // the agent could not run it
	taskGone                         // the container went away under it
	unknownStart                     // nothing was seen of it
	interruptedForTime               // its time was over, and its end was not seen
	sessionLost                      // the session ended before it
)

// ending says which it was: what is known for sure comes first.
func (c *observed) ending() ending {
	switch {
	case c.decoder.Ended() && c.timedOut:
		return exitedTooLate
	case c.decoder.Ended() && c.decoder.ExitCode() == nil:
		return exitedUnknown
	case c.decoder.Ended():
		return exited
	case c.decoder.NoCat():
		return noCat
	case errors.Is(c.err, ssmchan.ErrKMS), errors.Is(c.err, ssmchan.ErrHandshake):
		return noHandshake
	case c.channel.Closed && !c.decoder.Begun() && c.channel.Stats.Frames == 0 && neverRan(c.channel.Reason):
		return notStarted
	case c.unmarked():
		return noMark
	case c.gone(), aws.ToString(c.task.DesiredStatus) == "STOPPED":
		return taskGone
	case !c.decoder.Begun():
		return unknownStart
	case c.timedOut:
		return interruptedForTime
	}
	return sessionLost
}

// verdict judges how the command ended. The summary is for the subject.
func (c *observed) verdict(limit time.Duration) (status run.Status, reason, summary string) {
	switch c.ending() {
	case exited:
		code := *c.decoder.ExitCode()
		status = run.Failed
		if code == 0 {
			status = run.Succeeded
		}
		return status, "the command " + taskevent.Exited(code, ""), taskevent.ExitCode(code, "")
	case exitedUnknown:
		return run.Failed, "the command ended without an exit code: it ended the shell that would have known it", ""
	case exitedTooLate:
		return run.TimedOut, "the command was interrupted " + c.whose(limit), ""
	case noCat:
		return because(run.StartFailed, "the command did not start", "the image has no cat, which errand needs to read the command's output: use an image with cat, or a task of its own")
	case noMark:
		return because(run.StartFailed, "the command did not start", "the image's /bin/sh did not answer as a shell does, but with "+c.heard()+": use an image with a shell, or a task of its own")
	case noHandshake:
		return because(run.StartFailed, "the command did not run", explainChannel(c.err))
	case notStarted:
		return because(run.StartFailed, "the command did not start", advise(c.channel.Reason))
	case taskGone:
		return c.stopped()
	case unknownStart:
		return run.Lost, "it is not known whether the command ran: " + c.cause() + c.remains(), ""
	case interruptedForTime:
		return run.TimedOut, "the command was interrupted " + c.whose(limit) + c.remains(), ""
	default:
		return run.Lost, "the session ended before the command: " + c.cause() + c.remains(), ""
	}
}

// unmarked says whether something was heard, and not the mark that comes before the
// command. What the agent sends is in order, so that the command did not run. A session
// that was closed in silence may have been ended by somebody before the agent listened.
func (c *observed) unmarked() bool {
	if c.decoder.Begun() || c.decoder.Heard() == "" {
		return false
	}
	return c.channel.Closed && (c.channel.Reason == "" || strings.Contains(c.channel.Reason, "generate log data")) ||
		errors.Is(c.err, errNoMark) && c.terminated
}

// heard is the beginning of what was heard, for people.
func (c *observed) heard() string {
	const most = 200
	text := strings.Join(strings.Fields(result.Clean(strings.Join(strings.Fields(c.decoder.Heard()), " "))), " ")
	if runes := []rune(text); len(runes) > most {
		text = string(runes[:most]) + "…"
	}
	return strconv.Quote(text)
}

// because is a verdict with a cause, which is enough for the subject; "" if there
// is none.
func because(status run.Status, what, cause string) (run.Status, string, string) {
	if cause == "" {
		return status, what, ""
	}
	return status, what + ": " + cause, cause
}

// whose says which time was over.
func (c *observed) whose(limit time.Duration) string {
	if c.ours {
		return "when the time of the function was over"
	}
	return fmt.Sprintf("after %s, its timeout", limit.Round(time.Second))
}

// remains says what became of a command whose end was not seen.
func (c *observed) remains() string {
	if c.terminated {
		return "; the session was then ended, and what does not end with it may run on"
	}
	return "; the command may still run"
}

// stopped is the verdict on a command whose container went away.
func (c *observed) stopped() (status run.Status, reason, summary string) {
	if container := c.containerGone(); container != nil && aws.ToString(c.task.DesiredStatus) != "STOPPED" {
		cause := ""
		if container.ExitCode != nil {
			cause = "it " + taskevent.Exited(int(*container.ExitCode), aws.ToString(container.Reason))
		}
		return because(run.Stopped, fmt.Sprintf("container %s stopped under the command", aws.ToString(container.Name)), cause)
	}
	cause := strings.TrimSuffix(aws.ToString(c.task.StoppedReason), ".")
	task := taskevent.Task{StopCode: string(c.task.StopCode), StoppedReason: cause}
	if v := task.Verdict("", nil); v.Status == run.Interrupted {
		return because(run.Interrupted, "AWS took the task away under the command", cause)
	}
	return because(run.Stopped, "the task stopped under the command", cause)
}

// cause is why the channel ended, for people.
func (c *observed) cause() string {
	switch {
	case c.err != nil:
		return explainChannel(c.err)
	case c.channel.Reason != "":
		return advise(c.channel.Reason)
	}
	return "the session was closed without a word"
}
