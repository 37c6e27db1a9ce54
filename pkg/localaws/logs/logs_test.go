package logs_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	logs "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"errand/pkg/localaws"
	"errand/pkg/localaws/localtest"
)

// fill makes the stream and puts the messages into it, the n-th at n
// milliseconds.
func (e *endpoint) fill(t *testing.T, group, stream string, messages ...string) {
	t.Helper()
	ctx := t.Context()
	_, _ = e.Logs.CreateLogGroup(ctx, &logs.CreateLogGroupInput{LogGroupName: &group}) // may be there
	if _, err := e.Logs.CreateLogStream(ctx, &logs.CreateLogStreamInput{LogGroupName: &group, LogStreamName: &stream}); err != nil {
		t.Fatal(err)
	}
	if len(messages) == 0 {
		return
	}
	put := &logs.PutLogEventsInput{LogGroupName: &group, LogStreamName: &stream}
	for i, message := range messages {
		put.LogEvents = append(put.LogEvents, types.InputLogEvent{Timestamp: aws.Int64(int64(i + 1)), Message: &message})
	}
	if _, err := e.Logs.PutLogEvents(ctx, put); err != nil {
		t.Fatal(err)
	}
}

// numbers are the messages 1 to n.
func numbers(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprint(i + 1)
	}
	return list
}

// read is GetLogEvents on stream s of group g.
func (e *endpoint) read(t *testing.T, in logs.GetLogEventsInput) ([]string, *logs.GetLogEventsOutput) {
	t.Helper()
	in.LogGroupName, in.LogStreamName = aws.String("g"), aws.String("s")
	out, err := e.Logs.GetLogEvents(t.Context(), &in)
	if err != nil {
		t.Fatal(err)
	}
	var messages []string
	for _, event := range out.Events {
		messages = append(messages, *event.Message)
	}
	return messages, out
}

func TestGetLogEvents(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.fill(t, "g", "s", numbers(6)...)
	for _, test := range []struct {
		name string
		in   logs.GetLogEventsInput
		want []string
	}{
		{name: "all, oldest first", want: numbers(6)},
		{name: "the newest", in: logs.GetLogEventsInput{Limit: aws.Int32(2)}, want: []string{"5", "6"}},
		{name: "the oldest", in: logs.GetLogEventsInput{Limit: aws.Int32(2), StartFromHead: aws.Bool(true)}, want: []string{"1", "2"}},
		{name: "a start that counts and an end that does not", in: logs.GetLogEventsInput{StartTime: aws.Int64(2), EndTime: aws.Int64(4)}, want: []string{"2", "3"}},
		{name: "the newest of a time", in: logs.GetLogEventsInput{EndTime: aws.Int64(4), Limit: aws.Int32(1)}, want: []string{"3"}},
		{name: "the oldest of a time", in: logs.GetLogEventsInput{StartTime: aws.Int64(4), Limit: aws.Int32(1), StartFromHead: aws.Bool(true)}, want: []string{"4"}},
		{name: "a time without events", in: logs.GetLogEventsInput{StartTime: aws.Int64(100)}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, out := e.read(t, test.in)
			same(t, "messages", got, test.want)
			if aws.ToString(out.NextForwardToken) == "" || aws.ToString(out.NextBackwardToken) == "" {
				t.Error("a token is missing")
			}
			for _, event := range out.Events {
				if *event.Timestamp < 1 || *event.Timestamp > 6 || *event.IngestionTime <= *event.Timestamp {
					t.Errorf("%s was put at %d and came in at %d", *event.Message, *event.Timestamp, *event.IngestionTime)
				}
			}
		})
	}
}

func TestGetLogEventsPages(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		forward bool
		want    [][]string
	}{
		{name: "to the newer end", forward: true, want: [][]string{{"1", "2"}, {"3", "4"}, {"5"}, nil}},
		{name: "to the older end", want: [][]string{{"4", "5"}, {"2", "3"}, {"1"}, nil}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			e := start(t)
			e.fill(t, "g", "s", numbers(5)...)
			in := logs.GetLogEventsInput{Limit: aws.Int32(2), StartFromHead: &test.forward}
			for i, want := range test.want {
				got, out := e.read(t, in)
				same(t, fmt.Sprintf("page %d", i+1), got, want)
				next := out.NextBackwardToken
				if test.forward {
					next = out.NextForwardToken
				}
				if end := i == len(test.want)-1; end != (aws.ToString(in.NextToken) == *next) {
					t.Errorf("page %d answers the token %s with %s", i+1, aws.ToString(in.NextToken), *next)
				}
				in.NextToken = next
			}
			if test.forward { // and on, when there is more
				put := &logs.PutLogEventsInput{LogGroupName: aws.String("g"), LogStreamName: aws.String("s"), LogEvents: []types.InputLogEvent{{Timestamp: aws.Int64(9), Message: aws.String("later")}}}
				if _, err := e.Logs.PutLogEvents(t.Context(), put); err != nil {
					t.Fatal(err)
				}
				got, _ := e.read(t, in)
				same(t, "page after the end", got, []string{"later"})
			}
		})
	}
}

