// Package session is ECS Exec: ExecuteCommand and the sessions that it starts,
// with the agent in the container and the gateway before it, and of Systems
// Manager and KMS what they need.
package session

import (
	"context"
	"sync"

	awsecs "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"errand/pkg/localaws/ecs"
	"errand/pkg/localaws/host"
)

// Service is ECS Exec.
type Service struct {
	host *host.Host
	ecs  *ecs.Service
	keys *keys

	mu          sync.Mutex
	disturbance Disturbance
	sessions    []*session
	turns       map[string]*turns // by the container's runtime id
}

// New makes the service for the containers of ECS, without sessions.
func New(h *host.Host, containers *ecs.Service) *Service {
	return &Service{host: h, ecs: containers, keys: newKeys(h), turns: map[string]*turns{}}
}

// Operations are what the service serves, as three of AWS's.
func (x *Service) Operations() host.Operations {
	return host.Merge(
		host.Targets(ecs.Target, host.Operations{"ExecuteCommand": host.Serve(x.executeCommand)}),
		host.Targets("AmazonSSM", host.Operations{"TerminateSession": host.ServeDocument(x.terminateSession)}),
		host.Targets("TrentService", host.Operations{
			"Decrypt":         host.ServeDocument(x.keys.decrypt),
			"GenerateDataKey": host.ServeDocument(x.keys.generateDataKey),
		}),
	)
}

// session is one ExecuteCommand.
type session struct {
	host *host.Host
	keys *keys
	Session
	Disturbance
	container *ecs.Reached
	token     string
	query     string // of the stream URL
	target    string // what KMS is told that the session is with

	gateway *gateway
	agent   *agent
	turns   *turns
}

// Session is what can be known of a session from outside.
type Session struct {
	ID, TaskARN, Container, Command string
	// Upgrades is how often a client has opened the data channel, and Signed
	// whether the last upgrade carried a signature for ssmmessages.
	Upgrades int
	Signed   bool
	// Resent is how many frames the agent has sent again.
	Resent int
	// Ended says that the gateway has closed the channel.
	Ended bool
}

// Sessions returns the sessions in the order of their start.
func (x *Service) Sessions() []Session {
	x.mu.Lock()
	defer x.mu.Unlock()
	var list []Session
	for _, one := range x.sessions {
		shown := one.Session
		one.gateway.describe(&shown)
		shown.Resent = one.agent.resentFrames()
		list = append(list, shown)
	}
	return list
}

// executeCommand starts the command whether or not a client ever connects.
func (x *Service) executeCommand(_ context.Context, in *awsecs.ExecuteCommandInput) (*awsecs.ExecuteCommandOutput, error) {
	switch {
	case !in.Interactive:
		return nil, host.Invalid("Interactive is the only mode supported currently.")
	case host.Deref(in.Command) == "":
		return nil, host.Invalid("Command should not be null or empty.")
	}
	c, err := x.ecs.Reach(in.Cluster, in.Task, in.Container)
	if err != nil {
		return nil, err
	}
	s := x.open(c, *in.Command)
	return &awsecs.ExecuteCommandOutput{
		ClusterArn:    &c.ClusterARN,
		ContainerArn:  &c.ContainerARN,
		ContainerName: &c.Name,
		Interactive:   true,
		TaskArn:       &c.TaskARN,
		Session: &types.Session{
			SessionId:  &s.ID,
			StreamUrl:  new("ws" + x.host.URL[len("http"):] + ChannelPath + s.ID + "?" + s.query),
			TokenValue: &s.token,
		},
	}, nil
}

// open makes a session with the container and sets it going.
func (x *Service) open(c *ecs.Reached, command string) *session {
	s := &session{
		host: x.host,
		keys: x.keys,
		Session: Session{
			ID:        "ecs-execute-command-" + host.NewID(9)[1:],
			TaskARN:   c.TaskARN,
			Container: c.Name,
			Command:   command,
		},
		container: c,
		token:     "AAEAA" + host.NewID(32),
		// A client that encodes this afresh has another query.
		query:  "role=publish_subscribe&cell-number=AAEAAc+" + host.NewID(8) + "/" + host.NewID(4) + "==",
		target: "ecs:" + c.ClusterName + "_" + c.TaskID + "_" + c.RuntimeID,
	}
	s.gateway = &gateway{session: s}
	x.mu.Lock()
	defer x.mu.Unlock()
	s.Disturbance = x.disturbance
	s.turns = x.turns[c.RuntimeID]
	if s.turns == nil {
		s.turns = &turns{make(chan struct{}, maxSessions), make(chan struct{}, maxWaiting)}
		x.turns[c.RuntimeID] = s.turns
	}
	s.agent = newAgent(s)
	x.sessions = append(x.sessions, s)
	x.host.Background(s.agent.run)
	return s
}

func (x *Service) session(id string) *session {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, s := range x.sessions {
		if s.ID == id {
			return s
		}
	}
	return nil
}

type sessionReference struct {
	SessionID string `json:"SessionId"`
}

// terminateSession refuses a session that has ended, as Systems Manager has
// been seen to do.
func (x *Service) terminateSession(_ context.Context, in *sessionReference) (*sessionReference, error) {
	s := x.session(in.SessionID)
	if s == nil {
		return nil, host.BadRequest("DoesNotExistException", "Session %s does not exist.", in.SessionID)
	}
	if !s.terminate("") {
		return nil, host.BadRequest("ValidationException", "Session is not in a valid state")
	}
	return in, nil
}

// terminate ends the session from outside, unless it has ended. An agent that
// is gone does not notice, so then the gateway does it alone.
func (s *session) terminate(reason string) bool {
	g := s.gateway
	g.mu.Lock()
	ended, gone := g.ended, g.agentGone
	g.mu.Unlock()
	switch {
	case ended:
	case gone:
		g.end(reason)
	default:
		s.agent.stop(&termination{reason})
	}
	return !ended
}

// termination is the cause of an agent's end that came from outside.
type termination struct{ reason string }

func (t *termination) Error() string { return "terminated: " + t.reason }
