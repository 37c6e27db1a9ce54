package terraform

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"go.yaml.in/yaml/v3"

	"errand/pkg/payload"
)

const top = "../../"

// outputs are the names of the outputs of template.yaml.
func outputs(t *testing.T) []string {
	t.Helper()
	raw, err := os.ReadFile(top + "template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var template struct {
		Outputs map[string]any `yaml:"Outputs"`
	}
	if err := yaml.Unmarshal(raw, &template); err != nil {
		t.Fatal(err)
	}
	return slices.Collect(maps.Keys(template.Outputs))
}

// An example is what the checks read of one.
type example struct {
	outputs []string // of errand, by their names
	inputs  []string // of schedules, and templates of rules
}

// read parses a file and finds what it sends and which outputs it names.
func read(source []byte, name string) (example, error) {
	var e example
	file, problems := hclsyntax.ParseConfig(source, name, hcl.InitialPos)
	if problems.HasErrors() {
		return e, problems
	}
	body, ok := file.Body.(*hclsyntax.Body)
	if !ok {
		return e, fmt.Errorf("%s is not in HCL's own syntax", name)
	}
	visit := func(node hclsyntax.Node) hcl.Diagnostics {
		switch node := node.(type) {
		case *hclsyntax.ScopeTraversalExpr:
			if t := node.Traversal; len(t) == 3 && t.RootName() == "local" {
				if at, ok := t[2].(hcl.TraverseIndex); ok {
					e.outputs = append(e.outputs, at.Key.AsString())
				}
			}
		case *hclsyntax.Attribute:
			if node.Name != "input" && node.Name != "input_template" {
				return nil
			}
			value, problems := node.Expr.Value(nil)
			if problems.HasErrors() {
				return problems
			}
			e.inputs = append(e.inputs, value.AsString())
		}
		return nil
	}
	if problems := hclsyntax.VisitAll(body, visit); problems.HasErrors() {
		return e, problems
	}
	return e, nil
}

var variable = regexp.MustCompile(`<[a-z]+>`)

// decode reads an input as the functions do.
func decode(input string) (job string, err error) {
	input = strings.NewReplacer(
		"<aws.scheduler.scheduled-time>", "2026-11-20T06:30:00Z",
		"<aws.scheduler.schedule-arn>", "arn:aws:scheduler:eu-west-1:123456789012:schedule/jobs/billing-daily",
	).Replace(input)
	input = variable.ReplaceAllString(input, `"5f1d6f0e"`)
	var kind struct{ Method string }
	if err := json.Unmarshal([]byte(input), &kind); err != nil {
		return "", fmt.Errorf("not JSON: %w", err)
	}
	if kind.Method == "exec" {
		p, _, err := payload.DecodeExec([]byte(input))
		return p.Name, err
	}
	p, _, err := payload.Decode([]byte(input))
	return p.Name, err
}

func TestExamples(t *testing.T) {
	t.Parallel()
	known := outputs(t)
	for name, want := range map[string]struct{ outputs, jobs []string }{
		"errand":        {nil, nil},
		"event-job":     {[]string{"LauncherFunctionArn", "LauncherFunctionArn", "RuleDeadLettersArn"}, []string{"import-upload"}},
		"failure-queue": {[]string{"ResultTopicArn", "ResultTopicArn"}, nil},
		"live-command": {[]string{
			"ExecScheduleRoleArn", "ExecutorFunctionArn", "ScheduleDeadLettersArn", "ScheduleGroupName",
		}, []string{"web-reload"}},
		"scheduled-job": {[]string{"LauncherFunctionArn", "ScheduleDeadLettersArn", "ScheduleGroupName", "ScheduleRoleArn"}, []string{"billing-daily"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			source, err := os.ReadFile(top + "examples/terraform/" + name + "/main.tf")
			if err != nil {
				t.Fatal(err)
			}
			got, err := read(source, name)
			if err != nil {
				t.Fatal(err)
			}
			slices.Sort(got.outputs)
			if diff := cmp.Diff(want.outputs, got.outputs); diff != "" {
				t.Errorf("outputs of errand (-want +got):\n%s", diff)
			}
			for _, output := range got.outputs {
				if !slices.Contains(known, output) {
					t.Errorf("%s is no output of template.yaml", output)
				}
			}
			var jobs []string
			for _, input := range got.inputs {
				job, err := decode(input)
				if err != nil {
					t.Errorf("%s: %v", input, err)
				}
				jobs = append(jobs, job)
			}
			if diff := cmp.Diff(want.jobs, jobs); diff != "" {
				t.Errorf("jobs (-want +got):\n%s", diff)
			}
		})
	}
}

// TestEveryExample finds one that the table above does not have.
func TestEveryExample(t *testing.T) {
	t.Parallel()
	got, err := filepath.Glob(top + "examples/terraform/*/*")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, name := range []string{"errand", "event-job", "failure-queue", "live-command", "scheduled-job"} {
		want = append(want, filepath.Join(top, "examples", "terraform", name, "main.tf"))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

// A check that finds nothing is worth something only if it would.
func TestMistakes(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]string{
		"target {": "Unclosed configuration block",
		"target {\n  input = jsonencode({ job = \"a\" })\n}": "Function calls not allowed",
	} {
		if _, err := read([]byte(source), "main.tf"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want an error with %q", source, err, want)
		}
	}
	for input, want := range map[string]string{
		`{"job": "a",}`:                           "not JSON",
		`{"job": "a", "comand": ["b"]}`:           "comand",
		`{"job": "a", "method": "exec"}`:          "command",
		`{"job": "a", "service": "b", "task": 1}`: "task",
	} {
		if _, err := decode(input); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want an error with %q", input, err, want)
		}
	}
}
