// Package localaws is an AWS endpoint in one process, for the machine that
// errand is developed and tried on: as much of ECS, CloudWatch Logs, SNS,
// EventBridge and Lambda as errand's main job needs, and of Systems Manager and
// KMS what ECS Exec does, over HTTP on loopback, in memory. RunTask really runs
// the container's command, as a process, ExecuteCommand another one in a
// terminal, and Lambda really runs the built bootstrap programs. What it does
// not serve is answered with UnknownOperationException.
//
// Each service has a package below this one, and none knows the server. Here
// they are given to each other and to HTTP.
package localaws

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"errand/pkg/localaws/cloudformation"
	"errand/pkg/localaws/dynamodb"
	"errand/pkg/localaws/ecs"
	"errand/pkg/localaws/events"
	"errand/pkg/localaws/host"
	"errand/pkg/localaws/lambda"
	"errand/pkg/localaws/logs"
	"errand/pkg/localaws/session"
	"errand/pkg/localaws/sns"
	"errand/pkg/localaws/sqs"
)

// Options are what a Server may be told. The zero value serves on a free port.
type Options struct {
	// Addr is the loopback address to listen on; empty means 127.0.0.1 and a
	// free port.
	Addr string
	// Region and Account stand in every ARN; empty means eu-west-1 and
	// 123456789012.
	Region, Account string
	// Watch, if set, is told of everything that happens, in order. It must not
	// call the server back.
	Watch func(Occurrence)
	// RetryPace is the unit of Lambda's waits between the attempts of an
	// asynchronous invocation: one pace before the second attempt, two before
	// the third. Lambda's own is a minute, and so is the default.
	RetryPace time.Duration
}

// Server is the endpoint. Its methods may be called at any time, from any
// goroutine.
type Server struct {
	host *host.Host
	http *http.Server

	logs     *logs.Service
	lambda   *lambda.Service
	events   *events.Service
	ecs      *ecs.Service
	sessions *session.Service
	sns      *sns.Service
	dynamodb *dynamodb.Service
	sqs      *sqs.Service
	stacks   *cloudformation.Service

	// How the services are reached: AWS JSON has a target, REST the beginning
	// of a path, and the query protocol a form, which has the API's version.
	targets host.Operations
	paths   map[string]host.Handler
	forms   host.Handler
}

// Start listens and serves until Close.
func Start(opts Options) (*Server, error) {
	if opts.Addr == "" {
		opts.Addr = "127.0.0.1:0"
	}
	if opts.Region == "" {
		opts.Region = "eu-west-1"
	}
	if opts.Account == "" {
		opts.Account = "123456789012"
	}
	if opts.RetryPace == 0 {
		opts.RetryPace = time.Minute
	}
	if err := loopback(opts.Addr); err != nil {
		return nil, err
	}
	// Go switches Nagle's algorithm off (TCP_NODELAY on) for every connection.
	listener, err := net.Listen("tcp", opts.Addr)
	if err != nil {
		return nil, fmt.Errorf("serve AWS on %s: %w", opts.Addr, err)
	}
	s := &Server{host: host.New(opts.Region, opts.Account, "http://"+listener.Addr().String(), opts.Watch)}
	s.wire(opts.RetryPace)
	s.http = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	s.host.Go(func() { _ = s.http.Serve(listener) })
	return s, nil
}

// wire makes the services, each with what it needs of others.
func (s *Server) wire(retryPace time.Duration) {
	s.logs = logs.New(s.host)
	s.sqs = sqs.New(s.host)
	s.lambda = lambda.New(s.host, s.logs, s.sqs, retryPace)
	s.events = events.New(s.host, s.lambda)
	s.ecs = ecs.New(s.host, s.logs, s.events)
	s.sessions = session.New(s.host, s.ecs)
	s.sns = sns.New(s.host)
	s.dynamodb = dynamodb.New(s.host)
	s.stacks = cloudformation.New(s.host)

	s.targets = host.Merge(s.logs.Operations(), s.events.Operations(), s.ecs.Operations(), s.sessions.Operations(),
		s.dynamodb.Operations(), s.sqs.Operations())
	s.paths = map[string]host.Handler{
		lambda.Path:         s.lambda.Serve,
		session.ChannelPath: s.sessions.ServeChannel,
	}
	s.forms = s.host.Forms(s.sns.Query(), s.stacks.Query())
}

// loopback refuses an address that other machines could reach: whoever reaches
// the endpoint can run commands here.
func loopback(addr string) error {
	name, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("serve AWS on %q: want an address such as 127.0.0.1:4599: %w", addr, err)
	}
	if ip := net.ParseIP(name); name != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("serve AWS on %q: only loopback addresses are allowed, since whoever reaches the endpoint can run commands", addr)
	}
	return nil
}

// URL is what AWS_ENDPOINT_URL takes.
func (s *Server) URL() string { return s.host.URL }

// Config configures the SDK's clients for this server.
func (s *Server) Config() aws.Config {
	return aws.Config{
		Region:       s.host.Region,
		BaseEndpoint: aws.String(s.host.URL),
		Credentials:  credentials.NewStaticCredentialsProvider("local", "local", ""),
	}
}

// Close stops every task, session and function and waits for them.
func (s *Server) Close() error {
	s.host.Close()
	err := s.http.Close()
	s.host.Wait() // http.Server.Close does not wait for its handlers
	return err
}

// maxRequest is Lambda's limit for a synchronous payload, the largest of all.
const maxRequest = 6 << 20

// ServeHTTP finds the service by what its protocol leaves in the request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.host.Attend(func() { s.serve(w, r) })
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if err != nil {
		host.WriteError(w, host.Errorf(http.StatusRequestEntityTooLarge, "RequestTooLargeException", "Request must be smaller than %d bytes for the InvokeFunction operation", maxRequest))
		return
	}
	if target := r.Header.Get("X-Amz-Target"); target != "" {
		s.host.Answer(w, r, s.targets, target, body)
		return
	}
	for path, serve := range s.paths {
		if strings.HasPrefix(r.URL.Path, path) {
			serve(w, r, body)
			return
		}
	}
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		s.forms(w, r, body)
		return
	}
	host.WriteError(w, host.UnknownOperation(r.Method+" "+r.URL.Path))
}
