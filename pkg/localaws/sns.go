package localaws

import "net/http"

type snsService struct{ server *Server }

func newSNS(s *Server) *snsService { return &snsService{s} }

func (n *snsService) serve(w http.ResponseWriter, r *http.Request, body []byte) {}
