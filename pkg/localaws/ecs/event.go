package ecs

import (
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"errand/pkg/awsjson"
	"errand/pkg/localaws/host"
)

// change is a change of a task that is still to be told.
type change struct {
	status string
	detail []byte
}

// taskDetail is the detail of an ECS Task State Change event: a task without
// tags and health, but with the time of the change. It writes Cpu as the SDK
// does, since the names in JSON are made of these.
type taskDetail struct {
	Attachments          []types.Attachment
	Attributes           []types.Attribute
	AvailabilityZone     *string
	CapacityProviderName *string
	ClusterArn           *string
	Connectivity         types.Connectivity
	ConnectivityAt       *time.Time
	Containers           []types.Container
	Cpu                  *string
	CreatedAt            *time.Time
	DesiredStatus        *string
	EnableExecuteCommand bool
	EphemeralStorage     *types.EphemeralStorage
	ExecutionStoppedAt   *time.Time
	Group                *string
	LastStatus           *string
	LaunchType           types.LaunchType
	Memory               *string
	Overrides            *types.TaskOverride
	PlatformFamily       *string
	PlatformVersion      *string
	PullStartedAt        *time.Time
	PullStoppedAt        *time.Time
	StartedAt            *time.Time
	StartedBy            *string
	StopCode             types.TaskStopCode
	StoppedAt            *time.Time
	StoppedReason        *string
	StoppingAt           *time.Time
	TaskArn              *string
	TaskDefinitionArn    *string
	UpdatedAt            *time.Time
	Version              int64
}

// changed queues the event of a change. The lock must be held.
func (t *task) changed() {
	t.Version++
	detail, err := awsjson.EncodeEvent(taskDetail{
		Attachments:          t.Attachments,
		Attributes:           t.Attributes,
		AvailabilityZone:     t.AvailabilityZone,
		CapacityProviderName: t.CapacityProviderName,
		ClusterArn:           t.ClusterArn,
		Connectivity:         t.Connectivity,
		ConnectivityAt:       t.ConnectivityAt,
		Containers:           t.Containers,
		Cpu:                  t.Cpu,
		CreatedAt:            t.CreatedAt,
		DesiredStatus:        t.DesiredStatus,
		EnableExecuteCommand: t.EnableExecuteCommand,
		EphemeralStorage:     t.EphemeralStorage,
		ExecutionStoppedAt:   t.ExecutionStoppedAt,
		Group:                t.Group,
		LastStatus:           t.LastStatus,
		LaunchType:           t.LaunchType,
		Memory:               t.Memory,
		Overrides:            t.Overrides,
		PlatformFamily:       t.PlatformFamily,
		PlatformVersion:      t.PlatformVersion,
		PullStartedAt:        t.PullStartedAt,
		PullStoppedAt:        t.PullStoppedAt,
		StartedAt:            t.StartedAt,
		StartedBy:            t.StartedBy,
		StopCode:             t.StopCode,
		StoppedAt:            t.StoppedAt,
		StoppedReason:        t.StoppedReason,
		StoppingAt:           t.StoppingAt,
		TaskArn:              t.TaskArn,
		TaskDefinitionArn:    t.TaskDefinitionArn,
		UpdatedAt:            new(t.ecs.host.Now()),
		Version:              t.Version,
	})
	if err != nil {
		panic(fmt.Sprintf("encode the event of task %s: %v", t.id, err)) // plain data always encodes
	}
	t.changes <- change{*t.LastStatus, detail}
}

// announce tells the changes of the task, in order.
func (t *task) announce() {
	e := t.ecs
	status := ""
	for c := range t.changes {
		if c.status != status {
			status = c.status
			e.host.Watch(host.TaskState, *t.TaskArn, status)
		}
		e.bus.Put("aws.ecs", "ECS Task State Change", []string{*t.TaskArn}, c.detail)
	}
}
