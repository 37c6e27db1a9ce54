package report

import (
	"strings"

	"errand/pkg/ledger"
	"errand/pkg/result"
	"errand/pkg/run"
)

// userInitiated is ECS's stop code of a task that StopTask stopped.
const userInitiated = "UserInitiated"

// stopped is the result of a task that errand has stopped, or that a person had
// stopped by errand: the ledger knows why, and ECS's stop code that it was so. A
// task that ended by itself before that did.
func stopped(end result.Result, a ledger.Attempt) result.Result {
	if end.StopCode != userInitiated {
		return end
	}
	rest := ofContainers(end.Reason)
	switch {
	case a.StopFor == ledger.StopForTimeout:
		end.Status = run.TimedOut
		end.Summary = "did not end within " + run.Brief(a.Timeout)
		end.Reason = "the command did not end within " + run.Brief(a.Timeout) + ", its timeout, and was stopped" + rest
	case a.StopFor == ledger.StopForStart && end.StartedAt.IsZero():
		end.Status = run.StartFailed
		end.Summary = "did not start within " + run.Brief(a.StartTimeout)
		end.Reason = "the task did not start within " + run.Brief(a.StartTimeout) + ", and was stopped" + rest
	case a.StopFor == ledger.StopForPerson:
		end.Status = run.Stopped
		end.Summary = "stopped by " + a.StopBy
		end.Reason = "the task was stopped by " + a.StopBy + rest
	}
	return end
}

// byWord is the result of a stopped task by what ECS was told when errand stopped it,
// for when the ledger cannot say: a run must not be told another end when it can again.
func byWord(end result.Result) result.Result {
	what, ours := strings.CutPrefix(end.StoppedReason, run.StopReason)
	if !ours || end.StopCode != userInitiated {
		return end
	}
	rest := ofContainers(end.Reason)
	switch {
	case strings.HasPrefix(what, run.NotEnded):
		end.Status, end.Summary = run.TimedOut, strings.TrimSuffix(what, run.ItsTimeout)
		end.Reason = "the command " + what + ", and was stopped" + rest
	case strings.HasPrefix(what, run.NotStarted) && end.StartedAt.IsZero():
		end.Status, end.Summary = run.StartFailed, what
		end.Reason = "the task " + what + ", and was stopped" + rest
	}
	return end
}

// ofContainers is the end of a reason that says how the containers ended. What comes
// before is what ECS was told when the task was stopped.
func ofContainers(reason string) string {
	for _, begin := range []string{"; container ", "; essential container "} {
		if i := strings.LastIndex(reason, begin); i >= 0 {
			return reason[i:]
		}
	}
	return ""
}

// standing is the result with the verdict that stands in the ledger, which somebody
// before may have told already.
func standing(end result.Result, a ledger.Attempt) result.Result {
	v := a.Verdict
	if v == nil {
		return end
	}
	same := end.Status == v.Status && (end.ExitCode == nil) == (v.ExitCode == nil) && (end.ExitCode == nil || *end.ExitCode == *v.ExitCode)
	if same && end.Reason != "" {
		return end
	}
	end.Status, end.ExitCode, end.Reason, end.Summary = v.Status, v.ExitCode, v.Reason, ""
	return timed(end, *v)
}

// timed is a result with the times of a verdict where it has none of its own. What
// never began has none.
func timed(end result.Result, v ledger.Verdict) result.Result {
	if !v.Started.IsZero() && end.StartedAt.IsZero() {
		end.StartedAt, end.StoppedAt = v.Started, v.Ended
	}
	return end
}