func TestGetLogEventsPageEndsAtAMegabyte(t *testing.T) {
	t.Parallel()
	e := start(t)
	big := strings.Repeat("x", 400<<10)
	e.fill(t, "g", "s", big, big, big)
	for _, head := range []bool{false, true} {
		got, _ := e.read(t, logs.GetLogEventsInput{StartFromHead: &head})
		if len(got) != 2 {
			t.Errorf("got %d events of 400 KiB, want 2", len(got))
		}
	}
}

func TestGetLogEventsRefuses(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.fill(t, "g", "s", numbers(3)...)
	_, out := e.read(t, logs.GetLogEventsInput{})
	const bad = "InvalidParameterException"
	for _, test := range []struct {
		name, group, stream string
		in                  logs.GetLogEventsInput
		code, message       string
	}{
		{name: "no such group", group: "missing", stream: "s", code: "ResourceNotFoundException", message: "The specified log group does not exist."},
		{name: "no such stream", group: "g", stream: "missing", code: "ResourceNotFoundException", message: "The specified log stream does not exist."},
		{name: "no group", stream: "s", code: bad, message: "logGroupName"},
		{name: "a limit of 0", group: "g", stream: "s", in: logs.GetLogEventsInput{Limit: aws.Int32(0)}, code: bad, message: "greater than or equal to 1"},
		{name: "a limit of 10001", group: "g", stream: "s", in: logs.GetLogEventsInput{Limit: aws.Int32(10_001)}, code: bad, message: "less than or equal to 10000"},
		{name: "no such token", group: "g", stream: "s", in: logs.GetLogEventsInput{NextToken: aws.String("x/1")}, code: bad, message: "The specified nextToken is invalid."},
		{name: "a token before the first line", group: "g", stream: "s", in: logs.GetLogEventsInput{NextToken: aws.String("b/-5")}, code: bad, message: "The specified nextToken is invalid."},
		{name: "forward, but not from the head", group: "g", stream: "s", in: logs.GetLogEventsInput{NextToken: out.NextForwardToken}, code: bad, message: "startFromHead"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			in := test.in
			in.LogStreamName = &test.stream
			if test.group != "" {
				in.LogGroupName = &test.group
			}
			_, err := e.Logs.GetLogEvents(t.Context(), &in)
			refused(t, err, test.code, test.message)
		})
	}
}

func TestGetLogEventsByARN(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.fill(t, "g", "s", "1")
	out, err := e.Logs.GetLogEvents(t.Context(), &logs.GetLogEventsInput{
		LogGroupIdentifier: aws.String("arn:aws:logs:eu-west-1:123456789012:log-group:g"), LogStreamName: aws.String("s"),
	})
	if err != nil || len(out.Events) != 1 {
		t.Errorf("got %+v, %v", out, err)
	}
}

func TestHideLog(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.fill(t, "g", "s", numbers(3)...)
	e.fill(t, "other", "s", numbers(3)...)
	e.HideLog("g", -1, 1)
	e.HideLog("g", 2, 2)
	e.HideLog("g", 5, 1)
	stream := &logs.GetLogEventsInput{LogGroupName: aws.String("g"), LogStreamName: aws.String("s")}
	elsewhere := &logs.GetLogEventsInput{LogGroupName: aws.String("other"), LogStreamName: aws.String("s")}
	if out, err := e.Logs.GetLogEvents(t.Context(), elsewhere); err != nil || len(out.Events) != 3 {
		t.Errorf("another group shows %+v, %v", out, err)
	}
	_, err := e.Logs.GetLogEvents(t.Context(), stream)
	refused(t, err, "ResourceNotFoundException", "The specified log stream does not exist.")
	for i, want := range [][]string{{"1"}, {"1"}, nil, numbers(3), numbers(3)} {
		got, _ := e.read(t, logs.GetLogEventsInput{})
		same(t, fmt.Sprintf("read %d", i+2), got, want)
	}
	if n := e.Calls("GetLogEvents"); n != 7 {
		t.Errorf("GetLogEvents was called %d times, want 7", n)
	}
}

