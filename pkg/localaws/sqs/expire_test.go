package sqs

import (
	"testing"
	"time"
)

func TestMessagesAreKeptForATime(t *testing.T) {
	t.Parallel()
	sent := time.Date(2026, 11, 25, 6, 0, 0, 0, time.UTC)
	q := &queue{settings: map[string]int{"MessageRetentionPeriod": 60}, messages: []*message{{sent: sent}, {sent: sent.Add(time.Second)}}}
	for i, want := range []int{2, 1, 0} {
		after := time.Duration(59+i) * time.Second
		if q.expire(sent.Add(after)); len(q.messages) != want {
			t.Errorf("after %v there are %d messages, want %d", after, len(q.messages), want)
		}
	}
}
