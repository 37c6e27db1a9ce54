package logs

import (
	"cmp"
	"context"
	"regexp"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"errand/pkg/localaws/host"
)

type stream struct {
	name    string
	created int64
	events  []event // by timestamp; those of the same millisecond as they came
}

type event struct {
	at, ingested int64 // milliseconds since 1970
	message      string
}

func (g *group) makeStream(name string, now int64) *stream {
	if g.streams[name] == nil {
		g.streams[name] = &stream{name: name, created: now}
	}
	return g.streams[name]
}

func (s *stream) add(e event) {
	at := len(s.events)
	for at > 0 && s.events[at-1].at > e.at {
		at--
	}
	s.events = slices.Insert(s.events, at, e)
}

func (s *stream) last() event {
	if len(s.events) == 0 {
		return event{}
	}
	return s.events[len(s.events)-1]
}

func (g *group) stream(name *string) (*stream, error) {
	s := g.streams[host.Deref(name)]
	if s == nil {
		return nil, errNoStream()
	}
	return s, nil
}

func errNoStream() *host.Error {
	return host.BadRequest("ResourceNotFoundException", "The specified log stream does not exist.")
}

var streamNames = regexp.MustCompile(`^[^:*]{1,512}$`)

func (l *Service) createStream(_ context.Context, in *cloudwatchlogs.CreateLogStreamInput) (*cloudwatchlogs.CreateLogStreamOutput, error) {
	name := host.Deref(in.LogStreamName)
	if err := host.Matches("logStreamName", name, streamNames); err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	g, err := l.group(in.LogGroupName, nil)
	if err != nil {
		return nil, err
	}
	if g.streams[name] != nil {
		return nil, host.BadRequest("ResourceAlreadyExistsException", "The specified log stream already exists")
	}
	g.makeStream(name, l.now())
	return &cloudwatchlogs.CreateLogStreamOutput{}, nil
}

func (l *Service) describeStreams(_ context.Context, in *cloudwatchlogs.DescribeLogStreamsInput) (*cloudwatchlogs.DescribeLogStreamsOutput, error) {
	if err := host.OneOf("orderBy", in.OrderBy, in.OrderBy.Values()); err != nil {
		return nil, err
	}
	byTime := in.OrderBy == types.OrderByLastEventTime
	if byTime && host.Deref(in.LogStreamNamePrefix) != "" {
		return nil, host.Invalid("Cannot order by LastEventTime with a logStreamNamePrefix.")
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
	found, next, err := names(order, g.streams, host.Deref(in.LogStreamNamePrefix), in.Limit, in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &cloudwatchlogs.DescribeLogStreamsOutput{LogStreams: []types.LogStream{}, NextToken: next}
	for _, name := range found {
		s := g.streams[name]
		described := types.LogStream{
			LogStreamName: new(name),
			CreationTime:  new(s.created),
			Arn:           new(l.host.ARN("logs", "log-group:"+g.name+":log-stream:"+name)),
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
