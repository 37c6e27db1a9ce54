package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"

	"errand/pkg/operate"
	"errand/pkg/run"
)

// operatorFlags are those of the commands for the person who runs a stack, on AWS or
// on the embedded endpoint: what they find is by the SDK's usual settings, of which
// AWS_ENDPOINT_URL is one.
type operatorFlags struct {
	Stack  string `default:"errand" env:"ERRAND_STACK" placeholder:"NAME" help:"The stack (default: $ERRAND_STACK, else errand)"`
	Output string `default:"text" enum:"text,json" help:"text or json"`
}

// streams are where a command writes: its answer to out, and what happens until
// then to err.
type streams struct{ out, err io.Writer }

// exitCode is the error of a command that has said everything and exits with it.
type exitCode int

func (e exitCode) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// open finds the stack.
func (f operatorFlags) open(ctx context.Context, by string) (*operate.Stack, error) {
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the settings of the AWS SDK: %w", err)
	}
	return operate.Open(ctx, cfg, operate.Options{Stack: f.Stack, By: by})
}

// print writes a command's answer.
func (f operatorFlags) print(s streams, d operate.Document) {
	text := operate.JSON(d)
	if f.Output == "text" {
		style := operate.Style{Width: 80}
		if terminal(s.out) {
			style = operate.Style{Color: os.Getenv("NO_COLOR") == ""}
		}
		text = d.Text(style)
	}
	_, _ = io.WriteString(s.out, text)
}

// show opens the stack, asks it and prints the answer.
func show[D operate.Document](ctx context.Context, f operatorFlags, s streams, by string, ask func(*operate.Stack) (D, error)) error {
	stack, err := f.open(ctx, by)
	if err != nil {
		return err
	}
	answer, err := ask(stack)
	if err != nil {
		return err
	}
	f.print(s, answer)
	return nil
}

type jobsCommand struct{ operatorFlags }

// Run lists the jobs.
func (c *jobsCommand) Run(ctx context.Context, s streams) error {
	return show(ctx, c.operatorFlags, s, "", func(st *operate.Stack) (operate.JobList, error) { return st.Jobs(ctx) })
}

type runsCommand struct {
	operatorFlags
	Job    string `arg:"" help:"The job's name."`
	Most   int    `short:"n" default:"20" placeholder:"N" help:"How many, at most (default: 20)"`
	Failed bool   `help:"Only those that did not end well, among the last 1,000"`
	Since  string `placeholder:"TIME" help:"Only those since then: 24h, 7d, 2026-11-20, 2026-11-20T02:00:00Z"`
}

// Run lists the runs of a job.
func (c *runsCommand) Run(ctx context.Context, s streams) error {
	since, err := operate.ParseSince(c.Since, run.Now())
	if err != nil {
		return err
	}
	if c.Most < 1 || c.Most > 1000 {
		return operate.WrongUse(fmt.Sprintf("-n: %d is not from 1 to 1000", c.Most))
	}
	return show(ctx, c.operatorFlags, s, "", func(st *operate.Stack) (operate.RunList, error) {
		return st.Runs(ctx, c.Job, operate.Which{Most: c.Most, Failed: c.Failed, Since: since})
	})
}

// runArgument names a run.
type runArgument struct {
	RunName string `arg:"" name:"run" help:"JOB/RUNID, or a run id that one job alone has."`
}

type showCommand struct {
	operatorFlags
	runArgument
}

// Run shows a run.
func (c *showCommand) Run(ctx context.Context, s streams) error {
	return show(ctx, c.operatorFlags, s, "", func(st *operate.Stack) (operate.Run, error) { return st.Show(ctx, c.RunName) })
}

type logsCommand struct {
	operatorFlags
	runArgument
	Follow bool `short:"f" help:"Go on until the run has ended"`
}

// Run prints a run's log, as text line by line.
func (c *logsCommand) Run(ctx context.Context, s streams) error {
	var line func(string)
	if c.Output == "text" {
		line = func(text string) { _, _ = fmt.Fprintln(s.out, text) }
	}
	return show(ctx, c.operatorFlags, s, "", func(st *operate.Stack) (operate.RunLog, error) {
		log, err := st.Logs(ctx, c.RunName, c.Follow, line)
		if errors.Is(err, context.Canceled) {
			err = errors.New("interrupted; the run goes on")
		}
		return log, err
	})
}

