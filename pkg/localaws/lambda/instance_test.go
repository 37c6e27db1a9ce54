package lambda

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"errand/pkg/localaws/host"
)

// What follows is what aws-lambda-go does not do to the Runtime API.
func TestRuntimeAPIAnswers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, method, path string
		idle, answered     bool
		status             int
		failed             bool
	}{
		{name: "an error at start", method: http.MethodPost, path: "init/error", status: http.StatusAccepted, failed: true},
		{name: "an answer", method: http.MethodPost, path: "invocation/7/response", status: http.StatusAccepted},
		{name: "an error", method: http.MethodPost, path: "invocation/7/error", status: http.StatusAccepted, failed: true},
		{name: "an answer to another request", method: http.MethodPost, path: "invocation/8/response", status: http.StatusBadRequest},
		{name: "a second answer", method: http.MethodPost, path: "invocation/7/response", answered: true, status: http.StatusBadRequest},
		{name: "an answer to no request", method: http.MethodPost, path: "invocation/7/response", idle: true, status: http.StatusBadRequest},
		{name: "an unknown path", method: http.MethodGet, path: "restore/next", status: http.StatusNotFound},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			before := &outcome{payload: []byte("before")}
			i := &instance{current: newInvocation("7", nil)}
			if tt.idle {
				i.current = nil
			}
			if tt.answered {
				i.answer = before
			}
			w := httptest.NewRecorder()
			i.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), tt.method, "/2018-06-01/runtime/"+tt.path, strings.NewReader(`{"errorMessage":"x"}`)))
			if w.Code != tt.status {
				t.Errorf("got status %d, want %d", w.Code, tt.status)
			}
			switch {
			case tt.status == http.StatusAccepted:
				if i.answer == nil || i.answer.failed != tt.failed || string(i.answer.payload) != `{"errorMessage":"x"}` {
					t.Errorf("kept %+v", i.answer)
				}
			case tt.answered && i.answer != before, !tt.answered && i.answer != nil:
				t.Errorf("kept %+v", i.answer)
			}
		})
	}
}

func TestOutputComesInLines(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 2*maxLine)
	var lines host.Record[string]
	o, err := newOutput(lines.Add)
	if err != nil {
		t.Fatal(err)
	}
	go o.read()
	for _, text := range []string{"one\ntw", "o\r\n\nhalf"} {
		if _, err := o.to.WriteString(text); err != nil {
			t.Fatal(err)
		}
	}
	o.flush()
	if got, want := lines.All(), []string{"one", "two", "", "half"}; !slices.Equal(got, want) {
		t.Errorf("after the flush there are the lines %q, want %q", got, want)
	}
	if _, err := o.to.WriteString(long + "\nend"); err != nil {
		t.Fatal(err)
	}
	o.close()
	got := lines.All()[4:]
	if len(got) < 3 || strings.Join(got, "") != long+"end" || got[len(got)-1] != "end" {
		t.Errorf("a long line came in %d pieces, which do not make it", len(got))
	}
}
