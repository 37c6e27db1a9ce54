package localaws

import "net/http"

type lambdaService struct{ server *Server }

func newLambda(s *Server) *lambdaService { return &lambdaService{s} }

func (l *lambdaService) serve(w http.ResponseWriter, r *http.Request, body []byte) {}
