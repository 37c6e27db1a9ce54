package watch

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"

	"errand/pkg/awserr"
)

// SNS shows who has subscribed; *sns.Client is one.
type SNS interface {
	ListSubscriptionsByTopic(context.Context, *sns.ListSubscriptionsByTopicInput, ...func(*sns.Options)) (*sns.ListSubscriptionsByTopicOutput, error)
}

// Topics are those of the stack; "" for one that it does not have.
type Topics struct{ Results, Text, Alarms string }

// checkSubscriptions counts, once a day, the subscriptions that nobody has
// confirmed, or that somebody has ended: SNS says nothing to either.
func (t *tick) checkSubscriptions() {
	first, err := t.ledger.Daily(t.end, "subscriptions")
	if err != nil {
		t.log.ErrorContext(t.end, "subscriptions not checked", "error", err)
		t.failed(err)
		return
	}
	if !first {
		return
	}
	var topics []audience
	for _, a := range []audience{{arn: t.cfg.Topics.Results}, {arn: t.cfg.Topics.Text, email: t.cfg.Email}, {arn: t.cfg.Topics.Alarms, email: t.cfg.Email}} {
		if a.arn == "" {
			continue
		}
		if a.list, err = t.subscriptions(a.arn); err != nil {
			// Not tomorrow, or a day's throttling would hide who hears of nothing.
			err = errors.Join(err, t.ledger.NotDone(t.end, "subscriptions"))
			t.log.ErrorContext(t.end, "subscriptions not checked; they will be at the next tick", "error", err)
			t.failed(err)
			return
		}
		topics = append(topics, a)
	}
	n := unconfirmed(topics)
	if n > 0 {
		t.log.WarnContext(t.end, "subscriptions are not confirmed, or no longer there: results or alarms may reach nobody", "number", n)
	}
	t.metrics.Count("UnconfirmedSubscriptions", float64(n))
}

// audience is a topic with its subscriptions, and the address that is to be among
// them, if any is.
type audience struct {
	arn, email string
	list       []types.Subscription
}

// unconfirmed counts the subscriptions that wait for a confirmation, and the
// addresses that are not subscribed. Topics without any confirmed subscription are
// one, too: nobody hears of anything.
func unconfirmed(topics []audience) int {
	n, heard := 0, false
	for _, a := range topics {
		missing := a.email != ""
		for _, s := range a.list {
			arn := aws.ToString(s.SubscriptionArn)
			confirmed, pending := strings.HasPrefix(arn, "arn:"), arn == "PendingConfirmation"
			if pending {
				n++
			}
			heard = heard || confirmed
			mail := aws.ToString(s.Protocol) == "email" && strings.EqualFold(aws.ToString(s.Endpoint), a.email)
			if mail && (confirmed || pending) {
				missing = false
			}
		}
		if missing {
			n++
		}
	}
	if n == 0 && !heard {
		n = 1
	}
	return n
}

// subscriptions lists those of a topic.
func (t *tick) subscriptions(topic string) (list []types.Subscription, err error) {
	in := &sns.ListSubscriptionsByTopicInput{TopicArn: &topic}
	for {
		out, err := t.sns.ListSubscriptionsByTopic(t.end, in)
		if err != nil {
			return nil, fmt.Errorf("list the subscriptions of topic %s: %w", topic, awserr.Plain(err))
		}
		list = append(list, out.Subscriptions...)
		if in.NextToken = out.NextToken; aws.ToString(in.NextToken) == "" {
			return list, nil
		}
	}
}
