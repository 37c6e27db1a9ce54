package sqs_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"errand/pkg/localaws"
	"errand/pkg/localaws/localtest"
)

// stand is a server with a queue.
type stand struct {
	*localaws.Server
	client *sqs.Client
	url    string
}

func serve(t *testing.T, functions ...localaws.Function) *stand {
	t.Helper()
	s, _ := localtest.ServeFunctions(t, functions...)
	client := sqs.NewFromConfig(s.Config(), func(o *sqs.Options) { o.Retryer = aws.NopRetryer{} })
	out, err := client.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("letters")})
	if err != nil {
		t.Fatal(err)
	}
	return &stand{s, client, *out.QueueUrl}
}

func (s *stand) send(t *testing.T, body string) {
	t.Helper()
	if _, err := s.client.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &s.url, MessageBody: &body}); err != nil {
		t.Fatal(err)
	}
}

func (s *stand) receive(t *testing.T, in sqs.ReceiveMessageInput) []types.Message {
	t.Helper()
	in.QueueUrl = &s.url
	out, err := s.client.ReceiveMessage(t.Context(), &in)
	if err != nil {
		t.Fatal(err)
	}
	return out.Messages
}

func (s *stand) hide(t *testing.T, m types.Message, seconds int32) error {
	t.Helper()
	_, err := s.client.ChangeMessageVisibility(t.Context(), &sqs.ChangeMessageVisibilityInput{QueueUrl: &s.url, ReceiptHandle: m.ReceiptHandle, VisibilityTimeout: seconds})
	return err
}

// counts are the visible, the delayed and the hidden messages.
func (s *stand) counts(t *testing.T) string {
	t.Helper()
	out, err := s.client.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: &s.url, AttributeNames: []types.QueueAttributeName{"All"}})
	if err != nil {
		t.Fatal(err)
	}
	const prefix = "ApproximateNumberOfMessages"
	return out.Attributes[prefix] + " " + out.Attributes[prefix+"Delayed"] + " " + out.Attributes[prefix+"NotVisible"]
}

func bodies(messages []types.Message) (all []string) {
	for _, m := range messages {
		all = append(all, *m.Body)
	}
	return all
}

func TestQueues(t *testing.T) {
	t.Parallel()
	s := serve(t)
	create := func(name string, attributes map[string]string) error {
		_, err := s.client.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &name, Attributes: attributes})
		return err
	}
	if err := errors.Join(create("letters", nil), create("letters", map[string]string{"VisibilityTimeout": "30"}), create("lessons", map[string]string{"MessageRetentionPeriod": "1209600"}), create("other", nil)); err != nil {
		t.Fatal(err)
	}
	localtest.Refused(t, create("letters", map[string]string{"VisibilityTimeout": "31"}), "QueueAlreadyExists", "with the same name and a different value for attribute VisibilityTimeout")
	localtest.Refused(t, create("a b", nil), "InvalidParameterValue", "1 to 80 in length")
	localtest.Refused(t, create("a.fifo", nil), "AWS.SimpleQueueService.UnsupportedOperation", "FIFO")
	localtest.Refused(t, create("x", map[string]string{"DelaySeconds": "901"}), "InvalidAttributeValue", "DelaySeconds")
	localtest.Refused(t, create("x", map[string]string{"RedrivePolicy": "{}"}), "InvalidAttributeName", "RedrivePolicy")

	url := func(name string) string { return s.URL() + "/123456789012/" + name }
	var pages [][]string
	pager := sqs.NewListQueuesPaginator(s.client, &sqs.ListQueuesInput{QueueNamePrefix: aws.String("l"), MaxResults: aws.Int32(1)})
	for pager.HasMorePages() {
		page, err := pager.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, page.QueueUrls)
	}
	if diff := cmp.Diff([][]string{{url("lessons")}, {url("letters")}}, pages); diff != "" {
		t.Errorf("queues: %s", diff)
	}
	got, err := s.client.GetQueueUrl(t.Context(), &sqs.GetQueueUrlInput{QueueName: aws.String("other")})
	if err != nil || aws.ToString(got.QueueUrl) != url("other") {
		t.Errorf("got %v, %v", got, err)
	}
	_, err = s.client.GetQueueUrl(t.Context(), &sqs.GetQueueUrlInput{QueueName: aws.String("none")})
	localtest.Refused(t, err, "AWS.SimpleQueueService.NonExistentQueue", "The specified queue does not exist.")
	if _, ok := errors.AsType[*types.QueueDoesNotExist](err); !ok {
		t.Errorf("got %T", err)
	}
	if madeURL, arn, err := s.AddQueue("other"); madeURL != url("other") || arn != "arn:aws:sqs:eu-west-1:123456789012:other" || err != nil {
		t.Errorf("AddQueue gave %s, %s, %v", madeURL, arn, err)
	}
	if _, _, err := s.AddQueue("a b"); err == nil {
		t.Error("AddQueue takes any name")
	}
}

