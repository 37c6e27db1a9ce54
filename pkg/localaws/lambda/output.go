package lambda

import (
	"bytes"
	"os"
	"strings"
	"sync"
	"time"

	"errand/pkg/localaws/host"
)

// output reads what a program writes, line by line.
type output struct {
	from, to *os.File // the pipe that the program writes into
	emit     func(line string)
	// mark is a line that flush writes after the program's own.
	mark   string
	marked chan struct{}
	ended  chan struct{}

	mu   sync.Mutex
	tail []byte
}

// maxLine is the longest line that is kept in one piece, CloudWatch's own limit
// of old.
const maxLine = 256 << 10

func newOutput(emit func(line string)) (*output, error) {
	from, to, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	return &output{from: from, to: to, emit: emit, mark: host.NewID(16), marked: make(chan struct{}, 1), ended: make(chan struct{})}, nil
}

// flush returns when everything was read that the program has written so far:
// the mark goes through the same pipe, behind it.
func (o *output) flush() {
	if _, err := o.to.WriteString(o.mark + "\n"); err != nil {
		return
	}
	select {
	case <-o.marked:
	case <-o.ended:
	}
}

// close waits for the rest of the output, though not for long if a process
// that the program has left behind holds the pipe open.
func (o *output) close() {
	_ = o.to.Close()
	_ = o.from.SetReadDeadline(time.Now().Add(time.Second))
	<-o.ended
}

func (o *output) read() {
	defer close(o.ended)
	defer func() { _ = o.from.Close() }()
	var buf []byte
	chunk := make([]byte, 32<<10)
	for {
		n, err := o.from.Read(chunk)
		buf = append(buf, chunk[:n]...)
		for {
			text, rest, found := bytes.Cut(buf, []byte("\n"))
			if !found {
				break
			}
			buf = rest
			text, marked := bytes.CutSuffix(text, []byte(o.mark))
			if len(text) > 0 || !marked {
				o.line(strings.TrimSuffix(string(text), "\r"))
			}
			if marked {
				o.marked <- struct{}{}
			}
		}
		if cut := len(buf) - len(o.mark); cut > maxLine {
			o.line(string(buf[:cut]))
			buf = buf[cut:]
		}
		if err != nil {
			if len(buf) > 0 {
				o.line(string(buf))
			}
			return
		}
	}
}

func (o *output) line(text string) {
	o.mu.Lock()
	o.tail = append(o.tail, text...)
	o.tail = append(o.tail, '\n')
	o.tail = o.tail[max(0, len(o.tail)-maxTail):]
	o.mu.Unlock()
	o.emit(text)
}

// takeTail returns the end of the output since the last time.
func (o *output) takeTail() []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	tail := o.tail
	o.tail = nil
	return tail
}
