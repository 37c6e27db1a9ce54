package localaws

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"errand/pkg/awsjson"
)

// playsLabel is the docker label of a container definition that makes the
// container play something that happens to tasks on AWS only:
//
//	"dockerLabels": {"errand.local/plays": "spot"}
//
// Its values:
//
//   - image: the image cannot be pulled, so the task fails to start; the
//     container has the reason.
//   - secret: a secret cannot be read, so the task fails to start; the task has
//     the reason.
//   - placement: there is no room, which shows only after RunTask has answered;
//     the task fails to start and has no containers at all.
//   - spot: Spot takes the task away when the container has written its first
//     line: it gets SIGTERM.
//   - maintenance: Fargate retires the task at the same moment, in the same way.
//   - oom: the container is killed at the same moment, as one that has used up
//     its memory.
//   - no-exit-code: the command runs to its end, and its exit code is lost.
//
// A container that ends before its first line is taken to have ended for the
// played reason. Everything else about the task is as usual.
const playsLabel = "errand.local/plays"

// play is one value of playsLabel.
type play struct {
	stopCode      types.TaskStopCode
	stoppedReason string
	// reason is the container's; IMAGE in it stands for the image.
	reason string
	// unplaced and unstarted say how far the task comes.
	unplaced, unstarted bool
	// interrupted ends the task at the first line of the container, and killed
	// only the container.
	interrupted, killed bool
	noExitCode          bool
}

var plays = map[string]play{
	"image": {
		unstarted: true, stopCode: types.TaskStopCodeTaskFailedToStart, stoppedReason: "Task failed to start",
		reason: "CannotPullContainerError: pull image manifest has been retried 5 time(s): failed to resolve ref IMAGE: IMAGE: not found",
	},
	"secret": {
		unstarted: true, stopCode: types.TaskStopCodeTaskFailedToStart,
		stoppedReason: "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: unable to retrieve secret from asm: service call has been retried 1 time(s): ResourceNotFoundException: Secrets Manager can't find the specified secret.",
	},
	"placement": {
		unplaced: true, stopCode: types.TaskStopCodeTaskFailedToStart, stoppedReason: "TaskFailedToStart: RESOURCE:MEMORY",
	},
	"spot": {
		interrupted: true, stopCode: types.TaskStopCodeSpotInterruption, stoppedReason: "Your Spot Task was interrupted.",
	},
	"maintenance": {
		interrupted: true, stopCode: types.TaskStopCodeServiceSchedulerInitiated,
		stoppedReason: "ECS is performing maintenance on the underlying infrastructure hosting the task",
	},
	"oom": {
		killed: true, stopCode: types.TaskStopCodeEssentialContainerExited, stoppedReason: essentialExited,
		reason: "OutOfMemoryError: container killed due to memory usage",
	},
	"no-exit-code": {
		noExitCode: true, stopCode: types.TaskStopCodeEssentialContainerExited, stoppedReason: essentialExited,
	},
}

const essentialExited = "Essential container in task exited"

func playNames() string { return strings.Join(slices.Sorted(maps.Keys(plays)), ", ") }

// task is a task as DescribeTasks shows it, and what runs it. The SDK's struct
// is guarded by ecsService.mu.
type task struct {
	types.Task

	ecs        *ecsService
	id         string
	definition *definition
	// stopping is closed when desiredStatus becomes STOPPED.
	stopping chan struct{}
	// gone has for each container a channel that is closed when it has stopped.
	gone []chan struct{}
	// changes has room for every change of the task, so that nobody waits for
	// it while holding the lock.
	changes chan change
}

// change is a change of a task that is still to be told.
type change struct {
	status string
	detail []byte
}

