package session_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"

	"errand/pkg/localaws"
	"errand/pkg/ssmchan"
)

// encrypt gives the default cluster a KMS key.
func (e *endpoint) encrypt(t *testing.T) (key string) {
	t.Helper()
	key = e.AddKey()
	_, err := e.ECS.UpdateCluster(t.Context(), &ecs.UpdateClusterInput{
		Cluster:       aws.String("default"),
		Configuration: &types.ClusterConfiguration{ExecuteCommandConfiguration: &types.ExecuteCommandConfiguration{KmsKeyId: &key}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func gcm(t *testing.T, key []byte) cipher.AEAD {
	t.Helper()
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	return aead
}

func sealed(key cipher.AEAD, plain []byte) []byte {
	nonce := make([]byte, 12)
	_, _ = rand.Read(nonce)
	return append(nonce, key.Seal(nil, nonce, plain, nil)...)
}

func opened(t *testing.T, key cipher.AEAD, b []byte) []byte {
	t.Helper()
	plain, err := key.Open(nil, b[:12], b[12:], nil)
	if err != nil {
		t.Fatal(err)
	}
	return plain
}

func marshal(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// stream reads the next frame of output, acknowledges it, and reads its
// document into v unless that is nil.
func (c *client) stream(t ssmchan.PayloadType, v any) ssmchan.Frame {
	c.Helper()
	f := c.output()
	for ; f.Sequence < c.expected; f = c.output() {
		c.ack(f)
	}
	if f.PayloadType != t {
		c.Fatalf("got %s %d %s, want a payload of type %d", f.Type, f.PayloadType, f.Payload, t)
	}
	c.ack(f)
	c.expected++
	if v != nil {
		if err := json.Unmarshal(f.Payload, v); err != nil {
			c.Fatal(err)
		}
	}
	return f
}

type clientAction = map[string]any

// handshake answers the agent's first frame.
func (c *client) handshake(actions ...clientAction) {
	c.Helper()
	var request struct {
		AgentVersion           string
		RequestedClientActions []struct {
			ActionType       string
			ActionParameters struct {
				SessionType string
				KMSKeyID    string `json:"KMSKeyId"`
				Challenge   []byte
			}
		}
	}
	f := c.stream(ssmchan.PayloadHandshakeRequest, &request)
	asked := request.RequestedClientActions
	if f.Sequence != 0 || f.Flags != ssmchan.FlagSYN || len(asked) != 2 || asked[0].ActionType != "SessionType" || asked[0].ActionParameters.SessionType != "InteractiveCommands" ||
		asked[1].ActionType != "KMSEncryption" || !strings.HasPrefix(asked[1].ActionParameters.KMSKeyID, "arn:aws:kms:") || len(asked[1].ActionParameters.Challenge) != 16 {
		c.Fatalf("got the handshake %s", f.Payload)
	}
	c.input(ssmchan.PayloadHandshakeResponse, marshal(c.T, map[string]any{
		"ClientVersion": "1.3.0.0", "ProcessedClientActions": append([]clientAction{{"ActionType": "SessionType", "ActionStatus": 1, "ActionResult": nil, "Error": ""}}, actions...), "Errors": nil,
	}))
}

// dataKey asks KMS for the key of a session.
func (e *endpoint) dataKey(t *testing.T, task types.Task, session *types.Session, key string) *kms.GenerateDataKeyOutput {
	t.Helper()
	out, err := kms.NewFromConfig(e.Config()).GenerateDataKey(t.Context(), &kms.GenerateDataKeyInput{
		KeyId: &key, NumberOfBytes: aws.Int32(64), EncryptionContext: map[string]string{
			"aws:ssm:SessionId": *session.SessionId,
			"aws:ssm:TargetId":  "ecs:default_" + taskID(task) + "_" + *task.Containers[0].RuntimeId,
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func agreed(key *kms.GenerateDataKeyOutput) clientAction {
	return clientAction{"ActionType": "KMSEncryption", "ActionStatus": 1, "ActionResult": map[string]any{"KMSCipherTextKey": key.CiphertextBlob}}
}

func TestExecEncrypted(t *testing.T) {
	t.Parallel()
	e := start(t)
	task := e.host(t, localaws.Disturbance{FirstFrame: time.Nanosecond, Resend: time.Millisecond})
	id := e.encrypt(t)
	session := e.execute(t, task, `sh -c 'stty -echo; printf hello; read x; printf $x'`)
	c := connect(t, session)
	key := e.dataKey(t, task, session, id)
	agent, mine := gcm(t, key.Plaintext[:32]), gcm(t, key.Plaintext[32:])
	c.input(ssmchan.PayloadOutput, "dropped\n")
	c.handshake(agreed(key))

	var challenge struct{ Challenge []byte }
	c.stream(ssmchan.PayloadChallengeRequest, &challenge)
	secret := opened(t, agent, challenge.Challenge)
	if len(secret) != 64 {
		t.Errorf("the challenge has %d bytes", len(secret))
	}
	challenge.Challenge = sealed(mine, secret)
	c.input(ssmchan.PayloadChallengeResponse, marshal(t, challenge))

	var complete struct {
		HandshakeTimeToComplete int64
		CustomerMessage         string
	}
	c.stream(ssmchan.PayloadHandshakeComplete, &complete)
	if complete.HandshakeTimeToComplete <= 0 || complete.CustomerMessage != "This session is encrypted using AWS KMS." {
		t.Errorf("got %+v", complete)
	}
	if got := opened(t, agent, c.stream(ssmchan.PayloadOutput, nil).Payload); string(got) != "hello" {
		t.Errorf("got %q", got)
	}
	c.input(ssmchan.PayloadOutput, "not encrypted\n")
	c.input(ssmchan.PayloadOutput, string(sealed(mine, []byte("typed\n"))))
	if got := opened(t, agent, c.stream(ssmchan.PayloadOutput, nil).Payload); string(got) != "typed" {
		t.Errorf("got %q", got)
	}
	if n := e.Calls("Decrypt"); n != 1 {
		t.Errorf("Decrypt was called %d times", n)
	}
}

func TestExecEncryptionFails(t *testing.T) {
	t.Parallel()
	const prefix = "Encountered error while initiating handshake. "
	for _, test := range []struct {
		name, want string
		disturb    localaws.Disturbance
		play       func(e *endpoint, c *client, key *kms.GenerateDataKeyOutput)
	}{
		{
			name: "a client without KMS",
			want: "KMSEncryption failed on client with status 3 error: no thanks",
			play: func(_ *endpoint, c *client, _ *kms.GenerateDataKeyOutput) {
				c.handshake(clientAction{"ActionType": "KMSEncryption", "ActionStatus": 3, "Error": "no thanks"})
			},
		},
		{
			name: "an agent without permission",
			want: "Fetching data key failed: AccessDeniedException: not authorized to perform: kms:Decrypt",
			play: func(e *endpoint, c *client, key *kms.GenerateDataKeyOutput) {
				e.Inject(localaws.Fault{Operation: "Decrypt", Code: "AccessDeniedException", Message: "not authorized to perform: kms:Decrypt"})
				c.handshake(agreed(key))
			},
		},
		{
			name: "a key of another context",
			want: "Fetching data key failed: InvalidCiphertextException: ",
			play: func(e *endpoint, c *client, key *kms.GenerateDataKeyOutput) {
				other, err := kms.NewFromConfig(e.Config()).GenerateDataKey(c.Context(), &kms.GenerateDataKeyInput{KeyId: key.KeyId, NumberOfBytes: aws.Int32(64)})
				if err != nil {
					c.Fatal(err)
				}
				c.handshake(agreed(other))
			},
		},
		{
			name: "a wrong answer to the challenge",
			want: "Encryption challenge does not match!",
			play: func(_ *endpoint, c *client, key *kms.GenerateDataKeyOutput) {
				c.handshake(agreed(key))
				c.stream(ssmchan.PayloadChallengeRequest, nil)
				c.input(ssmchan.PayloadChallengeResponse, `{"Challenge":"AAAA"}`)
			},
		},
		{
			name:    "a client that does not answer",
			want:    "Handshake timed out. Please ensure that you have the latest version of the session manager plugin.",
			disturb: localaws.Disturbance{Handshake: time.Millisecond},
			play:    func(*endpoint, *client, *kms.GenerateDataKeyOutput) {},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			e := start(t)
			task := e.host(t, test.disturb)
			id := e.encrypt(t)
			file := filepath.Join(t.TempDir(), "ran")
			session := e.execute(t, task, "touch "+file)
			c := connect(t, session)
			test.play(e, c, e.dataKey(t, task, session, id))
			if got := c.finish(); got.reason != prefix+test.want {
				t.Errorf("closed with %q", got.reason)
			}
			if _, err := os.Stat(file); err == nil {
				t.Error("the command has run")
			}
		})
	}
}

func TestDataKeys(t *testing.T) {
	t.Parallel()
	e := start(t)
	client := kms.NewFromConfig(e.Config())
	arn := e.AddKey()
	id := arn[strings.LastIndex(arn, "/")+1:]
	in := &kms.GenerateDataKeyInput{KeyId: &id, NumberOfBytes: aws.Int32(64), EncryptionContext: map[string]string{"a": "1", "b": "2"}}
	one, err := client.GenerateDataKey(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	two, err := client.GenerateDataKey(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	if *one.KeyId != arn || len(one.Plaintext) != 64 || bytes.Equal(one.Plaintext, two.Plaintext) || bytes.Contains(one.CiphertextBlob, one.Plaintext) {
		t.Errorf("got %+v and %+v", one, two)
	}
	decrypt := &kms.DecryptInput{CiphertextBlob: one.CiphertextBlob, EncryptionContext: map[string]string{"b": "2", "a": "1"}}
	out, err := client.Decrypt(t.Context(), decrypt)
	if err != nil || !bytes.Equal(out.Plaintext, one.Plaintext) || *out.KeyId != arn {
		t.Errorf("got %+v, %v", out, err)
	}
	var invalid *kmstypes.InvalidCiphertextException
	decrypt.EncryptionContext["b"] = "3"
	if _, err := client.Decrypt(t.Context(), decrypt); !errors.As(err, &invalid) {
		t.Errorf("in another context, got %v", err)
	}
	var missing *kmstypes.NotFoundException
	in.KeyId = aws.String("arn:aws:kms:eu-west-1:123456789012:key/0")
	if _, err := client.GenerateDataKey(t.Context(), in); !errors.As(err, &missing) || !strings.Contains(err.Error(), "Key 'arn:aws:kms:eu-west-1:123456789012:key/0' does not exist") {
		t.Errorf("with an unknown key, got %v", err)
	}
	in.NumberOfBytes = aws.Int32(1025)
	_, err = client.GenerateDataKey(t.Context(), in)
	refused(t, err, "ValidationException", "NumberOfBytes")
	e.Inject(localaws.Fault{Operation: "GenerateDataKey", Code: "AccessDeniedException", Message: "no"})
	_, err = client.GenerateDataKey(t.Context(), in)
	refused(t, err, "AccessDeniedException", "no")
}
