package template_test

import (
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // time zones are the same on every machine

	"go.yaml.in/yaml/v3"

	"errand/pkg/eventpattern"
	"errand/pkg/payload"
	"errand/pkg/settings"
)

// check deploys a template in every way of deployments and returns what is
// wrong with it.
func check(t *testing.T, template string) []string {
	t.Helper()
	root := parse(t, template)
	var findings []string
	deployed := map[string]bool{}
	for _, parameters := range deployments {
		c := &checker{stack: deploy(root, parameters)}
		c.run()
		findings = append(findings, c.findings...)
		findings = append(findings, c.problems...)
		findings = append(findings, sharedNames(root, parameters)...)
		for id := range c.resources() {
			deployed[id] = true
		}
	}
	for id := range pairs(get(root, "Resources")) {
		if !deployed[id] {
			findings = append(findings, id+": is in none of the deployments that are checked")
		}
	}
	slices.Sort(findings)
	return slices.Compact(findings)
}

type checker struct {
	*stack
	at       string // what is being checked
	reports  bool   // whether a rule selects stopped tasks
	findings []string
}

func (c *checker) bad(format string, args ...any) {
	c.findings = append(c.findings, c.at+": "+fmt.Sprintf(format, args...))
}

func (c *checker) run() {
	all := map[string]*yaml.Node{}
	for id, resource := range c.resources() {
		all[id] = resource
		c.at = id
		c.permissions(resource)
		properties := get(resource, "Properties")
		switch text(resource, "Type") {
		case "AWS::Serverless::Function":
			c.function(id, resource)
		case "AWS::Events::Rule":
			c.rule(properties)
		case "AWS::CloudWatch::Dashboard":
			c.dashboard(text(properties, "DashboardBody"))
		case "AWS::CloudWatch::Alarm":
			c.alarm(properties)
		case "AWS::DynamoDB::Table":
			c.table(resource)
		case "AWS::Logs::LogGroup":
			if get(properties, "RetentionInDays") == nil {
				c.bad("has no RetentionInDays, so it is kept for ever")
			}
		}
	}
	c.operation(all)
	c.at = "template"
	if !c.reports {
		c.bad("no rule selects stopped tasks")
	}
}

// ---- Functions and settings

func (c *checker) function(id string, function *yaml.Node) {
	properties := get(function, "Properties")
	// SAM knows others, but they build outside of the module (go1.x), or are
	// not for Go; one that it does not know fails only in sam build.
	if method := text(function, "Metadata", "BuildMethod"); method != "makefile" {
		c.bad("BuildMethod %q is not makefile", method)
	}
	if get(properties, "Role") == nil {
		c.bad("has no Role, and the one that SAM makes may write to every log group")
	}
	if get(properties, "ReservedConcurrentExecutions") != nil {
		c.bad("reserves concurrency, which an account with a quota of 10 does not have")
	}
	switch {
	case id == watchdog:
		c.ticking(properties)
	case id == executor:
		c.once(properties)
	case text(properties, "DeadLetterQueue", "Type") != "SQS":
		c.bad("has no DeadLetterQueue")
	}
	if destination := text(properties, "EventInvokeConfig", "DestinationConfig", "OnFailure", "Destination"); id != "CollectorFunction" && id != watchdog && destination != "CollectorFunction.Arn" {
		c.bad("its failures must go to CollectorFunction, which reports them")
	}
	c.environment(id, properties)
	for name, event := range pairs(get(properties, "Events")) {
		c.at = name
		switch kind := text(event, "Type"); {
		case kind == "Schedule" && id == watchdog:
			c.tick(get(event, "Properties"))
		case kind == "ScheduleV2":
			c.schedule(id, get(event, "Properties"), get(event, "Properties"))
		case kind == "EventBridgeRule":
			c.pattern(get(event, "Properties", "Pattern"))
			c.deadLetters(get(event, "Properties"))
		case kind == "Schedule":
			c.bad("use ScheduleV2, the other kind knows UTC only and not when a run was due")
		default:
			c.bad("these checks do not know events of type %s", kind)
		}
	}
}

// executor is the function that must not do the same thing twice.
const executor = "ExecutorFunction"

