package execwrap

import (
	"bytes"
	"io"
	"strconv"
)

// Decoder takes the output of a session and passes on what the command wrote,
// byte for byte.
type Decoder struct {
	out  io.Writer
	mark string
	// pending is what was not passed on yet: it may be a part of a mark.
	pending []byte
	begun   bool
	ended   bool
	crlf    bool // the terminal writes CR LF for LF, since stty could not stop it
	code    *int
}

// NewDecoder writes the command's output to out.
func NewDecoder(mark string, out io.Writer) *Decoder { return &Decoder{out: out, mark: mark} }

// Begun says whether the command was started.
func (d *Decoder) Begun() bool { return d.begun }

// Ended says whether the command has ended and all its output was passed on.
func (d *Decoder) Ended() bool { return d.ended }

// ExitCode is the command's exit code, as a shell tells it; nil if the command
// ended the shell that would have known it.
func (d *Decoder) ExitCode() *int { return d.code }

// Write takes the next piece of the session's output. It fails only if out does.
func (d *Decoder) Write(p []byte) (int, error) {
	d.pending = append(d.pending, p...)
	if !d.begun {
		d.begin()
	}
	if d.begun && !d.ended {
		if err := d.pass(); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// begin looks for the first mark. What stands before it is not the command's.
func (d *Decoder) begin() {
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
		d.pending, d.begun = rest[2:], true
	case bytes.HasPrefix(rest, []byte("\n")):
		d.pending, d.begun = rest[1:], true
	default:
		d.pending = d.pending[at:]
	}
}

// keep is the end of b that may be the beginning of a mark of n bytes.
func keep(b []byte, n int) []byte { return b[max(0, len(b)-n+1):] }

// pass passes on what cannot be a part of the last mark.
func (d *Decoder) pass() error {
	// The line break before the mark is the wrapper's, a CR in it the terminal's.
	mark := "\n" + d.mark + ":E:"
	at := bytes.Index(d.pending, []byte(mark))
	if at < 0 {
		ready := len(d.pending) - len(keep(d.pending, len(mark)))
		if ready > 0 && d.pending[ready-1] == '\r' {
			ready-- // half of a CR LF
		}
		err := d.emit(d.pending[:ready])
		d.pending = d.pending[ready:]
		return err
	}
	number := d.pending[at+len(mark):]
	if d.crlf && at > 0 && d.pending[at-1] == '\r' {
		at--
	}
	end := bytes.IndexByte(number, ':')
	if end < 0 {
		err := d.emit(d.pending[:at])
		d.pending = d.pending[at:]
		return err
	}
	if code, err := strconv.ParseUint(string(number[:end]), 10, 8); err == nil {
		exit := int(code)
		d.code = &exit
	}
	err := d.emit(d.pending[:at])
	d.ended, d.pending = true, nil
	return err
}

// Flush passes on what was kept back, when there is no more to come and the
// command's end was not seen.
func (d *Decoder) Flush() error {
	if !d.begun || d.ended {
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
