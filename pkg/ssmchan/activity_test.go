package ssmchan

import "testing"

// A missing pong counts only if the reader did nothing else meanwhile, wherever
// it was when the ping was sent.
func TestActivity(t *testing.T) {
	t.Parallel()
	steps := []func(*activity){(*activity).came, (*activity).leave, (*activity).back, (*activity).came}
	for sent := range len(steps) + 1 {
		for over := sent; over <= len(steps); over++ {
			var a activity
			for _, step := range steps[:sent] {
				step(&a)
			}
			before := a.look()
			for _, step := range steps[sent:over] {
				step(&a)
			}
			want := sent == over && sent != 2 // 2: with the output
			if got := a.waitedSince(before); got != want {
				t.Errorf("from step %d to %d: %v, want %v", sent, over, got, want)
			}
		}
	}
}
