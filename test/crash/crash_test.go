// Package crash_test lets the functions die before and after every call that they
// make to AWS, one and two at a time, and judges what people were told by the topics
// and the tasks alone.
package crash_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"errand/pkg/ledger"
	"errand/pkg/localaws"
)

// world is the endpoint that all courses share.
var world = sync.OnceValues(func() (*localaws.Server, error) {
	return localaws.Start(localaws.Options{})
})

func prepare(t *testing.T) *localaws.Server {
	t.Helper()
	server, err := world()
	if err != nil {
		t.Fatal(err)
	}
	furnish(t, server)
	return server
}

// furnish gives an endpoint what a job needs.
func furnish(t *testing.T, server *localaws.Server) {
	t.Helper()
	client := ecs.NewFromConfig(server.Config())
	if _, err := client.CreateCluster(t.Context(), &ecs.CreateClusterInput{ClusterName: aws.String("crash")}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.RegisterTaskDefinition(t.Context(), &ecs.RegisterTaskDefinitionInput{
		Family:               aws.String("crash"),
		ContainerDefinitions: []types.ContainerDefinition{{Name: aws.String("app"), Image: aws.String("local"), Command: []string{"true"}, Memory: aws.Int32(64)}},
	}); err != nil {
		t.Fatal(err)
	}
}

// number is how many courses there were.
var number atomic.Int64

func newCourse(t *testing.T, server *localaws.Server, events int, points ...point) *course {
	t.Helper()
	n := number.Add(1)
	c := &course{
		points: points, events: events, server: server, prefix: fmt.Sprintf("errand/c%d/", n), table: fmt.Sprintf("ledger-%d", n),
		transport: http.DefaultTransport,
		now:       time.Date(2026, 11, 20, 2, 0, 0, 0, time.UTC),
	}
	if _, err := dynamodb.NewFromConfig(server.Config()).CreateTable(t.Context(), ledger.Table(c.table)); err != nil {
		t.Fatal(err)
	}
	for i, name := range []string{"json", "text"} {
		out, err := sns.NewFromConfig(server.Config()).CreateTopic(t.Context(), &sns.CreateTopicInput{Name: aws.String(fmt.Sprintf("c%d-%s", n, name))})
		if err != nil {
			t.Fatal(err)
		}
		c.topics[i] = *out.TopicArn
	}
	return c
}

const payload = `{"job": "job", "runId": "run", "command": ["true"]}`

// play takes the course to its end, minute by minute: what is on its way arrives,
// then the watchdog looks.
func (c *course) play(t *testing.T) error {
	t.Helper()
	c.send("launcher", []byte(payload))
	arrived := map[string]bool{} // tasks whose stop events have
	end := c.now.Add(3 * time.Hour)
	quiet := 0
	for ; c.now.Before(end); c.now = c.now.Add(time.Minute) {
		c.arrive(t, arrived)
		if c.now.Minute()%3 == 0 { // which is often enough for what is due in minutes
			c.run(t, invocation{c.now, "watchdog", []byte(`{}`), "tick", 0})
			c.arrive(t, arrived)
		}
		if len(c.queue) > 0 || len(c.told()) < 2 {
			continue
		}
		if !c.redelivers { // one delivery more, after the end
			c.redelivers = true
			c.send("launcher", []byte(payload))
			continue
		}
		if quiet++; quiet > 3 {
			return nil
		}
	}
	return errNotOver
}

// arrive lets everything arrive that is due, and what comes of it.
func (c *course) arrive(t *testing.T, arrived map[string]bool) {
	t.Helper()
	for {
		i := slices.IndexFunc(c.queue, func(i invocation) bool { return !i.at.After(c.now) })
		if i < 0 {
			return
		}
		next := c.queue[i]
		c.queue = slices.Delete(c.queue, i, i+1)
		c.run(t, next)
		if next.function != "launcher" {
			continue
		}
		for _, task := range c.tasks(t) {
			if arrived[*task.TaskArn] {
				continue
			}
			arrived[*task.TaskArn] = true
			event, err := stopEvent(task)
			if err != nil {
				t.Fatal(err)
			}
			for range c.events {
				c.send("collector", event)
			}
		}
	}
}

// told are the topics that have a result, with the statuses that they were told.
func (c *course) told() map[string][]string {
	told := map[string][]string{}
	for _, m := range c.server.Published() {
		if slices.Contains(c.topics[:], m.TopicARN) {
			told[m.TopicARN] = append(told[m.TopicARN], m.Attributes["status"].Value)
		}
	}
	return told
}

// judge says what is wrong with what people were told.
func (c *course) judge(t *testing.T, over error) []string {
	t.Helper()
	var problems []string
	if over != nil {
		problems = append(problems, over.Error())
	}
	told := c.told()
	tasks := c.tasks(t)
	if len(tasks) > 1 {
		problems = append(problems, fmt.Sprintf("%d tasks", len(tasks)))
	}
	// A result may come again only where somebody died between telling and its note.
	most := 1
	for _, operation := range c.deaths {
		if operation == "Publish" || operation == "UpdateItem" {
			most++
		}
	}
	statuses := map[string]bool{}
	for _, topic := range c.topics {
		list := told[topic]
		if len(list) == 0 || len(list) > most {
			problems = append(problems, fmt.Sprintf("topic %s was told %v", topic, list))
		}
		for _, status := range list {
			statuses[status] = true
		}
	}
	want := "SUCCEEDED"
	if len(tasks) == 0 {
		want = "LAUNCH_FAILED"
	}
	if said := slices.Sorted(maps.Keys(statuses)); !slices.Equal(said, []string{want}) {
		problems = append(problems, fmt.Sprintf("told as %v, want %s", said, want))
	}
	return problems
}

// try plays one course and reports what is wrong with it.
func try(t *testing.T, server *localaws.Server, events int, points ...point) *course {
	t.Helper()
	c := newCourse(t, server, events, points...)
	if problems := c.judge(t, c.play(t)); problems != nil {
		text, _ := json.Marshal(points)
		t.Errorf("%d stop events, functions die at %s (%s of %s):\n\t%s", events, text, strings.Join(c.deaths, ", "), strings.Join(c.operations, " "), strings.Join(problems, "\n\t"))
	}
	return c
}

// pairs is of how many second deaths one is tried: ERRAND_CRASH_PAIRS, none if it
// is not set.
var pairs, _ = strconv.Atoi(os.Getenv("ERRAND_CRASH_PAIRS"))

// Every call, and with ERRAND_CRASH_PAIRS=1 every pair of calls, before and after.
func TestDeaths(t *testing.T) {
	t.Parallel()
	server := prepare(t)
	for events := range 3 {
		plain := try(t, server, events)
		if t.Failed() {
			return
		}
		t.Logf("%d stop events: %s", events, strings.Join(plain.operations, " "))
		for call := 1; call <= plain.calls; call++ {
			for _, after := range []bool{false, true} {
				first := point{call, after}
				one := try(t, server, events, first)
				if pairs == 0 {
					continue
				}
				// The second one is counted in the course that the first one makes.
				for second := call + 1; second <= one.calls; second++ {
					if (second-call)%pairs != 0 {
						continue
					}
					try(t, server, events, first, point{second, false})
					try(t, server, events, first, point{second, true})
				}
			}
		}
	}
	t.Logf("%d courses", number.Load())
}
