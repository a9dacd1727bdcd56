"""Listeners for the events of calls, one file each.

``LoggingListener`` needs no third-party package, and ``bedrock_resilience`` exports it, too. Each of the others has an
extra: ``[otel]``, ``[prometheus]``, ``[structlog]`` and ``[powertools]``. Nothing of them is imported before a
listener is made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bedrock_resilience._lazy import lazy_attributes
from bedrock_resilience.telemetry._logging import LoggingListener

if TYPE_CHECKING:
    from collections.abc import Callable

    from bedrock_resilience.telemetry._emf import EmfListener
    from bedrock_resilience.telemetry._opentelemetry import OpenTelemetryListener
    from bedrock_resilience.telemetry._prometheus import PrometheusListener
    from bedrock_resilience.telemetry._structlog import StructlogListener

__all__ = ["EmfListener", "LoggingListener", "OpenTelemetryListener", "PrometheusListener", "StructlogListener"]

_LAZY = {
    "EmfListener": "_emf",
    "OpenTelemetryListener": "_opentelemetry",
    "PrometheusListener": "_prometheus",
    "StructlogListener": "_structlog",
}

__getattr__: Callable[[str], object] = lazy_attributes(__name__, _LAZY)


def __dir__() -> list[str]:
    return __all__
