package report_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"

	"errand/pkg/report"
	"errand/pkg/result"
	"errand/pkg/run"
)

type publisher func(result.Result) error

func (p publisher) Publish(_ context.Context, r result.Result) error { return p(r) }

func TestReport(t *testing.T) {
	t.Parallel()
	end := result.Result{
		Run: run.Run{Job: "bill", ID: "r-1", Attempt: 1, Method: run.MethodRunTask}, Status: run.Failed,
		Reason: "container app exited with code 3", TaskARN: "arn:aws:ecs:eu-west-1:123456789012:task/jobs/0123",
	}
	var told []result.Result
	var log bytes.Buffer
	logger := slog.New(slog.NewJSONHandler(&log, nil))
	reporter := report.New(publisher(func(r result.Result) error { told = append(told, r); return nil }), logger)
	if err := reporter.Report(t.Context(), end); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]result.Result{end}, told); diff != "" {
		t.Errorf("published (-want +got):\n%s", diff)
	}
	var line map[string]any
	if err := json.Unmarshal(log.Bytes(), &line); err != nil {
		t.Fatal(err)
	}
	delete(line, "time")
	want := map[string]any{
		"level": "INFO", "msg": "run reported", "job": "bill", "run_id": "r-1", "status": "FAILED",
		"reason": "container app exited with code 3", "task_arn": "arn:aws:ecs:eu-west-1:123456789012:task/jobs/0123",
	}
	if diff := cmp.Diff(want, line); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
	failure := errors.New("no topic")
	log.Reset()
	reporter = report.New(publisher(func(result.Result) error { return failure }), logger)
	if err := reporter.Report(t.Context(), end); !errors.Is(err, failure) || log.Len() > 0 {
		t.Errorf("a failed publication: %v, log %s", err, &log)
	}
}

// Lambda's records name an error by its type.
func TestUncertainType(t *testing.T) {
	t.Parallel()
	if got := reflect.TypeFor[report.Uncertain]().Name(); got != report.UncertainType {
		t.Errorf("the type is %s, the collector looks for %s", got, report.UncertainType)
	}
}
