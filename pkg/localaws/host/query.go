package host

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
)

// Query is a service that speaks the query protocol: a form in, XML out.
type Query struct {
	// Version is that of the service's API, which a form names.
	Version string
	// Namespace is that of the answers.
	Namespace string
	// Actions return the result, which its own XMLName names, or nil.
	Actions map[string]func(form url.Values) (any, error)
}

// Forms returns the handler of the services that speak the query protocol. A
// form that names the version of none is for the first.
func (h *Host) Forms(services ...Query) Handler {
	return func(w http.ResponseWriter, r *http.Request, body []byte) {
		q := services[0]
		form, err := url.ParseQuery(string(body))
		if err != nil {
			q.writeError(w, BadRequest("MalformedQueryString", "%v", err))
			return
		}
		if i := slices.IndexFunc(services, func(s Query) bool { return s.Version == form.Get("Version") }); i > 0 {
			q = services[i]
		}
		action := form.Get("Action")
		act := q.Actions[action]
		if act == nil {
			q.writeError(w, UnknownOperation("the action "+action))
			return
		}
		var result any
		err = h.Call(r.Context(), action, func() (err error) {
			result, err = act(form)
			return err
		})
		if err != nil {
			q.writeError(w, err)
			return
		}
		writeXML(w, http.StatusOK, struct {
			XMLName   xml.Name
			Result    any
			RequestID string `xml:"ResponseMetadata>RequestId"`
		}{xml.Name{Space: q.Namespace, Local: action + "Response"}, result, NewUUID()})
	}
}

func (q Query) writeError(w http.ResponseWriter, err error) {
	e := asError(err)
	type detail struct{ Type, Code, Message string }
	d := detail{"Sender", e.Code, e.Message}
	if e.Status >= http.StatusInternalServerError {
		d.Type = "Receiver"
	}
	writeXML(w, e.Status, struct {
		XMLName   xml.Name
		Error     detail
		RequestID string `xml:"RequestId"`
	}{xml.Name{Space: q.Namespace, Local: "ErrorResponse"}, d, NewUUID()})
}

func writeXML(w http.ResponseWriter, status int, answer any) {
	body, err := xml.Marshal(answer)
	if err != nil {
		panic(fmt.Errorf("encode %T: %w", answer, err)) // only our own types come here
	}
	w.Header().Set("Content-Type", "text/xml")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// Entries reads a map of the query protocol: Attributes.entry.1.key and so on.
func Entries(form url.Values, name string) map[string]string {
	m := map[string]string{}
	for i := 1; ; i++ {
		prefix := name + ".entry." + strconv.Itoa(i) + "."
		if !form.Has(prefix + "key") {
			return m
		}
		m[form.Get(prefix+"key")] = form.Get(prefix + "value")
	}
}
