// Package ecs is ECS: task definitions, and clusters with their services and
// tasks. A task really runs the commands of its containers, as processes.
package ecs

import (
	"regexp"
	"slices"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/ecs"

	"errand/pkg/localaws/host"
)

// Log takes what the containers write.
type Log interface {
	// Open makes the stream that a container is about to write to. It fails
	// when there is no such group and createGroup does not allow to make one.
	Open(group, stream string, createGroup bool) error
	Write(group, stream, line string)
}

// Bus takes the events of the tasks. detail is JSON.
type Bus interface {
	Put(source, detailType string, resources []string, detail []byte)
}

// Service is ECS. It has one cluster, named default, from the start.
type Service struct {
	host *host.Host
	log  Log
	bus  Bus

	// mu guards everything below and the tasks. What an SDK struct points to
	// is never changed but replaced, so that a shallow copy can be encoded
	// without the lock.
	mu       sync.Mutex
	families map[string][]*definition // revision n at index n-1
	clusters map[string]*cluster
	refusals []string                 // reasons of the coming placement failures
	held     map[string]chan struct{} // by family; closed when its tasks may start
}

// New makes the service.
func New(h *host.Host, log Log, bus Bus) *Service {
	e := &Service{host: h, log: log, bus: bus, families: map[string][]*definition{}, clusters: map[string]*cluster{}, held: map[string]chan struct{}{}}
	_, _ = e.createCluster(h.Context(), &ecs.CreateClusterInput{}) // default
	return e
}

// Target is the name of the service in the protocol.
const Target = "AmazonEC2ContainerServiceV20141113"

// Operations are what the service serves, but for ExecuteCommand.
func (e *Service) Operations() host.Operations {
	return host.Targets(Target, host.Operations{
		"CreateCluster":            host.Serve(e.createCluster),
		"CreateService":            host.Serve(e.createService),
		"DeregisterTaskDefinition": host.Serve(e.deregisterTaskDefinition),
		"DescribeClusters":         host.Serve(e.describeClusters),
		"DescribeServices":         host.Serve(e.describeServices),
		"DescribeTaskDefinition":   host.Serve(e.describeTaskDefinition),
		"DescribeTasks":            host.Serve(e.describeTasks),
		"ListTaskDefinitions":      host.Serve(e.listTaskDefinitions),
		"ListTasks":                host.Serve(e.listTasks),
		"RegisterTaskDefinition":   host.Serve(e.registerTaskDefinition),
		"RunTask":                  host.Serve(e.runTask),
		"StopTask":                 host.Serve(e.stopTask),
		"UpdateCluster":            host.Serve(e.updateCluster),
		"UpdateService":            host.Serve(e.updateService),
	})
}

// FailPlacement makes the next times RunTask requests answer 200 without tasks
// and with one failure of the given reason, such as RESOURCE:MEMORY. With an
// empty reason there is no failure either. A token that is replayed gets its
// old answer and uses none of them up.
func (e *Service) FailPlacement(reason string, times int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.refusals = append(e.refusals, slices.Repeat([]string{reason}, times)...)
}

var (
	validNames    = regexp.MustCompile(`^[A-Za-z0-9_-]{1,255}$`)
	exactRevision = regexp.MustCompile(`:[0-9]+$`)
)

func clientError(format string, args ...any) *host.Error {
	return host.BadRequest("ClientException", format, args...)
}

// page is a page of a list of ARNs.
func page(size *int32, token *string) host.Page {
	return host.Page{Member: "maxResults", Size: size, Most: 100, Token: token, Complaint: "Invalid token."}
}
