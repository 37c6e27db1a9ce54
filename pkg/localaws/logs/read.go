package logs

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"errand/pkg/localaws/host"
)

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
func (l *Service) getEvents(_ context.Context, in *cloudwatchlogs.GetLogEventsInput) (*cloudwatchlogs.GetLogEventsOutput, error) {
	limit, err := host.Within("limit", in.Limit, maxPageEvents)
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
	if l.lag > 0 {
		events = l.shown(events)
	}

	forward, place := in.StartFromHead != nil && *in.StartFromHead, 0
	if !forward {
		place = len(events)
	}
	if token := host.Deref(in.NextToken); token != "" {
		direction, rest, _ := strings.Cut(token, "/")
		place, err = strconv.Atoi(rest)
		if err != nil || place < 0 || direction != "f" && direction != "b" {
			return nil, host.Invalid(wrongToken)
		}
		if direction == "f" && !forward {
			return nil, host.Invalid("A nextForwardToken needs startFromHead to be true.")
		}
		forward = direction == "f"
	}
	first, last := page(events, min(place, len(events)), forward, limit, in.StartTime, in.EndTime)
	out := &cloudwatchlogs.GetLogEventsOutput{Events: []types.OutputLogEvent{}}
	for _, e := range events[first:last] {
		if e.in(in.StartTime, in.EndTime) {
			out.Events = append(out.Events, types.OutputLogEvent{Timestamp: new(e.at), IngestionTime: new(e.ingested), Message: new(e.message)})
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
func page(events []event, place int, forward bool, limit int, start, end *int64) (first, last int) {
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
func (e event) in(start, end *int64) bool {
	return (start == nil || e.at >= *start) && (end == nil || e.at < *end)
}

// position writes a token. Its fixed width is CloudWatch's.
func position(kind string, place int) string { return fmt.Sprintf("%s%056d", kind, place) }

// simpleTerm is the filter pattern that is served: one word, or anything in
// double quotes.
var simpleTerm = regexp.MustCompile(`^\s*(?:(\w*)|"([^"\\]*)")\s*$`)

func (l *Service) filterEvents(_ context.Context, in *cloudwatchlogs.FilterLogEventsInput) (*cloudwatchlogs.FilterLogEventsOutput, error) {
	limit, err := host.Within("limit", in.Limit, maxPageEvents)
	if err != nil {
		return nil, err
	}
	if len(in.LogStreamNames) > 0 && host.Deref(in.LogStreamNamePrefix) != "" {
		return nil, host.Invalid("Cannot specify both logStreamNames and logStreamNamePrefix.")
	}
	pattern := simpleTerm.FindStringSubmatch(host.Deref(in.FilterPattern))
	if pattern == nil {
		return nil, host.Invalid("The embedded AWS endpoint serves filter patterns of one word or one quoted text only, not %s.", host.Deref(in.FilterPattern))
	}
	term := pattern[1] + pattern[2]
	skip := 0
	if token := host.Deref(in.NextToken); token != "" {
		if skip, err = strconv.Atoi(token); err != nil || skip < 0 {
			return nil, host.Invalid(wrongToken)
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
	found := []types.FilteredLogEvent{}
	for name, s := range g.streams {
		if len(in.LogStreamNames) > 0 && !slices.Contains(in.LogStreamNames, name) || !strings.HasPrefix(name, host.Deref(in.LogStreamNamePrefix)) {
			continue
		}
		for i, e := range s.events {
			// Here the end is part of the range, unlike in GetLogEvents.
			if e.in(in.StartTime, nil) && (in.EndTime == nil || e.at <= *in.EndTime) && strings.Contains(e.message, term) {
				found = append(found, types.FilteredLogEvent{
					EventId:       new(position("", i)),
					LogStreamName: new(name),
					Timestamp:     new(e.at),
					IngestionTime: new(e.ingested),
					Message:       new(e.message),
				})
			}
		}
	}
	slices.SortFunc(found, func(a, b types.FilteredLogEvent) int {
		return cmp.Or(cmp.Compare(*a.Timestamp, *b.Timestamp), cmp.Compare(*a.LogStreamName, *b.LogStreamName), cmp.Compare(*a.EventId, *b.EventId))
	})
	found = found[min(skip, len(found)):]
	out := &cloudwatchlogs.FilterLogEventsOutput{Events: found, SearchedLogStreams: []types.SearchedLogStream{}}
	if len(found) > limit {
		out.Events = found[:limit]
		out.NextToken = new(strconv.Itoa(skip + limit))
	}
	return out, nil
}