// once holds the executor against what keeps a command from running twice, or
// late, and lets it run as long as a payload may ask.
func (c *checker) once(properties *yaml.Node) {
	if get(properties, "DeadLetterQueue") != nil {
		c.bad("has a DeadLetterQueue, from which a command could run twice")
	}
	invoke := get(properties, "EventInvokeConfig")
	if text(invoke, "MaximumRetryAttempts") != "0" {
		c.bad("a command must not run twice, want MaximumRetryAttempts 0")
	}
	if age, err := strconv.Atoi(text(invoke, "MaximumEventAgeInSeconds")); err != nil || age > 3600 {
		c.bad("a command must not run hours late, want MaximumEventAgeInSeconds of an hour at most")
	}
	timeout, _ := strconv.Atoi(text(properties, "Timeout"))
	if limit := (&payload.Exec{}).Limit() + time.Minute; time.Duration(timeout)*time.Second != limit {
		c.bad("Timeout %d is not a minute more than a command may run", timeout)
	}
	c.fast(properties)
}

// fast holds the functions that have much to do in a given time to the share of a core
// that they need for it; docs/design.md has the measurements.
func (c *checker) fast(properties *yaml.Node) {
	if memory, _ := strconv.Atoi(text(properties, "MemorySize")); memory < 512 {
		c.bad("MemorySize %d does not go with the share of a core that its work takes, want 512", memory)
	}
}

// environment holds the variables of a function against the settings that its
// code reads.
func (c *checker) environment(id string, properties *yaml.Node) {
	reads, load := settingsOf(id)
	if load == nil {
		c.bad("no settings in pkg/settings are known to be its own")
		return
	}
	sets := map[string]string{}
	for _, from := range []*yaml.Node{get(c.resolve(get(c.root, "Globals")), "Function"), properties} {
		for name, value := range pairs(get(from, "Environment", "Variables")) {
			sets[name] = value.Value
		}
	}
	for _, name := range reads {
		if _, ok := sets[name]; !ok && !slices.Contains(tuning, name) {
			c.bad("does not set %s, which pkg/settings reads", name)
		}
	}
	var environ []string
	for name, value := range sets {
		environ = append(environ, name+"="+value)
		if !slices.Contains(reads, name) {
			c.bad("sets %s, which nothing reads", name)
		}
	}
	if err := load(environ); err != nil {
		c.bad("%v", err)
	}
	if want := "errand/" + c.lookup("AWS::StackName") + "/"; sets["STARTED_BY_PREFIX"] != want {
		c.bad("STARTED_BY_PREFIX is %q, want %q", sets["STARTED_BY_PREFIX"], want)
	}
}

// settingsOf gives the names of the variables that a function reads, and how it
// does so.
func settingsOf(function string) (names []string, load func([]string) error) {
	switch function {
	case "LauncherFunction":
		return variables(reflect.TypeFor[settings.Launcher]()), func(environ []string) error {
			_, err := settings.Load[settings.Launcher](environ)
			return err
		}
	case "CollectorFunction":
		return variables(reflect.TypeFor[settings.Collector]()), func(environ []string) error {
			_, err := settings.Load[settings.Collector](environ)
			return err
		}
	case watchdog:
		return variables(reflect.TypeFor[settings.Watchdog]()), func(environ []string) error {
			_, err := settings.Load[settings.Watchdog](environ)
			return err
		}
	case executor:
		return variables(reflect.TypeFor[settings.Executor]()), func(environ []string) error {
			_, err := settings.Load[settings.Executor](environ)
			return err
		}
	}
	return nil, nil
}

