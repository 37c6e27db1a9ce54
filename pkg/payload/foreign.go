package payload

import (
	"strings"
)

// foreign is what reaches a function and is no payload.
type foreign struct {
	what   string // it is
	advice string
	// waits says that the sender takes any answer for a success: it is given an
	// error, so that it keeps what it sent, or says that it failed.
	waits  bool
	source string // as the event itself names it
}

func (f foreign) String() string { return "this is " + f.what + ", not a job payload; " + f.advice }

// What is done about the most common senders.
const (
	byQueue  = "take the function's event source mapping away, and let a pipe (EventBridge Pipes, batch size 1) with an input template make a payload of each message, or send Errand Job events in place of messages"
	byStream = "take the function's event source mapping away, and let a pipe (EventBridge Pipes, batch size 1) with an input template make a payload of each record"
	byHTTP   = "errand has no HTTP interface: let the API send an Errand Job event (EventBridge PutEvents), or invoke the launcher with the payload itself"
	byBus    = "let a rule of EventBridge with an input transformer make a payload of it"
	byTask   = "invoke the function with the payload itself, in which job is required"
	byRule   = "the service's events come through EventBridge too: let a rule with an input transformer make a payload of them"
	notFor   = "errand starts commands on ECS and cannot answer it: name another function there"
	template = "the pipe has no input template: give it one that makes a payload of each"
)

// records are the senders of records, by the eventSource that each record has
// (https://docs.aws.amazon.com/lambda/latest/dg/lambda-services.html has a page with an
// event for each service).
var records = map[string]foreign{
	"aws:sqs":          {what: "an SQS batch", advice: byQueue, waits: true},
	"aws:sns":          {what: "an SNS notification", advice: "SNS has no transformer: send Errand Job events in place of messages, or let the topic feed a queue and a pipe (EventBridge Pipes, batch size 1) make a payload of each message"},
	"aws:s3":           {what: "an S3 notification", advice: "switch on the bucket's notifications to EventBridge, and let a rule with an input transformer make a payload of them"},
	"aws:kinesis":      {what: "a batch of Kinesis records", advice: byStream, waits: true},
	"aws:dynamodb":     {what: "a DynamoDB stream batch", advice: byStream, waits: true},
	"aws:ses":          {what: "an e-mail that SES received", advice: "let the receipt rule publish to SNS or S3, and send Errand Job events from there"},
	"aws:codecommit":   {what: "a CodeCommit trigger", advice: byRule},
	"aws:kafka":        {what: "a batch of Kafka records (Amazon MSK)", advice: byStream, waits: true},
	"SelfManagedKafka": {what: "a batch of Kafka records", advice: byStream, waits: true},
	"aws:mq":           {what: "a batch of Amazon MQ messages (ActiveMQ)", advice: byQueue, waits: true},
	"aws:amq":          {what: "a batch of Amazon MQ messages (ActiveMQ)", advice: byQueue, waits: true},
	"aws:rmq":          {what: "a batch of Amazon MQ messages (RabbitMQ)", advice: byQueue, waits: true},
	"aws:docdb":        {what: "a batch of DocumentDB changes", advice: byStream, waits: true},
}

