package payload

import (
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// Duration is a time span as people write it, such as 90s, 45m or 2h.
type Duration string

// Retry says whether and when a run that ended badly is begun again.
type Retry struct {
	Attempts int       // the first one included
	Delay    Duration  // before the second, doubled each time
	On       []RetryOn // the ends after which another attempt follows
	Fallback *Fallback // where attempts after an interrupted one run
}

// Fallback is the capacity of attempts after one that AWS interrupted.
type Fallback struct {
	LaunchType               types.LaunchType
	CapacityProviderStrategy []types.CapacityProviderStrategyItem
}

// RetryOn is a class of ends.
type RetryOn string

// Values are all there are.
func (RetryOn) Values() []RetryOn { return []RetryOn{"start", "interrupted", "exit", "timeout"} }

// Overlap says what a run does while the job's previous one is still going.
type Overlap string

// Values are all there are.
func (Overlap) Values() []Overlap { return []Overlap{"allow", "skip", "wait"} }

// checkPolicy refuses what is not built yet.
func (p *Job) checkPolicy() []string {
	var problems []string
	for _, field := range []struct {
		name  string
		given bool
	}{
		{"timeout", p.Timeout != ""},
		{"startTimeout", p.StartTimeout != ""},
		{"startWithin", p.StartWithin != ""},
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
