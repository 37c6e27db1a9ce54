package taskevent_test

import (
	"testing"

	"errand/pkg/taskevent"
)

func TestCodesOfWindows(t *testing.T) {
	t.Parallel()
	for code, want := range map[int]string{
		3221225786:   "exit code 3221225786 (0xC000013A, STATUS_CONTROL_C_EXIT)",
		-1073741510:  "exit code -1073741510 (0xC000013A, STATUS_CONTROL_C_EXIT)",
		3221225477:   "exit code 3221225477 (0xC0000005, STATUS_ACCESS_VIOLATION)",
		3762504530:   "exit code 3762504530 (0xE0434352, an exception of .NET that nobody caught)",
		-532462766:   "exit code -532462766 (0xE0434352, an exception of .NET that nobody caught)",
		3221225999:   "exit code 3221225999 (0xC000020F)",
		-1:           "exit code -1 (0xFFFFFFFF)",
		3:            "exit code 3",
		2147483648:   "exit code 2147483648",
		8589934592:   "exit code 8589934592",
		-21474836480: "exit code -21474836480",
	} {
		if got := taskevent.ExitCode(code, ""); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
