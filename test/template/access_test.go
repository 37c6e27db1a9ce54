package template_test

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"errand/pkg/ledger"
)

// request is one call, as IAM judges it.
type request struct {
	action, resource string
	context          map[string][]string // condition keys of the request
}

func (r request) String() string {
	text := r.action + " " + r.resource
	for _, key := range slices.Sorted(maps.Keys(r.context)) {
		text += " " + key + "=" + strings.Join(r.context[key], ",")
	}
	return text
}

// allows is IAM's answer for who has the policies of a resource (a role, a managed
// policy) and no others.
func allows(t *testing.T, policies *yaml.Node, r request) bool {
	t.Helper()
	allowed := false
	for statement := range statements(get(policies, "Properties")) {
		// The trust policy of a role has principals; it is not the role's own.
		if get(statement, "Principal") != nil ||
			!like(values(get(statement, "Action")), r.action) || !like(values(get(statement, "Resource")), r.resource) || !holds(t, get(statement, "Condition"), r.context) {
			continue
		}
		if text(statement, "Effect") == "Deny" {
			return false
		}
		allowed = true
	}
	return allowed
}

// like is whether one of the patterns, with * and ?, is value's.
func like(patterns []string, value string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		pattern = strings.NewReplacer(`\*`, `.*`, `\?`, `.`).Replace(regexp.QuoteMeta(pattern))
		return regexp.MustCompile(`^` + pattern + `$`).MatchString(value)
	})
}

// holds is whether every condition does, for the operators that the template has.
func holds(t *testing.T, conditions *yaml.Node, of map[string][]string) bool {
	t.Helper()
	for operator, keys := range pairs(conditions) {
		for key, node := range pairs(keys) {
			got, there := of[key]
			want := values(node)
			var ok bool
			switch operator {
			case "StringEquals":
				ok = there && slices.Contains(want, got[0])
			case "StringEqualsIfExists":
				ok = !there || slices.Contains(want, got[0])
			case "ArnEquals":
				ok = there && like(want, got[0])
			case "ForAllValues:StringEquals":
				ok = !slices.ContainsFunc(got, func(g string) bool { return !slices.Contains(want, g) })
			case "Null":
				ok = slices.Contains(want, fmt.Sprint(!there))
			default:
				t.Fatalf("this test does not know the operator %s; teach it", operator)
			}
			if !ok {
				return false
			}
		}
	}
	return true
}

const (
	ownTask      = "arn:aws:ecs:eu-west-1:123456789012:task/jobs/0123456789abcdef"
	otherTask    = "arn:aws:ecs:eu-west-1:123456789012:task/web/0123456789abcdef"
	ownStack     = "arn:aws:cloudformation:eu-west-1:123456789012:stack/other/0d9c7a46"
	otherStack   = "arn:aws:cloudformation:eu-west-1:123456789012:stack/other-2/0d9c7a46"
	ownGroup     = "arn:aws:logs:eu-west-1:123456789012:log-group:/ecs/billing:"
	otherGroup   = "arn:aws:logs:eu-west-1:123456789012:log-group:/ecs/billing-2:"
	definition   = "arn:aws:ecs:eu-west-1:123456789012:task-definition/billing:42"
	another      = "arn:aws:ecs:eu-west-1:123456789012:task-definition/web:42"
	taskRole     = "arn:aws:iam::123456789012:role/billing-task"
	anotherRole  = "arn:aws:iam::123456789012:role/admin"
	overrideRole = "arn:aws:iam::123456789012:role/close-books"
	topics       = "arn:aws:sns:eu-west-1:123456789012:"
	clusters     = "arn:aws:ecs:eu-west-1:123456789012:cluster/"
)

