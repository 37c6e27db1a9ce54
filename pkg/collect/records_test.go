package collect_test

import (
	"encoding/json"
	"fmt"
	"testing"
)

// Lambda's record of a launcher that failed says whether a run may have been started
// all the same, and how often it was tried.
func TestWhatARecordSays(t *testing.T) {
	t.Parallel()
	s := start(t)
	for i, tc := range []struct {
		errorType, message string
		invokes            int
		status, reason     string
	}{
		{"errorString", "boom", 0, "LAUNCH_FAILED", "boom"},
		{"errorString", "boom", 1, "LAUNCH_FAILED", "boom"},
		{"errorString", "boom", 2, "LAUNCH_FAILED", "boom (given up after 2 attempts)"},
		{"Uncertain", "no answer", 3, "LOST", "no answer (given up after 3 attempts)"},
		{"Runtime.ExitError", "RequestId: 1 Error: Runtime exited with error: signal: killed", 1, "LOST", "RequestId: 1 Error: Runtime exited with error: signal: killed"},
		{"Runtime.ExitError", "RequestId: 1 Error: Runtime exited with error: exit status 1", 1, "LAUNCH_FAILED", "RequestId: 1 Error: Runtime exited with error: exit status 1"},
		{"Sandbox.Failure", "gone", 1, "LOST", "gone"},
		{"Sandbox.Timedout", "RequestId: 1 Error: Task timed out after 3.00 seconds", 1, "LOST", "RequestId: 1 Error: Task timed out after 3.00 seconds"},
		{"", "2026-11-20T02:00:00Z 1 Task timed out after 60.00 seconds", 1, "LOST", "2026-11-20T02:00:00Z 1 Task timed out after 60.00 seconds"},
	} {
		record, err := json.Marshal(map[string]any{
			"requestContext": map[string]any{
				"requestId": "request-1", "functionArn": "arn:aws:lambda:eu-west-1:123456789012:function:errand-LauncherFunction-A1", "condition": "RetriesExhausted", "approximateInvokeCount": tc.invokes,
			},
			"requestPayload":  map[string]any{"job": "j", "runId": fmt.Sprint("r-", i)},
			"responsePayload": map[string]any{"errorMessage": tc.message, "errorType": tc.errorType},
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := s.handle(t, record); got.Status != tc.status || got.Reason != tc.reason {
			t.Errorf("%s, %s: got %s: %s\nwant %s: %s", tc.errorType, tc.message, got.Status, got.Reason, tc.status, tc.reason)
		}
	}
}
