package execwrap_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/creack/pty"
	"github.com/google/go-cmp/cmp"
	"github.com/google/shlex"

	"errand/pkg/execwrap"
)

// run wraps a command, splits it as the agent does, runs it in a real terminal
// with the given shell as /bin/sh, and decodes what the terminal shows.
func run(t *testing.T, shell []string, argv []string, environment ...execwrap.Variable) (string, *execwrap.Decoder) {
	t.Helper()
	return runIn(t, shell, []string{"PATH=" + os.Getenv("PATH"), "TERM=xterm-256color"}, argv, environment...)
}

// session is a wrapped command in its terminal.
type session struct {
	cmd      *exec.Cmd
	terminal *os.File
	out      bytes.Buffer
	decoder  *execwrap.Decoder
}

func begin(t *testing.T, shell, own, argv []string, environment ...execwrap.Variable) *session {
	t.Helper()
	command, mark, err := execwrap.Wrap(argv, environment)
	if err != nil {
		t.Fatal(err)
	}
	words, err := shlex.Split(command)
	if err != nil {
		t.Fatal(err)
	}
	for i, word := range words[2:4] {
		words[2+i] = strings.ReplaceAll(word, "/bin/sh", strings.Join(shell, " "))
	}
	words = append(slices.Clone(shell), words[1:]...)
	s := &session{cmd: exec.Command(words[0], words[1:]...)}
	s.decoder = execwrap.NewDecoder(mark, &s.out)
	s.cmd.Env = own
	if s.terminal, err = pty.Start(s.cmd); err != nil {
		t.Fatal(err)
	}
	return s
}

// read reads until enough is seen, or the terminal's last user is gone.
func (s *session) read(t *testing.T, enough func() bool) {
	t.Helper()
	buf := make([]byte, 1024)
	for !enough() {
		n, err := s.terminal.Read(buf)
		if _, writeErr := s.decoder.Write(buf[:n]); writeErr != nil {
			t.Fatal(writeErr)
		}
		if err != nil {
			return
		}
	}
}

func (s *session) finish(t *testing.T) (string, *execwrap.Decoder) {
	t.Helper()
	s.read(t, func() bool { return false })
	s.end()
	return s.out.String(), s.decoder
}

// end does to the session what the agent does upon TerminateSession.
func (s *session) end() {
	_ = s.cmd.Process.Kill()
	_ = s.terminal.Close()
	_ = s.cmd.Wait()
}

func shells(t *testing.T) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	if name, _ := filepath.EvalSymlinks("/bin/sh"); filepath.Base(name) != "dash" && filepath.Base(name) != "bash" {
		found["sh"] = []string{"/bin/sh"}
	}
	for name, words := range map[string][]string{
		"dash": {"dash"}, "bash": {"bash"}, "busybox": {"busybox", "sh"}, "mksh": {"mksh"}, "ksh": {"ksh"}, "posh": {"posh"}, "zsh": {"zsh", "--emulate", "sh"},
	} {
		if path, err := exec.LookPath(words[0]); err == nil {
			found[name] = append([]string{path}, words[1:]...)
		}
	}
	return found
}