// world is everything that is asked of every role and policy: what one of them must
// be able to do, and what lies beside it.
func world() (all []request) {
	ask := func(resource string, actions ...string) {
		for _, action := range actions {
			all = append(all, request{action: action, resource: resource})
		}
	}
	on := func(cluster, resource string, actions ...string) {
		for _, action := range actions {
			all = append(all, request{action, resource, map[string][]string{"ecs:cluster": {clusters + cluster}}})
		}
	}
	ask("LedgerTable.Arn", "dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query", "dynamodb:UpdateItem",
		"dynamodb:PutItem", "dynamodb:DeleteItem", "dynamodb:Scan", "dynamodb:DeleteTable", "dynamodb:UpdateTable")
	ask("LedgerTable.Arn/index/open", "dynamodb:Query", "dynamodb:Scan")
	ask("LedgerTable.Arn/index/history", "dynamodb:Query", "dynamodb:Scan")
	ask("arn:aws:dynamodb:eu-west-1:123456789012:table/users", "dynamodb:GetItem", "dynamodb:Query", "dynamodb:UpdateItem")
	on("jobs", definition, "ecs:RunTask")
	on("web", definition, "ecs:RunTask")
	on("jobs", another, "ecs:RunTask")
	on("jobs", ownTask, "ecs:DescribeTasks", "ecs:StopTask", "ecs:ExecuteCommand")
	on("web", otherTask, "ecs:DescribeTasks", "ecs:StopTask", "ecs:ExecuteCommand")
	on("jobs", "*", "ecs:ListTasks")
	on("web", "*", "ecs:ListTasks")
	for _, role := range []string{taskRole, overrideRole, anotherRole} {
		all = append(all, request{"iam:PassRole", role, map[string][]string{"iam:PassedToService": {"ecs-tasks.amazonaws.com"}}})
	}
	for _, function := range []string{"Launcher", "Collector", "Watchdog", "Executor"} {
		ask(function+"Function.Arn", "lambda:InvokeFunction")
		ask(function+"Logs.Arn", "logs:PutLogEvents")
	}
	ask(ownGroup+"log-stream:ecs/app/0123", "logs:GetLogEvents")
	ask(otherGroup+"log-stream:ecs/app/0123", "logs:GetLogEvents")
	ask(ownGroup, "logs:FilterLogEvents")
	ask(otherGroup, "logs:FilterLogEvents")
	for _, topic := range []string{"ResultTopic", "TextTopic", "AlarmTopic"} {
		ask(topics+topic, "sns:Publish", "sns:ListSubscriptionsByTopic", "sns:Subscribe")
	}
	ask("TopicKey.Arn", "kms:Decrypt")
	for _, queue := range []string{"Schedule", "Rule", "Launcher", "Collector"} {
		ask(queue+"DeadLetters.Arn", "sqs:SendMessage", "sqs:ReceiveMessage", "sqs:GetQueueAttributes", "sqs:PurgeQueue")
	}
	ask(ownStack, "cloudformation:DescribeStacks", "cloudformation:DeleteStack")
	ask(otherStack, "cloudformation:DescribeStacks")
	return all
}