// variables are the names in a settings struct's tags.
func variables(of reflect.Type) []string {
	var names []string
	for i := range of.NumField() {
		field := of.Field(i)
		if field.Anonymous {
			names = append(names, variables(field.Type)...)
		} else if name, _, _ := strings.Cut(field.Tag.Get("env"), ","); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// ---- Schedules and payloads

// What the Scheduler puts into an input, and what every schedule has to send.
const (
	scheduledTime = "<aws.scheduler.scheduled-time>"
	scheduleARN   = "<aws.scheduler.schedule-arn>"
)

var contextAttribute = regexp.MustCompile(`<aws\.scheduler\.[^>]*>`)

// schedule checks a schedule and what it sends, which SAM has in one place and
// CloudFormation in two.
func (c *checker) schedule(function string, schedule, target *yaml.Node) {
	expression, zone := text(schedule, "ScheduleExpression"), text(schedule, "ScheduleExpressionTimezone")
	if problem := expressionProblem(expression); problem != "" {
		c.bad("ScheduleExpression %q: %s", expression, problem)
	} else if clocksChange(expression, zone) {
		c.bad("stands between 01:00 and 03:00, when the clocks of %s change: one night a year has no such time, and one has it twice", zone)
	}
	switch zone {
	case "":
		c.bad("has no ScheduleExpressionTimezone")
	case "Local":
		c.bad("time zone %q is not in the time zone database", zone)
	default:
		if _, err := time.LoadLocation(zone); err != nil {
			c.bad("time zone %q is not in the time zone database", zone)
		}
	}
	if state := text(schedule, "State"); !slices.Contains([]string{"", "ENABLED", "DISABLED"}, state) {
		c.bad("State %q is neither ENABLED nor DISABLED", state)
	}
	c.deadLetters(target)
	if function == executor && text(target, "RetryPolicy", "MaximumRetryAttempts") != "0" {
		c.bad("a command must not run twice, want MaximumRetryAttempts 0 in its RetryPolicy")
	}

	input := text(target, "Input")
	for _, attribute := range contextAttribute.FindAllString(input, -1) {
		if attribute != scheduledTime && attribute != scheduleARN {
			c.bad("Input has %s; the attributes that a payload needs are %s and %s", attribute, scheduledTime, scheduleARN)
		}
	}
	want := sent{by: "arn:aws:scheduler:eu-west-1:123456789012:schedule/jobs/billing-daily", due: "2026-11-20T06:30:00Z"}
	got := c.payload(function, "Input", strings.NewReplacer(scheduledTime, want.due, scheduleARN, want.by).Replace(input))
	if got != want {
		c.bad("Input lacks \"scheduledTime\": %q and \"schedule\": %q, which identify the run", scheduledTime, scheduleARN)
	}
}

// clocksChange tells whether a cron expression names the hours 1 or 2 in a zone
// with summer time.
func clocksChange(expression, zone string) bool {
	place, err := time.LoadLocation(zone)
	fields := strings.Fields(strings.TrimPrefix(expression, "cron("))
	if err != nil || len(fields) != len(cronFields) {
		return false
	}
	_, winter := time.Date(2026, 1, 1, 0, 0, 0, 0, place).Zone()
	_, summer := time.Date(2026, 7, 1, 0, 0, 0, 0, place).Zone()
	hours := strings.Split(fields[1], ",")
	return winter != summer && (slices.Contains(hours, "1") || slices.Contains(hours, "2"))
}

// sent is what tells whose run it is.
type sent struct{ by, due string }

// payload reads an input as the function does, and returns who sent it for when.
func (c *checker) payload(function, what, input string) sent {
	var v any
	if err := json.Unmarshal([]byte(input), &v); err != nil {
		c.bad("%s is not JSON: %v", what, err)
		return sent{}
	}
	var by string
	var due time.Time
	var err error
	if function == executor {
		var p payload.Exec
		p, _, err = payload.DecodeExec([]byte(input))
		by, due = p.Schedule, p.ScheduledTime
	} else {
		var p payload.Job
		p, _, err = payload.Decode([]byte(input))
		by, due = p.Schedule, p.ScheduledTime
	}
	if err != nil {
		c.bad("%s: %v", what, err)
	}
	return sent{by, due.Format(time.RFC3339)}
}

func (c *checker) deadLetters(target *yaml.Node) {
	if text(target, "DeadLetterConfig", "Arn") == "" {
		c.bad("has no DeadLetterConfig")
	}
}

var rate = regexp.MustCompile(`^([0-9]+) (minute|hour|day)(s?)$`)

// expressionProblem says what EventBridge Scheduler would refuse, or take and
// not mean.
func expressionProblem(expression string) string {
	kind, rest, _ := strings.Cut(expression, "(")
	inner, closed := strings.CutSuffix(rest, ")")
	if !closed {
		kind = ""
	}
	switch kind {
	case "cron":
		return cronProblem(strings.Fields(inner))
	case "rate":
		match := rate.FindStringSubmatch(inner)
		if match == nil {
			return fmt.Sprintf("%q is not a rate like 5 minutes, 1 hour or 2 days", inner)
		}
		n, err := strconv.Atoi(match[1])
		switch {
		case err != nil || n == 0:
			return "the rate must be at least 1"
		case n == 1 && match[3] != "":
			return fmt.Sprintf("1 goes with %s, without an s", match[2])
		case n > 1 && match[3] == "":
			return fmt.Sprintf("%d goes with %ss", n, match[2])
		}
		return ""
	case "at":
		if _, err := time.Parse("2006-01-02T15:04:05", inner); err != nil {
			return fmt.Sprintf("%q is not a time like 2026-11-20T02:00:00, which has no zone", inner)
		}
		return ""
	}
	return "is not cron(…), rate(…) or at(…)"
}

type cronField struct {
	name     string
	min, max int
	names    []string       // for min, min+1, …
	steps    bool           // whether it takes a/n
	special  *regexp.Regexp // what this field alone takes
}

var cronFields = []cronField{
	{name: "minutes", max: 59, steps: true},
	{name: "hours", max: 23, steps: true},
	{name: "day-of-month", min: 1, max: 31, steps: true, special: regexp.MustCompile(`^(L|LW|([1-9]|[12][0-9]|3[01])W)$`)},
	{name: "month", min: 1, max: 12, steps: true, names: strings.Fields("JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC")},
	{name: "day-of-week", min: 1, max: 7, names: strings.Fields("SUN MON TUE WED THU FRI SAT"), special: regexp.MustCompile(`^(L|([1-7]|SUN|MON|TUE|WED|THU|FRI|SAT)(L|#[1-5]))$`)},
	{name: "year", min: 1970, max: 2199, steps: true},
}

func cronProblem(fields []string) string {
	if len(fields) != len(cronFields) {
		return fmt.Sprintf("cron needs 6 fields (minutes hours day-of-month month day-of-week year), not %d", len(fields))
	}
	for i, field := range fields {
		day := i == 2 || i == 4
		if day && field == "?" {
			continue
		}
		for item := range strings.SplitSeq(field, ",") {
			if !cronFields[i].takes(item) {
				return fmt.Sprintf("%s %q is not possible", cronFields[i].name, item)
			}
		}
	}
	if (fields[2] == "?") == (fields[4] == "?") {
		return "exactly one of day-of-month and day-of-week must be ?"
	}
	return ""
}

func (f cronField) takes(item string) bool {
	if f.special != nil && f.special.MatchString(item) {
		return true
	}
	item, step, stepped := strings.Cut(item, "/")
	if n, err := strconv.Atoi(step); stepped && (!f.steps || err != nil || n < 1) {
		return false
	}
	if item == "*" {
		return true
	}
	first, last, ranged := strings.Cut(item, "-")
	if !ranged {
		last = first
	}
	from, to := f.number(first), f.number(last)
	return f.min <= from && from <= to && to <= f.max
}

// number is -1 for what is none.
func (f cronField) number(s string) int {
	if i := slices.Index(f.names, s); i >= 0 {
		return f.min + i
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		return -1
	}
	return n
}

// ---- Rules and patterns

// detailTypes are the kinds of events that the template may name, with the
// source that each comes from. Nothing on AWS refuses a kind that does not
// exist: copy new ones from the EventBridge events reference.
var detailTypes = map[string]string{
	"ECS Task State Change": "aws.ecs",
	"Object Created":        "aws.s3",
	payload.DetailType:      "", // whoever JobEventSource is
}

var eventKeys = []string{"version", "id", "detail-type", "source", "account", "time", "region", "resources", "detail"}

func (c *checker) rule(properties *yaml.Node) {
	if get(properties, "ScheduleExpression") != nil {
		c.bad("use a ScheduleV2 event; schedules of rules know UTC only")
	}
	c.pattern(get(properties, "EventPattern"))
	for _, target := range items(get(properties, "Targets")) {
		c.deadLetters(target)
		function := strings.TrimSuffix(text(target, "Arn"), ".Arn")
		if input := get(target, "Input"); input != nil {
			c.payload(function, "Input", input.Value)
		}
		if transformer := get(target, "InputTransformer"); transformer != nil {
			c.transformer(function, transformer)
		}
	}
}

func (c *checker) pattern(node *yaml.Node) {
	raw, err := toJSON(node)
	if err != nil {
		c.bad("the event pattern %v", err)
		return
	}
	pattern, err := eventpattern.Compile(raw)
	if err != nil {
		c.bad("%v", err)
		return
	}
	for key := range pairs(node) {
		if !slices.Contains(eventKeys, key) {
			c.bad("no event has %q", key)
		}
	}
	if !slices.Equal(values(get(node, "account")), []string{c.lookup("AWS::AccountId")}) {
		c.bad("takes events of other accounts")
	}
	sources := values(get(node, "source"))
	if len(sources) == 0 {
		c.bad("takes events of any source")
	}
	for _, detailType := range values(get(node, "detail-type")) {
		source, known := detailTypes[detailType]
		switch {
		case !known:
			c.bad("detail-type %q is not a kind of event that is known here", detailType)
		case detailType == payload.DetailType:
			if only := c.lookup("JobEventSource"); only == "" || !slices.Equal(sources, []string{only}) {
				c.bad("starts jobs from %q, want from JobEventSource (%q) only", sources, only)
			}
		case !slices.Equal(sources, []string{source}):
			c.bad("%s comes from %s, not from %q", detailType, source, sources)
		}
		if detailType == "ECS Task State Change" {
			c.stoppedTasks(pattern)
		}
	}
}

// stoppedTasks holds the pattern against the sample events: it must select the
// ends of this stack's tasks and nothing else.
func (c *checker) stoppedTasks(pattern *eventpattern.Pattern) {
	c.reports = true
	files, _ := filepath.Glob(top + "events/collector/*.json")
	prefix := "errand/" + c.lookup("AWS::StackName") + "/"
	// The samples are of a stack called jobs. A name that only begins like this
	// stack's is the neighbour to be told apart.
	neighbour := strings.TrimSuffix(prefix, "/") + "-2/"
	here := strings.NewReplacer(`"errand/jobs/`, `"`+prefix, `"errand/other/`, `"`+neighbour)
	selected := 0
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			c.bad("%v", err)
			continue
		}
		file = strings.TrimPrefix(file, top)
		raw = []byte(here.Replace(string(raw)))
		var event struct {
			DetailType string `json:"detail-type"`
			Detail     struct{ LastStatus, StartedBy string }
		}
		if err := json.Unmarshal(raw, &event); err != nil {
			c.bad("%s: %v", file, err)
			continue
		}
		want := event.DetailType == "ECS Task State Change" && event.Detail.LastStatus == "STOPPED" &&
			strings.HasPrefix(event.Detail.StartedBy, prefix)
		switch got := pattern.Match(raw); {
		case got && !want:
			c.bad("the pattern matches %s", file)
		case !got && want:
			c.bad("the pattern does not match %s", file)
		case got:
			selected++
		}
	}
	if selected == 0 {
		c.bad("the pattern selects none of events/collector/*.json")
	}
}

