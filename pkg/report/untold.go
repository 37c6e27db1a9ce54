package report

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"errand/pkg/result"
	"errand/pkg/run"
)

// EndUntold is the error of a function that has seen how a run ended, while the ledger
// was away, and could not tell everybody. Some people may have been told, so that its
// text, which Lambda's record carries to the collector, says the same.
type EndUntold struct {
	Status   run.Status
	ExitCode *int
	Reason   string
	Err      error
}

// UntoldType is the errorType of an EndUntold in Lambda's records.
const UntoldType = "EndUntold"

const andUntold = "; and not everybody was told: "

func (u EndUntold) Error() string {
	code := ""
	if u.ExitCode != nil {
		code = fmt.Sprint(" ", *u.ExitCode)
	}
	return string(u.Status) + code + ": " + u.Reason + andUntold + u.Err.Error()
}

func (u EndUntold) Unwrap() error { return u.Err }

// ends are those of a command in a live task.
var ends = []run.Status{
	run.Succeeded, run.Failed, run.TimedOut, run.Stopped, run.Interrupted, run.StartFailed, run.Rejected, run.Lost,
}

// SetUntold gives a result the end that the text of an EndUntold tells, if it does.
func SetUntold(end *result.Result, text string) bool {
	head, rest, ok := strings.Cut(text, ": ")
	reason, _, told := strings.Cut(rest, andUntold)
	name, number, coded := strings.Cut(head, " ")
	if !ok || !told || !slices.Contains(ends, run.Status(name)) {
		return false
	}
	if coded {
		code, err := strconv.Atoi(number)
		if err != nil {
			return false
		}
		end.ExitCode = &code
	}
	end.Status, end.Reason, end.Summary = run.Status(name), reason, ""
	return true
}
