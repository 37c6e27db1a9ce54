package lambda

import (
	"testing"
	"time"

	"errand/pkg/localaws/host"
	"errand/pkg/run"
)

func TestLimit(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		clock         string
		timeout, want time.Duration
	}{
		{"1@0", 3 * time.Second, 3 * time.Second},
		{"1@0", time.Minute, time.Minute},
		{"60@0", 10 * time.Minute, 10 * time.Second},
		{"60@0", time.Minute, 5 * time.Second},
		{"60@0", 3 * time.Second, 5 * time.Second},
		{"0.5@0", 3 * time.Second, 6 * time.Second},
	} {
		clock, err := run.ParseClock(tt.clock)
		if err != nil {
			t.Fatal(err)
		}
		f := &function{Function: Function{Timeout: tt.timeout}, host: host.New("eu-west-1", "123456789012", "", nil, clock)}
		if got := f.limit(); got != tt.want {
			t.Errorf("%s by %s is really %s, want %s", tt.timeout, tt.clock, got, tt.want)
		}
	}
}
