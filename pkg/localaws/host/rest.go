package host

import "net/http"

// Handler answers a request whose body was read.
type Handler func(w http.ResponseWriter, r *http.Request, body []byte)

// Rest serves one request of an operation of a REST protocol, which answer
// writes unless it returns an error.
func (h *Host) Rest(w http.ResponseWriter, r *http.Request, operation string, answer func() error) {
	err := h.Call(r.Context(), operation)
	if err == nil {
		err = answer()
	}
	if err != nil {
		WriteError(w, err)
	}
}
