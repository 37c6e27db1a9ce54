package sns_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"

	"errand/pkg/localaws"
	"errand/pkg/localaws/host"
)

// maxMessage is SNS's limit, in bytes.
const maxMessage = 262_144

// serveTopic starts a server with one topic.
func serveTopic(t *testing.T) (s *localaws.Server, client *sns.Client, arn string) {
	t.Helper()
	s, _ = serveFunctions(t)
	client = sns.NewFromConfig(clientConfig(s), func(o *sns.Options) { o.Retryer = aws.NopRetryer{} })
	out, err := client.CreateTopic(t.Context(), &sns.CreateTopicInput{Name: aws.String("results")})
	if err != nil {
		t.Fatal(err)
	}
	return s, client, aws.ToString(out.TopicArn)
}

// posted is a request that a subscriber got.
type posted struct {
	header http.Header
	body   string
}

// subscriber is an endpoint that keeps the requests that it gets, and refuses
// the first ones with the given statuses.
func subscriber(t *testing.T, refusals ...int) (string, *host.Record[posted]) {
	t.Helper()
	got := &host.Record[posted]{}
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if n := len(got.All()); n < len(refusals) {
			w.WriteHeader(refusals[n])
		}
		got.Add(posted{r.Header, string(body)})
	}))
	t.Cleanup(endpoint.Close)
	return endpoint.URL, got
}

func subscribe(t *testing.T, client *sns.Client, arn, endpoint string, attributes map[string]string) string {
	t.Helper()
	out, err := client.Subscribe(t.Context(), &sns.SubscribeInput{
		TopicArn: aws.String(arn), Protocol: aws.String("http"), Endpoint: aws.String(endpoint), Attributes: attributes,
	})
	if err != nil {
		t.Fatal(err)
	}
	return aws.ToString(out.SubscriptionArn)
}

func textAttribute(value string) types.MessageAttributeValue {
	return types.MessageAttributeValue{DataType: aws.String("String"), StringValue: aws.String(value)}
}

func numberAttribute(value string) types.MessageAttributeValue {
	return types.MessageAttributeValue{DataType: aws.String("Number"), StringValue: aws.String(value)}
}

func TestTopicsAreMadeOnce(t *testing.T) {
	t.Parallel()
	_, client, arn := serveTopic(t)
	if arn != "arn:aws:sns:eu-west-1:123456789012:results" {
		t.Errorf("got the ARN %s", arn)
	}
	for _, in := range []*sns.CreateTopicInput{
		{Name: aws.String("results")},
		{Name: aws.String("alarms"), Attributes: map[string]string{"DisplayName": "Alarms"}},
		{Name: aws.String("alarms"), Attributes: map[string]string{"DisplayName": "Alarms"}},
	} {
		if _, err := client.CreateTopic(t.Context(), in); err != nil {
			t.Fatal(err)
		}
	}
	list, err := client.ListTopics(t.Context(), &sns.ListTopicsInput{})
	if err != nil || len(list.Topics) != 2 || aws.ToString(list.Topics[1].TopicArn) != arn {
		t.Errorf("got the topics %+v, %v", list, err)
	}
	_, err = client.CreateTopic(t.Context(), &sns.CreateTopicInput{Name: aws.String("alarms"), Attributes: map[string]string{"DisplayName": "x"}})
	wantAPIError(t, err, "InvalidParameter", "Topic already exists with different attributes")
	for _, name := range []string{"", "a b", "jobs.fifo"} {
		_, err = client.CreateTopic(t.Context(), &sns.CreateTopicInput{Name: aws.String(name)})
		wantAPIError(t, err, "InvalidParameter", "Topic Name")
	}
}

