package host

// Attribute is an attribute of a message of SNS or SQS. The value of a Binary
// one is in base64.
type Attribute struct{ Type, Value string }
