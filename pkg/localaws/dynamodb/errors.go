package dynamodb

import "errand/pkg/localaws/host"

// Error has the item that stands in the table as a member when a condition
// failed.
type Error = host.Error

func failed(code, format string, args ...any) *Error {
	namespace := "com.amazonaws.dynamodb.v20120810#"
	switch code {
	case "ValidationException":
		namespace = "com.amazon.coral.validate#"
	case "SerializationException":
		namespace = "com.amazon.coral.service#"
	}
	return host.BadRequest(code, format, args...).With("__type", namespace+code)
}

func invalid(format string, args ...any) *Error {
	return failed("ValidationException", format, args...)
}

// badParameter is what DynamoDB says of most values that cannot stand.
func badParameter(format string, args ...any) *Error {
	return invalid("One or more parameter values were invalid: "+format, args...)
}

// unserved refuses what DynamoDB may know and this package does not.
func unserved(format string, args ...any) *Error {
	return invalid("the embedded endpoint does not serve "+format, args...)
}

func noTable(name string) *Error {
	return failed("ResourceNotFoundException", "Requested resource not found: Table: %s not found", name)
}