// shapes are all other senders, by the fields that their events have, each as a path
// with or without a value. Of several that match, the first counts.
var shapes = []struct {
	has string
	foreign
}{
	{"Records.cf", foreign{what: "a CloudFront request (Lambda@Edge)", advice: notFor, waits: true}},
	{"Service=Amazon+S3 Event=s3:TestEvent", foreign{what: "the test event of an S3 notification", advice: "switch on the bucket's notifications to EventBridge in its place", source: "aws:s3"}},
	{"requestContext.elb", foreign{what: "a request of an Application Load Balancer", advice: byHTTP, waits: true}},
	{"requestContext.connectionId", foreign{what: "a message of a WebSocket API (API Gateway)", advice: byHTTP, waits: true}},
	{"requestContext.http.method", foreign{what: "a request of an HTTP API (API Gateway) or of a function URL", advice: byHTTP, waits: true}},
	{"type=REQUEST methodArn", foreign{what: "a question to a Lambda authorizer (API Gateway)", advice: notFor, waits: true}},
	{"type=TOKEN methodArn", foreign{what: "a question to a Lambda authorizer (API Gateway)", advice: notFor, waits: true}},
	{"type=REQUEST routeArn", foreign{what: "a question to a Lambda authorizer (API Gateway)", advice: notFor, waits: true}},
	{"httpMethod requestContext", foreign{what: "an API Gateway request", advice: byHTTP, waits: true}},
	{"httpMethod path", foreign{what: "an API Gateway request", advice: byHTTP, waits: true}},
	{"raw_path method headers", foreign{what: "a request of VPC Lattice", advice: byHTTP, waits: true}},
	{"version=2.0 requestContext.serviceArn", foreign{what: "a request of VPC Lattice", advice: byHTTP, waits: true}},
	{"rawPath routeKey", foreign{what: "a request of an HTTP API (API Gateway) or of a function URL", advice: byHTTP, waits: true}},
	{"requestContext.functionArn requestPayload", foreign{what: "the record of a failed or ended Lambda invocation", advice: "what is in its requestPayload is what that function was sent; send that to the function"}},
	{"Type=Notification TopicArn", foreign{what: "an SNS notification", advice: "SNS has no transformer: send Errand Job events in place of messages", source: "aws:sns"}},
	{"Type=SubscriptionConfirmation TopicArn", foreign{what: "an SNS subscription's confirmation", advice: "errand's functions are no subscribers of topics", source: "aws:sns"}},
	{"messageType=DATA_MESSAGE logGroup logEvents", foreign{what: "a batch of CloudWatch Logs (subscription filter)", advice: "take the subscription filter away: errand starts commands, and reads the logs of its runs itself"}},
	{"awslogs.data", foreign{what: "a batch of CloudWatch Logs (subscription filter)", advice: "take the subscription filter away: errand starts commands, and reads the logs of its runs itself"}},
	{"alarmArn alarmData", foreign{what: "an action of a CloudWatch alarm", advice: "the alarm's changes come through EventBridge too: let a rule with an input transformer make a payload of them", source: "aws.cloudwatch"}},
	{"AlarmName NewStateValue", foreign{what: "the message of a CloudWatch alarm", advice: byRule}},
	{"triggerSource userPoolId", foreign{what: "a trigger of a Cognito user pool", advice: notFor, waits: true}},
	{"identityPoolId datasetName", foreign{what: "a trigger of Cognito Sync", advice: notFor, waits: true}},
	{"deliveryStreamArn records", foreign{what: "a batch for a Firehose transformation", advice: notFor, waits: true}},
	{"applicationArn records", foreign{what: "a batch for Kinesis Data Analytics", advice: notFor, waits: true}},
	{"CodePipeline/job", foreign{what: "a CodePipeline job", advice: "the pipeline waits for PutJobSuccessResult, which errand does not send: use the pipeline's action for EventBridge or ECS, or a Lambda function that starts the run"}},
	{"DeploymentId LifecycleEventHookExecutionId", foreign{what: "a lifecycle hook of CodeDeploy", advice: notFor}},
	{"RequestType ResponseURL StackId", foreign{what: "a request of a CloudFormation custom resource", advice: "CloudFormation waits for an answer at its ResponseURL, which errand does not send; start the run from the deployment itself, by errand start"}},
	{"typeName arguments identity", foreign{what: "an AppSync request", advice: byHTTP, waits: true}},
	{"info.fieldName arguments", foreign{what: "an AppSync request", advice: byHTTP, waits: true}},
	{"sessionState bot", foreign{what: "a request of Amazon Lex", advice: notFor, waits: true}},
	{"currentIntent bot", foreign{what: "a request of Amazon Lex", advice: notFor, waits: true}},
	{"request.intent session", foreign{what: "an Alexa request", advice: notFor, waits: true}},
	{"request.type session", foreign{what: "an Alexa request", advice: notFor, waits: true}},
	{"directive.header", foreign{what: "an Alexa directive", advice: notFor, waits: true}},
	{"Details.ContactData", foreign{what: "a request of Amazon Connect", advice: notFor, waits: true}},
	{"messageVersion agent actionGroup", foreign{what: "a request of an Amazon Bedrock agent", advice: notFor, waits: true}},
	{"invokingEvent configRuleName", foreign{what: "an evaluation of an AWS Config rule", advice: "the rule's findings come through EventBridge too: let a rule with an input transformer make a payload of them"}},
	{"authorizationToken requestContext.apiId", foreign{what: "a question to a Lambda authorizer (AppSync)", advice: notFor, waits: true}},
	{"connection-id endpoint-id", foreign{what: "a question of AWS Client VPN", advice: notFor, waits: true}},
	{"protocolData protocols", foreign{what: "a question to an AWS IoT authorizer", advice: notFor, waits: true}},
	{"certificateId templateArn", foreign{what: "a provisioning hook of AWS IoT", advice: notFor, waits: true}},
	{"invocationSchemaVersion tasks", foreign{what: "a task of S3 Batch Operations", advice: notFor, waits: true}},
	{"userRequest xAmzRequestId", foreign{what: "a request of S3 Object Lambda", advice: notFor, waits: true}},
	{"SecretId ClientRequestToken Step", foreign{what: "a rotation of Secrets Manager", advice: notFor}},
	{"Execution.StateMachine", foreign{what: "the context of a Step Functions execution", advice: byTask, waits: true}},
	{"Execution.Id StateMachine.Id", foreign{what: "the context of a Step Functions execution", advice: byTask, waits: true}},
	{"FunctionName Payload", foreign{what: "the arguments of a Lambda invocation", advice: "the payload is what is in Payload: let the state or the program send that", waits: true}},
	{"TaskToken", foreign{what: "a Step Functions task that waits for its token", advice: "errand does not send the token back; start the run without it, and wait for the result at the topic", waits: true}},
	{"LifecycleHookName AutoScalingGroupName", foreign{what: "a lifecycle hook of Auto Scaling", advice: byRule}},
	{"jobDefinition jobQueue", foreign{what: "a job of AWS Batch", advice: "errand starts ECS tasks: give taskDefinition and command, as in " + `{"job": "nightly-report", "taskDefinition": "report", "command": ["./report"]}`}},
	{"jobDefinition jobName", foreign{what: "a job of AWS Batch", advice: "errand starts ECS tasks: give taskDefinition and command, as in " + `{"job": "nightly-report", "taskDefinition": "report", "command": ["./report"]}`}},
	{"onEventType buttonId", foreign{what: "a message of AWS IoT", advice: "let the IoT rule select a payload, as in SELECT 'pump' AS job"}},
	{"deviceEvent deviceInfo", foreign{what: "a message of AWS IoT", advice: "let the IoT rule select a payload, as in SELECT 'pump' AS job"}},
	{"clickType serialNumber batteryVoltage", foreign{what: "the click of an AWS IoT button", advice: "let the IoT rule select a payload, as in SELECT 'pump' AS job"}},
	{"state.reported", foreign{what: "a shadow of AWS IoT", advice: "let the IoT rule select a payload, as in SELECT 'pump' AS job"}},
	{"thingName", foreign{what: "a message of AWS IoT", advice: "let the IoT rule select a payload, as in SELECT 'pump' AS job"}},
	{"Source DetailType Detail", foreign{what: "an entry of EventBridge's PutEvents", advice: "send it to the event bus (aws events put-events), not to the function"}},
	{"Entries.DetailType", foreign{what: "a list of entries of EventBridge's PutEvents", advice: "send it to the event bus (aws events put-events), not to the function"}},
	{"Name ScheduleExpression", foreign{what: "a schedule", advice: "the payload is what is in the Input of its Target"}},
	{"eventVersion userIdentity eventName", foreign{what: "a record of CloudTrail", advice: byBus, source: "aws.cloudtrail"}},
	{"source=serverless-plugin-warmup", foreign{what: "a call that keeps a function warm", advice: "errand needs none: take the launcher out of its list"}},
	{"warmer", foreign{what: "a call that keeps a function warm", advice: "errand needs none: take the launcher out of its list"}},
	{"key1=value1", foreign{what: "the console's test event", advice: `a payload is, for example, {"job": "nightly-report"}`}},
}

