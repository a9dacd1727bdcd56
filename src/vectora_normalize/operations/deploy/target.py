"""The target of a deployment: the names of buckets and functions in the deployed environments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

CODE_KEY: Final = "lambda/ingest-normalize/latest.zip"
"""The key of the package in a code bucket, from which the templates in ``infra/`` read it."""

ALIAS: Final = "live"
"""The alias of the version that passed its test last."""


@dataclass(frozen=True, slots=True)
class DeployTarget:
    """The code bucket and the function of one environment.

    Args:
        bucket: The code bucket.
        function: Name of the function.
        key: The key of the package that passed its test last, in the bucket.
        alias: The alias of the version that passed its test last.
    """

    bucket: str
    function: str
    key: str = CODE_KEY
    alias: str = ALIAS

    @classmethod
    def for_environment(
        cls, env: str, *, project: str, bucket: str | None = None, function: str | None = None
    ) -> DeployTarget:
        """Return the target of an environment such as ``dev``; a given bucket or function takes precedence."""
        return cls(
            bucket=bucket or f"{project}-lambda-code-{env}", function=function or f"{project}-ingest-normalize-{env}"
        )

    def release_key(self, sha256: str) -> str:
        """Return the key under which the package with this hash, in hexadecimal digits, stays in the bucket."""
        folder, _, _ = self.key.rpartition("/")
        return f"{folder}/releases/{sha256}.zip".removeprefix("/")

    def url(self, key: str) -> str:
        """Return the S3 URL of a key in the bucket."""
        return f"s3://{self.bucket}/{key}"
