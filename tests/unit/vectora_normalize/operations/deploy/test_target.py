"""The names that the deployed systems have."""

from __future__ import annotations

from vectora_normalize.operations.deploy import Place


def test_an_environment_names_its_bucket_and_its_function() -> None:
    place = Place.of("dev", project="vectora-inbox")
    assert place.url == "s3://vectora-inbox-lambda-code-dev/lambda/ingest-normalize/latest.zip"
    assert place.function == "vectora-inbox-ingest-normalize-dev"


def test_what_is_given_takes_precedence() -> None:
    assert Place.of("prod", project="p", bucket="b", function="f") == Place("b", "f")
    assert Place.of("prod", project="p", bucket="b") == Place("b", "p-ingest-normalize-prod")
