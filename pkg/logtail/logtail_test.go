package logtail_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"errand/pkg/logtail"
)

func TestRead(t *testing.T) {
	t.Parallel()
	wrong := errors.New("wrong")
	long := strings.Repeat("x", 600<<10)
	for _, tt := range []struct {
		name  string
		pages [][]string // the newest first; then the token comes back
		fail  int        // the page that cannot be had, from 1
		want  logtail.Tail
		err   string
		asked int
	}{
		{name: "more than enough", pages: [][]string{{"a", "b", "c", "d"}}, want: logtail.Tail{Lines: []string{"b", "c", "d"}, Truncated: true}, asked: 1},
		{name: "just enough", pages: [][]string{{"a", "b", "c"}}, want: logtail.Tail{Lines: []string{"a", "b", "c"}}, asked: 2},
		{name: "just enough, and one before", pages: [][]string{{"b", "c", "d"}, {"a"}}, want: logtail.Tail{Lines: []string{"b", "c", "d"}, Truncated: true}, asked: 2},
		{name: "less", pages: [][]string{{"a"}}, want: logtail.Tail{Lines: []string{"a"}}, asked: 2},
		{name: "part-full and empty pages", pages: [][]string{{}, {"c"}, {}, {"b"}, {}, {"a"}}, want: logtail.Tail{Lines: []string{"a", "b", "c"}}, asked: 7},
		{name: "several lines in an event", pages: [][]string{{"d"}, {"a\nb\r\nc\n"}}, want: logtail.Tail{Lines: []string{"b", "c", "d"}, Truncated: true}, asked: 2},
		{name: "a stack trace", pages: [][]string{{"boom\r\tat a\r\tat b\rCaused by: c"}}, want: logtail.Tail{Lines: []string{"\tat a", "\tat b", "Caused by: c"}, Truncated: true}, asked: 1},
		{name: "nothing", pages: [][]string{{}}, want: logtail.Tail{Empty: true}, asked: 2},
		{name: "no stream", pages: [][]string{{}}, fail: 1, err: "wrong", asked: 1},
		{
			name: "a page before that cannot be had", pages: [][]string{{"b"}, {"a"}}, fail: 2, asked: 2,
			want: logtail.Tail{Lines: []string{"b"}, Truncated: true, Note: "what stands before these lines could not be read: wrong"},
		},
		{name: "large events", pages: [][]string{{long}, {long}, {"a"}}, want: logtail.Tail{Lines: []string{long, long}, Truncated: true}, asked: 2},
		{name: "empty pages for ever", pages: make([][]string, 100), err: "the last 20 pages of the log stream are empty, and there are more before them", asked: 20},
		{
			name: "a line and empty pages for ever", pages: append([][]string{{"a"}}, make([][]string, 100)...), asked: 20,
			want: logtail.Tail{Lines: []string{"a"}, Truncated: true, Note: "only the last 20 pages of the log stream were read, and there are more before them"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			asked := 0
			got, err := logtail.Read(func(in *cloudwatchlogs.GetLogEventsInput, _ bool) (*cloudwatchlogs.GetLogEventsOutput, error) {
				if want := (cloudwatchlogs.GetLogEventsInput{
					LogGroupName: aws.String("g"), LogStreamName: aws.String("s"), Limit: aws.Int32(4), StartTime: aws.Int64(7000), NextToken: in.NextToken,
				}); !cmp.Equal(want, *in, cmpopts.IgnoreUnexported(want)) {
					t.Errorf("asked for %+v", *in)
				}
				n := 0
				if in.NextToken != nil {
					if _, err := fmt.Sscan(*in.NextToken, &n); err != nil {
						t.Error(err)
					}
				}
				asked++
				if asked == tt.fail {
					return nil, wrong
				}
				out := &cloudwatchlogs.GetLogEventsOutput{NextBackwardToken: aws.String(fmt.Sprint(min(n+1, len(tt.pages))))}
				if n < len(tt.pages) {
					for i, message := range tt.pages[n] {
						out.Events = append(out.Events, types.OutputLogEvent{Timestamp: aws.Int64(int64(i)), Message: &message})
					}
				}
				return out, nil
			}, "g", "s", time.Unix(7, 0), 3)
			text := ""
			if err != nil {
				text, got = err.Error(), logtail.Tail{}
			}
			if diff := cmp.Diff(tt.want, got, cmpopts.IgnoreUnexported(got)); diff != "" || text != tt.err || asked != tt.asked {
				t.Errorf("asked %d times, got %q, want %d and %q; (-want +got):\n%.500s", asked, text, tt.asked, tt.err, diff)
			}
		})
	}
}

func TestSame(t *testing.T) {
	t.Parallel()
	read := func(at int64, lines ...string) logtail.Tail {
		tail, err := logtail.Read(func(*cloudwatchlogs.GetLogEventsInput, bool) (*cloudwatchlogs.GetLogEventsOutput, error) {
			out := &cloudwatchlogs.GetLogEventsOutput{}
			for _, line := range lines {
				out.Events = append(out.Events, types.OutputLogEvent{Timestamp: &at, Message: &line})
			}
			return out, nil
		}, "g", "s", time.Time{}, 2)
		if err != nil {
			t.Fatal(err)
		}
		return tail
	}
	if !read(1, "a").Same(read(1, "a")) || !read(1).Same(read(2)) {
		t.Error("two reads that are the same are not")
	}
	for name, other := range map[string]logtail.Tail{"a line more": read(1, "a", "a"), "the same line later": read(2, "a"), "nothing": read(1)} {
		if other.Same(read(1, "a")) {
			t.Errorf("%s is the same", name)
		}
	}
}
