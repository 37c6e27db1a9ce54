package sns_test

import "errand/pkg/localaws/localtest"

var (
	clientConfig   = localtest.ClientConfig
	serveFunctions = localtest.ServeFunctions
	wantAPIError   = localtest.Refused
)