var (
	variable = regexp.MustCompile(`<([^<>]*)>`)
	dotPath  = regexp.MustCompile(`^\$(\.[A-Za-z0-9_/-]+(\[[0-9]+\])?)+$`)
)

func (c *checker) transformer(function string, transformer *yaml.Node) {
	paths := map[string]bool{}
	for name, path := range pairs(get(transformer, "InputPathsMap")) {
		paths[name] = true
		if !dotPath.MatchString(path.Value) {
			c.bad("path %q of <%s> is not a path like $.detail.name", path.Value, name)
		}
	}
	template := text(transformer, "InputTemplate")
	used := map[string]bool{}
	// EventBridge puts quotes around a string that stands without them.
	filled := variable.ReplaceAllStringFunc(template, func(match string) string {
		name := strings.Trim(match, "<>")
		used[name] = true
		if !paths[name] && !strings.HasPrefix(name, "aws.events.") {
			c.bad("%s is not in InputPathsMap", match)
		}
		if strings.Contains(template, `"`+match+`"`) {
			return "5f1d6f0e"
		}
		return `"5f1d6f0e"`
	})
	for name := range paths {
		if !used[name] {
			c.bad("InputTemplate does not use <%s>", name)
		}
	}
	c.payload(function, "InputTemplate", filled)
}