func TestQueueAttributes(t *testing.T) {
	t.Parallel()
	s := serve(t)
	before := time.Now().Unix()
	get := func(names ...types.QueueAttributeName) (map[string]string, error) {
		url := strings.Replace(s.url, "127.0.0.1", "localhost", 1) // as well
		out, err := s.client.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: names})
		if err != nil {
			return nil, err
		}
		return out.Attributes, nil
	}
	all, err := get("All")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"CreatedTimestamp", "LastModifiedTimestamp"} {
		var at int64
		if _, err := fmt.Sscan(all[name], &at); err != nil || at > time.Now().Unix() || at < before-60 {
			t.Errorf("%s is %s", name, all[name])
		}
		delete(all, name)
	}
	want := map[string]string{
		"ApproximateNumberOfMessages": "0", "ApproximateNumberOfMessagesDelayed": "0", "ApproximateNumberOfMessagesNotVisible": "0",
		"DelaySeconds": "0", "MaximumMessageSize": "1048576", "MessageRetentionPeriod": "345600", "ReceiveMessageWaitTimeSeconds": "0",
		"VisibilityTimeout": "30", "QueueArn": "arn:aws:sqs:eu-west-1:123456789012:letters",
	}
	if diff := cmp.Diff(want, all); diff != "" {
		t.Error(diff)
	}
	some, err := get("QueueArn", "Policy")
	if diff := cmp.Diff(map[string]string{"QueueArn": "arn:aws:sqs:eu-west-1:123456789012:letters"}, some); err != nil || diff != "" {
		t.Error(err, diff)
	}
	if none, err := get(); len(none) != 0 || err != nil {
		t.Errorf("got %v, %v", none, err)
	}
	_, err = get("Colour")
	localtest.Refused(t, err, "InvalidAttributeName", "Unknown Attribute Colour.")
}

func TestMessagesAreHiddenFromOthers(t *testing.T) {
	t.Parallel()
	s := serve(t)
	for _, body := range []string{"a", "b", "c"} {
		s.send(t, body)
	}
	want := func(counts string, got []types.Message, wantBodies ...string) {
		t.Helper()
		if diff := cmp.Diff(wantBodies, bodies(got)); diff != "" {
			t.Errorf("messages: %s", diff)
		}
		if n := s.counts(t); n != counts {
			t.Errorf("the queue has %s, want %s", n, counts)
		}
	}
	remove := func(handle string) error {
		_, err := s.client.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: &s.url, ReceiptHandle: &handle})
		return err
	}
	first := s.receive(t, sqs.ReceiveMessageInput{})
	want("2 0 1", first, "a")
	rest := s.receive(t, sqs.ReceiveMessageInput{MaxNumberOfMessages: 10})
	want("0 0 3", rest, "b", "c")
	want("0 0 3", s.receive(t, sqs.ReceiveMessageInput{}))
	if err := s.hide(t, first[0], 0); err != nil {
		t.Fatal(err)
	}
	again := s.receive(t, sqs.ReceiveMessageInput{MessageSystemAttributeNames: []types.MessageSystemAttributeName{"ApproximateReceiveCount"}})
	want("0 0 3", again, "a")
	if diff := cmp.Diff(map[string]string{"ApproximateReceiveCount": "2"}, again[0].Attributes); diff != "" {
		t.Error(diff)
	}
	if *again[0].ReceiptHandle == *first[0].ReceiptHandle || *again[0].MessageId != *first[0].MessageId {
		t.Errorf("got %+v after %+v", again[0], first[0])
	}
	if err := remove(*first[0].ReceiptHandle); err != nil { // which does nothing
		t.Error(err)
	}
	localtest.Refused(t, s.hide(t, first[0], 0), "InvalidParameterValue", "Message does not exist or is not available for visibility timeout change.")
	want("0 0 3", nil)
	if err := errors.Join(remove(*again[0].ReceiptHandle), remove(*again[0].ReceiptHandle), s.hide(t, rest[0], 0)); err != nil {
		t.Error(err)
	}
	want("1 0 1", nil)
	localtest.Refused(t, s.hide(t, rest[0], 5), "InvalidParameterValue", "Message does not exist or is not available for visibility timeout change.")
	localtest.Refused(t, s.hide(t, rest[1], 43_201), "InvalidParameterValue", "Must be between 0 and 43200")
	if err := remove(*rest[0].ReceiptHandle); err != nil { // visible or not
		t.Error(err)
	}
	localtest.Refused(t, remove("nonsense"), "ReceiptHandleIsInvalid", "not a valid receipt handle")
	want("0 0 1", nil)
}

