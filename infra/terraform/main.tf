# A sketch: the stack of s1-runtime.yaml from Terraform. The template stays the only description of the function, its
# role and its alarms, and `vectora-normalize deploy` deploys the code.
#
#   terraform apply -var env=dev -var config_bucket=vectora-inbox-config-dev -var data_bucket=vectora-inbox-data-dev

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
  }
}

variable "env" {
  description = "Environment; dev runs one invocation at a time."
  type        = string
  validation {
    condition     = contains(["dev", "stage", "prod"], var.env)
    error_message = "env: dev, stage or prod."
  }
}

variable "config_bucket" {
  description = "Bucket of client configurations, catalogue and scopes."
  type        = string
}

variable "data_bucket" {
  description = "Bucket to which raw and normalised items are written."
  type        = string
}

variable "package" {
  description = "The zip of `vectora-normalize package`, with which the function is created."
  type        = string
  default     = "build/ingest-normalize.zip"
}

variable "parameters" {
  description = "Other parameters of the template, such as AlarmTopicArn."
  type        = map(string)
  default     = {}
}

variable "region" {
  type    = string
  default = "eu-west-3"
}

provider "aws" {
  region = var.region
}

locals {
  project     = "vectora-inbox"
  code_bucket = "${local.project}-lambda-code-${var.env}"
}

resource "aws_s3_object" "package" {
  bucket = local.code_bucket
  key    = "lambda/ingest-normalize/latest.zip"
  source = var.package

  lifecycle {
    ignore_changes = all # later packages are those of `vectora-normalize deploy`
  }
}

resource "aws_cloudformation_stack" "runtime" {
  name          = "${local.project}-ingest-normalize-${var.env}"
  template_body = file("${path.module}/../s1-runtime.yaml")
  capabilities  = ["CAPABILITY_IAM"]
  parameters = merge(
    {
      Env              = var.env
      ConfigBucketName = var.config_bucket
      DataBucketName   = var.data_bucket
      CodeBucketName   = local.code_bucket
    },
    var.parameters,
  )
  depends_on = [aws_s3_object.package]
}

output "function_arn" {
  value = aws_cloudformation_stack.runtime.outputs["FunctionArn"]
}

output "role_name" {
  value = aws_cloudformation_stack.runtime.outputs["RoleName"]
}
