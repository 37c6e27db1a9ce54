# A queue with the results of the runs that failed, as JSON, for a program to
# read.

terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
  }
}

data "aws_cloudformation_stack" "errand" {
  name = "errand"
}

locals {
  errand = data.aws_cloudformation_stack.errand.outputs
}

resource "aws_sqs_queue" "failed_jobs" {
  name                      = "failed-jobs"
  message_retention_seconds = 1209600
  # Not the key aws/sqs, which SNS may not use.
  sqs_managed_sse_enabled = true
}

# Without it SNS may not send, and says nothing to anybody.
resource "aws_sqs_queue_policy" "failed_jobs" {
  queue_url = aws_sqs_queue.failed_jobs.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "sns.amazonaws.com" }
      Action    = "sqs:SendMessage"
      Resource  = aws_sqs_queue.failed_jobs.arn
      Condition = { ArnEquals = { "aws:SourceArn" = local.errand["ResultTopicArn"] } }
    }]
  })
}

resource "aws_sns_topic_subscription" "failed_jobs" {
  topic_arn = local.errand["ResultTopicArn"]
  protocol  = "sqs"
  endpoint  = aws_sqs_queue.failed_jobs.arn
  # The body of a message is then the result, without SNS's wrapping.
  raw_message_delivery = true
  filter_policy        = jsonencode({ outcome = ["failure"] })

  depends_on = [aws_sqs_queue_policy.failed_jobs]
}
