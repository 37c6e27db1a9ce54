package localtest

import (
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// FIFO makes a FIFO and a channel that is closed when nobody holds it open for
// writing any longer.
func FIFO(t *testing.T) (path string, free <-chan struct{}) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		file, err := os.Open(path) //nolint:gosec // the FIFO made above
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = file.Close() }()
		_, _ = io.Copy(io.Discard, file)
	}()
	return path, done
}

// Released waits until nobody holds a FIFO any longer.
func Released(t *testing.T, free <-chan struct{}) {
	t.Helper()
	select {
	case <-free:
	case <-time.After(Limit):
		t.Fatal("a process of the task is still alive")
	}
}
