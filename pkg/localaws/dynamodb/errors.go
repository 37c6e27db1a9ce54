package dynamodb

import (
	"fmt"
	"net/http"
)

// Error is an error as DynamoDB words it: an HTTP status, a code, a message and
// for a failed condition the item that stands in the table.
type Error struct {
	Status  int
	Code    string
	Message string
	Members map[string]any
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

// Type is the code as awsJson1.0 writes it, with its shape's namespace.
func (e *Error) Type() string {
	switch e.Code {
	case "ValidationException":
		return "com.amazon.coral.validate#" + e.Code
	case "UnknownOperationException", "SerializationException":
		return "com.amazon.coral.service#" + e.Code
	}
	return "com.amazonaws.dynamodb.v20120810#" + e.Code
}

func failed(code, format string, args ...any) *Error {
	return &Error{Status: http.StatusBadRequest, Code: code, Message: fmt.Sprintf(format, args...)}
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
