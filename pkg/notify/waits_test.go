package notify_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sns"

	"errand/pkg/notify"
	"errand/pkg/result"
)

// away is an SNS that gives no answer; it notes when it was asked.
type away struct{ asked []time.Time }

func (a *away) Publish(context.Context, *sns.PublishInput, ...func(*sns.Options)) (*sns.PublishOutput, error) {
	a.asked = append(a.asked, time.Now())
	return nil, errors.New("connection refused")
}

// The waits between two tries double from a tenth of a second up to five, less up to
// half of each; they go on for half of the time that there is, and for ten seconds where
// nobody says how much that is. The time is synctest's.
func TestWaitsBetweenTries(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ left, tried time.Duration }{{2 * time.Minute, time.Minute}, {0, 10 * time.Second}} {
		synctest.Test(t, func(t *testing.T) {
			ctx, begin := t.Context(), time.Now()
			if tc.left > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, tc.left)
				defer cancel()
			}
			a, waits := &away{}, 0
			err := notify.New(a, "results", "").Publish(ctx, notify.Results, result.Result{}, func() { waits++ })
			if want := "publish the result to results: connection refused"; err == nil || err.Error() != want {
				t.Errorf("got %v, want %s", err, want)
			}
			if waits != len(a.asked) {
				t.Errorf("about to wait %d times after %d tries", waits, len(a.asked))
			}
			longest := 100 * time.Millisecond
			for i, at := range a.asked[1:] {
				if wait := at.Sub(a.asked[i]); wait < longest/2 || wait > longest {
					t.Errorf("wait %d lasts %s, want %s at most", i+1, wait, longest)
				}
				longest = min(2*longest, 5*time.Second)
			}
			if took := time.Since(begin); took > tc.tried || took < tc.tried-longest {
				t.Errorf("tried for %s, want %s", took, tc.tried)
			}
		})
	}
}