func TestHiddenLinesKeepAReadersPlace(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.fill(t, "g", "s", numbers(3)...)
	_, out := e.read(t, logs.GetLogEventsInput{StartFromHead: aws.Bool(true)})
	e.HideLog("g", 2, 1)
	got, again := e.read(t, logs.GetLogEventsInput{StartFromHead: aws.Bool(true), NextToken: out.NextForwardToken})
	if len(got) != 0 || *again.NextForwardToken != *out.NextForwardToken {
		t.Errorf("got %q and the token %s, want nothing and %s", got, *again.NextForwardToken, *out.NextForwardToken)
	}
}

func TestPutLogEvents(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.fill(t, "g", "s", numbers(3)...)
	event := func(at int64, message string) types.InputLogEvent {
		return types.InputLogEvent{Timestamp: &at, Message: &message}
	}
	for _, test := range []struct {
		name, group, stream string
		events              []types.InputLogEvent
		code, message       string
	}{
		{name: "no such group", group: "missing", stream: "s", events: []types.InputLogEvent{event(1, "x")}, code: "ResourceNotFoundException", message: "log group"},
		{name: "no such stream", group: "g", stream: "missing", events: []types.InputLogEvent{event(1, "x")}, code: "ResourceNotFoundException", message: "log stream"},
		{name: "no events", group: "g", stream: "s", events: []types.InputLogEvent{}, code: "InvalidParameterException", message: "logEvents"},
		{name: "an empty message", group: "g", stream: "s", events: []types.InputLogEvent{event(1, "")}, code: "InvalidParameterException", message: "at least 1 character"},
		{name: "out of order", group: "g", stream: "s", events: []types.InputLogEvent{event(2, "x"), event(1, "x")}, code: "InvalidParameterException", message: "chronological order"},
	} {
		_, err := e.Logs.PutLogEvents(t.Context(), &logs.PutLogEventsInput{LogGroupName: &test.group, LogStreamName: &test.stream, LogEvents: test.events})
		t.Run(test.name, func(t *testing.T) { refused(t, err, test.code, test.message) })
	}
	out, err := e.Logs.PutLogEvents(t.Context(), &logs.PutLogEventsInput{LogGroupName: aws.String("g"), LogStreamName: aws.String("s"), LogEvents: []types.InputLogEvent{event(2, "late")}})
	if err != nil || aws.ToString(out.NextSequenceToken) == "" {
		t.Errorf("got %+v, %v", out, err)
	}
	got, _ := e.read(t, logs.GetLogEventsInput{})
	same(t, "messages", got, []string{"1", "2", "late", "3"})
}

