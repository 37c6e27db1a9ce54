package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/google/go-cmp/cmp"

	"errand/pkg/ledger"
	"errand/pkg/localaws"
	"errand/pkg/payload"
	"errand/pkg/run"
)

// operated is an embedded endpoint with a stack whose launcher runs every payload at
// once, with exit code 42.
type operated struct {
	*localaws.Server
	ledger *ledger.Ledger
	t      *testing.T
}

func (o *operated) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !strings.Contains(r.URL.Path, "/functions/the-launcher/") {
		o.Server.ServeHTTP(w, r)
		return
	}
	ctx := r.Context()
	raw, _ := io.ReadAll(r.Body)
	wake, _ := ledger.DecodeWake(raw)
	p, _, err := payload.Decode(wake.Payload)
	if err != nil {
		o.t.Error(err)
	}
	who := p.Run("", "request")
	if _, _, err := o.ledger.Claim(ctx, ledger.Delivery{Run: who, Payload: wake.Payload, Person: wake.By, Until: time.Now()}); err != nil {
		o.t.Error(err)
	}
	code := 42
	me := ledger.Reporter{ID: "request", Until: time.Now().Add(time.Minute)}
	a, _, err := o.ledger.Conclude(ctx, me, ledger.End{
		Run: who, Verdict: ledger.Verdict{Status: run.Failed, ExitCode: &code, Reason: "the container exited with 42", Ended: time.Now()},
	})
	if err != nil {
		o.t.Error(err)
	}
	if err := o.ledger.JobEnded(ctx, a); err != nil {
		o.t.Error(err)
	}
	if _, err := o.ledger.Mark(ctx, me, a.Key, nil); err != nil {
		o.t.Error(err)
	}
	_ = json.NewEncoder(w).Encode(run.Answer{Job: who.Job, RunID: who.ID, Attempt: 1, Status: "STARTED"})
}

// TestOperate goes through the commands as a person does, by the environment alone.
func TestOperate(t *testing.T) {
	server, err := localaws.Start(localaws.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	db := dynamodb.NewFromConfig(server.Config())
	if _, err := db.CreateTable(t.Context(), ledger.Table("the-table")); err != nil {
		t.Fatal(err)
	}
	outputs := map[string]string{"TableName": "the-table", "LauncherFunctionName": "the-launcher"}
	for output, name := range map[string]string{
		"ScheduleDeadLettersUrl": "s", "RuleDeadLettersUrl": "r", "LauncherDeadLettersUrl": "l", "CollectorDeadLettersUrl": "c",
	} {
		if outputs[output], _, err = server.AddQueue(name); err != nil {
			t.Fatal(err)
		}
	}
	server.AddStack("prod", outputs)
	front := httptest.NewServer(&operated{server, ledger.New(db, ledger.Config{Table: "the-table"}), t})
	t.Cleanup(front.Close)
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": front.URL, "AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local",
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "ERRAND_STACK": "prod", "USER": "ada",
	} {
		t.Setenv(name, value)
	}
	file := filepath.Join(t.TempDir(), "bill.json")
	if err := os.WriteFile(file, []byte(`{"job": "bill", "runId": "r-1"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		args     string
		code     int
		out, err string // what stands there, among others
	}{
		{"jobs", 0, "No job has had a run yet.\n", ""},
		{"start FILE", 0, "STARTED  bill/r-1\n", ""},
		{"show r-1", 0, "FAILED  bill/r-1\nthe container exited with 42\n\nSent by     ada\n", ""},
		{"again r-1 --by grace", 0, "STARTED  bill/r-1.2\n", ""},
		{"show bill/r-1.2 --output json", 0, `"by": "grace"`, ""},
		{"jobs", 0, "bill  FAILED ×2", ""},
		{"runs bill -n 1 --failed --since 1h", 0, "  FAILED  42    r-1.2\n    the container exited with 42\n", ""},
		{"start FILE --stack none", 1, "", "errand: there is no stack none in eu-west-1"},
		{"start no-file", 64, "", "errand: there is no file no-file; a job cannot be started by its name yet"},
		{"start FILE -- ./bill", 64, "", "needs --set-command"},
		{"start FILE --set-command", 64, "", "errand: --set-command: the command is missing"},
		{"runs bill --since yesterday", 64, "", `errand: --since: "yesterday" is none of`},
		{"runs bill -n 0", 64, "", "errand: -n: 0 is not from 1 to 1000"},
		{"runs bill --output xml", 64, "", "--output must be one of"},
		{"stop r-1", 1, "", "errand: run bill/r-1 has ended already"},
		{"logs r-1 --follow", 1, "", "errand: run bill/r-1 has no log that can be read: the run has no task yet, or never had one"},
		{"letters", 0, "There are no dead letters.\n", ""},
		{"letters --queue rule", 0, "There are no dead letters.\n", ""},
		{"letters list --output json", 0, "{\n  \"letters\": []\n}\n", ""},
		{"letters send --all", 0, "There are no dead letters.\n", ""},
		{"letters drop", 64, "", "errand: say which letters: their ids, or --all"},
		{"letters drop 01234567", 1, "", "errand: there is no letter 01234567 now"},
	} {
		var out, errOut bytes.Buffer
		code := realMain(context.Background(), strings.Fields(strings.ReplaceAll(tc.args, "FILE", file)), &out, &errOut)
		if code != tc.code || !strings.Contains(out.String(), tc.out) || !strings.Contains(errOut.String(), tc.err) {
			t.Errorf("%s: exit code %d\n%s%s", tc.args, code, out.String(), errOut.String())
		}
	}
	waits(t, file)
}

// waits starts a run with another command and follows it to its end.
func waits(t *testing.T, file string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(`{"job": "bill", "runId": "r-2"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, errOut bytes.Buffer
	code := realMain(context.Background(), []string{"start", file, "--wait", "--output", "json", "--set-command", "--", "./bill", "--day", "today"}, &out, &errOut)
	var end struct {
		Job, RunID, Status string
		Attempts           []struct{ ExitCode int }
	}
	if err := json.Unmarshal(out.Bytes(), &end); err != nil || code != 42 {
		t.Fatalf("exit code %d, %v\n%s%s", code, err, out.String(), errOut.String())
	}
	if diff := cmp.Diff("bill r-2 FAILED 42", strings.Join([]string{end.Job, end.RunID, end.Status}, " ")+" 42"); diff != "" || end.Attempts[0].ExitCode != 42 {
		t.Errorf("end (-want +got):\n%s", diff)
	}
}
