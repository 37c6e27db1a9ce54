package settings_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"errand/pkg/settings"
)

func TestWatchdog(t *testing.T) {
	t.Parallel()
	environ := []string{
		"STARTED_BY_PREFIX=errand/jobs/", "TOPIC_ARN=arn:aws:sns:eu-west-1:123456789012:results", "TABLE_NAME=ledger",
		"LAUNCHER_NAME=launcher", "COLLECTOR_NAME=collector",
	}
	got, err := settings.Load[settings.Watchdog](environ)
	want := settings.Watchdog{LauncherName: "launcher", CollectorName: "collector", StopRate: 15, LaunchRate: 22}
	want.Common = got.Common
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	_, err = settings.Load[settings.Watchdog](append(environ, "STOP_RATE=-1", "LAUNCH_RATE=101", "ALARM_TOPIC_ARN=alarms", "LAUNCHER_NAME="))
	expect(t, err, "STOP_RATE: -1 is not from 1 to 100 a second", "LAUNCH_RATE: 101", "ALARM_TOPIC_ARN", "LAUNCHER_NAME: must be set")
}