// byFlag says who acts.
type byFlag struct {
	By string `placeholder:"NAME" help:"Who does it, for those who ask later (default: the user of this machine)"`
}

func (b byFlag) who() string {
	if b.By != "" {
		return b.By
	}
	for _, name := range []string{"USER", "LOGNAME", "USERNAME"} {
		if value := os.Getenv(name); value != "" {
			return value
		}
	}
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return "somebody"
}

type startCommand struct {
	operatorFlags
	byFlag
	File       string   `arg:"" help:"The payload's file, or - for the standard input. A job cannot be started by its name yet."`
	Words      []string `arg:"" optional:"" name:"command" help:"With --set-command: the command and its arguments, after --"`
	Wait       bool     `help:"Follow the run to its end, and exit with the command's exit code"`
	SetCommand bool     `help:"Run the words after -- in place of the payload's command"`
}

// Run starts a run, and waits for it if it is told to.
func (c *startCommand) Run(ctx context.Context, s streams) error {
	switch {
	case c.SetCommand && len(c.Words) == 0:
		return operate.WrongUse("--set-command: the command is missing; give it after --, as in errand start FILE --set-command -- ./bill --day yesterday")
	case !c.SetCommand && len(c.Words) > 0:
		return operate.WrongUse("there is more than one file; a command of your own needs --set-command before --")
	}
	raw, err := operate.ReadPayload(c.File)
	if err != nil {
		return err
	}
	stack, err := c.open(ctx, c.who())
	if err != nil {
		return err
	}
	answer, err := stack.Start(ctx, raw, c.Words)
	if err != nil {
		return err
	}
	if !c.Wait || answer.Status == string(run.Rejected) {
		c.print(s, answer)
		return unless(answer.Well())
	}
	p := newProgress(s.err)
	end, err := stack.Wait(ctx, answer.Job, answer.RunID, p.tell)
	p.end()
	if err != nil {
		return err
	}
	c.print(s, end)
	if code := end.ExitCode(); code != 0 {
		return exitCode(code)
	}
	return nil
}

// unless is the error of what was not done well, and told.
func unless(well bool) error {
	if well {
		return nil
	}
	return exitCode(exitNotWell)
}

type againCommand struct {
	operatorFlags
	byFlag
	runArgument
}

// Run starts the payload of a run as a new run.
func (c *againCommand) Run(ctx context.Context, s streams) error {
	var answer operate.Answer
	err := show(ctx, c.operatorFlags, s, c.who(), func(st *operate.Stack) (a operate.Answer, err error) {
		answer, err = st.Again(ctx, c.RunName)
		return answer, err
	})
	if err != nil {
		return err
	}
	return unless(answer.Well())
}

type stopCommand struct {
	operatorFlags
	byFlag
	runArgument
	Reason string `placeholder:"TEXT" help:"Why, for those who read the result"`
}

// Run ends a run.
func (c *stopCommand) Run(ctx context.Context, s streams) error {
	return show(ctx, c.operatorFlags, s, c.who(), func(st *operate.Stack) (operate.Stopped, error) { return st.Stop(ctx, c.RunName, c.Reason) })
}

// progress tells how a wait goes: on a terminal in one line that changes, elsewhere
// in a line for each change.
type progress struct {
	out      io.Writer
	terminal bool
	last     string
}

func newProgress(out io.Writer) *progress { return &progress{out: out, terminal: terminal(out)} }

func (p *progress) tell(job, runID, status string, since time.Time) {
	if p.terminal {
		_, _ = fmt.Fprintf(p.out, "\r\x1b[K%s/%s  %s  %s", job, runID, status, run.Now().Sub(since).Truncate(time.Second))
	} else if status != p.last {
		_, _ = fmt.Fprintf(p.out, "%s  %s/%s  %s\n", run.Now().UTC().Format("15:04:05"), job, runID, status)
	}
	p.last = status
}

func (p *progress) end() {
	if p.terminal && p.last != "" {
		_, _ = io.WriteString(p.out, "\r\x1b[K")
	}
}
