// Package notify publishes results to Amazon SNS: the JSON form for programs,
// the text form for people, both with the attributes that filter policies
// select by.
package notify

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"

	"errand/pkg/awserr"
	"errand/pkg/result"
	"errand/pkg/run"
)

// maxMessage is SNS's limit in bytes for the body, the attribute names, types
// and values together (https://docs.aws.amazon.com/sns/latest/api/API_Publish.html).
// Messages stay under it.
const maxMessage = 262_144 - 1

// Publisher sends messages; *sns.Client is one.
type Publisher interface {
	Publish(context.Context, *sns.PublishInput, ...func(*sns.Options)) (*sns.PublishOutput, error)
}

// Notifier publishes results.
type Notifier struct {
	sns    Publisher
	topics map[string]string // name → ARN
}

// The names of the topics.
const (
	Results = "results" // the JSON form
	Text    = "text"    // the text form
)

// New makes a Notifier that publishes the JSON form to topic and the text form
// to textTopic, unless that is empty.
func New(p Publisher, topic, textTopic string) *Notifier {
	n := &Notifier{p, map[string]string{Results: topic}}
	if textTopic != "" {
		n.topics[Text] = textTopic
	}
	return n
}

// Topics are the names of the topics, in the order in which they are told.
func (n *Notifier) Topics() []string { return slices.Sorted(maps.Keys(n.topics)) }

// Publish sends r to a topic. Before it waits for the next try it calls waiting.
// It tries until SNS has taken the message, refused it for good, or half of the
// time that is left is over: a topic that hangs leaves the other one its time, and
// the function the time to say so.
func (n *Notifier) Publish(ctx context.Context, topic string, r result.Result, waiting func()) error {
	attributes, size := attributes(r)
	subject := r.Subject() // chat and mail show it as the title, whatever the body
	room := maxMessage - size - len(subject)
	in := &sns.PublishInput{TopicArn: aws.String(n.topics[topic]), Subject: &subject, MessageAttributes: attributes}
	if topic == Text {
		in.Message = aws.String(r.Text(room))
	} else {
		in.Message = aws.String(string(r.JSON(room)))
	}
	ctx, cancel := run.Share(ctx, noDeadline)
	defer cancel()
	for wait := firstWait; ; wait = min(2*wait, longestWait) {
		_, err := n.sns.Publish(ctx, in)
		if err == nil {
			return nil
		}
		waiting()
		final := awserr.Refused(err) && !awserr.Throttled(err)
		if final || !run.Pause(ctx, wait/2+rand.N(wait/2)) { //nolint:gosec // jitter is no secret
			return fmt.Errorf("publish the result to %s: %w", n.topics[topic], awserr.Plain(err))
		}
	}
}

// Waits between two tries of one topic, each with up to half of it as jitter, and
// the time for them where the context has no deadline. The SDK's own retries last
// a tenth of a second, and SNS is away for longer than that.
const (
	firstWait   = 100 * time.Millisecond
	longestWait = 5 * time.Second
	noDeadline  = 10 * time.Second
)

const (
	// maxAttribute is the length of the longest value that somebody would filter
	// by, the ARN of a cluster.
	maxAttribute = 512
	// maxNumber is SNS's bound for a Number that a filter policy sees
	// (https://docs.aws.amazon.com/sns/latest/dg/subscription-filter-policy-constraints.html).
	// Windows has exit codes beyond it.
	maxNumber = 1_000_000_000
)

// attributes are the message attributes and their size. SNS refuses values that
// are empty or have odd characters, which a refused payload may have anywhere:
// they are left out rather than the message lost.
func attributes(r result.Result) (map[string]types.MessageAttributeValue, int) {
	all := map[string]types.MessageAttributeValue{}
	size := 0
	add := func(name, kind, value string) {
		odd := strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r > '~' })
		if value == "" || len(value) > maxAttribute || odd {
			return
		}
		all[name] = types.MessageAttributeValue{DataType: aws.String(kind), StringValue: aws.String(value)}
		size += len(name) + len(kind) + len(value)
	}
	add("job", "String", r.Job)
	add("status", "String", string(r.Status))
	add("outcome", "String", r.Status.Outcome())
	add("method", "String", r.Method)
	add("cluster", "String", r.Cluster)
	if r.ExitCode != nil && max(*r.ExitCode, -*r.ExitCode) <= maxNumber {
		add("exitCode", "Number", strconv.Itoa(*r.ExitCode))
	}
	return all, size
}