// newTask makes a task that is not started yet.
func (e *ecsService) newTask(in *ecs.RunTaskInput, c *cluster, def *definition, where placement) *task {
	id := newID(16)
	arn := e.server.arn("ecs", "task/"+*c.ClusterName+"/"+id)
	t := &task{
		ecs:        e,
		id:         id,
		definition: def,
		stopping:   make(chan struct{}),
		changes:    make(chan change, 8+2*len(def.ContainerDefinitions)),
		Task: types.Task{
			TaskArn:              &arn,
			ClusterArn:           c.ClusterArn,
			TaskDefinitionArn:    def.TaskDefinitionArn,
			Group:                in.Group,
			StartedBy:            in.StartedBy,
			LastStatus:           new("PROVISIONING"),
			DesiredStatus:        new("RUNNING"),
			LaunchType:           where.launchType,
			CapacityProviderName: where.provider,
			PlatformVersion:      where.platform,
			AvailabilityZone:     new(e.server.opts.Region + "a"),
			EnableExecuteCommand: in.EnableExecuteCommand,
			CreatedAt:            new(time.Now()),
			Attachments:          []types.Attachment{},
			Attributes:           []types.Attribute{},
			Tags:                 append([]types.Tag{}, in.Tags...),
		},
	}
	if deref(t.Group) == "" {
		t.Group = new("family:" + *def.Family)
	}
	if in.PropagateTags == types.PropagateTagsTaskDefinition {
		t.Tags = append(t.Tags, def.tags...)
	}
	if where.launchType == types.LaunchTypeFargate {
		t.PlatformFamily = new("Linux")
		t.EphemeralStorage = &types.EphemeralStorage{SizeInGiB: 20}
	}

	overrides := types.TaskOverride{}
	if in.Overrides != nil {
		overrides = *in.Overrides
	}
	given := overrides.ContainerOverrides
	overrides.ContainerOverrides = []types.ContainerOverride{}
	var cpu, memory int32
	for i, d := range def.ContainerDefinitions {
		t.gone = append(t.gone, make(chan struct{}))
		t.Containers = append(t.Containers, types.Container{
			ContainerArn:      new(e.server.arn("ecs", "container/"+*c.ClusterName+"/"+id+"/"+newUUID())),
			TaskArn:           &arn,
			Name:              d.Name,
			Image:             d.Image,
			LastStatus:        new("PENDING"),
			NetworkInterfaces: []types.NetworkInterface{},
			Cpu:               new(strconv.Itoa(int(d.Cpu))),
			Memory:            units(d.Memory),
			MemoryReservation: units(d.MemoryReservation),
		})
		t.setExecAgent(i, "PENDING")
		cpu += d.Cpu
		if limit := cmp.Or(d.Memory, d.MemoryReservation); limit != nil {
			memory += *limit
		}
		// ECS has an entry for every container, overridden or not.
		override := types.ContainerOverride{Name: d.Name}
		for _, o := range given {
			if *o.Name == *d.Name {
				override = o
			}
		}
		overrides.ContainerOverrides = append(overrides.ContainerOverrides, override)
	}
	t.Overrides = &overrides
	t.Cpu = cmp.Or(overrides.Cpu, def.Cpu, units(&cpu))
	t.Memory = cmp.Or(overrides.Memory, def.Memory, units(&memory))
	return t
}

func units(n *int32) *string {
	if n == nil {
		return nil
	}
	return new(strconv.Itoa(int(*n)))
}

// describe copies the task for an answer. The lock must be held.
func (t *task) describe() types.Task {
	described := t.Task
	described.HealthStatus = types.HealthStatusUnknown
	described.Containers = slices.Clone(t.Containers)
	for i := range described.Containers {
		described.Containers[i].HealthStatus = types.HealthStatusUnknown
	}
	return described
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
		UpdatedAt:            new(time.Now()),
		Version:              t.Version,
	})
	if err != nil {
		panic(fmt.Sprintf("encode the event of task %s: %v", t.id, err)) // plain data always encodes
	}
	t.changes <- change{*t.LastStatus, detail}
}

// update changes the task and queues the event of it.
func (t *task) update(f func()) {
	t.ecs.mu.Lock()
	defer t.ecs.mu.Unlock()
	f()
	t.changed()
}

// end makes the task stop, unless something else has already: the first reason
// stays. The lock must be held.
func (t *task) end(code types.TaskStopCode, reason string) bool {
	if *t.DesiredStatus == "STOPPED" {
		return false
	}
	t.DesiredStatus = new("STOPPED")
	t.StopCode = code
	t.StoppedReason = &reason
	t.StoppingAt = new(time.Now())
	close(t.stopping)
	return true
}

