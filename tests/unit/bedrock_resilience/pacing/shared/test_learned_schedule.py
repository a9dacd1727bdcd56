"""A schedule that is learned: one learner for all instances, in the shared state."""

from __future__ import annotations

import dataclasses

import pytest

from bedrock_resilience.pacing.shared import SharedPace
from bedrock_resilience.pacing.shared._learned_schedule import LearnedSchedule, share_of_learned
from bedrock_resilience.pacing.shared._schedule import Cost, OutcomeKind, RequestOutcome
from bedrock_resilience.quotas import Limit
from support.approx import approx

NOW = 1_000.0
ONE = Cost()


def observed(
    pace: SharedPace, now: float, kind: OutcomeKind, sent_at: float, cost: Cost = ONE, cuts: int = 0
) -> SharedPace:
    return LearnedSchedule().observe(pace, now, RequestOutcome(kind, sent_at, cost, cuts=cuts))


@pytest.fixture
def throttled() -> SharedPace:
    """After thirty requests in thirty seconds the last one was refused."""
    schedule, pace = LearnedSchedule(), SharedPace()
    for second in range(30):
        pace, (slot,) = schedule.book(pace, NOW + second, [ONE])
        kind: OutcomeKind = "throttled" if second == 29 else "answered"
        pace = observed(pace, NOW + second + 0.2, kind, slot)
    return pace


def test_nothing_is_known_at_first() -> None:
    schedule = LearnedSchedule()
    assert schedule.starting(SharedPace())
    assert schedule.cuts(SharedPace()) == 0
    assert schedule.status(SharedPace(), NOW).confidence == 0
    assert schedule.book(SharedPace(), NOW, []) == (SharedPace(), [])


def test_a_refusal_of_one_instance_lowers_the_pace_of_all(throttled: SharedPace) -> None:
    schedule = LearnedSchedule()
    assert not schedule.starting(throttled)
    assert schedule.cuts(throttled) == 1
    rate = schedule.status(throttled, NOW + 30).requests_per_minute
    assert rate is not None
    assert 40 < rate < 60
    assert schedule.book(throttled, NOW + 30, [ONE])[1] == []  # not yet: what is learned next may change the rate
    _, (slot,) = schedule.book(throttled, NOW + 31.5, [ONE])
    assert slot > NOW + 32
    assert 1.0 < schedule.seconds(throttled, NOW + 30, ONE) < 1.5


def test_little_is_booked_ahead_while_little_is_known(throttled: SharedPace) -> None:
    schedule = LearnedSchedule()
    pace, slots = schedule.book(throttled, NOW + 33, [ONE] * 5)
    assert 1 <= len(slots) < 5
    again_at = schedule.again_at(pace, NOW + 33, ONE)
    assert NOW + 33 < again_at <= slots[-1] + 1.5


def test_a_request_that_was_not_booked_is_asked_for_again_once_it_can_be(throttled: SharedPace) -> None:
    schedule = LearnedSchedule()
    pace, _ = schedule.book(throttled, NOW + 33, [ONE] * 5)
    again_at = schedule.again_at(pace, NOW + 33, ONE)
    assert schedule.book(pace, again_at - 0.25, [ONE])[1] == []
    assert len(schedule.book(pace, again_at, [ONE])[1]) == 1


def test_until_something_is_refused_nothing_is_booked_ahead() -> None:
    _, slots = LearnedSchedule().book(SharedPace(), NOW, [ONE] * 20)
    assert slots == [NOW] * len(slots)
    assert 1 <= len(slots) < 20


@pytest.mark.parametrize(("refusals", "far"), [(1, False), (2, False), (3, True)])
def test_after_a_few_refusals_requests_are_booked_far_ahead(throttled: SharedPace, refusals: int, *, far: bool) -> None:
    schedule, pace, now = LearnedSchedule(), throttled, NOW + 40
    while schedule.cuts(pace) < refusals:
        for kind in ("answered", "throttled"):
            pace, (slot,) = schedule.book(pace, now, [ONE])
            pace = observed(pace, slot + 0.2, kind, slot, cuts=schedule.cuts(pace))
            now += 20
    pace, slots = schedule.book(pace, now, [ONE] * 2_000)
    assert (slots[-1] - now > 2.0) is far


