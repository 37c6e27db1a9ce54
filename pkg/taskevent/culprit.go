package taskevent

import (
	"slices"
	"strings"
)

// Definition is what a verdict needs of the task definition, by container name; nil
// if it is not known.
type Definition map[string]Defined

// Defined is a container of a task definition.
type Defined struct {
	Essential bool
	DependsOn []string // names of containers
}

// has says whether the container is one of the task definition's. Without one, those
// that AWS injects are known by their names
// (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_task_events.html).
func (d Definition) has(name string) bool {
	if d != nil {
		_, ok := d[name]
		return ok
	}
	return !slices.ContainsFunc([]string{"aws-guardduty-agent", "ecs-service-connect", "~internal~"}, func(prefix string) bool {
		return strings.HasPrefix(name, prefix)
	})
}

// dependencies are the containers that the named one waits for, and those that they
// wait for.
func (d Definition) dependencies(name string) map[string]bool {
	found := map[string]bool{}
	open := []string{name}
	for len(open) > 0 {
		name, open = open[0], open[1:]
		for _, on := range d[name].DependsOn {
			if !found[on] {
				found[on] = true
				open = append(open, on)
			}
		}
	}
	return found
}

// killed are the codes of containers that ECS stops with the task: SIGKILL, SIGTERM.
func killed(code *int) bool { return code != nil && (*code == 137 || *code == 143) }

// failed says whether a container failed by itself, and was not only stopped with
// the others.
func (c Container) failed() bool {
	if outOfMemory(c.Reason) || neverRan(c.Reason, c.ExitCode) {
		return true
	}
	return !killed(c.ExitCode) && (c.Reason != "" || c.ExitCode != nil && *c.ExitCode != 0)
}

// culprit is the container for which the named one did not run, or was killed; nil
// if the event does not tell. It has no times of containers, so that the one that
// ended first is one that was not killed with the others.
func (t Task) culprit(c Container, d Definition, ran bool) *Container {
	dependencies := d.dependencies(c.Name)
	best, found := 0, (*Container)(nil)
	for i, other := range t.Containers {
		if other.Name == c.Name || !d.has(other.Name) {
			continue
		}
		rank := other.rank(ran, d == nil || d[other.Name].Essential, d == nil, dependencies[other.Name])
		if rank > 0 && (found == nil || rank < best) {
			best, found = rank, &t.Containers[i]
		}
	}
	return found
}

// rank says how likely it is that a container ended the task, 1 being the most; 0 is
// no culprit.
func (c Container) rank(ran, essential, unknown, dependency bool) int {
	switch {
	case c.failed() && c.Reason != "" && !waited(c.Reason) && (!ran || essential || outOfMemory(c.Reason) || neverRan(c.Reason, c.ExitCode)):
		return 1
	case c.failed() && dependency && !waited(c.Reason):
		return 2
	case c.failed() && waited(c.Reason): // for another one, that failed before
		return 3
	case c.failed() && essential:
		return 4
	case c.failed() && !ran:
		return 5
	case c.ExitCode != nil && *c.ExitCode == 0 && essential && !unknown:
		return 6
	case killed(c.ExitCode) && !ran && dependency:
		return 7
	case killed(c.ExitCode) && !ran && essential:
		return 8
	}
	return 0
}

// waited says whether a container was not started since one that it depends on had
// failed (agent/engine/dependencygraph of the ECS agent).
func waited(reason string) bool { return strings.Contains(strings.ToLower(reason), "dependency") }

// says is what there is to say about a container beside the run's.
func (t Task) says(c Container) string {
	_, limit := t.Limits(c.Name)
	if neverRan(c.Reason, c.ExitCode) {
		return "container " + c.Name + " did not start" + detail(c.Reason)
	}
	return "container " + c.Name + " " + ended(c.ExitCode, c.Reason, limit)
}

// beside are the essential containers that failed beside the run's, and where that one
// failed, any that ran out of memory.
func (t Task) beside(c Container, d Definition) string {
	text := ""
	for _, other := range t.Containers {
		switch {
		case other.Name == c.Name:
		case d[other.Name].Essential && other.failed():
			text += "; essential " + t.says(other)
		case c.failed() && outOfMemory(other.Reason) && d.has(other.Name):
			text += "; " + t.says(other)
		}
	}
	return text
}

// withMemory puts the task's reason at the container that it is about, if it is that a
// process was killed for memory and no container has that reason.
func (t Task) withMemory(d Definition) Task {
	if !outOfMemory(t.StoppedReason) {
		return t
	}
	var own, killed, codeless []int
	for i, c := range t.Containers {
		switch {
		case !d.has(c.Name):
			continue
		case outOfMemory(c.Reason):
			return t
		case c.ExitCode == nil:
			codeless = append(codeless, i)
		case *c.ExitCode == 137:
			killed = append(killed, i)
		}
		own = append(own, i)
	}
	for _, which := range [][]int{killed, codeless, own} {
		if len(which) == 0 {
			continue
		}
		if len(which) == 1 && t.Containers[which[0]].Reason == "" {
			t.Containers = slices.Clone(t.Containers)
			t.Containers[which[0]].Reason = t.StoppedReason
		}
		break
	}
	return t
}
