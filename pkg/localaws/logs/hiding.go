package logs

import "time"

// hiding is what Hide was told.
type hiding struct{ lines, reads int }

// Hide plays lines that CloudWatch Logs shows late: the next reads
// GetLogEvents calls on the group do not see a stream's last lines. With
// lines below 0 they do not see the stream at all. Hidings of one group follow
// each other.
func (l *Service) Hide(group string, lines, reads int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	g := l.makeGroup(group)
	g.hidden = append(g.hidden, hiding{lines, reads})
}

// takeHiding uses up one read of the hiding in force and returns how many lines
// it hides.
func (g *group) takeHiding() int {
	for len(g.hidden) > 0 {
		h := &g.hidden[0]
		if h.reads > 0 {
			h.reads--
			return h.lines
		}
		g.hidden = g.hidden[1:]
	}
	return 0
}

// Lag makes GetLogEvents show every line so long after it was written, in AWS's
// time.
func (l *Service) Lag(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lag = d
}

// shown are the events of a stream that a lag lets through.
func (l *Service) shown(events []event) []event {
	until := l.now() - l.lag.Milliseconds()
	for len(events) > 0 && events[len(events)-1].ingested > until {
		events = events[:len(events)-1]
	}
	return events
}
