package awserr_test

import (
	"testing"

	"errand/pkg/awserr"
)

// Texts of ClientException and InvalidParameterException, as people have reported
// them of RunTask and its relatives. A name without a scheme is an issue or a pull
// request on GitHub; "docs" is the developer guide of Amazon ECS, "EC2" the page
// "Error codes for the Amazon EC2 API".
func TestPasses(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		text   string
		passes bool
		source string
	}{
		{"Tasks provisioning capacity limit exceeded.", true, "DIAGNijmegen/rse-grand-challenge#2013, aws/aws-sdk-ruby#3047"},
		{"tasks provisioning capacity limit exceeded", true, "without the full stop, in a public Go program that waits on it"},
		{"TASKS PROVISIONING CAPACITY LIMIT EXCEEDED.", true, "a relative of it"},
		{"You've reached the limit on the number of tasks you can run in PROVISIONING state", true, "an older wording; the quota: aws/containers-roadmap#1780"},
		{"Error retrieving subnet information for [subnet-1]: Rate exceeded (ErrorCode: Throttling)", true, "dagster-io/dagster#33439"},
		{"Error retrieving subnet information for [subnet-1]: Request limit exceeded. (ErrorCode: RequestLimitExceeded)", true, "a relative of dask/dask-cloudprovider#56"},
		{"Error retrieving security group information for [sg-05937427457b61ff5]: Request limit exceeded. (ErrorCode: RequestLimitExceeded)", true, "dask/dask-cloudprovider#56, aws-solutions/distributed-load-testing-on-aws#41"},
		{"Error retrieving security group information for [sg-1]: An internal error has occurred (ErrorCode: InternalError)", true, "reproio/wrapbox#43"},
		{"com.amazonaws.services.ec2.model.AmazonEC2Exception: Request limit exceeded. (Service: AmazonEC2; Status Code: 503; Error Code: RequestLimitExceeded; Request ID: 0)", true, "reproio/wrapbox#32"},
		{"Rate exceeded. (Service: AmazonECS; Status Code: 400; Error Code: ThrottlingException; Request ID: 0)", true, "AllenInstitute/neuron_morphology#151"},
		{"Rate exceeded", true, "fabfuel/ecs-deploy#73, aws/amazon-ecs-agent#498"},
		{"Error retrieving security group information: com.amazonaws.SdkClientException: Unable to execute HTTP request: Connect to ec2.us-east-1.amazonaws.com:443 [ec2.us-east-1.amazonaws.com/54.239.31.174] failed: connect timed out", true, "a public test file"},
		{"com.amazonaws.SdkClientException: Unable to execute HTTP request: Read timed out", true, "a relative of it"},
		{"Unable to execute HTTP request: ec2.eu-west-1.amazonaws.com: Temporary failure in name resolution", true, "a relative of it"},
		{"Error retrieving subnet information for [subnet-1]: Connection reset by peer", true, "a relative of it"},
		{"Error retrieving subnet information for [subnet-1]: The service is unavailable. Please try again shortly. (ErrorCode: Unavailable)", true, "EC2"},
		{"Error retrieving subnet information for [subnet-1]: The server is overloaded and can't handle the request. (ErrorCode: Unavailable)", true, "EC2"},
		{"Error retrieving subnet information for [subnet-1]: The request has failed due to a temporary failure of the server. (ErrorCode: ServiceUnavailable)", true, "EC2"},
		{"Error retrieving subnet information for [subnet-1]: (ErrorCode: InternalFailure)", true, "EC2"},
		{"Error retrieving subnet information for [subnet-1]: (ErrorCode: Server.InternalError)", true, "EC2, with the namespace of its older answers"},
		{"Error retrieving subnet information for [subnet-1]: (ErrorCode: Client.RequestLimitExceeded)", true, "EC2, with the namespace of its older answers"},
		{"Error retrieving subnet information for [subnet-1]: (errorcode:RequestTimeout)", true, "a relative of them"},
		{"Error retrieving subnet information for [subnet-1]: (ErrorCode: EC2ThrottledException)", true, "the throttling codes of the SDK for Go"},
		{"Error retrieving subnet information for [subnet-1]: (ErrorCode: InsufficientFreeAddressesInSubnet)", true, "EC2; addresses come free when tasks end"},
		{"Error retrieving subnet information for [subnet-1]: (ErrorCode: NetworkInterfaceLimitExceeded)", true, "EC2; interfaces come free when tasks end"},
		{"Error retrieving subnet information for [subnet-1]: (ErrorCode: ServerInternal)", true, "EC2, its server error codes"},
		{"Error retrieving subnet information for [subnet-1]: (ErrorCode: InsufficientAddressCapacity)", true, "EC2, its server error codes"},
		{"Error retrieving subnet information for [subnet-1]: (ErrorCode: InsufficientHostCapacity)", true, "EC2, its server error codes"},
		{"Error retrieving subnet information for [subnet-1]: (ErrorCode: ProvisionedThroughputExceededException)", true, "the throttling codes of the SDK for Go"},
		{"Error retrieving subnet information for [subnet-1]: (ErrorCode: PriorRequestNotComplete)", true, "the throttling codes of the SDK for Go"},
		{"Error retrieving subnet information for [subnet-1]: (Code: RequestLimitExceeded)", true, "a relative of dask/dask-cloudprovider#56"},
		{"Error retrieving subnet information for [subnet-1]: (ErrorCode=\"RequestLimitExceeded\")", true, "a relative of dask/dask-cloudprovider#56"},
		{"The request was throttled.", true, "a relative of Rate exceeded"},
		{"The maximum number of tasks in the PROVISIONING state is reached", true, "a relative of aws/containers-roadmap#1780"},
		{"We currently do not have enough capacity (Service: Ec2, Status Code: 500, Request ID: 0)", true, "how the second Java SDK words a fault"},
		{"Slow down (Service: Iam, Status Code: 429, Request ID: 0)", true, "how the second Java SDK words throttling"},
		{"Please reduce your request rate. (ErrorCode: SlowDown)", true, "Amazon S3, which a definition's environment files come from"},
		{"An internal error has occurred. Retry your request, but if the problem persists, contact us", true, "EC2"},
		{"Unable to describe subnets: ThrottlingException", true, "a relative of Rate exceeded"},
		{"software.amazon.awssdk.core.exception.ApiCallTimeoutException: Client execution did not complete before the specified timeout", true, "the second Java SDK"},
		{"Connect timeout on endpoint URL: https://ec2.eu-west-1.amazonaws.com/", true, "botocore"},
		{"Too many concurrent attempts to create a new revision of the specified family.", true, "of RegisterTaskDefinition, a public Ruby program (hako) waits on it"},
		{"Too many requests", true, "a relative of Rate exceeded"},
		{"You've reached the limit on the number of tasks you can run concurrently", true, "wellcomecollection/platform#3875, aws/copilot-cli#3064"},
		{"You’ve reached the limit on the number of vCPUs you can run concurrently", true, "docs, with its apostrophe"},
		{"You've reached the limit on the number of spot tasks you can run concurrently. For more information, see the Troubleshooting section of the Amazon ECS Developer Guide.", true, "aws/copilot-cli#2685"},
		{"The requested CPU configuration is above your limit", true, "dask/dask-cloudprovider#300; docs: ask for a higher quota"},
		{"The requested MEMORY configuration is above your limit", true, "a public forum's thread; docs"},
		{"Capacity is unavailable at this time. Please try again later or in a different availability zone", true, "docs, in failures; here in another dress"},
		{"Capacity is unavailable\n  at this time.", true, "a relative of it, wrapped"},
		{"The execute command failed due to an internal error. Try again later.", true, "ECS Exec, of another code"},

		{"No Container Instances were found in your cluster.", false, "boto/boto3#2862, aws/containers-roadmap#2532"},
		{"No Fargate configuration exists for given values.", false, "aws/amazon-ecs-cli#463"},
		{"Invalid 'cpu' setting for task. For more information, see the Troubleshooting section of the Amazon ECS Developer Guide.", false, "docs"},
		{"Error retrieving security group information for [sg-01607c94e2d82ca08]: The security group 'sg-01607c94e2d82ca08' does not exist (ErrorCode: InvalidGroup.NotFound)", false, "getmoto/moto, after ECS"},
		{"Error retrieving subnet information for [birdzview]: The subnet ID 'birdzview' does not exist (ErrorCode: InvalidSubnetID.NotFound) (Service: AmazonECS; Status Code: 400; Error Code: InvalidParameterException; Request ID: 0; Proxy: null)", false, "eddmann/serverless-fargate#20"},
		{"Error retrieving subnet information for [subnet-1]: You are not authorized to perform this operation. (ErrorCode: UnauthorizedOperation)", false, "EC2"},
		{"Error retrieving subnet information for [subnet-1]: (ErrorCode: SecurityGroupsPerInterfaceLimitExceeded)", false, "EC2; a limit of one request, not of a time"},
		{"Security group sg-0dd8a777c45711f1d does not appear to belong to the same VPC as the input subnets.", false, "a public repository's notes"},
		{"com.amazonaws.services.ec2.model.AmazonEC2Exception: The subnet ID 'subnet-1' does not exist (Service: AmazonEC2; Status Code: 400; Error Code: InvalidSubnetID.NotFound; Request ID: 0)", false, "a relative of reproio/wrapbox#32"},
		{"AccountIDs mismatch", false, "a public test file"},
		{"TaskDefinition not found.", false, "Cloud-CV/EvalAI#2419"},
		{"TaskDefinition is inactive", false, "a public test file; another revision has to be named"},
		{"Unable to describe task definition.", false, "docs"},
		{"Network Configuration must be provided when networkMode 'awsvpc' is specified.", false, "fabfuel/ecs-deploy#149"},
		{"subnets can have at most 16 items. (Service: Ecs, Status Code: 400, Request ID: 0) (SDK Attempt Count: 1)", false, "opensearch-project/opensearch-migrations#1430"},
		{"Unsupported resource type: cluster", false, "rusoto/rusoto#1941"},
		{"The specified capacity provider 'cluster-cp' is not in an ACTIVE state. Specify a valid capacity provider and try again.", false, "hashicorp/terraform-provider-aws#45693"},
		{"No launch type to fall back to for empty capacity provider strategy. Your service was not created with a launch type.", false, "docs of CreateService"},
		{"ECS was unable to assume the role 'arn:aws:iam::123456789012:role/throttling-timeout' that was provided for this task. Please verify that the role being passed has the proper trust relationship and permissions and that your IAM user has permissions to pass this role.", false, "telia-oss/terraform-aws-ecs-fargate#58"},
		{"Unable to assume the service linked role. Please verify that the ECS service linked role exists.", false, "awslabs/fargatecli#35, jonrau1/ElectricEye#9"},
		{"Account is blocked", false, "a public test file"},
		{"Tasks cannot be empty.", false, "aws/copilot-cli#3551"},
		{"Task definition does not support launch_type FARGATE.", false, "a public article on ECS by CloudFormation"},
		{"The platform version must be null when specifying an EC2 launch type.", false, "a comment in docker/compose-cli"},
		{"Override for container named app is not a container in the TaskDefinition.", false, "a public repository's notes"},
		{"Container Overrides length must be at most 8192", false, "a public test file; a limit of one request"},
		{"Invalid 'stopTimeout' setting for container 'internal-error'.", false, "names in a text are no phrases of it"},
		{"The number of subnets exceeds the limit.", false, "a relative of the limits of one request"},
		{"Invalid 'container' setting. Code: InvalidSetting", false, "a code that asks for another request"},
		{"Invalid revision number. Number: throttling", false, "names in a text are no phrases of it"},
		{"", false, ""},
	} {
		if got := awserr.Passes(tc.text); got != tc.passes {
			t.Errorf("%q (%s): passes is %t", tc.text, tc.source, got)
		}
	}
}
