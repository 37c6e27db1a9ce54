package execwrap_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/creack/pty"
	"github.com/google/go-cmp/cmp"

	"errand/pkg/execwrap"
)

// native runs a command as the agent would without the wrapper, first in a session
// with a terminal, but with the input and output that the wrapper gives it.
func native(t *testing.T, argv, environment []string) (output string, code int) {
	t.Helper()
	ptmx, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = ptmx.Close(), tty.Close() }()
	var out bytes.Buffer
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = environment
	cmd.Stdout, cmd.Stderr = write, write
	cmd.ExtraFiles = []*os.File{tty}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 3}
	err = cmd.Start()
	_ = write.Close()
	if err != nil {
		return "", 127
	}
	_, _ = out.ReadFrom(read)
	_ = read.Close()
	err = cmd.Wait()
	if failed := (*exec.ExitError)(nil); errors.As(err, &failed) {
		if status := failed.Sys().(syscall.WaitStatus); status.Signaled() {
			return out.String(), 128 + int(status.Signal())
		}
		return out.String(), failed.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	return out.String(), 0
}

// agreeing are commands of many kinds. None of them stops to wait, and none shows
// what differs from one process to another.
var agreeing = [][]string{
	{"true"},
	{"false"},
	{"echo", "a", "", "b c", "$HOME", "*", "~", "`x`", "'", `"`, `\`},
	{"printf", "%s|", "one\ntwo", "\ttab", "夜間", "-n", "--", "", "{{ x }}", "$$"},
	{"echo", "--", "A=1"},
	{"cat"},
	{"cat", "/no/such/file"},
	{"ls", "/no/such/directory"},
	{"/"},
	{"/no/such/program"},
	{"sh", "-c", "exit 0"},
	{"sh", "-c", "exit 2"},
	{"sh", "-c", "exit 125"},
	{"sh", "-c", "exit 126"},
	{"sh", "-c", "exit 129"},
	{"sh", "-c", "exit 200"},
	{"sh", "-c", "exit 255"},
	{"sh", "-c", "echo out; echo err >&2; exit 4"},
	{"sh", "-c", "kill -9 $$"},
	{"sh", "-c", "kill -15 $$"},
	{"sh", "-c", "kill -2 $$"},
	{"sh", "-c", "kill -1 $$"},
	{"sh", "-c", "kill -3 $$; sleep 1"},
	{"sh", "-c", "kill -10 $$"},
	{"sh", "-c", "kill -13 $$"},
	{"sh", "-c", "kill -11 $$"},
	{"sh", "-c", "kill -6 $$"},
	{"sh", "-c", "echo a; kill -15 0; sleep 5"},
	{"sh", "-c", "trap 'exit 3' TERM; kill -15 0; exit 4"},
	{"bash", "-c", "trap 'kill 0' EXIT; sleep 30 & echo working; exit 0"},
	{"bash", "-c", "echo a; kill -9 -$$"},
	{"bash", "-c", "set -o pipefail; false | true; echo $?; exit 9"},
	{"sh", "-c", "test -t 0 || test -t 1 || test -t 2 || echo none"},
	{"sh", "-c", "read line; echo \"[$line] $?\""},
	{"sh", "-c", "wc -c; exit 7"},
	{"sh", "-c", `read -r a </proc/self/stat; set -- ${a##*) }; [ "$3" = "$$" ] && echo leads || echo follows`},
	{"sh", "-c", "trap"},
	{"sh", "-c", "sleep 30 >/dev/null 2>&1 & echo started"},
	{"sh", "-c", "(sleep 0.1; echo late) & wait; echo done"},
	{"sh", "-c", "yes | head -n 3"},
	{"seq", "1", "5000"},
	{"sh", "-c", "seq 1 9 | while read x; do printf '%s,' $x; done; echo"},
	{"sh", "-c", `printf 'a\000b\377c'`},
	{"sh", "-c", `printf '\r\n\n\r'`},
	{"sh", "-c", "echo $0; echo $#", "name", "a", "b"},
	{"sh", "-c", "for i in 4 5 6 7 8 9; do [ ! -e /proc/$$/fd/$i ] || echo $i is open; done"},
	{"sh", "-c", "grep -E '^Sig(Ign|Blk)' /proc/self/status"},
	{"sh", "-c", "umask; ulimit -c; pwd"},
	{"env", "-i", "A=b", "env"},
	{"sh", "-c", `echo "$A|$a|$n|$r|$i|$v|$IFS|$PS4|$HOME|$OPTARG"`},
	{"printenv", "A"},
	{"printenv", "ERRAND_n"},
	{"sh", "-c", "env | grep ERRAND_; env | grep -c '^A='"},
	{"pgrep", "-f", "queue-worker-that-is-not-there"},
	{"pkill", "-HUP", "-f", "another-worker-that-is-not-there"},
	{"pkill", "-f", "artisan [q]ueue:work-not-there"},
	{"timeout", "5", "sh", "-c", "echo in time; exit 6"},
	{"timeout", "0.1", "sleep", "5"},
	{"timeout", "-s", "KILL", "0.1", "sleep", "5"},
	{"setsid", "-w", "sh", "-c", "echo other; exit 8"},
	{"nohup", "sh", "-c", "echo on; exit 2"},
	{"xargs", "echo", "x"},
	{"nice", "echo", "nice"},
	{"sh", "-c", strings.Repeat("#'\"", 300) + "\necho long; exit 11"},
}

func TestAgreesWithNoWrapper(t *testing.T) {
	t.Parallel()
	environment := []string{"PATH=" + os.Getenv("PATH"), "TERM=xterm-256color", "A=own", "a=1", "n=2", "r=3", "i=4", "v=5", "HOME=/", "PWD=" + wd(t)}
	for i, argv := range agreeing {
		t.Run(fmt.Sprint(i, " ", argv[0]), func(t *testing.T) {
			t.Parallel()
			output, code := native(t, argv, environment)
			for name, shell := range shells(t) {
				if !slices.Contains([]string{"dash", "bash", "busybox", "mksh", "zsh"}, name) {
					continue // sh is one of them, ksh is as mksh, and posh takes no part in it
				}
				got, d := runIn(t, shell, environment, argv)
				if !d.Begun() || !d.Ended() || d.ExitCode() == nil || *d.ExitCode() != code && (code != 127 || *d.ExitCode() != 126) {
					t.Errorf("in %s: begun %v, ended %v, code %s, want %d", name, d.Begun(), d.Ended(), told(d.ExitCode()), code)
				}
				if code == 127 { // the shell says so
					continue
				}
				if diff := cmp.Diff(output, got); diff != "" {
					t.Errorf("output in %s (-native +wrapped):\n%s", name, diff)
				}
			}
		})
	}
}

func wd(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// runIn is run in a container with this environment.
func runIn(t *testing.T, shell, environment, argv []string, more ...execwrap.Variable) (string, *execwrap.Decoder) {
	t.Helper()
	s := begin(t, shell, environment, argv, more...)
	return s.finish(t)
}
