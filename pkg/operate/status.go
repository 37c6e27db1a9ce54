package operate

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"errand/pkg/console"
	"errand/pkg/ledger"
	"errand/pkg/run"
)

// How a run is that has not ended, as people say it. What has ended has its
// run.Status.
const (
	Starting = "STARTING" // a launcher is at it, or its task is not RUNNING yet
	Started  = "STARTED"  // its task was started, and ECS did not say more
	Running  = "RUNNING"
	Waiting  = "WAITING"  // it will be looked at again
	Stopping = "STOPPING" // somebody is ending it
	Ending   = "ENDING"   // it is over, and nobody was told yet
)

// Attempt is one attempt of a run.
type Attempt struct {
	Attempt int    `json:"attempt"`
	Status  string `json:"status"`
	// BeganAt is when it was first asked for, StartedAt when it was RUNNING.
	BeganAt         time.Time `json:"beganAt,omitzero"`
	StartedAt       time.Time `json:"startedAt,omitzero"`
	EndedAt         time.Time `json:"endedAt,omitzero"`
	DurationSeconds *float64  `json:"durationSeconds,omitempty"`
	ExitCode        *int      `json:"exitCode,omitempty"`
	Reason          string    `json:"reason,omitempty"`
	NextTryAt       time.Time `json:"nextTryAt,omitzero"`
	// StopFor is why errand stops it: timeout, start or person.
	StopFor    string    `json:"stopFor,omitempty"`
	StopBy     string    `json:"stopBy,omitempty"`
	TaskARN    string    `json:"taskArn,omitempty"`
	TaskURL    string    `json:"taskUrl,omitempty"`
	ReportedAt time.Time `json:"reportedAt,omitzero"`

	took time.Duration // so far, if it has not ended
}

// attempt says how an attempt is, by the ledger and by its task, if ECS shows it.
func (s *Stack) attempt(a ledger.Attempt, tasks map[string]types.Task) Attempt {
	shown := Attempt{
		Attempt: a.Attempt, BeganAt: a.FirstClaim, StopFor: a.StopFor, StopBy: a.StopBy,
		TaskARN: a.Task, TaskURL: console.Task(a.Task, a.Cluster), ReportedAt: a.Reported,
	}
	if v := a.Verdict; v != nil {
		shown.Status, shown.ExitCode, shown.Reason = string(v.Status), v.ExitCode, v.Reason
		shown.StartedAt, shown.EndedAt = v.Started, v.Ended
		if !v.Started.IsZero() && !v.Ended.Before(v.Started) {
			shown.took = v.Ended.Sub(v.Started)
			seconds := math.Round(shown.took.Seconds()*10) / 10
			shown.DurationSeconds = &seconds
		}
		return shown
	}
	shown.Status, shown.Reason = Starting, a.Answer
	switch a.State {
	case ledger.Claimed:
		if a.Method == run.MethodExec {
			shown.Status = Running // the claim is the executor's, which runs it
			shown.took = s.Now().Sub(a.FirstClaim)
		}
	case ledger.Due:
		shown.Status, shown.NextTryAt = Waiting, a.Due
	case ledger.Abandoned:
		shown.Status = Ending
	case ledger.Launched:
		task, known := tasks[a.Task]
		shown.Status = taskStatus(task, known)
		if task.StartedAt != nil {
			shown.StartedAt = *task.StartedAt
			shown.took = s.Now().Sub(*task.StartedAt)
		}
		if a.StopFor != "" && shown.Status != Ending {
			shown.Status = Stopping
		}
	}
	return shown
}

// taskStatus sums up the life of a task
// (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-lifecycle-explanation.html).
func taskStatus(task types.Task, known bool) string {
	if !known {
		return Started
	}
	switch aws.ToString(task.LastStatus) {
	case "PROVISIONING", "PENDING", "ACTIVATING":
		return Starting
	case "RUNNING":
		return Running
	}
	return Ending
}

// maxDescribe is DescribeTasks's limit.
const maxDescribe = 100

// tasks describes the tasks of the attempts that have not ended, by ARN. What ECS
// does not show is left out: how a run is can be told without.
func (s *Stack) tasks(ctx context.Context, list []ledger.Attempt) map[string]types.Task {
	clusters := map[string][]string{}
	for _, a := range list {
		if a.Task != "" && a.Verdict == nil {
			clusters[a.Cluster] = append(clusters[a.Cluster], a.Task)
		}
	}
	known := map[string]types.Task{}
	for cluster, all := range clusters {
		for some := range slices.Chunk(all, maxDescribe) {
			out, err := s.ecs.DescribeTasks(ctx, &ecs.DescribeTasksInput{Cluster: &cluster, Tasks: some})
			if err != nil {
				continue
			}
			for _, task := range out.Tasks {
				known[aws.ToString(task.TaskArn)] = task
			}
		}
	}
	return known
}
