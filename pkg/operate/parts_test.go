package operate_test

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"errand/pkg/operate"
	"errand/pkg/payload"
	"errand/pkg/run"
)

func TestFollowing(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]string{
		"r-1": "r-1.2", "r-1.2": "r-1.3", "r-1.9": "r-1.10", "r-1.1": "r-1.1.2", "r-1.02": "r-1.02.2", "v1.2": "v1.3", ".2": ".2.2", "r.": "r..2", "r.1000": "r.1000.2",
	} {
		if got := operate.Following(id); got != want {
			t.Errorf("%s is followed by %s, want %s", id, got, want)
		}
	}
}

func TestBrief(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "", 400 * time.Millisecond: "0.4s", 3 * time.Second: "3s", 37 * time.Second: "37s", 6 * time.Minute: "6m", 10*time.Minute + 7*time.Second: "10m7s",
		time.Hour: "1h", 2*time.Hour + 5*time.Minute: "2h5m", 20*time.Hour + 10*time.Minute: "20h10m", 3599600 * time.Millisecond: "1h", 168 * time.Hour: "168h",
	} {
		if got := operate.Brief(d); got != want {
			t.Errorf("%s is %q, want %q", d, got, want)
		}
	}
}

// Whatever lies in a queue is a letter that can be listed.
func FuzzLetter(f *testing.F) {
	for _, body := range []string{
		"", "{}", `{"errand": "start", "payload": {"job": "a"}}`, `{"errand": "launch", "job": "a", "runId": "b"}`, `{"job": "a", "method": "exec"}`,
		`{"requestContext": {"requestId": "q"}, "requestPayload": {"job": "a"}}`, `{"detail-type": "ECS Task State Change", "detail": {"startedBy": "errand/errand/a"}}`,
		`{"detail-type": "Errand Job", "detail": {"job": "a"}}`,
	} {
		f.Add(body, "q-1", "schedule")
	}
	f.Fuzz(func(t *testing.T, body, requestID, queue string) {
		l := operate.ReadLetter("errand", queue, types.Message{
			MessageId: aws.String("0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9"), Body: &body,
			MessageAttributes: map[string]types.MessageAttributeValue{"RequestID": {StringValue: &requestID}},
		})
		if l.ID != "0a1b2c3d" || l.Queue != queue {
			t.Errorf("got %+v", l)
		}
		_ = operate.LetterList{Letters: []operate.Letter{l}}.Text(operate.Style{Width: 80})
	})
}

// What is sent for a person is a right payload of the run that the person is told.
func FuzzRequest(f *testing.F) {
	for _, raw := range []string{
		`{"job": "a"}`, `{"job": "a", "runId": "b", "command": []}`, `{"job": "a", "scheduledTime": "<aws.scheduler.scheduled-time>"}`,
		`{"job": "a", "method": "exec", "task": "b", "command": ["c"]}`, `{"detail-type": "Errand Job", "detail": {"job": "a"}}`, `[]`, `{"job": "a", "job": "b"}`,
	} {
		f.Add([]byte(raw), "x")
		f.Add([]byte(raw), "")
	}
	f.Fuzz(func(t *testing.T, raw []byte, word string) {
		var words []string
		if word != "" {
			words = []string{word}
		}
		sent, method, job, runID, err := operate.NewRequest(raw, words, now)
		if err != nil {
			return
		}
		var r run.Run
		if method == run.MethodExec {
			p, eventID, err := payload.DecodeExec(sent)
			if r = p.Run(eventID, ""); err != nil {
				t.Errorf("%s: %v", sent, err)
			}
		} else {
			p, eventID, err := payload.Decode(sent)
			if r = p.Run(eventID, ""); err != nil {
				t.Errorf("%s: %v", sent, err)
			}
		}
		if r.Job != job || r.ID != runID || !run.ValidID(runID) || !run.ValidJob(job) {
			t.Errorf("%s is run %s/%s, told as %s/%s", sent, r.Job, r.ID, job, runID)
		}
	})
}
