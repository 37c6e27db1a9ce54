// Package payload is what a schedule or an event hands to errand: a job, to run as
// a task of its own, or a command, to run in a live one. It reads and checks them;
// docs/payload.md is its manual.
package payload

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"errand/pkg/awsjson"
	"errand/pkg/run"
)

// Job is the input of the launcher. Where ECS RunTask has a field of the
// same name, it means the same.
type Job struct {
	Name           string `json:"job"`
	Command        []string
	Container      string
	Environment    map[string]string
	TaskDefinition string
	Service        string
	Cluster        string
	Overrides      *types.TaskOverride

	LaunchType               LaunchType
	CapacityProviderStrategy []types.CapacityProviderStrategyItem
	PlatformVersion          string
	NetworkConfiguration     *types.NetworkConfiguration
	PlacementConstraints     []types.PlacementConstraint
	PlacementStrategy        []types.PlacementStrategy
	Group                    string
	Tags                     []types.Tag
	PropagateTags            types.PropagateTags
	EnableExecuteCommand     bool
	EnableECSManagedTags     bool
	ReferenceID              string `json:"referenceId"`
	VolumeConfigurations     []types.TaskVolumeConfiguration

	ScheduledTime time.Time
	RunID         string `json:"runId"`
	LogLines      *int
	Method        Method

	Schedule string // who sent it

	Timeout      Duration // from RUNNING
	StartTimeout Duration // to be RUNNING
	StartWithin  Duration // how late it may begin

	// Part of the payload's language, but not built yet: refused, so that
	// nobody believes that a job is watched when it is not.
	ExpectEvery Duration
	Retry       *Retry
	Overlap     Overlap
}

// Decode reads a payload, bare or as the detail of an "Errand Job" event, and
// returns the event's id in the latter case. An array with one of either is taken
// for that one. The error is an Invalid that names every bad field, or a Kept one; the
// payload then holds what could be read all the same, so that the refusal can name its
// job.
func Decode(raw []byte) (Job, string, error) {
	var p Job
	eventID, err := decodeWrapped(raw, run.MethodRunTask, &p, &p.Command, p.check)
	return p, eventID, err
}

// Run identifies the run that the payload asks for.
func (p *Job) Run(eventID, requestID string) run.Run {
	return run.Identify(run.MethodRunTask, p.Name, p.RunID, p.ScheduledTime, eventID, requestID)
}

// checkRun returns what is wrong with what says which run it is and what is
// wanted of it.
func checkRun(job, id string, logLines *int, environment map[string]string) []string {
	var problems []string
	bad := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	switch {
	case job == "":
		bad("job: required, the job's name")
	case !run.ValidJob(job):
		bad("job: %smust be 1 to 64 letters, digits, - or _", quoted(job))
	}
	if id != "" && !run.ValidID(id) {
		bad("runId: %smust be 1 to 128 letters, digits or one of - _ . :", quoted(id))
	}
	if logLines != nil && (*logLines < 0 || *logLines > run.MaxLogLines) {
		bad("logLines: must be %s", formOf("logLines"))
	}
	for _, name := range slices.Sorted(maps.Keys(environment)) {
		problems = append(problems, checkVariable("environment", name)...)
	}
	return problems
}

func checkCommand(command []string) []string {
	var problems []string
	for i, word := range command {
		if strings.ContainsRune(word, 0) {
			problems = append(problems, fmt.Sprintf("command[%d]: has a NUL character, which no program can be given", i))
		}
	}
	if len(command) > 0 && command[0] == "" {
		problems = append(problems, "command[0]: is empty; it is the program to run")
	}
	return problems
}

// checkName takes a field's name and its value.
func checkName(name, value string) []string {
	if value == "" || run.Made(value, len(value), ":/._-") {
		return nil
	}
	return []string{fmt.Sprintf("%s: %sis neither a name nor an ARN", name, quoted(value))}
}

