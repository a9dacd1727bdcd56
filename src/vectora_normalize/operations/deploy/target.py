"""The target of a deployment: the names of buckets and functions in the deployed environments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

CODE_KEY: Final = "lambda/ingest-normalize/latest.zip"
"""The key of the package in a code bucket, from which the templates in ``infra/`` read it."""


@dataclass(frozen=True, slots=True)
class DeployTarget:
    """The code bucket and the function of one environment.

    Args:
        bucket: The code bucket.
        function: Name of the function.
        key: The key of the package in the bucket.
    """

    bucket: str
    function: str
    key: str = CODE_KEY

    @classmethod
    def for_environment(
        cls, env: str, *, project: str, bucket: str | None = None, function: str | None = None
    ) -> DeployTarget:
        """Return the target of an environment such as ``dev``; a given bucket or function takes precedence."""
        return cls(
            bucket=bucket or f"{project}-lambda-code-{env}", function=function or f"{project}-ingest-normalize-{env}"
        )

    @property
    def url(self) -> str:
        """The S3 URL of the package."""
        return f"s3://{self.bucket}/{self.key}"
