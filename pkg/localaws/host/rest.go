package host

import (
	"bytes"
	"maps"
	"net/http"
)

// Handler answers a request whose body was read.
type Handler func(w http.ResponseWriter, r *http.Request, body []byte)

// Rest serves one request of an operation of a REST protocol, which answer
// writes unless it returns an error.
func (h *Host) Rest(w http.ResponseWriter, r *http.Request, operation string, answer func(w http.ResponseWriter) error) {
	kept := reply{header: http.Header{}, status: http.StatusOK}
	if err := h.Call(r.Context(), operation, func() error { return answer(&kept) }); err != nil {
		WriteError(w, err)
		return
	}
	maps.Copy(w.Header(), kept.header)
	w.WriteHeader(kept.status)
	_, _ = w.Write(kept.body.Bytes())
}

// reply keeps an answer until it is known that it is not to be lost.
type reply struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *reply) Header() http.Header         { return r.header }
func (r *reply) WriteHeader(status int)      { r.status = status }
func (r *reply) Write(b []byte) (int, error) { return r.body.Write(b) }
