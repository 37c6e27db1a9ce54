// Package cloudformation is as much of CloudFormation as a program needs that
// finds what a stack has by the stack's outputs.
package cloudformation

import (
	"encoding/xml"
	"maps"
	"net/url"
	"slices"
	"sync"
	"time"

	"errand/pkg/localaws/host"
)

// Service is CloudFormation.
type Service struct {
	host *host.Host

	mu     sync.Mutex
	stacks []*stack // the latest first, as DescribeStacks has them
}

// stack is as DescribeStacks shows it.
type stack struct {
	ID              string `xml:"StackId"`
	Name            string `xml:"StackName"`
	Created         string `xml:"CreationTime"`
	Updated         string `xml:"LastUpdatedTime,omitempty"`
	Status          string `xml:"StackStatus"`
	DisableRollback bool
	Parameters      struct{} // there are none without a template
	Outputs         []output `xml:"Outputs>member"`
	Tags            struct{}
}

type output struct{ OutputKey, OutputValue string }

// New makes the service, without stacks.
func New(h *host.Host) *Service { return &Service{host: h} }

// Query is what the service serves.
func (s *Service) Query() host.Query {
	return host.Query{Version: "2010-05-15", Namespace: "http://cloudformation.amazonaws.com/doc/2010-05-15/", Actions: map[string]func(url.Values) (any, error){
		"DescribeStacks": s.describe,
	}}
}

// Add makes a stack with the outputs, or updates the one of that name.
func (s *Service) Add(name string, outputs map[string]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.host.Now().UTC().Format(time.RFC3339Nano)
	i := slices.IndexFunc(s.stacks, func(old *stack) bool { return old.Name == name })
	if i < 0 {
		i = 0
		s.stacks = slices.Insert(s.stacks, 0, &stack{
			ID: s.host.ARN("cloudformation", "stack/"+name+"/"+host.NewUUID()), Name: name, Created: now, Status: "CREATE_COMPLETE",
		})
	} else {
		s.stacks[i].Updated, s.stacks[i].Status = now, "UPDATE_COMPLETE"
	}
	s.stacks[i].Outputs = nil
	for _, key := range slices.Sorted(maps.Keys(outputs)) {
		s.stacks[i].Outputs = append(s.stacks[i].Outputs, output{key, outputs[key]})
	}
}

// describe takes a name or an id, or shows all stacks, on one page.
func (s *Service) describe(form url.Values) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := form.Get("StackName")
	shown := []stack{}
	for _, known := range s.stacks {
		if name == "" || name == known.Name || name == known.ID {
			shown = append(shown, *known)
		}
	}
	if name != "" && len(shown) == 0 {
		return nil, host.BadRequest("ValidationError", "Stack with id %s does not exist", name)
	}
	return struct {
		XMLName xml.Name `xml:"DescribeStacksResult"`
		Stacks  []stack  `xml:"Stacks>member"`
	}{Stacks: shown}, nil
}
