// Package clients configures the clients of the functions below, which have
// those of errand's functions and none of its logic.
package clients

import (
	"crypto/x509"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
)

// Config is the least that a client needs, and the certificates, which the functions
// read at their start.
func Config() aws.Config {
	_, _ = x509.SystemCertPool()
	return aws.Config{
		Region:      os.Getenv("AWS_REGION"),
		Credentials: credentials.NewStaticCredentialsProvider(os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY"), os.Getenv("AWS_SESSION_TOKEN")),
	}
}
