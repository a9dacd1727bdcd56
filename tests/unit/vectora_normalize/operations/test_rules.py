"""The table of rules, what the template makes of it, and which alarm rings in which situation."""

from __future__ import annotations

import json
import re
from collections.abc import Callable  # noqa: TC003 - dataclasses read the annotations
from dataclasses import dataclass
from pathlib import Path  # noqa: TC003 - as above
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bedrock_resilience import RetryPolicy
from support.alarms import evaluate, metric_of, rings
from support.answering import FunctionClient, client_error, extraction, tool_answer
from support.clients import NOW, FixedFetcher, configure, feed
from support.cloudformation import resources
from support.pages import ROOT
from vectora_normalize.contract import RunRequest
from vectora_normalize.operations.report import LogLine, assess, find_runs
from vectora_normalize.operations.rules import MIN_ATTEMPTS, MIN_ITEMS, RULES, AlarmRule
from vectora_normalize.pipeline import Dependencies, Invocation, RunSummary, run
from vectora_normalize.settings import Settings
from vectora_normalize.storage.objects import FolderStore

CLIENT = "client_profile: {client_id: small}\nsource_config:\n  source_bouquets_enabled: [all]\n"

STACK = resources(
    ROOT / "infra/s1-runtime.yaml", Env="dev", ConfigBucketName="c", DataBucketName="d", CodeBucketName="z"
)
ALARMS: dict[str, dict[str, Any]] = {
    part["Properties"]["AlarmName"].removeprefix("vectora-inbox-ingest-normalize-dev-"): part["Properties"]
    for part in STACK.values()
    if part["Type"] == "AWS::CloudWatch::Alarm"
}
numbers = st.integers(0, 1000)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.alarm)
def test_the_template_has_each_rule(rule: AlarmRule) -> None:
    alarm = ALARMS[rule.alarm]
    assert (alarm["Threshold"], alarm["ComparisonOperator"]) == (rule.limit, "GreaterThanThreshold")
    assert set(metric_of(alarm)) == {f"VectoraInbox/{name}" for name in (rule.metric, rule.over) if name}
    expressions = [one["Expression"] for one in alarm.get("Metrics", ()) if "Expression" in one]
    assert expressions == ([] if rule.expression is None else [rule.expression])


@given(numbers, numbers)
def test_the_metric_math_of_the_template_is_the_rule(part: int, total: int) -> None:
    for rule in RULES:
        if rule.over is None:
            counts = {rule.metric: float(part)}
        else:
            counts = {rule.metric: float(part), rule.over: float(total)}
            assert rule.expression is not None
            lower = {name.lower(): value for name, value in counts.items()}
            assert evaluate(rule.expression, lower) == rule.value(counts)
        metrics = {f"VectoraInbox/{name}": value for name, value in counts.items()}
        assert rings(ALARMS[rule.alarm], metrics) is (rule.breach(counts) is not None)


def test_a_rule_without_its_numbers_is_not_broken() -> None:
    for rule in RULES:
        assert rule.breach({}) is None
        assert rule.breach({rule.metric: 1e9}) is None or rule.over is None


def test_the_limits_are_those_of_the_contract() -> None:
    limits = {rule.alarm: rule.limit for rule in RULES if rule.limit}
    assert limits == {"retry-rate": 20, "failure-rate": 5, "duration": 240}
    assert MIN_ATTEMPTS == MIN_ITEMS == 20


@dataclass
class Day:
    """A system on which runs follow each other."""

    root: Path
    feeds: dict[str, list[str]]
    fails: Callable[[str], Exception | None] = lambda _: None
    client: str = CLIENT

    def run(self, number: int = 1, **settings: object) -> tuple[int, dict[str, float], RunSummary]:
        config, data = FolderStore(self.root / "config"), FolderStore(self.root / "data")
        configure(config, small=self.client)

        def answer(text: str) -> dict[str, Any]:
            if (error := self.fails(text)) is not None:
                raise error
            return tool_answer(extraction())

        dependencies = Dependencies(
            settings=Settings(
                config_bucket="c",
                data_bucket="d",
                policy=RetryPolicy(max_retries=1, base_delay=0.0),
                max_workers=1,
            ),
            config=config,
            data=data,
            fetcher=FixedFetcher(
                {f"https://{name}.example/feed": feed(*titles) for name, titles in self.feeds.items()}
            ),
            bedrock=FunctionClient(answer),
        )
        invocation = Invocation(now=NOW, request_id=f"r-{number}")
        summary = run(RunRequest(client_id="small", **settings), dependencies, invocation)  # type: ignore[arg-type]  # its fields
        return summary.answer()["statusCode"], dict(summary.counts), summary


