package collect_test

import (
	"encoding/json"
	"testing"
	"time"

	"errand/pkg/ledger"
	"errand/pkg/run"
)

// A run that is given up is told with the cluster that the ledger has, as its ARN: the
// same filters match as for the results of tasks.
func TestClusterOfARunThatIsGivenUp(t *testing.T) {
	t.Parallel()
	const theirs = "arn:aws:ecs:eu-west-1:123456789012:cluster/theirs"
	for _, method := range []string{run.MethodRunTask, run.MethodExec} {
		s := start(t)
		d := s.delivery()
		d.Run.Method, d.Once, d.Cluster = method, method == run.MethodExec, theirs
		d.Payload = []byte(`{"job":"billing-daily","service":"web","cluster":"theirs","command":["./bill"]}`)
		if _, ok, err := s.book.Claim(t.Context(), d); err != nil || !ok {
			t.Fatal(ok, err)
		}
		s.later(2 * time.Hour)
		if _, err := s.invoke(t, "me", wake(ledger.WakeAbandon)); err != nil {
			t.Fatal(err)
		}
		var got published
		if err := json.Unmarshal([]byte(s.Published()[0].Body), &got); err != nil {
			t.Fatal(err)
		}
		if got.Status != "LOST" || got.Cluster != theirs {
			t.Errorf("%s: %s in cluster %s, want %s", method, got.Status, got.Cluster, theirs)
		}
	}
}
