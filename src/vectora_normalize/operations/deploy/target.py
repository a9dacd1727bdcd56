"""Where a package goes: names that the deployed systems have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

CODE_KEY: Final = "lambda/ingest-normalize/latest.zip"
"""Where a code bucket has the package; the templates in infra/ read it from there."""


@dataclass(frozen=True, slots=True)
class DeployTarget:
    """One environment's code bucket and function.

    Args:
        bucket: The code bucket.
        function: Name of the function.
        key: Where in the bucket the package lies.
    """

    bucket: str
    function: str
    key: str = CODE_KEY

    @classmethod
    def of(cls, env: str, *, project: str, bucket: str | None = None, function: str | None = None) -> DeployTarget:
        """The place of an environment such as `dev`; a bucket or function that is given takes precedence."""
        return cls(
            bucket=bucket or f"{project}-lambda-code-{env}", function=function or f"{project}-ingest-normalize-{env}"
        )

    @property
    def url(self) -> str:
        """The package, as the AWS command line names it."""
        return f"s3://{self.bucket}/{self.key}"