func TestLogGroupsAndStreams(t *testing.T) {
	t.Parallel()
	e := start(t)
	ctx := t.Context()
	e.fill(t, "jobs/a", "late", "x", "y", "z")
	e.fill(t, "jobs/a", "early", "x")
	e.fill(t, "jobs/a", "none")
	e.fill(t, "jobs/b", "s")
	e.fill(t, "other", "s")

	_, err := e.Logs.CreateLogGroup(ctx, &logs.CreateLogGroupInput{LogGroupName: aws.String("other")})
	refused(t, err, "ResourceAlreadyExistsException", "The specified log group already exists")
	_, err = e.Logs.CreateLogGroup(ctx, &logs.CreateLogGroupInput{LogGroupName: aws.String("a b")})
	refused(t, err, "InvalidParameterException", "Value 'a b' at 'logGroupName'")
	_, err = e.Logs.CreateLogStream(ctx, &logs.CreateLogStreamInput{LogGroupName: aws.String("other"), LogStreamName: aws.String("s")})
	refused(t, err, "ResourceAlreadyExistsException", "The specified log stream already exists")
	_, err = e.Logs.CreateLogStream(ctx, &logs.CreateLogStreamInput{LogGroupName: aws.String("other"), LogStreamName: aws.String("a:b")})
	refused(t, err, "InvalidParameterException", "Value 'a:b' at 'logStreamName'")
	_, err = e.Logs.CreateLogStream(ctx, &logs.CreateLogStreamInput{LogGroupName: aws.String("missing"), LogStreamName: aws.String("s")})
	refused(t, err, "ResourceNotFoundException", "The specified log group does not exist.")

	for _, test := range []struct {
		name string
		in   logs.DescribeLogGroupsInput
		want []string
		next string
	}{
		{name: "all", want: []string{"jobs/a", "jobs/b", "other"}},
		{name: "with a prefix", in: logs.DescribeLogGroupsInput{LogGroupNamePrefix: aws.String("jobs/")}, want: []string{"jobs/a", "jobs/b"}},
		{name: "a page", in: logs.DescribeLogGroupsInput{Limit: aws.Int32(2)}, want: []string{"jobs/a", "jobs/b"}, next: "jobs/b"},
		{name: "the next page", in: logs.DescribeLogGroupsInput{Limit: aws.Int32(2), NextToken: aws.String("jobs/b")}, want: []string{"other"}},
	} {
		out, err := e.Logs.DescribeLogGroups(ctx, &test.in)
		if err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		var names []string
		for _, group := range out.LogGroups {
			names = append(names, *group.LogGroupName)
		}
		same(t, test.name, names, test.want)
		if aws.ToString(out.NextToken) != test.next {
			t.Errorf("%s: the next token is %q, want %q", test.name, aws.ToString(out.NextToken), test.next)
		}
	}
	_, err = e.Logs.DescribeLogGroups(ctx, &logs.DescribeLogGroupsInput{Limit: aws.Int32(51)})
	refused(t, err, "InvalidParameterException", "less than or equal to 50")
	_, err = e.Logs.DescribeLogGroups(ctx, &logs.DescribeLogGroupsInput{NextToken: aws.String("bogus")})
	refused(t, err, "InvalidParameterException", "The specified nextToken is invalid.")

	for _, test := range []struct {
		name string
		in   logs.DescribeLogStreamsInput
		want []string
	}{
		{name: "by name", want: []string{"early", "late", "none"}},
		{name: "by name, descending", in: logs.DescribeLogStreamsInput{Descending: aws.Bool(true)}, want: []string{"none", "late", "early"}},
		{name: "the latest first", in: logs.DescribeLogStreamsInput{OrderBy: types.OrderByLastEventTime, Descending: aws.Bool(true)}, want: []string{"late", "early", "none"}},
		{name: "with a prefix", in: logs.DescribeLogStreamsInput{LogStreamNamePrefix: aws.String("l")}, want: []string{"late"}},
		{name: "the second page", in: logs.DescribeLogStreamsInput{Limit: aws.Int32(1), NextToken: aws.String("early")}, want: []string{"late"}},
	} {
		test.in.LogGroupName = aws.String("jobs/a")
		out, err := e.Logs.DescribeLogStreams(ctx, &test.in)
		if err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		var names []string
		for _, stream := range out.LogStreams {
			names = append(names, *stream.LogStreamName)
			if *stream.LogStreamName == "late" && (*stream.FirstEventTimestamp != 1 || *stream.LastEventTimestamp != 3) ||
				*stream.LogStreamName == "none" && stream.LastEventTimestamp != nil {
				t.Errorf("%s: got %+v", test.name, stream)
			}
		}
		same(t, test.name, names, test.want)
	}
	_, err = e.Logs.DescribeLogStreams(ctx, &logs.DescribeLogStreamsInput{LogGroupName: aws.String("missing")})
	refused(t, err, "ResourceNotFoundException", "The specified log group does not exist.")
	_, err = e.Logs.DescribeLogStreams(ctx, &logs.DescribeLogStreamsInput{LogGroupName: aws.String("other"), OrderBy: "Size"})
	refused(t, err, "InvalidParameterException", "at 'orderBy'")
	_, err = e.Logs.DescribeLogStreams(ctx, &logs.DescribeLogStreamsInput{LogGroupName: aws.String("other"), OrderBy: types.OrderByLastEventTime, LogStreamNamePrefix: aws.String("s")})
	refused(t, err, "InvalidParameterException", "LastEventTime")
}

