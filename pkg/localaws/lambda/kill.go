package lambda

import "time"

// KillFunctions asks decide at every invocation whether its program is killed,
// with all that it has started, and how long after it has taken the event, in
// real time. Lambda reports that as a Runtime.ExitError, and tries asynchronous
// events again. A program that is through before is spared. decide is asked from
// several goroutines at once; KillFunctions(nil) ends that.
func (l *Service) KillFunctions(decide func(function string) (after time.Duration, kill bool)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.kill = decide
}

// killer is what fires when the program of an invocation that begins now is to be
// killed; nil if it is not.
func (f *function) killer() <-chan time.Time {
	f.service.mu.Lock()
	decide := f.service.kill
	f.service.mu.Unlock()
	if decide == nil {
		return nil
	}
	after, kill := decide(f.Name)
	if !kill {
		return nil
	}
	return time.After(after)
}
