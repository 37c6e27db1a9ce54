package localaws

type eventsService struct {
	server     *Server
	operations map[string]operation
}

func newEvents(s *Server) *eventsService { return &eventsService{server: s} }

// put matches an event of the given source and detail type against every rule
// and delivers it to the targets of those that match. detail is JSON.
func (e *eventsService) put(source, detailType string, resources []string, detail []byte) {}
