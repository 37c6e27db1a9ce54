package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"errand/pkg/ledger"
	"errand/pkg/localstack"
	"errand/pkg/payload"
	"errand/pkg/run"
)

// kind is a kind of event of a function.
type kind struct {
	name, function string
	// event prepares AWS and makes an event.
	event func(context.Context, *world) ([]byte, error)
	// env are variables that only this kind has; -env stands above them.
	env []string
	// once is for what takes long: only the first event of a process.
	once bool
}

var kinds = []kind{
	{name: "launcher: a start", function: "launcher", event: job("true", nil)},
	{name: "launcher: no room", function: "launcher", event: func(ctx context.Context, w *world) ([]byte, error) {
		w.Server.FailPlacement("RESOURCE:MEMORY", 1)
		return job("true", nil)(ctx, w)
	}},
	{name: "launcher: 200 KB payload", function: "launcher", event: job("true", map[string]any{"environment": map[string]string{"LARGE": strings.Repeat("x", 200<<10)}})},
	{name: "launcher: 1 MB payload", function: "launcher", event: job("true", map[string]any{"environment": map[string]string{"LARGE": strings.Repeat("x", 1000<<10)}})},
	{name: "collector: 50 lines", function: "collector", event: ended(job("seq 50", nil))},
	{name: "collector: 1000 lines of 1 KB", function: "collector", event: ended(job("seq -f "+strings.Repeat("x", 1000)+"%g 1000", map[string]any{"logLines": 1000}))},
	{name: "collector: silent", function: "collector", event: ended(job("true", nil))},
	{name: "collector: no start", function: "collector", event: ended(job("", map[string]any{"command": []string{"/no/such/program"}}))},
	{name: "watchdog: nothing due", function: "watchdog", event: tick(0)},
	{name: "watchdog: 1000 launches due", function: "watchdog", event: tick(1000), once: true, env: []string{"LAUNCH_RATE=100"}},
	{name: "executor: a line", function: "executor", event: command("echo done")},
	{name: "executor: 2 MB", function: "executor", event: command("seq -f " + strings.Repeat("x", 90) + "%09g 20000")},
}

// job is an event that starts a shell command.
func job(script string, more map[string]any) func(context.Context, *world) ([]byte, error) {
	return func(_ context.Context, w *world) ([]byte, error) {
		event := map[string]any{"job": "cost", "runId": w.id(), "command": []string{"sh", "-c", script}}
		for name, value := range more {
			event[name] = value
		}
		return json.Marshal(event)
	}
}

// ended has an event's job run, and is the event of its end.
func ended(of func(context.Context, *world) ([]byte, error)) func(context.Context, *world) ([]byte, error) {
	return func(ctx context.Context, w *world) ([]byte, error) {
		raw, err := of(ctx, w)
		if err != nil {
			return nil, err
		}
		if _, err := w.Invoke(ctx, "launcher", raw); err != nil {
			return nil, err
		}
		ctx, cancel := context.WithTimeoutCause(ctx, 20*time.Second, errors.New("the task's end does not come"))
		defer cancel()
		for id := []byte(`"cost-` + strconv.Itoa(w.ids) + `"`); ; {
			select {
			case event := <-w.stopped:
				if bytes.Contains(event, id) {
					return event, nil
				}
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			}
		}
	}
}

// tick is a tick at which so many launches are due.
func tick(due int) func(context.Context, *world) ([]byte, error) {
	return func(ctx context.Context, w *world) ([]byte, error) {
		book := ledger.New(dynamodb.NewFromConfig(w.Config), ledger.Config{Table: localstack.Table})
		for range due {
			r := run.Run{Job: "cost", ID: w.id(), Attempt: 1}
			hold, ok, err := book.Claim(ctx, ledger.Delivery{Run: r, Payload: []byte(`{}`), Until: time.Now()})
			if err == nil && !ok {
				err = errors.New("not claimed")
			}
			if err == nil {
				_, err = book.NoRoom(ctx, hold, false, "", time.Now().Add(-time.Minute))
			}
			if err != nil {
				return nil, fmt.Errorf("make a launch due: %w", err)
			}
		}
		return []byte(`{}`), nil
	}
}

// command is an event that runs a shell command in a live task.
func command(script string) func(context.Context, *world) ([]byte, error) {
	return func(ctx context.Context, w *world) ([]byte, error) {
		if !w.live {
			if err := w.Live(ctx, payload.Exec{Service: "web"}); err != nil {
				return nil, err
			}
			w.live = true
		}
		return json.Marshal(map[string]any{"method": "exec", "job": "cost", "runId": w.id(), "service": "web", "command": []string{"sh", "-c", script}})
	}
}
