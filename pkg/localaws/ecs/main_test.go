package ecs_test

import (
	"testing"

	"errand/pkg/localaws/localtest"
)

type endpoint struct{ *localtest.Endpoint }

func start(t *testing.T) *endpoint {
	t.Helper()
	return &endpoint{localtest.Start(t)}
}

const limit = localtest.Limit

var (
	container = localtest.Container
	fargate   = localtest.Fargate
	playing   = localtest.Playing
	fifo      = localtest.FIFO
	refused   = localtest.Refused
	released  = localtest.Released
	request   = localtest.Request
	same      = localtest.Same
	shell     = localtest.Shell
	taskID    = localtest.TaskID
	with      = localtest.With
)
