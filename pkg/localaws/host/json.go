package host

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"maps"
	"net/http"
	"strconv"
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

const (
	json10 = "application/x-amz-json-1.0"
	json11 = "application/x-amz-json-1.1"
)

// Answer serves one request of AWS JSON, in the version in which it came.
func (h *Host) Answer(w http.ResponseWriter, r *http.Request, operations Operations, target string, body []byte) {
	if r.Header.Get("Content-Type") == json10 {
		w.Header().Set("Content-Type", json10)
	}
	op := operations[target]
	if op == nil {
		WriteError(w, UnknownOperation(target))
		return
	}
	_, name, _ := strings.Cut(target, ".")
	var answer []byte
	err := h.Call(r.Context(), name)
	if err == nil {
		answer, err = op(r.Context(), body)
	}
	if err != nil {
		WriteError(w, err)
		return
	}
	write(w, http.StatusOK, answer)
}

// WriteError answers with an error as AWS JSON and the REST protocols have it.
func WriteError(w http.ResponseWriter, err error) {
	e := asError(err)
	members := map[string]any{"__type": e.Code, "message": e.Message}
	maps.Copy(members, e.Members)
	w.Header().Set("X-Amzn-Errortype", e.Code)
	if e.QueryCode != "" {
		w.Header().Set("X-Amzn-Query-Error", e.QueryCode+";Sender")
	}
	write(w, e.Status, EncodeJSON(members))
}

// write has the checksum that DynamoDB's clients check, and no other's.
func write(w http.ResponseWriter, status int, body []byte) {
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", json11)
	}
	w.Header().Set("X-Amz-Crc32", strconv.FormatUint(uint64(crc32.ChecksumIEEE(body)), 10))
	w.Header().Set("X-Amzn-Requestid", NewID(16))
	w.WriteHeader(status)
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
