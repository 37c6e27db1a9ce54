// Package imports_test keeps the packages in their rooms: which may use which,
// and how large files and functions may grow.
package imports_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// room is a package, or a pattern of path.Match for several, and what of this
// module it may import, tests aside.
type room struct {
	name string
	may  []string
}

// rooms stand so that each may import only what stands above it, and of its own
// kind: TestRooms holds the table to that, so that there is no way to a circle.
// A room need not be there. The first that a package matches is its own.
var rooms = []room{
	// Single crafts, which know nothing of errand.
	{"pkg/awsjson", nil},
	{"pkg/awserr", nil},
	{"pkg/eventpattern", nil},
	{"pkg/ssmchan", nil},
	{"pkg/execwrap", nil},
	{"pkg/console", nil},

	// What is said of a run.
	{"pkg/run", nil},
	{"pkg/settings", []string{"pkg/run"}},
	{"pkg/payload", []string{"pkg/run", "pkg/awsjson"}},
	{"pkg/result", []string{"pkg/run", "pkg/console"}},
	{"pkg/logtail", []string{"pkg/result"}},
	{"pkg/taskevent", []string{"pkg/run"}},
	{"pkg/notify", []string{"pkg/run", "pkg/result", "pkg/awserr"}},
	{"pkg/ledger", []string{"pkg/run", "pkg/result", "pkg/awserr"}},
	{"pkg/metric", nil},
	{"pkg/tasks", []string{"pkg/run", "pkg/awserr"}},
	{"pkg/report", []string{"pkg/run", "pkg/result", "pkg/awserr", "pkg/notify", "pkg/ledger", "pkg/metric", "pkg/payload"}},

	// What the functions do.
	{"pkg/launch", work},
	{"pkg/watch", work},
	{"pkg/collect", work},
	{"pkg/execute", work},

	// What people do.
	{"pkg/operate", work},

	{"functions/internal/*", everything},
	{"functions/*", everything},

	// AWS on one machine. Nothing that is deployed may import it.
	{"pkg/localaws", stack},
	{"pkg/localaws/*", stack},
	{"pkg/ledger/ledgertest", append([]string{"pkg/ledger"}, stack...)},
	{"pkg/localstack", append([]string{"pkg/localaws", "pkg/payload", "pkg/run", "pkg/ledger"}, stack...)},
	{"cmd/*", append([]string{"pkg/localaws", "pkg/localaws/*", "pkg/localstack", "pkg/operate"}, everything...)},
	{"test/start/bare", everything},
	{"test/start/clients", everything},
	{"test/start/clients/*", append([]string{"test/start/clients"}, everything...)},
	{"test/*", append([]string{"pkg/localaws", "pkg/localaws/*", "pkg/localstack", "pkg/ledger/ledgertest"}, everything...)},
}

var (
	work = []string{
		"pkg/report", "pkg/notify", "pkg/result", "pkg/logtail", "pkg/taskevent", "pkg/payload", "pkg/run", "pkg/ledger", "pkg/metric", "pkg/tasks",
		"pkg/settings", "pkg/awsjson", "pkg/awserr", "pkg/console", "pkg/ssmchan", "pkg/execwrap",
	}
	everything = append([]string{"pkg/launch", "pkg/collect", "pkg/execute", "pkg/watch", "pkg/eventpattern", "functions/internal/*"}, work...)
	stack      = []string{"pkg/localaws", "pkg/localaws/*", "pkg/awsjson", "pkg/awserr", "pkg/ssmchan", "pkg/eventpattern"}
)

const module = "errand"

// goPackage is what go list says of a package.
type goPackage struct {
	ImportPath, Dir                   string
	GoFiles, CgoFiles, IgnoredGoFiles []string
	Imports                           []string
}

