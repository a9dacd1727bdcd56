"""The names that the deployed systems have."""

from __future__ import annotations

from vectora_normalize.operations.deploy import DeployTarget


def test_an_environment_names_its_bucket_and_its_function() -> None:
    place = DeployTarget.of("dev", project="vectora-inbox")
    assert place.url == "s3://vectora-inbox-lambda-code-dev/lambda/ingest-normalize/latest.zip"
    assert place.function == "vectora-inbox-ingest-normalize-dev"


def test_what_is_given_takes_precedence() -> None:
    assert DeployTarget.of("prod", project="p", bucket="b", function="f") == DeployTarget("b", "f")
    assert DeployTarget.of("prod", project="p", bucket="b") == DeployTarget("b", "p-ingest-normalize-prod")
