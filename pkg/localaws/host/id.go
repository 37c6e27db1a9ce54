package host

import (
	"crypto/rand"
	"encoding/hex"
	"strings"
)

// ARN builds an ARN of the server's Region and account.
func (h *Host) ARN(service, resource string) string {
	return "arn:aws:" + service + ":" + h.Region + ":" + h.Account + ":" + resource
}

// NewID returns n random bytes in hex: 16 make a task id.
func NewID(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails, see crypto/rand
	return hex.EncodeToString(b)
}

// NewUUID returns a random UUID.
func NewUUID() string {
	id := NewID(16)
	return strings.Join([]string{id[:8], id[8:12], "4" + id[13:16], "a" + id[17:20], id[20:]}, "-")
}