// list returns the packages of the module.
func list(t *testing.T) []goPackage {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Dir,GoFiles,CgoFiles,IgnoredGoFiles,Imports", "./...")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if failed := (*exec.ExitError)(nil); errors.As(err, &failed) {
		t.Fatalf("go list: %v\n%s", err, failed.Stderr)
	} else if err != nil {
		t.Fatal(err)
	}
	var all []goPackage
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// place is a package's path within the module, and whether it has one.
func place(importPath string) (string, bool) {
	if importPath == module {
		return ".", true
	}
	name, ours := strings.CutPrefix(importPath, module+"/")
	return name, ours
}

func roomOf(name string) *room {
	for i := range rooms {
		if ok, _ := path.Match(rooms[i].name, name); ok {
			return &rooms[i]
		}
	}
	return nil
}

// misplaced says which packages have no room and which imports leave theirs.
func misplaced(packages []goPackage) (findings []string) {
	for _, p := range packages {
		from, _ := place(p.ImportPath)
		of := roomOf(from)
		if of == nil {
			findings = append(findings, from+" has no room in the table")
			continue
		}
		for _, imported := range p.Imports {
			to, ours := place(imported)
			if !ours {
				continue
			}
			if !slices.ContainsFunc(of.may, func(pattern string) bool { ok, _ := path.Match(pattern, to); return ok }) {
				findings = append(findings, from+" must not import "+to)
			}
		}
	}
	return findings
}

func TestImports(t *testing.T) {
	t.Parallel()
	for _, finding := range misplaced(list(t)) {
		t.Error(finding)
	}
}

func TestRooms(t *testing.T) {
	t.Parallel()
	for i, r := range rooms {
		for _, name := range r.may {
			at := slices.IndexFunc(rooms, func(other room) bool { return other.name == name })
			// The packages of the local stack are of one kind, and the compiler
			// keeps them from a circle.
			if own := strings.HasPrefix(r.name, "pkg/localaws") && strings.HasPrefix(name, "pkg/localaws"); at < 0 || at >= i && !own && name != r.name {
				t.Errorf("%s may import %s, which does not stand above it", r.name, name)
			}
		}
	}
}

// A check that finds nothing is worth something only if it would.
func TestMisplaced(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ from, to, want string }{
		{"pkg/launch", "pkg/result", ""},
		{"pkg/launch", "pkg/localaws", "pkg/launch must not import pkg/localaws"},
		{"pkg/execute", "pkg/localaws/ecs", "pkg/execute must not import pkg/localaws/ecs"},
		{"functions/launcher", "pkg/localaws", "functions/launcher must not import pkg/localaws"},
		{"functions/launcher", "functions/internal/function", ""},
		{"functions/launcher", "pkg/operate", "functions/launcher must not import pkg/operate"},
		{"functions/launcher", "functions/collector", "functions/launcher must not import functions/collector"},
		{"pkg/launch", "pkg/execute", "pkg/launch must not import pkg/execute"},
		{"pkg/report", "pkg/ledger", ""},
		{"pkg/report", "pkg/launch", "pkg/report must not import pkg/launch"},
		{"pkg/run", "pkg/awsjson", "pkg/run must not import pkg/awsjson"},
		{"pkg/ssmchan", "pkg/run", "pkg/ssmchan must not import pkg/run"},
		{"pkg/localaws/ecs", "pkg/localaws/host", ""},
		{"pkg/localaws", "pkg/payload", "pkg/localaws must not import pkg/payload"},
		{"cmd/errand", "pkg/localaws/ecs", ""},
		{"cmd/errand", "test/template", "cmd/errand must not import test/template"},
		{"pkg/new", "pkg/run", "pkg/new has no room in the table"},
	} {
		var want []string
		if tc.want != "" {
			want = []string{tc.want}
		}
		got := misplaced([]goPackage{{ImportPath: module + "/" + tc.from, Imports: []string{"fmt", module + "/" + tc.to}}})
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s imports %s (-want +got):\n%s", tc.from, tc.to, diff)
		}
	}
	if got := misplaced([]goPackage{{ImportPath: module}}); fmt.Sprint(got) != "[. has no room in the table]" {
		t.Errorf("Go at the top: got %q", got)
	}
}
