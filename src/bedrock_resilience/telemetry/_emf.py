"""EmfListener: one line of CloudWatch metrics for each call, in the embedded metric format, written by Powertools."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bedrock_resilience._checks import instance, refuse
from bedrock_resilience.retrying._events import CallCancelled, CallFailed, CallSucceeded
from bedrock_resilience.telemetry._measurements import import_extra

if TYPE_CHECKING:
    from bedrock_resilience.retrying._events import Event

# CloudWatch accepts up to 1,024 ASCII characters as the value of a dimension, and drops a line with any other.
_MAX_DIMENSION_CHARACTERS: Final = 1024


class EmfListener:
    """Writes the numbers of each call as CloudWatch metrics. Needs the extra ``[powertools]``.

    Each call writes one JSON line on the standard output when it ends. CloudWatch Logs makes metrics of it:
    ``Attempts``, ``Retries``, ``Throttles``, ``FailedCalls`` (0 or 1), ``BackoffSeconds`` and ``PacingSeconds``. If the
    tokens are known, it also has ``TokensReserved``, ``TokensSettled`` and ``TokensUnused``. If the pacer states them,
    it has ``PacerRequestRate``, ``PacerTokenRate``, ``QuotaRequestLimit``, ``QuotaTokenLimit`` (a minute) and
    ``PacerConfidence`` (0 to 1).

    The dimensions are ``service``, ``Model`` and ``Operation``: each combination is billed as a metric of its own. The
    id of the call, its Region and the fault are fields of the line, for queries over the log.

    Args:
        namespace: The namespace of the metrics.
        service: The value of the dimension ``service``.

    Raises:
        TypeError: An argument is not a string, such as a ``Metrics`` of Powertools. No event could be written.
        ModuleNotFoundError: ``aws-lambda-powertools`` is not installed.
    """

    def __init__(self, namespace: str = "BedrockResilience", service: str = "bedrock") -> None:
        refuse(
            "EmfListener",
            instance("namespace", namespace, str, "the name of a namespace"),
            instance("service", service, str, "a string"),
        )
        module = "aws_lambda_powertools.metrics.provider.cloudwatch_emf.cloudwatch"
        self._make = import_extra(type(self).__name__, module, "powertools").AmazonCloudWatchEMFProvider
        self._namespace = namespace
        self._service = service

    def __call__(self, event: Event) -> None:
        """Write the line of a call that has ended."""
        if not isinstance(event, CallSucceeded | CallFailed | CallCancelled):
            return
        line = self._make(namespace=self._namespace, service=self._service)
        line.add_dimension(name="Model", value=_dimension(event.model))
        line.add_dimension(name="Operation", value=_dimension(event.operation))
        line.add_metadata(key="call_id", value=event.call_id)
        for name, field in (("region", event.region), ("fault", None if event.fault is None else event.fault.value)):
            if field is not None:
                line.add_metadata(key=name, value=field)
        for name, value in _numbers(event).items():
            if value is not None:
                line.add_metric(name=name, unit=_unit(name), value=value)
        line.flush_metrics()

    def __repr__(self) -> str:
        return f"EmfListener({self._namespace!r}, {self._service!r})"


def _numbers(event: CallSucceeded | CallFailed | CallCancelled) -> dict[str, float | None]:
    usage, pacer = event.token_usage, event.pacer
    numbers: dict[str, float | None] = {
        "Attempts": event.attempts,
        "Retries": event.retries,
        "Throttles": event.throttles,
        "FailedCalls": 0 if isinstance(event, CallSucceeded) else 1,
        "BackoffSeconds": event.backoff_seconds,
        "PacingSeconds": event.pacing_seconds,
    }
    if usage is not None:
        numbers |= {"TokensReserved": usage.reserved, "TokensSettled": usage.settled, "TokensUnused": usage.unused}
    if pacer is not None:
        numbers |= {
            "PacerRequestRate": pacer.requests_per_minute,
            "PacerTokenRate": pacer.tokens_per_minute,
            "QuotaRequestLimit": pacer.request_limit,
            "QuotaTokenLimit": pacer.token_limit,
            "PacerConfidence": pacer.confidence,
        }
    return numbers


def _dimension(value: str | None) -> str:
    """Return the value of a dimension; a line without one would be another metric."""
    return (value or "unknown").encode("ascii", "backslashreplace").decode("ascii")[:_MAX_DIMENSION_CHARACTERS]


def _unit(name: str) -> str:
    if name.endswith("Seconds"):
        return "Seconds"
    return "None" if name == "PacerConfidence" else "Count"
