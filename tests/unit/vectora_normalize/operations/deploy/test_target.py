"""The names of buckets and functions in the deployed environments."""

from __future__ import annotations

from vectora_normalize.operations.deploy import DeployTarget


def test_an_environment_determines_bucket_and_function() -> None:
    target = DeployTarget.for_environment("dev", project="vectora-inbox")
    assert target.url(target.key) == "s3://vectora-inbox-lambda-code-dev/lambda/ingest-normalize/latest.zip"
    assert target.function == "vectora-inbox-ingest-normalize-dev"


def test_given_names_take_precedence() -> None:
    assert DeployTarget.for_environment("prod", project="p", bucket="b", function="f") == DeployTarget("b", "f")
    assert DeployTarget.for_environment("prod", project="p", bucket="b") == DeployTarget("b", "p-ingest-normalize-prod")
