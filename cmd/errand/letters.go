package main

import (
	"context"

	"errand/pkg/operate"
)

type lettersCommand struct {
	List lettersListCommand `cmd:"" default:"withargs" help:"List them, and leave them where they are."`
	Send lettersSendCommand `cmd:"" help:"Hand them to the function that they were for, then delete them."`
	Drop lettersDropCommand `cmd:"" help:"Delete them."`
}

// queueFlag says which queue is meant.
type queueFlag struct {
	Queue string `placeholder:"QUEUE" help:"Only this one: schedule, rule, launcher or collector"`
}

type lettersListCommand struct {
	operatorFlags
	queueFlag
}

// Run lists dead letters.
func (c *lettersListCommand) Run(ctx context.Context, s streams) error {
	return show(ctx, c.operatorFlags, s, "", func(st *operate.Stack) (operate.LetterList, error) { return st.Letters(ctx, c.Queue) })
}

// lettersArgument names letters.
type lettersArgument struct {
	IDs []string `arg:"" optional:"" name:"id" help:"The letters' ids, as errand letters shows them."`
	All bool     `help:"All there are"`
}

type lettersSendCommand struct {
	operatorFlags
	byFlag
	queueFlag
	lettersArgument
	Force bool `help:"Commands in live tasks, too, though they may have run already"`
}

// Run sends dead letters again.
func (c *lettersSendCommand) Run(ctx context.Context, s streams) error {
	return handle(ctx, c.operatorFlags, s, c.who(), func(st *operate.Stack) (operate.Handled, error) {
		return st.SendLetters(ctx, operate.Selection{Queue: c.Queue, IDs: c.IDs, All: c.All, Force: c.Force})
	})
}

type lettersDropCommand struct {
	operatorFlags
	queueFlag
	lettersArgument
}

// Run deletes dead letters.
func (c *lettersDropCommand) Run(ctx context.Context, s streams) error {
	return handle(ctx, c.operatorFlags, s, "", func(st *operate.Stack) (operate.Handled, error) {
		return st.DropLetters(ctx, operate.Selection{Queue: c.Queue, IDs: c.IDs, All: c.All})
	})
}

// handle prints what became of letters.
func handle(ctx context.Context, f operatorFlags, s streams, by string, do func(*operate.Stack) (operate.Handled, error)) error {
	well := true
	err := show(ctx, f, s, by, func(st *operate.Stack) (operate.Handled, error) {
		handled, err := do(st)
		well = handled.Well()
		return handled, err
	})
	if err != nil {
		return err
	}
	return unless(well)
}
