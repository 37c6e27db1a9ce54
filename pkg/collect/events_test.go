package collect_test

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"errand/pkg/collect"
)

// publicEvent is an event after a public report or file, with the task definitions
// that belong to it and what is right.
type publicEvent struct {
	Source         string `json:"source"`
	TaskDefinition map[string][]struct {
		Name      string
		Essential *bool
		Log       string
		Opts      map[string]string
		DependsOn []struct{ ContainerName, Condition string }
		Firelens  *struct{ Type string } `json:"firelensConfiguration"`
	} `json:"taskDefinition"`
	Event  json.RawMessage `json:"event"`
	Expect json.RawMessage `json:"expect"`
}

// expected is what is right about an event; what is left out does not matter.
type expected struct {
	Status     string   `json:"status"`
	ExitCode   *int     `json:"exitCode"`
	Published  *bool    `json:"published"`
	ReasonHas  string   `json:"reason_has"`
	ReasonNot  string   `json:"reason_has_not"`
	TextNot    string   `json:"text_has_not"`
	LogStatus  string   `json:"log_status"`
	URLHas     string   `json:"url_has"`
	AboutSecds *float64 `json:"durationSeconds_about"`
}

// Events that people met, told by the whole collector.
func TestPublicEvents(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/events/*.json")
	if err != nil || len(files) < 28 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
			t.Parallel()
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var c publicEvent
			var want expected
			if err := json.Unmarshal(raw, &c); err != nil {
				t.Fatal(err)
			}
			dec := json.NewDecoder(bytes.NewReader(c.Expect))
			dec.DisallowUnknownFields()
			if err := dec.Decode(&want); err != nil || c.Source == "" {
				t.Fatal(c.Source, err)
			}
			var event struct{ Region string }
			if err := json.Unmarshal(c.Event, &event); err != nil {
				t.Fatal(err)
			}
			s := startIn(t, event.Region, func(_ *types.ContainerDefinition, cfg *collect.Config) { cfg.StartedByPrefix = "errand/lab/" })
			s.registerPublic(t, c, event.Region)
			if err := s.collector.Handle(t.Context(), c.Event); err != nil {
				t.Fatal(err)
			}
			want.check(t, s)
		})
	}
}

func (s *stack) registerPublic(t *testing.T, c publicEvent, region string) {
	t.Helper()
	for family, containers := range c.TaskDefinition {
		in := &ecs.RegisterTaskDefinitionInput{Family: &family, Memory: aws.String("512"), NetworkMode: types.NetworkModeAwsvpc}
		for _, given := range containers {
			d := types.ContainerDefinition{
				Name: &given.Name, Image: aws.String("local"), Essential: given.Essential,
				LogConfiguration: &types.LogConfiguration{LogDriver: types.LogDriverAwslogs, Options: map[string]string{
					"awslogs-group": "/ecs/" + family, "awslogs-region": region, "awslogs-stream-prefix": "ecs",
				}},
			}
			if given.Log != "" {
				d.LogConfiguration.LogDriver = types.LogDriver(given.Log)
			}
			if given.Opts != nil {
				d.LogConfiguration.Options = given.Opts
			}
			if given.Firelens != nil {
				d.FirelensConfiguration = &types.FirelensConfiguration{Type: types.FirelensConfigurationType(given.Firelens.Type)}
			}
			for _, on := range given.DependsOn {
				d.DependsOn = append(d.DependsOn, types.ContainerDependency{
					ContainerName: aws.String(on.ContainerName), Condition: types.ContainerCondition(on.Condition),
				})
			}
			in.ContainerDefinitions = append(in.ContainerDefinitions, d)
		}
		if _, err := s.ecs.RegisterTaskDefinition(t.Context(), in); err != nil {
			t.Fatal(err)
		}
	}
}

func (want expected) check(t *testing.T, s *stack) {
	t.Helper()
	var body, text string
	for _, m := range s.Published() {
		if m.TopicARN == s.text {
			text = m.Subject + "\n" + m.Body
		} else {
			body = m.Body
		}
	}
	if want.Published != nil && !*want.Published {
		if body != "" || text != "" {
			t.Errorf("published %s", body)
		}
		return
	}
	var got struct {
		Status, Reason  string
		ExitCode        *int
		DurationSeconds float64
		Log             struct{ Status, URL string }
	}
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatal(err)
	}
	for what, ok := range map[string]bool{
		"status":          want.Status == "" || got.Status == want.Status,
		"exitCode":        want.ExitCode == nil || got.ExitCode != nil && *got.ExitCode == *want.ExitCode,
		"reason":          strings.Contains(got.Reason, want.ReasonHas) && (want.ReasonNot == "" || !strings.Contains(got.Reason, want.ReasonNot)),
		"text":            want.TextNot == "" || !strings.Contains(text, want.TextNot),
		"log.status":      want.LogStatus == "" || got.Log.Status == want.LogStatus,
		"log.url":         strings.Contains(got.Log.URL, want.URLHas),
		"durationSeconds": want.AboutSecds == nil || math.Abs(got.DurationSeconds-*want.AboutSecds) <= 1,
	} {
		if !ok {
			t.Errorf("%s is not as in %+v:\n%s", what, want, body)
		}
	}
}
