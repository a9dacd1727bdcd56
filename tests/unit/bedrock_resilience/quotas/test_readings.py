"""Readings as data, and their names."""

from __future__ import annotations

from typing import Any, cast

import pytest

from bedrock_resilience.quotas import READINGS, OtherTenants, QuotaReading, quota_reading
from support.approx import approx

NAMES = "bucket, bucket-of-1, refill, fixed, sliding, refusals-count, halved, other-tenants"
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

    @pytest.mark.parametrize(
        ("given", "accepted"),
        [
            ("minutely", f"{NAMES}, joined by +"),
            ("fixed:x", f"{NAMES}, joined by +"),
            ("fixed+sliding", f"{NAMES}, each once, and one window"),
            ("bucket+sliding", f"{NAMES}, each once, and one window"),
            (5, f"a QuotaReading, or {NAMES}, joined by +"),
        ],
    )
    def test_the_text_of_a_refusal(self, given: object, accepted: str) -> None:
        with pytest.raises((TypeError, ValueError)) as refused:
            quota_reading(cast("Any", given))
        assert isinstance(refused.value, TypeError) == (given == 5)
        assert str(refused.value) == f"quota_reading: reading: got {given!r}; accepted: {accepted}"


class TestFields:
    def test_all_problems_at_once(self) -> None:
        fields: dict[str, Any] = {"window": "minute", "burst": 0, "token_burst": "x", "phase": 60.1}
        with pytest.raises(TypeError) as refused:
            QuotaReading(**fields, refusals_count=cast("Any", 1), schedule=cast("Any", 3), tenants=cast("Any", 4))
        assert str(refused.value) == (
            "QuotaReading: window: got 'minute'; accepted: bucket, refill, fixed, sliding; "
            "burst: got 0; accepted: a finite number >= 1, or None; "
            "token_burst: got 'x'; accepted: a finite number >= 1, or None; "
            "phase: got 60.1; accepted: a finite number of seconds from 0 to 60; "
            "refusals_count: got 1; accepted: True or False; "
            f"schedule: got 3; accepted: {STEPS}; tenants: got 4; accepted: OtherTenants, or None"
        )

    @pytest.mark.parametrize(
        ("fields", "problem"),
        [
            ({"window": "fixed", "burst": 5.0}, "burst: got 5.0; accepted: None with fixed"),
            ({"window": "refill", "token_burst": 5.0}, "token_burst: got 5.0; accepted: None with refill"),
            ({"window": "sliding", "phase": 5.0}, "phase: got 5.0; accepted: 0 with sliding"),
            ({"phase": 5.0}, "phase: got 5.0; accepted: 0 with bucket"),
            ({"window": "fixed", "phase": -1.0}, "phase: got -1.0; accepted: a finite number of seconds from 0 to 60"),
        ],
    )
    def test_a_field_that_does_not_apply_to_the_window_is_refused(self, fields: dict[str, Any], problem: str) -> None:
        with pytest.raises(ValueError) as refused:  # noqa: PT011 - the whole text is compared
            QuotaReading(**fields)
        assert str(refused.value) == f"QuotaReading: {problem}"

    @pytest.mark.parametrize("phase", [0.0, 60.0])
    def test_a_phase_is_from_0_to_60(self, phase: float) -> None:
        assert QuotaReading(window="refill", phase=phase).phase == phase

    @pytest.mark.parametrize("schedule", [((1.0,),), ((2.0, 1.0), (1.0, 1.0)), ((1.0, 1.0), (1.0, 1.0))])
    def test_a_schedule_has_steps_in_order(self, schedule: tuple[Any, ...]) -> None:
        with pytest.raises(ValueError, match="schedule: got ") as refused:
            QuotaReading(schedule=schedule)
        assert str(refused.value) == f"QuotaReading: schedule: got {schedule!r}; accepted: {STEPS}"

    def test_a_factor_may_be_larger_than_the_time_of_the_next_step(self) -> None:
        assert QuotaReading(schedule=((1.0, 5.0), (2.0, 1.0))).factor_at(1.5) == 5.0

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
        assert reading.refusals_count
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
