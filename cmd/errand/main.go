// Errand is the command for people. Two of its commands show errand on one
// machine, without an AWS account: the functions that are deployed, run against an
// embedded AWS endpoint. The others are for the person who runs a stack, on AWS or
// there.
//
//	errand try FILE      start the run that a payload asks for, print its result
//	errand local         serve the AWS CLI and SDKs
//	errand jobs          list the jobs of a stack
//	errand runs JOB      list the runs of a job
//	errand show RUN      show everything of a run
//	errand logs RUN      print a run's log
//	errand start FILE    start a run by a payload
//	errand again RUN     start a run's payload as a new run
//	errand stop RUN      end a run
//	errand letters       list, send or drop dead letters
//
// It exits with 0 when what was asked for is done and well, with 1 when it is
// not, and with 64 when it was called wrongly; errand start --wait exits as the
// command did that it waited for.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"errand/pkg/operate"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := realMain(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// The exit codes.
const (
	exitWell     = 0
	exitNotWell  = 1  // the run did not succeed, or there was an error
	exitWrongUse = 64 // EX_USAGE of sysexits.h
)

// errNotSucceeded is of a run whose end was printed already.
var errNotSucceeded = errors.New("the run did not succeed")

// commandLine is what kong reads the arguments into. A command is a field with a
// method Run, which gets what realMain binds.
type commandLine struct {
	Try   tryCommand   `cmd:"" help:"Start the run that a payload asks for, on this machine, and print its result."`
	Local localCommand `cmd:"" help:"Serve the AWS CLI and SDKs on this machine."`

	Jobs    jobsCommand    `cmd:"" help:"List the jobs of a stack."`
	Runs    runsCommand    `cmd:"" help:"List the last runs of a job."`
	Show    showCommand    `cmd:"" help:"Show everything of a run: its attempts, the end of its log, links."`
	Logs    logsCommand    `cmd:"" help:"Print the log of a run."`
	Start   startCommand   `cmd:"" help:"Start a run by a payload."`
	Again   againCommand   `cmd:"" help:"Start the payload of a run as a new run."`
	Stop    stopCommand    `cmd:"" help:"End a run: its task, or its wait."`
	Letters lettersCommand `cmd:"" help:"Dead letters: list, send, drop."`
}

// stackFlags say of what the local stack is made.
type stackFlags struct {
	Functions string `default:"build" placeholder:"DIR" help:"Folder of the built functions: DIR/launcher/bootstrap, … (default: ${default})"`
	Template  string `default:"template.yaml" placeholder:"FILE" help:"SAM template, whose rule decides which events reach the collector (default: ${default})"`
}

func (f stackFlags) world(out io.Writer) world {
	return world{functions: f.Functions, template: f.Template, screen: newScreen(out), pace: time.Second}
}

// realMain runs one command and returns the exit code.
func realMain(ctx context.Context, args []string, out, errOut io.Writer) int {
	helped := false
	parser, err := kong.New(&commandLine{},
		kong.Name("errand"),
		kong.Description("Errand, on one machine without an AWS account (try, local), and in a stack."),
		kong.Writers(out, errOut),
		kong.Exit(func(int) { helped = true }), // kong's --help goes on after it
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.BindTo(out, (*io.Writer)(nil)),
		kong.Bind(streams{out, errOut}),
	)
	if err != nil {
		panic(err) // commandLine is wrong
	}
	command, err := parser.Parse(args)
	switch {
	case helped:
		return exitWell
	case err != nil:
		_, _ = fmt.Fprintf(errOut, "errand: %v\nerrand --help shows how it is used.\n", err)
		return exitWrongUse
	}
	err = command.Run()
	if code, ok := errors.AsType[exitCode](err); ok {
		return int(code)
	}
	if err == nil {
		return exitWell
	}
	if !errors.Is(err, errNotSucceeded) {
		_, _ = fmt.Fprintln(errOut, "errand:", err)
	}
	if _, ok := errors.AsType[operate.WrongUse](err); ok {
		return exitWrongUse
	}
	return exitNotWell
}
