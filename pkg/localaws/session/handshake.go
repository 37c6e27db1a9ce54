package session

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kms"

	"errand/pkg/ssmchan"
)

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
			{"ActionType": "KMSEncryption", "ActionParameters": document{"KMSKeyId": a.session.container.KMSKeyID, "Challenge": random(16)}},
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
	var key *kmsAnswer
	err := s.host.Call(a.ctx, "Decrypt", func() (err error) {
		key, err = s.keys.decrypt(a.ctx, request)
		return err
	})
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
