package host

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strings"

	"errand/pkg/awsjson"
)

// Operation answers one request of a service that speaks AWS JSON.
type Operation func(ctx context.Context, body []byte) ([]byte, error)

// Operations are those of a service by their target, which is the service's
// name in the protocol, a dot, and the operation's name.
type Operations map[string]Operation

// Targets makes targets of the names of a service's operations.
func Targets(service string, byName Operations) Operations {
	all := Operations{}
	for name, op := range byName {
		all[service+"."+name] = op
	}
	return all
}

// Merge puts the operations of several services together.
func Merge(services ...Operations) Operations {
	all := Operations{}
	for _, operations := range services {
		maps.Copy(all, operations)
	}
	return all
}

// Serve makes an operation of a method on the SDK's own types. Members that the
// types do not have are ignored, as AWS does.
func Serve[In, Out any](method func(context.Context, *In) (*Out, error)) Operation {
	return func(ctx context.Context, body []byte) ([]byte, error) {
		in := new(In)
		if problems := awsjson.DecodeLenient(body, in); len(problems) > 0 {
			return nil, BadRequest("SerializationException", "%s", problems[0])
		}
		out, err := method(ctx, in)
		if err != nil {
			return nil, err
		}
		return awsjson.Encode(out)
	}
}

// ServeDocument makes an operation of a method on types that encoding/json can
// read and write, for services that have blobs or capitals in their JSON.
func ServeDocument[In, Out any](method func(context.Context, *In) (*Out, error)) Operation {
	return func(ctx context.Context, body []byte) ([]byte, error) {
		in := new(In)
		if err := json.Unmarshal(body, in); err != nil {
			return nil, BadRequest("SerializationException", "%v", err)
		}
		out, err := method(ctx, in)
		if err != nil {
			return nil, err
		}
		return EncodeJSON(out), nil
	}
}

// Answer serves one request of AWS JSON.
func (h *Host) Answer(w http.ResponseWriter, r *http.Request, operations Operations, target string, body []byte) {
	op := operations[target]
	if op == nil {
		WriteError(w, UnknownOperation(target))
		return
	}
	_, name, _ := strings.Cut(target, ".")
	var answer []byte
	err := h.Call(r.Context(), name, func() (err error) {
		answer, err = op(r.Context(), body)
		return err
	})
	if err != nil {
		WriteError(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.Header().Set("X-Amzn-Requestid", NewID(16))
	_, _ = w.Write(answer)
}

// WriteError answers with an error as AWS JSON and the REST protocols have it.
func WriteError(w http.ResponseWriter, err error) {
	e := asError(err)
	members := map[string]any{"__type": e.Code, "message": e.Message}
	maps.Copy(members, e.Members)
	body, _ := json.Marshal(members)
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.Header().Set("X-Amzn-Errortype", e.Code)
	w.Header().Set("X-Amzn-Requestid", NewID(16))
	w.WriteHeader(e.Status)
	_, _ = w.Write(body)
}

// EncodeJSON leaves <, > and & as they are, as AWS does.
func EncodeJSON(v any) []byte {
	var out strings.Builder
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(fmt.Errorf("encode %T: %w", v, err)) // only our own types come here
	}
	return []byte(strings.TrimSuffix(out.String(), "\n"))
}