// ---- Dashboard

func (c *checker) dashboard(body string) {
	var dashboard struct {
		Widgets []struct {
			Type       string
			Properties struct{ Metrics [][]any }
		}
	}
	if err := json.Unmarshal([]byte(body), &dashboard); err != nil {
		c.bad("DashboardBody is not JSON, or not as a dashboard is: %v", err)
		return
	}
	if len(dashboard.Widgets) == 0 {
		c.bad("DashboardBody has no widgets")
	}
	for i, widget := range dashboard.Widgets {
		if !slices.Contains([]string{"alarm", "custom", "explorer", "log", "metric", "text"}, widget.Type) {
			c.bad("widget %d: type %q is not one that CloudWatch has", i, widget.Type)
		}
		for _, metric := range widget.Properties.Metrics {
			if len(metric) < 2 {
				c.bad("widget %d: metric %v has no namespace or no name", i, metric)
				continue
			}
			if dimensions := strings.Trim(fmt.Sprint(metric[2:min(len(metric), 4)]), "[]"); metric[0] == namespace {
				c.ours(fmt.Sprint(metric[1]), dimensions)
			}
		}
	}
}

// ---- Permissions

// actions are those of the services that the stack uses, or is likely to.
// IAM takes a misspelt action without a word: copy new ones from the Service
// Authorization Reference.
var actions = map[string][]string{
	"cloudformation": strings.Fields("DescribeStacks"),
	"dynamodb":       strings.Fields("BatchGetItem DeleteItem GetItem PutItem Query Scan UpdateItem"),
	"ecs":            strings.Fields("DescribeClusters DescribeServices DescribeTaskDefinition DescribeTasks ExecuteCommand ListTasks RunTask StopTask TagResource"),
	"iam":            strings.Fields("PassRole"),
	"kms":            strings.Fields("Decrypt DescribeKey Encrypt GenerateDataKey GenerateDataKeyWithoutPlaintext"),
	"lambda":         strings.Fields("InvokeFunction"),
	"logs":           strings.Fields("CreateLogGroup CreateLogStream DescribeLogStreams FilterLogEvents GetLogEvents PutLogEvents"),
	"sns":            strings.Fields("ListSubscriptionsByTopic Publish Subscribe"),
	"sqs":            strings.Fields("ChangeMessageVisibility DeleteMessage GetQueueAttributes ReceiveMessage SendMessage"),
	"ssm":            strings.Fields("ResumeSession StartSession TerminateSession"),
	"ssmmessages":    strings.Fields("CreateControlChannel CreateDataChannel OpenControlChannel OpenDataChannel"),
	"sts":            strings.Fields("AssumeRole"),
}

