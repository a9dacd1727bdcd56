"""PrometheusListener: attempts, waits and quota as metrics of Prometheus.

Names and labels are those that the exporters of OpenTelemetry make of the same metrics, so that one dashboard shows
both: dots become underscores, and seconds and totals are suffixes of the name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bedrock_resilience._checks import has_methods, refuse
from bedrock_resilience.telemetry._measurements import (
    AWS_BEDROCK,
    INSTRUMENTS,
    import_extra,
    measurements,
)

if TYPE_CHECKING:
    from bedrock_resilience.retrying._events import Event
    from bedrock_resilience.telemetry._measurements import Instrument


class PrometheusListener:
    """Counts attempts, waits and quota for Prometheus. Needs the extra ``[prometheus]``.

    The metrics are ``bedrock_resilience_attempts_total``, ``bedrock_resilience_wait_duration_seconds``,
    ``bedrock_resilience_quota_tokens_total``, ``bedrock_resilience_quota_limit``, ``bedrock_resilience_pacer_rate`` and
    ``bedrock_resilience_pacer_confidence``. Make one listener for a registry, and share it: a registry refuses a second
    metric of the same name.

    Args:
        registry: Where the metrics are registered; None: in the default registry of ``prometheus_client``.
        provider: The value of the label ``gen_ai_provider_name``.

    Raises:
        ModuleNotFoundError: ``prometheus-client`` is not installed.
        TypeError: ``registry`` is no registry.
        ValueError: The registry has these metrics already.
    """

    def __init__(self, registry: Any = None, *, provider: str = AWS_BEDROCK) -> None:  # noqa: ANN401 - a CollectorRegistry of a package that may be missing
        accepted = "a CollectorRegistry of prometheus_client, or None"
        refuse("PrometheusListener", has_methods("registry", registry, ("register",), accepted, optional=True))
        client = import_extra(type(self).__name__, "prometheus_client", "prometheus")
        self._provider = provider
        registry = client.REGISTRY if registry is None else registry
        self._metrics: dict[Instrument, Any] = {each: _metric(client, registry, each) for each in INSTRUMENTS}

    def __call__(self, event: Event) -> None:
        """Count an event."""
        for measurement in measurements(event, self._provider):
            instrument, given = measurement.instrument, measurement.attributes
            # A label cannot be left out; an empty one is the same to a query.
            metric = self._metrics[instrument].labels(*[given.get(name, "") for name in instrument.attributes])
            if instrument.kind == "counter":
                metric.inc(measurement.value)
            elif instrument.kind == "gauge":
                metric.set(measurement.value)
            else:
                metric.observe(measurement.value)

    def __repr__(self) -> str:
        return f"PrometheusListener(provider={self._provider!r})"


def _metric(client: Any, registry: Any, instrument: Instrument) -> Any:  # noqa: ANN401 - of a package that may be missing
    name = instrument.name.replace(".", "_") + ("_seconds" if instrument.unit == "s" else "")
    labels = [attribute.replace(".", "_") for attribute in instrument.attributes]
    if instrument.kind == "histogram":
        return client.Histogram(name, instrument.description, labels, registry=registry, buckets=instrument.buckets)
    make = client.Counter if instrument.kind == "counter" else client.Gauge
    return make(name, instrument.description, labels, registry=registry)
