package execwrap_test

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"errand/pkg/execwrap"
)

// Whatever name a shell has for itself, it is refused, or reaches the command with
// the value that was given.
func TestNamesOfTheShells(t *testing.T) {
	t.Parallel()
	names := strings.Fields(`_ ARGC BASH BASHPID BASH_ENV CDPATH COLUMNS DIRSTACK EDITOR EGID ENV EPOCHREALTIME EPOCHSECONDS ERRNO
		FCEDIT FPATH FUNCNAME GID GLOBIGNORE GROUPS HISTCMD HISTFILE HISTSIZE HOME HOSTNAME HOSTTYPE IFS KSHEGID KSHGID KSHUID KSH_VERSION
		LANG LC_ALL LC_CTYPE LC_MESSAGES LINENO LINES MACHTYPE MAIL MAILCHECK MAILPATH NULLCMD OLDPWD OPTARG OPTERR OSTYPE PGRP
		PIPESTATUS POSIXLY_CORRECT PS1 PS2 PS3 PS4 PWD RANDOM REPLY SECONDS SHELL SHLVL SRANDOM TERM TIMEFORMAT TMOUT TMPDIR
		TRY_BLOCK_ERROR TTYIDLE USERNAME USER_ID ZDOTDIR ZSH_VERSION argv cdpath fpath histchars options path pipestatus prompt psvar
		signals status watch`)
	for _, shell := range shells(t) {
		words := append(slices.Clone(shell), "-c", "set")
		cmd := exec.Command(words[0], words[1:]...)
		cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(out)) {
			name, _, _ := strings.Cut(line, "=")
			if name != "PATH" && !strings.ContainsFunc(name, func(r rune) bool {
				return r != '_' && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
			}) {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	var refused []string
	var given []execwrap.Variable
	for _, name := range slices.Compact(names) {
		v := execwrap.Variable{Name: name, Value: "7"}
		if _, _, err := execwrap.Wrap([]string{"env"}, []execwrap.Variable{v}); err != nil {
			refused = append(refused, name)
			continue
		}
		given = append(given, v)
	}
	if n := len(refused); n < 25 || n > 35 {
		t.Errorf("refused: %v", refused)
	}
	for name, shell := range shells(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for some := range slices.Chunk(given, 100) {
				if name == "zsh" {
					some = slices.DeleteFunc(slices.Clone(some), func(v execwrap.Variable) bool {
						return slices.Contains([]string{"TTYIDLE", "USERNAME", "ZSH_EVAL_CONTEXT", "ZSH_SUBSHELL", "signals"}, v.Name)
					})
				}
				own := []string{"PATH=" + os.Getenv("PATH")}
				got, d := runIn(t, shell, own, []string{"/usr/bin/env"}, some...)
				if d.ExitCode() == nil || *d.ExitCode() != 0 {
					t.Errorf("code %s, output %q", told(d.ExitCode()), got)
				}
				lines := strings.Split(got, "\n")
				for _, v := range some {
					if !slices.Contains(lines, v.Name+"=7") {
						i := slices.IndexFunc(lines, func(line string) bool { return strings.HasPrefix(line, v.Name+"=") })
						if i >= 0 {
							t.Errorf("%s: got %q", v.Name, lines[i])
						} else {
							t.Errorf("%s is missing", v.Name)
						}
					}
				}
			}
		})
	}
}