func TestFilterLogEvents(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.fill(t, "g", "a/1", "one", "ERROR two: bad", "three")
	e.fill(t, "g", "a/2", "uno", "dos")
	e.fill(t, "g", "b", "eins")
	const bad = "InvalidParameterException"
	for _, test := range []struct {
		name          string
		in            logs.FilterLogEventsInput
		want          []string
		next          string
		code, message string
	}{
		{name: "all, by time", want: []string{"one", "uno", "eins", "ERROR two: bad", "dos", "three"}},
		{name: "of streams", in: logs.FilterLogEventsInput{LogStreamNames: []string{"a/2", "b"}}, want: []string{"uno", "eins", "dos"}},
		{name: "of a prefix", in: logs.FilterLogEventsInput{LogStreamNamePrefix: aws.String("a/")}, want: []string{"one", "uno", "ERROR two: bad", "dos", "three"}},
		{name: "a start and an end that both count", in: logs.FilterLogEventsInput{StartTime: aws.Int64(2), EndTime: aws.Int64(2)}, want: []string{"ERROR two: bad", "dos"}},
		{name: "a word", in: logs.FilterLogEventsInput{FilterPattern: aws.String("ERROR")}, want: []string{"ERROR two: bad"}},
		{name: "a quoted text", in: logs.FilterLogEventsInput{FilterPattern: aws.String(`"two: b"`)}, want: []string{"ERROR two: bad"}},
		{name: "an empty pattern", in: logs.FilterLogEventsInput{FilterPattern: aws.String(""), LogStreamNames: []string{"b"}}, want: []string{"eins"}},
		{name: "the first page", in: logs.FilterLogEventsInput{Limit: aws.Int32(2)}, want: []string{"one", "uno"}, next: "2"},
		{name: "the last page", in: logs.FilterLogEventsInput{Limit: aws.Int32(2), NextToken: aws.String("4")}, want: []string{"dos", "three"}},
		{name: "two words", in: logs.FilterLogEventsInput{FilterPattern: aws.String("ERROR two")}, code: bad, message: "one word or one quoted text only"},
		{name: "a JSON pattern", in: logs.FilterLogEventsInput{FilterPattern: aws.String("{ $.level = 1 }")}, code: bad, message: "one word or one quoted text only"},
		{name: "streams and a prefix", in: logs.FilterLogEventsInput{LogStreamNames: []string{"b"}, LogStreamNamePrefix: aws.String("a")}, code: bad, message: "both"},
		{name: "no such stream", in: logs.FilterLogEventsInput{LogStreamNames: []string{"missing"}}, code: "ResourceNotFoundException", message: "The specified log stream does not exist."},
		{name: "no such group", in: logs.FilterLogEventsInput{LogGroupName: aws.String("missing")}, code: "ResourceNotFoundException", message: "The specified log group does not exist."},
		{name: "a limit of 0", in: logs.FilterLogEventsInput{Limit: aws.Int32(0)}, code: bad, message: "greater than or equal to 1"},
		{name: "no such token", in: logs.FilterLogEventsInput{NextToken: aws.String("bogus")}, code: bad, message: "The specified nextToken is invalid."},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			in := test.in
			if in.LogGroupName == nil {
				in.LogGroupName = aws.String("g")
			}
			out, err := e.Logs.FilterLogEvents(t.Context(), &in)
			if test.code != "" {
				refused(t, err, test.code, test.message)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var messages []string
			for _, event := range out.Events {
				messages = append(messages, *event.Message)
			}
			if !slices.Equal(messages, test.want) || aws.ToString(out.NextToken) != test.next {
				t.Errorf("got %q and the token %q, want %q and %q", messages, aws.ToString(out.NextToken), test.want, test.next)
			}
		})
	}
}

func TestCallsCountsFaultsToo(t *testing.T) {
	t.Parallel()
	e := start(t)
	if n := e.Calls("DescribeLogGroups"); n != 0 {
		t.Fatalf("before the first call, there were %d", n)
	}
	e.Inject(localaws.Fault{Operation: "DescribeLogGroups", Code: "ThrottlingException", Message: "Rate exceeded"})
	if _, err := e.Logs.DescribeLogGroups(t.Context(), &logs.DescribeLogGroupsInput{}); err != nil {
		t.Fatal(err)
	}
	if n := e.Calls("DescribeLogGroups"); n != 2 {
		t.Errorf("a throttled call and its retry count %d, want 2", n)
	}
}

func TestQuota(t *testing.T) {
	t.Parallel()
	clock := localtest.NewClock(time.Unix(1, 0))
	e := &endpoint{localtest.StartBy(t, clock)}
	e.Limit(1, 10, "DescribeLogGroups")
	ask := func() error {
		_, err := e.Logs.DescribeLogGroups(t.Context(), &logs.DescribeLogGroupsInput{}, func(o *logs.Options) { o.Retryer = aws.NopRetryer{} })
		return err
	}
	if err := ask(); err != nil {
		t.Fatal(err)
	}
	refused(t, ask(), "ThrottlingException", "Rate exceeded")
	clock.Advance(100 * time.Millisecond)
	if err := ask(); err != nil {
		t.Fatal(err)
	}
}
