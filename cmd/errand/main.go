// Errand shows errand on one machine, without an AWS account: the functions
// that are deployed, run against an embedded AWS endpoint.
//
//	errand try FILE   start the run that a payload asks for, print its result
//	errand local      serve the AWS CLI and SDKs
//
// It exits with 0 when what was asked for is done and well, with 1 when it is
// not, and with 64 when it was called wrongly.
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
		kong.Description("errand on one machine, without an AWS account."),
		kong.Writers(out, errOut),
		kong.Exit(func(int) { helped = true }), // kong's --help goes on after it
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.BindTo(out, (*io.Writer)(nil)),
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
	switch err := command.Run(); {
	case err == nil:
		return exitWell
	case !errors.Is(err, errNotSucceeded):
		_, _ = fmt.Fprintln(errOut, "errand:", err)
	}
	return exitNotWell
}
