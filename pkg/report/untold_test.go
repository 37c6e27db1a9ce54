package report_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"errand/pkg/report"
	"errand/pkg/result"
	"errand/pkg/run"
)

// What an EndUntold says can be read from its text.
func TestEndUntold(t *testing.T) {
	t.Parallel()
	three := 3
	for _, want := range []result.Result{
		{Status: run.Failed, ExitCode: &three, Reason: "the command exited with code 3: so it is"},
		{Status: run.Lost, Reason: "it is not known whether the command ran"},
	} {
		text := report.EndUntold{Status: want.Status, ExitCode: want.ExitCode, Reason: want.Reason, Err: errors.New("no: topic")}.Error()
		got := result.Result{Status: run.Lost, Reason: "the executor failed"}
		if !report.SetUntold(&got, text) {
			t.Errorf("%s says nothing", text)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	for _, text := range []string{"", "oops", "FAILED: no", "GONE: x; and not everybody was told: y", "FAILED x: a; and not everybody was told: y"} {
		got := result.Result{Status: run.Lost}
		if report.SetUntold(&got, text) || got.Status != run.Lost {
			t.Errorf("%q says %+v", text, got)
		}
	}
}