// interrupt takes the task away.
func (t *task) interrupt(p play) {
	t.ecs.mu.Lock()
	defer t.ecs.mu.Unlock()
	if t.end(p.stopCode, p.stoppedReason) {
		t.changed()
	}
}

// start sets the task going. The lock must be held.
func (t *task) start() {
	t.changed()
	t.ecs.server.background(t.announce)
	t.ecs.server.background(t.run)
}

// announce tells the changes of the task, in order.
func (t *task) announce() {
	s := t.ecs.server
	status := ""
	for c := range t.changes {
		if c.status != status {
			status = c.status
			s.watch(TaskState, *t.TaskArn, status)
		}
		s.events.put("aws.ecs", "ECS Task State Change", []string{*t.TaskArn}, c.detail)
	}
}

// run is the task's life.
func (t *task) run() {
	defer close(t.changes)
	containers := t.containers()
	for _, c := range containers {
		if c.play.unplaced {
			t.update(func() {
				t.end(c.play.stopCode, c.play.stoppedReason)
				t.Containers = []types.Container{}
				t.LastStatus, t.StoppedAt = new("STOPPED"), new(time.Now())
			})
			return
		}
	}
	pending := time.Now()
	t.update(func() {
		t.LastStatus = new("PENDING")
		t.Connectivity, t.ConnectivityAt = types.ConnectivityConnected, &pending
	})
	running := t.launch(containers)
	if len(running) == len(containers) {
		t.update(func() {
			t.LastStatus = new("RUNNING")
			t.PullStartedAt, t.PullStoppedAt, t.StartedAt = &pending, new(time.Now()), new(time.Now())
			for i := range t.Containers {
				t.Containers[i].LastStatus = new("RUNNING")
				t.setExecAgent(i, "RUNNING")
			}
		})
	}
	var wait sync.WaitGroup
	for _, c := range running {
		wait.Go(c.supervise)
	}
	wait.Wait()
	t.update(func() {
		t.end(types.TaskStopCodeUserInitiated, "The embedded AWS endpoint is closing.") // if nothing else did
		t.LastStatus = new("DEPROVISIONING")
		for i := range t.Containers {
			t.Containers[i].LastStatus = new("STOPPED")
		}
	})
	t.update(func() { t.LastStatus, t.StoppedAt = new("STOPPED"), new(time.Now()) })
}

// launch starts the containers one after the other, whatever their dependsOn
// says, and returns those that it started. If one cannot be started, the task
// is to stop.
func (t *task) launch(containers []*container) []*container {
	for _, c := range containers {
		if c.play.unstarted {
			t.fail(c, strings.ReplaceAll(c.play.reason, "IMAGE", *c.definition.Image), c.play.stoppedReason)
			return nil
		}
		if len(c.definition.Secrets)+len(c.definition.EnvironmentFiles) > 0 {
			t.fail(c, "", "ResourceInitializationError: unable to pull secrets or registry auth: the embedded AWS endpoint has neither secrets nor environment files, so container "+*c.definition.Name+" cannot have any.")
			return nil
		}
		if err := c.openLog(); err != nil {
			t.fail(c, "", "ResourceInitializationError: failed to validate logger args: create stream has been retried 1 times: failed to create Cloudwatch log stream: "+err.Error())
			return nil
		}
	}
	for i, c := range containers {
		select {
		case <-t.stopping:
			return containers[:i]
		case <-t.ecs.server.ctx.Done():
			return containers[:i]
		default:
		}
		if err := c.start(); err != nil {
			t.fail(c, "CannotStartContainerError: "+err.Error(), "Task failed to start")
			return containers[:i]
		}
	}
	return containers
}

// fail stops a task because a container cannot be started.
func (t *task) fail(c *container, reason, stoppedReason string) {
	t.update(func() {
		if reason != "" {
			t.Containers[c.index].Reason = &reason
		}
		t.end(types.TaskStopCodeTaskFailedToStart, stoppedReason)
	})
}

