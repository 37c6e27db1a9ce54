package execute

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"errand/pkg/awserr"
)

// emptyBody is the SHA-256 of nothing.
const emptyBody = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// sign makes the header of the upgrade request. AWS's own plugin signs it since
// version 1.2.764, and AWS's policies name ssmmessages:OpenDataChannel for it.
func (x *Executor) sign(ctx context.Context, url string) (http.Header, error) {
	if strings.Contains(url, "X-Amz-") {
		return nil, nil // it is signed already
	}
	// The signature is one of an HTTP request.
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.Replace(url, "ws", "http", 1), nil)
	if err != nil {
		return nil, fmt.Errorf("sign the data channel: %w", err)
	}
	who, err := x.aws.Credentials.Retrieve(ctx)
	if err != nil {
		return nil, fmt.Errorf("sign the data channel: %w", err)
	}
	if err := v4.NewSigner().SignHTTP(ctx, who, request, emptyBody, "ssmmessages", x.aws.Region, x.cfg.Now()); err != nil {
		return nil, fmt.Errorf("sign the data channel: %w", err)
	}
	return request.Header, nil
}

// dataKey asks KMS for the key of a session.
func (x *Executor) dataKey(ctx context.Context, keyID string, encryptionContext map[string]string) (plain, encrypted []byte, err error) {
	out, err := x.kms.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{KeyId: &keyID, NumberOfBytes: aws.Int32(64), EncryptionContext: encryptionContext})
	if err != nil {
		return nil, nil, awserr.Plain(err)
	}
	return out.Plaintext, out.CiphertextBlob, nil
}
