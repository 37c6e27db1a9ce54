package lambda_test

import (
	"testing"

	"errand/pkg/localaws/localtest"
)

func TestMain(m *testing.M) { localtest.Main(m) }

type (
	order   = localtest.Order
	report  = localtest.Report
	watched = localtest.Watched
)

var (
	awaitLines     = localtest.AwaitLines
	clientConfig   = localtest.ClientConfig
	program        = localtest.Program
	serveFunctions = localtest.ServeFunctions
	wantAPIError   = localtest.Refused
)
