// Package execwrap wraps a command so that its output and its exit code can be
// read from an ECS Exec session, which by itself gives neither: it shows one
// terminal, mixed with whatever else is in it, and drops the exit code.
package execwrap

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// The wrapper is three shells, and what the command needs is handed on in variables
// that it does not see, ERRAND_ and a number or a small letter.
//
// boot is what the agent starts. As long as it runs, "pgrep -f" finds the command's
// words in its arguments, so it puts them into the environment and makes way for
// another shell, whose arguments say nothing. Before that it saves what many shells
// would drop or change, variables of the container such as "spring.profiles.active":
// the command is then run by env, if the image has it and tr. Options that the
// container gives to a shell, by SHELLOPTS, are not for the wrapper.
const boot = `set +aefuvxC 2>/dev/null; trap : ` + caught + `; ` +
	`ERRAND_n=0 ERRAND_e= ERRAND_o=$(env -- tr "\0" "\001" </proc/$$/environ 2>/dev/null) ERRAND_i=$(printf "\001"); ` +
	`errand() { ERRAND_n=$((ERRAND_n+1)); export "ERRAND_$ERRAND_n=$1"; }; ` +
	`for ERRAND_v do errand "$ERRAND_v"; [ "$ERRAND_v" != -- ] || while [ "$ERRAND_o" ]; do ` +
	`ERRAND_v=${ERRAND_o%%"$ERRAND_i"*}; ERRAND_o=${ERRAND_o#"$ERRAND_v"}; ERRAND_o=${ERRAND_o#"$ERRAND_i"}; ` +
	`case ${ERRAND_v%%=*} in BASHOPTS|SHELLOPTS|[0-9]*|*[!A-Za-z0-9_]*) ` +
	`[ "$ERRAND_e" ] || { ERRAND_e=1; errand env; errand --; }; errand "$ERRAND_v";; esac; done; done; ` +
	`ERRAND_s=$0; export ERRAND_n ERRAND_s; exec /bin/sh ` + again

// again starts a shell for the script's other parts, of which no list of processes
// shows a word.
const again = `-c "eval \"\$ERRAND_s\"" exec`

// caught are the signals that the wrapper outlives: a terminal's, and those by which
// "pkill -f sh" may find it.
const caught = `HUP INT QUIT USR1 USR2 ALRM TERM`

// lead is the session's leader. It prints a mark before the command's output, which
// goes through cat, so that the command sees no terminal, as under RunTask. The mark
// comes in two halves that only the shell joins, so that neither "ps" nor "set -x"
// shows it. The last line is for a command that kills the shell that waits for it;
// after another end nobody reads it.
const lead = `trap : ` + caught + `; ` +
	`cat </dev/null 2>/dev/null || { printf "%s%s:N\n" "$ERRAND_1" "$ERRAND_2"; exit; }; ` +
	`stty -opost -echo 2>/dev/null; exec 4>&1; ` +
	`{ export ERRAND_j=1; ERRAND_v=; (set -m) 2>/dev/null && ERRAND_v=-m; exec /bin/sh $ERRAND_v ` + again + ` </dev/null 4>&-; } | ` +
	`(trap "" ` + caught + ` TTOU; exec cat >&4 4>&- 2>/dev/null); printf "\n%s%s:E::\n" "$ERRAND_1" "$ERRAND_2"`

// attend runs the words behind "--" with /dev/null as their input, and prints a mark
// and the exit code behind their output. The mark takes the way of the output, so
// that it is seen when the command has ended, whoever else holds that. Then the
// command's children get SIGHUP, as at the end of a session whose leader it were.
//
// By "set -m" the command leads a process group, as it does without a wrapper, and
// has the terminal's foreground, so that it alone gets a Ctrl-C. Before it begins,
// it waits for that. ksh and zsh do not hand over the foreground in a script; there
// the wrapper passes Ctrl-C on. posh has no "set -m". Only a kill that is built in is
// given a negative number: procps's takes -12 for all processes. A command that stops
// itself is continued. The end is told by a trap, since bash leaves the script when a
// SIGINT has ended the command, and before it has its code.
//
// The environment stands before "--" as NAME=value. The command is run by exec in
// a subshell: a program, never a builtin of the shell such as exit. What the shell
// has to say about a locale that is not there is not the command's output.
const attend = `unset ERRAND_j ERRAND_s; set --; ERRAND_i=0; while [ "$ERRAND_i" -lt "$ERRAND_n" ]; do ERRAND_i=$((ERRAND_i+1)); ` +
	`eval "set -- \"\$@\" \"\$ERRAND_$ERRAND_i\"; unset ERRAND_$ERRAND_i"; done; unset ERRAND_i ERRAND_n; ` +
	`errand() { trap - EXIT ` + caught + `; shift 2; while [ "$1" != -- ]; do export "$1"; shift; done; shift; exec "$@" >&5 2>&5 5>&-; }; ` +
	`errand__() { printf "\n%s%s:E:%s:\n" "$1" "$2" "${ERRAND_r-130}" >&5; case $-:$(command -v kill) in *m*:kill) kill -HUP -$!; esac; }; ` +
	`trap : ` + caught + `; trap "errand__ $1 $2" EXIT; exec 5>&1 >/dev/null 2>&1; printf "%s%s:B\n" "$1" "$2" >&5; ` +
	`case $-:${KSH_VERSION-}${ZSH_VERSION-} in ` +
	`*m*:) (while IFS=" " read -r ERRAND_p ERRAND_p ERRAND_p ERRAND_p ERRAND_g ERRAND_t ERRAND_t ERRAND_t ERRAND_v </proc/self/stat && ` +
	`[ "$ERRAND_p" = $$ ] && [ "$ERRAND_g" != "$ERRAND_t" ]; do :; done; errand "$@") & ` +
	`errand_() { fg; ERRAND_r=$?; kill -0 $! && errand_; }; errand_;; ` +
	`*m*:*) (errand "$@") & trap "kill -INT -$!" INT; ` +
	`while wait $!; ERRAND_r=$?; [ $ERRAND_r -gt 128 ] && kill -0 $!; do :; done;; ` +
	`*) (errand "$@"); ERRAND_r=$?; esac`

