package collect

import (
	"context"
	"fmt"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"

	"errand/pkg/taskevent"
)

// definitions remembers the revisions that were described.
type definitions struct {
	ecs   ECS
	known sync.Map // revision ARN → definition
}

// definition is what the collector needs of a task definition revision, by
// container name.
type definition map[string]containerDefinition

type containerDefinition struct {
	essential bool
	dependsOn []string // names of containers
	command   []string
	logDriver string // "" if there is no logConfiguration
	logOption map[string]string
}

// forVerdict is what the verdict needs of it; nil if it is not known.
func (d definition) forVerdict() taskevent.Definition {
	if d == nil {
		return nil
	}
	view := taskevent.Definition{}
	for name, c := range d {
		view[name] = taskevent.Defined{Essential: c.essential, DependsOn: c.dependsOn}
	}
	return view
}

// get describes a revision once per process.
func (d *definitions) get(ctx context.Context, revision string) (definition, error) {
	if known, ok := d.known.Load(revision); ok {
		return known.(definition), nil
	}
	var out *ecs.DescribeTaskDefinitionOutput
	err := patiently(ctx, firstPause, func() (err error) {
		out, err = d.ecs.DescribeTaskDefinition(ctx, &ecs.DescribeTaskDefinitionInput{TaskDefinition: &revision},
			func(o *ecs.Options) { o.Retryer = aws.NopRetryer{} })
		return err
	})
	if err != nil {
		return nil, err
	}
	if out.TaskDefinition == nil {
		return nil, fmt.Errorf("the answer for %s has no task definition", revision)
	}
	found := definition{}
	for _, c := range out.TaskDefinition.ContainerDefinitions {
		entry := containerDefinition{essential: c.Essential == nil || *c.Essential, command: c.Command}
		for _, on := range c.DependsOn {
			entry.dependsOn = append(entry.dependsOn, aws.ToString(on.ContainerName))
		}
		if c.LogConfiguration != nil {
			entry.logDriver, entry.logOption = string(c.LogConfiguration.LogDriver), c.LogConfiguration.Options
		}
		found[aws.ToString(c.Name)] = entry
	}
	d.known.Store(revision, found)
	return found, nil
}
