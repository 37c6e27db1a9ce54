package launch_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"errand/pkg/launch"
	"errand/pkg/localaws"
	"errand/pkg/run"
)

const (
	byHTTP = "errand has no HTTP interface: let the API send an Errand Job event (EventBridge PutEvents), or invoke the launcher with the payload itself"
	twice  = "the payload came in an array of 2, and errand takes one at a time: none of them was run; set the batch size of the pipe to 1, or send each by itself"
)

// incoming is what becomes of the events in testdata/incoming, which are made after
// what people send.
var incoming = map[string]struct {
	fails   bool // an error, not an answer
	job     string
	reason  string // none: it is started
	source  map[string]any
	payload string // its outline
}{
	"api-gateway-v1": {fails: true, reason: "this is an API Gateway request, not a job payload; " + byHTTP},
	"api-gateway-v2": {fails: true, reason: "this is a request of an HTTP API (API Gateway) or of a function URL, not a job payload; " + byHTTP},
	"command-text": {
		job: "j", reason: `command: must be an array of strings, as in ["./bill", "--day", "yesterday"]`,
		payload: `{"job":"j","command":"…"}`,
	},
	"detail-is-text": {
		reason:  `detail: must be an object, as in {"job": "nightly-report"}; it is text, which may have JSON in it: write it as JSON once, not twice`,
		source:  map[string]any{"source": "com.example.shop", "detailType": "Errand Job", "eventId": "e-3"},
		payload: `{"version":"…","id":"…","detail-type":"…","source":"…","account":"…","time":"…","region":"…","resources":[],"detail":"…"}`,
	},
	"dynamodb-stream": {fails: true, reason: "this is a DynamoDB stream batch, not a job payload; take the function's event source mapping away, and let a pipe (EventBridge Pipes, batch size 1) with an input template make a payload of each record"},
	"ecs-overrides-bare": {
		reason:  `containerOverrides: unknown field; it is overrides.containerOverrides, as in {"overrides": {"containerOverrides": [{"name": "app", "memory": 900}]}}; job: required, the job's name`,
		payload: `{"containerOverrides":[{"name":"…","command":["…"]}]}`,
	},
	"environment-name-value": {
		job: "j", reason: `environment: must be an object, as in {"NAME": "value"}`,
		payload: `{"job":"j","environment":[{"name":"…","value":"…"}]}`,
	},
	"eventbridge-other": {
		reason:  `this is an EventBridge event with detail-type "Object Created" of source "aws.s3", not a job payload; send detail-type "Errand Job", or give the rule an input transformer that produces a payload`,
		source:  map[string]any{"source": "aws.s3", "detailType": "Object Created", "eventId": "e-2"},
		payload: `{"version":"…","id":"…","detail-type":"…","source":"…","account":"…","time":"…","region":"…","resources":[],"detail":{"bucket":{"name":"…"},"object":{"key":"…"}}}`,
	},
	"launch-type-spot": {
		job: "j", reason: `launchType: FARGATE_SPOT is a capacity provider, not a launch type; in place of launchType give {"capacityProviderStrategy": [{"capacityProvider": "FARGATE_SPOT", "weight": 1}]}`,
		payload: `{"job":"j","launchType":"…"}`,
	},
	"misspelt-secret": {
		job: "j", reason: "enviroment: unknown field, did you mean environment?", //nolint:misspell // as people misspell it
		payload: `{"job":"j","enviroment":{"DB_PASSWORD":"…"}}`, //nolint:misspell // as people misspell it
	},
	"pipes-array-of-one": {job: "nightly-report"},
	"pipes-array-of-two": {fails: true, reason: twice},
	"placeholder-by-hand": {
		job:     "nightly-report",
		reason:  "scheduledTime: <aws.scheduler.scheduled-time> was not replaced: the Scheduler replaces this in the input of a schedule; by hand give a time or leave it out",
		payload: `{"job":"nightly-report","command":["…"],"scheduledTime":"<aws.scheduler.scheduled-time>"}`,
	},
	"placeholder-in-command": {
		job:     "nightly-report",
		reason:  "command[1]: <aws.scheduler.execution-id> was not replaced: the Scheduler replaces this in the input of a schedule; by hand give a value or leave it out",
		payload: `{"job":"nightly-report","runId":"n-2","command":["…"]}`,
	},
	"s3-notification": {
		reason:  "this is an S3 notification, not a job payload; switch on the bucket's notifications to EventBridge, and let a rule with an input transformer make a payload of them",
		source:  map[string]any{"source": "aws:s3"},
		payload: `{"Records":[{"eventSource":"…","eventName":"…","s3":{"bucket":{"name":"…"},"object":{"key":"…","size":"…"}}}]}`,
	},
	"scheduler-default": {
		reason:  "this is the event of a schedule without an input, not a job payload; put the payload into the input of the schedule's target, since a schedule has no transformer",
		source:  map[string]any{"source": "aws.scheduler", "detailType": "Scheduled Event", "eventId": "e-1"},
		payload: `{"version":"…","id":"…","detail-type":"…","source":"…","account":"…","time":"…","region":"…","resources":["…"],"detail":"…"}`,
	},
	"sns": {
		reason:  "this is an SNS notification, not a job payload; SNS has no transformer: send Errand Job events in place of messages, or let the topic feed a queue and a pipe (EventBridge Pipes, batch size 1) make a payload of each message",
		source:  map[string]any{"source": "aws:sns"},
		payload: `{"Records":[{"EventSource":"…","EventVersion":"…","EventSubscriptionArn":"…","Sns":{"Type":"…","MessageId":"…","TopicArn":"…","Message":"…"}}]}`,
	},
	"sqs": {fails: true, reason: "this is an SQS batch, not a job payload; take the function's event source mapping away, and let a pipe (EventBridge Pipes, batch size 1) with an input template make a payload of each message, or send Errand Job events in place of messages"},
	"tags-map": {
		job: "j", reason: `tags: must be an array of objects, as in [{"key": "team", "value": "billing"}]`,
		payload: `{"job":"j","tags":{"team":"…"}}`,
	},
}

