package logs_test

import (
	"testing"

	"errand/pkg/localaws/localtest"
)

type endpoint struct{ *localtest.Endpoint }

func start(t *testing.T) *endpoint {
	t.Helper()
	return &endpoint{localtest.Start(t)}
}

var (
	refused = localtest.Refused
	same    = localtest.Same
)
