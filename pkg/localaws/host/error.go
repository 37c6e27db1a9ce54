package host

import (
	"errors"
	"fmt"
	"net/http"
)

// Error is an error as AWS words it: an HTTP status, a code, a message, and for
// a few codes more members.
type Error struct {
	Status  int
	Code    string
	Message string
	Members map[string]any
	// QueryCode is the code from the time when the service spoke the query
	// protocol, if its clients still want to be told that one.
	QueryCode string
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

// With adds a member.
func (e *Error) With(name string, value any) *Error {
	if e.Members == nil {
		e.Members = map[string]any{}
	}
	e.Members[name] = value
	return e
}

// Errorf makes an error of any status.
func Errorf(status int, code, format string, args ...any) *Error {
	return &Error{Status: status, Code: code, Message: fmt.Sprintf(format, args...)}
}

// BadRequest makes an error of status 400, as most are.
func BadRequest(code, format string, args ...any) *Error {
	return Errorf(http.StatusBadRequest, code, format, args...)
}

// Invalid is the error that ECS and CloudWatch Logs have for a wrong parameter.
func Invalid(format string, args ...any) *Error {
	return BadRequest("InvalidParameterException", format, args...)
}

// UnknownOperation is the error for what the endpoint does not serve.
func UnknownOperation(what string) *Error {
	return BadRequest("UnknownOperationException", "the embedded AWS endpoint does not serve %s", what)
}

// asError makes AWS's error of any other.
func asError(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return Errorf(http.StatusInternalServerError, "ServerException", "%v", err)
}
