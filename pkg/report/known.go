package report

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"errand/pkg/ledger"
	"errand/pkg/payload"
	"errand/pkg/result"
	"errand/pkg/run"
)

// Known is the answer to a delivery of a run that is not its receiver's to begin.
func Known(a ledger.Attempt) run.Answer {
	answer := run.Answer{Job: a.Job, RunID: a.RunID, Attempt: a.Attempt, Status: run.Waiting, NextTryAt: a.Due}
	switch {
	case a.Task != "":
		answer.Status, answer.TaskARN, answer.Again, answer.NextTryAt = run.Started, a.Task, true, time.Time{}
	case !a.Reported.IsZero() && a.Verdict != nil:
		answer.Status, answer.Reason, answer.Again, answer.NextTryAt = string(a.Verdict.Status), a.Verdict.Reason, true, time.Time{}
	case a.Method == run.MethodExec:
		answer.Status, answer.Again, answer.NextTryAt = run.Started, true, time.Time{}
		answer.Reason = "the command of this run was begun by another delivery; it is not run again"
	case a.State == ledger.Claimed:
		answer.Reason = "another delivery of this run is being started now"
	case a.State == ledger.Abandoned:
		answer.Reason = "the run is given up, and its end is being told"
	}
	return answer
}

// Taken is what is wrong with a payload that comes second under a run's identity.
func Taken(second ledger.Delivery, first ledger.Attempt) string {
	as := ""
	if first.Task != "" {
		as = ", as task " + run.LastPart(first.Task)
	}
	return fmt.Sprintf("runId: run %s of job %s was delivered before%s, with a payload that differs in %s; this one was not run: give each its own runId, scheduledTime or job",
		first.RunID, first.Job, as, strings.Join(payload.Differing(second.Digest, first.Digest), ", "))
}

// Beside tells, once, of a payload that comes second under a run's identity: it has
// an item of its own beside the run's.
func (r *Reporter) Beside(ctx context.Context, d ledger.Delivery, end result.Result) (Outcome, error) {
	sum := sha256.Sum256([]byte(d.Digest))
	key := ledger.KeyOf(d.Run)
	key.Other = hex.EncodeToString(sum[:8])
	return r.Abandon(ctx, Abandonment{
		Key: key, Delivery: d,
		End: func(ledger.Attempt, bool) (result.Result, time.Time) { return end, time.Time{} },
	})
}
