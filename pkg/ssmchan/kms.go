package ssmchan

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/json"
	"fmt"
)

// DataKey asks KMS for a data key of 64 bytes, for that encryption context. It
// returns the key in clear and encrypted.
type DataKey func(ctx context.Context, keyID string, encryptionContext map[string]string) (plain, encrypted []byte, err error)

// What a client says of an action that the agent asked for.
const (
	actionSuccess     = 1
	actionFailed      = 2
	actionUnsupported = 3
)

// handshakeRequest is what the agent asks for before it starts the command, if
// the cluster has a KMS key.
type handshakeRequest struct {
	RequestedClientActions []struct {
		ActionType       string
		ActionParameters json.RawMessage
	}
}

type handshakeResponse struct {
	ClientVersion          string
	ProcessedClientActions []processedAction
	Errors                 []string
}

type processedAction struct {
	ActionType   string
	ActionStatus int
	ActionResult any
	Error        string
}

// kmsResult carries the encrypted key. The agent knows two more fields. It
// never reads KMSCipherTextHash. ChallengeAcknowledgement would put the
// request's random challenge into the encryption context; AWS's own client does
// not do that either, and an agent insists on it only if its own configuration
// says so, which that of ECS does not.
type kmsResult struct {
	KMSCipherTextKey []byte
}

type challenge struct {
	Challenge []byte
}

// handshake answers the agent's request. An agent that was refused anything
// closes the channel without having started the command.
func (c *Channel) handshake(ctx context.Context, payload []byte) error {
	c.timer.Reset(c.o.FirstFrame)
	var request handshakeRequest
	if err := json.Unmarshal(payload, &request); err != nil {
		return fmt.Errorf("%w: handshake request: %w", ErrProtocol, err)
	}
	response := handshakeResponse{ClientVersion: clientVersion, ProcessedClientActions: []processedAction{}}
	var keys *keys
	for _, action := range request.RequestedClientActions {
		done := processedAction{ActionType: action.ActionType, ActionStatus: actionSuccess}
		switch action.ActionType {
		case "SessionType": // all that we need of it is what the command prints
		case "KMSEncryption":
			k, encrypted, err := c.agree(ctx, action.ActionParameters)
			switch {
			case err == nil:
				keys, done.ActionResult = k, kmsResult{encrypted}
			case c.o.DataKey == nil:
				c.refused = err
				done.ActionStatus, done.Error = actionUnsupported, "this client is not set up for encryption"
			default:
				c.refused = err
				done.ActionStatus, done.Error = actionFailed, "this client got no data key from KMS"
			}
		default:
			done.ActionStatus, done.Error = actionUnsupported, "unsupported action "+action.ActionType
			c.refused = fmt.Errorf("%w: %s", ErrHandshake, done.Error)
		}
		if done.Error != "" {
			response.Errors = append(response.Errors, done.Error)
		}
		response.ProcessedClientActions = append(response.ProcessedClientActions, done)
	}
	if c.refused != nil {
		c.timer.Reset(c.o.Refusal)
	}
	return c.answer(PayloadHandshakeResponse, response, keys)
}

// answer sends the agent JSON, which is not encrypted, and uses new keys from
// then on.
func (c *Channel) answer(t PayloadType, v any, keys *keys) error {
	payload, err := json.Marshal(v)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if keys != nil {
		c.keys = keys
	}
	c.input(t, payload)
	return nil
}

// agree makes the session's keys, and the encrypted form for the agent.
func (c *Channel) agree(ctx context.Context, parameters []byte) (*keys, []byte, error) {
	if c.o.DataKey == nil {
		return nil, nil, fmt.Errorf("%w: the session asks for it", ErrKMS)
	}
	var asked struct {
		KMSKeyID string `json:"KMSKeyId"`
	}
	if err := json.Unmarshal(parameters, &asked); err != nil {
		return nil, nil, fmt.Errorf("%w: handshake request: %w", ErrKMS, err)
	}
	ctx, cancel := context.WithTimeout(ctx, c.o.DataKeyTime)
	defer cancel()
	plain, encrypted, err := c.o.DataKey(ctx, asked.KMSKeyID, map[string]string{
		"aws:ssm:SessionId": c.o.SessionID,
		"aws:ssm:TargetId":  c.o.TargetID,
	})
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrKMS, err)
	}
	k, err := newKeys(plain)
	return k, encrypted, err
}

// challenge shows the agent that we have the key: it wants its own secret back,
// encrypted our way.
func (c *Channel) challenge(payload []byte) error {
	c.timer.Reset(c.o.FirstFrame)
	var asked challenge
	if err := json.Unmarshal(payload, &asked); err != nil {
		return fmt.Errorf("%w: challenge: %w", ErrProtocol, err)
	}
	if c.keys == nil {
		return fmt.Errorf("%w: a challenge without a key", ErrProtocol)
	}
	secret, err := c.keys.decrypt(asked.Challenge)
	if err != nil {
		return err
	}
	return c.answer(PayloadChallengeResponse, challenge{c.keys.encrypt(secret)}, nil)
}

// keys are those of an encrypted session, one for each direction. A payload is
// nonce, ciphertext and tag, in this order.
type keys struct {
	agent, client cipher.AEAD
}

func newKeys(key []byte) (*keys, error) {
	if len(key) != 64 {
		return nil, fmt.Errorf("%w: a data key of %d bytes, not 64", ErrKMS, len(key))
	}
	var halves [2]cipher.AEAD
	for i, half := range [][]byte{key[:32], key[32:]} {
		block, err := aes.NewCipher(half)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrKMS, err)
		}
		if halves[i], err = cipher.NewGCMWithRandomNonce(block); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrKMS, err)
		}
	}
	return &keys{agent: halves[0], client: halves[1]}, nil
}

func (k *keys) encrypt(plain []byte) []byte {
	return k.client.Seal(nil, nil, plain, nil) //nolint:gosec // it makes its own nonce
}

func (k *keys) decrypt(sealed []byte) ([]byte, error) {
	plain, err := k.agent.Open(nil, nil, sealed, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: a payload that is not encrypted with the session's key", ErrProtocol)
	}
	return plain, nil
}
