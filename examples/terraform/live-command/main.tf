# A command in a live task by a schedule, with the service whose tasks it runs
# in. For a stack errand with EnableExec=true.

terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
  }
}

variable "cluster" {
  type        = string
  description = "Name of the cluster, as in errand's parameter Cluster."
}

variable "subnets" {
  type = list(string)
}

variable "assign_public_ip" {
  type        = bool
  default     = false
  description = "true in public subnets."
}

variable "image" {
  type    = string
  default = "public.ecr.aws/docker/library/nginx:stable"
}

data "aws_cloudformation_stack" "errand" {
  name = "errand"
}

locals {
  errand = data.aws_cloudformation_stack.errand.outputs
}

resource "aws_scheduler_schedule" "web_reload" {
  name                         = "web-reload"
  description                  = "Lets the web server read its configuration again, every hour."
  group_name                   = local.errand["ScheduleGroupName"]
  schedule_expression          = "cron(15 * * * ? *)"
  schedule_expression_timezone = "UTC"

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn = local.errand["ExecutorFunctionArn"]
    # As good as root in every task of the cluster that has ECS Exec enabled: pass it
    # to nothing else.
    role_arn = local.errand["ExecScheduleRoleArn"]
    input    = <<-EOT
      {
        "job": "web-reload",
        "method": "exec",
        "service": "web",
        "container": "app",
        "command": ["nginx", "-s", "reload"],
        "timeout": "1m",
        "schedule": "<aws.scheduler.schedule-arn>",
        "scheduledTime": "<aws.scheduler.scheduled-time>"
      }
    EOT
    # A call that failed may still have arrived.
    retry_policy {
      maximum_retry_attempts = 0
    }
    dead_letter_config {
      arn = local.errand["ScheduleDeadLettersArn"]
    }
  }
}

resource "aws_ecs_service" "web" {
  name                   = "web"
  cluster                = var.cluster
  task_definition        = aws_ecs_task_definition.web.arn
  desired_count          = 2
  launch_type            = "FARGATE"
  enable_execute_command = true
  # Tasks that run already do not get it.
  force_new_deployment = true

  network_configuration {
    subnets          = var.subnets
    assign_public_ip = var.assign_public_ip
  }
}

resource "aws_ecs_task_definition" "web" {
  family                   = "web"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = 256
  memory                   = 512
  task_role_arn            = aws_iam_role.web_task.arn
  execution_role_arn       = aws_iam_role.web_execution.arn

  container_definitions = jsonencode([{
    name      = "app"
    image     = var.image
    essential = true
    # The agent of ECS Exec writes to it.
    readonlyRootFilesystem = false
    # So that what commands leave behind does not stay as a zombie.
    linuxParameters = {
      initProcessEnabled = true
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

data "aws_iam_policy_document" "ecs_exec" {
  statement {
    actions = [
      "ssmmessages:CreateControlChannel",
      "ssmmessages:CreateDataChannel",
      "ssmmessages:OpenControlChannel",
      "ssmmessages:OpenDataChannel",
    ]
    resources = ["*"]
  }
}

resource "aws_iam_role" "web_task" {
  name_prefix        = "web-task-"
  assume_role_policy = data.aws_iam_policy_document.tasks.json
}

resource "aws_iam_role_policy" "web_task_exec" {
  name   = "ecs-exec"
  role   = aws_iam_role.web_task.name
  policy = data.aws_iam_policy_document.ecs_exec.json
}

resource "aws_iam_role" "web_execution" {
  name_prefix        = "web-execution-"
  assume_role_policy = data.aws_iam_policy_document.tasks.json
}

resource "aws_iam_role_policy_attachment" "web_execution" {
  role       = aws_iam_role.web_execution.name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
}
