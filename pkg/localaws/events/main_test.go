package events_test

import (
	"testing"

	"errand/pkg/localaws/localtest"
)

func TestMain(m *testing.M) { localtest.Main(m) }

type watched = localtest.Watched

var (
	awaitLines     = localtest.AwaitLines
	program        = localtest.Program
	serveFunctions = localtest.ServeFunctions
)
