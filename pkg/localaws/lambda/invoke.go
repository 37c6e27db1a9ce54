package lambda

import (
	"encoding/base64"
	"net/http"
	"slices"
	"strings"

	"errand/pkg/localaws/host"
)

// Path is the beginning of the paths that the service serves.
const Path = "/2015-03-31/"

// Serve answers a request of Lambda's REST protocol.
func (l *Service) Serve(w http.ResponseWriter, r *http.Request, body []byte) {
	path := strings.TrimPrefix(r.URL.Path, Path+"functions")
	name, action, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	switch {
	case r.Method == http.MethodPost && action == "invocations":
		l.host.Rest(w, r, "Invoke", func(w http.ResponseWriter) error { return l.invoke(w, r, name, body) })
	case r.Method == http.MethodGet && name == "" && action == "":
		l.host.Rest(w, r, "ListFunctions", l.list)
	default:
		host.WriteError(w, host.UnknownOperation(r.Method+" "+r.URL.Path))
	}
}

func (l *Service) invoke(w http.ResponseWriter, r *http.Request, name string, payload []byte) error {
	if qualifier := r.URL.Query().Get("Qualifier"); qualifier != "" {
		name = strings.TrimSuffix(name, ":"+qualifier) + ":" + qualifier
	}
	switch kind := r.Header.Get("X-Amz-Invocation-Type"); kind {
	case "Event":
		id, err := l.enqueue(name, payload)
		if err != nil {
			return err
		}
		w.Header().Set("X-Amzn-Requestid", id)
		w.WriteHeader(http.StatusAccepted)
		return nil
	case "DryRun":
		if _, err := l.find(name); err != nil {
			return err
		}
		w.Header().Set("X-Amzn-Requestid", host.NewUUID())
		w.WriteHeader(http.StatusNoContent)
		return nil
	case "", "RequestResponse":
	default:
		return host.BadRequest("InvalidParameterValueException", "Value '%s' at 'invocationType' failed to satisfy constraint: Member must satisfy enum value set: [Event, RequestResponse, DryRun]", kind)
	}
	f, err := l.find(name)
	if err != nil {
		return err
	}
	if payload, err = checkPayload(payload); err != nil {
		return err
	}
	inv := newInvocation(host.NewUUID(), payload)
	out := f.run(inv)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Amzn-Requestid", inv.id)
	w.Header().Set("X-Amz-Executed-Version", latest)
	if out.failed {
		w.Header().Set("X-Amz-Function-Error", "Unhandled")
	}
	if r.Header.Get("X-Amz-Log-Type") == "Tail" {
		w.Header().Set("X-Amz-Log-Result", base64.StdEncoding.EncodeToString(out.tail))
	}
	_, _ = w.Write(out.payload)
	return nil
}

func (l *Service) list(w http.ResponseWriter) error {
	type configuration struct {
		FunctionName, FunctionArn, Runtime, Handler, Version string
		Timeout, MemorySize                                  int
	}
	list := []configuration{}
	l.mu.Lock()
	for _, f := range l.functions {
		list = append(list, configuration{f.Name, f.arn(), "provided.al2023", "bootstrap", latest, int(f.Timeout.Seconds()), memorySize})
	}
	l.mu.Unlock()
	slices.SortFunc(list, func(a, b configuration) int { return strings.Compare(a.FunctionName, b.FunctionName) })
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(host.EncodeJSON(map[string]any{"Functions": list}))
	return nil
}
