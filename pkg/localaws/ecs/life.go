package ecs

import (
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// update changes the task and queues the event of it.
func (t *task) update(f func()) {
	t.ecs.mu.Lock()
	defer t.ecs.mu.Unlock()
	f()
	t.changed()
}

const essentialExited = "Essential container in task exited"

// end makes the task stop, unless something else has already: the first reason
// stays. The lock must be held.
func (t *task) end(code types.TaskStopCode, reason string) bool {
	if *t.DesiredStatus == "STOPPED" {
		return false
	}
	t.DesiredStatus = new("STOPPED")
	t.StopCode = code
	t.StoppedReason = &reason
	t.StoppingAt = new(t.ecs.host.Now())
	close(t.stopping)
	return true
}

// interrupt takes the task away.
func (t *task) interrupt(p play) {
	t.ecs.mu.Lock()
	defer t.ecs.mu.Unlock()
	if t.end(p.stopCode, p.stoppedReason) {
		t.changed()
	}
}

// start sets the task going. The lock must be held.
func (t *task) start() {
	t.changed()
	t.ecs.host.Background(t.announce)
	t.ecs.host.Background(t.run)
}

// run is the task's life.
func (t *task) run() {
	defer close(t.changes)
	containers := t.containers()
	for _, c := range containers {
		if c.play.unplaced {
			t.update(func() {
				t.end(c.play.stopCode, c.play.stoppedReason)
				t.Containers = []types.Container{}
				t.LastStatus, t.StoppedAt = new("STOPPED"), new(t.ecs.host.Now())
			})
			return
		}
	}
	pending := t.ecs.host.Now()
	t.update(func() {
		t.LastStatus = new("PENDING")
		t.Connectivity, t.ConnectivityAt = types.ConnectivityConnected, &pending
	})
	var running []*container
	if t.mayStart() {
		running = t.launch(containers)
	}
	if len(running) == len(containers) {
		t.update(func() {
			t.LastStatus = new("RUNNING")
			t.PullStartedAt, t.PullStoppedAt, t.StartedAt = &pending, new(t.ecs.host.Now()), new(t.ecs.host.Now())
			for i := range t.Containers {
				t.Containers[i].LastStatus = new("RUNNING")
				t.setExecAgent(i, "RUNNING")
			}
		})
	}
	var wait sync.WaitGroup
	for _, c := range running {
		wait.Go(c.supervise)
	}
	wait.Wait()
	t.update(func() {
		t.end(types.TaskStopCodeUserInitiated, "The embedded AWS endpoint is closing.") // if nothing else did
		t.LastStatus = new("DEPROVISIONING")
		for i := range t.Containers {
			t.Containers[i].LastStatus = new("STOPPED")
		}
	})
	t.update(func() { t.LastStatus, t.StoppedAt = new("STOPPED"), new(t.ecs.host.Now()) })
}

// launch starts the containers one after the other, whatever their dependsOn
// says, and returns those that it started. If one cannot be started, the task
// is to stop.
func (t *task) launch(containers []*container) []*container {
	for _, c := range containers {
		if c.play.unstarted {
			t.fail(c, strings.ReplaceAll(c.play.reason, "IMAGE", *c.definition.Image), c.play.stoppedReason)
			return nil
		}
		if len(c.definition.Secrets)+len(c.definition.EnvironmentFiles) > 0 {
			t.fail(c, "", "ResourceInitializationError: unable to pull secrets or registry auth: the embedded AWS endpoint has neither secrets nor environment files, so container "+*c.definition.Name+" cannot have any.")
			return nil
		}
		if err := c.openLog(); err != nil {
			t.fail(c, "", "ResourceInitializationError: failed to validate logger args: create stream has been retried 1 times: failed to create Cloudwatch log stream: "+err.Error())
			return nil
		}
	}
	for i, c := range containers {
		select {
		case <-t.stopping:
			return containers[:i]
		case <-t.ecs.host.Context().Done():
			return containers[:i]
		default:
		}
		if err := c.start(); err != nil {
			t.fail(c, "CannotStartContainerError: "+err.Error(), "Task failed to start")
			return containers[:i]
		}
	}
	return containers
}

// fail stops a task because a container cannot be started.
func (t *task) fail(c *container, reason, stoppedReason string) {
	t.update(func() {
		if reason != "" {
			t.Containers[c.index].Reason = &reason
		}
		t.end(types.TaskStopCodeTaskFailedToStart, stoppedReason)
	})
}