def test_one_request_after_the_other_while_all_are_refused() -> None:
    schedule, pace, now = LearnedSchedule(), SharedPace(), NOW
    for _ in range(200):
        now += 0.05
        pace, (slot,) = schedule.book(pace, now, [ONE])
        pace = observed(pace, now + 0.01, "answered", slot)
    for _ in range(2):
        now += 5
        pace, (slot,) = schedule.book(pace, now, [ONE])
        pace = observed(pace, slot + 0.2, "throttled", slot, cuts=schedule.cuts(pace))
    now += 15
    assert schedule.seconds(pace, now, ONE) < 0.3  # at this rate, several were booked within the next second
    pace, (slot, *others) = schedule.book(pace, now, [ONE] * 5)
    assert others == []
    assert schedule.book(pace, now, [ONE])[1] == []
    assert schedule.again_at(pace, now, ONE) >= slot


def test_the_stored_pace_says_what_was_learned(throttled: SharedPace) -> None:
    status = LearnedSchedule().status(throttled, throttled.at)
    said = {
        name: throttled.learned[name] for name in ("requests_per_minute", "tokens_per_minute", "confidence", "reading")
    }
    assert said == {name: getattr(status, name) for name in said}


def test_a_refusal_of_a_request_booked_before_the_cut_says_nothing_about_the_lower_rate(throttled: SharedPace) -> None:
    later = observed(throttled, NOW + 40, "throttled", NOW + 39, cuts=0)
    assert LearnedSchedule().cuts(later) == 1
    assert LearnedSchedule().cuts(observed(throttled, NOW + 40, "throttled", NOW + 39, cuts=1)) == 2


def test_a_slot_that_lapsed_gives_its_permit_back(throttled: SharedPace) -> None:
    schedule = LearnedSchedule()
    pace, (slot,) = schedule.book(throttled, NOW + 33, [ONE])
    _, (following,) = schedule.book(pace, NOW + 33, [ONE])
    back = observed(pace, NOW + 33, "unsent", slot, cuts=1)
    assert schedule.book(back, NOW + 33, [ONE])[1][0] < following
    void = observed(pace, NOW + 33, "unsent", slot, cuts=0)
    assert schedule.book(void, NOW + 33, [ONE])[1][0] == following


def test_tokens_are_learned_as_requests_are() -> None:
    schedule, pace, cost = LearnedSchedule(), SharedPace(), Cost(tokens=2_000)
    for second in range(30):
        pace, (slot,) = schedule.book(pace, NOW + second, [cost])
        if second == 29:
            pace = schedule.observe(
                pace, NOW + second + 0.2, RequestOutcome("throttled", slot, cost, limit=Limit.TOKENS_PER_MINUTE)
            )
        else:
            pace = schedule.observe(pace, NOW + second + 0.2, RequestOutcome("answered", slot, cost, 1_500.0))
    assert 0.75 < pace.learned["learner"]["cost_ratio"] < 0.8  # what they use of what they reserve
    status = schedule.status(pace, NOW + 30)
    assert status.requests_per_minute is None
    assert status.tokens_per_minute is not None
    assert schedule.seconds(pace, NOW + 30, cost) > 1.0


def test_an_overload_and_a_request_without_a_slot_are_taken_into_account(throttled: SharedPace) -> None:
    halved = observed(throttled, NOW + 31, "overloaded", NOW + 30.5)
    assert halved.learned["learner"]["slowdown"] != throttled.learned["learner"]["slowdown"]
    assert observed(throttled, NOW + 31, "sent", NOW + 31).learned["used_at"] == NOW + 31


def test_the_next_run_starts_with_what_was_learned_and_tries_more_the_older_it_is(throttled: SharedPace) -> None:
    schedule = LearnedSchedule()
    rates: list[float] = []
    for pause in (600.0, 86_400.0):
        pace, _ = schedule.book(throttled, NOW + pause, [ONE])
        assert pace.learned["learner"]["requests"]["consecutive"] == 0
        rate = schedule.status(pace, NOW + pause).requests_per_minute
        assert rate is not None
        rates.append(rate)
    assert 40 < rates[0] < rates[1] < 2.5 * rates[0]


def test_requests_that_were_never_reported_are_forgotten_with_the_next_run() -> None:
    pace, slots = LearnedSchedule().book(SharedPace(), NOW, [ONE] * 2)
    assert len(slots) == 2
    pace, _ = LearnedSchedule().book(pace, NOW + 60, [ONE])
    assert pace.learned["learner"]["in_flight"] == 1


def test_an_instance_alone_goes_on_with_its_share(throttled: SharedPace) -> None:
    schedule = LearnedSchedule()
    half = share_of_learned(throttled, 0.5)
    rates = [schedule.status(pace, NOW + 30).requests_per_minute for pace in (throttled, half)]
    assert rates[0] is not None
    assert rates[1] is not None
    assert 0.45 < rates[1] / rates[0] < 0.55
    assert (half.revision, half.instances) == (1, {})
    assert share_of_learned(SharedPace(), 0.5).learned == {}


