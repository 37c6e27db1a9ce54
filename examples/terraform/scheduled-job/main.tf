# A job by a schedule, with its task definition, roles and log group. Its end is
# reported by the stack errand.

terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
  }
}

variable "image" {
  type    = string
  default = "public.ecr.aws/docker/library/busybox:stable"
}

data "aws_region" "current" {}

data "aws_cloudformation_stack" "errand" {
  name = "errand"
}

locals {
  errand = data.aws_cloudformation_stack.errand.outputs
}

# One of these for each job. docs/schedules.md says what to mind.
resource "aws_scheduler_schedule" "billing_daily" {
  name                         = "billing-daily"
  description                  = "The bills of the day before, on workdays."
  group_name                   = local.errand["ScheduleGroupName"]
  schedule_expression          = "cron(30 6 ? * MON-FRI *)"
  schedule_expression_timezone = "Europe/London"

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = local.errand["LauncherFunctionArn"]
    role_arn = local.errand["ScheduleRoleArn"]
    # Not jsonencode: it writes < and > as \u003c and \u003e, which the Scheduler
    # does not replace.
    input = <<-EOT
      {
        "job": "billing-daily",
        "taskDefinition": "billing",
        "command": ["echo", "the bills of yesterday"],
        "timeout": "2h",
        "schedule": "<aws.scheduler.schedule-arn>",
        "scheduledTime": "<aws.scheduler.scheduled-time>"
      }
    EOT
    dead_letter_config {
      arn = local.errand["ScheduleDeadLettersArn"]
    }
  }
}

# Named by its family, so that errand takes the newest revision at every run.
resource "aws_ecs_task_definition" "billing" {
  family                   = "billing"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = 256
  memory                   = 512
  task_role_arn            = aws_iam_role.billing_task.arn
  execution_role_arn       = aws_iam_role.billing_execution.arn

  container_definitions = jsonencode([{
    name      = "app"
    image     = var.image
    essential = true
    logConfiguration = {
      logDriver = "awslogs"
      options = {
        awslogs-group         = aws_cloudwatch_log_group.billing.name
        awslogs-region        = data.aws_region.current.name
        awslogs-stream-prefix = "ecs"
        # ECS's default drops lines when a task writes fast, and the last lines
        # are what is reported.
        mode = "blocking"
      }
    }
  }])
}

data "aws_iam_policy_document" "tasks" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["ecs-tasks.amazonaws.com"]
    }
  }
}

# What the command may do on AWS: add its policies.
resource "aws_iam_role" "billing_task" {
  name               = "billing-task"
  assume_role_policy = data.aws_iam_policy_document.tasks.json
}

# What ECS may do to start it: pull the image, write the log.
resource "aws_iam_role" "billing_execution" {
  name               = "billing-execution"
  assume_role_policy = data.aws_iam_policy_document.tasks.json
}

resource "aws_iam_role_policy_attachment" "billing_execution" {
  role       = aws_iam_role.billing_execution.name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
}

resource "aws_cloudwatch_log_group" "billing" {
  name              = "/ecs/billing"
  retention_in_days = 30
}

# What errand's parameters of these names have to allow.
output "TaskFamilies" {
  value = aws_ecs_task_definition.billing.family
}

output "TaskRoleArns" {
  value = "${aws_iam_role.billing_task.arn},${aws_iam_role.billing_execution.arn}"
}

output "LogGroups" {
  value = aws_cloudwatch_log_group.billing.name
}
