package localaws

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	logstypes "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
)

// logsService is CloudWatch Logs: groups of streams of lines.
type logsService struct {
	server     *Server
	operations map[string]operation

	mu     sync.Mutex
	groups map[string]*logGroup
}

type logGroup struct {
	name    string
	created int64
	streams map[string]*logStream
	hidden  []hiding
}

// hiding is what HideLog was told.
type hiding struct{ lines, reads int }

type logStream struct {
	name    string
	created int64
	events  []logEvent // by timestamp; those of the same millisecond as they came
}

type logEvent struct {
	at, ingested int64 // milliseconds since 1970
	message      string
}

func newLogs(s *Server) *logsService {
	l := &logsService{server: s, groups: map[string]*logGroup{}}
	l.operations = map[string]operation{
		"CreateLogGroup":     serve(l.createGroup),
		"CreateLogStream":    serve(l.createStream),
		"DescribeLogGroups":  serve(l.describeGroups),
		"DescribeLogStreams": serve(l.describeStreams),
		"FilterLogEvents":    serve(l.filterEvents),
		"GetLogEvents":       serve(l.getEvents),
		"PutLogEvents":       serve(l.putEvents),
	}
	return l
}

// HideLog plays lines that CloudWatch Logs shows late: the next reads
// GetLogEvents calls on the group do not see a stream's last lines. With
// lines below 0 they do not see the stream at all. Hidings of one group follow
// each other.
func (s *Server) HideLog(group string, lines, reads int) {
	s.logs.mu.Lock()
	defer s.logs.mu.Unlock()
	g := s.logs.makeGroup(group)
	g.hidden = append(g.hidden, hiding{lines, reads})
}

// write appends a line as a container's or a function's log driver does,
// making the group and the stream if need be.
func (l *logsService) write(group, stream, line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now().UnixMilli()
	l.makeGroup(group).makeStream(stream).add(logEvent{now, now, line})
}

// open makes the stream that a container's log driver is about to write to. It
// fails when there is no such group and the driver may not create one.
func (l *logsService) open(group, stream string, createGroup bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.groups[group] == nil && !createGroup {
		return errNoGroup()
	}
	l.makeGroup(group).makeStream(stream)
	return nil
}

func (l *logsService) makeGroup(name string) *logGroup {
	if l.groups[name] == nil {
		l.groups[name] = &logGroup{name: name, created: time.Now().UnixMilli(), streams: map[string]*logStream{}}
	}
	return l.groups[name]
}

func (g *logGroup) makeStream(name string) *logStream {
	if g.streams[name] == nil {
		g.streams[name] = &logStream{name: name, created: time.Now().UnixMilli()}
	}
	return g.streams[name]
}

func (s *logStream) add(e logEvent) {
	at := len(s.events)
	for at > 0 && s.events[at-1].at > e.at {
		at--
	}
	s.events = slices.Insert(s.events, at, e)
}

// group finds a log group by its name or, where the API takes one, its ARN.
func (l *logsService) group(name, identifier *string) (*logGroup, error) {
	wanted := deref(name)
	if wanted == "" {
		wanted = strings.TrimPrefix(deref(identifier), l.server.arn("logs", "log-group:"))
		wanted = strings.TrimSuffix(wanted, ":*")
	}
	if wanted == "" {
		return nil, invalid("1 validation error detected: Value null at 'logGroupName' failed to satisfy constraint: Member must not be null")
	}
	g := l.groups[wanted]
	if g == nil {
		return nil, errNoGroup()
	}
	return g, nil
}

func (g *logGroup) stream(name *string) (*logStream, error) {
	s := g.streams[deref(name)]
	if s == nil {
		return nil, errNoStream()
	}
	return s, nil
}

func errNoGroup() *apiError {
	return badRequest("ResourceNotFoundException", "The specified log group does not exist.")
}

func errNoStream() *apiError {
	return badRequest("ResourceNotFoundException", "The specified log stream does not exist.")
}

var (
	groupNames  = regexp.MustCompile(`^[.\-_/#A-Za-z0-9]{1,512}$`)
	streamNames = regexp.MustCompile(`^[^:*]{1,512}$`)
)

func (l *logsService) createGroup(_ context.Context, in *cloudwatchlogs.CreateLogGroupInput) (*cloudwatchlogs.CreateLogGroupOutput, error) {
	name := deref(in.LogGroupName)
	if err := matches("logGroupName", name, groupNames); err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.groups[name] != nil {
		return nil, badRequest("ResourceAlreadyExistsException", "The specified log group already exists")
	}
	l.makeGroup(name)
	return &cloudwatchlogs.CreateLogGroupOutput{}, nil
}

