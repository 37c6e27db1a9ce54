package main

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"errand/pkg/localstack"
)

// world is the embedded endpoint, reached as AWS is: over TLS, each service by an
// address of its own.
type world struct {
	*localstack.Stack
	opts    options
	fronts  []*httptest.Server
	folder  string // of temporary files
	env     []string
	calls   atomic.Int64
	stopped chan []byte // the events of tasks' ends, which reach nobody else
	live    bool        // there is a task for commands
	ids     int
	group   string // the control group
}

// services are those that the functions call, as their endpoints' variables name them.
var services = []string{"DYNAMODB", "ECS", "SNS", "CLOUDWATCH_LOGS", "LAMBDA", "KMS"}

func open(ctx context.Context, o options) (w *world, err error) {
	w = &world{opts: o, stopped: make(chan []byte, 100)}
	if w.Stack, err = localstack.Start(ctx, localstack.Options{Functions: o.functions, Template: o.template}); err != nil {
		return nil, err
	}
	w.Server.DecideEvents(func(_ string, event json.RawMessage) []time.Duration {
		go func() { w.stopped <- event }()
		return nil
	})
	// The stack's own watchdog keeps still.
	if _, err = w.Server.AddTicker("watchdog", 1000*time.Hour, "watchdog", []byte(`{}`)); err == nil {
		err = w.serve()
	}
	if err == nil && o.cgroup != "" {
		err = w.limit()
	}
	if err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

// serve makes the fronts, and the environment that leads to them.
func (w *world) serve() (err error) {
	if w.folder, err = os.MkdirTemp("", "errand-cost-"); err != nil {
		return err
	}
	front := http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		w.calls.Add(1)
		if strings.HasSuffix(r.URL.Path, "/invocations") { // whom the watchdog wakes shall not run here
			out.WriteHeader(http.StatusAccepted)
			return
		}
		w.Server.ServeHTTP(out, r)
	})
	for _, name := range services {
		server := httptest.NewTLSServer(front)
		w.fronts = append(w.fronts, server)
		w.env = append(w.env, "AWS_ENDPOINT_URL_"+name+"="+server.URL)
	}
	// To read a hundred certificates and more is a part of the start on Lambda, too, and
	// Go reads the file and the folder that it is in.
	bundle, err := os.ReadFile("/etc/ssl/certs/ca-certificates.crt")
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	bundle = append(bundle, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: w.fronts[0].Certificate().Raw})...)
	file := filepath.Join(w.folder, "certificates.pem")
	if err := os.WriteFile(file, bundle, 0o600); err != nil { //nolint:gosec // in a folder of our own
		return err
	}
	w.env = append(w.env, "SSL_CERT_FILE="+file, "SSL_CERT_DIR="+w.folder, "AWS_ENDPOINT_URL="+w.Server.URL(),
		"AWS_REGION="+localstack.Region, "AWS_ACCESS_KEY_ID=local", "AWS_SECRET_ACCESS_KEY=local", "AWS_SESSION_TOKEN=local",
		"AWS_LAMBDA_FUNCTION_NAME=errand", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=128", "AWS_LAMBDA_LOG_FORMAT=JSON",
		"STARTED_BY_PREFIX=errand/"+localstack.Name+"/", "TOPIC_ARN="+w.Topics.JSON, "TEXT_TOPIC_ARN="+w.Topics.Text, "ALARM_TOPIC_ARN="+w.Topics.Alarms,
		"TABLE_NAME="+localstack.Table, "CLUSTER="+w.ClusterARN, "TASK_DEFINITION="+localstack.Definition, "SUBNETS="+localstack.Subnet,
		"LAUNCHER_NAME=launcher", "COLLECTOR_NAME=collector")
	return nil
}

// period is that of a control group's quota, in microseconds. What Lambda's is, is not
// documented.
const period = 20_000

// limit makes the control group, of either version.
func (w *world) limit() error {
	w.group = filepath.Join(w.opts.cgroup, "errand-cost-"+strconv.Itoa(os.Getpid()))
	if err := os.Mkdir(w.group, 0o750); err != nil {
		return fmt.Errorf("make a control group, which needs root: %w", err)
	}
	quota := strconv.Itoa(int(period * share(w.opts.sizes[0])))
	write := func(name, text string) error {
		return os.WriteFile(filepath.Join(w.group, name), []byte(text), 0o600)
	}
	if _, err := os.Stat(filepath.Join(w.group, "cpu.max")); err == nil {
		return write("cpu.max", quota+" "+strconv.Itoa(period))
	}
	if err := write("cpu.cfs_period_us", strconv.Itoa(period)); err != nil {
		return err
	}
	return write("cpu.cfs_quota_us", quota)
}

func (w *world) close() {
	for _, server := range w.fronts {
		server.Close()
	}
	_ = w.Server.Close()
	_ = os.RemoveAll(w.folder)
	if w.group != "" {
		_ = os.Remove(w.group)
	}
}

func (w *world) id() string {
	w.ids++
	return "cost-" + strconv.Itoa(w.ids)
}

// round is the life of one process.
func (w *world) round(ctx context.Context, k kind, parts map[string][]sample) error {
	count := 1
	if !k.once {
		count += w.opts.warm
	}
	events := make([][]byte, count)
	for i := range events {
		var err error
		if events[i], err = k.event(ctx, w); err != nil {
			return err
		}
	}
	var before sample
	began := time.Now()
	p, err := start(ctx, w.Bootstrap(k.function), append(append(w.env[:len(w.env):len(w.env)], k.env...), w.opts.env...), w.group)
	if err != nil {
		return err
	}
	defer p.stop()
	w.calls.Store(0)
	lap := func(part string) error {
		took := time.Since(began)
		cpu, err := p.cpu()
		if err != nil {
			return err
		}
		now := sample{cpu: cpu, calls: int(w.calls.Load()), written: p.output.count()}
		peak, err := p.peak()
		parts[part] = append(parts[part], sample{now.cpu - before.cpu, took, now.calls - before.calls, now.written - before.written, peak})
		before, began = now, time.Now()
		return err
	}
	if err := p.await(ctx); err != nil {
		return err
	}
	if err := lap("init"); err != nil {
		return err
	}
	for i, event := range events {
		if err := p.handle(ctx, event); err != nil {
			return err
		}
		part := "warm"
		if i == 0 {
			part = "cold"
		}
		if err := lap(part); err != nil {
			return err
		}
	}
	return nil
}
