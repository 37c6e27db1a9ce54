package run

// Status is how a run ended.
type Status string

// Every status there is.
const (
	Succeeded    Status = "SUCCEEDED"     // the container exited with 0 by itself
	Failed       Status = "FAILED"        // it exited with another code, or ran and left none
	TimedOut     Status = "TIMED_OUT"     // it was stopped because its timeout was over
	StartFailed  Status = "START_FAILED"  // the task stopped before the container ran
	Stopped      Status = "STOPPED"       // a person or another program stopped it
	Interrupted  Status = "INTERRUPTED"   // Spot, host or platform took it away
	LaunchFailed Status = "LAUNCH_FAILED" // ECS would not start it
	Rejected     Status = "REJECTED"      // the payload is wrong
	Missed       Status = "MISSED"        // it could not begin in time
	Skipped      Status = "SKIPPED"       // the previous run was still going
	Lost         Status = "LOST"          // it may have been started, and it is not known how it ended
)

// Outcome sums a status up for filters: success, failure or skipped.
func (s Status) Outcome() string {
	switch s {
	case Succeeded:
		return "success"
	case Skipped:
		return "skipped"
	}
	return "failure"
}

// What ECS is told when errand stops a task, and shows as the task's stoppedReason:
// StopReason, and then why.
const (
	StopReason = "errand: "
	NotEnded   = "did not end within "
	NotStarted = "did not start within "
	ItsTimeout = ", its timeout" // after NotEnded and the time
)