func TestReceiveWaits(t *testing.T) {
	t.Parallel()
	s := serve(t)
	received := make(chan []string)
	wait := func() {
		out, err := s.client.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &s.url, WaitTimeSeconds: 20, VisibilityTimeout: 1})
		if err != nil {
			t.Error(err)
			received <- nil
			return
		}
		received <- bodies(out.Messages)
	}
	for _, why := range []string{"it is sent", "it is visible again"} {
		go wait()
		if why == "it is sent" {
			s.send(t, "news")
		}
		if diff := cmp.Diff([]string{"news"}, <-received); diff != "" {
			t.Errorf("%s: %s", why, diff)
		}
	}
	// A delay hides it from the start, and then lets it through.
	if _, err := s.client.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &s.url, MessageBody: aws.String("late"), DelaySeconds: 900}); err != nil {
		t.Fatal(err)
	}
	if got := s.counts(t); !strings.HasSuffix(got, " 1 0") && !strings.HasSuffix(got, " 1 1") {
		t.Errorf("the queue has %s, want one that is delayed", got)
	}
	_, err := s.client.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &s.url, WaitTimeSeconds: 21})
	localtest.Refused(t, err, "InvalidParameterValue", "Value 21 for parameter WaitTimeSeconds is invalid. Reason: Must be between 0 and 20, if provided.")
}

// TestCloseEndsWaiting closes the server, which waits for what it serves, under
// a receiver.
func TestCloseEndsWaiting(t *testing.T) {
	t.Parallel()
	s := serve(t)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = s.client.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &s.url, WaitTimeSeconds: 20})
	}()
	for s.Calls("ReceiveMessage") == 0 {
		if _, err := s.client.ListQueues(t.Context(), &sqs.ListQueuesInput{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	<-ended
}

func TestMessageAttributes(t *testing.T) {
	t.Parallel()
	s := serve(t)
	sent := map[string]types.MessageAttributeValue{
		"attribName1":            {DataType: aws.String("String"), StringValue: aws.String("attribValue 1")},
		"customNumberTypeAttrib": {DataType: aws.String("Number.float"), StringValue: aws.String("4563442423554324324264524243.32543234")},
		"binaryAttribute":        {DataType: aws.String("Binary"), BinaryValue: []byte("Hello binary world!")},
	}
	out, err := s.client.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &s.url, MessageBody: aws.String("{\"a\": \"<ä>\"}\n"), MessageAttributes: sent})
	if err != nil {
		t.Fatal(err)
	}
	// As https://npmjs.com/package/aws-md5-of-message-attributes has them.
	if sum := aws.ToString(out.MD5OfMessageAttributes); sum != "c932db14a896c663f83c260297d594ff" {
		t.Errorf("got the checksum %s", sum)
	}
	for _, tt := range []struct {
		asked []string
		sum   string
		want  []string
	}{
		{asked: nil},
		{asked: []string{"All"}, sum: "c932db14a896c663f83c260297d594ff", want: []string{"attribName1", "binaryAttribute", "customNumberTypeAttrib"}},
		{asked: []string{".*"}, sum: "c932db14a896c663f83c260297d594ff", want: []string{"attribName1", "binaryAttribute", "customNumberTypeAttrib"}},
		{asked: []string{"attrib.*", "other"}, sum: "19e27d4e946b072f3f58da80d94fd778", want: []string{"attribName1"}},
		{asked: []string{"customNumberTypeAttrib"}, sum: "9fe1b90bbd9965bdf77bac517c7d2495", want: []string{"customNumberTypeAttrib"}},
		{asked: []string{"binaryAttribute"}, sum: "31a92b15d92f8db860eda32aceb656c3", want: []string{"binaryAttribute"}},
	} {
		got := s.receive(t, sqs.ReceiveMessageInput{MessageAttributeNames: tt.asked})
		if len(got) != 1 {
			t.Fatalf("got %+v", got)
		}
		if err := s.hide(t, got[0], 0); err != nil { // it is for the next row, too
			t.Fatal(err)
		}
		want := types.Message{MessageId: out.MessageId, Body: aws.String("{\"a\": \"<ä>\"}\n"), MD5OfBody: out.MD5OfMessageBody}
		if tt.sum != "" {
			want.MD5OfMessageAttributes, want.MessageAttributes = &tt.sum, map[string]types.MessageAttributeValue{}
		}
		for _, name := range tt.want {
			want.MessageAttributes[name] = sent[name]
		}
		if diff := cmp.Diff(want, got[0], cmpopts.IgnoreUnexported(types.Message{}, types.MessageAttributeValue{}), cmpopts.IgnoreFields(types.Message{}, "ReceiptHandle")); diff != "" {
			t.Errorf("%q: %s", tt.asked, diff)
		}
	}
}

