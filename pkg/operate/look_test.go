package operate_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/google/go-cmp/cmp"

	"errand/pkg/ledger"
	"errand/pkg/operate"
	"errand/pkg/run"
)

func TestDocuments(t *testing.T) {
	t.Parallel()
	s := start(t)
	seed(t, s)
	s.define(t, "20261120", "loading rates", "\x1b[31mFATAL\x1b[0m out of memory\nwhile reading rates")
	for name, ask := range map[string]func(context.Context) (operate.Document, error){
		"jobs": func(ctx context.Context) (operate.Document, error) { return s.Jobs(ctx) },
		"runs": func(ctx context.Context) (operate.Document, error) {
			return s.Runs(ctx, "billing-daily", operate.Which{Most: 3})
		},
		"runs-failed": func(ctx context.Context) (operate.Document, error) {
			return s.Runs(ctx, "billing-daily", operate.Which{Most: 20, Failed: true, Since: now.AddDate(0, 0, -2)})
		},
		"runs-none": func(ctx context.Context) (operate.Document, error) {
			return s.Runs(ctx, "billing-daily", operate.Which{Most: 20, Since: now})
		},
		"runs-going": func(ctx context.Context) (operate.Document, error) {
			return s.Runs(ctx, "import", operate.Which{Most: 20})
		},
		"runs-long": func(ctx context.Context) (operate.Document, error) {
			return s.Runs(ctx, "a-job-whose-name-is-as-long-as-the-name-of-a-job-can-be-not-more", operate.Which{Most: 20})
		},
		"show-failed": func(ctx context.Context) (operate.Document, error) {
			return s.Show(ctx, "billing-daily-20261120T020000Z")
		},
		"show-launch-failed": func(ctx context.Context) (operate.Document, error) {
			return s.Show(ctx, "billing-daily/billing-daily-20261121T020000Z")
		},
		"show-exec":    func(ctx context.Context) (operate.Document, error) { return s.Show(ctx, "cache-clear/r-1") },
		"show-waiting": func(ctx context.Context) (operate.Document, error) { return s.Show(ctx, "r-2") },
		"show-started": func(ctx context.Context) (operate.Document, error) { return s.Show(ctx, "import/r-1") },
		"logs": func(ctx context.Context) (operate.Document, error) {
			return s.Logs(ctx, "billing-daily-20261120T020000Z", false, nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, err := ask(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			golden(t, name, d)
		})
	}
}

func TestColors(t *testing.T) {
	t.Parallel()
	list := operate.JobList{Jobs: []operate.Job{{Job: "a", Status: "FAILED", FailuresInARow: 3}, {Job: "b", Status: "SUCCEEDED"}}}
	want := "\x1b[2mJOB\x1b[0m  \x1b[2mSTATUS\x1b[0m\na    \x1b[1;31mFAILED ×3\x1b[0m\nb    \x1b[1;32mSUCCEEDED\x1b[0m\n"
	if diff := cmp.Diff(want, list.Text(operate.Style{Color: true})); diff != "" {
		t.Errorf("text (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff("No job has had a run yet.\n", operate.JobList{}.Text(operate.Style{})); diff != "" {
		t.Errorf("text (-want +got):\n%s", diff)
	}
}

// No name is cut, and else no line is longer than the width.
func TestWidth(t *testing.T) {
	t.Parallel()
	s := start(t)
	seed(t, s)
	list, err := s.Jobs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, j := range list.Jobs {
		runs, err := s.Runs(t.Context(), j.Job, operate.Which{Most: 20})
		if err != nil {
			t.Fatal(err)
		}
		text := list.Text(operate.Style{Width: 80}) + runs.Text(operate.Style{Width: 80})
		for line := range strings.Lines(text) {
			if len([]rune(line)) > 81 {
				t.Errorf("%d characters: %s", len([]rune(line)), line)
			}
		}
		if !strings.Contains(text, j.Job) || !strings.Contains(text, runs.Runs[0].RunID) {
			t.Errorf("a name is not whole:\n%s", text)
		}
	}
}

func TestNotFound(t *testing.T) {
	t.Parallel()
	s := start(t)
	seed(t, s)
	for name, want := range map[string]string{
		"r-1":               "2 jobs have a run r-1: say which is meant, cache-clear/r-1 or import/r-1",
		"r-9":               "no job of stack errand has a run r-9: errand jobs lists the jobs, errand runs JOB their runs",
		"import/r-9":        "job import has no run r-9 in stack errand: errand runs import lists what it has",
		"import/":           `"import/" is not a run: write it as JOB/RUNID, or its run id alone`,
		"a b/r-1":           `"a b/r-1" is not a run: write it as JOB/RUNID, or its run id alone`,
		"cache-clear/r-1/x": `"cache-clear/r-1/x" is not a run: write it as JOB/RUNID, or its run id alone`,
	} {
		_, err := s.Show(t.Context(), name)
		fails(t, err, want)
	}
	_, err := s.Runs(t.Context(), "imports", operate.Which{Most: 1})
	fails(t, err, "stack errand knows no run of job imports: errand jobs lists its jobs")
	_, err = s.Runs(t.Context(), "im ports", operate.Which{Most: 1})
	fails(t, err, `"im ports" is not the name of a job: it has 1 to 64 letters, digits, - or _`)
	_, err = s.Logs(t.Context(), "cache-clear/r-1", false, nil)
	fails(t, err, "run cache-clear/r-1 has no log that can be read: what a command in a live task wrote is in its result, which was published, and nowhere else")
	_, err = s.Logs(t.Context(), "import/r-1", false, nil)
	fails(t, err, "run import/r-1 has no log that can be read: ECS has forgotten the task, as it does an hour after its end, and the payload does not say its task definition, which says where its log is")
	_, err = s.Logs(t.Context(), "r-2", false, nil)
	fails(t, err, "run import/r-2 has no log that can be read: the run has no task yet, or never had one")
}

func TestOpen(t *testing.T) {
	t.Parallel()
	s := start(t)
	_, err := operate.Open(t.Context(), s.cfg, operate.Options{Stack: "other"})
	fails(t, err, "there is no stack other in eu-west-1: name it with --stack or ERRAND_STACK, and see AWS_REGION and AWS_PROFILE")
	s.server.AddStack("old", map[string]string{"ResultTopicArn": "x"})
	_, err = operate.Open(t.Context(), s.cfg, operate.Options{Stack: "old"})
	fails(t, err, "stack old has no output TableName: is it a stack of errand, and its release not older than this command?")
	_, err = operate.Open(t.Context(), aws.Config{}, operate.Options{Stack: "errand"})
	fails(t, err, "find stack errand: no Region is set; set AWS_REGION, or region in the profile")
}

func TestDenied(t *testing.T) {
	t.Parallel()
	const denied = "AccessDeniedException: User: arn:aws:iam::123456789012:user/eve is not authorized to perform this"
	const allows = " allows it: somebody with the right to do so can attach it to you"
	const run = "billing-daily/billing-daily-20261120T020000Z"
	for _, tc := range []struct {
		denied, without string // an operation, and an output that there is not
		ask             func(*stack) error
		want            string // the end of the error
	}{
		{
			"Query", "",
			func(s *stack) error { _, err := s.Jobs(t.Context()); return err },
			". arn:aws:iam::123456789012:policy/errand-reader" + allows,
		},
		{
			"DescribeTaskDefinition", "",
			func(s *stack) error { _, err := s.Logs(t.Context(), run, false, nil); return err },
			"ask ECS for task definition billing:1, which says where the log is: " + denied + ". arn:aws:iam::123456789012:policy/errand-reader" + allows,
		},
		{ // the payload
			"GetItem", "",
			func(s *stack) error { _, err := s.Logs(t.Context(), run, false, nil); return err },
			". arn:aws:iam::123456789012:policy/errand-operator" + allows,
		},
		{
			"ReceiveMessage", "OperatorPolicyArn",
			func(s *stack) error { _, err := s.Letters(t.Context(), "rule"); return err },
			"read the dead letters of queue rule: " + denied + ". The policy in the stack's output OperatorPolicyArn" + allows,
		},
	} {
		s := start(t, func(s *stack) { delete(s.outputs, tc.without) })
		seed(t, s)
		s.denied = tc.denied
		if err := tc.ask(s); err == nil || !strings.HasSuffix(err.Error(), tc.want) || !strings.Contains(err.Error(), denied) {
			t.Errorf("%s is denied: got the error\n%v\nwant\n%s", tc.denied, err, tc.want)
		}
	}
}

func TestParseSince(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Time{
		"":                     {},
		"24h":                  now.Add(-24 * time.Hour),
		"90m":                  now.Add(-90 * time.Minute),
		"7d":                   now.AddDate(0, 0, -7),
		"2026-11-20":           time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC),
		"2026-11-20 02:00":     time.Date(2026, 11, 20, 2, 0, 0, 0, time.UTC),
		"2026-11-20T03:00:00Z": time.Date(2026, 11, 20, 3, 0, 0, 0, time.UTC),
	} {
		if got, err := operate.ParseSince(text, now); err != nil || !got.Equal(want) {
			t.Errorf("%q is %s, %v; want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"yesterday", "-1h", "0d", "d", "99999999d", "20.11.2026"} {
		_, err := operate.ParseSince(text, now)
		fails(t, err, fmt.Sprintf("--since: %q is none of 24h, 7d, 2026-11-20, 2026-11-20T02:00:00Z", text))
	}
}

// runTask runs a real task of the run, and waits until it is RUNNING.
func (s *stack) runTask(t *testing.T, r run.Run, script string) string {
	t.Helper()
	client := ecs.NewFromConfig(s.cfg)
	s.define(t, "x")
	out, err := client.RunTask(t.Context(), &ecs.RunTaskInput{
		Cluster: aws.String("jobs"), TaskDefinition: aws.String("billing"), LaunchType: types.LaunchTypeFargate, StartedBy: aws.String("errand/errand/" + r.Job),
		NetworkConfiguration: &types.NetworkConfiguration{AwsvpcConfiguration: &types.AwsVpcConfiguration{Subnets: []string{"subnet-1"}}},
		Overrides: &types.TaskOverride{ContainerOverrides: []types.ContainerOverride{{
			Name: aws.String("app"), Command: []string{"sh", "-c", script}, Environment: []types.KeyValuePair{{Name: aws.String("ERRAND_RUN_ID"), Value: &r.ID}},
		}}},
	})
	if err != nil || len(out.Tasks) != 1 {
		t.Fatal(out, err)
	}
	task := *out.Tasks[0].TaskArn
	wait := ecs.NewTasksRunningWaiter(client, func(o *ecs.TasksRunningWaiterOptions) { o.MinDelay, o.MaxDelay = time.Millisecond, 10*time.Millisecond })
	if err := wait.Wait(t.Context(), &ecs.DescribeTasksInput{Cluster: aws.String("jobs"), Tasks: []string{task}}, time.Minute); err != nil {
		t.Fatal(err)
	}
	s.claim(t, r, billing, "")
	s.launched(t, r, task)
	return task
}

func TestFollow(t *testing.T) {
	t.Parallel()
	s := start(t)
	r := job("billing-daily", "r-1")
	s.claim(t, job("other", "r-2"), `{}`, "")
	var lines []string
	task := s.runTask(t, r, "echo one; echo two; echo three; sleep 600")
	log, err := s.Logs(t.Context(), "r-1", true, func(line string) {
		if lines = append(lines, line); len(lines) == 2 {
			// Everybody was told of its end before its last line was read.
			s.ended(t, r, task, exited(run.Succeeded, 0, "", now, time.Second))
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"one", "two", "three"}, lines); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
	if log.Group != "/ecs/billing" || log.Stream != "ecs/app/"+run.LastPart(task) || len(log.Lines) != 0 {
		t.Errorf("got %+v", log)
	}
}

func TestRunningTask(t *testing.T) {
	t.Parallel()
	s := start(t)
	r := job("billing-daily", "r-1")
	task := s.runTask(t, r, "echo hello; sleep 600")
	got, err := s.Show(t.Context(), "r-1")
	if err != nil {
		t.Fatal(err)
	}
	if got.Status != operate.Running || got.Container != "app" || got.Attempts[0].StartedAt.IsZero() || !strings.HasPrefix(run.LastPart(got.Definition), "billing:") {
		t.Errorf("got %+v", got)
	}
	if diff := cmp.Diff([]string{"sh", "-c", "echo hello; sleep 600"}, got.Command); diff != "" {
		t.Errorf("command (-want +got):\n%s", diff)
	}

	stopped, err := s.Stop(t.Context(), "r-1", "wrong day")
	want := operate.Stopped{Job: "billing-daily", RunID: "r-1", Attempt: 1, Status: "STOPPING", By: "ada", Reason: "wrong day", TaskARN: task}
	if diff := cmp.Diff(want, stopped); diff != "" || err != nil {
		t.Fatalf("%v (-want +got):\n%s", err, diff)
	}
	client := ecs.NewFromConfig(s.cfg)
	wait := ecs.NewTasksStoppedWaiter(client, func(o *ecs.TasksStoppedWaiterOptions) { o.MinDelay, o.MaxDelay = time.Millisecond, 10*time.Millisecond })
	out, err := wait.WaitForOutput(t.Context(), &ecs.DescribeTasksInput{Cluster: aws.String("jobs"), Tasks: []string{task}}, time.Minute)
	if err != nil || aws.ToString(out.Tasks[0].StoppedReason) != "stopped by ada: wrong day" {
		t.Errorf("%v, %v", out, err)
	}
	if got, err = s.Show(t.Context(), "r-1"); err != nil || got.Status != operate.Ending || got.Attempts[0].StopFor != ledger.StopForPerson || got.Attempts[0].StopBy != "ada: wrong day" {
		t.Errorf("got %+v, %v", got, err)
	}
}
