package session_test

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"errand/pkg/localaws/localtest"
)

func TestMain(m *testing.M) { os.Exit(max(m.Run(), leaks())) }

// leaks fails if sessions have left goroutines behind.
func leaks() int {
	stacks := make([]byte, 1<<20)
	for deadline := time.Now().Add(10 * time.Second); ; runtime.Gosched() {
		left := string(stacks[:runtime.Stack(stacks, true)])
		if !strings.Contains(left, "session.(*agent)") && !strings.Contains(left, "session.(*gateway)") && !strings.Contains(left, "coder/websocket") {
			return 0
		}
		if time.Now().After(deadline) {
			fmt.Fprintln(os.Stderr, "goroutines are left:\n"+left)
			return 1
		}
	}
}

type endpoint struct{ *localtest.Endpoint }

func start(t *testing.T) *endpoint {
	t.Helper()
	return &endpoint{localtest.Start(t)}
}

const limit = localtest.Limit

var (
	fifo     = localtest.FIFO
	refused  = localtest.Refused
	released = localtest.Released
	request  = localtest.Request
	shell    = localtest.Shell
	taskID   = localtest.TaskID
	with     = localtest.With
)
