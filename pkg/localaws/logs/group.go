package logs

import (
	"cmp"
	"context"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"errand/pkg/localaws/host"
)

type group struct {
	name    string
	created int64
	streams map[string]*stream
	hidden  []hiding
}

func (l *Service) makeGroup(name string) *group {
	if l.groups[name] == nil {
		l.groups[name] = &group{name: name, created: l.now(), streams: map[string]*stream{}}
	}
	return l.groups[name]
}

// group finds a log group by its name or, where the API takes one, its ARN.
func (l *Service) group(name, identifier *string) (*group, error) {
	wanted := host.Deref(name)
	if wanted == "" {
		wanted = strings.TrimPrefix(host.Deref(identifier), l.host.ARN("logs", "log-group:"))
		wanted = strings.TrimSuffix(wanted, ":*")
	}
	if wanted == "" {
		return nil, host.Invalid("1 validation error detected: Value null at 'logGroupName' failed to satisfy constraint: Member must not be null")
	}
	g := l.groups[wanted]
	if g == nil {
		return nil, errNoGroup()
	}
	return g, nil
}

func errNoGroup() *host.Error {
	return host.BadRequest("ResourceNotFoundException", "The specified log group does not exist.")
}

var groupNames = regexp.MustCompile(`^[.\-_/#A-Za-z0-9]{1,512}$`)

func (l *Service) createGroup(_ context.Context, in *cloudwatchlogs.CreateLogGroupInput) (*cloudwatchlogs.CreateLogGroupOutput, error) {
	name := host.Deref(in.LogGroupName)
	if err := host.Matches("logGroupName", name, groupNames); err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.groups[name] != nil {
		return nil, host.BadRequest("ResourceAlreadyExistsException", "The specified log group already exists")
	}
	l.makeGroup(name)
	return &cloudwatchlogs.CreateLogGroupOutput{}, nil
}

func (l *Service) describeGroups(_ context.Context, in *cloudwatchlogs.DescribeLogGroupsInput) (*cloudwatchlogs.DescribeLogGroupsOutput, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	found, next, err := names(cmp.Compare, l.groups, host.Deref(in.LogGroupNamePrefix), in.Limit, in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &cloudwatchlogs.DescribeLogGroupsOutput{LogGroups: []types.LogGroup{}, NextToken: next}
	for _, name := range found {
		g := l.groups[name]
		arn := l.host.ARN("logs", "log-group:"+name)
		out.LogGroups = append(out.LogGroups, types.LogGroup{
			LogGroupName:      new(name),
			CreationTime:      new(g.created),
			MetricFilterCount: new(int32(0)),
			Arn:               new(arn + ":*"),
			LogGroupArn:       new(arn),
			LogGroupClass:     types.LogGroupClassStandard,
			StoredBytes:       new(int64(0)),
		})
	}
	return out, nil
}