// unscoped are the actions for which AWS knows no resource, or none that fits.
var unscoped = []string{"ecs:DescribeTaskDefinition", "ecs:ListTasks"}

// onOneCluster are the actions that a condition keeps to a cluster, and what
// they would do elsewhere.
var onOneCluster = map[string]string{
	"ecs:ExecuteCommand": "runs commands",
	"ecs:ListTasks":      "lists tasks",
	"ecs:RunTask":        "runs tasks",
}

// statements yields those of every policy within a resource.
func statements(n *yaml.Node) iter.Seq[*yaml.Node] {
	return func(yield func(*yaml.Node) bool) {
		for policy := range policies(n) {
			for _, statement := range items(get(policy, "Statement")) {
				if !yield(statement) {
					return
				}
			}
		}
	}
}

func policies(n *yaml.Node) iter.Seq[*yaml.Node] {
	return func(yield func(*yaml.Node) bool) {
		if get(n, "Statement") != nil {
			yield(n)
			return
		}
		for _, child := range n.Content {
			for policy := range policies(child) {
				if !yield(policy) {
					return
				}
			}
		}
	}
}

func (c *checker) permissions(resource *yaml.Node) {
	id := c.at
	defer func() { c.at = id }()
	kind := text(resource, "Type")
	// In these, "*" is the resource that carries the policy.
	carried := slices.Contains([]string{"AWS::KMS::Key", "AWS::SNS::TopicPolicy", "AWS::SQS::QueuePolicy"}, kind)
	for policy := range policies(resource) {
		seen := map[string]bool{}
		for _, statement := range items(get(policy, "Statement")) {
			c.at = id
			sid := text(statement, "Sid")
			if sid == "" {
				c.bad("has a statement without Sid")
			} else if seen[sid] {
				c.bad("%s is the Sid of two statements", sid)
			}
			seen[sid] = true
			c.at = id + ": " + sid
			allows := text(statement, "Effect") != "Deny"
			for _, action := range values(get(statement, "Action")) {
				c.action(action, statement, allows && kind != "AWS::KMS::Key")
				if allows && !carried && !slices.Contains(unscoped, action) && slices.Contains(values(get(statement, "Resource")), "*") {
					c.bad("allows %s on \"*\"", action)
				}
			}
		}
	}
}

