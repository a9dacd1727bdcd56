"""botocore's service models, read once for all sessions of a process: reading them is most of the cost of a client."""

from __future__ import annotations

import functools
import importlib
from typing import Any


def share_models() -> None:
    """Give all sessions of botocore the same loader, which caches the models; do nothing without botocore."""
    try:
        session: Any = importlib.import_module("botocore.session")
    except ModuleNotFoundError:
        return
    create = functools.cache(session.create_loader)

    def create_loader(*arguments: Any) -> Any:  # noqa: ANN401 - botocore's loader
        loader = create(*arguments)
        # Each session of boto3 adds its own folder once more.
        loader.search_paths[:] = dict.fromkeys(loader.search_paths)
        return loader

    session.create_loader = create_loader
