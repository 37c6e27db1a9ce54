package main

import (
	"context"
	"encoding/json"
	"io"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/google/go-cmp/cmp"

	"errand/pkg/localaws"
	"errand/pkg/localstack"
	"errand/pkg/run"
)

// quick is the speed of worlds in which minutes are waited for. On a busy machine the
// times that the functions keep back are too short in a much quicker one.
const quick = 30

// brisk is the speed of worlds in which nothing is waited for but logs.
const brisk = 10

// newWorld is the local stack with the built functions, and the speed of its time.
func newWorld(t *testing.T, speed float64) *world {
	t.Helper()
	w := &world{functions: built, template: "../../template.yaml", screen: newScreen(t.Output()), pace: time.Millisecond, speed: speed}
	w.screen.functions = true
	if err := w.start(t.Context(), "", localstack.Region, localstack.Account); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Server.Close() })
	return w
}

// launcher is the stack's, with other settings.
func (w *world) launcher(env map[string]string) {
	all := map[string]string{
		"STARTED_BY_PREFIX": "errand/" + localstack.Name + "/", "TOPIC_ARN": w.Topics.JSON, "TEXT_TOPIC_ARN": w.Topics.Text,
		"CLUSTER": w.ClusterARN, "TASK_DEFINITION": localstack.Definition, "SUBNETS": localstack.Subnet, "TABLE_NAME": localstack.Table,
	}
	maps.Copy(all, env)
	w.Server.AddFunction(localaws.Function{
		Name: "launcher", Bootstrap: w.Bootstrap("launcher"), Timeout: 2 * time.Minute, OnFailure: "collector", Env: all,
	})
}

// launch hands a payload to the built launcher.
func (w *world) launch(t *testing.T, payload string) run.Answer {
	t.Helper()
	raw, err := w.Invoke(t.Context(), "launcher", []byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	return answerOf(t, raw)
}

func answerOf(t *testing.T, raw []byte) run.Answer {
	t.Helper()
	var answer run.Answer
	if err := json.Unmarshal(raw, &answer); err != nil {
		t.Fatal(err)
	}
	return answer
}

// messages waits for n results at the topic for programs.
func (w *world) messages(t *testing.T, n int) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	messages, err := w.Server.AwaitMessages(ctx, 2*n)
	if err != nil {
		t.Fatal(err)
	}
	var bodies []string
	for _, m := range messages {
		if m.TopicARN == w.Topics.JSON {
			bodies = append(bodies, m.Body)
		}
	}
	return bodies
}

// results waits for n results.
func (w *world) results(t *testing.T, n int) []map[string]any {
	t.Helper()
	return decoded[map[string]any](t, w.messages(t, n))
}

// told is what results say of runs and their ends.
type told struct {
	Job, RunID     string
	Attempt        int
	Status, Reason string
}

func (w *world) told(t *testing.T, n int) []told {
	t.Helper()
	return decoded[told](t, w.messages(t, n))
}

// toldOnly checks that people and programs were told this, and nothing else.
func (w *world) toldOnly(t *testing.T, want told) {
	t.Helper()
	if diff := cmp.Diff([]told{want}, w.told(t, 1)); diff != "" {
		t.Errorf("results (-want +got):\n%s", diff)
	}
	if list := w.Server.Published(); len(list) != 2 {
		t.Errorf("%d messages were published: %v", len(list), list)
	}
}

func decoded[T any](t *testing.T, bodies []string) []T {
	t.Helper()
	list := make([]T, len(bodies))
	for i, body := range bodies {
		if err := json.Unmarshal([]byte(body), &list[i]); err != nil {
			t.Fatal(err)
		}
	}
	return list
}

// tasks are the tasks of the sample's cluster, which must be n, running and
// stopped.
func (w *world) tasks(t *testing.T, n int) []string {
	t.Helper()
	var arns []string
	for _, status := range []types.DesiredStatus{types.DesiredStatusRunning, types.DesiredStatusStopped} {
		out, err := ecs.NewFromConfig(w.Config).ListTasks(t.Context(), &ecs.ListTasksInput{Cluster: aws.String(localstack.Cluster), DesiredStatus: status})
		if err != nil {
			t.Fatal(err)
		}
		arns = append(arns, out.TaskArns...)
	}
	if len(arns) != n {
		t.Errorf("%d tasks, want %d: %v", len(arns), n, arns)
	}
	return arns
}

// hears is closed when the screen shows the text.
func (w *world) hears(text string) <-chan struct{} {
	heard := make(chan struct{})
	w.screen.mu.Lock()
	defer w.screen.mu.Unlock()
	w.screen.out = io.MultiWriter(w.screen.out, &listener{text: text, heard: sync.OnceFunc(func() { close(heard) })})
	return heard
}

func waitFor(t *testing.T, heard <-chan struct{}) {
	t.Helper()
	select {
	case <-heard:
	case <-time.After(time.Minute):
		t.Fatal("the functions did not write what is waited for")
	}
}

// listener calls heard when the text is written.
type listener struct {
	text  string
	heard func()
}

func (l *listener) Write(b []byte) (int, error) {
	if strings.Contains(string(b), l.text) {
		l.heard()
	}
	return len(b), nil
}