func TestPublishIsRecorded(t *testing.T) {
	t.Parallel()
	s, client, arn := serveTopic(t)
	waiting := make(chan []localaws.Message)
	go func() {
		list, _ := s.AwaitMessages(t.Context(), 2)
		waiting <- list
	}()
	for _, body := range []string{"one & <two>", strings.Repeat("x", maxMessage-len("jobStringreport"))} {
		out, err := client.Publish(t.Context(), &sns.PublishInput{
			TopicArn: aws.String(arn), Message: aws.String(body), Subject: aws.String("FAILED report: exit code 3"),
			MessageAttributes: map[string]types.MessageAttributeValue{"job": textAttribute("report")},
		})
		if err != nil || aws.ToString(out.MessageId) == "" {
			t.Fatalf("got %+v, %v", out, err)
		}
	}
	want := localaws.Message{TopicARN: arn, Subject: "FAILED report: exit code 3", Body: "one & <two>", Attributes: map[string]localaws.Attribute{"job": {Type: "String", Value: "report"}}}
	if got := <-waiting; len(got) != 2 || !reflect.DeepEqual(got[0], want) {
		t.Errorf("got %+v, want the first to be %+v", got, want)
	}
	if s.Calls("Publish") != 2 || len(s.Published()) != 2 {
		t.Errorf("counted %d calls and %d messages, want 2", s.Calls("Publish"), len(s.Published()))
	}
}

func TestPublishRefuses(t *testing.T) {
	t.Parallel()
	s, client, arn := serveTopic(t)
	attribute := func(name string, value types.MessageAttributeValue) sns.PublishInput {
		return sns.PublishInput{MessageAttributes: map[string]types.MessageAttributeValue{name: value}}
	}
	for _, tt := range []struct {
		name          string
		in            sns.PublishInput
		code, message string
	}{
		{name: "an unknown topic", in: sns.PublishInput{TopicArn: aws.String(arn + "-2")}, code: "NotFound", message: "Topic does not exist"},
		{name: "a short ARN", in: sns.PublishInput{TopicArn: aws.String("results")}, code: "InvalidParameter", message: "An ARN must have at least 6 elements, not 1"},
		{name: "a phone number", in: sns.PublishInput{PhoneNumber: aws.String("+4930")}, code: "InvalidParameter", message: "PhoneNumber"},
		{name: "an empty message", in: sns.PublishInput{Message: aws.String("")}, code: "InvalidParameter", message: "Invalid parameter: Empty message"},
		{name: "a message that is too long", in: sns.PublishInput{Message: aws.String(strings.Repeat("x", maxMessage+1))}, code: "InvalidParameter", message: "Invalid parameter: Message too long"},
		{name: "a message that is too long with its attributes", in: sns.PublishInput{Message: aws.String(strings.Repeat("x", maxMessage-len("jobStringa")+1)), MessageAttributes: map[string]types.MessageAttributeValue{"job": textAttribute("a")}}, code: "InvalidParameter", message: "Message too long"},
		{name: "an empty subject", in: sns.PublishInput{Subject: aws.String("")}, code: "InvalidParameter", message: "Invalid parameter: Subject"},
		{name: "a subject of 100 characters", in: sns.PublishInput{Subject: aws.String(strings.Repeat("x", 100))}, code: "InvalidParameter", message: "Invalid parameter: Subject"},
		{name: "a subject with a line break", in: sns.PublishInput{Subject: aws.String("a\nb")}, code: "InvalidParameter", message: "Invalid parameter: Subject"},
		{name: "a subject with a control character", in: sns.PublishInput{Subject: aws.String("a\x1bb")}, code: "InvalidParameter", message: "Invalid parameter: Subject"},
		{name: "an attribute without a value", in: attribute("job", types.MessageAttributeValue{DataType: aws.String("String")}), code: "ParameterValueInvalid", message: "The message attribute 'job' must contain non-empty message attribute value for message attribute type 'String'."},
		{name: "an attribute with an empty value", in: attribute("job", textAttribute("")), code: "ParameterValueInvalid", message: "must contain non-empty message attribute value"},
		{name: "an attribute with the other kind of value", in: attribute("job", types.MessageAttributeValue{DataType: aws.String("String"), BinaryValue: []byte("x")}), code: "ParameterValueInvalid", message: "The message attribute 'job' with type 'String' must use field 'String'."},
		{name: "an attribute of an unknown type", in: attribute("job", types.MessageAttributeValue{DataType: aws.String("Text"), StringValue: aws.String("x")}), code: "ParameterValueInvalid", message: "The message attribute 'job' has an invalid message attribute type"},
		{name: "a number that is none", in: attribute("exitCode", numberAttribute("three")), code: "ParameterValueInvalid", message: "'exitCode'"},
		{name: "a number that only Go would read", in: attribute("exitCode", numberAttribute("0x1p-2")), code: "ParameterValueInvalid", message: "'exitCode'"},
		{name: "an attribute name with a space", in: attribute("exit code", textAttribute("x")), code: "ParameterValueInvalid", message: "'#x20'"},
		{name: "an attribute name with a dot at its start", in: attribute(".job", textAttribute("x")), code: "ParameterValueInvalid", message: "starting with character '.'"},
		{name: "an attribute name with a dot at its end", in: attribute("job.", textAttribute("x")), code: "ParameterValueInvalid", message: "ending with character '.'"},
		{name: "an attribute name with two dots", in: attribute("j..b", textAttribute("x")), code: "ParameterValueInvalid", message: "successive '.'"},
		{name: "an attribute name that is reserved", in: attribute("AWS.job", textAttribute("x")), code: "ParameterValueInvalid", message: "reserved"},
		{name: "an attribute name that is too long", in: attribute(strings.Repeat("x", 257), textAttribute("x")), code: "ParameterValueInvalid", message: "Length of message attribute name"},
		{name: "a structure that is no JSON", in: sns.PublishInput{MessageStructure: aws.String("json"), Message: aws.String("x")}, code: "InvalidParameter", message: "JSON message body failed to parse"},
		{name: "a structure without a default", in: sns.PublishInput{MessageStructure: aws.String("json"), Message: aws.String(`{"http":"x","default":1}`)}, code: "InvalidParameter", message: "No default entry in JSON message body"},
		{name: "an unknown structure", in: sns.PublishInput{MessageStructure: aws.String("xml")}, code: "InvalidParameter", message: "MessageStructure"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if tt.in.TopicArn == nil && tt.in.PhoneNumber == nil {
				tt.in.TopicArn = aws.String(arn)
			}
			if tt.in.Message == nil {
				tt.in.Message = aws.String("x")
			}
			_, err := client.Publish(t.Context(), &tt.in)
			wantAPIError(t, err, tt.code, tt.message)
		})
	}
	t.Cleanup(func() {
		if list := s.Published(); len(list) > 0 {
			t.Errorf("published all the same: %+v", list)
		}
	})
}