// execs says what the shell makes of exec with these words, without the wrapper.
// POSIX leaves it open whether a builtin is found: mksh and posh run it, as does
// zsh unless it is sh; the others look for a program.
func execs(t *testing.T, shell, argv []string) (code int) {
	t.Helper()
	words := append(slices.Clone(shell), append([]string{"-c", `exec "$@"`, "exec"}, argv...)...)
	err := exec.Command(words[0], words[1:]...).Run()
	if failed := (*exec.ExitError)(nil); errors.As(err, &failed) {
		return failed.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	return 0
}

const (
	unknown = -1
	// byExec is whatever the shell's exec answers.
	byExec = -2
)

func TestRealShells(t *testing.T) {
	t.Parallel()
	sh := func(script string) []string { return []string{"/bin/sh", "-c", script} }
	odd := "it's \"odd\"\n\t$HOME $$ `x` \\ # {{ ssm:name }} }} {{ * ~ ! 夜間"
	for _, tc := range []struct {
		name        string
		argv        []string
		environment []execwrap.Variable
		want        string
		code        int
	}{
		{name: "success", argv: []string{"echo", "hello"}, want: "hello\n"},
		{name: "exit 1", argv: []string{"false"}, code: 1},
		{name: "exit 37", argv: sh("exit 37"), code: 37},
		{name: "the largest code", argv: sh("exit 255"), code: 255},
		{name: "killed", argv: sh("kill -9 $$"), code: 137},
		{name: "odd arguments", argv: []string{"printf", "[%s]", odd, "", " ", "a'b"}, want: "[" + odd + "][][ ][a'b]"},
		{name: "no output", argv: []string{"true"}},
		{name: "no final line break", argv: []string{"printf", "one\ntwo"}, want: "one\ntwo"},
		{name: "only line breaks", argv: []string{"printf", `\n\n`}, want: "\n\n"},
		{name: "carriage returns", argv: []string{"printf", `a\r\nb\r`}, want: "a\r\nb\r"},
		{name: "stderr too, in order", argv: sh("echo one; echo two >&2; echo three"), want: "one\ntwo\nthree\n"},
		{name: "stdin is empty", argv: sh("read line; echo \"[$line] $?\""), want: "[] 1\n"},
		{name: "no terminal", argv: sh("test -t 1 || echo none"), want: "none\n"},
		{name: "a program that is not there", argv: []string{"no-such-program"}, code: 127},
		{name: "a builtin ends the command at most", argv: []string{"exit", "3"}, code: byExec},
		{name: "a large output", argv: []string{"seq", "1", "100000"}, want: seq(100000)},
		{name: "trace does not show the mark", argv: sh("set -x; echo traced"), want: "+ echo traced\ntraced\n"},
		{
			name: "environment", argv: sh(`printf '%s|%s|%s' "$A" "$n" "$r"`), want: odd + "|5|x",
			environment: []execwrap.Variable{{Name: "A", Value: odd}, {Name: "n", Value: "5"}, {Name: "r", Value: "x"}},
		},
		{name: "the shell that knows the code is killed", argv: sh("echo before; kill -9 $PPID; sleep 0"), want: "before\n", code: unknown},
	} {
		for name, shell := range shells(t) {
			t.Run(tc.name+" in "+name, func(t *testing.T) {
				t.Parallel()
				got, d := run(t, shell, tc.argv, tc.environment...)
				if !d.Begun() || !d.Ended() {
					t.Fatalf("begun %v, ended %v; output %q", d.Begun(), d.Ended(), got)
				}
				want := tc.code
				if want == byExec {
					if want = execs(t, shell, tc.argv); want != 127 && want != 3 {
						t.Fatalf("exec answers %d", want)
					}
				}
				if want == 127 {
					if !strings.Contains(got, "not found") {
						t.Errorf("output %q", got)
					}
				} else if want != 137 && want != unknown && got != tc.want {
					t.Errorf("output (-want +got):\n%s", cmp.Diff(tc.want, got))
				}
				switch code := d.ExitCode(); {
				case want == unknown && code != nil:
					t.Errorf("code %d, want none", *code)
				case want != unknown && (code == nil || *code != want):
					t.Errorf("code %s, want %d", told(code), want)
				}
			})
		}
	}
}

func told(code *int) string {
	if code == nil {
		return "none"
	}
	return fmt.Sprint(*code)
}

func seq(n int) string {
	var s strings.Builder
	for i := 1; i <= n; i++ {
		fmt.Fprintln(&s, i)
	}
	return s.String()
}

// A program that shows its arguments, or those of the wrapper, shows no mark.
func TestTheMarkIsInNoArgument(t *testing.T) {
	t.Parallel()
	command, mark, err := execwrap.Wrap([]string{"ps"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(command, mark) || len(mark) != 32 {
		t.Errorf("mark %s of command %s", mark, command)
	}
	if _, other, _ := execwrap.Wrap([]string{"ps"}, nil); other == mark {
		t.Error("two commands have the same mark")
	}
}

func TestWrapRefuses(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name        string
		argv        []string
		environment []execwrap.Variable
		want        string
	}{
		{"NUL", []string{"a\x00b"}, nil, "a NUL character"},
		{"a name with a dot", []string{"a"}, []execwrap.Variable{{Name: "a.b"}}, `"a.b" is not a name`},
		{"a name that is an option", []string{"a"}, []execwrap.Variable{{Name: "-n"}}, `"-n" is not a name`},
		{"too long", []string{strings.Repeat("x", 8192)}, nil, "bytes too long"},
	} {
		if _, _, err := execwrap.Wrap(tc.argv, tc.environment); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want %q", tc.name, err, tc.want)
		}
	}
}

// What shlex makes of the command are the words that were wrapped, and nothing
// in it is expanded by the agent before.
func FuzzQuote(f *testing.F) {
	f.Add("it's", "{{ ssm:x }}$$")
	f.Add("# no comment", "\\")
	f.Fuzz(func(t *testing.T, one, two string) {
		command, _, err := execwrap.Wrap([]string{one, two}, []execwrap.Variable{{Name: "A", Value: two}})
		if err != nil {
			return
		}
		for _, expanded := range []string{"$$", "{{", "}}"} {
			if strings.Contains(command, expanded) {
				t.Errorf("%s is in %s", expanded, command)
			}
		}
		words, err := shlex.Split(command)
		if err != nil {
			t.Fatal(err)
		}
		if !utf8.ValidString(one) || !utf8.ValidString(two) {
			return // shlex reads runes; JSON has nothing else
		}
		if diff := cmp.Diff([]string{"A=" + two, "--", one, two}, words[6:]); diff != "" {
			t.Errorf("words (-want +got):\n%s", diff)
		}
	})
}

// Whatever a command writes, and however the session cuts it, comes out as it
// was written.
func FuzzDecoder(f *testing.F) {
	f.Add([]byte("hello\n"), 3, true, 0)
	f.Add([]byte("\r\n\n\rabc"), 1, true, 255)
	f.Add([]byte{}, 7, false, -1)
	f.Add([]byte("\n"), 4, true, 0)
	f.Fuzz(func(t *testing.T, output []byte, size int, crlf bool, code int) {
		const mark = "0123456789abcdef0123456789abcdef"
		number := ""
		if code >= 0 && code <= 255 {
			number = fmt.Sprint(code)
		}
		if crlf && bytes.Contains(output, []byte("\r\n")) {
			return // the terminal writes CR CR LF, which is undone to CR LF: tested above
		}
		shown := append(append([]byte("before "+mark+":B\n"), output...), "\n"+mark+":E:"+number+":\nafter"...)
		if crlf {
			shown = bytes.ReplaceAll(shown, []byte("\n"), []byte("\r\n"))
		}
		size = 1 + int(uint(size)%64)
		var got bytes.Buffer
		d := execwrap.NewDecoder(mark, &got)
		for piece := range slices.Chunk(shown, size) {
			if _, err := d.Write(piece); err != nil {
				t.Fatal(err)
			}
		}
		if !d.Ended() || !bytes.Equal(got.Bytes(), output) {
			t.Errorf("ended %v, got %q, want %q", d.Ended(), got.Bytes(), output)
		}
		if c := d.ExitCode(); (c == nil) != (number == "") || c != nil && *c != code {
			t.Errorf("code %v, want %q", c, number)
		}
	})
}

// The decoder is fed whatever a session may show.
func FuzzDecoderInput(f *testing.F) {
	f.Add([]byte("m:B\r\nx\r"), []byte("\nm:E:1:"))
	f.Fuzz(func(t *testing.T, one, two []byte) {
		var got bytes.Buffer
		d := execwrap.NewDecoder("m", &got)
		for _, piece := range [][]byte{one, two} {
			if n, err := d.Write(piece); err != nil || n != len(piece) {
				t.Fatalf("%d, %v", n, err)
			}
		}
		if got.Len() > len(one)+len(two) || d.Ended() && !d.Begun() {
			t.Errorf("begun %v, ended %v, output %q", d.Begun(), d.Ended(), got.Bytes())
		}
	})
}
