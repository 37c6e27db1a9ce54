// Package docs_test holds what the documents say against what is there: their
// links, their samples of results, their payloads and times.
package docs_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"errand/pkg/payload"
)

var update = flag.Bool("update", false, "write the golden files into the documents")

// top is the repository's top folder.
const top = "../../"

// documents are all that people read, by their paths from the top.
func documents(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, pattern := range []string{"*.md", "docs/*.md", "examples/*.md"} {
		files, err := filepath.Glob(top + pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files (%v)", pattern, len(files), err)
		}
		for _, file := range files {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			all[strings.TrimPrefix(filepath.ToSlash(file), top)] = string(raw)
		}
	}
	return all
}

var (
	fence  = regexp.MustCompile("(?ms)^ *```([a-z]*)\n(.*?)^ *```$")
	inline = regexp.MustCompile("`[^`\n]*`")
	link   = regexp.MustCompile(`\]\(([^()\s]+)\)`)
	title  = regexp.MustCompile(`(?m)^#+ (.*)$`)
	noSlug = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// anchors are those that GitHub makes of a document's headings.
func anchors(document string) []string {
	var all []string
	for _, match := range title.FindAllStringSubmatch(fence.ReplaceAllString(document, ""), -1) {
		text := link.ReplaceAllString(match[1], "]")
		all = append(all, strings.ReplaceAll(noSlug.ReplaceAllString(strings.ToLower(text), ""), " ", "-"))
	}
	return all
}

// there tells whether there is a file or a folder.
func there(name string) bool {
	_, err := os.Stat(top + name)
	return err == nil
}

// broken says which links of a document lead nowhere.
func broken(name string, all map[string]string, there func(string) bool) (findings []string) {
	text := inline.ReplaceAllString(fence.ReplaceAllString(all[name], ""), "``")
	for _, match := range link.FindAllStringSubmatch(text, -1) {
		if strings.Contains(match[1], "://") {
			continue
		}
		file, anchor, _ := strings.Cut(match[1], "#")
		target := name
		if file != "" {
			target = filepath.ToSlash(filepath.Join(filepath.Dir(name), file))
		}
		if !there(target) {
			findings = append(findings, fmt.Sprintf("%s: %s is not there", name, match[1]))
			continue
		}
		if anchor != "" && !slices.Contains(anchors(all[target]), anchor) {
			findings = append(findings, fmt.Sprintf("%s: %s has no heading for #%s", name, target, anchor))
		}
	}
	return findings
}

func TestLinks(t *testing.T) {
	t.Parallel()
	all := documents(t)
	for name := range all {
		for _, finding := range broken(name, all, there) {
			t.Error(finding)
		}
	}
}

// A check that finds nothing is worth something only if it would.
func TestBrokenLinks(t *testing.T) {
	t.Parallel()
	all := map[string]string{
		"docs/a.md": "# The end, and `more`\n[x](b.md) [x](../README.md#try-it) [x](#the-end-and-more) [x](#end)\n`[x](c.md)`\n```\n# no\n[x](d.md)\n```\n[x](#no)\n[x](https://example.com/e.md)\n",
		"README.md": "## Try it\n",
	}
	want := []string{
		"docs/a.md: b.md is not there",
		"docs/a.md: docs/a.md has no heading for #end",
		"docs/a.md: docs/a.md has no heading for #no",
	}
	got := broken("docs/a.md", all, func(name string) bool { return all[name] != "" })
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"the-end-and-more"}, anchors(all["docs/a.md"])); diff != "" {
		t.Errorf("anchors (-want +got):\n%s", diff)
	}
}

// sample is a fenced block that repeats a golden file, which the comment before it
// names.
var sample = regexp.MustCompile("(?ms)^<!-- (pkg/\\S+) -->\n```[a-z]*\n(.*?)^```$")

// TestSamples holds what the documents show of results against what subscribers
// get. With -update it writes the golden files into the documents.
func TestSamples(t *testing.T) {
	t.Parallel()
	seen := map[string]int{}
	for name, document := range documents(t) {
		changed := document
		for _, match := range sample.FindAllStringSubmatch(document, -1) {
			seen[name]++
			want, err := os.ReadFile(top + match[1])
			if err != nil {
				t.Error(err)
				continue
			}
			if *update {
				changed = strings.Replace(changed, match[0], strings.Replace(match[0], match[2], string(want), 1), 1)
			} else if diff := cmp.Diff(string(want), match[2]); diff != "" {
				t.Errorf("%s does not show %s, go test ./test/docs -update writes it (-want +got):\n%s", name, match[1], diff)
			}
		}
		if changed != document {
			if err := os.WriteFile(top+name, []byte(changed), 0o600); err != nil {
				t.Error(err)
			}
		}
	}
	if diff := cmp.Diff(map[string]int{"README.md": 1, "docs/payload.md": 2}, seen); diff != "" {
		t.Errorf("samples by document (-want +got):\n%s", diff)
	}
}

// TestPayloads reads the payloads that the documents show as the functions do.
func TestPayloads(t *testing.T) {
	t.Parallel()
	scheduler := strings.NewReplacer(
		"<aws.scheduler.scheduled-time>", "2026-11-20T06:30:00Z",
		"<aws.scheduler.schedule-arn>", "arn:aws:scheduler:eu-west-1:123456789012:schedule/jobs/billing-daily",
	)
	payloads := map[string]int{}
	for name, document := range documents(t) {
		for _, match := range fence.FindAllStringSubmatch(document, -1) {
			if match[1] != "json" {
				continue
			}
			var fields map[string]json.RawMessage
			if err := json.Unmarshal([]byte(match[2]), &fields); err != nil {
				t.Errorf("%s: %v in\n%s", name, err, match[2])
				continue
			}
			if fields["job"] == nil || fields["status"] != nil {
				continue // an answer, a result, an event
			}
			payloads[name]++
			raw := []byte(scheduler.Replace(match[2]))
			_, _, job := payload.Decode(raw)
			_, _, command := payload.DecodeExec(raw)
			if job != nil && command != nil {
				t.Errorf("%s: neither the launcher (%v) nor the executor (%v) takes\n%s", name, job, command, match[2])
			}
		}
	}
	if diff := cmp.Diff(map[string]int{"README.md": 1, "docs/exec.md": 1, "docs/payload.md": 2}, payloads); diff != "" {
		t.Errorf("payloads by document (-want +got):\n%s", diff)
	}
}

// skipped is an hour that does not exist on one night of the year where clocks
// change. test/template looks at the examples, with their zones.
var skipped = regexp.MustCompile(`cron\(\S+ 0?[12](,\S+)? `)

func TestNoSkippedHours(t *testing.T) {
	t.Parallel()
	for name, document := range documents(t) {
		for _, match := range skipped.FindAllString(document, -1) {
			t.Errorf("%s: %s… stands between 01:00 and 03:00, and is skipped on one night a year", name, match)
		}
	}
	for _, bad := range []string{"cron(30 2 * * ? *)", "cron(0 1,13 * * ? *)", "cron(0/5 02 * * ? *)"} {
		if !skipped.MatchString(bad) {
			t.Errorf("%s is not found", bad)
		}
	}
}

// README is for the first hour; what is longer is in docs/.
func TestReadmeIsShort(t *testing.T) {
	t.Parallel()
	if lines := strings.Count(documents(t)["README.md"], "\n"); lines > 250 {
		t.Errorf("README.md has %d lines, want at most 250", lines)
	}
}
