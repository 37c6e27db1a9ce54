// Soak drives runs through the built functions on the embedded endpoint while
// everything that may go wrong on AWS does, and judges what people were told: by the
// topics and the tasks alone, never by the ledger.
//
//	go run ./test/soak -runs 10000
//	go run ./test/soak -herd -clock 3
//
// It exits with 0 if every run has a result, none contradicts another or the truth,
// no attempt has two tasks, and results came twice only where they may.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"
)

func main() {
	var o options
	flag.IntVar(&o.runs, "runs", 500, "how many runs")
	flag.Float64Var(&o.factor, "clock", 30, "how many times as fast as the real time AWS's runs")
	flag.IntVar(&o.rate, "rate", 15, "runs that are delivered in a second of real time, on average; they come in herds")
	flag.Uint64Var(&o.seed, "seed", 1, "of everything that is left to chance")
	flag.StringVar(&o.functions, "functions", "build", "folder of the built functions")
	flag.StringVar(&o.template, "template", "template.yaml", "SAM template")
	flag.DurationVar(&o.patience, "patience", 20*time.Minute, "after which it gives up waiting for results, in real time")
	flag.BoolVar(&o.herd, "herd", false, "all runs are due at once, at ECS's own quotas, and nothing goes wrong")
	flag.BoolVar(&o.verbose, "v", false, "print what the functions write")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	verdict, err := soak(ctx, o, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1) //nolint:gocritic // nothing is left to be done
	}
	fmt.Print(verdict)
	if len(verdict.problems) > 0 {
		os.Exit(1)
	}
}

type options struct {
	runs, rate          int
	factor              float64
	seed                uint64
	functions, template string
	patience            time.Duration
	herd, verbose       bool
}
