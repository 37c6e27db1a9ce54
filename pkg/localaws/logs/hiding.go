package logs

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
