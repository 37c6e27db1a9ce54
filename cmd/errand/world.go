package main

import (
	"context"
	"time"

	"errand/pkg/localaws"
	"errand/pkg/localstack"
)

// world is the local stack, and the screen that shows what happens in it.
type world struct {
	functions, template string
	screen              *screen
	pace                time.Duration // of Lambda's retries

	*localstack.Stack
}

// start serves AWS on addr and deploys the local stack.
func (w *world) start(ctx context.Context, addr, region, account string) (err error) {
	w.Stack, err = localstack.Start(ctx, localstack.Options{
		Functions: w.functions, Template: w.template,
		Options: localaws.Options{Addr: addr, Region: region, Account: account, Watch: w.screen.watch, RetryPace: w.pace},
	})
	return err
}
