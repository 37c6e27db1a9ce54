package settings_test

import (
	"testing"

	"errand/pkg/settings"
)

func TestHistoryDays(t *testing.T) {
	t.Parallel()
	environ := []string{"STARTED_BY_PREFIX=errand/jobs/", "TOPIC_ARN=arn:aws:sns:eu-west-1:123456789012:results", "TABLE_NAME=ledger"}
	for value, want := range map[string]int{"": 90, "15": 15, "3650": 3650} {
		collector, err := settings.Load[settings.Collector](append(environ, "HISTORY_DAYS="+value))
		if err != nil || collector.HistoryDays != want {
			t.Errorf("HISTORY_DAYS=%s gives %d, %v", value, collector.HistoryDays, err)
		}
	}
	for _, value := range []string{"0", "14", "3651"} {
		_, err := settings.Load[settings.Launcher](append(environ, "CLUSTER=jobs", "HISTORY_DAYS="+value))
		expect(t, err, "HISTORY_DAYS: "+value+" is not from 15 to 3650")
	}
}