func (c *checker) action(action string, statement *yaml.Node, narrow bool) {
	service, name, _ := strings.Cut(action, ":")
	prefix, wild := strings.CutSuffix(name, "*")
	switch {
	case !slices.ContainsFunc(actions[service], func(known string) bool {
		return known == name || wild && strings.HasPrefix(known, prefix)
	}):
		c.bad("action %q is not one that is known here", action)
	case wild && prefix == "" && narrow:
		c.bad("action %q allows all that %s can do", action, service)
	case action == "iam:PassRole" && !slices.Equal(values(get(statement, "Condition", "StringEquals", "iam:PassedToService")), []string{"ecs-tasks.amazonaws.com"}):
		c.bad("passes roles to any service, want iam:PassedToService ecs-tasks.amazonaws.com")
	case onOneCluster[action] != "" && len(values(get(statement, "Condition", "ArnEquals", "ecs:cluster"))) == 0:
		c.bad("%s on any cluster, want a condition on ecs:cluster", onOneCluster[action])
	}
}

// ---- Operation: encryption, TLS, alarms

func (c *checker) operation(all map[string]*yaml.Node) {
	tls := map[string]bool{}     // topics and queues
	watched := map[string]bool{} // dimensions of alarms
	for id, resource := range all {
		c.at = id
		properties := get(resource, "Properties")
		switch text(resource, "Type") {
		case "AWS::SNS::TopicPolicy", "AWS::SQS::QueuePolicy":
			for statement := range statements(properties) {
				if text(statement, "Effect") == "Deny" && text(statement, "Condition", "Bool", "aws:SecureTransport") == "false" {
					for _, carrier := range append(values(get(properties, "Topics")), values(get(properties, "Queues"))...) {
						tls[carrier] = true
					}
				}
			}
		case "AWS::CloudWatch::Alarm":
			for _, dimension := range items(get(properties, "Dimensions")) {
				watched[text(properties, "MetricName")+" "+text(dimension, "Value")] = true
			}
			for _, query := range items(get(properties, "Metrics")) {
				metric := get(query, "MetricStat", "Metric")
				for _, dimension := range items(get(metric, "Dimensions")) {
					watched[text(metric, "MetricName")+" "+text(dimension, "Value")] = true
				}
			}
			if !slices.Equal(values(get(properties, "AlarmActions")), []string{c.lookup("AlarmTopic")}) {
				c.bad("does not tell AlarmTopic")
			}
		}
	}
	for id, resource := range all {
		c.at = id
		switch text(resource, "Type") {
		case "AWS::SNS::Topic":
			if text(resource, "Properties", "KmsMasterKeyId") != "TopicKey" {
				c.bad("is not encrypted with TopicKey")
			}
			if !tls[c.lookup(id)] {
				c.bad("no policy refuses connections without TLS")
			}
			if !watched["NumberOfNotificationsFailed "+id+".TopicName"] {
				c.bad("has no alarm on messages that are not delivered")
			}
		case "AWS::SQS::Queue":
			if text(resource, "Properties", "SqsManagedSseEnabled") != "true" {
				c.bad("is not encrypted")
			}
			if !tls[id] {
				c.bad("no policy refuses connections without TLS")
			}
			if !watched["ApproximateNumberOfMessagesVisible "+id+".QueueName"] {
				c.bad("has no alarm")
			}
		case "AWS::Serverless::Function":
			c.watches(watched, id, resource)
		}
	}
}

