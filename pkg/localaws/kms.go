package localaws

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kms"

	"errand/pkg/ssmchan"
)

// kmsService is as much of KMS as the two sides of a session need to agree on
// its keys.
type kmsService struct {
	server     *Server
	operations map[string]operation

	mu   sync.Mutex
	keys map[string]bool    // by ARN
	data map[string]dataKey // by ciphertext, which says nothing itself
}

type dataKey struct {
	arn     string
	context map[string]string
	plain   []byte
}

func newKMS(s *Server) *kmsService {
	k := &kmsService{server: s, keys: map[string]bool{}, data: map[string]dataKey{}}
	k.operations = map[string]operation{
		"Decrypt":         serveDocument(k.decrypt),
		"GenerateDataKey": serveDocument(k.generateDataKey),
	}
	return k
}

// AddKey makes a KMS key and returns its ARN, which the
// executeCommandConfiguration of a cluster may have.
func (s *Server) AddKey() string {
	s.kms.mu.Lock()
	defer s.kms.mu.Unlock()
	arn := s.arn("kms", "key/"+newUUID())
	s.kms.keys[arn] = true
	return arn
}

// kmsAnswer is that of both operations.
type kmsAnswer struct {
	CiphertextBlob []byte `json:",omitempty"`
	KeyID          string `json:"KeyId"`
	Plaintext      []byte
}

func (k *kmsService) generateDataKey(_ context.Context, in *kms.GenerateDataKeyInput) (*kmsAnswer, error) {
	if in.NumberOfBytes == nil || *in.NumberOfBytes < 1 || *in.NumberOfBytes > 1024 {
		return nil, badRequest("ValidationException", "NumberOfBytes must be 1 to 1024, and the embedded AWS endpoint takes no key spec.")
	}
	arn := k.server.arn("kms", "key/") + strings.TrimPrefix(deref(in.KeyId), k.server.arn("kms", "key/"))
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.keys[arn] {
		return nil, badRequest("NotFoundException", "Key '%s' does not exist", arn)
	}
	plain, sealed := random(int(*in.NumberOfBytes)), random(184)
	k.data[string(sealed)] = dataKey{arn, in.EncryptionContext, plain}
	return &kmsAnswer{sealed, arn, plain}, nil
}

func (k *kmsService) decrypt(_ context.Context, in *kms.DecryptInput) (*kmsAnswer, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	key, ok := k.data[string(in.CiphertextBlob)]
	if !ok || !maps.Equal(key.context, in.EncryptionContext) {
		return nil, badRequest("InvalidCiphertextException", "")
	}
	return &kmsAnswer{KeyID: key.arn, Plaintext: key.plain}, nil
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails, see crypto/rand
	return b
}

// handshake asks the client for a data key and for a proof that it has it. After
// that, all output and input is encrypted.
func (a *agent) handshake() error {
	type document = map[string]any
	type challenge struct{ Challenge []byte }
	begin := time.Now()
	a.sendJSON(ssmchan.PayloadHandshakeRequest, document{
		"AgentVersion": "3.3.0.0",
		"RequestedClientActions": []document{
			{"ActionType": "SessionType", "ActionParameters": document{"SessionType": "InteractiveCommands", "Properties": nil}},
			{"ActionType": "KMSEncryption", "ActionParameters": document{"KMSKeyId": a.session.keyID, "Challenge": random(16)}},
		},
	})
	var response handshakeResponse
	if err := a.answer(ssmchan.PayloadHandshakeResponse, &response, "Handshake timed out. Please ensure that you have the latest version of the session manager plugin."); err != nil {
		return err
	}
	keys, err := a.agree(response)
	if err != nil {
		return err
	}
	secret := random(64)
	a.sendJSON(ssmchan.PayloadChallengeRequest, challenge{seal(keys.agent, secret)})
	var proof challenge
	if err := a.answer(ssmchan.PayloadChallengeResponse, &proof, "Timed out waiting for encryption challenge."); err != nil {
		return err
	}
	if got, err := unseal(keys.client, proof.Challenge); err != nil || !bytes.Equal(got, secret) {
		return errors.New("Encryption challenge does not match!") //nolint:revive,staticcheck // the agent's words
	}
	a.mu.Lock()
	a.handshaking, a.keys = false, keys
	a.mu.Unlock()
	a.sendJSON(ssmchan.PayloadHandshakeComplete, document{
		"HandshakeTimeToComplete": time.Since(begin), "CustomerMessage": "This session is encrypted using AWS KMS.",
	})
	return nil
}

