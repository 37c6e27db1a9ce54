package settings

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
)

// callTimeout bounds one HTTP request. ECS, Logs and SNS answer within a second.
const callTimeout = 10 * time.Second

// AWS makes the SDK's configuration from the environment alone, which is all
// that Lambda gives a function. The SDK's config package, which does so too,
// brings the clients of every other credential source into the binary, and
// their tables are filled at each start.
func AWS() (aws.Config, error) {
	id := first("AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY")
	secret := first("AWS_SECRET_ACCESS_KEY", "AWS_SECRET_KEY")
	cfg := aws.Config{
		Region: first("AWS_REGION", "AWS_DEFAULT_REGION"),
		Credentials: credentials.StaticCredentialsProvider{Value: aws.Credentials{
			AccessKeyID: id, SecretAccessKey: secret,
			SessionToken: os.Getenv("AWS_SESSION_TOKEN"), AccountID: os.Getenv("AWS_ACCOUNT_ID"),
			Source: "environment",
		}},
		AppID: os.Getenv("AWS_SDK_UA_APP_ID"),
		// A call that hangs is given up in time for another one.
		HTTPClient: awshttp.NewBuildableClient().WithTimeout(callTimeout),
	}
	if cfg.Region == "" || id == "" || secret == "" {
		return aws.Config{}, errors.New("AWS_REGION, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY must be set; Lambda sets them, elsewhere set them yourself")
	}
	source, problems := endpointsFromEnv()
	cfg.ConfigSources = []any{source}
	if url := os.Getenv("AWS_ENDPOINT_URL"); url != "" && !source.ignore {
		cfg.BaseEndpoint = &url
	}
	var err error
	if n := os.Getenv("AWS_MAX_ATTEMPTS"); n != "" {
		if cfg.RetryMaxAttempts, err = strconv.Atoi(n); err != nil {
			problems = append(problems, fmt.Sprintf("AWS_MAX_ATTEMPTS: %q is not a number", n))
		}
	}
	if mode := os.Getenv("AWS_RETRY_MODE"); mode != "" {
		if cfg.RetryMode, err = aws.ParseRetryMode(mode); err != nil {
			problems = append(problems, fmt.Sprintf("AWS_RETRY_MODE: %q is not standard or adaptive", mode))
		}
	}
	if len(problems) > 0 {
		return aws.Config{}, fmt.Errorf("settings of the AWS SDK (environment variables of the function): %s", strings.Join(problems, "; "))
	}
	return cfg, nil
}

// first is the first of the variables that is not empty.
func first(names ...string) string {
	for _, name := range names {
		if value := os.Getenv(name); value != "" {
			return value
		}
	}
	return ""
}

// endpoints is where each service's client, when it is made, looks for what
// the environment says of its endpoint.
type endpoints struct {
	ignore    bool
	dualStack aws.DualStackEndpointState
	fips      aws.FIPSEndpointState
}

func endpointsFromEnv() (endpoints, []string) {
	var (
		e        endpoints
		problems []string
	)
	// flag calls the function that belongs to the value of a variable, if it has one.
	flag := func(name string, yes, no func()) {
		switch value := os.Getenv(name); {
		case value == "":
		case strings.EqualFold(value, "true"):
			yes()
		case strings.EqualFold(value, "false"):
			no()
		default:
			problems = append(problems, fmt.Sprintf("%s: %q is not true or false", name, value))
		}
	}
	flag("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", func() { e.ignore = true }, func() {})
	flag("AWS_USE_DUALSTACK_ENDPOINT",
		func() { e.dualStack = aws.DualStackEndpointStateEnabled }, func() { e.dualStack = aws.DualStackEndpointStateDisabled })
	flag("AWS_USE_FIPS_ENDPOINT",
		func() { e.fips = aws.FIPSEndpointStateEnabled }, func() { e.fips = aws.FIPSEndpointStateDisabled })
	return e, problems
}

// GetServiceBaseEndpoint finds AWS_ENDPOINT_URL_ECS and its like.
func (e endpoints) GetServiceBaseEndpoint(_ context.Context, sdkID string) (string, bool, error) {
	url := os.Getenv("AWS_ENDPOINT_URL_" + strings.ReplaceAll(strings.ToUpper(sdkID), " ", "_"))
	return url, url != "", nil
}

// GetIgnoreConfiguredEndpoints is whether endpoints of single services are ignored too.
func (e endpoints) GetIgnoreConfiguredEndpoints(context.Context) (bool, bool, error) {
	return e.ignore, true, nil
}

// GetUseDualStackEndpoint is whether endpoints that IPv6 reaches are used.
func (e endpoints) GetUseDualStackEndpoint(context.Context) (aws.DualStackEndpointState, bool, error) {
	return e.dualStack, e.dualStack != aws.DualStackEndpointStateUnset, nil
}

// GetUseFIPSEndpoint is whether FIPS endpoints are used.
func (e endpoints) GetUseFIPSEndpoint(context.Context) (aws.FIPSEndpointState, bool, error) {
	return e.fips, e.fips != aws.FIPSEndpointStateUnset, nil
}
