package operate

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// ReadLetter reads a message as a letter of a stack.
func ReadLetter(stack, queue string, m types.Message) Letter {
	s := &Stack{Options: Options{Stack: stack}}
	return s.letter(queue, "", m)
}

// NewRequest is the payload that is sent for one that a person gives.
func NewRequest(raw []byte, words []string, now time.Time) (payload []byte, method, job, runID string, err error) {
	r, err := newRequest(raw, methodOf(raw), words, now)
	return r.payload, r.method, r.job, r.runID, err
}

// The parts that have tables.
var (
	Following = following
	Brief     = brief
)
