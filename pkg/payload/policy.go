package payload

import (
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// Duration is a time span as people write it, such as 90s, 45m or 2h.
type Duration string

// or is the span, or another where none was given.
func (d Duration) or(other time.Duration) time.Duration {
	if span, err := time.ParseDuration(string(d)); err == nil {
		return span
	}
	return other
}

// DefaultStartTimeout is how long a task may take to be RUNNING where the payload
// does not say.
const DefaultStartTimeout = 30 * time.Minute

// RoomTime is how long ECS is asked for room where the payload does not say how late
// a run may begin.
const RoomTime = 6 * time.Hour

// StartLimit is how long the task may take to be RUNNING.
func (p *Job) StartLimit() time.Duration { return p.StartTimeout.or(DefaultStartTimeout) }

// TimeLimit is how long the task may run, from RUNNING; 0: as long as it likes.
func (p *Job) TimeLimit() time.Duration { return p.Timeout.or(0) }

// Lateness is how late the run may begin; 0: as late as it likes.
func (p *Job) Lateness() time.Duration { return p.StartWithin.or(0) }

// Retry says whether and when a run that ended badly is begun again.
type Retry struct {
	Attempts int       // the first one included
	Delay    Duration  // before the second, doubled each time
	On       []RetryOn // the ends after which another attempt follows
	Fallback *Fallback // where attempts after an interrupted one run
}

// Fallback is the capacity of attempts after one that AWS interrupted.
type Fallback struct {
	LaunchType               LaunchType
	CapacityProviderStrategy []types.CapacityProviderStrategyItem
}

// LaunchType is one of ECS's, or ClusterDefault.
type LaunchType string

// ClusterDefault leaves the choice to the cluster's own capacity provider strategy.
const ClusterDefault LaunchType = "CLUSTER"

// Values are all there are.
func (LaunchType) Values() []LaunchType {
	var all []LaunchType
	for _, t := range types.LaunchType("").Values() {
		all = append(all, LaunchType(t))
	}
	return append(all, ClusterDefault)
}

// RetryOn is a class of ends.
type RetryOn string

// Values are all there are.
func (RetryOn) Values() []RetryOn { return []RetryOn{"start", "interrupted", "exit", "timeout"} }

// Overlap says what a run does while the job's previous one is still going.
type Overlap string

// Values are all there are.
func (Overlap) Values() []Overlap { return []Overlap{"allow", "skip", "wait"} }

// checkPolicy returns what is wrong with the time limits, and refuses what is not
// built yet.
func (p *Job) checkPolicy() []string {
	var problems []string
	for _, field := range []struct {
		name        string
		value       Duration
		least, most time.Duration
		bounds      string
	}{
		{"timeout", p.Timeout, time.Minute, 168 * time.Hour, "1m to 168h"},
		{"startTimeout", p.StartTimeout, time.Minute, 24 * time.Hour, "1m to 24h"},
		{"startWithin", p.StartWithin, time.Minute, 24 * time.Hour, "1m to 24h"},
	} {
		if field.value == "" {
			continue
		}
		if d, err := time.ParseDuration(string(field.value)); err != nil || d < field.least || d > field.most {
			problems = append(problems, fmt.Sprintf("%s: must be a duration from %s, as in %s", field.name, field.bounds, forms[field.name].example))
		}
	}
	for _, field := range []struct {
		name  string
		given bool
	}{
		{"expectEvery", p.ExpectEvery != ""},
		{"retry", p.Retry != nil},
		{"overlap", p.Overlap != ""},
	} {
		if field.given {
			problems = append(problems, fmt.Sprintf("%s: not supported yet; leave it out", field.name))
		}
	}
	return problems
}