func TestSystemAttributes(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.send(t, "a")
	got := s.receive(t, sqs.ReceiveMessageInput{AttributeNames: []types.QueueAttributeName{"All"}}) //nolint:staticcheck // the older name, which is still in use
	attributes := got[0].Attributes
	for _, name := range []string{"SentTimestamp", "ApproximateFirstReceiveTimestamp"} {
		var at int64
		if _, err := fmt.Sscan(attributes[name], &at); err != nil || time.Since(time.UnixMilli(at)).Abs() > time.Hour {
			t.Errorf("%s is %s", name, attributes[name])
		}
		delete(attributes, name)
	}
	if diff := cmp.Diff(map[string]string{"ApproximateReceiveCount": "1", "SenderId": "123456789012"}, attributes); diff != "" {
		t.Error(diff)
	}
	_, err := s.client.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &s.url, MessageSystemAttributeNames: []types.MessageSystemAttributeName{"Colour"}})
	localtest.Refused(t, err, "InvalidAttributeName", "Unknown Attribute Colour.")
}

func TestSendRefuses(t *testing.T) {
	t.Parallel()
	s := serve(t)
	text := func(name, kind, value string) map[string]types.MessageAttributeValue {
		return map[string]types.MessageAttributeValue{name: {DataType: &kind, StringValue: &value}}
	}
	many := map[string]types.MessageAttributeValue{}
	for i := range 11 {
		many[fmt.Sprint("a", i)] = text("", "String", "x")[""]
	}
	for _, tt := range []struct {
		name          string
		in            sqs.SendMessageInput
		code, message string
	}{
		{"no body", sqs.SendMessageInput{MessageBody: aws.String("")}, "MissingParameter", "MessageBody"},
		{"a control character", sqs.SendMessageInput{MessageBody: aws.String("a\x01")}, "InvalidMessageContents", "'#x1' was found in the message body"},
		{"too long a body", sqs.SendMessageInput{MessageBody: aws.String(strings.Repeat("x", 1<<20+1))}, "InvalidParameterValue", "Message must be shorter than 1048576 bytes."},
		{"too long with its attributes", sqs.SendMessageInput{MessageBody: aws.String(strings.Repeat("x", 1<<20-7)), MessageAttributes: text("a", "String", "x")}, "InvalidParameterValue", "Message must be shorter"},
		{"too long a delay", sqs.SendMessageInput{DelaySeconds: 901}, "InvalidParameterValue", "Must be between 0 and 900"},
		{"too many attributes", sqs.SendMessageInput{MessageAttributes: many}, "InvalidParameterValue", "Number of message attributes [11] exceeds the allowed maximum [10]."},
		{"a reserved name", sqs.SendMessageInput{MessageAttributes: text("AWS.a", "String", "x")}, "InvalidParameterValue", "'AWS.a' is invalid"},
		{"a name with two dots", sqs.SendMessageInput{MessageAttributes: text("a..b", "String", "x")}, "InvalidParameterValue", "'a..b' is invalid"},
		{"an unknown type", sqs.SendMessageInput{MessageAttributes: text("a", "Text", "x")}, "InvalidParameterValue", "Binary, Number, String"},
		{"an empty value", sqs.SendMessageInput{MessageAttributes: text("a", "String", "")}, "InvalidParameterValue", "non-empty value"},
		{"text for bytes", sqs.SendMessageInput{MessageAttributes: text("a", "Binary", "x")}, "InvalidParameterValue", "non-empty value of type 'Binary'"},
		{"another queue", sqs.SendMessageInput{QueueUrl: aws.String(s.url + "s")}, "AWS.SimpleQueueService.NonExistentQueue", "does not exist"},
		{"no URL", sqs.SendMessageInput{QueueUrl: aws.String("letters")}, "InvalidAddress", "The address letters is not valid"},
		{"a trace", sqs.SendMessageInput{MessageSystemAttributes: map[string]types.MessageSystemAttributeValue{"AWSTraceHeader": {DataType: aws.String("String"), StringValue: aws.String("x")}}}, "AWS.SimpleQueueService.UnsupportedOperation", "system attributes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if tt.in.QueueUrl == nil {
				tt.in.QueueUrl = &s.url
			}
			if tt.in.MessageBody == nil {
				tt.in.MessageBody = aws.String("a")
			}
			_, err := s.client.SendMessage(t.Context(), &tt.in)
			localtest.Refused(t, err, tt.code, tt.message)
		})
	}
}

