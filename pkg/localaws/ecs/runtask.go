package ecs

import (
	"context"
	"regexp"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"errand/pkg/awsjson"
	"errand/pkg/localaws/host"
)

// launch is what a client token stands for, until the cluster forgets it.
type launch struct {
	created  time.Time
	request  string
	tasks    []*task
	failures []types.Failure
}

// maxOverrides is ECS's limit for the JSON of all overrides, in characters.
const maxOverrides = 8192

func (e *Service) runTask(_ context.Context, in *ecs.RunTaskInput) (*ecs.RunTaskOutput, error) {
	count, err := checkRunTask(in)
	if err != nil {
		return nil, err
	}
	token := host.Deref(in.ClientToken)
	request := *in
	request.ClientToken = nil
	asked, err := awsjson.Encode(request)
	if err != nil {
		return nil, err
	}

	return inCluster(e, in.Cluster, func(c *cluster) (*ecs.RunTaskOutput, error) {
		if old := c.launches[token]; old != nil && token != "" {
			return old.replay(string(asked))
		}
		def, err := e.runnable(in.TaskDefinition)
		if err != nil {
			return nil, err
		}
		where, err := c.place(def, in.LaunchType, in.CapacityProviderStrategy, in.PlatformVersion, in.NetworkConfiguration)
		if err != nil {
			return nil, err
		}
		if err := checkOverrides(in, def); err != nil {
			return nil, err
		}

		l := &launch{created: e.host.Now(), request: string(asked), failures: []types.Failure{}}
		if token != "" {
			c.launches[token] = l
		}
		if len(e.refusals) > 0 {
			if reason := e.refusals[0]; reason != "" {
				l.failures = append(l.failures, types.Failure{Reason: &reason})
			}
			e.refusals = e.refusals[1:]
			return &ecs.RunTaskOutput{Tasks: []types.Task{}, Failures: l.failures}, nil
		}
		out := &ecs.RunTaskOutput{Tasks: []types.Task{}, Failures: l.failures}
		for range count {
			t := e.newTask(in, c, def, where)
			c.tasks = append(c.tasks, t)
			l.tasks = append(l.tasks, t)
			t.start()
			out.Tasks = append(out.Tasks, t.describe())
		}
		return out, nil
	})
}

// replay answers a token that was used before.
func (l *launch) replay(request string) (*ecs.RunTaskOutput, error) {
	if request != l.request {
		arns := []string{}
		for _, t := range l.tasks {
			arns = append(arns, *t.TaskArn)
		}
		return nil, host.BadRequest("ConflictException", "The client token was used before with other parameters.").With("resourceIds", arns)
	}
	out := &ecs.RunTaskOutput{Tasks: []types.Task{}, Failures: l.failures}
	for _, t := range l.tasks {
		described := t.describe()
		if *described.LastStatus == "STOPPED" {
			described = types.Task{TaskArn: described.TaskArn, LastStatus: described.LastStatus, DesiredStatus: described.DesiredStatus}
		}
		out.Tasks = append(out.Tasks, described)
	}
	return out, nil
}

var (
	tokenCharacters     = regexp.MustCompile(`^[!-~]*$`)
	startedByCharacters = regexp.MustCompile(`^[A-Za-z0-9/_-]*$`)
)

// checkRunTask checks what can be without looking anything up, and returns the
// number of tasks.
func checkRunTask(in *ecs.RunTaskInput) (int, error) {
	count := int32(1)
	if in.Count != nil {
		count = *in.Count
	}
	switch {
	case count < 1:
		return 0, host.Invalid("Count cannot be less than 1.")
	case count > 10:
		return 0, host.Invalid("Count cannot be greater than 10.")
	case len(host.Deref(in.ClientToken)) > 64:
		return 0, host.Invalid("clientToken longer than 64.")
	case !tokenCharacters.MatchString(host.Deref(in.ClientToken)):
		return 0, host.Invalid("clientToken contains invalid characters.")
	case len(host.Deref(in.StartedBy)) > 128:
		return 0, host.Invalid("startedBy longer than 128.")
	case !startedByCharacters.MatchString(host.Deref(in.StartedBy)):
		return 0, host.Invalid("startedBy contains invalid characters.")
	case len(in.Tags) > 50:
		return 0, host.Invalid("Tags can have at most 50 items.")
	}
	if err := host.OneOf("propagateTags", in.PropagateTags, in.PropagateTags.Values()); err != nil {
		return 0, err
	}
	if in.PropagateTags == types.PropagateTagsService {
		return 0, host.Invalid("Invalid value for propagateTags: SERVICE is for services only.")
	}
	if in.Overrides != nil {
		overrides, err := awsjson.Encode(in.Overrides)
		if err != nil {
			return 0, err
		}
		if utf8.RuneCount(overrides) > maxOverrides {
			return 0, host.Invalid("Container Overrides length must be at most %d", maxOverrides)
		}
	}
	return int(count), nil
}

func checkOverrides(in *ecs.RunTaskInput, def *definition) error {
	role := host.Deref(def.TaskRoleArn)
	if in.Overrides != nil {
		for _, o := range in.Overrides.ContainerOverrides {
			if host.Deref(o.Name) == "" {
				return host.Invalid("Container override name should not be null or empty.")
			}
			if !slices.ContainsFunc(def.ContainerDefinitions, func(c types.ContainerDefinition) bool { return *c.Name == *o.Name }) {
				return host.Invalid("Override for container named %s is not a container in the TaskDefinition.", *o.Name)
			}
		}
		role += host.Deref(in.Overrides.TaskRoleArn)
	}
	if in.EnableExecuteCommand && role == "" {
		return host.Invalid("The task couldn't be started because a valid taskRoleArn is not being used. Specify a valid task role in your task definition and try again.")
	}
	return nil
}