// container is a container of a task: a process and its children.
type container struct {
	task       *task
	index      int // in the task's containers
	definition types.ContainerDefinition
	argv       []string
	env        []string
	play       play

	runtimeID string
	group     string // of the log; empty without awslogs
	stream    string

	process *exec.Cmd
	output  *os.File
	spoke   chan struct{} // closed at the first line
	drained chan struct{} // closed after the last line
}

func (t *task) containers() []*container {
	var all []*container
	for i, d := range t.definition.ContainerDefinitions {
		override := t.Overrides.ContainerOverrides[i]
		c := &container{
			task:       t,
			index:      i,
			definition: d,
			play:       plays[d.DockerLabels[playsLabel]],
			runtimeID:  t.id + "-" + strconv.Itoa(1_000_000_000+i),
			stream:     *d.Name + "/" + t.id,
			spoke:      make(chan struct{}),
			drained:    make(chan struct{}),
		}
		command := d.Command
		if override.Command != nil {
			command = override.Command
		}
		c.argv = slices.Concat(d.EntryPoint, command)
		c.env = t.environment(i)
		all = append(all, c)
	}
	return all
}

// environment is that of the i-th container. Of our own environment a program
// gets only what hardly any can run without.
func (t *task) environment(i int) []string {
	var env []string
	for _, name := range []string{"PATH", "HOME"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	for _, pair := range slices.Concat(t.definition.ContainerDefinitions[i].Environment, t.Overrides.ContainerOverrides[i].Environment) {
		env = append(env, deref(pair.Name)+"="+deref(pair.Value))
	}
	return env
}

// openLog prepares the log driver.
func (c *container) openLog() error {
	config := c.definition.LogConfiguration
	if config == nil || config.LogDriver != types.LogDriverAwslogs {
		return nil
	}
	c.group = config.Options["awslogs-group"]
	if prefix := config.Options["awslogs-stream-prefix"]; prefix != "" {
		c.stream = prefix + "/" + c.stream
	} else {
		c.stream = c.runtimeID
	}
	return c.task.ecs.server.logs.open(c.group, c.stream, config.Options["awslogs-create-group"] == "true")
}

// start starts the process in a group of its own.
func (c *container) start() error {
	if len(c.argv) == 0 {
		return errors.New("no command specified: the embedded AWS endpoint has no images, so the task definition or an override must set the command")
	}
	dir := deref(c.definition.WorkingDirectory)
	if info, err := os.Stat(dir); dir != "" && (err != nil || !info.IsDir()) {
		return startError("chdir to cwd (%q) set in config.json failed: no such file or directory", dir)
	}
	path, err := lookPath(c.argv[0], dir, c.env)
	if err != nil {
		return startError("exec: %q: %w", c.argv[0], err)
	}
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	c.output = read
	c.process = &exec.Cmd{
		Path: path,
		Args: c.argv,
		Env:  c.env,
		Dir:  dir,
		// One pipe for both keeps the lines in the order in which they were
		// written.
		Stdout:      write,
		Stderr:      write,
		SysProcAttr: &syscall.SysProcAttr{Setpgid: true},
	}
	err = c.process.Start()
	_ = write.Close()
	if err != nil {
		_ = read.Close()
		if cause, ok := errors.AsType[syscall.Errno](err); ok {
			err = cause
		}
		return startError("exec %s: %w", c.argv[0], err)
	}
	go c.read()
	t := c.task
	t.ecs.mu.Lock()
	defer t.ecs.mu.Unlock()
	t.Containers[c.index].RuntimeId = &c.runtimeID
	return nil
}

// startError words a failure as Fargate and runc do.
func startError(format string, args ...any) error {
	return fmt.Errorf("ResourceInitializationError: failed to create new container runtime task: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: "+format+": unknown", args...)
}

// lookPath finds the program in the PATH of the container, which is not ours.
func lookPath(name, dir string, env []string) (string, error) {
	if strings.Contains(name, "/") {
		file := name
		if !filepath.IsAbs(file) {
			file = filepath.Join(dir, file)
		}
		info, err := os.Stat(file)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return "", fmt.Errorf("stat %s: no such file or directory", name)
		case err != nil:
			return "", err
		case info.IsDir():
			return "", errors.New("is a directory")
		case info.Mode()&0o111 == 0:
			return "", errors.New("permission denied")
		}
		// A relative path counts from the working directory, in which the
		// process is before it becomes the program.
		return name, nil
	}
	search := ""
	for _, pair := range env {
		if value, ok := strings.CutPrefix(pair, "PATH="); ok {
			search = value
		}
	}
	for _, folder := range filepath.SplitList(search) {
		file := filepath.Join(folder, name)
		if info, err := os.Stat(file); err == nil && !info.IsDir() && info.Mode()&0o111 != 0 {
			return file, nil
		}
	}
	return "", errors.New("executable file not found in $PATH")
}

