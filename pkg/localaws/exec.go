package localaws

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// execService is ECS Exec: ExecuteCommand, the sessions that it starts, and of
// Systems Manager what ends them.
type execService struct {
	server *Server
	ssm    map[string]operation

	mu          sync.Mutex
	disturbance Disturbance
	sessions    []*session
}

// session is one ExecuteCommand.
type session struct {
	server *Server
	Session
	token  string
	query  string // of the stream URL
	target string // what KMS is told that the session is with
	keyID  string // KMS key of the cluster, or empty
	env    []string
	dir    string
	gone   <-chan struct{} // closed when the container has stopped
	Disturbance

	gateway *gateway
	agent   *agent
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

// Disturbance is how the agents and the gateway of sessions behave. With the
// zero value they behave as on AWS, but for a shorter wait before the first
// frame. Everything is counted, nothing is random.
type Disturbance struct {
	// FirstFrame passes between the start of the command and the agent's first
	// look at its output; 0 means 50 ms. The real agent takes a second.
	FirstFrame time.Duration
	// Pace passes between two reads of up to 1,024 bytes; 0 means 1 ms, as in
	// the real agent, and less than 0 no wait.
	Pace time.Duration
	// Resend is how often the agent looks whether its oldest unacknowledged
	// frame is due again; 0 means 100 ms. A frame is due after twice that at
	// first, later after what the measured round trips say, at most ten times.
	Resend time.Duration
	// Drain is how long the agent waits at the end for acknowledgements; 0
	// means 2 s.
	Drain time.Duration
	// Handshake is how long the agent waits for either answer of the client,
	// if the cluster has a KMS key; 0 means 15 s.
	Handshake time.Duration

	// RequireSigning refuses upgrades that are not signed for ssmmessages. The
	// signature itself is not checked, since the endpoint knows no secret keys.
	RequireSigning bool

	// LoseAcks loses every n-th acknowledgement of the client.
	LoseAcks int
	// Reorder sends every n-th frame only after the one that follows it. If
	// none does, the agent sends it again when it is due.
	Reorder int
	// Duplicate sends every n-th frame twice.
	Duplicate int
	// Announce sends pause_publication and start_publication after every n-th
	// frame, with a date and a digest that are not valid, as clients must not
	// look at either.
	Announce int
	// CutAfter cuts the connection once, when so many frames have been sent.
	CutAfter int
	// CloseWith, if not empty, closes the channel with that text when CloseAfter
	// frames have been sent, or when the client connects if CloseAfter is 0, and
	// ends the command as TerminateSession does.
	CloseWith  string
	CloseAfter int
	// Silent sends the client nothing at all. The command runs.
	Silent bool
	// NoClose sends no channel_closed and leaves the connection open.
	NoClose bool
	// CutWhenStopped cuts the connection when the container stops. Without it
	// the connection just goes silent, as on AWS.
	CutWhenStopped bool
}

// DisturbSessions sets how the sessions behave that start from now on.
func (s *Server) DisturbSessions(d Disturbance) {
	s.exec.mu.Lock()
	defer s.exec.mu.Unlock()
	s.exec.disturbance = d
}

// Sessions returns the sessions in the order of their start.
func (s *Server) Sessions() []Session {
	s.exec.mu.Lock()
	defer s.exec.mu.Unlock()
	var list []Session
	for _, one := range s.exec.sessions {
		shown := one.Session
		one.gateway.describe(&shown)
		shown.Resent = one.agent.resentFrames()
		list = append(list, shown)
	}
	return list
}

// SetExecAgent sets the status of the agent that ECS Exec needs in a container:
// PENDING, RUNNING or STOPPED. It is RUNNING as soon as the task is.
func (s *Server) SetExecAgent(taskARN, container, status string) error {
	s.ecs.mu.Lock()
	defer s.ecs.mu.Unlock()
	for _, c := range s.ecs.clusters {
		for _, t := range c.tasks {
			i := t.containerNamed(container)
			if *t.TaskArn == taskARN && i >= 0 && t.EnableExecuteCommand {
				t.setExecAgent(i, status)
				return nil
			}
		}
	}
	return invalid("There is no container %s with execute command enabled in task %s.", container, taskARN)
}

// setExecAgent replaces the container's managed agent, which it has only if
// execute command is enabled. The lock must be held.
func (t *task) setExecAgent(i int, status string) {
	if !t.EnableExecuteCommand {
		return
	}
	agent := types.ManagedAgent{Name: types.ManagedAgentNameExecuteCommandAgent, LastStatus: &status}
	if old := t.Containers[i].ManagedAgents; len(old) > 0 {
		agent.LastStartedAt = old[0].LastStartedAt
	}
	if status == "RUNNING" {
		agent.LastStartedAt = new(time.Now())
	}
	t.Containers[i].ManagedAgents = []types.ManagedAgent{agent}
}

func (t *task) containerNamed(name string) int {
	return slices.IndexFunc(t.Containers, func(c types.Container) bool { return *c.Name == name })
}

func newExec(s *Server) *execService {
	x := &execService{server: s}
	x.ssm = map[string]operation{"TerminateSession": serveDocument(x.terminateSession)}
	return x
}

const execNotReady = "The execute command failed because execute command was not enabled when the task was run or the execute command agent isn't running. Wait and try again or run a new task with execute command enabled and try again."

// executeCommand starts the command whether or not a client ever connects. The
// wording about unknown tasks and containers is ours.
func (x *execService) executeCommand(_ context.Context, in *ecs.ExecuteCommandInput) (*ecs.ExecuteCommandOutput, error) {
	switch {
	case !in.Interactive:
		return nil, invalid("Interactive is the only mode supported currently.")
	case deref(in.Command) == "":
		return nil, invalid("Command should not be null or empty.")
	}
	e := x.server.ecs
	e.mu.Lock()
	defer e.mu.Unlock()
	c, err := e.cluster(in.Cluster)
	if err != nil {
		return nil, err
	}
	id, err := e.taskID(c, deref(in.Task))
	if err != nil {
		return nil, err
	}
	if n := len(id); n != 32 && n != 36 {
		return nil, invalid("task length should be one of [32,36]")
	}
	t := c.task(id)
	if t == nil {
		return nil, invalid("The referenced task was not found.")
	}
	i := 0
	switch name := deref(in.Container); {
	case name != "":
		if i = t.containerNamed(name); i < 0 {
			return nil, invalid("The container %s was not found in the task.", name)
		}
	case len(t.Containers) > 1:
		return nil, invalid("The container name must be given since the task has more than one container.")
	}
	if len(t.Containers) == 0 { // it could not be placed
		return nil, invalid(execNotReady)
	}
	shown := &t.Containers[i]
	if len(shown.ManagedAgents) == 0 || *shown.ManagedAgents[0].LastStatus != "RUNNING" || *t.LastStatus != "RUNNING" {
		return nil, invalid(execNotReady)
	}
	s := x.open(c, t, i, *in.Command)
	return &ecs.ExecuteCommandOutput{
		ClusterArn:    c.ClusterArn,
		ContainerArn:  shown.ContainerArn,
		ContainerName: shown.Name,
		Interactive:   true,
		TaskArn:       t.TaskArn,
		Session: &types.Session{
			SessionId:  &s.ID,
			StreamUrl:  new("ws" + x.server.url[len("http"):] + channelPath + s.ID + "?" + s.query),
			TokenValue: &s.token,
		},
	}, nil
}

// open makes a session and sets it going. The lock of ECS must be held.
func (x *execService) open(c *cluster, t *task, i int, command string) *session {
	s := &session{
		server: x.server,
		Session: Session{
			ID:        "ecs-execute-command-" + newID(9)[1:],
			TaskARN:   *t.TaskArn,
			Container: *t.Containers[i].Name,
			Command:   command,
		},
		token: "AAEAA" + newID(32),
		// A client that encodes this afresh has another query.
		query:  "role=publish_subscribe&cell-number=AAEAAc+" + newID(8) + "/" + newID(4) + "==",
		target: "ecs:" + *c.ClusterName + "_" + t.id + "_" + deref(t.Containers[i].RuntimeId),
		env:    t.environment(i),
		dir:    deref(t.definition.ContainerDefinitions[i].WorkingDirectory),
		gone:   t.gone[i],
	}
	if config := c.Configuration; config != nil && config.ExecuteCommandConfiguration != nil {
		s.keyID = deref(config.ExecuteCommandConfiguration.KmsKeyId)
	}
	s.gateway = &gateway{session: s}
	x.mu.Lock()
	defer x.mu.Unlock()
	s.Disturbance = x.disturbance
	s.agent = newAgent(s)
	x.sessions = append(x.sessions, s)
	x.server.background(s.agent.run)
	return s
}

func (x *execService) session(id string) *session {
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
func (x *execService) terminateSession(_ context.Context, in *sessionReference) (*sessionReference, error) {
	s := x.session(in.SessionID)
	if s == nil {
		return nil, badRequest("DoesNotExistException", "Session %s does not exist.", in.SessionID)
	}
	if !s.terminate("") {
		return nil, badRequest("ValidationException", "Session is not in a valid state")
	}
	return in, nil
}

// clusterConfiguration checks the configuration of a cluster.
func clusterConfiguration(config *types.ClusterConfiguration) error {
	if config == nil || config.ExecuteCommandConfiguration == nil {
		return nil
	}
	exec := config.ExecuteCommandConfiguration
	if err := oneOf("logging", exec.Logging, exec.Logging.Values()); err != nil {
		return err
	}
	if (exec.Logging == types.ExecuteCommandLoggingOverride) != (exec.LogConfiguration != nil) {
		return invalid("The logging of the executeCommandConfiguration must be OVERRIDE if, and only if, there is a logConfiguration.")
	}
	return nil
}

func (e *ecsService) updateCluster(_ context.Context, in *ecs.UpdateClusterInput) (*ecs.UpdateClusterOutput, error) {
	if err := clusterConfiguration(in.Configuration); err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	c, err := e.cluster(in.Cluster)
	if err != nil {
		return nil, err
	}
	if in.Configuration != nil {
		c.Configuration = in.Configuration
	}
	if in.Settings != nil {
		c.Settings = in.Settings
	}
	return &ecs.UpdateClusterOutput{Cluster: c.describe()}, nil
}