// watches holds the alarms against what can go wrong with a function.
func (c *checker) watches(watched map[string]bool, id string, function *yaml.Node) {
	want := []string{"Errors", "Throttles"}
	events := get(function, "Properties", "EventInvokeConfig")
	if id != "WatchdogFunction" { // whose events may be lost: there is another one in a minute
		want = append(want, "AsyncEventsDropped")
	}
	if get(events, "DestinationConfig") != nil {
		want = append(want, "DestinationDeliveryFailures")
	}
	if get(function, "Properties", "DeadLetterQueue") != nil {
		want = append(want, "DeadLetterErrors")
	}
	// An event of the others is given up before it is old.
	if text(events, "MaximumEventAgeInSeconds") == "" {
		want = append(want, "AsyncEventAge")
	}
	for _, metric := range want {
		if !watched[metric+" "+id] {
			c.bad("has no alarm on its %s", metric)
		}
	}
}

// ---- Names

// nameOf is the property with which each type can be given a name of its own.
var nameOf = map[string]string{
	"AWS::CloudWatch::Alarm":        "AlarmName",
	"AWS::CloudWatch::Dashboard":    "DashboardName",
	"AWS::DynamoDB::Table":          "TableName",
	"AWS::ECS::Cluster":             "ClusterName",
	"AWS::ECS::TaskDefinition":      "Family",
	"AWS::Events::Rule":             "Name",
	"AWS::IAM::ManagedPolicy":       "ManagedPolicyName",
	"AWS::IAM::Role":                "RoleName",
	"AWS::KMS::Alias":               "AliasName",
	"AWS::Logs::LogGroup":           "LogGroupName",
	"AWS::SNS::Topic":               "TopicName",
	"AWS::SQS::Queue":               "QueueName",
	"AWS::Scheduler::Schedule":      "Name",
	"AWS::Scheduler::ScheduleGroup": "Name",
	"AWS::Serverless::Function":     "FunctionName",
	"EventBridgeRule":               "RuleName",
	"Schedule":                      "Name",
	"ScheduleV2":                    "Name",
}

// sharedNames deploys the template twice into one account and Region.
func sharedNames(root *yaml.Node, parameters map[string]string) []string {
	var findings []string
	second := names(root, parameters, "second")
	for place, name := range names(root, parameters, "first") {
		switch {
		case name == "" && strings.HasSuffix(place, " of ScheduleV2"):
			findings = append(findings, strings.TrimSuffix(place, "Name of ScheduleV2")+"SAM's default name is the same in every stack; set OmitName")
		case name != "" && name == second[place]:
			place, _, _ = strings.Cut(place, " of ")
			findings = append(findings, place+" is the same in every stack")
		}
	}
	return findings
}

func names(root *yaml.Node, parameters map[string]string, stackName string) map[string]string {
	parameters = maps.Clone(parameters)
	parameters["AWS::StackName"] = stackName
	s := deploy(root, parameters)
	all := map[string]string{}
	add := func(id string, n *yaml.Node) {
		kind := text(n, "Type")
		if text(n, "Properties", "OmitName") != "true" {
			all[id+": "+nameOf[kind]+" of "+kind] = text(n, "Properties", nameOf[kind])
		}
	}
	for id, resource := range s.resources() {
		add(id, resource)
		for name, event := range pairs(get(resource, "Properties", "Events")) {
			add(name, event)
		}
	}
	for id, output := range pairs(get(root, "Outputs")) {
		if export := get(output, "Export", "Name"); export != nil {
			all[id+": Export"] = s.resolve(export).Value
		}
	}
	return all
}
