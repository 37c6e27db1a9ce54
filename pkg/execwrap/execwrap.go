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

// script runs the words behind "--" with /dev/null as their input and prints a
// mark before their output and one with the exit code after it. The mark comes in
// two halves that only the shell joins, so that neither "ps" nor "set -x" shows
// it. The output goes through cat, so that the command sees no terminal, as under
// RunTask.
//
// The environment stands before "--" as NAME=value. The command is run by exec in
// a subshell: a program, never a builtin of the shell such as exit. The script
// sets no variable that the container may have exported, and outlives a Ctrl-C,
// so that the command can end in its own way and its code is told.
const script = `stty -opost -echo 2>/dev/null; trap : INT; printf '%s%s:B\n' "$1" "$2"; exec 4>&1; ` +
	`r=$( trap : INT; { { trap : INT; shift 2; while [ "$1" != -- ]; do export "$1"; shift; done; shift; ` +
	`(trap - INT; exec "$@" 3>&- 4>&-); echo "$?" >&3; } </dev/null 2>&1 | (trap '' INT; exec cat >&4 3>&-); } 3>&1 ); ` +
	`printf '\n%s%s:E:%s:\n' "$1" "$2" "$r"`

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

// shellsOwn cannot be exported, or not with any value, in one shell or another.
var shellsOwn = []string{"BASHOPTS", "EUID", "OPTIND", "PPID", "SHELLOPTS", "UID"}

// Wrap returns the command for ECS ExecuteCommand, which the agent in the
// container splits as github.com/google/shlex does, and the mark for a Decoder.
func Wrap(argv []string, environment []Variable) (command, mark string, err error) {
	one, two := half(), half()
	words := []string{"/bin/sh", "-c", script, "exec", one, two}
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