def ringing(counts: dict[str, float], **others: float) -> set[str]:
    """The alarms of the stack that ring after a period with one run."""
    metrics = {f"VectoraInbox/{name}": value for name, value in counts.items()}
    metrics |= {f"AWS/Lambda/{name}": value for name, value in others.items()}
    return {name for name, alarm in ALARMS.items() if rings(alarm, metrics)}


def titles(count: int, word: str = "Item") -> list[str]:
    return [f"{word} {number} grows" for number in range(count)]


def denied(_: str) -> Exception:
    return client_error("AccessDeniedException", "not authorised", status=403)


def invalid(share: int) -> Callable[[str], Exception | None]:
    def fail(text: str) -> Exception | None:
        number = int(re.findall(r"\w+ (\d+) grows", text)[0])
        return client_error("ValidationException") if number < share else None

    return fail


def throttled_once(share: int) -> Callable[[str], Exception | None]:
    """The first attempt at each of the first items is throttled."""
    known: set[str] = set()

    def fail(text: str) -> Exception | None:
        title = re.findall(r"\w+ \d+ grows", text)[0]
        if int(title.split()[1]) >= share or title in known:
            return None
        known.add(title)
        return client_error("ThrottlingException", status=429)

    return fail


HOPELESS = CLIENT + "  content_filters: {min_word_count: 500}\n"


@pytest.mark.parametrize(
    ("situation", "day", "status", "alarms"),
    [
        ("all is well", {"feeds": {"one": titles(30), "two": []}}, 200, set[str]()),
        ("every call is denied", {"feeds": {"one": titles(3)}, "fails": denied}, 502, {"refused", "unstarted"}),
        ("one item with one retry", {"feeds": {"one": titles(1)}, "fails": throttled_once(1)}, 200, set[str]()),
        ("retries beyond the limit", {"feeds": {"one": titles(30)}, "fails": throttled_once(10)}, 200, {"retry-rate"}),
        ("failures beyond the limit", {"feeds": {"one": titles(30)}, "fails": invalid(2)}, 200, {"failure-rate"}),
        ("a failure within the limit", {"feeds": {"one": titles(30)}, "fails": invalid(1)}, 200, set[str]()),
        ("one of three fails", {"feeds": {"one": titles(3)}, "fails": invalid(1)}, 200, set[str]()),
        ("nothing is kept", {"feeds": {"one": titles(30)}, "client": HOPELESS}, 200, {"nothing-kept"}),
        ("all sources fail", {"feeds": dict[str, list[str]]()}, 502, {"refused"}),
    ],
)
def test_each_situation_has_its_answer_and_its_alarms(
    tmp_path: Path, situation: str, day: dict[str, Any], status: int, alarms: set[str]
) -> None:
    answered, counts, summary = Day(tmp_path, **day).run()
    if answered == 502:
        alarms = alarms | {"no-run"}
    assert (answered, ringing(counts)) == (status, alarms), situation
    assess_as_alarms(summary, alarms)


def assess_as_alarms(summary: RunSummary, alarms: set[str]) -> None:
    """``vectora-normalize report`` says of the run what the alarms say, from its report and from its metrics."""
    expected = len(alarms - {"no-run"}) - ({"refused", "unstarted"} <= alarms)  # a run without a result says it once
    runs = find_runs([LogLine("", summary.report)])
    assert len(assess(runs).breaches) == expected


def test_kept_items_dilute_nothing(tmp_path: Path) -> None:
    kept = Day(tmp_path, {"one": titles(97)})
    assert kept.run()[0] == 200
    after = Day(tmp_path, {"one": titles(97), "two": titles(3, "New")}, fails=denied)
    status, counts, summary = after.run(2)
    assert status == 502
    assert ringing(counts) == {"refused", "unstarted", "no-run"}
    assert (counts["ItemsReused"], counts["ItemsAsked"], counts["ItemsFailed"]) == (97, 1, 1)
    assert summary.items_key is not None, "what earlier runs paid for is delivered nevertheless"
    assert len(json.loads((tmp_path / "data" / summary.items_key).read_bytes())) == 97
    failing = Day(tmp_path, {"one": titles(97), "two": titles(30, "Newer")}, fails=invalid(3))
    status, counts, summary = failing.run(3)
    assert (status, ringing(counts)) == (200, {"failure-rate"})
    assess_as_alarms(summary, {"failure-rate"})


