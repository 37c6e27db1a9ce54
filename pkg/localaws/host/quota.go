package host

import (
	"slices"
	"sync"
	"time"
)

// quota is a token bucket, as ECS documents its own
// (https://docs.aws.amazon.com/AmazonECS/latest/APIReference/request-throttling.html):
// a call takes a token, and tokens come back at a steady rate.
type quota struct {
	burst, perSecond float64
	operations       []string
	tokens           float64
	at               time.Time // when tokens was right
}

type quotas struct {
	mu   sync.Mutex
	list []*quota
}

// Limit gives the operations, such as RunTask and StopTask, one quota that they
// share: so many calls at once, and then so many a second of AWS's time. A call
// beyond it is answered ThrottlingException, "Rate exceeded", and counts in Calls
// as any other. An operation may be in several quotas, and then needs all of them.
// A quota of the same operations is replaced; a burst of 0 ends it.
func (h *Host) Limit(burst int, perSecond float64, operations ...string) {
	operations = slices.Sorted(slices.Values(operations))
	h.quotas.mu.Lock()
	defer h.quotas.mu.Unlock()
	h.quotas.list = slices.DeleteFunc(h.quotas.list, func(q *quota) bool { return slices.Equal(q.operations, operations) })
	if burst > 0 {
		h.quotas.list = append(h.quotas.list, &quota{float64(burst), perSecond, operations, float64(burst), h.Now()})
	}
}

// take takes a token of each of the operation's quotas, or of none.
func (q *quotas) take(operation string, now time.Time) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	var of []*quota
	for _, one := range q.list {
		if !slices.Contains(one.operations, operation) {
			continue
		}
		if passed := now.Sub(one.at).Seconds(); passed > 0 {
			one.tokens, one.at = min(one.burst, one.tokens+passed*one.perSecond), now
		}
		if one.tokens < 1 {
			return BadRequest("ThrottlingException", "Rate exceeded")
		}
		of = append(of, one)
	}
	for _, one := range of {
		one.tokens--
	}
	return nil
}