// recognize says what an object is that is no payload. One that names a job is one,
// whatever else it has.
func recognize(shape map[string]any, piped bool) (foreign, bool) {
	if _, job := shape["job"].(string); job || len(shape) == 0 {
		return foreign{}, false
	}
	record := shape
	list, batch := shape["Records"].([]any)
	if batch && len(list) == 1 {
		record, _ = list[0].(map[string]any)
	}
	for _, name := range []string{"eventSource", "EventSource"} {
		source := text(record, name)
		if source == "" {
			continue
		}
		f, known := records[source]
		switch {
		case !known && batch:
			f = foreign{what: "a batch of records of " + clean(source), advice: byBus}
		case !known:
			continue
		case piped:
			f.advice, f.waits = template, true
		}
		f.source = clean(source)
		return f, true
	}
	for _, s := range shapes {
		if matches(shape, s.has) {
			return s.foreign, true
		}
	}
	if batch {
		return foreign{what: "a batch of records", advice: byBus}, true
	}
	return foreign{}, false
}

// matches says whether an object has all of the fields of a list, each as a path with
// or without a value. A plus in them stands for a space, a slash in a
// name for its dot.
func matches(shape map[string]any, list string) bool {
	for condition := range strings.SplitSeq(list, " ") {
		path, want, valued := strings.Cut(strings.ReplaceAll(condition, "+", " "), "=")
		got, ok := lookUp(shape, path)
		if !ok || valued && got != any(want) {
			return false
		}
	}
	return true
}

// lookUp follows a path of names, into the first element of arrays.
func lookUp(value any, path string) (any, bool) {
	for name := range strings.SplitSeq(path, ".") {
		name = strings.ReplaceAll(name, "/", ".")
		if list, ok := value.([]any); ok && len(list) == 1 {
			value = list[0]
		}
		object, _ := value.(map[string]any)
		inner, ok := object[name]
		if !ok {
			return nil, false
		}
		value = inner
	}
	return value, true
}