func (a *agent) sendJSON(t ssmchan.PayloadType, v any) {
	payload, _ := json.Marshal(v)
	a.send(t, payload)
}

// answer waits for the client's answer of that type.
func (a *agent) answer(t ssmchan.PayloadType, v any, late string) error {
	timeout := time.NewTimer(a.session.Handshake)
	defer timeout.Stop()
	for {
		select {
		case f := <-a.answers:
			if f.PayloadType == t {
				return json.Unmarshal(f.Payload, v)
			}
		case <-timeout.C:
			return errors.New(late)
		case <-a.ctx.Done():
			return context.Cause(a.ctx)
		}
	}
}

type handshakeResponse struct {
	ProcessedClientActions []struct {
		ActionType   string
		ActionStatus int // 1: success
		ActionResult json.RawMessage
		Error        string
	}
}

// agree gets the key from KMS that the client has made. It does not know
// ChallengeAcknowledgement, which AWS's own client does not send either.
func (a *agent) agree(response handshakeResponse) (*sessionKeys, error) {
	s := a.session
	request := &kms.DecryptInput{EncryptionContext: map[string]string{"aws:ssm:SessionId": s.ID, "aws:ssm:TargetId": s.target}}
	for _, action := range response.ProcessedClientActions {
		if action.ActionStatus != 1 {
			return nil, fmt.Errorf("%s failed on client with status %d error: %s", action.ActionType, action.ActionStatus, action.Error)
		}
		if action.ActionType == "KMSEncryption" {
			var result struct{ KMSCipherTextKey []byte }
			if err := json.Unmarshal(action.ActionResult, &result); err != nil {
				return nil, err
			}
			request.CiphertextBlob = result.KMSCipherTextKey
		}
	}
	s.server.count("Decrypt")
	err := s.server.faults.take(a.ctx, "Decrypt")
	var key *kmsAnswer
	if err == nil {
		key, err = s.server.kms.decrypt(a.ctx, request)
	}
	if err == nil && len(key.Plaintext) != 64 {
		err = fmt.Errorf("the data key has %d bytes, not 64", len(key.Plaintext))
	}
	if err != nil {
		return nil, fmt.Errorf("Fetching data key failed: %w", err) //nolint:revive,staticcheck // the agent's words
	}
	return &sessionKeys{agent: gcm(key.Plaintext[:32]), client: gcm(key.Plaintext[32:])}, nil
}

// sessionKeys are those that the agent and the client encrypt with.
type sessionKeys struct{ agent, client cipher.AEAD }

func gcm(key []byte) cipher.AEAD {
	block, err := aes.NewCipher(key)
	if err == nil {
		var aead cipher.AEAD
		if aead, err = cipher.NewGCM(block); err == nil {
			return aead
		}
	}
	panic(err) // only keys of other lengths are refused
}

// seal encrypts: 12 bytes of nonce, the ciphertext, 16 bytes of tag.
func seal(key cipher.AEAD, plain []byte) []byte {
	nonce := random(key.NonceSize())
	return key.Seal(nonce, nonce, plain, nil)
}

func unseal(key cipher.AEAD, sealed []byte) ([]byte, error) {
	if len(sealed) < key.NonceSize() {
		return nil, errors.New("too short to be encrypted")
	}
	return key.Open(nil, sealed[:key.NonceSize()], sealed[key.NonceSize():], nil)
}
