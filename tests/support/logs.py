"""Restore the loggers of the process, which the handler under test sets up."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator

_NAMES = ("vectora_normalize", "bedrock_resilience")


@contextlib.contextmanager
def restored_loggers() -> Generator[None]:
    """Undo whatever the block does to the loggers of both packages."""
    loggers = [logging.getLogger(name) for name in _NAMES]
    before = [(logger.handlers, logger.level, logger.propagate) for logger in loggers]
    try:
        yield
    finally:
        for logger, (handlers, level, propagate) in zip(loggers, before, strict=True):
            logger.handlers, logger.propagate = handlers, propagate
            logger.setLevel(level)