// maxOutputLine is where Docker cuts a line that goes on.
const maxOutputLine = 256 << 10

// read passes the output on, line by line, as it comes.
func (c *container) read() {
	defer close(c.drained)
	s := c.task.ecs.server
	reader := bufio.NewReaderSize(c.output, maxOutputLine)
	first := true
	for {
		raw, err := reader.ReadSlice('\n')
		line := strings.ToValidUTF8(strings.TrimSuffix(string(raw), "\n"), "\uFFFD")
		// CloudWatch Logs takes no empty events, and the driver drops them.
		if line != "" {
			if c.group != "" {
				s.logs.write(c.group, c.stream, line)
			}
			s.watch(LogLine, c.stream, line)
			if first {
				close(c.spoke)
				first = false
			}
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return
		}
	}
}

// signal goes to the process and its children.
func (c *container) signal(s syscall.Signal) { _ = syscall.Kill(-c.process.Process.Pid, s) }

// defaultStopTimeout is how long ECS waits between SIGTERM and SIGKILL.
const defaultStopTimeout = 30

// supervise waits for the container's end and does to it what happens to the
// task meanwhile.
func (c *container) supervise() {
	t := c.task
	exited := make(chan struct{})
	go func() {
		_ = c.process.Wait()
		close(exited)
	}()
	timeout := int32(defaultStopTimeout)
	if c.definition.StopTimeout != nil {
		timeout = *c.definition.StopTimeout
	}
	stopping, closing := t.stopping, t.ecs.server.ctx.Done()
	var kill <-chan time.Time
	var strike <-chan struct{}
	if c.play.interrupted || c.play.killed {
		strike = c.spoke
	}
	for alive := true; alive; {
		select {
		case <-exited:
			alive = false
		case <-strike:
			strike = nil
			if c.play.killed {
				c.signal(syscall.SIGKILL)
			} else {
				t.interrupt(c.play)
			}
		case <-stopping:
			stopping = nil
			c.signal(syscall.SIGTERM)
			kill = time.After(time.Duration(timeout) * time.Second)
		case <-kill:
			c.signal(syscall.SIGKILL)
		case <-closing:
			closing = nil
			c.signal(syscall.SIGKILL)
		}
	}
	// Whatever a container's first process leaves behind dies with it. If it
	// fled the group and holds the output, nobody waits for it for long.
	c.signal(syscall.SIGKILL)
	_ = c.output.SetReadDeadline(time.Now().Add(time.Second))
	<-c.drained
	_ = c.output.Close()
	t.update(c.stopped)
}

// stopped notes how the container ended, and ends the task with an essential
// one. The lock must be held.
func (c *container) stopped() {
	t := c.task
	close(t.gone[c.index])
	t.setExecAgent(c.index, "STOPPED")
	shown := &t.Containers[c.index]
	shown.LastStatus = new("STOPPED")
	code := exitCode(c.process.ProcessState)
	if c.play.killed {
		code = 128 + int32(syscall.SIGKILL)
	}
	if !c.play.noExitCode {
		shown.ExitCode = &code
	}
	if c.play.reason != "" {
		shown.Reason = &c.play.reason
	}
	t.ExecutionStoppedAt = new(time.Now())
	switch {
	case c.play.interrupted:
		t.end(c.play.stopCode, c.play.stoppedReason)
	case isEssential(&c.definition):
		t.end(types.TaskStopCodeEssentialContainerExited, essentialExited)
	}
}

// exitCode is the code of a process, or 128 and the signal that killed it.
func exitCode(state *os.ProcessState) int32 {
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int32(status.Signal())
	}
	return int32(state.ExitCode())
}
