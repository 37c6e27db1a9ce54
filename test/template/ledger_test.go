package template_test

import (
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"errand/pkg/ledger"
	"errand/pkg/metric"
	"errand/pkg/report"
)

// ---- The table

// shape is what cannot be changed in a table that has items.
type shape struct {
	Billing    string
	Attributes []string // name and type
	Keys       []string // name and kind
	Indexes    []index
}

type index struct {
	Name       string
	Keys       []string
	Projection string
	Attributes []string
}

// table holds the template's table against the one that the ledger's code makes
// where there is no CloudFormation.
func (c *checker) table(resource *yaml.Node) {
	properties := get(resource, "Properties")
	if diff := cmp.Diff(ledgerShape(), templateShape(properties)); diff != "" {
		c.bad("is not the table of pkg/ledger (-pkg/ledger +template):\n%s", diff)
	}
	if text(resource, "DeletionPolicy") != "RetainExceptOnCreate" || text(resource, "UpdateReplacePolicy") != "Retain" {
		c.bad("must outlive the stack, want DeletionPolicy RetainExceptOnCreate and UpdateReplacePolicy Retain")
	}
	if ttl := get(properties, "TimeToLiveSpecification"); text(ttl, "AttributeName") != "expires" || text(ttl, "Enabled") != "true" {
		c.bad("TimeToLiveSpecification must be on for the attribute expires")
	}
}

func templateShape(properties *yaml.Node) shape {
	keys := func(of *yaml.Node) (list []string) {
		for _, key := range items(get(of, "KeySchema")) {
			list = append(list, text(key, "AttributeName")+" "+text(key, "KeyType"))
		}
		return list
	}
	s := shape{Billing: text(properties, "BillingMode"), Keys: keys(properties)}
	for _, a := range items(get(properties, "AttributeDefinitions")) {
		s.Attributes = append(s.Attributes, text(a, "AttributeName")+" "+text(a, "AttributeType"))
	}
	for _, i := range items(get(properties, "GlobalSecondaryIndexes")) {
		s.Indexes = append(s.Indexes, index{
			text(i, "IndexName"), keys(i), text(i, "Projection", "ProjectionType"), values(get(i, "Projection", "NonKeyAttributes")),
		})
	}
	slices.Sort(s.Attributes)
	slices.SortFunc(s.Indexes, func(a, b index) int { return strings.Compare(a.Name, b.Name) })
	return s
}

func ledgerShape() shape {
	made := ledger.Table("ledger")
	keys := func(schema []types.KeySchemaElement) (list []string) {
		for _, key := range schema {
			list = append(list, aws.ToString(key.AttributeName)+" "+string(key.KeyType))
		}
		return list
	}
	s := shape{Billing: string(made.BillingMode), Keys: keys(made.KeySchema)}
	for _, a := range made.AttributeDefinitions {
		s.Attributes = append(s.Attributes, aws.ToString(a.AttributeName)+" "+string(a.AttributeType))
	}
	for _, i := range made.GlobalSecondaryIndexes {
		s.Indexes = append(s.Indexes, index{aws.ToString(i.IndexName), keys(i.KeySchema), string(i.Projection.ProjectionType), i.Projection.NonKeyAttributes})
	}
	slices.Sort(s.Attributes)
	slices.SortFunc(s.Indexes, func(a, b index) int { return strings.Compare(a.Name, b.Name) })
	return s
}

// ---- The watchdog

// watchdog is the function that nobody waits for.
const watchdog = "WatchdogFunction"

// tuning are the settings that the template leaves at their defaults, for an account
// whose calls of ECS others need.
var tuning = []string{"LAUNCH_RATE", "STOP_RATE"}

// ticking holds the watchdog against what would make one tick two, or a late one.
func (c *checker) ticking(properties *yaml.Node) {
	invoke := get(properties, "EventInvokeConfig")
	if !tickOnce(invoke) || get(properties, "DeadLetterQueue") != nil || get(invoke, "DestinationConfig") != nil {
		c.bad("a tick is not to be repeated or kept, since the next one does its work: want MaximumRetryAttempts 0, MaximumEventAgeInSeconds 60, no queue and no destination")
	}
	if timeout := text(properties, "Timeout"); timeout != "58" {
		c.bad("Timeout %s is not the 58 seconds that a tick has until the next", timeout)
	}
	c.fast(properties)
}

func (c *checker) tick(properties *yaml.Node) {
	if text(properties, "Schedule") != "rate(1 minute)" {
		c.bad("the ledger counts on a tick each minute, want rate(1 minute)")
	}
	if !tickOnce(get(properties, "RetryPolicy")) {
		c.bad("a tick is not to be repeated, want MaximumRetryAttempts 0 and MaximumEventAgeInSeconds 60 in its RetryPolicy")
	}
	if text(properties, "Enabled") == "false" || text(properties, "State") == "DISABLED" {
		c.bad("is switched off, so that nobody looks after the runs")
	}
}

func tickOnce(retries *yaml.Node) bool {
	return text(retries, "MaximumRetryAttempts") == "0" && text(retries, "MaximumEventAgeInSeconds") == "60"
}

// ---- Metrics and alarms

const namespace = metric.Namespace

// metrics are those that the functions write.
var metrics = []string{
	report.Doubles, report.Dropped, report.SecondTasks, report.WithoutLedger,
	"OldestDue", "OldestLaunch", "Stops", "Ticks", "UnconfirmedSubscriptions", "Undecodable", "Wakes",
}

var section = regexp.MustCompile(`See "([^"]+)" in docs/operations\.md\.$`)

// alarm holds an alarm against the metrics that there are, and the page for whoever
// gets it.
func (c *checker) alarm(properties *yaml.Node) {
	if text(properties, "Namespace") == namespace {
		var dimensions []string
		for _, d := range items(get(properties, "Dimensions")) {
			dimensions = append(dimensions, text(d, "Name"), text(d, "Value"))
		}
		c.ours(text(properties, "MetricName"), strings.Join(dimensions, " "))
	}
	if silent := text(properties, "TreatMissingData") == "breaching"; silent != (text(properties, "MetricName") == "Ticks") {
		c.bad("must ring when nothing comes if, and only if, it is the watchdog's ticks that do not")
	}
	// A queue that nobody calls for six hours is measured no more, with letters in it
	// or without: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/monitoring-using-cloudwatch.html.
	if asleep := text(properties, "TreatMissingData") == "ignore"; asleep != (text(properties, "Namespace") == "AWS/SQS") {
		c.bad("must stay as it is while nothing is measured if, and only if, it is a queue's")
	}
	description := strings.TrimSpace(text(properties, "AlarmDescription"))
	match := section.FindStringSubmatch(description)
	if match == nil {
		c.bad("AlarmDescription does not end with a section of docs/operations.md")
		return
	}
	raw, err := os.ReadFile(top + "docs/operations.md")
	if err != nil {
		c.bad("%v", err)
	}
	if !regexp.MustCompile(`(?m)^##+ ` + regexp.QuoteMeta(match[1]) + `$`).Match(raw) {
		c.bad("docs/operations.md has no section %q", match[1])
	}
}

// ours holds a metric of the functions against what they write.
func (c *checker) ours(name, dimensions string) {
	if !slices.Contains(metrics, name) {
		c.bad("no function writes the metric %q", name)
	}
	if want := "Stack " + c.lookup("AWS::StackName"); dimensions != want {
		c.bad("the metrics of this stack have the dimension %q, not %q", want, dimensions)
	}
}