// body is handed over as the name of boot's shell, the one argument that the words do
// not need.
const body = `if [ "$ERRAND_j" ]; then ` + attend + `; else ` + lead + `; fi`

// MaxCommand bounds the string that is handed to ECS, in bytes. ECS documents no
// limit; this is the one that it has for the overrides of RunTask.
const MaxCommand = 8192

// Variable is an environment variable for the command.
type Variable struct{ Name, Value string }

// exportable says whether a shell can export a variable of this name. A regular
// expression would have to be compiled at each start.
func exportable(name string) bool {
	return name != "" && (name[0] < '0' || name[0] > '9') && !strings.ContainsFunc(name, func(r rune) bool {
		return r != '_' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	})
}

// shellsOwn cannot be exported, or not with any value, in one shell or another. zsh has
// more, USERNAME for one, but is hardly ever the /bin/sh of an image.
var shellsOwn = strings.Fields(`_ BASHOPTS BASHPID BASH_ALIASES BASH_ARGC BASH_ARGV BASH_CMDS BASH_LINENO BASH_SOURCE BASH_VERSINFO DIRSTACK
	EPOCHREALTIME EPOCHSECONDS EUID FUNCNAME GROUPS HISTCMD KSH_VERSION LINENO OPTIND PIPESTATUS PPID RANDOM SECONDS SHELLOPTS SRANDOM UID`)

// Wrap returns the command for ECS ExecuteCommand, which the agent in the
// container splits as github.com/google/shlex does, and the mark for a Decoder.
func Wrap(argv []string, environment []Variable) (command, mark string, err error) {
	if err := program(argv); err != nil {
		return "", "", err
	}
	one, two := half(), half()
	words := []string{"/bin/sh", "-c", boot, body, one, two}
	for _, v := range environment {
		if !exportable(v.Name) {
			return "", "", fmt.Errorf("environment: %q is not a name that a shell can export: letters, digits and _, not beginning with a digit", v.Name)
		}
		if slices.Contains(shellsOwn, v.Name) {
			return "", "", fmt.Errorf("environment: %s is the shell's own and cannot be set", v.Name)
		}
		words = append(words, v.Name+"="+v.Value)
	}
	words = append(append(words, "--"), argv...)
	for i, word := range words {
		if strings.ContainsRune(word, 0) {
			return "", "", fmt.Errorf("command and environment: a NUL character cannot be passed to a program")
		}
		words[i] = quote(word)
	}
	command = strings.Join(words, " ")
	if n := len(command); n > MaxCommand {
		return "", "", fmt.Errorf("command and environment: %d bytes too long: as ECS Exec gets them they have %d bytes, and errand sends at most %d; put long input into a file or S3", n-MaxCommand, n, MaxCommand)
	}
	return command, one + two, nil
}

// program refuses what a shell would not take for the name of a program.
func program(argv []string) error {
	if len(argv) == 0 {
		return fmt.Errorf("command: empty")
	}
	name, _, assignment := strings.Cut(argv[0], "=")
	switch {
	case strings.HasPrefix(argv[0], "-"):
		return fmt.Errorf("command: %q is not the name of a program", argv[0])
	case assignment && exportable(name):
		return fmt.Errorf("command: %s=… is not the name of a program; put variables into environment", name)
	}
	return nil
}

// half is half of a mark: 64 random bits.
func half() string {
	b := make([]byte, 8)
	_, _ = rand.Read(b) // never fails, see crypto/rand
	return hex.EncodeToString(b)
}

// quote writes a word for shlex. The agent expands {{ }} and $$ before it splits,
// so two equal characters of these never stand side by side.
func quote(word string) string {
	var quoted strings.Builder
	quoted.Grow(len(word) + 2)
	quoted.WriteByte('\'')
	for i := range len(word) {
		c := word[i]
		if i > 0 && c == word[i-1] && (c == '$' || c == '{' || c == '}') {
			quoted.WriteString("''")
		}
		if c == '\'' {
			quoted.WriteString(`'\''`)
			continue
		}
		quoted.WriteByte(c)
	}
	quoted.WriteByte('\'')
	return quoted.String()
}
