package awserr_test

import (
	"testing"

	"github.com/aws/smithy-go"

	"errand/pkg/awserr"
)

// The codes by which AWS's services say that there were too many calls, and some that
// only sound so.
func TestThrottled(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]bool{
		"ThrottlingException": true, "Throttling": true, "Throttled": true, "TooManyRequestsException": true, "RequestLimitExceeded": true,
		"KMSThrottling": true, "KMSThrottlingException": true, "ProvisionedThroughputExceededException": true,
		"LimitExceededException": false, "ResourceInUseException": false, "AccessDeniedException": false, "InternalError": false, "": false,
	} {
		if got := awserr.Throttled(&smithy.GenericAPIError{Code: code}); got != want {
			t.Errorf("%s: got %v", code, got)
		}
	}
}
