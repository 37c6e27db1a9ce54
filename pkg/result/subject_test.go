package result_test

import (
	"strings"
	"testing"

	"errand/pkg/result"
	"errand/pkg/run"
)

// The last cause of a chain says what to mend. Each chain is one that people have
// reported, with the account of the examples, or a relative. A name without a scheme is
// an issue or a pull request on GitHub.
func TestSubjectOfLongChains(t *testing.T) {
	t.Parallel()
	const pull = "pull image manifest has been retried 5 time(s): failed to resolve ref "
	const secrets = "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: "
	for _, tc := range []struct {
		name   string
		status run.Status
		what   string
		want   string
	}{
		{
			"an image that is not there", run.StartFailed, "CannotPullContainerError: " + pull + "example/billing:2026-11-18: not found",
			"START_FAILED billing-daily: ... failed to resolve ref example/billing:2026-11-18: not found",
		},
		{
			"an image of a long name", run.StartFailed, "CannotPullContainerError: " + pull + "123456789012.dkr.ecr.eu-west-1.amazonaws.com/billing/application:2026-11-18: not found",
			"START_FAILED billing-daily: ...cr.eu-west-1.amazonaws.com/billing/application:2026-11-18: not found",
		},
		{
			"what ECS says of every task", run.Failed, "container with-a-name-that-is-somewhat-long ended without an exit code: Essential container in task exited",
			"FAILED billing-daily: container with-a-name-that-is-somewhat-long ended without an exit code",
		},
		{
			"a cause that was cut off", run.StartFailed, secrets + "unable to retrieve secret from asm: service call has been retried 1 time(s)",
			"START_FAILED billing-daily: ... unable to retrieve secret from asm",
		},
		{
			"no network, Releem/releem-agent#195", run.StartFailed, secrets + "unable to retrieve secret from asm: service call has been retried 5 time(s): failed to fetch secret arn:aws:secretsmanager:us-west-2:123456789012:secret:DBPasswordSecret-a from secrets manager: RequestCanceled: request context canceled caused by: context deadline exceeded. Please check your task network configuration.",
			"START_FAILED billing-daily: ... request context canceled caused by: context deadline exceeded",
		},
		{
			"no key, GiamPy5/terraform-aws-directus#10", run.StartFailed, secrets + "unable to retrieve secret from asm: service call has been retried 1 time(s): failed to fetch secret arn:aws:secretsmanager:eu-central-1:123456789012:secret:algo-dev-directus-secret20240626183203358800000004-EaPYTy from secrets manager: AccessDeniedException: Access to KMS is not allowed status code: 400, request id: a87a66d9-f839-4353-b8c2-9984b1465695",
			"START_FAILED billing-daily: ... AccessDeniedException: Access to KMS is not allowed",
		},
		{
			"no JSON, rileydakota/valheim-ecs-fargate-cdk#9", run.StartFailed, secrets + "unable to retrieve secret from asm: service call has been retried 1 time(s): invalid character '\\'' looking for beginning of value",
			"START_FAILED billing-daily: ... invalid character '\\'' looking for beginning of value",
		},
		{
			"no permission, aws/serverless-application-model#2247", run.LaunchFailed, "AccessDeniedException: User: arn:aws:sts::123456789012:assumed-role/role/function is not authorized to perform: iam:PassRole on resource: arn:aws:iam::123456789012:role/ecsTaskExecutionRole because no identity-based policy allows the iam:PassRole action",
			"LAUNCH_FAILED billing-daily: ... arn:aws:iam::123456789012:role/ecsTaskExecutionRole",
		},
		{
			"the same, with what to do about it", run.LaunchFailed, "AccessDeniedException: User: arn:aws:sts::123456789012:assumed-role/role/function is not authorized to perform: ecs:RunTask on resource: arn:aws:ecs:eu-west-2:123456789012:task-definition/a_test_task:9 because no identity-based policy allows the ecs:RunTask action; TaskFamilies lacks a_test_task",
			"LAUNCH_FAILED billing-daily: ... TaskFamilies lacks a_test_task",
		},
		{
			"a Java SDK's, eddmann/serverless-fargate#20", run.LaunchFailed, "InvalidParameterException: Error retrieving subnet information for [birdzview]: The subnet ID 'birdzview' does not exist (ErrorCode: InvalidSubnetID.NotFound) (Service: AmazonECS; Status Code: 400; Error Code: InvalidParameterException; Request ID: 0; Proxy: null)",
			"LAUNCH_FAILED billing-daily: ... 'birdzview' does not exist (ErrorCode: InvalidSubnetID.NotFound)",
		},
		{
			"a command that is not there", run.StartFailed, "CannotStartContainerError: Error response from daemon: failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: exec: \"./bill\": stat ./bill: no such file or directory: unknown",
			"START_FAILED billing-daily: ... exec: \"./bill\": stat ./bill: no such file or directory",
		},
		{
			"one long sentence", run.LaunchFailed, "the quick brown fox jumps over the lazy dog and then again over the lazy dog and again",
			"LAUNCH_FAILED billing-daily: the quick brown fox jumps over the lazy dog and then again over the...",
		},
		{
			"a last cause that is a long sentence", run.LaunchFailed, "InvalidParameterException: the quick brown fox jumps over the lazy dog and then again over the lazy dog",
			"LAUNCH_FAILED billing-daily: ... the quick brown fox jumps over the lazy dog and then again over...",
		},
		{
			"several faults are no chain", run.Rejected, "comand: unknown field, did you mean command?; logLines: must be an integer, is a string; x: unknown field",
			"REJECTED billing-daily: comand: unknown field, did you mean command?; logLines: must be an integ...",
		},
		{"only noise", run.LaunchFailed, strings.Repeat(". ", 60), "LAUNCH_FAILED billing-daily: "},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := result.Result{Run: run.Run{Job: "billing-daily"}, Status: tc.status, Summary: tc.what}
			got := r.Subject()
			if got != tc.want || len(got) > 99 {
				t.Errorf("got  %s (%d)\nwant %s", got, len(got), tc.want)
			}
			r.Job = strings.Repeat("j", 64)
			if got := r.Subject(); len(got) > 99 || !strings.HasPrefix(got, string(tc.status)+" "+r.Job+": ") {
				t.Errorf("with the longest job %s (%d)", got, len(got))
			}
		})
	}
}

// How long a command ran stays in a subject, unless there is no room to say what
// happened.
func TestSubjectKeepsTheTime(t *testing.T) {
	t.Parallel()
	r := failed()
	r.Status, r.Summary = run.Stopped, "a: the first of two sentences that are long; another sentence that is about as long"
	want := "STOPPED billing-daily: ... another sentence that is about as long after 7m10s"
	if got := r.Subject(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	r.Job = strings.Repeat("j", 64)
	if got, want := r.Subject(), "STOPPED "+r.Job+": ... another sentence t..."; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
