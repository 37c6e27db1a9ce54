package main

import (
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	"errand/pkg/localstack"
	"errand/pkg/payload"
	"errand/pkg/run"
)

// functionFor is the function that a payload is for, by its method. The payload
// stands alone or is the detail of an event. Whatever else it says is for that
// function to read, and to refuse.
func functionFor(raw []byte) string {
	if payload.MethodOf(raw) == run.MethodExec {
		return "executor"
	}
	return "launcher"
}

// scheduled fills in what EventBridge Scheduler fills in before it sends a
// schedule's input, as for a schedule that is due in this minute.
func scheduled(raw []byte, now time.Time) []byte {
	return []byte(strings.NewReplacer(
		"<aws.scheduler.scheduled-time>", now.UTC().Truncate(time.Minute).Format(time.RFC3339),
		"<aws.scheduler.schedule-arn>", "arn:aws:scheduler:"+localstack.Region+":"+localstack.Account+":schedule/errand-"+localstack.Name+"/try",
		"<aws.scheduler.execution-id>", newUUID(),
		"<aws.scheduler.attempt-number>", "1",
	).Replace(string(raw)))
}

// newUUID is a random one, as AWS makes them.
func newUUID() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // never fails, see crypto/rand
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
