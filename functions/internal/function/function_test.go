package function

import (
	"log/slog"
	"testing"
	"time"

	"errand/pkg/run"
	"errand/pkg/settings"
)

// The process has one clock, so that these tests do not run beside each other.
func TestClock(t *testing.T) {
	for _, tt := range []struct {
		name, clock, endpoint string
		ahead                 bool
		err                   string
	}{
		{name: "real", endpoint: "http://127.0.0.1:4599"},
		{name: "fast", clock: "60@0", endpoint: "http://127.0.0.1:4599", ahead: true},
		{
			name: "fast on AWS", clock: "60@0", endpoint: "https://sns.eu-west-1.amazonaws.com",
			err: "ERRAND_CLOCK is for the embedded endpoint alone: AWS_ENDPOINT_URL is not the URL of a loopback address; take the variable away",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			defer run.SetClock(run.Clock{})
			for name, value := range map[string]string{
				"ERRAND_CLOCK": tt.clock, "AWS_ENDPOINT_URL": tt.endpoint,
				"AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret",
				"STARTED_BY_PREFIX": "errand/a/", "TOPIC_ARN": "arn:aws:sns:eu-west-1:123456789012:results", "TABLE_NAME": "ledger",
			} {
				t.Setenv(name, value)
			}
			_, err := load[settings.Collector](slog.New(slog.DiscardHandler))
			text := ""
			if err != nil {
				text = err.Error()
			}
			// Since 1970, the fast clock has come a long way.
			if ahead := run.Until(time.Now()) < -24*time.Hour; text != tt.err || ahead != tt.ahead {
				t.Errorf("got %q, ahead: %t; want %q, %t", text, ahead, tt.err, tt.ahead)
			}
		})
	}
}
