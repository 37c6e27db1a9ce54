package metric_test

import (
	"bytes"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"errand/pkg/metric"
)

func now() time.Time { return time.Date(2026, 11, 20, 2, 7, 41, 233e6, time.UTC) }

func TestCount(t *testing.T) {
	t.Parallel()
	for prefix, stack := range map[string]string{"errand/jobs/": "jobs", "batch/": "batch", "errand/a/b/": "a/b"} {
		var out bytes.Buffer
		w := metric.New(&out, prefix, now)
		w.Count("Doubles", 1)
		w.Count("OldestSeconds", 12.5)
		line := func(name, value string) string {
			return `{"` + name + `":` + value + `,"Stack":"` + stack + `","_aws":{"CloudWatchMetrics":[{"Dimensions":[["Stack"]],"Metrics":[{"Name":"` + name +
				`"}],"Namespace":"errand"}],"Timestamp":1795140461233}}` + "\n"
		}
		if diff := cmp.Diff(line("Doubles", "1")+line("OldestSeconds", "12.5"), out.String()); diff != "" {
			t.Errorf("prefix %s (-want +got):\n%s", prefix, diff)
		}
	}
}

// Lines of two goroutines are not mixed, and each is written at once.
func TestCountsAtTheSameTime(t *testing.T) {
	t.Parallel()
	var out lines
	w := metric.New(&out, "errand/jobs/", now)
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() { w.Count("Dropped", 1) })
	}
	all.Wait()
	for _, line := range out {
		if line != out[0] {
			t.Errorf("got %q", line)
		}
	}
	if len(out) != 100 {
		t.Errorf("%d writes, want 100", len(out))
	}
}

type lines []string

func (l *lines) Write(p []byte) (int, error) {
	*l = append(*l, string(p))
	return len(p), nil
}

// A log that takes nothing is no reason to fail.
func TestCannotWrite(t *testing.T) {
	t.Parallel()
	metric.New(broken{}, "errand/jobs/", now).Count("Dropped", 1)
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }
