package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"errand/pkg/job"
	"errand/pkg/localaws"
	"errand/pkg/result"
)

var errNotSucceeded = errors.New("the run did not succeed")

// run starts the run that the payload in file asks for, waits for its result
// and prints it.
func run(ctx context.Context, w world, file string) error {
	payload, err := os.ReadFile(file) //nolint:gosec // named by whoever runs this
	if err != nil {
		return fmt.Errorf("read the payload: %w", err)
	}
	// What is wrong with it is for the function to say.
	function := "launcher"
	p, _, invalid := job.Decode(payload)
	inLive, _, notExec := job.DecodeExec(payload)
	// A payload may suit both; its folder then says what is meant, as in events.
	if filepath.Base(filepath.Dir(file)) == "executor" || invalid != nil && notExec == nil {
		function, invalid = "executor", notExec
		p.Command = inLive.Command
	}
	region, account := place(p)
	if err := w.start(ctx, "", region, account); err != nil {
		return err
	}
	defer func() { _ = w.server.Close() }()
	if invalid == nil && function == "executor" {
		err = w.live(ctx, inLive)
	} else if invalid == nil {
		err = w.standIn(ctx, p)
	}
	if err != nil {
		return fmt.Errorf("prepare what the payload names: %w", err)
	}
	w.screen.line("payload", file)
	if len(p.Command) > 0 {
		w.screen.line("command", result.ShellJoin(p.Command))
	}
	raw, err := w.invoke(ctx, function, payload)
	if err != nil {
		w.screen.text(w.screen.functionLog())
		return err
	}
	w.screen.line(function, string(raw))
	messages, err := w.await(ctx)
	if err != nil {
		return err
	}
	return w.show(messages)
}

// await waits for the result at both topics, or for the proof that it will
// never come.
func (w *world) await(ctx context.Context) ([]localaws.Message, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		if letters, err := w.server.AwaitDeadLetters(ctx, 1); err == nil {
			cancel(fmt.Errorf("the function %s gave up: %s\n%s", letters[0].Function, letters[0].Error, w.screen.functionLog()))
		}
	}()
	messages, err := w.server.AwaitMessages(ctx, 2)
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
		if result.Status(status) == result.Succeeded {
			color = green
		}
		switch m.TopicARN {
		case w.topics.text:
			s.text("\n" + s.paint(bold, "The notification for people") + s.paint(dim, " (TEXT_TOPIC_ARN, e-mail)") + "\n\n")
			s.text("Subject: " + s.paint(color, m.Subject) + "\n\n" + m.Body)
		case w.topics.json:
			s.text("\n" + s.paint(bold, "The notification for programs") + s.paint(dim, " (TOPIC_ARN)") + "\n\n")
			s.text(pretty(m.Body) + "\n\nAttributes: " + attributes(m) + "\n")
		}
	}
	if result.Status(status) != result.Succeeded {
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
