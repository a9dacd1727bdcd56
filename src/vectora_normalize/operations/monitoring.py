"""The output for CloudWatch: JSON log lines, and metrics in the embedded metric format.

A log line is a JSON object. Its ``message`` is the line as it was written, accents included, because the metric filters
on the contract's two French lines match inside it. The metrics of a run are one JSON line and cost no request.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any, Final, TextIO

from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.metrics.provider.cloudwatch_emf.cloudwatch import AmazonCloudWatchEMFProvider

if TYPE_CHECKING:
    from collections.abc import Mapping

SERVICE: Final = "ingest-normalize"
"""The name of this function in every log line and metric."""

NAMESPACE: Final = "VectoraInbox"
"""The namespace of the metrics, which the alarms watch."""

_MAX_DIMENSION_CHARACTERS: Final = 1024
# The library logs under its own name; its lines about a call belong to the run as well.
_LOGGERS: Final = ("vectora_normalize", "bedrock_resilience")


class _StandardOutput(logging.StreamHandler[TextIO]):
    """Writes to the current standard output: Lambda and tests replace it."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride] - computed, not stored
        return sys.stdout


def configure_logging(level: str, **keys: str | None) -> None:
    """Log JSON lines of ``level`` and above, each with the given keys.

    An invocation calls it when it begins; the keys of the previous invocation are dropped.

    Args:
        level: The name of a level, such as ``INFO``.
        keys: The keys of every line, such as ``request_id``; those that are None are left out.
    """
    formatter: Any = LambdaPowertoolsFormatter(utc=True, use_rfc3339=True, serialize_stacktrace=False)
    formatter.append_keys(service=SERVICE, **{name: value for name, value in keys.items() if value is not None})
    handler = _StandardOutput()
    handler.setFormatter(formatter)
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.setLevel(level)
        # The handler that Lambda installs on the root logger would write each line again, and filters count lines.
        logger.propagate = False


def emit_metrics(counts: Mapping[str, float], *, dimensions: Mapping[str, str], properties: Mapping[str, Any]) -> None:
    """Write one line of metrics.

    Args:
        counts: Name to value. Names that end in ``Seconds`` are durations, those that end in ``Rate`` percentages from
            0 to 100, all others counts.
        dimensions: The dimensions of the metrics. Each combination of values is billed as a metric of its own, so no
            dimension may have many values.
        properties: Further fields of the line, for queries over the log.
    """
    provider = AmazonCloudWatchEMFProvider(namespace=NAMESPACE, service=SERVICE)
    for name, value in dimensions.items():
        provider.add_dimension(name=name, value=value)
    for name, field in properties.items():
        provider.add_metadata(key=name, value=field)
    for name, count in counts.items():
        provider.add_metric(name=name, unit=_unit(name), value=count)
    provider.flush_metrics()


def emit_by_source(
    by_source: Mapping[str, Mapping[str, float]], *, dimensions: Mapping[str, str], properties: Mapping[str, Any]
) -> None:
    """Write one line of metrics for each source, with the additional dimension ``Source``.

    Args:
        by_source: Source key to the counts of the source.
        dimensions: As in ``emit_metrics``.
        properties: As in ``emit_metrics``.
    """
    for key, counts in by_source.items():
        # CloudWatch accepts up to 1,024 ASCII characters as the value of a dimension, and drops a line with any other.
        source = key.encode("ascii", "backslashreplace").decode("ascii")[:_MAX_DIMENSION_CHARACTERS]
        emit_metrics(counts, dimensions={**dimensions, "Source": source}, properties=properties)


def _unit(name: str) -> MetricUnit:
    if name.endswith("Seconds"):
        return MetricUnit.Seconds
    return MetricUnit.Percent if name.endswith("Rate") else MetricUnit.Count