func TestPublishFaults(t *testing.T) {
	t.Parallel()
	s, client, arn := serveTopic(t)
	s.Inject(localaws.Fault{Operation: "Publish", Code: "InternalError", Message: "try again", Status: http.StatusInternalServerError})
	in := &sns.PublishInput{TopicArn: aws.String(arn), Message: aws.String("x")}
	_, err := client.Publish(t.Context(), in)
	if internal, ok := errors.AsType[*types.InternalErrorException](err); !ok || internal.ErrorMessage() != "try again" {
		t.Errorf("got %v, want the injected InternalError", err)
	}
	if _, err := client.Publish(t.Context(), in); err != nil || len(s.Published()) != 1 {
		t.Errorf("after the fault: %v, %+v", err, s.Published())
	}
}

func TestSubscribersGetTheEnvelope(t *testing.T) {
	t.Parallel()
	_, client, arn := serveTopic(t)
	endpoint, got := subscriber(t)
	subscription := subscribe(t, client, arn, endpoint, nil)
	out, err := client.Publish(t.Context(), &sns.PublishInput{
		TopicArn: aws.String(arn), Message: aws.String("<done>"), Subject: aws.String("SUCCEEDED"),
		MessageAttributes: map[string]types.MessageAttributeValue{
			"exitCode": numberAttribute("0"), "raw": {DataType: aws.String("Binary"), BinaryValue: []byte{1, 2}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	list, err := got.Await(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"x-amz-sns-message-type":     "Notification",
		"x-amz-sns-message-id":       aws.ToString(out.MessageId),
		"x-amz-sns-topic-arn":        arn,
		"x-amz-sns-subscription-arn": subscription,
	} {
		if value := list[0].header.Get(name); value != want {
			t.Errorf("header %s is %q, want %q", name, value, want)
		}
	}
	var body map[string]any
	if err := json.Unmarshal([]byte(list[0].body), &body); err != nil {
		t.Fatal(err)
	}
	if stamp, _ := body["Timestamp"].(string); len(stamp) != len("2026-11-20T02:07:41.233Z") {
		t.Errorf("the timestamp is %q", stamp)
	}
	delete(body, "Timestamp")
	want := `{"Message":"<done>","MessageAttributes":{"exitCode":{"Type":"Number","Value":"0"},"raw":{"Type":"Binary","Value":"AQI="}},` +
		`"MessageId":"` + aws.ToString(out.MessageId) + `","Subject":"SUCCEEDED","TopicArn":"` + arn + `","Type":"Notification"}`
	if text := string(host.EncodeJSON(body)); text != want {
		t.Errorf("got the envelope\n%s\nwant\n%s", text, want)
	}
}

func TestSubscribersGetRawMessagesAndTheirProtocolsText(t *testing.T) {
	t.Parallel()
	s, client, arn := serveTopic(t)
	endpoint, got := subscriber(t)
	subscribe(t, client, arn, endpoint, map[string]string{"RawMessageDelivery": "true"})
	_, err := client.Publish(t.Context(), &sns.PublishInput{
		TopicArn: aws.String(arn), Message: aws.String(`{"default":"for all","http":"for http","sqs":1}`), MessageStructure: aws.String("json"),
		MessageAttributes: map[string]types.MessageAttributeValue{"job": textAttribute("report")},
	})
	if err != nil {
		t.Fatal(err)
	}
	list, err := got.Await(t.Context(), 1)
	if err != nil || list[0].body != "for http" || list[0].header.Get("x-amz-sns-rawdelivery") != "true" {
		t.Errorf("got %+v, %v; want the raw text for http", list, err)
	}
	if attributes := s.Published()[0].Attributes; len(attributes) > 0 {
		t.Errorf("the attributes %v came along with a JSON structure", attributes)
	}
}

func TestDeliveryIsTriedAgain(t *testing.T) {
	t.Parallel()
	_, client, arn := serveTopic(t)
	failing, failed := subscriber(t, http.StatusInternalServerError, http.StatusTooManyRequests)
	refusing, refused := subscriber(t, http.StatusForbidden)
	subscribe(t, client, arn, failing, nil)
	subscribe(t, client, arn, refusing, nil)
	subscribe(t, client, arn, "http://127.0.0.1:1/nobody-is-there", nil)
	if _, err := client.Publish(t.Context(), &sns.PublishInput{TopicArn: aws.String(arn), Message: aws.String("x")}); err != nil {
		t.Fatal(err)
	}
	if list, err := failed.Await(t.Context(), 3); err != nil || list[0].body != list[2].body {
		t.Errorf("got %+v, %v; want the same message three times", list, err)
	}
	if list, err := refused.Await(t.Context(), 1); err != nil || len(list) != 1 {
		t.Errorf("an endpoint that answers 403 got %d requests, want 1: %v", len(list), err)
	}
}

func TestFilterPolicies(t *testing.T) {
	t.Parallel()
	attributes := map[string]types.MessageAttributeValue{
		"outcome": textAttribute("failure"), "job": textAttribute("billing-daily"), "exitCode": numberAttribute("3"), "many": {DataType: aws.String("String.Array"), StringValue: aws.String(`["a",true]`)},
		"raw": {DataType: aws.String("Binary"), BinaryValue: []byte("x")},
	}
	body := `{"status":"FAILED","containers":[{"name":"app","exitCode":3}]}`
	for _, tt := range []struct {
		name, policy, scope string
		want                bool
	}{
		{name: "no conditions", policy: `{ }`, want: true},
		{name: "the outcome", policy: `{"outcome":["failure"]}`, want: true},
		{name: "another outcome", policy: `{"outcome":["success"]}`},
		{name: "one of the outcomes", policy: `{"outcome":["skipped","failure"]}`, want: true},
		{name: "outcome and job", policy: `{"outcome":["failure"],"job":[{"prefix":"billing-"}]}`, want: true},
		{name: "outcome and another job", policy: `{"outcome":["failure"],"job":[{"prefix":"report-"}]}`},
		{name: "a key that the message has not", policy: `{"method":["run-task"]}`},
		{name: "a key that the message shall not have", policy: `{"method":[{"exists":false}]}`, want: true},
		{name: "a number", policy: `{"exitCode":[3.0]}`, want: true},
		{name: "a number as a string", policy: `{"exitCode":["3"]}`},
		{name: "a numeric range", policy: `{"exitCode":[{"numeric":[">",0,"<",126]}]}`, want: true},
		{name: "a number range on a string", policy: `{"outcome":[{"numeric":[">",0]}]}`},
		{name: "anything but", policy: `{"outcome":[{"anything-but":["success"]}]}`, want: true},
		{name: "suffix", policy: `{"job":[{"suffix":"-daily"}]}`, want: true},
		{name: "another case", policy: `{"job":[{"equals-ignore-case":"Billing-Daily"}]}`, want: true},
		{name: "an element of an array", policy: `{"many":["a"]}`, want: true},
		{name: "a Binary attribute is not seen", policy: `{"raw":[{"exists":true}]}`},
		{name: "a field of the body", policy: `{"containers":{"exitCode":[3]}}`, scope: "MessageBody", want: true},
		{name: "another value in the body", policy: `{"status":["SUCCEEDED"]}`, scope: "MessageBody"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, client, arn := serveTopic(t)
			endpoint, got := subscriber(t)
			filter := map[string]string{"FilterPolicy": tt.policy}
			if tt.scope != "" {
				filter["FilterPolicyScope"] = tt.scope
			}
			subscribe(t, client, arn, endpoint+"/filtered", filter)
			if _, err := client.Publish(t.Context(), &sns.PublishInput{TopicArn: aws.String(arn), Message: aws.String(body), MessageAttributes: attributes}); err != nil {
				t.Fatal(err)
			}
			// A second message, through a subscription without a policy, ends the
			// wait for a first one that does not come.
			want := 1
			if tt.want {
				want = 2
				if _, err := got.Await(t.Context(), 1); err != nil {
					t.Fatal(err)
				}
			}
			subscribe(t, client, arn, endpoint+"/all", nil)
			if _, err := client.Publish(t.Context(), &sns.PublishInput{TopicArn: aws.String(arn), Message: aws.String("{}"), MessageAttributes: map[string]types.MessageAttributeValue{"method": textAttribute("x")}}); err != nil {
				t.Fatal(err)
			}
			list, err := got.Await(t.Context(), want)
			if err != nil {
				t.Fatal(err)
			}
			first := slices.ContainsFunc(list, func(p posted) bool { return strings.Contains(p.body, "FAILED") })
			if first != tt.want {
				t.Errorf("%s: delivered %t, want %t", tt.policy, first, tt.want)
			}
		})
	}
}

func TestSubscriptionsCanBeChanged(t *testing.T) {
	t.Parallel()
	_, client, arn := serveTopic(t)
	endpoint, got := subscriber(t)
	subscription := subscribe(t, client, arn, endpoint, nil)
	if again := subscribe(t, client, arn, endpoint, nil); again != subscription {
		t.Errorf("subscribed twice, as %s and %s", subscription, again)
	}
	set := func(name, value string) error {
		_, err := client.SetSubscriptionAttributes(t.Context(), &sns.SetSubscriptionAttributesInput{
			SubscriptionArn: aws.String(subscription), AttributeName: aws.String(name), AttributeValue: aws.String(value),
		})
		return err
	}
	if err := errors.Join(set("RawMessageDelivery", "true"), set("FilterPolicy", `{"job":["a"]}`)); err != nil {
		t.Fatal(err)
	}
	for _, job := range []string{"b", "a"} {
		_, err := client.Publish(t.Context(), &sns.PublishInput{
			TopicArn: aws.String(arn), Message: aws.String("from " + job), MessageAttributes: map[string]types.MessageAttributeValue{"job": textAttribute(job)},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if list, err := got.Await(t.Context(), 1); err != nil || list[0].body != "from a" {
		t.Errorf("got %+v, %v; want the message of job a only", list, err)
	}
	list, err := client.ListSubscriptionsByTopic(t.Context(), &sns.ListSubscriptionsByTopicInput{TopicArn: aws.String(arn)})
	if err != nil || len(list.Subscriptions) != 1 || aws.ToString(list.Subscriptions[0].Endpoint) != endpoint || aws.ToString(list.Subscriptions[0].SubscriptionArn) != subscription {
		t.Errorf("got the subscriptions %+v, %v", list, err)
	}
	wantAPIError(t, set("RawMessageDelivery", "yes"), "InvalidParameter", "RawMessageDelivery: Invalid value [yes]. Must be true or false.")
	wantAPIError(t, set("FilterPolicy", `{"job":"a"}`), "InvalidParameter", "job must be an array")
	wantAPIError(t, set("RedrivePolicy", `{}`), "InvalidParameter", "RedrivePolicy")
	if _, err := client.Unsubscribe(t.Context(), &sns.UnsubscribeInput{SubscriptionArn: aws.String(subscription)}); err != nil {
		t.Fatal(err)
	}
	list, err = client.ListSubscriptionsByTopic(t.Context(), &sns.ListSubscriptionsByTopicInput{TopicArn: aws.String(arn)})
	if err != nil || len(list.Subscriptions) != 0 {
		t.Errorf("got the subscriptions %+v, %v; want none", list, err)
	}
	wantAPIError(t, set("RawMessageDelivery", "true"), "NotFound", "Subscription does not exist")
}

func TestSubscribeRefuses(t *testing.T) {
	t.Parallel()
	_, client, arn := serveTopic(t)
	for _, tt := range []struct {
		name          string
		in            sns.SubscribeInput
		code, message string
	}{
		{name: "an unknown topic", in: sns.SubscribeInput{TopicArn: aws.String(arn + "-2")}, code: "NotFound", message: "Topic does not exist"},
		{name: "another protocol", in: sns.SubscribeInput{Protocol: aws.String("sqs"), Endpoint: aws.String("arn:aws:sqs:eu-west-1:123456789012:q")}, code: "InvalidParameter", message: "by http and https only, and knows email, not \"sqs\""},
		{name: "no e-mail address", in: sns.SubscribeInput{Protocol: aws.String("email"), Endpoint: aws.String("ops")}, code: "InvalidParameter", message: "Email address"},
		{name: "raw e-mails", in: sns.SubscribeInput{Protocol: aws.String("email"), Endpoint: aws.String("ops@example.com"), Attributes: map[string]string{"RawMessageDelivery": "true"}}, code: "InvalidParameter", message: "Delivery protocol [email] does not support raw message delivery."},
		{name: "another machine", in: sns.SubscribeInput{Endpoint: aws.String("http://192.0.2.1/")}, code: "InvalidParameter", message: "loopback addresses only"},
		{name: "an endpoint of another protocol", in: sns.SubscribeInput{Endpoint: aws.String("https://localhost/")}, code: "InvalidParameter", message: "Endpoint must match the specified protocol"},
		{name: "a nested policy for attributes", in: sns.SubscribeInput{Attributes: map[string]string{"FilterPolicy": `{"a":{"b":["x"]}}`}}, code: "InvalidParameter", message: "does not support nested filter policy"},
		{name: "a policy with six keys", in: sns.SubscribeInput{Attributes: map[string]string{"FilterPolicyScope": "MessageBody", "FilterPolicy": `{"a":["x"],"b":["x"],"c":["x"],"d":["x"],"e":{"f":["x"],"g":["x"]}}`}}, code: "InvalidParameter", message: "can not have more than 5 keys"},
		{name: "a policy that is no JSON", in: sns.SubscribeInput{Attributes: map[string]string{"FilterPolicy": `{`}}, code: "InvalidParameter", message: "Invalid parameter: Attributes Reason: FilterPolicy: the event pattern is not valid JSON"},
		{name: "an unknown scope", in: sns.SubscribeInput{Attributes: map[string]string{"FilterPolicyScope": "Subject"}}, code: "InvalidParameter", message: "Attributes Reason: FilterPolicyScope: Invalid value [Subject]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if tt.in.TopicArn == nil {
				tt.in.TopicArn = aws.String(arn)
			}
			if tt.in.Protocol == nil {
				tt.in.Protocol = aws.String("http")
			}
			if tt.in.Endpoint == nil {
				tt.in.Endpoint = aws.String("http://127.0.0.1:1/")
			}
			_, err := client.Subscribe(t.Context(), &tt.in)
			wantAPIError(t, err, tt.code, tt.message)
		})
	}
}

func TestUnknownActionIsNamed(t *testing.T) {
	t.Parallel()
	_, client, arn := serveTopic(t)
	_, err := client.DeleteTopic(t.Context(), &sns.DeleteTopicInput{TopicArn: aws.String(arn)})
	wantAPIError(t, err, "UnknownOperationException", "DeleteTopic")
}
