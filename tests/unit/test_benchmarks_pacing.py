"""The benchmark of pacing that is told nothing: its cells, its targets, its table."""

from __future__ import annotations

import math

import pytest
from benchmarks.pacing import mantle, metastable, readings
from benchmarks.pacing.readings import ADAPTIVE, BOTOCORE, FIRST, ONE, SECOND, SHARED, TOLD, TOLD_SHARED, Cell, Job, Run

from bedrock_resilience.quotas import quota_reading
from bedrock_resilience.simulation import LoadScenario


def cell(throttled: float = 0.0, ratio: float = 1.0, lost: int = 0, way: str = ADAPTIVE) -> Cell:
    return Cell(ONE, "fixed", way, (Run(throttled, ratio, lost, 1.25, None), Run(throttled, ratio, 0, 1.5, 20.0)))


@pytest.mark.parametrize(
    ("way", "rows"),
    [
        (ADAPTIVE, {ADAPTIVE}),
        (SHARED, {FIRST, SECOND}),
        (BOTOCORE, {BOTOCORE}),
        (TOLD, {TOLD}),
        (TOLD_SHARED, {TOLD_SHARED}),
    ],
)
def test_each_way_is_simulated_under_a_reading(way: str, rows: set[str]) -> None:
    found = readings.run(Job(ONE, "sliding", way, 1))
    assert found.keys() == rows
    assert all(0.0 <= run.throttled < 0.8 and run.ratio > 0.9 for run in found.values())


def test_where_nothing_is_refused_the_run_without_a_pacer_is_the_reference() -> None:
    found = readings.run(Job("12 workers, answers in 6.5 s", "bucket", ADAPTIVE, 0))[ADAPTIVE]
    assert (found.throttled, found.lost) == (0.0, 0)
    assert 1.0 <= found.ratio < 1.2


def test_bedrock_mantle_cuts_responses_short_where_its_output_binds() -> None:
    assert mantle.run(("1 x 12 x 104, input 200,000", "default policy", "fixed", 0)).cut == 0.0
    lost = mantle.run(("3 x 4 x 50, output 9,000", "default policy", "bucket", 0))
    retried = mantle.run(("3 x 4 x 50, output 9,000", "retries what was cut", "bucket", 0))
    assert (lost.throttled, retried.throttled, retried.lost) == (0.0, 0.0, 0)
    assert lost.lost == round(lost.cut * 150) > 0
    header, *rows = mantle.lines(1, ["3 x 4 x 50, output 9,000"], jobs=1)
    assert header.split() == list(mantle.READINGS)
    assert [row.count("%") for row in rows] == [2 * len(mantle.READINGS)] * len(mantle.POLICIES)


def test_every_shape_and_reading_of_a_target_is_simulated() -> None:
    shapes = readings.all_shapes()
    for target in readings.TARGETS:
        assert set(target.shapes) <= shapes.keys()
        assert set(target.readings) <= set(readings.READINGS)
    assert all(quota_reading(name) for name in readings.READINGS)


@pytest.mark.parametrize(
    ("found", "met"),
    [(cell(0.05, 1.12), True), (cell(0.051), False), (cell(ratio=1.13), False), (cell(lost=1), False)],
)
def test_a_cell_meets_its_target_or_misses_it(found: Cell, met: bool) -> None:  # noqa: FBT001 - a test case
    (verdict,) = readings.verdicts([found])
    assert verdict.met is met
    assert ("met" if met else "MISSED") in str(verdict)
    assert list(readings.verdicts([cell(way=BOTOCORE)])) == []


def test_the_table_shows_the_means_and_the_shares() -> None:
    cells = [cell(0.1, 1.5, lost=2), cell(way=BOTOCORE)]
    text = "\n".join(readings.lines(cells))
    assert "10.0% 1.50 -2" in text
    assert "1.38 never" in text, "the median of never and 20 s"
    assert cells[0].seconds_to_share == math.inf


def test_the_load_is_simulated_with_every_way_of_calling() -> None:
    scenario = LoadScenario(
        clients=1, calls_per_second=2.0, capacity=3.0, seconds=60.0, trigger=(10.0, 30.0), max_in_flight=20
    )
    reports = {name: way(scenario, 0) for name, way in metastable.WAYS.items()}
    assert all(report.calls == 120 for report in reports.values())
    assert reports["no retries"].attempts == 120 < reports[metastable.ALONE].attempts
