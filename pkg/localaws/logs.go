package localaws

type logsService struct {
	server     *Server
	operations map[string]operation
}

func newLogs(s *Server) *logsService { return &logsService{server: s} }

// write appends a line as a container's or a function's log driver does,
// making the group and the stream if need be.
func (l *logsService) write(group, stream, line string) {}
