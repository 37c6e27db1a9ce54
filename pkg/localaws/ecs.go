package localaws

type ecsService struct {
	server     *Server
	operations map[string]operation
}

func newECS(s *Server) *ecsService { return &ecsService{server: s} }
