package main

import (
	"context"
	"fmt"
	"time"

	"errand/pkg/localaws"
	"errand/pkg/localstack"
	"errand/pkg/run"
)

// world is the local stack, and the screen that shows what happens in it.
type world struct {
	functions, template string
	screen              *screen
	pace                time.Duration // of Lambda's retries
	// speed is how many times as fast as the real time AWS's runs; 0 means 1.
	speed float64
	lose  bool // the stop event of the task that is tried

	*localstack.Stack
}

// start serves AWS on addr and deploys the local stack.
func (w *world) start(ctx context.Context, addr, region, account string) (err error) {
	opts := localaws.Options{Addr: addr, Region: region, Account: account, Watch: w.screen.watch, RetryPace: w.pace}
	if w.speed != 0 {
		clock, err := run.ParseClock(fmt.Sprintf("%g@%d", w.speed, time.Now().UnixMilli()))
		if err != nil {
			return err
		}
		opts.Clock = clock
	}
	w.Stack, err = localstack.Start(ctx, localstack.Options{Functions: w.functions, Template: w.template, Options: opts})
	return err
}