// check returns what is wrong beyond the types.
func (p *Job) check() []string {
	problems := checkRun(p.Name, p.RunID, p.LogLines, p.Environment)
	bad := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }

	if p.Command != nil && len(p.Command) == 0 {
		bad("command: is empty; leave it out to run the container's own command")
	}
	problems = append(problems, checkCommand(p.Command)...)
	problems = append(problems, checkName("taskDefinition", p.TaskDefinition)...)
	problems = append(problems, checkName("service", p.Service)...)
	problems = append(problems, checkName("cluster", p.Cluster)...)
	if p.Service != "" && p.TaskDefinition != "" {
		bad("service: excludes taskDefinition, since the service's own is taken; give one of the two")
	}
	if p.CapacityProviderStrategy != nil && len(p.CapacityProviderStrategy) == 0 {
		bad("capacityProviderStrategy: is empty; leave it out for the default")
	}
	if p.LaunchType != "" && len(p.CapacityProviderStrategy) > 0 {
		bad("launchType: excludes capacityProviderStrategy; give one of the two")
	}
	if p.PropagateTags == types.PropagateTagsService {
		bad("propagateTags: SERVICE is for services; RunTask takes TASK_DEFINITION or NONE")
	}
	if n := p.NetworkConfiguration; n != nil && (n.AwsvpcConfiguration == nil || len(n.AwsvpcConfiguration.Subnets) == 0) {
		bad("networkConfiguration.awsvpcConfiguration.subnets: required, at least one, as in %s", inPlace("networkConfiguration.awsvpcConfiguration.subnets"))
	}
	problems = append(problems, p.checkPolicy()...)
	problems = append(problems, p.checkMembers()...)
	return append(problems, p.checkOverrides()...)
}

// checkMembers finds the members of the passed-through fields that ECS requires
// and the payload lacks.
func (p *Job) checkMembers() []string {
	var problems []string
	need := func(value, format string, args ...any) {
		if value == "" {
			problems = append(problems, fmt.Sprintf(format, args...)+": required")
		}
	}
	for i, item := range p.CapacityProviderStrategy {
		need(aws.ToString(item.CapacityProvider), "capacityProviderStrategy[%d].capacityProvider", i)
	}
	for i, item := range p.PlacementConstraints {
		need(string(item.Type), "placementConstraints[%d].type", i)
	}
	for i, item := range p.PlacementStrategy {
		need(string(item.Type), "placementStrategy[%d].type", i)
	}
	for i, item := range p.Tags {
		need(aws.ToString(item.Key), "tags[%d].key", i)
	}
	for i, item := range p.VolumeConfigurations {
		need(aws.ToString(item.Name), "volumeConfigurations[%d].name", i)
		if item.ManagedEBSVolume != nil {
			need(aws.ToString(item.ManagedEBSVolume.RoleArn), "volumeConfigurations[%d].managedEBSVolume.roleArn", i)
		}
	}
	return problems
}

func (p *Job) checkOverrides() []string {
	if p.Overrides == nil {
		return nil
	}
	var problems []string
	if p.Overrides.ExecutionRoleArn != nil {
		// It may read the secrets of the task, which the job's own role may not.
		problems = append(problems, "overrides.executionRoleArn: a job cannot choose its execution role, which may read secrets; it is the task definition's. Leave it out")
	}
	seen := map[string]bool{}
	for i, c := range p.Overrides.ContainerOverrides {
		path := fmt.Sprintf("overrides.containerOverrides[%d]", i)
		name := aws.ToString(c.Name)
		if name == "" {
			problems = append(problems, path+".name: required, the container to override")
		}
		if seen[name] {
			problems = append(problems, fmt.Sprintf("%s.name: container %sis overridden twice; put both into one", path, quoted(name)))
		}
		seen[name] = true
		for j, file := range c.EnvironmentFiles {
			if aws.ToString(file.Value) == "" || file.Type == "" {
				problems = append(problems, fmt.Sprintf("%s.environmentFiles[%d]: needs type and value", path, j))
			}
		}
		for j, resource := range c.ResourceRequirements {
			if aws.ToString(resource.Value) == "" || resource.Type == "" {
				problems = append(problems, fmt.Sprintf("%s.resourceRequirements[%d]: needs type and value", path, j))
			}
		}
		set := map[string]bool{}
		for j, variable := range c.Environment {
			name := aws.ToString(variable.Name)
			if set[name] {
				problems = append(problems, fmt.Sprintf("%s.environment[%d].name: %s is set twice", path, j, awsjson.Name(name)))
			}
			set[name] = true
			problems = append(problems, checkVariable(fmt.Sprintf("%s.environment[%d]", path, j), name)...)
		}
	}
	return problems
}

func checkVariable(path, name string) []string {
	switch {
	case name == "":
		return []string{path + ": a variable without a name"}
	case strings.ContainsAny(name, "=\x00"):
		return []string{path + ": has a variable with = or NUL in its name; give name and value apart, as in " + forms["environment"].example}
	case strings.HasPrefix(name, run.Reserved):
		return []string{fmt.Sprintf("%s: %s is reserved; variables beginning with %s are errand's own", path, awsjson.Name(name), run.Reserved)}
	}
	return nil
}
