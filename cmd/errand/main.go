// Errand shows errand on one machine, without an AWS account: the functions
// that are deployed, run against an embedded AWS endpoint.
//
//	errand run [-functions dir] payload.json   start one run, print its result
//	errand local [-functions dir] [-addr host:port]   serve the AWS CLI and SDKs
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := realMain(ctx, os.Args[1:], os.Stdout)
	stop()
	if err == nil {
		return
	}
	// A run that did not succeed was printed already.
	if !errors.Is(err, errNotSucceeded) {
		fmt.Fprintln(os.Stderr, "errand:", err)
	}
	os.Exit(1)
}

const usage = "usage: errand run [-functions dir] payload.json, or errand local [-functions dir] [-addr host:port]"

func realMain(ctx context.Context, args []string, out io.Writer) error {
	if len(args) == 0 {
		return errors.New(usage)
	}
	flags := flag.NewFlagSet("errand "+args[0], flag.ContinueOnError)
	functions := flags.String("functions", "build", "folder of the built functions: <folder>/launcher/bootstrap, …")
	template := flags.String("template", "template.yaml", "SAM template, whose rule decides which events reach the collector")
	addr := flags.String("addr", "127.0.0.1:4599", "loopback address to serve on (local)")
	if err := flags.Parse(args[1:]); errors.Is(err, flag.ErrHelp) {
		return nil
	} else if err != nil {
		return err
	}
	w := world{functions: *functions, template: *template, screen: newScreen(out), pace: time.Second}
	switch {
	case args[0] == "run" && flags.NArg() == 1:
		return run(ctx, w, flags.Arg(0))
	case args[0] == "local" && flags.NArg() == 0:
		return local(ctx, w, *addr)
	}
	return errors.New(usage)
}
