"""Log lines and run reports as the Lambda writes them."""

from __future__ import annotations

import contextlib
import io
import json
import logging
from typing import TYPE_CHECKING, Any

from support.logs import restored_loggers
from vectora_normalize.operations.monitoring import configure_logging, emit_metrics

if TYPE_CHECKING:
    from collections.abc import Callable

RETRY = "ThrottlingException détectée (tentative 1/4). Retry dans 0.52s..."
ABANDONED = "ThrottlingException - Échec après 4 tentatives. Abandon de l'appel Bedrock."


def written(write: Callable[[logging.Logger], object], request_id: str = "r-1") -> list[str]:
    """The lines that the Lambda's logging configuration writes for what ``write`` logs."""
    with restored_loggers(), contextlib.redirect_stdout(io.StringIO()) as out:
        configure_logging("INFO", request_id=request_id, client_id="lai_weekly")
        write(logging.getLogger("vectora_normalize.normalize.batch"))
    return out.getvalue().splitlines()


def lines(*messages: str, request_id: str = "r-1") -> list[str]:
    """Log lines with these messages."""

    def write(logger: logging.Logger) -> None:
        for message in messages:
            logger.warning(message)

    return written(write, request_id)


def metrics(request_id: str = "r-1", **counts: float) -> str:
    """A line of metrics; counts are 0 by default."""
    names = ("Attempts", "Retries", "Throttles", "ItemsNormalized", "ItemsFailed", "ItemsUnstarted", "DurationSeconds")
    with contextlib.redirect_stdout(io.StringIO()) as out:
        emit_metrics(
            {**dict.fromkeys(names, 0.0), **counts},
            dimensions={"Environment": "dev"},
            properties={"request_id": request_id},
        )
    return out.getvalue().strip()


def run_report(request_id: str = "r-1", seconds: float = 100.0, **bedrock: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """The parts of a run report that are read."""
    numbers: dict[str, Any] = {
        "attempts": 0,
        "retries": 0,
        "throttles": 0,
        "submitted": 0,
        "failed": 0,
        "faults": {},
        **bedrock,
    }
    return {"request_id": request_id, "seconds": {"total": seconds}, "bedrock": numbers, "items": []}


def as_json(value: object) -> bytes:
    """The content of a JSON file."""
    return json.dumps(value, ensure_ascii=False).encode()
