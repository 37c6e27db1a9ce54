// Cost measures what the built functions take of a core and of memory for what they
// do: their start, the first event of a process and later ones, against the embedded
// endpoint behind TLS. The processor's time divided by Lambda's share of a core is the
// time at that share, to which come the answers of AWS that are waited for.
//
//	go run ./test/cost
//
// Needs Linux. As root on a machine whose CPU controller is mounted, -cgroup gives the
// functions that share indeed and shows the time that it takes.
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

type options struct {
	functions, template string
	warm                int
	rounds              int
	only                string
	env                 []string
	sizes               []int
	cgroup              string
}

func main() {
	var o options
	var env, sizes string
	flag.StringVar(&o.functions, "functions", "build", "folder of the built functions")
	flag.StringVar(&o.template, "template", "template.yaml", "SAM template")
	flag.IntVar(&o.warm, "warm", 6, "events after the first one of each process")
	flag.IntVar(&o.rounds, "rounds", 3, "processes of each kind: the lower quartile of the processor's time is told, else medians")
	flag.StringVar(&o.only, "only", "", "measure only what has this in its name")
	flag.StringVar(&env, "env", "", "variables of the functions, such as GOGC=200,GOMEMLIMIT=100MiB")
	flag.StringVar(&sizes, "sizes", "128,256,512,1024", "values of MemorySize, in MB")
	flag.StringVar(&o.cgroup, "cgroup", "", "folder to make a control group in, such as /sys/fs/cgroup/cpu, to measure at the first of the sizes")
	flag.Parse()
	if env != "" {
		o.env = strings.Split(env, ",")
	}
	for text := range strings.SplitSeq(sizes, ",") {
		size, err := strconv.Atoi(text)
		if err != nil || size < 1 {
			fmt.Fprintf(os.Stderr, "cost: -sizes: %q is not a number of MB\n", text)
			os.Exit(64)
		}
		o.sizes = append(o.sizes, size)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := measure(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "cost:", err)
		os.Exit(1) //nolint:gocritic // nothing is left to be done
	}
}

// share is the part of a core that Lambda gives a function of so many MB.
// https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html
func share(megabytes int) float64 { return float64(megabytes) / 1769 }

// at is how long so much of the processor's time takes at that share.
func at(cpu time.Duration, megabytes int) time.Duration {
	return time.Duration(float64(cpu) / min(1, share(megabytes)))
}

// measure measures every kind of event and prints a line for each part.
func measure(ctx context.Context, o options) error {
	w, err := open(ctx, o)
	if err != nil {
		return err
	}
	defer w.close()
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	defer func() { _ = out.Flush() }()
	_, _ = fmt.Fprint(out, "what\tpart\tCPU ms\t")
	for _, size := range o.sizes {
		_, _ = fmt.Fprintf(out, "%d MB\t", size)
	}
	_, _ = fmt.Fprint(out, "took ms\tcalls\tlog bytes\tpeak MB\t\n")
	for _, k := range kinds {
		if !strings.Contains(k.name, o.only) {
			continue
		}
		parts := map[string][]sample{}
		for range o.rounds {
			if err := w.round(ctx, k, parts); err != nil {
				return fmt.Errorf("%s: %w", k.name, err)
			}
		}
		for _, part := range []string{"init", "cold", "warm"} {
			if len(parts[part]) > 0 {
				tell(out, o, k.name, part, parts[part])
			}
		}
		_ = out.Flush()
	}
	return nil
}

func tell(out *tabwriter.Writer, o options, name, part string, all []sample) {
	// What else the machine does only adds to the processor's time.
	cpu := quantile(all, 0.25, func(s sample) time.Duration { return s.cpu })
	_, _ = fmt.Fprintf(out, "%s\t%s\t%.1f\t", name, part, milliseconds(cpu))
	for _, size := range o.sizes {
		_, _ = fmt.Fprintf(out, "%.0f\t", milliseconds(at(cpu, size)))
	}
	peak := slices.MaxFunc(all, func(a, b sample) int { return cmp.Compare(a.peak, b.peak) }).peak
	_, _ = fmt.Fprintf(out, "%.0f\t%d\t%d\t%.1f\t\n", milliseconds(quantile(all, 0.5, func(s sample) time.Duration { return s.took })),
		quantile(all, 0.5, func(s sample) int { return s.calls }), quantile(all, 0.5, func(s sample) int { return s.written }), float64(peak)/(1<<20))
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func quantile[T cmp.Ordered](all []sample, q float64, of func(sample) T) T {
	list := make([]T, len(all))
	for i, s := range all {
		list[i] = of(s)
	}
	slices.Sort(list)
	return list[int(q*float64(len(list)))]
}
