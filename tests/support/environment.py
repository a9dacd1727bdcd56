"""The environment of the tests: no account, no proxy, no setting of the machine they happen to run on.

``MACHINE_ENVIRONMENT`` keeps what was there before, for the tests that start a package installer.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

MACHINE_ENVIRONMENT: Final[Mapping[str, str]] = dict(os.environ)

_DROPPED_PREFIXES: Final = ("AWS_", "BEDROCK_", "POWERTOOLS_")
_DROPPED: Final = frozenset(
    {
        # botocore would send even loopback requests through a proxy
        "ALL_PROXY",
        "FTP_PROXY",
        "HTTPS_PROXY",
        "HTTP_PROXY",
        "NO_PROXY",
        # read by Settings
        "ALLOW_PRIVATE_SOURCES",
        "BATCH_ROLE_ARN",
        "CONFIG_BUCKET",
        "DATA_BUCKET",
        "DEAD_LETTER_QUEUE_URL",
        "ENV",
        "LOG_LEVEL",
        "MAX_BEDROCK_WORKERS",
        "MAX_RECEIVES",
        "MODE",
        "ON_CONCURRENT_RUN",
        "PROJECT_NAME",
        "PUBMED_API_KEY_PARAM",
        "QUEUE_URL",
        # Rich and Typer colour what they print when they see these
        "FORCE_COLOR",
        "GITHUB_ACTIONS",
        "NO_COLOR",
        "PY_COLORS",
    }
)
_SET: Final[Mapping[str, str]] = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_SESSION_TOKEN": "testing",
    "AWS_DEFAULT_REGION": "eu-west-3",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "COLUMNS": "120",
}


def clean(environment: Mapping[str, str]) -> dict[str, str]:
    """``environment`` with the machine's own settings dropped and made-up credentials set."""
    rest = {
        name: value
        for name, value in environment.items()
        if name.upper() not in _DROPPED and not name.upper().startswith(_DROPPED_PREFIXES)
    }
    return {**rest, **_SET}


def clean_in_place() -> None:
    """Give this process, and the ones it starts, the environment of ``clean``."""
    cleaned = clean(os.environ)
    for name in set(os.environ) - set(cleaned):
        del os.environ[name]
    os.environ.update(cleaned)
