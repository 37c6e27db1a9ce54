package execwrap

import (
	"bytes"
	"io"
	"strconv"
)

// state is how far the output of a session has come.
type state int

const (
	before  state = iota // the first mark
	within               // the command's output
	behind               // the last mark, whose exit code is not complete
	after                // all of it
	without              // the mark of a wrapper that did not run the command
)

// Decoder takes the output of a session and passes on what the command wrote,
// byte for byte.
type Decoder struct {
	out   io.Writer
	mark  string
	state state
	// pending is what was not passed on yet: it may be a part of a mark.
	pending []byte
	crlf    bool // the terminal writes CR LF for LF, since stty could not stop it
	heard   []byte
	code    *int
}

// NewDecoder writes the command's output to out.
func NewDecoder(mark string, out io.Writer) *Decoder { return &Decoder{out: out, mark: mark} }

// Begun says whether the command was started.
func (d *Decoder) Begun() bool { return d.state != before && d.state != without }

// NoCat says that the command was not started, since the image has no cat.
func (d *Decoder) NoCat() bool { return d.state == without }

// Heard is the beginning of what came before the command: a shell's warnings, or the
// words of a program that is no shell.
func (d *Decoder) Heard() string { return string(d.heard) }

// maxHeard is how much of that is kept.
const maxHeard = 1024

// Ended says whether the command has ended and all its output was passed on.
func (d *Decoder) Ended() bool { return d.state == after }

// ExitCode is the command's exit code, as a shell tells it; nil if the command
// ended the shell that would have known it.
func (d *Decoder) ExitCode() *int { return d.code }

// Write takes the next piece of the session's output. It fails only if out does.
func (d *Decoder) Write(p []byte) (int, error) {
	if d.state == before {
		d.heard = append(d.heard, p[:min(len(p), maxHeard-len(d.heard))]...)
	}
	d.pending = append(d.pending, p...)
	var err error
	// One piece may lead through several states.
	if d.state == before {
		d.begin()
	}
	if d.state == within {
		err = d.pass()
	}
	if d.state == behind {
		d.end()
	}
	if err != nil {
		return 0, err
	}
	return len(p), nil
}

// begin looks for the first mark. What stands before it is not the command's.
func (d *Decoder) begin() {
	if bytes.Contains(d.pending, []byte(d.mark+":N")) {
		d.state = without
		return
	}
	mark := d.mark + ":B"
	at := bytes.Index(d.pending, []byte(mark))
	if at < 0 {
		d.pending = keep(d.pending, len(mark))
		return
	}
	rest := d.pending[at+len(mark):]
	switch {
	case bytes.HasPrefix(rest, []byte("\r\n")):
		d.crlf = true
		d.pending, d.state = rest[2:], within
	case bytes.HasPrefix(rest, []byte("\n")):
		d.pending, d.state = rest[1:], within
	default:
		d.pending = d.pending[at:]
	}
}

// keep is the end of b that may be the beginning of a mark of n bytes.
func keep(b []byte, n int) []byte { return b[max(0, len(b)-n+1):] }

// lastMark begins with a line break, which is the wrapper's.
func (d *Decoder) lastMark() []byte { return []byte("\n" + d.mark + ":E:") }

// pass passes on what cannot be a part of the last mark.
func (d *Decoder) pass() error {
	mark := d.lastMark()
	ready := bytes.Index(d.pending, mark)
	found := ready >= 0
	if found {
		d.state = behind
	} else {
		ready = len(d.pending) - len(keep(d.pending, len(mark)))
	}
	// A CR may be half of a CR LF. Before the mark it is the terminal's, if that
	// writes them at all.
	if ready > 0 && d.pending[ready-1] == '\r' && (!found || d.crlf) {
		ready--
	}
	err := d.emit(d.pending[:ready])
	d.pending = d.pending[ready:]
	return err
}

// end reads the exit code, which a colon ends. It may be empty.
func (d *Decoder) end() {
	_, rest, _ := bytes.Cut(d.pending, d.lastMark())
	number, _, complete := bytes.Cut(rest, []byte(":"))
	if !complete {
		return
	}
	if code, err := strconv.ParseUint(string(number), 10, 8); err == nil {
		exit := int(code)
		d.code = &exit
	}
	d.state, d.pending = after, nil
}

// Flush passes on what was kept back, when there is no more to come and the
// command's end was not seen.
func (d *Decoder) Flush() error {
	if d.state != within && d.state != behind {
		return nil
	}
	mark := []byte("\n" + d.mark)
	rest, _, _ := bytes.Cut(d.pending, mark)
	// Half a mark is no output. A line break alone may be.
	for n := min(len(rest), len(mark)); n > 1; n-- {
		if bytes.HasSuffix(rest, mark[:n]) {
			rest = rest[:len(rest)-n]
			break
		}
	}
	d.pending = nil
	return d.emit(rest)
}

// emit undoes the terminal's CR LF.
func (d *Decoder) emit(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	if d.crlf {
		b = bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n"))
	}
	_, err := d.out.Write(b)
	return err
}
