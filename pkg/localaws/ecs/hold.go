package ecs

// HoldStart keeps the tasks of a family that come to PENDING from now on in it,
// as those are whose image is large or whose capacity has yet to come: until
// release is called or they are stopped.
func (e *Service) HoldStart(family string) (release func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	hold, ok := e.held[family]
	if !ok {
		hold = make(chan struct{})
		e.held[family] = hold
	}
	return func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		if e.held[family] == hold {
			delete(e.held, family)
			close(hold)
		}
	}
}

// mayStart waits while the task's family is held, and is false if the task is to
// stop before.
func (t *task) mayStart() bool {
	e := t.ecs
	e.mu.Lock()
	hold := e.held[*t.definition.Family]
	e.mu.Unlock()
	if hold == nil {
		return true
	}
	select {
	case <-hold:
		return true
	case <-t.stopping:
	case <-e.host.Context().Done():
	}
	return false
}