// TestAccess asks for everything in everybody's name. What is not listed is denied.
func TestAccess(t *testing.T) {
	t.Parallel()
	const jobs = " ecs:cluster=" + clusters + "jobs"
	ledgerItems := []string{"dynamodb:GetItem LedgerTable.Arn", "dynamodb:UpdateItem LedgerTable.Arn"}
	publish := []string{"sns:Publish " + topics + "ResultTopic", "sns:Publish " + topics + "TextTopic", "kms:Decrypt TopicKey.Arn"}
	look := []string{"ecs:DescribeTasks " + ownTask + jobs}
	find := append(look, "ecs:ListTasks *"+jobs)
	counts := []string{
		"sqs:GetQueueAttributes ScheduleDeadLetters.Arn", "sqs:GetQueueAttributes RuleDeadLetters.Arn",
		"sqs:GetQueueAttributes LauncherDeadLetters.Arn", "sqs:GetQueueAttributes CollectorDeadLetters.Arn",
	}
	see := slices.Concat(look, counts, []string{
		"cloudformation:DescribeStacks " + ownStack,
		"dynamodb:Query LedgerTable.Arn/index/history", "dynamodb:Query LedgerTable.Arn/index/open",
		"logs:GetLogEvents " + ownGroup + "log-stream:ecs/app/0123", "logs:FilterLogEvents " + ownGroup,
	})
	stop := "ecs:StopTask " + ownTask + jobs
	own := map[string]*yaml.Node{}
	for id, resource := range deploy(parse(t, readTemplate(t)), deployments[1]).resources() {
		own[id] = resource
	}
	for who, want := range map[string][]string{
		"LauncherRole": slices.Concat(ledgerItems, publish, find, []string{
			stop, "ecs:RunTask " + definition + jobs, "iam:PassRole " + taskRole + " iam:PassedToService=ecs-tasks.amazonaws.com", "iam:PassRole " + overrideRole + " iam:PassedToService=ecs-tasks.amazonaws.com",
			"lambda:InvokeFunction CollectorFunction.Arn", "sqs:SendMessage LauncherDeadLetters.Arn", "logs:PutLogEvents LauncherLogs.Arn",
		}),
		"CollectorRole": slices.Concat(ledgerItems, publish, find, []string{
			"logs:GetLogEvents " + ownGroup + "log-stream:ecs/app/0123", "sqs:SendMessage CollectorDeadLetters.Arn", "logs:PutLogEvents CollectorLogs.Arn",
		}),
		"ExecutorRole": slices.Concat(ledgerItems, publish, find, []string{
			"ecs:ExecuteCommand " + ownTask + jobs, "lambda:InvokeFunction CollectorFunction.Arn", "logs:PutLogEvents ExecutorLogs.Arn",
		}),
		"WatchdogRole": slices.Concat(look, []string{
			"dynamodb:Query LedgerTable.Arn/index/open", "dynamodb:BatchGetItem LedgerTable.Arn", "dynamodb:UpdateItem LedgerTable.Arn", stop,
			"lambda:InvokeFunction LauncherFunction.Arn", "lambda:InvokeFunction CollectorFunction.Arn", "logs:PutLogEvents WatchdogLogs.Arn",
			"sns:ListSubscriptionsByTopic " + topics + "ResultTopic", "sns:ListSubscriptionsByTopic " + topics + "TextTopic", "sns:ListSubscriptionsByTopic " + topics + "AlarmTopic",
		}),
		"ScheduleRole":     {"lambda:InvokeFunction LauncherFunction.Arn", "sqs:SendMessage ScheduleDeadLetters.Arn"},
		"ExecScheduleRole": {"lambda:InvokeFunction ExecutorFunction.Arn", "sqs:SendMessage ScheduleDeadLetters.Arn"},
		"ReaderPolicy":     see,
		"OperatorPolicy": slices.Concat(see, ledgerItems, []string{
			"dynamodb:BatchGetItem LedgerTable.Arn", "dynamodb:Query LedgerTable.Arn", stop,
			"lambda:InvokeFunction LauncherFunction.Arn", "lambda:InvokeFunction CollectorFunction.Arn", "lambda:InvokeFunction ExecutorFunction.Arn",
			"sqs:ReceiveMessage ScheduleDeadLetters.Arn", "sqs:ReceiveMessage RuleDeadLetters.Arn",
			"sqs:ReceiveMessage LauncherDeadLetters.Arn", "sqs:ReceiveMessage CollectorDeadLetters.Arn",
			"sqs:SendMessage ScheduleDeadLetters.Arn", "sqs:SendMessage RuleDeadLetters.Arn",
			"sqs:SendMessage LauncherDeadLetters.Arn", "sqs:SendMessage CollectorDeadLetters.Arn",
		}),
	} {
		t.Run(who, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, r := range world() {
				if allows(t, own[who], r) {
					got = append(got, r.String())
				}
			}
			slices.Sort(got)
			slices.Sort(want)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("may (-want +got):\n%s", diff)
			}
		})
	}
}

// TestAccessToBothClusters is of a stack that has the sample beside its own jobs.
func TestAccessToBothClusters(t *testing.T) {
	t.Parallel()
	look, stop := []string{"ecs:DescribeTasks"}, []string{"ecs:DescribeTasks", "ecs:StopTask"}
	want := map[string][]string{"LauncherRole": stop, "CollectorRole": look, "WatchdogRole": stop, "ReaderPolicy": look, "OperatorPolicy": stop}
	for id, resource := range deploy(parse(t, readTemplate(t)), deployments[2]).resources() {
		if kind := text(resource, "Type"); kind != "AWS::IAM::Role" && kind != "AWS::IAM::ManagedPolicy" {
			continue
		}
		for cluster, may := range map[string][]string{"jobs": want[id], "SampleCluster": want[id], "web": nil} {
			var got []string
			for _, action := range stop {
				if allows(t, resource, request{action: action, resource: "arn:aws:ecs:eu-west-1:123456789012:task/" + cluster + "/0123"}) {
					got = append(got, action)
				}
			}
			if diff := cmp.Diff(may, got); diff != "" {
				t.Errorf("%s, with tasks of %s (-want +got):\n%s", id, cluster, diff)
			}
		}
	}
}

// TestPolicySizes holds the policies for people to IAM's 6,144 characters, and so
// that a stack's log groups have room.
func TestPolicySizes(t *testing.T) {
	t.Parallel()
	for _, parameters := range deployments {
		for id, resource := range deploy(parse(t, readTemplate(t)), parameters).resources() {
			if text(resource, "Type") != "AWS::IAM::ManagedPolicy" {
				continue
			}
			raw, err := toJSON(get(resource, "Properties", "PolicyDocument"))
			if err != nil {
				t.Fatal(err)
			}
			// References stand here without their ARNs, which are longer.
			if longest := 4000; len(raw) > longest {
				t.Errorf("%s has %d characters, want at most %d", id, len(raw), longest)
			}
		}
	}
}

