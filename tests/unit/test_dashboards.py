"""The dashboards: every metric, label and dimension that they name is one that the listeners emit."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

import pytest
from cfnlint.api import lint_file  # pyright: ignore[reportMissingTypeStubs] - it has none

from bedrock_resilience import NoJitter, Quota, QuotaPacer, Retrier, RetryPolicy
from bedrock_resilience._fault import THROTTLES
from bedrock_resilience.quotas import RequestTokens
from bedrock_resilience.retrying import CallInfo
from bedrock_resilience.telemetry import EmfListener
from bedrock_resilience.telemetry._measurements import INSTRUMENTS
from bedrock_resilience.testing import FakeClock, scripted, throttling_error
from support.cloudformation import resources
from support.pages import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

DASHBOARDS: Final = ROOT / "infra" / "dashboards"
CLOUDWATCH: Final = DASHBOARDS / "cloudwatch.yaml"
ANSWER: Final = {"usage": {"inputTokens": 100, "outputTokens": 20, "totalTokens": 120}}


@pytest.fixture(scope="module")
def grafana() -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads((DASHBOARDS / "grafana.json").read_text("utf-8"))
    return parsed


def queries(dashboard: dict[str, Any]) -> Iterator[str]:
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            yield target["expr"]
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["definition"]


def exposed() -> dict[str, set[str]]:
    """The names of the samples in Prometheus, with their labels."""
    names: dict[str, set[str]] = {}
    for instrument in INSTRUMENTS:
        labels = {attribute.replace(".", "_") for attribute in instrument.attributes}
        name = instrument.name.replace(".", "_")
        if instrument.kind == "counter":
            names[f"{name}_total"] = labels
        elif instrument.kind == "gauge":
            names[name] = labels
        else:
            names |= {
                f"{name}_seconds_sum": labels,
                f"{name}_seconds_count": labels,
                f"{name}_seconds_bucket": {*labels, "le"},
            }
    return names


class TestGrafana:
    def test_every_metric_and_label_is_emitted(self, grafana: dict[str, Any]) -> None:
        names = exposed()
        for query in queries(grafana):
            found = re.findall(r"\b(bedrock_resilience_\w+?)(?:\{([^}]*)\}|,)", query)
            assert found, query
            for name, selector in found:
                assert name in names, query
                assert set(re.findall(r"(\w+)=", selector)) <= names[name], query
            grouped = {label for labels in re.findall(r"by \(([^)]*)\)", query) for label in labels.split(", ")}
            assert grouped <= set[str]().union(*names.values()), query

    def test_every_metric_is_shown(self, grafana: dict[str, Any]) -> None:
        text = " ".join(queries(grafana))
        assert all(instrument.name.replace(".", "_") in text for instrument in INSTRUMENTS)

    def test_throttles_are_those_of_the_library(self, grafana: dict[str, Any]) -> None:
        (faults,) = {found for query in queries(grafana) for found in re.findall(r'error_type=~"([^"]*)"', query)}
        assert set(faults.split("|")) == {fault.value for fault in THROTTLES}

    def test_panels_have_a_title_a_text_and_a_place_of_their_own(self, grafana: dict[str, Any]) -> None:
        panels = grafana["panels"]
        assert all(panel["title"] and panel["description"] for panel in panels)
        assert len({panel["id"] for panel in panels}) == len(panels)
        cells = [
            (x, y)
            for panel in panels
            for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
            for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
        ]
        assert len(set(cells)) == len(cells)
        assert max(x for x, _ in cells) < 24


@pytest.fixture(scope="module")
def widgets() -> list[dict[str, Any]]:
    dashboard = resources(CLOUDWATCH)["Dashboard"]
    found: list[dict[str, Any]] = json.loads(dashboard["Properties"]["DashboardBody"])["widgets"]
    return found


class TestCloudWatch:
    def test_cloudformation_accepts_the_template(self) -> None:
        assert [str(problem) for problem in lint_file(CLOUDWATCH)] == []

    def test_every_metric_and_dimension_is_emitted(
        self, widgets: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
    ) -> None:
        Retrier(
            RetryPolicy(jitter=NoJitter()),
            clock=FakeClock(),
            pacer=QuotaPacer(Quota(requests_per_minute=60, tokens_per_minute=6_000)),
            listeners=[EmfListener()],
            tokens=RequestTokens(100, 200),
            info=CallInfo(operation="Converse", model="m"),
        ).call(scripted(throttling_error(), ANSWER))
        (directive,) = json.loads(capsys.readouterr().out)["_aws"]["CloudWatchMetrics"]
        expressions = [metric["expression"] for widget in widgets for (metric,) in widget["properties"]["metrics"]]
        search = re.compile(r"SEARCH\('\{([^}]*)\} service=\"(\w+)\" MetricName=\"(\w+)\"'")
        searches = [found for expression in expressions for found in search.findall(expression)]
        schema = ",".join([directive["Namespace"], *directive["Dimensions"][0]])
        assert {(found, service) for found, service, _ in searches} == {(schema, "bedrock")}
        assert {name for *_, name in searches} == {metric["Name"] for metric in directive["Metrics"]}

    def test_an_expression_refers_to_the_metrics_of_its_own_widget(self, widgets: list[dict[str, Any]]) -> None:
        for widget in widgets:
            metrics = [metric for (metric,) in widget["properties"]["metrics"]]
            ids = {metric["id"] for metric in metrics}
            assert len(ids) == len(metrics)
            for metric in metrics:
                if "SEARCH" not in metric["expression"]:
                    assert set(re.findall(r"\b[a-z]\w*", metric["expression"])) <= ids
