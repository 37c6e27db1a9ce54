package ssmchan

// Receiver is what puts frames in order, for the fuzz test.
type Receiver struct{ r receiver }

func (r *Receiver) Take(f Frame) ([]Frame, bool) { return r.r.take(f) }

func (r *Receiver) Spoiled(f Frame, err error) error { return r.r.spoiled(f, err) }

// Sizes are how many frames and failed digests are kept.
func (r *Receiver) Sizes() (held, bad int) { return len(r.r.held), len(r.r.bad) }

const Window = window
