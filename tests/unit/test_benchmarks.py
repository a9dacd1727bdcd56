"""The benchmarks run and compare what they claim to. No test here depends on a duration."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest
from benchmarks import cold_start, moto_side_by_side, protect
from benchmarks.core import calls, executor, imports, memory, sdk
from benchmarks.core.__main__ import Target, targets
from benchmarks.core.measuring import Measured, best, sleepless, typical
from benchmarks.normalize import throughput
from botocore.exceptions import ClientError

from bedrock_resilience.clock import SYSTEM_CLOCK
from support.pages import ROOT
from vectora_normalize.sources.parse.feeds import parse_feed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.mark.parametrize("measure", [calls.succeeding, calls.retried])
def test_calls_are_compared_with_the_loop_by_hand_and_the_neighbours(measure: Callable[[int, int], Measured]) -> None:
    measured = measure(2, 1)
    assert measured.baseline == calls.BY_HAND
    assert {calls.OURS, calls.TENACITY, calls.STAMINA, calls.BACKOFF} < measured.costs.keys()
    assert all(cost >= 0 for cost in measured.costs.values())


def test_every_variant_makes_the_same_attempts() -> None:
    with sleepless():
        for name in calls.ways(calls.answer):
            attempts: list[None] = []

            def throttled_twice(attempts: list[None] = attempts) -> int:
                attempts.append(None)
                if len(attempts) < 3:
                    raise ClientError(calls.THROTTLED, "Converse")
                return 42

            assert calls.ways(throttled_twice)[name]() == 42, name
            assert len(attempts) == 3, name


def test_no_variant_retries_other_errors() -> None:
    def fails() -> int:
        raise LookupError

    for name, way in calls.ways(fails).items():
        with pytest.raises(LookupError):
            way()
        assert name


@pytest.mark.parametrize("measure", [sdk.succeeding, sdk.retried])
def test_boto3_calls_are_compared_with_botocores_standard_mode(measure: Callable[[int, int], Measured]) -> None:
    measured = measure(1, 1)
    assert {sdk.ALONE, sdk.OURS, sdk.STANDARD} < measured.costs.keys()


@pytest.mark.parametrize("every", [0, 2])
def test_every_variant_of_a_boto3_call_is_answered(every: int) -> None:
    with sleepless():
        for way in sdk.ways(every).values():
            answer = way()
            assert isinstance(answer, dict)
            assert answer["stopReason"] == "end_turn"


@pytest.mark.nightly  # processes that import: five seconds
def test_imports_are_compared_with_tenacitys() -> None:
    statements = (imports.RETRY_POLICY, imports.TENACITY)
    for measured in (imports.alone(1, statements), imports.on_top_of_boto3(1, statements)):
        assert measured.costs.keys() == set(statements)
        assert measured.baseline == imports.TENACITY


def test_items_are_compared_with_the_standard_librarys_pool() -> None:
    measured = executor.an_item(items=20, rounds=1)
    assert list(measured.costs) == [executor.MAP, executor.RUN, executor.STREAM]
    assert measured.baseline == executor.MAP


def test_memory_is_measured_twice() -> None:
    stream, pool = memory.streamed(400, 100), memory.mapped(400, 100)
    assert stream.blocks_grown < 400 < pool.blocks_grown  # a future an item, and what belongs to it
    assert stream.peak_grown >= 0
    assert str(stream).split()[:3] == ["BoundedExecutor.stream", "400", "items"]


def test_variants_alternate_and_the_best_round_counts() -> None:
    order: list[str] = []
    costs = best({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, calls=2, rounds=2)
    assert order == ["a", "a", "b", "b"] * 2
    assert costs.keys() == {"a", "b"}
    ticks = iter([0.0, 8.0, 100.0, 104.0])
    assert best({"a": lambda: None}, calls=2, rounds=2, timer=ticks.__next__) == {"a": 2.0}


def test_the_median_round_counts_where_threads_wait_for_each_other() -> None:
    ticks = iter([0.0, 1.0, 10.0, 17.0, 20.0, 23.0])
    assert typical({"a": lambda: None}, calls=1, rounds=3, timer=ticks.__next__) == {"a": 3.0}


def test_no_time_is_slept() -> None:
    with sleepless():
        SYSTEM_CLOCK.sleep(3_600)


def test_a_table_shows_costs_and_ratios() -> None:
    measured = Measured("A call", "µs", {"by hand": 2.0, "ours": 5.0}, "by hand")
    assert measured.ratio("ours") == 2.5
    assert measured.ratio("by hand", "ours") == 0.4
    assert str(measured).splitlines()[0] == "A call"
    assert str(measured).splitlines()[2].split() == ["ours", "5.00", "µs", "2.50", "x"]


def test_the_limits_of_the_targets() -> None:
    call = Measured("", "µs", {calls.BY_HAND: 1.0, calls.OURS: 2.0, calls.TENACITY: 6.1}, calls.BY_HAND)
    whole = Measured("", "µs", {sdk.ALONE: 199.0}, sdk.ALONE)
    alone = Measured("", "ms", {imports.RETRY_POLICY: 1.0, imports.TENACITY: 4.0}, imports.TENACITY)
    item = Measured("", "µs", {executor.MAP: 4.0, executor.RUN: 5.0}, executor.MAP)
    growth = memory.Growth("stream", 1_000_000, 10_000, (100, 200), (10, 10))
    found = targets(call, whole, alone, item, growth)
    assert [(target.limit, target.met) for target in found] == [
        (1 / 3, True),
        (0.01, False),
        (0.8, True),
        (1.0, False),
        (0.001, True),
    ]


def test_the_page_shows_every_variant_and_every_target() -> None:
    page = (ROOT / "docs" / "explanation" / "benchmarks.md").read_text("utf-8")
    shown = [calls.ways(calls.answer), sdk.ways(0), imports.STATEMENTS, [executor.MAP, executor.RUN, executor.STREAM]]
    assert [name for ways in shown for name in ways if name not in page] == []
    one = Measured("", "", dict.fromkeys([calls.OURS, calls.TENACITY], 1.0), calls.OURS)
    whole = Measured("", "", {sdk.ALONE: 1.0}, sdk.ALONE)
    alone = Measured("", "", dict.fromkeys([imports.RETRY_POLICY, imports.TENACITY], 1.0), imports.TENACITY)
    item = Measured("", "", dict.fromkeys([executor.RUN, executor.MAP], 1.0), executor.MAP)
    all_targets = targets(one, whole, alone, item, memory.Growth("", memory.ITEMS, 1, (0, 0), (0, 0)))
    assert [target.name for target in all_targets if f"| {target.name} | {target.limit:g} |" not in page] == []


def test_the_feeds_of_a_run_have_its_items(tmp_path: Path) -> None:
    throughput.write_feeds(tmp_path, dt.date(2026, 11, 21))
    files = sorted(tmp_path.glob("*/feed.xml"))
    documents = [parse_feed(file.read_bytes(), base="https://wire.example/feed.xml") for file in files]
    entries = [entry for document in documents for entry in document.entries]
    assert (len(files), len(entries)) == (throughput.SOURCES, throughput.ITEMS)
    assert {entry.published for entry in entries} == {dt.date(2026, 11, 21)}
    assert len({entry.summary for entry in entries}) == throughput.ITEMS
    assert [document.problems for document in documents if document.problems] == []


@pytest.mark.parametrize(("ours", "code"), [(1.4, 0), (1.6, 1)])
def test_a_cold_start_is_judged_by_the_processor(ours: float, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    def steps(processor: float) -> list[list[float]]:
        return [[9.0, processor / 2], [9.0, processor / 2], [1.0, 0.1]]  # wall and processor of each step

    with pytest.raises(SystemExit) as ended:
        cold_start.show({"bare": [steps(1.0)] * 3, "ours": [steps(ours)] * 3}, limit=1.5)
    assert ended.value.code == code
    assert f"{ours:.2f} times the processor of the bare handler's (at most 1.5)" in capsys.readouterr().out


def test_a_missed_target_is_marked() -> None:
    assert str(Target("an item", 1.25, 1.0)).split() == ["MISSED", "an", "item", "1.250", "(limit", "1)"]
    assert str(Target("an item", 1.0, 1.0)).split()[0] == "met"


def test_protected_clients_are_compared_with_plain_ones() -> None:
    for measured in (
        protect.without_network(calls=2, rounds=1),
        protect.over_loopback(calls=2, rounds=1),
        protect.over_loopback(throttles=1, calls=2, rounds=1),
    ):
        assert measured.baseline == sdk.ALONE
        assert measured.costs.keys() == {sdk.ALONE, protect.PROTECTED, protect.PACED, sdk.STANDARD}
        assert all(cost >= 0 for cost in measured.costs.values())


def test_the_share_of_protection_is_of_the_whole_call() -> None:
    bare = Measured("bare", "µs", {sdk.ALONE: 500.0, protect.PROTECTED: 510.0}, sdk.ALONE)
    whole = Measured("whole", "µs", {sdk.ALONE: 1_000.0, protect.PROTECTED: 900.0}, sdk.ALONE)
    assert protect.added_share(bare, whole) == pytest.approx(0.01)


class TestMotoSideBySide:
    @pytest.mark.nightly  # moto's server beside ours
    def test_each_call_is_judged_on_both_servers(self) -> None:
        chosen = moto_side_by_side.cases([moto_side_by_side.CLAUDE])
        results = moto_side_by_side.compare(chosen)
        assert [case for case, _, _ in results] == chosen
        assert {case.operation for case, ours, _ in results if ours.verdict == "not implemented"} == {
            "CreateModelInvocationJob",
            "GetModelInvocationJob",
            "ListModelInvocationJobs",
            "StopModelInvocationJob",
        }
        assert [(case.operation, str(ours)) for case, ours, _ in results if ours.verdict == "wrong"] == []
        verdicts = {(case.operation, moto.verdict) for case, _, moto in results}
        assert ("Converse", "not implemented") in verdicts or ("Converse", "works") in verdicts
        assert all(moto.verdict == "works" or moto.reason for _, _, moto in results)

    def test_the_table_counts_the_calls(self) -> None:
        works, wrong = moto_side_by_side.Result("works"), moto_side_by_side.Result("wrong", "no text")
        results = [(case, works, wrong) for case in moto_side_by_side.cases()]
        lines = moto_side_by_side.counts(results).splitlines()
        assert lines[0].startswith(f"| {len(results)} calls |")
        assert [line.split("|")[2:-1] for line in lines[2:]] == [
            [f" {len(results)} ", " 0 ", " 0 "],
            [" 0 ", f" {len(results)} ", " 0 "],
        ]
        assert "| Converse | 12 | works | wrong: no text |" in moto_side_by_side.table(results)
        assert len(results) == 61  # docs/how-to/emulator.md says so
