# errand itself, from the packaged template. In errand's folder, beforehand and
# for each new version:
#
#     sam build
#     sam package --s3-bucket BUCKET --output-template-file build/packaged.yaml

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
  description = "The bucket that sam package has put the functions into."
}

variable "template" {
  type        = string
  default     = "../../../build/packaged.yaml"
  description = "The file that sam package has written."
}

variable "parameters" {
  type        = map(string)
  description = "The stack's parameters, as in { Subnets = \"subnet-0aa11bb22cc33dd44\" }. docs/parameters.md has them."
}

# The template is too large to be sent with the call. A new version has a new
# key, which is what makes Terraform update the stack.
resource "aws_s3_object" "template" {
  bucket = var.bucket
  key    = "errand/${filemd5(var.template)}.yaml"
  source = var.template
}

resource "aws_cloudformation_stack" "errand" {
  name         = "errand"
  template_url = "https://${aws_s3_object.template.bucket}.s3.amazonaws.com/${aws_s3_object.template.key}"
  parameters   = var.parameters
  # Roles, and the transform of SAM.
  capabilities = ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]
}

output "errand" {
  value = aws_cloudformation_stack.errand.outputs
}
