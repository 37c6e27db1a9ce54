package host_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"errand/pkg/localaws/host"
)

func TestFaults(t *testing.T) {
	t.Parallel()
	wrong := errors.New("wrong")
	for _, tt := range []struct {
		name   string
		inject []host.Fault
		decide *host.Fault
		answer error // of the operation itself
		acts   []bool
		want   []string // of each call; empty is none
	}{
		{name: "none", acts: []bool{true}, want: []string{""}},
		{name: "none, and the operation fails", answer: wrong, acts: []bool{true}, want: []string{"wrong"}},
		{name: "an error", inject: []host.Fault{{Operation: "Do", Code: "C", Message: "m"}}, acts: []bool{false, true}, want: []string{"C: m", ""}},
		{name: "of another operation", inject: []host.Fault{{Operation: "Other", Code: "C"}}, acts: []bool{true}, want: []string{""}},
		{
			name: "the second and third", inject: []host.Fault{{Operation: "Do", Code: "C", Skip: 1, Times: 2}},
			acts: []bool{true, false, false, true}, want: []string{"", "C: ", "C: ", ""},
		},
		{name: "late only", inject: []host.Fault{{Operation: "Do", Delay: 1}}, acts: []bool{true}, want: []string{""}},
		{name: "an error in place of the answer", inject: []host.Fault{{Operation: "Do", Code: "C", Lost: true}}, acts: []bool{true, true}, want: []string{"C: ", ""}},
		{name: "an error in place of an error", inject: []host.Fault{{Operation: "Do", Code: "C", Lost: true}}, answer: wrong, acts: []bool{true}, want: []string{"C: "}},
		{name: "no answer", inject: []host.Fault{{Operation: "Do", Lost: true}}, acts: []bool{true}, want: []string{"the connection was closed"}},
		{
			name: "decided, after the injected one", inject: []host.Fault{{Operation: "Do", Code: "C"}}, decide: &host.Fault{Code: "D", Lost: true},
			acts: []bool{false, true, true}, want: []string{"C: ", "D: ", "D: "},
		},
		{name: "decided against", decide: nil, acts: []bool{true}, want: []string{""}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := host.New("eu-west-1", "123456789012", "", nil, nil)
			for _, f := range tt.inject {
				h.Inject(f)
			}
			h.DecideFaults(func(operation string) *host.Fault {
				if operation != "Do" {
					t.Errorf("asked about %s", operation)
				}
				return tt.decide
			})
			for i, want := range tt.want {
				acted, got := false, ""
				if err := h.Call(t.Context(), "Do", func() error { acted = true; return tt.answer }); err != nil {
					got = err.Error()
				}
				if got != want || acted != tt.acts[i] {
					t.Errorf("call %d: got %q, acted: %t; want %q, %t", i, got, acted, want, tt.acts[i])
				}
			}
			if n := h.Calls("Do"); n != len(tt.want) {
				t.Errorf("%d calls were counted, want %d", n, len(tt.want))
			}
		})
	}
}

// What an operation of a REST protocol has written is lost, too.
func TestLostAnswerOfRest(t *testing.T) {
	t.Parallel()
	h := host.New("eu-west-1", "123456789012", "", nil, nil)
	serve := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.Rest(w, r, "Do", func(w http.ResponseWriter) error {
			w.Header().Set("X-Done", "yes")
			w.WriteHeader(http.StatusAccepted)
			_, err := w.Write([]byte("done"))
			return err
		})
	}))
	defer serve.Close()
	h.Inject(host.Fault{Operation: "Do", Code: "C", Status: http.StatusInternalServerError, Lost: true})
	h.Inject(host.Fault{Operation: "Do", Lost: true})
	var got []string
	for range 3 {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, serve.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			got = append(got, "nothing")
			continue
		}
		got = append(got, answer.Status+" "+answer.Header.Get("X-Done"))
		_ = answer.Body.Close()
	}
	if want := []string{"500 Internal Server Error ", "nothing", "202 Accepted yes"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// fixed is a clock that stands still and is twelve times as fast.
type fixed struct{ now time.Time }

func (f fixed) Now() time.Time                   { return f.now }
func (fixed) Real(d time.Duration) time.Duration { return d / 12 }
func (fixed) String() string                     { return "twelve" }

func TestClock(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 20, 6, 0, 0, 5e6, time.FixedZone("CET", 3600))
	var seen []host.Occurrence
	h := host.New("eu-west-1", "123456789012", "", func(o host.Occurrence) { seen = append(seen, o) }, fixed{now})
	h.Watch(host.LogLine, "s", "t")
	if want := []host.Occurrence{{At: now, Kind: host.LogLine, Subject: "s", Text: "t"}}; !slices.Equal(seen, want) {
		t.Errorf("seen %v, want %v", seen, want)
	}
	if h.Now() != now || h.Stamp() != "2026-11-20T05:00:00.005Z" || h.Real(time.Hour) != 5*time.Minute || h.Clock() != "twelve" {
		t.Errorf("got %s, %s, %s, %s", h.Now(), h.Stamp(), h.Real(time.Hour), h.Clock())
	}
	if plain := host.New("eu-west-1", "123456789012", "", nil, nil); plain.Clock() != "" || plain.Real(time.Hour) != time.Hour {
		t.Errorf("without a clock, the functions are told %q and an hour is %s", plain.Clock(), plain.Real(time.Hour))
	}
}
