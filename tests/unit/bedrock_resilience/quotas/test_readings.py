"""Readings as data, and their names."""

from __future__ import annotations

from typing import Any, cast

import pytest

from bedrock_resilience.quotas import READINGS, OtherTenants, QuotaReading, quota_reading
from support.approx import approx

STEPS = "steps (seconds, factor), in order, with seconds >= 0 and factors > 0"


class TestNames:
    @pytest.mark.parametrize("name", READINGS)
    def test_each_name_stands_for_its_reading(self, name: str) -> None:
        assert quota_reading(name) is not None
        assert quota_reading(name) == READINGS[name]

    def test_a_reading_stands_for_itself(self) -> None:
        reading = QuotaReading(window="sliding")
        assert quota_reading(reading) is reading

    @pytest.mark.parametrize(
        ("name", "reading"),
        [
            ("bucket:3", QuotaReading(burst=3.0)),
            ("fixed:30", QuotaReading(window="fixed", phase=30.0)),
            ("refill:0.5", QuotaReading(window="refill", phase=0.5)),
            ("sliding + refusals-count", QuotaReading(window="sliding", refusals_count=True)),
            ("refusals-count+sliding", QuotaReading(window="sliding", refusals_count=True)),
            ("other-tenants:0.1", QuotaReading(tenants=OtherTenants(share=0.1, swing=0.1))),
            (
                "fixed:7+halved+other-tenants:0.5",
                QuotaReading(
                    window="fixed",
                    phase=7.0,
                    schedule=READINGS["halved"].schedule,
                    tenants=OtherTenants(share=0.5, swing=0.2),
                ),
            ),
        ],
    )
    def test_names_take_a_number_and_combine(self, name: str, reading: QuotaReading) -> None:
        assert quota_reading(name) == reading
        assert quota_reading(str(reading)) == reading

    @pytest.mark.parametrize(
        "name", ["bucket", "fixed", "fixed:30+refusals-count", "sliding+halved", "refill:1", "bucket+other-tenants"]
    )
    def test_a_reading_shows_its_name(self, name: str) -> None:
        assert str(quota_reading(name)) == name

    def test_what_no_name_expresses_is_still_shown(self) -> None:
        assert str(QuotaReading(schedule=((1.0, 2.0),))) == "bucket+schedule"

    @pytest.mark.parametrize(
        "name",
        [
            "",
            "minutely",
            "fixed:",
            "fixed:x",
            "fixed:61",
            "sliding:3",
            "halved:2",
            "fixed+sliding",
            "bucket:0",
            "fixed+",
        ],
    )
    def test_others_are_refused(self, name: str) -> None:
        with pytest.raises(ValueError, match="accepted: "):
            quota_reading(name)

    def test_neither_a_name_nor_a_reading(self) -> None:
        with pytest.raises(TypeError, match="reading: got 5; accepted: a QuotaReading, or bucket, "):
            quota_reading(cast("Any", 5))


class TestFields:
    def test_all_problems_at_once(self) -> None:
        with pytest.raises(ValueError, match=r"window: got 'minute'.*burst: got 0.*phase: got 60.1"):
            QuotaReading(window=cast("Any", "minute"), burst=0, phase=60.1)

    @pytest.mark.parametrize(
        "fields",
        [
            {"window": "fixed", "burst": 5.0},
            {"window": "sliding", "token_burst": 5.0},
            {"window": "sliding", "phase": 5.0},
            {"phase": 5.0},
        ],
    )
    def test_a_field_that_does_not_apply_to_the_window_is_refused(self, fields: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match=r"accepted: (None|0) with "):
            QuotaReading(**fields)

    @pytest.mark.parametrize("schedule", [((1.0,),), ((2.0, 1.0), (1.0, 1.0)), ((1.0, 1.0), (1.0, 1.0))])
    def test_a_schedule_has_steps_in_order(self, schedule: tuple[Any, ...]) -> None:
        with pytest.raises(ValueError, match="schedule: got ") as refused:
            QuotaReading(schedule=schedule)
        assert str(refused.value) == f"QuotaReading: schedule: got {schedule!r}; accepted: {STEPS}"

    @pytest.mark.parametrize("schedule", [3, (3,)])
    def test_a_schedule_has_steps(self, schedule: object) -> None:
        with pytest.raises(TypeError) as refused:
            QuotaReading(schedule=cast("Any", schedule))
        assert str(refused.value) == f"QuotaReading: schedule: got {schedule!r}; accepted: {STEPS}"

    @pytest.mark.parametrize(
        ("step", "problem"),
        [
            ((-1.0, 1.0), "got -1.0; accepted: a finite number >= 0"),
            ((1.0, 0.0), "got 0.0; accepted: a finite number > 0"),
            ((1.0, "x"), "got 'x'; accepted: a finite number > 0"),
        ],
    )
    def test_a_schedule_has_numbers(self, step: tuple[Any, Any], problem: str) -> None:
        with pytest.raises((TypeError, ValueError)) as refused:
            QuotaReading(schedule=(step,))
        assert str(refused.value) == f"QuotaReading: schedule: {problem}"

    def test_the_schedule_says_the_factor(self) -> None:
        reading = READINGS["halved"].replace(refusals_count=True)
        assert [reading.factor_at(at) for at in (0.0, 60.0, 179.0, 180.0)] == [1.0, 0.5, 0.5, 1.0]

    def test_the_share_of_other_tenants_swings(self) -> None:
        tenants = OtherTenants(share=0.3, swing=0.2, period=100.0)
        for at, share in ((0.0, 0.3), (25.0, 0.5), (75.0, 0.1), (100.0, 0.3)):
            assert tenants.share_at(at) == approx(share)

    @pytest.mark.parametrize(
        ("fields", "problem"),
        [
            ({"share": 1.1}, "share: got 1.1; accepted: a finite number from 0 to 1"),
            ({"swing": -0.1}, "swing: got -0.1; accepted: a finite number >= 0"),
            ({"share": 0.1, "swing": 0.2}, "swing: got 0.2; accepted: no more than share (0.1)"),
            ({"period": 0.0}, "period: got 0.0; accepted: a finite number of seconds > 0"),
        ],
    )
    def test_tenants_are_checked(self, fields: dict[str, float], problem: str) -> None:
        with pytest.raises(ValueError, match=r"^OtherTenants: ") as refused:
            OtherTenants(**fields)
        assert str(refused.value) == f"OtherTenants: {problem}"
