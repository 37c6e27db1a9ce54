package execwrap_test

import (
	"strings"
	"testing"

	"errand/pkg/execwrap"
)

// Whoever had a command of 5,000 bytes has it still.
func TestSizeOfTheWrapper(t *testing.T) {
	t.Parallel()
	command, _, err := execwrap.Wrap([]string{"x"}, nil)
	if err != nil || len(command) > 2900 {
		t.Errorf("%d bytes, %v", len(command), err)
	}
	if _, _, err := execwrap.Wrap([]string{strings.Repeat("x", execwrap.MaxCommand-len(command)+1)}, nil); err != nil {
		t.Error(err)
	}
	for _, argv := range [][]string{{}, {"--"}, {"-x"}, {"A=b", "c"}} {
		if _, _, err := execwrap.Wrap(argv, nil); err == nil || !strings.HasPrefix(err.Error(), "command: ") {
			t.Errorf("%q: %v", argv, err)
		}
	}
}
