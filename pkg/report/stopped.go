package report

import (
	"strings"
	"time"

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
	// What the verdict says of the container itself.
	_, rest, _ := strings.Cut(end.Reason, "; ")
	if rest != "" {
		rest = "; " + rest
	}
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
	end.StoppedAt = cmpTime(end.StoppedAt, v.Ended)
	end.StartedAt = cmpTime(end.StartedAt, v.Started)
	return end
}

func cmpTime(a, b time.Time) time.Time {
	if a.IsZero() {
		return b
	}
	return a
}
