package ecs

import (
	"slices"
	"time"
)

// How long ECS remembers what is over, and a client token at the most.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ECS_Idempotency.html
const (
	remembered = time.Hour
	maxToken   = 24 * time.Hour
)

// forget drops what ECS does not remember any longer: tasks that stopped an hour
// ago, and client tokens whose tasks all did, or that are a day old. It is called
// whenever somebody looks, and otherwise nobody can tell.
func (c *cluster) forget(now time.Time) {
	for token, l := range c.launches {
		if !now.Before(l.end()) {
			delete(c.launches, token)
		}
	}
	c.tasks = slices.DeleteFunc(c.tasks, func(t *task) bool {
		return t.StoppedAt != nil && !now.Before(t.StoppedAt.Add(remembered))
	})
}

// end is when the token is forgotten. One that stands for failures has a task's
// life of no length.
func (l *launch) end() time.Time {
	last := l.created
	for _, t := range l.tasks {
		if t.StoppedAt == nil {
			return l.created.Add(maxToken)
		}
		if t.StoppedAt.After(last) {
			last = *t.StoppedAt
		}
	}
	end := last.Add(remembered)
	if latest := l.created.Add(maxToken); latest.Before(end) {
		return latest
	}
	return end
}
