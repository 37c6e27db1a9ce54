package awserr_test

import (
	"testing"

	"errand/pkg/awserr"
)

// Texts of AccessDeniedException as people have reported them, with the account of
// the examples. A name without a scheme is an issue or a pull request on GitHub; "IAM"
// is https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html.
func TestLacks(t *testing.T) {
	t.Parallel()
	type lack struct {
		action, resource string
		ok               bool
	}
	for _, tc := range []struct {
		text   string
		want   lack
		source string
	}{
		{
			"User: arn:aws:iam::123456789012:user/parking-airflow-user is not authorized to perform: iam:PassRole on resource: arn:aws:iam::123456789012:role/dataplatform-stg-ecs-parking because no identity-based policy allows the iam:PassRole action",
			lack{"iam:PassRole", "arn:aws:iam::123456789012:role/dataplatform-stg-ecs-parking", true},
			"LBHackney-IT/Data-Platform#1992",
		},
		{
			"User: arn:aws:sts::123456789012:assumed-role/my-service-staging-IamRoleStateMachineExecut-HOBGIVKJHLN/gaegregerhbeahberg is not authorized to perform: iam:PassRole on resource: arn:aws:iam::123456789012:role/ecsTaskExecutionRole (Service: AmazonECS; Status Code: 400; Error Code: AccessDeniedException; Request ID: 37158697-a9c5-4ce8-8044-812c988dea0a)",
			lack{"iam:PassRole", "arn:aws:iam::123456789012:role/ecsTaskExecutionRole", true},
			"serverless-operations/serverless-step-functions#189",
		},
		{
			"User: arn:aws:sts::123456789012:assumed-role/crossfeed-staging-us-east-1-lambdaRole/crossfeed-staging-scheduler is not authorized to perform: iam:PassRole on resource: arn:aws:iam::123456789012:role/crossfeed-staging-worker",
			lack{"iam:PassRole", "arn:aws:iam::123456789012:role/crossfeed-staging-worker", true},
			"cisagov/crossfeed#109",
		},
		{
			"User: arn:aws:iam::123456789012:user/child-fam-services-airflow-user is not authorized to perform: ecs:RunTask on resource: arn:aws:ecs:eu-west-2:123456789012:task-definition/a_test_task:9 because no identity-based policy allows the ecs:RunTask action",
			lack{"ecs:RunTask", "arn:aws:ecs:eu-west-2:123456789012:task-definition/a_test_task:9", true},
			"LBHackney-IT/Data-Platform#1818",
		},
		{
			"User: arn:aws:sts::123456789012:assumed-role/batch-poc-schedule-a1297ba/batch-poc-schedule-325ae24 is not authorized to perform: ecs:RunTask on resource: arn:aws:ecs:us-east-1:123456789012:task-definition/batch-poc-aece9bcd:1",
			lack{"ecs:RunTask", "arn:aws:ecs:us-east-1:123456789012:task-definition/batch-poc-aece9bcd:1", true},
			"pulumi/pulumi#6725",
		},
		{
			"User: arn:aws:sts::123456789012:assumed-role/x/y is not authorized to perform: ecs:ListTasks on resource: * because no identity-based policy allows the ecs:ListTasks action",
			lack{"ecs:ListTasks", "*", true},
			"cdklabs/construct-hub#1207",
		},
		{
			"User: arn:aws:sts::123456789012:assumed-role/gha-role/GitHubActions is not authorized to perform: logs:CreateLogGroup on resource: arn:aws:logs:eu-central-1:123456789012:log-group:/aws/lambda/github-actions-smoke-testing-test:log-stream: because no identity-based policy allows the logs:CreateLogGroup action",
			lack{"logs:CreateLogGroup", "arn:aws:logs:eu-central-1:123456789012:log-group:/aws/lambda/github-actions-smoke-testing-test:log-stream:", true},
			"elastic/apm-aws-lambda#526",
		},
		{"Not authorized to perform: logs:FilterLogEvents", lack{}, "aws/aws-cli#3578, a text of the console"},
		{"not authorized to perform: logs:GetLogEvents", lack{"logs:GetLogEvents", "", true}, "a relative without a resource"},
		{
			"User: arn:aws:iam::123456789012:user/x is not authorized to perform: ecs:RunTask\non resource: \"arn:aws:ecs:eu-west-1:123456789012:task-definition/b:1\".",
			lack{"ecs:RunTask", "arn:aws:ecs:eu-west-1:123456789012:task-definition/b:1", true},
			"a relative, wrapped and quoted",
		},
		{"User: arn:aws:iam::123456789012:user/John is not authorized to perform: ecs:RunTask with an explicit deny in a service control policy", lack{}, "a relative of IAM's"},
		{"User: arn:aws:iam::123456789012:user/John is not authorized to perform: iam:PassRole on resource: arn:aws:iam::123456789012:role/r with an explicit deny in an identity-based policy", lack{}, "a relative of IAM's"},
		{"User: arn:aws:iam::123456789012:user/John is not authorized to perform: ecs:RunTask because no service control policy allows the ecs:RunTask action", lack{}, "a relative of IAM's"},
		{"User: arn:aws:iam::123456789012:user/John is not authorized to perform: iam:PassRole on resource: arn:aws:iam::123456789012:role/r because no permissions boundary allows the iam:PassRole action", lack{}, "a relative of IAM's"},
		{"User: arn:aws:iam::123456789012:user/John is not authorized to perform: logs:GetLogEvents because no VPC endpoint policy allows the logs:GetLogEvents action", lack{}, "a relative of IAM's"},
		{"The specified KMS key does not exist or is not allowed to be used with LogGroup", lack{}, "a key of a log group"},
		{"no", lack{}, ""},
		{"not authorized to perform: ", lack{}, ""},
	} {
		var got lack
		got.action, got.resource, got.ok = awserr.Lacks(tc.text)
		if !tc.want.ok {
			got.action, got.resource = "", ""
		}
		if got != tc.want {
			t.Errorf("%s (%s): got %+v, want %+v", tc.text, tc.source, got, tc.want)
		}
	}
}
