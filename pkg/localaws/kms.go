package localaws

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"time"

	"errand/pkg/ssmchan"
)

// kmsService is as much of KMS as the two sides of a session need to agree on
// its keys.
type kmsService struct {
	server     *Server
	operations map[string]operation

	mu   sync.Mutex
	keys map[string]bool // by id
	data map[string]dataKey
}

// dataKey is what a ciphertext stands for.
type dataKey struct {
	keyID   string
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

// AddKey makes a KMS key and returns its ARN, which goes into the
// executeCommandConfiguration of a cluster.
func (s *Server) AddKey() string {
	s.kms.mu.Lock()
	defer s.kms.mu.Unlock()
	id := newUUID()
	s.kms.keys[id] = true
	return s.arn("kms", "key/"+id)
}

type dataKeyRequest struct {
	KeyID             string `json:"KeyId"`
	NumberOfBytes     int
	KeySpec           string
	EncryptionContext map[string]string
}

type dataKeyAnswer struct {
	CiphertextBlob []byte
	KeyID          string `json:"KeyId"`
	Plaintext      []byte
}

func (k *kmsService) generateDataKey(_ context.Context, in *dataKeyRequest) (*dataKeyAnswer, error) {
	size := in.NumberOfBytes
	if spec, ok := map[string]int{"AES_256": 32, "AES_128": 16}[in.KeySpec]; ok {
		size = spec
	}
	if size < 1 || size > 1024 || (in.KeySpec == "") == (in.NumberOfBytes == 0) {
		return nil, badRequest("ValidationException", "Please specify either number of bytes, of which 1 to 1024 are possible, or key spec.")
	}
	prefix := k.server.arn("kms", "key/")
	id := strings.TrimPrefix(in.KeyID, prefix)
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.keys[id] {
		return nil, badRequest("NotFoundException", "Key '%s%s' does not exist", prefix, id)
	}
	plain, sealed := random(size), random(120+size)
	k.data[string(sealed)] = dataKey{prefix + id, in.EncryptionContext, plain}
	return &dataKeyAnswer{sealed, prefix + id, plain}, nil
}

type decryptRequest struct {
	CiphertextBlob    []byte
	EncryptionContext map[string]string
}

type decryptAnswer struct {
	EncryptionAlgorithm string
	KeyID               string `json:"KeyId"`
	Plaintext           []byte
}

func (k *kmsService) decrypt(_ context.Context, in *decryptRequest) (*decryptAnswer, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	key, ok := k.data[string(in.CiphertextBlob)]
	if !ok || !maps.Equal(key.context, in.EncryptionContext) {
		return nil, badRequest("InvalidCiphertextException", "")
	}
	return &decryptAnswer{"SYMMETRIC_DEFAULT", key.keyID, key.plain}, nil
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails, see crypto/rand
	return b
}

// The handshake, in which the agent and the client agree on keys. What the
// agent's structs do not say is what the client may leave out.

type handshakeRequest struct {
	AgentVersion           string
	RequestedClientActions []requestedAction
}

type requestedAction struct {
	ActionType       string
	ActionParameters any
}

type sessionTypeParameters struct {
	SessionType string
	Properties  any
}

type kmsParameters struct {
	KMSKeyID  string `json:"KMSKeyId"`
	Challenge []byte
}

type handshakeResponse struct {
	ProcessedClientActions []struct {
		ActionType   string
		ActionStatus int // 1: success
		ActionResult json.RawMessage
		Error        string
	}
}

type challenge struct{ Challenge []byte }

type handshakeComplete struct {
	HandshakeTimeToComplete time.Duration
	CustomerMessage         string
}

// handshake runs the whole exchange. After it, everything is encrypted.
func (a *agent) handshake() error {
	begin := time.Now()
	nonce := random(16)
	a.sendJSON(ssmchan.PayloadHandshakeRequest, handshakeRequest{"3.3.0.0", []requestedAction{
		{"SessionType", sessionTypeParameters{"InteractiveCommands", nil}},
		{"KMSEncryption", kmsParameters{a.session.keyID, nonce}},
	}})
	var response handshakeResponse
	if err := a.answer(ssmchan.PayloadHandshakeResponse, &response, "Handshake timed out. Please ensure that you have the latest version of the session manager plugin."); err != nil {
		return err
	}
	keys, err := a.agree(response, nonce)
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
	a.sendJSON(ssmchan.PayloadHandshakeComplete, handshakeComplete{time.Since(begin), "This session is encrypted using AWS KMS."})
	a.mu.Lock()
	defer a.mu.Unlock()
	a.handshaking, a.keys = false, keys
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

// agree gets the keys from KMS that the client has made.
func (a *agent) agree(response handshakeResponse, nonce []byte) (*sessionKeys, error) {
	s := a.session
	var keys *sessionKeys
	for _, action := range response.ProcessedClientActions {
		if action.ActionStatus != 1 {
			return nil, fmt.Errorf("%s failed on client with status %d error: %s", action.ActionType, action.ActionStatus, action.Error)
		}
		if action.ActionType != "KMSEncryption" {
			continue
		}
		var result struct {
			KMSCipherTextKey         []byte
			ChallengeAcknowledgement bool
		}
		if err := json.Unmarshal(action.ActionResult, &result); err != nil {
			return nil, err
		}
		request := &decryptRequest{result.KMSCipherTextKey, map[string]string{"aws:ssm:SessionId": s.ID, "aws:ssm:TargetId": s.target}}
		if result.ChallengeAcknowledgement {
			request.EncryptionContext["aws:ssm:RandomChallenge"] = base64.StdEncoding.EncodeToString(nonce)
		}
		s.server.count("Decrypt")
		err := s.server.faults.take(a.ctx, "Decrypt")
		var key *decryptAnswer
		if err == nil {
			key, err = s.server.kms.decrypt(a.ctx, request)
		}
		if err == nil {
			keys, err = newSessionKeys(key.Plaintext)
		}
		if err != nil {
			return nil, fmt.Errorf("Fetching data key failed: %w", err) //nolint:revive,staticcheck // the agent's words
		}
	}
	if keys == nil {
		return nil, errors.New("KMSEncryption was not answered by the client")
	}
	return keys, nil
}

// sessionKeys are those that the agent and the client encrypt with.
type sessionKeys struct{ agent, client cipher.AEAD }

func newSessionKeys(plain []byte) (*sessionKeys, error) {
	if len(plain) != 64 {
		return nil, fmt.Errorf("the data key has %d bytes, not 64", len(plain))
	}
	agent, err := gcm(plain[:32])
	if err != nil {
		return nil, err
	}
	client, err := gcm(plain[32:])
	if err != nil {
		return nil, err
	}
	return &sessionKeys{agent, client}, nil
}

func gcm(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
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