func TestPurge(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.send(t, "a")
	s.send(t, "b")
	s.receive(t, sqs.ReceiveMessageInput{})
	purge := func() error {
		_, err := s.client.PurgeQueue(t.Context(), &sqs.PurgeQueueInput{QueueUrl: &s.url})
		return err
	}
	if err := purge(); err != nil {
		t.Fatal(err)
	}
	if n := s.counts(t); n != "0 0 0" {
		t.Errorf("the queue has %s", n)
	}
	localtest.Refused(t, purge(), "AWS.SimpleQueueService.PurgeQueueInProgress", "Only one PurgeQueue operation on letters is allowed every 60 seconds.")
}

// TestDeadLetters has functions give up events: what has come is what can be
// sent to them again.
func TestDeadLetters(t *testing.T) {
	t.Parallel()
	launcher, failures := localtest.Program(t, "launcher"), localtest.Program(t, "failures")
	launcher.OnFailure, launcher.MaximumRetryAttempts = "failures", new(0)
	launcher.DeadLetterQueue = "arn:aws:sqs:eu-west-1:123456789012:letters"
	failures.DeadLetterQueue = "arn:aws:sqs:eu-west-1:123456789012:none"
	failures.Env["LOCALAWS_TEST_BOOTSTRAP"], failures.MaximumRetryAttempts = "exit", new(0)
	s, watched := localtest.ServeFunctions(t, launcher, failures)
	client := sqs.NewFromConfig(s.Config())
	url, _, err := s.AddQueue("letters")
	if err != nil {
		t.Fatal(err)
	}
	event := `{ "fail": "` + strings.Repeat("ä", 600) + `" }`
	if err := s.InvokeAsync("launcher", []byte(event)); err != nil {
		t.Fatal(err)
	}
	got, err := client.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url, WaitTimeSeconds: 20, MessageAttributeNames: []string{"All"}})
	if err != nil || len(got.Messages) != 1 {
		t.Fatalf("got %+v, %v", got, err)
	}
	m := got.Messages[0]
	kinds := map[string]string{}
	for name, a := range m.MessageAttributes {
		kinds[name] = *a.DataType + " " + *a.StringValue
	}
	if id := strings.TrimPrefix(kinds["RequestID"], "String "); len(id) != 36 {
		t.Errorf("the request id is %q", id)
	}
	delete(kinds, "RequestID")
	want := map[string]string{"ErrorCode": "Number 200", "ErrorMessage": "String " + strings.Repeat("ä", 512)}
	if diff := cmp.Diff(want, kinds); diff != "" || *m.Body != event {
		t.Errorf("got %s with %s", *m.Body, diff)
	}
	// The failure function is told as well. Its own queue is not there.
	if list, err := s.AwaitDeadLetters(t.Context(), 1); err != nil || list[0].Function != "failures" {
		t.Errorf("got the dead letters %+v, %v", list, err)
	}
	if !slices.ContainsFunc(watched.Lines("failures"), func(line string) bool {
		return strings.HasSuffix(line, " not sent to the dead-letter queue arn:aws:sqs:eu-west-1:123456789012:none: QueueDoesNotExist: The specified queue does not exist.")
	}) {
		t.Errorf("got the lines %q", watched.Lines("failures"))
	}
}
