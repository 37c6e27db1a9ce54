package session

import (
	"context"
	"crypto/rand"
	"maps"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/kms"

	"errand/pkg/localaws/host"
)

// keys is as much of KMS as the two sides of a session need to agree on its
// keys.
type keys struct {
	host *host.Host

	mu   sync.Mutex
	arns map[string]bool
	data map[string]dataKey // by ciphertext, which says nothing itself
}

func newKeys(h *host.Host) *keys {
	return &keys{host: h, arns: map[string]bool{}, data: map[string]dataKey{}}
}

type dataKey struct {
	arn     string
	context map[string]string
	plain   []byte
}

// AddKey makes a KMS key and returns its ARN, which the
// executeCommandConfiguration of a cluster may have.
func (x *Service) AddKey() string {
	x.keys.mu.Lock()
	defer x.keys.mu.Unlock()
	arn := x.host.ARN("kms", "key/"+host.NewUUID())
	x.keys.arns[arn] = true
	return arn
}

// kmsAnswer is that of both operations.
type kmsAnswer struct {
	CiphertextBlob []byte `json:",omitempty"`
	KeyID          string `json:"KeyId"`
	Plaintext      []byte
}

func (k *keys) generateDataKey(_ context.Context, in *kms.GenerateDataKeyInput) (*kmsAnswer, error) {
	if in.NumberOfBytes == nil || *in.NumberOfBytes < 1 || *in.NumberOfBytes > 1024 {
		return nil, host.BadRequest("ValidationException", "NumberOfBytes must be 1 to 1024, and the embedded AWS endpoint takes no key spec.")
	}
	arn := k.host.ARN("kms", "key/") + strings.TrimPrefix(host.Deref(in.KeyId), k.host.ARN("kms", "key/"))
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.arns[arn] {
		return nil, host.BadRequest("NotFoundException", "Key '%s' does not exist", arn)
	}
	plain, sealed := random(int(*in.NumberOfBytes)), random(184)
	k.data[string(sealed)] = dataKey{arn, in.EncryptionContext, plain}
	return &kmsAnswer{sealed, arn, plain}, nil
}

func (k *keys) decrypt(_ context.Context, in *kms.DecryptInput) (*kmsAnswer, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	key, ok := k.data[string(in.CiphertextBlob)]
	if !ok || !maps.Equal(key.context, in.EncryptionContext) {
		return nil, host.BadRequest("InvalidCiphertextException", "")
	}
	return &kmsAnswer{KeyID: key.arn, Plaintext: key.plain}, nil
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails, see crypto/rand
	return b
}
