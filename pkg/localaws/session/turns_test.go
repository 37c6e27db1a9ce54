package session_test

import (
	"testing"

	"errand/pkg/localaws"
)

// Two sessions run at once, one waits for its turn, and one more is dropped.
func TestExecTurns(t *testing.T) {
	t.Parallel()
	e := start(t)
	task := e.host(t, quick)
	first := connect(t, e.execute(t, task, `sh -c 'echo first; read x; echo end'`))
	first.until(func(got transcript) bool { return got.output != "" })
	second := connect(t, e.execute(t, task, `sh -c 'echo second; read x; echo end'`))
	second.until(func(got transcript) bool { return got.output != "" })
	third := e.execute(t, task, `echo third`)
	waiting := connect(t, third)
	first.input(1, "go\n")
	first.finish()
	if got := waiting.finish(); got.output != "third\r\n" {
		t.Errorf("the one that waited said %q", got.output)
	}
	second.input(1, "go\n")
	second.finish()
}

// The agent does not wait for a client before it reads and sends; what it sent to
// nobody comes when there is one.
func TestExecSendsAtOnce(t *testing.T) {
	t.Parallel()
	e := start(t)
	task := e.host(t, localaws.Disturbance{FirstFrame: 1, Resend: limit, LastWords: "bye"})
	path, free := fifo(t)
	session := e.execute(t, task, `sh -c 'exec 3>`+path+`; echo hello'`)
	released(t, free)
	if got := connect(t, session).finish(); got.output != "hello\r\n" || got.reason != "bye" {
		t.Errorf("got %q, %q", got.output, got.reason)
	}
}