func (l *logsService) createStream(_ context.Context, in *cloudwatchlogs.CreateLogStreamInput) (*cloudwatchlogs.CreateLogStreamOutput, error) {
	name := deref(in.LogStreamName)
	if err := matches("logStreamName", name, streamNames); err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	g, err := l.group(in.LogGroupName, nil)
	if err != nil {
		return nil, err
	}
	if g.streams[name] != nil {
		return nil, badRequest("ResourceAlreadyExistsException", "The specified log stream already exists")
	}
	g.makeStream(name)
	return &cloudwatchlogs.CreateLogStreamOutput{}, nil
}

func (l *logsService) putEvents(_ context.Context, in *cloudwatchlogs.PutLogEventsInput) (*cloudwatchlogs.PutLogEventsOutput, error) {
	if len(in.LogEvents) == 0 {
		return nil, invalid("1 validation error detected: Value '[]' at 'logEvents' failed to satisfy constraint: Member must have length greater than or equal to 1")
	}
	for i, e := range in.LogEvents {
		if e.Timestamp == nil || deref(e.Message) == "" {
			return nil, invalid("1 validation error detected: 'logEvents.%d.member' must have a timestamp and a message of at least 1 character", i+1)
		}
		if i > 0 && *e.Timestamp < *in.LogEvents[i-1].Timestamp {
			return nil, invalid("Log events in a single PutLogEvents request must be in chronological order.")
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	g, err := l.group(in.LogGroupName, nil)
	if err != nil {
		return nil, err
	}
	s, err := g.stream(in.LogStreamName)
	if err != nil {
		return nil, err
	}
	for _, e := range in.LogEvents {
		s.add(logEvent{*e.Timestamp, time.Now().UnixMilli(), *e.Message})
	}
	return &cloudwatchlogs.PutLogEventsOutput{NextSequenceToken: new(position("", len(s.events)))}, nil
}

const (
	// A page ends at 10,000 events or 1 MB, an event counting 26 bytes more
	// than its message.
	maxPageEvents = 10_000
	maxPageBytes  = 1 << 20
	eventOverhead = 26
)

// getEvents reads one stream. A token is a place between two events: "f/" walks
// on from it to newer events and "b/" to older ones, and at the end the token
// that came is the token that goes back.
func (l *logsService) getEvents(_ context.Context, in *cloudwatchlogs.GetLogEventsInput) (*cloudwatchlogs.GetLogEventsOutput, error) {
	limit, err := within("limit", in.Limit, maxPageEvents, maxPageEvents)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	g, err := l.group(in.LogGroupName, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	hide := g.takeHiding()
	s, err := g.stream(in.LogStreamName)
	if err != nil {
		return nil, err
	}
	if hide < 0 {
		return nil, errNoStream()
	}
	events := s.events[:max(0, len(s.events)-hide)]

	forward, place := in.StartFromHead != nil && *in.StartFromHead, 0
	if !forward {
		place = len(events)
	}
	if token := deref(in.NextToken); token != "" {
		direction, rest, _ := strings.Cut(token, "/")
		place, err = strconv.Atoi(rest)
		if err != nil || direction != "f" && direction != "b" {
			return nil, invalid("The specified nextToken is invalid.")
		}
		if direction == "f" && !forward {
			return nil, invalid("A nextForwardToken needs startFromHead to be true.")
		}
		forward = direction == "f"
	}
	first, last := page(events, min(place, len(events)), forward, limit, in.StartTime, in.EndTime)
	out := &cloudwatchlogs.GetLogEventsOutput{Events: []logstypes.OutputLogEvent{}}
	for _, e := range events[first:last] {
		if e.in(in.StartTime, in.EndTime) {
			out.Events = append(out.Events, logstypes.OutputLogEvent{Timestamp: new(e.at), IngestionTime: new(e.ingested), Message: new(e.message)})
		}
	}
	if len(out.Events) == 0 {
		// Nothing was passed, so both tokens stay where the reader is, which
		// may be beyond what a hiding shows.
		first, last = place, place
	}
	out.NextBackwardToken = new(position("b/", first))
	out.NextForwardToken = new(position("f/", last))
	return out, nil
}

// page returns the bounds of the next page of events from a place on. Events
// outside the times are passed over and do not count.
func page(events []logEvent, place int, forward bool, limit int, start, end *int64) (first, last int) {
	first, last = place, place
	for count, bytes := 0, 0; count < limit; {
		next := first - 1
		if forward {
			next = last
		}
		if next < 0 || next >= len(events) {
			break
		}
		if e := events[next]; e.in(start, end) {
			size := len(e.message) + eventOverhead
			if count > 0 && bytes+size > maxPageBytes {
				break
			}
			count++
			bytes += size
		}
		if forward {
			last++
		} else {
			first--
		}
	}
	return first, last
}

// in reports whether the event is in a GetLogEvents range, whose start is part
// of it and whose end is not.
func (e logEvent) in(start, end *int64) bool {
	return (start == nil || e.at >= *start) && (end == nil || e.at < *end)
}

// position writes a token. Its fixed width is CloudWatch's.
func position(kind string, place int) string { return fmt.Sprintf("%s%056d", kind, place) }

// takeHiding uses up one read of the hiding in force and returns how many lines
// it hides.
func (g *logGroup) takeHiding() int {
	for len(g.hidden) > 0 {
		h := &g.hidden[0]
		if h.reads > 0 {
			h.reads--
			return h.lines
		}
		g.hidden = g.hidden[1:]
	}
	return 0
}

func (l *logsService) describeGroups(_ context.Context, in *cloudwatchlogs.DescribeLogGroupsInput) (*cloudwatchlogs.DescribeLogGroupsOutput, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	names, next, err := list(cmp.Compare, l.groups, deref(in.LogGroupNamePrefix), in.Limit, in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &cloudwatchlogs.DescribeLogGroupsOutput{LogGroups: []logstypes.LogGroup{}, NextToken: next}
	for _, name := range names {
		g := l.groups[name]
		arn := l.server.arn("logs", "log-group:"+name)
		out.LogGroups = append(out.LogGroups, logstypes.LogGroup{
			LogGroupName:      new(name),
			CreationTime:      new(g.created),
			MetricFilterCount: new(int32(0)),
			Arn:               new(arn + ":*"),
			LogGroupArn:       new(arn),
			LogGroupClass:     logstypes.LogGroupClassStandard,
			StoredBytes:       new(int64(0)),
		})
	}
	return out, nil
}

func (l *logsService) describeStreams(_ context.Context, in *cloudwatchlogs.DescribeLogStreamsInput) (*cloudwatchlogs.DescribeLogStreamsOutput, error) {
	if err := oneOf("orderBy", in.OrderBy, in.OrderBy.Values()); err != nil {
		return nil, err
	}
	byTime := in.OrderBy == logstypes.OrderByLastEventTime
	if byTime && deref(in.LogStreamNamePrefix) != "" {
		return nil, invalid("Cannot order by LastEventTime with a logStreamNamePrefix.")
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	g, err := l.group(in.LogGroupName, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	order := cmp.Compare[string]
	if byTime {
		order = func(a, b string) int {
			return cmp.Or(cmp.Compare(g.streams[a].last().at, g.streams[b].last().at), cmp.Compare(a, b))
		}
	}
	if in.Descending != nil && *in.Descending {
		ascending := order
		order = func(a, b string) int { return ascending(b, a) }
	}
	names, next, err := list(order, g.streams, deref(in.LogStreamNamePrefix), in.Limit, in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &cloudwatchlogs.DescribeLogStreamsOutput{LogStreams: []logstypes.LogStream{}, NextToken: next}
	for _, name := range names {
		s := g.streams[name]
		described := logstypes.LogStream{
			LogStreamName: new(name),
			CreationTime:  new(s.created),
			Arn:           new(l.server.arn("logs", "log-group:"+g.name+":log-stream:"+name)),
		}
		if len(s.events) > 0 {
			described.FirstEventTimestamp = new(s.events[0].at)
			described.LastEventTimestamp = new(s.last().at)
			described.LastIngestionTime = new(s.last().ingested)
		}
		out.LogStreams = append(out.LogStreams, described)
	}
	return out, nil
}

func (s *logStream) last() logEvent {
	if len(s.events) == 0 {
		return logEvent{}
	}
	return s.events[len(s.events)-1]
}

// list returns a page of the names of groups or streams that have the prefix,
// and the token of the next page: the last name of this one.
func list[T any](order func(a, b string) int, items map[string]T, prefix string, limit *int32, token *string) ([]string, *string, error) {
	size, err := within("limit", limit, 50, 50)
	if err != nil {
		return nil, nil, err
	}
	var names []string
	for name := range items {
		if strings.HasPrefix(name, prefix) {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, order)
	if token != nil {
		at := slices.Index(names, *token)
		if at < 0 {
			return nil, nil, invalid("The specified nextToken is invalid.")
		}
		names = names[at+1:]
	}
	if len(names) > size {
		return names[:size], new(names[size-1]), nil
	}
	return names, nil, nil
}

// simpleTerm is the filter pattern that is served: one word, or anything in
// double quotes.
var simpleTerm = regexp.MustCompile(`^\s*(?:(\w*)|"([^"\\]*)")\s*$`)

func (l *logsService) filterEvents(_ context.Context, in *cloudwatchlogs.FilterLogEventsInput) (*cloudwatchlogs.FilterLogEventsOutput, error) {
	limit, err := within("limit", in.Limit, maxPageEvents, maxPageEvents)
	if err != nil {
		return nil, err
	}
	if len(in.LogStreamNames) > 0 && deref(in.LogStreamNamePrefix) != "" {
		return nil, invalid("Cannot specify both logStreamNames and logStreamNamePrefix.")
	}
	pattern := simpleTerm.FindStringSubmatch(deref(in.FilterPattern))
	if pattern == nil {
		return nil, invalid("The embedded AWS endpoint serves filter patterns of one word or one quoted text only, not %s.", deref(in.FilterPattern))
	}
	term := pattern[1] + pattern[2]
	skip := 0
	if token := deref(in.NextToken); token != "" {
		if skip, err = strconv.Atoi(token); err != nil || skip < 0 {
			return nil, invalid("The specified nextToken is invalid.")
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	g, err := l.group(in.LogGroupName, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	for _, name := range in.LogStreamNames {
		if _, err := g.stream(&name); err != nil {
			return nil, err
		}
	}
	found := []logstypes.FilteredLogEvent{}
	for name, s := range g.streams {
		if len(in.LogStreamNames) > 0 && !slices.Contains(in.LogStreamNames, name) || !strings.HasPrefix(name, deref(in.LogStreamNamePrefix)) {
			continue
		}
		for i, e := range s.events {
			// Here the end is part of the range, unlike in GetLogEvents.
			if e.in(in.StartTime, nil) && (in.EndTime == nil || e.at <= *in.EndTime) && strings.Contains(e.message, term) {
				found = append(found, logstypes.FilteredLogEvent{
					EventId:       new(position("", i)),
					LogStreamName: new(name),
					Timestamp:     new(e.at),
					IngestionTime: new(e.ingested),
					Message:       new(e.message),
				})
			}
		}
	}
	slices.SortFunc(found, func(a, b logstypes.FilteredLogEvent) int {
		return cmp.Or(cmp.Compare(*a.Timestamp, *b.Timestamp), cmp.Compare(*a.LogStreamName, *b.LogStreamName), cmp.Compare(*a.EventId, *b.EventId))
	})
	found = found[min(skip, len(found)):]
	out := &cloudwatchlogs.FilterLogEventsOutput{Events: found, SearchedLogStreams: []logstypes.SearchedLogStream{}}
	if len(found) > limit {
		out.Events = found[:limit]
		out.NextToken = new(strconv.Itoa(skip + limit))
	}
	return out, nil
}

// deref is the string that an optional member holds, or "".
func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func invalid(format string, args ...any) *apiError {
	return badRequest("InvalidParameterException", format, args...)
}

// within returns a number that must be between 1 and most, or the default when
// there is none.
func within(member string, n *int32, most, otherwise int) (int, error) {
	switch {
	case n == nil:
		return otherwise, nil
	case *n < 1:
		return 0, invalid("1 validation error detected: Value '%d' at '%s' failed to satisfy constraint: Member must have value greater than or equal to 1", *n, member)
	case int(*n) > most:
		return 0, invalid("1 validation error detected: Value '%d' at '%s' failed to satisfy constraint: Member must have value less than or equal to %d", *n, member, most)
	}
	return int(*n), nil
}

// oneOf refuses a value that an enum does not have. The empty value is one that
// was left out.
func oneOf[E ~string](member string, value E, known []E) error {
	if value == "" || slices.Contains(known, value) {
		return nil
	}
	return invalid("1 validation error detected: Value '%s' at '%s' failed to satisfy constraint: Member must satisfy enum value set: %v", value, member, known)
}

func matches(member, value string, pattern *regexp.Regexp) error {
	if pattern.MatchString(value) {
		return nil
	}
	return invalid("1 validation error detected: Value '%s' at '%s' failed to satisfy constraint: Member must satisfy regular expression pattern: %s", value, member, pattern)
}