func TestIncoming(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/incoming/*.json")
	if err != nil || len(files) != len(incoming) {
		t.Fatalf("%d files for %d cases (%v)", len(files), len(incoming), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want, known := incoming[name]
			if !known {
				t.Fatal("nothing is said of this case")
			}
			s := start(t)
			answer, err := s.invoke(t, string(event(t, file)))
			switch {
			case want.fails:
				if err == nil || err.Error() != want.reason {
					t.Errorf("got %+v, %v\nwant the error %s", answer, err, want.reason)
				}
				return
			case err != nil:
				t.Fatal(err)
			case want.reason == "":
				if answer.Status != run.Started || answer.Job != want.job || len(s.started(t, want.job)) != 1 {
					t.Errorf("got %+v", answer)
				}
				return
			}
			if diff := cmp.Diff(launch.Answer{Job: want.job, RunID: answer.RunID, Attempt: 1, Status: "REJECTED", Reason: want.reason}, answer); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
			told := s.published(t)
			if len(told) != 1 {
				t.Fatalf("%d messages", len(told))
			}
			var outline any
			if err := json.Unmarshal([]byte(want.payload), &outline); err != nil {
				t.Fatal(err)
			}
			source, _ := told[0]["source"].(map[string]any)
			if diff := cmp.Diff([]any{want.reason, want.source, outline}, []any{told[0]["reason"], source, told[0]["payload"]}); diff != "" {
				t.Errorf("published (-want +got):\n%s", diff)
			}
			for _, message := range s.Published() {
				if strings.Contains(message.Body, "hunter2") || strings.Contains(message.Subject, "hunter2") {
					t.Errorf("a value of the payload is in %s", message.Body)
				}
			}
			if want.job != "" && len(s.started(t, want.job)) > 0 {
				t.Error("a task was started")
			}
		})
	}
}

// event is what the case in a file sends.
func event(t *testing.T, file string) json.RawMessage {
	t.Helper()
	raw, err := os.ReadFile(file) //nolint:gosec // of the test's own
	if err != nil {
		t.Fatal(err)
	}
	var c struct{ Event json.RawMessage }
	if err := json.Unmarshal(raw, &c); err != nil {
		t.Fatal(err)
	}
	return c.Event
}

// Of several payloads at once each is refused, and people are told of each once. Sent
// again by itself, each is run.
func TestArrays(t *testing.T) {
	t.Parallel()
	s := start(t)
	for range 2 {
		_, err := s.invoke(t, `[{"job": "a", "runId": "r-1"}, {"x": 1}, {"job": "b", "runId": "r-1", "comand": []}]`)
		if want := strings.Replace(twice, "of 2", "of 3", 1); err == nil || err.Error() != want {
			t.Fatalf("got  %v\nwant %s", err, want)
		}
	}
	var told [][]any
	for _, p := range s.published(t) {
		told = append(told, []any{p["job"], p["status"], p["reason"], p["payload"]})
	}
	reason := strings.Replace(twice, "of 2", "of 3", 1)
	if diff := cmp.Diff([][]any{
		{"a", "REJECTED", reason, map[string]any{"job": "a", "runId": "r-1"}},
		{"b", "REJECTED", reason, map[string]any{"job": "b", "runId": "r-1", "comand": []any{}}},
	}, told); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
	if len(s.started(t, "a"))+len(s.started(t, "b")) > 0 {
		t.Error("a task was started")
	}
	answer, err := s.invoke(t, `[{"job": "a", "runId": "r-1"}]`)
	if err != nil || answer.Status != run.Started || answer.Again {
		t.Errorf("by itself: %+v, %v", answer, err)
	}
	// One that is wrong is an error to the pipe, and told of once too.
	for range 2 {
		if _, err := s.invoke(t, `[{"job": "b", "runId": "r-2", "comand": []}]`); err == nil || err.Error() != "comand: unknown field, did you mean command?" {
			t.Errorf("a wrong one: %v", err)
		}
	}
	if len(s.published(t)) != 3 {
		t.Errorf("%d messages", len(s.published(t)))
	}
	// Nor is the reason lost where nobody can be told.
	s.Inject(localaws.Fault{Operation: "Publish", Code: "AuthorizationError", Message: "no", Status: 403})
	_, err = s.invoke(t, `[{"job": "c", "comand": []}]`)
	if want := "comand: unknown field, did you mean command?; and not everybody could be told: publish the result to arn:aws:sns:eu-west-1:123456789012:results: AuthorizationError: no"; err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

// A job has another task role only if the stack allows that one, and never another
// execution role.
func TestTaskRole(t *testing.T) {
	t.Parallel()
	const role = "arn:aws:iam::123456789012:role/billing"
	const refused = "overrides.taskRoleArn: the stack does not let jobs choose this role; leave it out, or add the role's ARN to the stack's parameter OverrideTaskRoleArns (setting OVERRIDE_TASK_ROLE_ARNS)"
	for _, tc := range []struct {
		name    string
		allowed []string
		reason  string
	}{
		{"none is allowed", nil, refused},
		{"another is allowed", []string{role + "-2"}, refused},
		{"allowed", []string{role + "-2", role}, ""},
	} {
		s := start(t, func(c *launch.Config) { c.TaskRoleARNs = tc.allowed })
		answer, err := s.invoke(t, `{"job": "j", "runId": "r-1", "overrides": {"taskRoleArn": "`+role+`"}}`)
		want := launch.Answer{Job: "j", RunID: "r-1", Attempt: 1, Status: "REJECTED", Reason: tc.reason}
		if tc.reason == "" {
			want.Status, want.TaskARN = run.Started, answer.TaskARN
		}
		if diff := cmp.Diff(want, answer); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", tc.name, err, diff)
		}
	}
}
