package ecs

import (
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"errand/pkg/localaws/host"
)

// SetExecAgent sets the status of the agent that ECS Exec needs in a container:
// PENDING, RUNNING or STOPPED. It is RUNNING as soon as the task is.
func (e *Service) SetExecAgent(taskARN, container, status string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, c := range e.clusters {
		for _, t := range c.tasks {
			i := t.containerNamed(container)
			if *t.TaskArn == taskARN && i >= 0 && t.EnableExecuteCommand {
				t.setExecAgent(i, status)
				return nil
			}
		}
	}
	return host.Invalid("There is no container %s with execute command enabled in task %s.", container, taskARN)
}

// setExecAgent replaces the container's managed agent, which it has only if
// execute command is enabled. The lock must be held.
func (t *task) setExecAgent(i int, status string) {
	if !t.EnableExecuteCommand {
		return
	}
	agent := types.ManagedAgent{Name: types.ManagedAgentNameExecuteCommandAgent, LastStatus: &status}
	if old := t.Containers[i].ManagedAgents; len(old) > 0 {
		agent.LastStartedAt = old[0].LastStartedAt
	}
	if status == "RUNNING" {
		agent.LastStartedAt = new(t.ecs.host.Now())
	}
	t.Containers[i].ManagedAgents = []types.ManagedAgent{agent}
}

func (t *task) containerNamed(name string) int {
	return slices.IndexFunc(t.Containers, func(c types.Container) bool { return *c.Name == name })
}

// Reached is a running container that ECS Exec has found its agent in.
type Reached struct {
	ClusterARN, ClusterName string
	TaskARN, TaskID         string
	ContainerARN, Name      string
	RuntimeID               string
	// Env and Dir are what the container's own command has.
	Env []string
	Dir string
	// KMSKeyID is that of the cluster, or empty.
	KMSKeyID string
	// Gone is closed when the container has stopped.
	Gone <-chan struct{}
}

const execNotReady = "The execute command failed because execute command was not enabled when the task was run or the execute command agent isn't running. Wait and try again or run a new task with execute command enabled and try again."

// Reach finds the container of an ExecuteCommand. The wording about unknown
// tasks and containers is ours.
func (e *Service) Reach(clusterRef, taskRef, containerRef *string) (*Reached, error) {
	return inCluster(e, clusterRef, func(c *cluster) (*Reached, error) {
		id, err := e.taskID(c, host.Deref(taskRef))
		if err != nil {
			return nil, err
		}
		if n := len(id); n != 32 && n != 36 {
			return nil, host.Invalid("task length should be one of [32,36]")
		}
		t := c.task(id)
		if t == nil {
			return nil, host.Invalid("The referenced task was not found.")
		}
		i := 0
		switch name := host.Deref(containerRef); {
		case name != "":
			if i = t.containerNamed(name); i < 0 {
				return nil, host.Invalid("The container %s was not found in the task.", name)
			}
		case len(t.Containers) > 1:
			return nil, host.Invalid("The container name must be given since the task has more than one container.")
		}
		if len(t.Containers) == 0 { // it could not be placed
			return nil, host.Invalid(execNotReady)
		}
		if agents := t.Containers[i].ManagedAgents; len(agents) == 0 || *agents[0].LastStatus != "RUNNING" || *t.LastStatus != "RUNNING" {
			return nil, host.Invalid(execNotReady)
		}
		return t.reached(i), nil
	})
}

func (t *task) reached(i int) *Reached {
	c, shown := t.cluster, &t.Containers[i]
	r := &Reached{
		ClusterARN: *c.ClusterArn, ClusterName: *c.ClusterName,
		TaskARN: *t.TaskArn, TaskID: t.id,
		ContainerARN: *shown.ContainerArn, Name: *shown.Name,
		RuntimeID: host.Deref(shown.RuntimeId),
		Env:       t.environment(i),
		Dir:       host.Deref(t.definition.ContainerDefinitions[i].WorkingDirectory),
		Gone:      t.gone[i],
	}
	if config := c.Configuration; config != nil && config.ExecuteCommandConfiguration != nil {
		r.KMSKeyID = host.Deref(config.ExecuteCommandConfiguration.KmsKeyId)
	}
	return r
}
