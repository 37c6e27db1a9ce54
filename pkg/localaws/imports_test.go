package localaws_test

import (
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// TestImports holds the rooms to their order: host is below all of them, and no
// service knows one above it.
func TestImports(t *testing.T) {
	t.Parallel()
	want := map[string][]string{
		"eventpattern": nil,
		"localaws": {
			"localaws/cloudformation", "localaws/dynamodb", "localaws/ecs", "localaws/events", "localaws/host", "localaws/lambda", "localaws/logs",
			"localaws/session", "localaws/sns", "localaws/sqs",
		},
		"localaws/cloudformation": {"localaws/host"},
		"localaws/dynamodb":       {"localaws/host"},
		"localaws/ecs":            {"awsjson", "localaws/host"},
		"localaws/events":         {"eventpattern", "localaws/host"},
		"localaws/host":           {"awsjson"},
		"localaws/lambda":         {"localaws/host"},
		"localaws/localtest":      {"localaws", "localaws/host"}, // of tests only
		"localaws/logs":           {"localaws/host"},
		"localaws/session":        {"localaws/ecs", "localaws/host", "ssmchan"},
		"localaws/sns":            {"eventpattern", "localaws/host"},
		"localaws/sqs":            {"localaws/host"},
	}
	out, err := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports", "./...", "../eventpattern").Output()
	if err != nil {
		t.Fatal(err)
	}
	const ours = "errand/pkg/"
	got := map[string][]string{}
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var room struct {
			ImportPath string
			Imports    []string
		}
		if err := dec.Decode(&room); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimPrefix(room.ImportPath, ours)
		got[name] = nil
		for _, path := range room.Imports {
			if imported, ok := strings.CutPrefix(path, ours); ok {
				got[name] = append(got[name], imported)
			}
		}
	}
	if !maps.EqualFunc(got, want, slices.Equal) {
		t.Errorf("got the imports\n%v\nwant\n%v", got, want)
	}
}
