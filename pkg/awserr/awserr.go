// Package awserr tells the errors of AWS calls apart, once for all who call: has
// AWS refused, or is it not known what became of the call; and what do people
// read of it.
package awserr

import (
	"context"
	"errors"
	"net/url"
	"strconv"
	"strings"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// Code is the error code that AWS answered with, "" for an error that is no
// answer.
func Code(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return api.ErrorCode()
	}
	return ""
}

// Message is the text that AWS answered with, "" for an error that is no answer.
func Message(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return api.ErrorMessage()
	}
	return ""
}

// Refused says whether AWS has answered that it did not do what was asked, which
// only a 4xx says for sure. What was not even sent was not done either.
func Refused(err error) bool {
	if _, ok := errors.AsType[smithy.InvalidParamsError](err); ok {
		return true
	}
	response, ok := errors.AsType[*smithyhttp.ResponseError](err)
	return ok && Code(err) != "" && response.HTTPStatusCode() >= 400 && response.HTTPStatusCode() < 500
}

// Uncertain says whether err leaves open that AWS did what was asked: no answer,
// or a 5xx, which may come after the deed.
func Uncertain(err error) bool { return err != nil && !Refused(err) }

// Denied says whether AWS answered that the caller lacks a permission.
func Denied(err error) bool {
	code := Code(err)
	return code == "AccessDeniedException" || code == "AccessDenied" || code == "AuthorizationError"
}

// Throttled says whether AWS answered that there were too many calls.
func Throttled(err error) bool {
	switch Code(err) {
	case "ThrottlingException", "Throttling", "Throttled", "TooManyRequestsException", "RequestLimitExceeded", "KMSThrottling", "KMSThrottlingException",
		"ProvisionedThroughputExceededException": // of DynamoDB, which says so of a table on demand, too
		return true
	}
	return false
}

// Plain is err with a text for people: AWS's code and message, or why there was
// no answer, without the SDK's transport details. It wraps err.
func Plain(err error) error {
	if err == nil {
		return nil
	}
	return plain{err}
}

type plain struct{ err error }

func (p plain) Unwrap() error { return p.err }

func (p plain) Error() string {
	if code := Code(p.err); code != "" {
		return code + ": " + strings.TrimSuffix(Message(p.err), ".")
	}
	if errors.Is(p.err, context.DeadlineExceeded) {
		return "no answer in time"
	}
	if response, ok := errors.AsType[*smithyhttp.ResponseError](p.err); ok && response.HTTPStatusCode() > 0 {
		return "an answer that is none of AWS's, HTTP status " + strconv.Itoa(response.HTTPStatusCode())
	}
	if transport, ok := errors.AsType[*url.Error](p.err); ok {
		return "no answer: " + transport.Err.Error()
	}
	return p.err.Error()
}
