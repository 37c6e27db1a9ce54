package awserr_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ecs"

	"errand/pkg/awserr"
)

// The SDK's own errors, of a server that answers so.
func TestErrors(t *testing.T) {
	t.Parallel()
	type class struct {
		Code                                  string
		Refused, Uncertain, Denied, Throttled bool
		Plain                                 string
	}
	for _, tc := range []struct {
		name   string
		status int
		body   string
		want   class
	}{
		{"a refusal", 400, `{"__type": "ClusterNotFoundException", "message": "Cluster not found."}`, class{"ClusterNotFoundException", true, false, false, false, "ClusterNotFoundException: Cluster not found"}},
		{"no permission", 400, `{"__type": "AccessDeniedException", "message": "no"}`, class{"AccessDeniedException", true, false, true, false, "AccessDeniedException: no"}},
		{"too many calls", 400, `{"__type": "ThrottlingException", "message": "Rate exceeded"}`, class{"ThrottlingException", true, false, false, true, "ThrottlingException: Rate exceeded"}},
		{"a broken server", 500, `{"__type": "ServerException", "message": "oops"}`, class{"ServerException", false, true, false, false, "ServerException: oops"}},
		{"hung up", 0, ``, class{"", false, true, false, false, "no answer: EOF"}},
		{"no answer in time", -1, ``, class{"", false, true, false, false, "no answer in time"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				switch tc.status {
				case -1:
					<-r.Context().Done()
					return
				case 0:
					panic(http.ErrAbortHandler)
				}
				w.Header().Set("Content-Type", "application/x-amz-json-1.1")
				w.WriteHeader(tc.status)
				_, _ = w.Write([]byte(tc.body))
			}))
			defer server.Close()
			client := ecs.New(ecs.Options{
				BaseEndpoint: &server.URL, Region: "eu-west-1", Retryer: aws.NopRetryer{},
				Credentials: credentials.StaticCredentialsProvider{Value: aws.Credentials{AccessKeyID: "local", SecretAccessKey: "local"}},
			})
			ctx := t.Context()
			if tc.status == -1 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, 50*time.Millisecond)
				defer cancel()
			}
			_, err := client.RunTask(ctx, &ecs.RunTaskInput{TaskDefinition: aws.String("x")})
			if err == nil {
				t.Fatal("no error")
			}
			got := class{awserr.Code(err), awserr.Refused(err), awserr.Uncertain(err), awserr.Denied(err), awserr.Throttled(err), awserr.Plain(err).Error()}
			if got != tc.want {
				t.Errorf("got  %+v\nwant %+v", got, tc.want)
			}
			if !errors.Is(awserr.Plain(err), err) {
				t.Error("the plain error does not wrap the error")
			}
		})
	}
}

func TestNotSent(t *testing.T) {
	t.Parallel()
	client := ecs.New(ecs.Options{Region: "eu-west-1", Credentials: aws.AnonymousCredentials{}})
	if _, err := client.RunTask(t.Context(), &ecs.RunTaskInput{}); err == nil || !awserr.Refused(err) || awserr.Uncertain(err) {
		t.Errorf("a call that the SDK did not send: %v", err)
	}
	if awserr.Plain(nil) != nil || awserr.Uncertain(nil) || awserr.Refused(nil) {
		t.Error("no error is one")
	}
}