@pytest.mark.parametrize("learner", [{}, {"version": 99}])
def test_what_another_version_has_learned_is_learned_anew(learner: dict[str, int]) -> None:
    schedule = LearnedSchedule()
    pace = dataclasses.replace(SharedPace(), learned={"learner": learner, "used_at": NOW - 3_600})
    assert schedule.starting(pace)
    assert share_of_learned(pace, 0.5).learned == {}
    booked, slots = schedule.book(pace, NOW, [ONE])
    assert slots
    assert schedule.status(booked, NOW) == schedule.status(schedule.book(SharedPace(), NOW, [ONE])[0], NOW)


def test_what_was_sent_while_the_store_was_unavailable_takes_no_permits_of_the_present(throttled: SharedPace) -> None:
    schedule = LearnedSchedule()
    pace = throttled
    for second in range(30, 50):
        pace = observed(pace, NOW + 60, "elsewhere", NOW + second)
    (slot,), (without,) = (schedule.book(each, NOW + 60, [ONE])[1] for each in (pace, throttled))
    assert slot <= without + 2


def test_what_was_admitted_without_the_store_counts_in_the_minute_in_which_it_was_sent(throttled: SharedPace) -> None:
    schedule, pace = LearnedSchedule(), throttled
    for second in range(30, 50):
        outcome = RequestOutcome("elsewhere", NOW + second, Cost(tokens=100), 80.0)
        pace = schedule.observe(pace, NOW + 60, outcome)
    log = dict(pace.learned["learner"]["tokens"]["log"])
    assert log[int(NOW) + 40] == 80
    assert pace.learned["learner"]["in_flight"] == throttled.learned["learner"]["in_flight"]


def test_after_an_interruption_no_earlier_throttle_measures_the_rate(throttled: SharedPace) -> None:
    schedule = LearnedSchedule()
    pace = schedule.interrupted(throttled, NOW + 60)
    assert schedule.status(pace, NOW + 60) == schedule.status(throttled, NOW + 60)
    for second in (65, 70):
        pace, (slot,) = schedule.book(pace, NOW + second, [ONE])
    rate = schedule.status(pace, slot).requests_per_minute
    assert rate is not None
    # Two requests in forty seconds are known, more may have been sent.
    lowered = observed(pace, slot + 0.2, "throttled", slot, cuts=1)
    assert schedule.cuts(lowered) == 2
    assert (schedule.status(lowered, slot + 0.2).requests_per_minute or 0) > 0.8 * rate


@pytest.mark.parametrize(
    ("pause", "resumed", "evidence"),
    [(29.875, False, 0.0), (30.0, True, 12.0 / 2_880), (43_200.0, True, 6.0), (259_200.0, True, 12.0)],
)
def test_after_a_pause_the_time_says_nothing(
    throttled: SharedPace, pause: float, evidence: float, *, resumed: bool
) -> None:
    pace, (slot,) = LearnedSchedule().book(throttled, NOW + 31.5, [ONE])
    pace = observed(pace, slot + 6.0, "overloaded", slot)
    used_at, before = pace.learned["used_at"], pace.learned["learner"]
    now = used_at + pause
    state = LearnedSchedule().book(pace, now, [ONE])[0].learned["learner"]
    requests = state["requests"]
    assert (state["started_at"] == now) == resumed
    assert state["in_flight"] == (1 if resumed else before["in_flight"] + 1)
    assert (requests["windows"]["since"] == now) == resumed
    if resumed:
        assert before["requests"]["hold"] == 24.0
        assert requests["sends"] == approx(evidence)


def test_what_is_damaged_counts_as_nothing(throttled: SharedPace) -> None:
    learner = throttled.learned["learner"]
    for learned in (
        {},
        {**throttled.learned, "booked_until": "soon"},
        {"learner": {}, "booked_until": 5.0},
        {"learner": learner},
    ):
        pace = LearnedSchedule().book(dataclasses.replace(throttled, learned=learned), NOW + 60, [])[0]
        pace = observed(pace, NOW + 60, "overloaded", NOW + 59)
        assert pace.learned["booked_until"] == 0.0
        assert pace.learned["cuts"] == 0


def test_the_reading_that_is_left_is_shown(throttled: SharedPace) -> None:
    learner = throttled.learned["learner"]
    windows = {**learner["requests"]["windows"], "sliding": False, "ends": "0"}
    found = {**learner, "requests": {**learner["requests"], "windows": windows}}
    pace = dataclasses.replace(throttled, learned={**throttled.learned, "learner": found})
    assert LearnedSchedule().status(throttled, NOW + 30).reading is None
    assert LearnedSchedule().status(pace, NOW + 30).reading == "bucket"
