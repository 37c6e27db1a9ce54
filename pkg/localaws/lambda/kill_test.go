package lambda_test

import (
	"encoding/json"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"errand/pkg/localaws/host"
	"errand/pkg/localaws/localtest"
	"errand/pkg/run"
)

func TestKillFunctions(t *testing.T) {
	t.Parallel()
	s, w := serveFunctions(t, program(t, "launcher"), program(t, "other"))
	var asked atomic.Int64
	s.KillFunctions(func(function string) (time.Duration, bool) {
		asked.Add(1)
		return 0, function == "launcher"
	})
	if err := s.InvokeAsync("launcher", host.EncodeJSON(order{Hang: true})); err != nil {
		t.Fatal(err)
	}
	list, err := s.AwaitDeadLetters(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"errorType":"Runtime.ExitError","errorMessage":"RequestId: ` + list[0].RequestID + ` Error: Runtime exited with error: signal: killed"}`
	if got := string(list[0].Error); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if n := asked.Load(); n != 3 {
		t.Errorf("asked about %d invocations, want 3: Lambda tries twice more", n)
	}
	first := decodeReport(t, invoke(t, s, "other", order{}))
	s.KillFunctions(nil)
	if again := decodeReport(t, invoke(t, s, "other", order{})); again.PID != first.PID {
		t.Errorf("program %d was killed: program %d has answered", first.PID, again.PID)
	}
	if lines := w.Lines("other"); len(lines) != 2 {
		t.Errorf("the function that is not killed wrote %q", lines)
	}
}

// A program that is through before its time is spared.
func TestKillThatComesTooLate(t *testing.T) {
	t.Parallel()
	s, _ := serveFunctions(t, program(t, "launcher"))
	s.KillFunctions(func(string) (time.Duration, bool) { return time.Hour, true })
	first := decodeReport(t, invoke(t, s, "launcher", order{}))
	if again := decodeReport(t, invoke(t, s, "launcher", order{})); again.PID != first.PID {
		t.Errorf("program %d has answered after program %d", again.PID, first.PID)
	}
}

func TestFunctionsAreToldTheClock(t *testing.T) {
	t.Parallel()
	fast, err := run.ParseClock("3600@1767225600000")
	if err != nil {
		t.Fatal(err)
	}
	s, _ := localtest.ServeFunctionsBy(t, fast, program(t, "launcher"))
	r := decodeReport(t, invoke(t, s, "launcher", order{}))
	if !slices.Contains(r.Env, "ERRAND_CLOCK=3600@1767225600000") {
		t.Errorf("the function's environment is %q", r.Env)
	}
	if r.Seconds > 5 {
		t.Errorf("%.1f s are left of a minute of AWS's", r.Seconds)
	}
	s, _ = serveFunctions(t, program(t, "launcher"))
	r = decodeReport(t, invoke(t, s, "launcher", order{}))
	if slices.ContainsFunc(r.Env, func(v string) bool { return strings.HasPrefix(v, "ERRAND_CLOCK=") }) || r.Seconds <= 5 {
		t.Errorf("by the real clock, %.1f s are left, and the environment is %q", r.Seconds, r.Env)
	}
}

func TestRetriesGoByTheClock(t *testing.T) {
	t.Parallel()
	clock := localtest.NewClock(time.Date(2026, 11, 20, 6, 0, 0, 0, time.UTC))
	launcher := program(t, "launcher")
	launcher.OnFailure = "failures"
	failures := program(t, "failures")
	failures.Env["LOCALAWS_TEST_BOOTSTRAP"] = "exit"
	failures.MaximumRetryAttempts = new(0)
	s, _ := localtest.ServeFunctionsBy(t, clock, launcher, failures)
	if err := s.InvokeAsync("launcher", host.EncodeJSON(order{Fail: "wrong"})); err != nil {
		t.Fatal(err)
	}
	list, err := s.AwaitDeadLetters(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	var record struct{ Timestamp string }
	if err := json.Unmarshal(list[0].Payload, &record); err != nil || record.Timestamp != "2026-11-20T06:00:00.000Z" {
		t.Errorf("the record is of %s, %v", record.Timestamp, err)
	}
	if !clock.Waited(time.Millisecond) || !clock.Waited(2*time.Millisecond) {
		t.Error("the retries did not go by the clock")
	}
}
