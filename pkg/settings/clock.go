package settings

import (
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"

	"errand/pkg/run"
)

// clockVariable has no place in the settings of a function, since it must not be
// set on AWS: the embedded endpoint sets it for the functions that it runs.
const clockVariable = "ERRAND_CLOCK"

// Clock is the clock that the embedded endpoint wants the function to go by, or
// the real one. Where any call could leave this machine it is refused: AWS's
// time is the real one, and a function with another would stop tasks too early.
func Clock() (run.Clock, error) {
	text := os.Getenv(clockVariable)
	if text == "" {
		return run.Clock{}, nil
	}
	if strings.EqualFold(os.Getenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"), "true") {
		return run.Clock{}, clockError("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS is true")
	}
	if !loopback(os.Getenv("AWS_ENDPOINT_URL")) {
		return run.Clock{}, clockError("AWS_ENDPOINT_URL is not the URL of a loopback address")
	}
	for _, variable := range slices.Sorted(slices.Values(os.Environ())) {
		name, endpoint, _ := strings.Cut(variable, "=")
		if strings.HasPrefix(name, "AWS_ENDPOINT_URL_") && endpoint != "" && !loopback(endpoint) {
			return run.Clock{}, clockError(name + " is not the URL of a loopback address")
		}
	}
	clock, err := run.ParseClock(text)
	if err != nil {
		return run.Clock{}, fmt.Errorf("%s: %w", clockVariable, err)
	}
	return clock, nil
}

func clockError(why string) error {
	return fmt.Errorf("%s is for the embedded endpoint alone: %s; take the variable away", clockVariable, why)
}

// loopback says whether the endpoint can be on this machine only.
func loopback(endpoint string) bool {
	u, err := url.Parse(endpoint)
	if err != nil {
		return false
	}
	if u.Hostname() == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(u.Hostname())
	return err == nil && ip.IsLoopback()
}
