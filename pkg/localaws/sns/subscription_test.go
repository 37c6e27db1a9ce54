package sns_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/google/go-cmp/cmp"
)

// listed are the subscriptions of a topic, by page: endpoint and ARN.
func listed(t *testing.T, client *sns.Client, arn string) (pages [][]string) {
	t.Helper()
	for p := sns.NewListSubscriptionsByTopicPaginator(client, &sns.ListSubscriptionsByTopicInput{TopicArn: &arn}); p.HasMorePages(); {
		out, err := p.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var page []string
		for _, s := range out.Subscriptions {
			page = append(page, *s.Endpoint+" "+*s.SubscriptionArn)
		}
		pages = append(pages, page)
	}
	return pages
}

func TestMailIsConfirmed(t *testing.T) {
	t.Parallel()
	s, client, topic := serveTopic(t)
	const address = "ops@example.com"
	subscribe := func(endpoint string, withARN bool) string {
		t.Helper()
		out, err := client.Subscribe(t.Context(), &sns.SubscribeInput{TopicArn: &topic, Protocol: aws.String("email"), Endpoint: &endpoint, ReturnSubscriptionArn: withARN})
		if err != nil {
			t.Fatal(err)
		}
		return *out.SubscriptionArn
	}
	if got := subscribe(address, false); got != "pending confirmation" {
		t.Errorf("Subscribe answers %q", got)
	}
	arn := subscribe(address, true)
	if !strings.HasPrefix(arn, topic+":") {
		t.Errorf("got the ARN %s of a subscription to %s", arn, topic)
	}
	subscribe("other@example.com", false)
	attributes := func(pending string) {
		t.Helper()
		out, err := client.GetSubscriptionAttributes(t.Context(), &sns.GetSubscriptionAttributesInput{SubscriptionArn: &arn})
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]string{
			"SubscriptionArn": arn, "TopicArn": topic, "Owner": "123456789012", "Protocol": "email", "Endpoint": address,
			"PendingConfirmation": pending, "ConfirmationWasAuthenticated": "false", "RawMessageDelivery": "false",
		}
		if diff := cmp.Diff(want, out.Attributes); diff != "" {
			t.Error(diff)
		}
	}
	unsubscribe := func(arn string) error {
		_, err := client.Unsubscribe(t.Context(), &sns.UnsubscribeInput{SubscriptionArn: &arn})
		return err
	}
	attributes("true")
	if diff := cmp.Diff([][]string{{address + " PendingConfirmation", "other@example.com PendingConfirmation"}}, listed(t, client, topic)); diff != "" {
		t.Error(diff)
	}
	wantAPIError(t, unsubscribe("PendingConfirmation"), "InvalidParameter", "SubscriptionArn Reason: An ARN must have at least 6 elements, not 1")
	wantAPIError(t, unsubscribe(arn), "InvalidParameter", "a subscription that is pending confirmation cannot be deleted")
	// What is published meanwhile goes to nobody, and that is no error.
	if _, err := client.Publish(t.Context(), &sns.PublishInput{TopicArn: &topic, Message: aws.String("lost")}); err != nil {
		t.Error(err)
	}

	if err := s.ConfirmSubscription(topic, address); err != nil {
		t.Fatal(err)
	}
	attributes("false")
	if diff := cmp.Diff([][]string{{address + " " + arn, "other@example.com PendingConfirmation"}}, listed(t, client, topic)); diff != "" {
		t.Error(diff)
	}
	if got := subscribe(address, false); got != arn {
		t.Errorf("Subscribe answers %s after the confirmation, want %s", got, arn)
	}
	if err := s.ConfirmSubscription(topic, address); err == nil {
		t.Error("a subscription is confirmed twice")
	}
	if err := unsubscribe(arn); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([][]string{{"other@example.com PendingConfirmation"}}, listed(t, client, topic)); diff != "" {
		t.Error(diff)
	}
	_, err := client.GetSubscriptionAttributes(t.Context(), &sns.GetSubscriptionAttributesInput{SubscriptionArn: &arn})
	wantAPIError(t, err, "NotFound", "Subscription does not exist")
}

func TestSubscriptionsHaveTheirAttributes(t *testing.T) {
	t.Parallel()
	_, client, topic := serveTopic(t)
	policy := map[string]string{"FilterPolicy": `{"job":["a<b"]}`, "RawMessageDelivery": "true"}
	arn := subscribe(t, client, topic, "http://127.0.0.1:1/", policy)
	out, err := client.GetSubscriptionAttributes(t.Context(), &sns.GetSubscriptionAttributesInput{SubscriptionArn: &arn})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"SubscriptionArn": arn, "TopicArn": topic, "Owner": "123456789012", "Protocol": "http", "Endpoint": "http://127.0.0.1:1/",
		"PendingConfirmation": "false", "ConfirmationWasAuthenticated": "false", "RawMessageDelivery": "true", "FilterPolicy": `{"job":["a<b"]}`,
	}
	if diff := cmp.Diff(want, out.Attributes); diff != "" {
		t.Error(diff)
	}
}

func TestSubscriptionsComeInPages(t *testing.T) {
	t.Parallel()
	_, client, topic := serveTopic(t)
	want := [][]string{nil, nil}
	for i := range 101 {
		endpoint := fmt.Sprintf("http://127.0.0.1:1/%d", i)
		arn := subscribe(t, client, topic, endpoint, nil)
		want[i/100] = append(want[i/100], endpoint+" "+arn)
	}
	if diff := cmp.Diff(want, listed(t, client, topic)); diff != "" {
		t.Error(diff)
	}
	_, err := client.ListSubscriptionsByTopic(t.Context(), &sns.ListSubscriptionsByTopicInput{TopicArn: &topic, NextToken: aws.String("x")})
	wantAPIError(t, err, "InvalidParameter", "NextToken")
}
