"""What CloudWatch sees: JSON log lines, and metrics in the embedded metric format.

A log line is a JSON object whose `message` is the line as it was written, accents included: the metric filters on the
contract's two French lines match inside it. Metrics are one JSON line a run, without a call to any service.
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
"""Name of this function in every log line and metric."""

NAMESPACE: Final = "VectoraInbox"
"""Namespace of the metrics; the alarms are on it."""

_LONGEST_DIMENSION: Final = 1024
# The libraries below us log under their own names; what they say about a call belongs to the run as well.
_LOGGERS: Final = ("vectora_normalize", "bedrock_resilience")


class _StandardOutput(logging.StreamHandler[TextIO]):
    """Writes to whatever standard output is at the moment, as Lambda and tests replace it."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride] - computed, not kept
        return sys.stdout


def configure_logging(level: str, **keys: str | None) -> None:
    """Log as JSON lines from `level` on, each with the keys that are not None.

    Called at the beginning of an invocation; the keys of the one before are gone then.

    Args:
        level: A level's name, such as `INFO`.
        keys: What every line tells, such as `request_id`.
    """
    formatter: Any = LambdaPowertoolsFormatter(utc=True, use_rfc3339=True, serialize_stacktrace=False)
    formatter.append_keys(service=SERVICE, **{name: value for name, value in keys.items() if value is not None})
    handler = _StandardOutput()
    handler.setFormatter(formatter)
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.setLevel(level)
        # The root logger's handler, which Lambda installs, would write the line once more, and filters count lines.
        logger.propagate = False


def emit_metrics(counts: Mapping[str, float], *, dimensions: Mapping[str, str], properties: Mapping[str, Any]) -> None:
    """Write one line of metrics.

    Args:
        counts: Name to value. Names that end in `Seconds` are durations, those in `Rate` percentages from 0 to 100,
            all others counts.
        dimensions: What the metrics can be parted by. Each combination of values is a metric that is paid for, so
            nothing here that has many values.
        properties: What else the line tells, for queries over the log.
    """
    provider = AmazonCloudWatchEMFProvider(namespace=NAMESPACE, service=SERVICE)
    for name, value in dimensions.items():
        provider.add_dimension(name=name, value=value)
    for name, told in properties.items():
        provider.add_metadata(key=name, value=told)
    for name, count in counts.items():
        provider.add_metric(name=name, unit=_unit(name), value=count)
    provider.flush_metrics()


def emit_by_source(
    by_source: Mapping[str, Mapping[str, float]], *, dimensions: Mapping[str, str], properties: Mapping[str, Any]
) -> None:
    """Write one line of metrics for each source, with the dimension `Source` beside the others.

    Args:
        by_source: Key of the source to its counts.
        dimensions: As those of `emit_metrics`.
        properties: As those of `emit_metrics`.
    """
    for key, counts in by_source.items():
        # CloudWatch takes 1,024 characters of ASCII for the value of a dimension, and drops a line with anything else.
        source = key.encode("ascii", "backslashreplace").decode("ascii")[:_LONGEST_DIMENSION]
        emit_metrics(counts, dimensions={**dimensions, "Source": source}, properties=properties)


def _unit(name: str) -> MetricUnit:
    if name.endswith("Seconds"):
        return MetricUnit.Seconds
    return MetricUnit.Percent if name.endswith("Rate") else MetricUnit.Count