def test_items_that_are_given_up_count_as_no_failure(tmp_path: Path) -> None:
    day = Day(tmp_path, {"one": titles(30), "two": []}, fails=invalid(2))
    alarms = [ringing(day.run(number)[1]) for number in range(1, 5)]
    assert alarms == [{"failure-rate"}, set(), set(), set()], "two items asked again are no volume"
    assert day.run(5)[1]["ItemsGivenUp"] == 2


def test_a_source_that_fails_in_three_runs_in_a_row(tmp_path: Path) -> None:
    day = Day(tmp_path, {"one": titles(3)})
    results = [day.run(number) for number in (1, 2, 3)]
    assert [ringing(counts) for _, counts, _ in results] == [set(), set(), {"failing-sources"}]
    assert [source["failed_runs"] for source in results[2][2].report["sources"]] == [0, 3]
    assess_as_alarms(results[2][2], {"failing-sources"})
    day.feeds["two"] = titles(1, "Two")
    assert ringing(day.run(4)[1]) == set()


def test_a_dry_run_is_judged_by_no_alarm_and_is_no_run(tmp_path: Path) -> None:
    assert ringing(Day(tmp_path, {"one": titles(3)}, client=HOPELESS).run(dry_run=True)[1]) == {"no-run"}


@pytest.mark.parametrize(
    ("metrics", "alarm"),
    [
        ({"Errors": 1.0}, "errors"),
        ({"Throttles": 1.0}, "throttles"),
        ({"ConcurrentExecutions": 2.0}, "concurrency"),
    ],
)
def test_what_lambda_says_of_the_function(metrics: dict[str, float], alarm: str) -> None:
    assert ringing({"RunsCompleted": 1.0}, **metrics) == {alarm}
    assert ringing({"RunsCompleted": 1.0}, ConcurrentExecutions=1.0, Errors=0.0, Throttles=0.0) == set()


def test_no_run_today() -> None:
    assert ringing({}) == {"no-run"}


def others(template: str, **parameters: object) -> dict[str, dict[str, Any]]:
    stack = resources(ROOT / "infra" / template, Env="prod", **parameters)
    found = [part["Properties"] for part in stack.values() if part["Type"] == "AWS::CloudWatch::Alarm"]
    return {alarm["AlarmName"].partition("-prod-")[2]: alarm for alarm in found}


@pytest.mark.parametrize(
    ("metrics", "alarms"),
    [
        ({"AWS/SQS/ApproximateAgeOfOldestMessage": 3601}, {"message-age"}),
        ({"AWS/SQS/ApproximateAgeOfOldestMessage": 3600}, set[str]()),
        ({"AWS/SQS/ApproximateNumberOfMessagesVisible": 1}, {"dead-letters"}),
        ({"AWS/Lambda/Errors": 1}, {"worker-errors"}),
        ({"AWS/Lambda/Throttles": 1}, {"worker-throttles"}),
        (dict[str, float](), set[str]()),
    ],
)
def test_the_alarms_of_the_workers(metrics: dict[str, float], alarms: set[str]) -> None:
    names = ("ConfigBucketName", "DataBucketName", "CodeBucketName", "DispatcherRoleName")
    stack = others("s2-scale.yaml", **dict.fromkeys(names, "x"))
    assert {name for name, alarm in stack.items() if rings(alarm, metrics)} == alarms


@pytest.mark.parametrize(
    ("metrics", "alarms"),
    [
        ({"AWS/States/ExecutionsFailed": 1}, {"failed-executions"}),
        ({"AWS/States/ExecutionsTimedOut": 1}, {"failed-executions"}),
        ({"AWS/States/ExecutionsAborted": 1}, {"failed-executions"}),
        ({"VectoraInbox/Logs/FailedChildren-prod": 1}, {"failed-children"}),
        (dict[str, float](), set[str]()),
    ],
)
def test_the_alarms_of_the_executions(metrics: dict[str, float], alarms: set[str]) -> None:
    stack = others("s3-orchestrated.yaml", FunctionArn="arn")
    assert {name for name, alarm in stack.items() if rings(alarm, metrics)} == alarms
