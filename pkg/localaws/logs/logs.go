// Package logs is CloudWatch Logs: groups of streams of lines.
package logs

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"

	"errand/pkg/localaws/host"
)

// Service is CloudWatch Logs.
type Service struct {
	host *host.Host

	mu     sync.Mutex
	groups map[string]*group
	lag    time.Duration
}

// New makes the service, without groups.
func New(h *host.Host) *Service { return &Service{host: h, groups: map[string]*group{}} }

// Operations are what the service serves.
func (l *Service) Operations() host.Operations {
	return host.Targets("Logs_20140328", host.Operations{
		"CreateLogGroup":     host.Serve(l.createGroup),
		"CreateLogStream":    host.Serve(l.createStream),
		"DescribeLogGroups":  host.Serve(l.describeGroups),
		"DescribeLogStreams": host.Serve(l.describeStreams),
		"FilterLogEvents":    host.Serve(l.filterEvents),
		"GetLogEvents":       host.Serve(l.getEvents),
		"PutLogEvents":       host.Serve(l.putEvents),
	})
}

// Write appends a line as a container's or a function's log driver does,
// making the group and the stream if need be.
func (l *Service) Write(group, stream, line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	l.makeGroup(group).makeStream(stream, now).add(event{now, now, line})
}

// now is the time in milliseconds since 1970.
func (l *Service) now() int64 { return l.host.Now().UnixMilli() }

// Open makes the stream that a container's log driver is about to write to. It
// fails when there is no such group and the driver may not create one.
func (l *Service) Open(group, stream string, createGroup bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.groups[group] == nil && !createGroup {
		return errNoGroup()
	}
	l.makeGroup(group).makeStream(stream, l.now())
	return nil
}

func (l *Service) putEvents(_ context.Context, in *cloudwatchlogs.PutLogEventsInput) (*cloudwatchlogs.PutLogEventsOutput, error) {
	if len(in.LogEvents) == 0 {
		return nil, host.Invalid("1 validation error detected: Value '[]' at 'logEvents' failed to satisfy constraint: Member must have length greater than or equal to 1")
	}
	for i, e := range in.LogEvents {
		if e.Timestamp == nil || host.Deref(e.Message) == "" {
			return nil, host.Invalid("1 validation error detected: 'logEvents.%d.member' must have a timestamp and a message of at least 1 character", i+1)
		}
		if i > 0 && *e.Timestamp < *in.LogEvents[i-1].Timestamp {
			return nil, host.Invalid("Log events in a single PutLogEvents request must be in chronological order.")
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
		s.add(event{*e.Timestamp, l.now(), *e.Message})
	}
	return &cloudwatchlogs.PutLogEventsOutput{NextSequenceToken: new(position("", len(s.events)))}, nil
}

const wrongToken = "The specified nextToken is invalid."

// names returns a page of the names of groups or streams that have the prefix.
func names[T any](order func(a, b string) int, items map[string]T, prefix string, limit *int32, token *string) ([]string, *string, error) {
	return host.Names(slices.SortedFunc(maps.Keys(items), order),
		host.Page{Member: "limit", Size: limit, Most: 50, Token: token, Complaint: wrongToken},
		func(name string) string { return name },
		func(name string) bool { return strings.HasPrefix(name, prefix) })
}
