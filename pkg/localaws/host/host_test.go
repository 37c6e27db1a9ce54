package host_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"errand/pkg/localaws/host"
)

func TestNames(t *testing.T) {
	t.Parallel()
	letters := strings.Split("abcdef", "")
	size := func(n int32) *int32 { return &n }
	for _, tt := range []struct {
		name           string
		size           *int32
		token, without string
		want           []string
		next, err      string
	}{
		{name: "everything", want: letters},
		{name: "a page", size: size(2), want: []string{"a", "b"}, next: "b"},
		{name: "the page after it", size: size(2), token: "b", want: []string{"c", "d"}, next: "d"},
		{name: "the last page, which is full", size: size(2), token: "d", want: []string{"e", "f"}},
		{name: "a page before what is not wanted", size: size(2), token: "c", without: "f", want: []string{"d", "e"}},
		{name: "after an item that is wanted no longer", token: "d", without: "d", want: []string{"e", "f"}},
		{name: "nothing", token: "f", want: []string{}},
		{name: "an unknown token", token: "x", err: "InvalidParameterException: no such token"},
		{name: "too large a page", size: size(11), err: "at 'size' failed to satisfy constraint: Member must have value less than or equal to 10"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			page := host.Page{Member: "size", Size: tt.size, Most: 10, Complaint: "no such token"}
			if tt.token != "" {
				page.Token = &tt.token
			}
			got, next, err := host.Names(letters, page, func(s string) string { return s }, func(s string) bool { return s != tt.without })
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("got %v, want %q", err, tt.err)
				}
				return
			}
			if err != nil || got == nil || !slices.Equal(got, tt.want) || host.Deref(next) != tt.next || (next != nil) != (tt.next != "") {
				t.Errorf("got %q and the token %q, %v, want %q and %q", got, host.Deref(next), err, tt.want, tt.next)
			}
		})
	}
}

func TestFormsTellServicesByVersion(t *testing.T) {
	t.Parallel()
	h := host.New("eu-west-1", "123456789012", "", nil, nil)
	service := func(version string) host.Query {
		return host.Query{Version: version, Namespace: "of " + version, Actions: map[string]func(url.Values) (any, error){
			"Do": func(url.Values) (any, error) { return nil, nil },
		}}
	}
	serve := h.Forms(service("2010-03-31"), service("2010-05-15"))
	for form, want := range map[string]string{
		"Action=Do&Version=2010-05-15":   `<DoResponse xmlns="of 2010-05-15">`,
		"Action=Do&Version=2010-03-31":   `<DoResponse xmlns="of 2010-03-31">`,
		"Action=Do":                      `<DoResponse xmlns="of 2010-03-31">`,
		"Action=Undo&Version=2010-05-15": `<ErrorResponse xmlns="of 2010-05-15">`,
	} {
		w := httptest.NewRecorder()
		serve(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil), []byte(form))
		if !strings.HasPrefix(w.Body.String(), want) {
			t.Errorf("%s: got %s, want %s…", form, w.Body, want)
		}
	}
	if n := h.Calls("Do"); n != 3 {
		t.Errorf("Do was counted %d times, want 3", n)
	}
}
