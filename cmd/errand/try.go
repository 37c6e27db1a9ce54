package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"errand/pkg/localaws"
	"errand/pkg/localstack"
	"errand/pkg/payload"
	"errand/pkg/result"
	"errand/pkg/run"
)

type tryCommand struct {
	stackFlags
	File          string  `arg:"" help:"The payload, as a schedule, an event or a client sends it."`
	Clock         float64 `placeholder:"N" help:"How many times as fast as here time passes on AWS. (default: 1, or 30 where time limits or a lost event are shown)"`
	LoseStopEvent bool    `help:"Lose the event of the task's end, as a disabled rule does: the watchdog has to find out."`
}

// fast is the clock where minutes would have to be waited for. Much faster, and what
// the functions keep back to report is over before they have.
const fast = 30

// Run starts the run that the payload asks for, waits for its result and prints
// it.
func (c *tryCommand) Run(ctx context.Context, out io.Writer) error {
	raw, err := os.ReadFile(c.File)
	if err != nil {
		return fmt.Errorf("read the payload: %w", err)
	}
	w := c.world(out)
	w.speed = c.Clock
	limits := false
	if functionFor(raw) == "launcher" { // the executor keeps its command's timeout itself
		p, _, _ := payload.Decode(raw)
		limits = p.Timeout != "" || p.StartTimeout != ""
	}
	if w.speed == 0 && (c.LoseStopEvent || limits) {
		w.speed = fast
	}
	w.lose = c.LoseStopEvent
	return w.try(ctx, c.File, scheduled(raw, time.Now()))
}

// try puts a payload through the function that it is for.
func (w *world) try(ctx context.Context, file string, raw []byte) error {
	function := functionFor(raw)
	// What is wrong with the payload is for the function to say.
	var prepare func(context.Context) error
	var command, names []string
	if function == "executor" {
		p, _, err := payload.DecodeExec(raw)
		command, names = p.Command, []string{p.Task, p.Cluster, p.Service}
		if err == nil {
			prepare = func(ctx context.Context) error { return w.Live(ctx, p) }
		}
	} else {
		p, _, err := payload.Decode(raw)
		command, names = p.Command, []string{p.TaskDefinition, p.Cluster, p.Service}
		if err == nil {
			prepare = func(ctx context.Context) error { return w.StandIn(ctx, p) }
		}
	}
	region, account := localstack.Place(names...)
	if err := w.start(ctx, "", region, account); err != nil {
		return err
	}
	defer func() { _ = w.Server.Close() }()
	if w.speed > 1 {
		w.screen.line("clock", fmt.Sprintf("time on AWS passes %g times as fast as here", w.speed))
	}
	if w.lose {
		w.screen.line("event", "the one of the task's end will be lost; the watchdog has to find out")
		w.Server.DecideEvents(func(rule string, _ json.RawMessage) []time.Duration {
			if rule == "task-stopped" {
				return nil
			}
			return []time.Duration{0}
		})
	}
	w.screen.line("payload", file)
	if len(command) > 0 {
		w.screen.line("command", result.ShellJoin(command))
	}
	if prepare != nil {
		if err := prepare(ctx); err != nil {
			return fmt.Errorf("prepare what the payload names: %w", err)
		}
	}
	if err := w.answer(ctx, function, raw); err != nil {
		return err
	}
	messages, err := w.await(ctx)
	if err != nil {
		return err
	}
	return w.show(messages)
}

// answer invokes the function and prints what it answers.
func (w *world) answer(ctx context.Context, function string, raw []byte) error {
	if function == "launcher" {
		// The task has begun when the launcher knows that it was accepted; the
		// answer stands before what becomes of it.
		w.screen.holdTasks()
		defer w.screen.releaseTasks()
	}
	answer, err := w.Invoke(ctx, function, raw)
	if err != nil {
		w.screen.text(w.screen.functionLog())
		return err
	}
	w.screen.line(function, string(answer))
	return nil
}

// await waits for the result at both topics, or for the proof that it will
// never come.
func (w *world) await(ctx context.Context) ([]localaws.Message, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		if letters, err := w.Server.AwaitDeadLetters(ctx, 1); err == nil {
			cancel(fmt.Errorf("the function %s gave up: %s\n%s", letters[0].Function, letters[0].Error, w.screen.functionLog()))
		}
	}()
	messages, err := w.Server.AwaitMessages(ctx, 2)
	if err != nil {
		return nil, fmt.Errorf("wait for the result: %w", context.Cause(ctx))
	}
	return messages, nil
}

// show prints the notification in both its forms.
func (w *world) show(messages []localaws.Message) error {
	s := w.screen
	status := ""
	for _, m := range messages {
		status = m.Attributes["status"].Value
		color := red
		if run.Status(status) == run.Succeeded {
			color = green
		}
		switch m.TopicARN {
		case w.Topics.Text:
			s.text("\n" + s.paint(bold, "The notification for people") + s.paint(dim, " (TEXT_TOPIC_ARN, e-mail)") + "\n\n")
			s.text("Subject: " + s.paint(color, m.Subject) + "\n\n" + m.Body)
		case w.Topics.JSON:
			s.text("\n" + s.paint(bold, "The notification for programs") + s.paint(dim, " (TOPIC_ARN)") + "\n\n")
			s.text(pretty(m.Body) + "\n\nAttributes: " + attributes(m) + "\n")
		}
	}
	if run.Status(status) != run.Succeeded {
		return errNotSucceeded
	}
	return nil
}

func pretty(body string) string {
	var out bytes.Buffer
	if err := json.Indent(&out, []byte(body), "", "  "); err != nil {
		return body
	}
	return out.String()
}

func attributes(m localaws.Message) string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(m.Attributes)) {
		list = append(list, name+"="+m.Attributes[name].Value)
	}
	return strings.Join(list, " ")
}