// TestReader asks the ledger what the command errand asks it for, and IAM whether
// a reader may.
func TestReader(t *testing.T) {
	t.Parallel()
	var reader *yaml.Node
	for id, resource := range deploy(parse(t, readTemplate(t)), deployments[0]).resources() {
		if id == "ReaderPolicy" {
			reader = resource
		}
	}
	db := &asked{}
	book := ledger.New(db, ledger.Config{Table: "LedgerTable.Arn"})
	for name, ask := range map[string]func() error{
		"jobs":     func() error { _, err := book.Jobs(t.Context()); return err },
		"runs":     func() error { _, err := book.Runs(t.Context(), "billing", book.Now(), 20); return err },
		"going":    func() error { _, err := book.Going(t.Context()); return err },
		"attempts": func() error { _, err := book.Attempts(t.Context(), "billing", "1"); return err },
		"find":     func() error { _, err := book.Find(t.Context(), []string{"billing"}, "1"); return err },
	} {
		db.requests = nil
		if err := ask(); err != nil || len(db.requests) == 0 {
			t.Fatalf("%s: %v, after %d requests", name, err, len(db.requests))
		}
		for _, r := range db.requests {
			if !allows(t, reader, r) {
				t.Errorf("%s: a reader may not %s", name, r)
			}
			if strings.Contains(r.resource, "/index/") {
				continue // which has no payload
			}
			for what, change := range map[string]func(map[string][]string){
				"the payload":    func(of map[string][]string) { of["dynamodb:Attributes"] = append(of["dynamodb:Attributes"], "payload") },
				"whole items":    func(of map[string][]string) { delete(of, "dynamodb:Attributes"); delete(of, "dynamodb:Select") },
				"all attributes": func(of map[string][]string) { of["dynamodb:Select"] = []string{"ALL_ATTRIBUTES"} },
				"all of known keys": func(of map[string][]string) {
					of["dynamodb:Attributes"], of["dynamodb:Select"] = []string{"pk", "sk"}, []string{"ALL_ATTRIBUTES"}
				},
			} {
				asking := request{r.action, r.resource, maps.Clone(r.context)}
				change(asking.context)
				if allows(t, reader, asking) {
					t.Errorf("%s: a reader gets %s with %s", name, what, asking)
				}
			}
		}
	}
}

// asked is a table that notes what it is asked for, with one item in each index.
type asked struct{ requests []request }

func (a *asked) note(action, resource, sel string, attributes map[string]string) {
	of := map[string][]string{}
	if len(attributes) > 0 {
		of["dynamodb:Attributes"] = slices.Sorted(maps.Values(attributes))
	}
	if sel != "" {
		of["dynamodb:Select"] = []string{sel}
	}
	a.requests = append(a.requests, request{action, resource, of})
}

func (a *asked) GetItem(_ context.Context, in *dynamodb.GetItemInput, _ ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error) {
	a.note("dynamodb:GetItem", *in.TableName, "", in.ExpressionAttributeNames)
	return &dynamodb.GetItemOutput{}, nil
}

func (a *asked) BatchGetItem(_ context.Context, in *dynamodb.BatchGetItemInput, _ ...func(*dynamodb.Options)) (*dynamodb.BatchGetItemOutput, error) {
	for table, keys := range in.RequestItems {
		a.note("dynamodb:BatchGetItem", table, "", keys.ExpressionAttributeNames)
	}
	return &dynamodb.BatchGetItemOutput{}, nil
}

func (a *asked) UpdateItem(_ context.Context, in *dynamodb.UpdateItemInput, _ ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error) {
	a.note("dynamodb:UpdateItem", *in.TableName, "", in.ExpressionAttributeNames)
	return &dynamodb.UpdateItemOutput{}, nil
}

func (a *asked) Query(_ context.Context, in *dynamodb.QueryInput, _ ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error) {
	resource := *in.TableName
	if in.IndexName != nil {
		resource += "/index/" + *in.IndexName
	}
	a.note("dynamodb:Query", resource, string(in.Select), in.ExpressionAttributeNames)
	if in.IndexName == nil {
		return &dynamodb.QueryOutput{}, nil
	}
	return &dynamodb.QueryOutput{Items: []map[string]types.AttributeValue{{
		"pk": &types.AttributeValueMemberS{Value: "run#billing#1"}, "sk": &types.AttributeValueMemberS{Value: "a#01"}, "due": &types.AttributeValueMemberN{Value: "0"},
	}}}, nil
}
