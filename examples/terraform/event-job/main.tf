# A job for each new object in a bucket, by a rule that makes the payload of the
# event.

terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
  }
}

variable "bucket" {
  type        = string
  description = "A bucket that sends its events to EventBridge."
}

data "aws_caller_identity" "current" {}

data "aws_cloudformation_stack" "errand" {
  name = "errand"
}

locals {
  errand = data.aws_cloudformation_stack.errand.outputs
}

resource "aws_cloudwatch_event_rule" "import" {
  name        = "import-upload"
  description = "Starts the job import-upload for each new object in the bucket."
  event_pattern = jsonencode({
    source = ["aws.s3"]
    # Others may send their events to this bus.
    account     = [data.aws_caller_identity.current.account_id]
    detail-type = ["Object Created"]
    detail      = { bucket = { name = [var.bucket] } }
  })
}

resource "aws_cloudwatch_event_target" "import" {
  rule = aws_cloudwatch_event_rule.import.name
  arn  = local.errand["LauncherFunctionArn"]

  input_transformer {
    input_paths = {
      id     = "$.id"
      bucket = "$.detail.bucket.name"
      key    = "$.detail.object.key"
    }
    # The variables stand without quotes, which EventBridge adds. The event's id
    # as runId makes one task of an event that is delivered twice.
    input_template = <<-EOT
      {
        "job": "import-upload",
        "runId": <id>,
        "taskDefinition": "import",
        "command": ["import", "--bucket", <bucket>, "--key", <key>]
      }
    EOT
  }

  dead_letter_config {
    arn = local.errand["RuleDeadLettersArn"]
  }
}

resource "aws_lambda_permission" "import" {
  action        = "lambda:InvokeFunction"
  function_name = local.errand["LauncherFunctionArn"]
  principal     = "events.amazonaws.com"
  source_arn    = aws_cloudwatch_event_rule.import.arn
}
