package ledger

import "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

// What the tests of other packages' kind see of this one.

// Decode reads an attempt.
func Decode(i map[string]types.AttributeValue) (Attempt, error) { return decode(i) }

// DecodeJob reads a job.
func DecodeJob(i map[string]types.AttributeValue) Job { return decodeJob(i) }

// KeyAttributes are the item's key.
func KeyAttributes(k Key) (pk, sk string) {
	i := k.attributes()
	return i.string("pk"), i.string("sk")
}
