"""Every event is either a request or a refusal that names each of its faults; answers have exactly their keys."""

from __future__ import annotations

import datetime as dt
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vectora_normalize.contract import (
    MAX_PERIOD_DAYS,
    ErrorType,
    RunRefusedError,
    RunRequest,
    parse_event,
    readable_client_id,
    refused,
    show,
    succeeded,
)

TODAY = dt.date(2026, 11, 21)


def refusal(event: object) -> RunRefusedError:
    with pytest.raises(RunRefusedError) as caught:
        parse_event(event, today=TODAY)
    assert caught.value.error_type is ErrorType.INVALID_EVENT
    return caught.value


def test_the_smallest_event_requests_everything_of_the_client() -> None:
    assert parse_event({"client_id": "lai_weekly"}, today=TODAY) == RunRequest(client_id="lai_weekly")


def test_every_field_is_read() -> None:
    event = {"client_id": "lai_weekly", "period_days": 7, "sources": ["press_sector__fiercepharma", "b"]}
    assert parse_event(event, today=TODAY) == RunRequest(
        client_id="lai_weekly", period_days=7, sources=("press_sector__fiercepharma", "b")
    )


def test_dates_replace_the_period() -> None:
    event = {"client_id": "c", "from_date": "2026-11-01", "to_date": "2026-11-07"}
    request = parse_event(event, today=TODAY)
    assert (request.from_date, request.to_date) == (dt.date(2026, 11, 1), dt.date(2026, 11, 7))
    assert request.period_days is None


def test_a_window_may_be_one_day_and_may_end_today() -> None:
    for event in ({"from_date": "2026-11-07", "to_date": "2026-11-07"}, {"from_date": "2026-11-21"}):
        assert parse_event({"client_id": "c", **event}, today=TODAY).from_date


def test_null_counts_as_absent_for_optional_fields() -> None:
    event = {"client_id": "c", "period_days": None, "sources": None, "from_date": None, "to_date": None}
    assert parse_event(event, today=TODAY) == RunRequest(client_id="c")


def test_unknown_keys_are_ignored_and_recorded() -> None:
    event = {"client_id": "c", "version": "0", "detail-type": "Scheduled Event", "perod_days": 3}
    assert parse_event(event, today=TODAY).ignored == ("detail-type", "perod_days", "version")


@pytest.mark.parametrize("event", [None, [], "lai_weekly", 7, True, [{"client_id": "c"}]])
def test_an_event_that_is_not_an_object_is_refused(event: object) -> None:
    assert str(refusal(event)).startswith(f"event: got {event!r}; accepted: a JSON object")


@pytest.mark.parametrize(
    "client_id",
    [
        "",
        " ",
        "../secrets",
        "a/b",
        "a\\b",
        "a..b",
        "a.",
        "..",
        "é",
        "a b",
        "a\n",
        "-a",
        "_a",
        "a" * 65,
        7,
        True,
        ["a"],
        {},
    ],
)
def test_an_unsafe_client_id_is_refused(client_id: object) -> None:
    assert str(refusal({"client_id": client_id})).startswith("client_id: got ")


@pytest.mark.parametrize("client_id", ["a", "A-1", "lai_weekly_v9", "9" * 64, "lai_weekly_v2.4", "a.b.c"])
def test_a_safe_client_id_is_accepted(client_id: str) -> None:
    assert parse_event({"client_id": client_id}, today=TODAY).client_id == client_id


@pytest.mark.parametrize("event", [{}, {"client_id": None}])
def test_a_missing_client_id_is_refused(event: object) -> None:
    assert str(refusal(event)).startswith("client_id: missing; required: 1 to 64 letters")


@pytest.mark.parametrize("days", [-1, 0, "7", True, False, 1.5, 7.0, MAX_PERIOD_DAYS + 1, 10**30, [7], {}, ""])
def test_an_invalid_period_is_refused(days: object) -> None:
    message = str(refusal({"client_id": "c", "period_days": days}))
    assert message == f"period_days: got {days!r}; accepted: a whole number from 1 to 3650"


@pytest.mark.parametrize("days", [1, MAX_PERIOD_DAYS])
def test_the_shortest_and_the_longest_period_are_accepted(days: int) -> None:
    assert parse_event({"client_id": "c", "period_days": days}, today=TODAY).period_days == days


def test_an_empty_list_of_sources_means_those_of_the_client() -> None:
    assert parse_event({"client_id": "c", "sources": []}, today=TODAY).sources is None


@pytest.mark.parametrize(("value", "expected"), [(True, True), (False, False), (None, False)])
def test_a_dry_run_is_true_or_false(*, value: object, expected: bool) -> None:
    assert parse_event({"client_id": "c", "dry_run": value}, today=TODAY).dry_run is expected


@pytest.mark.parametrize("value", ["true", 1, [], {}])
def test_any_other_dry_run_is_refused(value: object) -> None:
    assert str(refusal({"client_id": "c", "dry_run": value})) == f"dry_run: got {value!r}; accepted: true or false"


@pytest.mark.parametrize("sources", ["a", "", {}, 3, [""], [" "], ["a", 1], ["a", None], [["a"]]])
def test_sources_that_are_not_a_list_of_keys_are_refused(sources: object) -> None:
    message = str(refusal({"client_id": "c", "sources": sources}))
    assert message.startswith(f"sources: got {sources!r}; accepted: a list of different source keys")


def test_a_source_named_twice_is_refused_by_name() -> None:
    message = str(refusal({"client_id": "c", "sources": ["a", "b", "a", "c", "c"]}))
    assert message.startswith("sources: got ['a', 'c'] more than once")


@pytest.mark.parametrize("date", ["", "20261121", "2026-W47-6", "2026-11-31", "21/11/2026", "today", 20261121, True])
@pytest.mark.parametrize("field", ["from_date", "to_date"])
def test_an_invalid_date_is_refused(field: str, date: object) -> None:
    event = {"client_id": "c", "from_date": "2026-11-20", field: date}
    assert str(refusal(event)) == f"{field}: got {date!r}; accepted: an ISO date such as 2026-11-21"


@pytest.mark.parametrize(
    ("event", "message"),
    [
        (
            {"from_date": "2026-11-02", "to_date": "2026-11-01"},
            "from_date: got 2026-11-02; accepted: a day not after to_date 2026-11-01",
        ),
        (
            {"from_date": "2026-11-22"},
            "from_date: got 2026-11-22; accepted: a day not after the day of the run, 2026-11-21",
        ),
        (
            {"to_date": "2026-11-01"},
            "from_date: missing beside to_date; accepted: both, or from_date alone for a window up to today",
        ),
        (
            {"period_days": 7, "from_date": "2026-11-01", "to_date": "2026-11-02"},
            "period_days: got it together with from_date and to_date; accepted: one or the other",
        ),
    ],
)
def test_dates_without_a_window_are_refused(event: dict[str, object], message: str) -> None:
    assert str(refusal({"client_id": "c", **event})) == message


def test_a_window_that_ends_in_the_future_may_begin_there() -> None:
    event = {"client_id": "c", "from_date": "2026-12-01", "to_date": "2026-12-02"}
    assert parse_event(event, today=TODAY).from_date == dt.date(2026, 12, 1)


def test_all_faults_are_reported_at_once() -> None:
    event: dict[str, object] = {
        "client_id": "a/b",
        "period_days": -1,
        "sources": ["a", 1],
        "from_date": "x",
        "to_date": "y",
    }
    faults = refusal(event).faults
    assert [fault.partition(":")[0] for fault in faults] == [
        "client_id",
        "period_days",
        "sources",
        "from_date",
        "to_date",
        "period_days",
    ]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
fields = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("client_id", "period_days", "sources", "from_date", "to_date", "x"), json_values)
)


@given(st.one_of(json_values, fields))
def test_any_event_is_a_request_or_a_refusal(event: object) -> None:
    try:
        outcome: RunRequest | RunRefusedError = parse_event(event, today=TODAY)
    except RunRefusedError as refusal:
        outcome = refusal
    if isinstance(outcome, RunRequest):
        assert readable_client_id(event) == outcome.client_id
    else:
        assert outcome.error_type.status == 400
        assert all(len(fault) < 400 for fault in outcome.faults)
        json.dumps(refused(outcome, client_id=readable_client_id(event), seconds=0.0))


@pytest.mark.parametrize(
    ("event", "client_id"),
    [({"client_id": "c", "period_days": -1}, "c"), ({"client_id": "../c"}, None), ({}, None), ({"client_id": 1}, None)],
)
def test_an_answer_repeats_only_a_valid_client_id(event: object, client_id: str | None) -> None:
    assert readable_client_id(event) == client_id
    assert readable_client_id([event]) is None


def test_the_answer_of_a_run_has_exactly_four_keys() -> None:
    answer = succeeded(client_id="lai_weekly", items_ingested=104, items_normalized=100, seconds=180.4599)
    assert answer == {
        "statusCode": 200,
        "body": {
            "client_id": "lai_weekly",
            "items_ingested": 104,
            "items_normalized": 100,
            "execution_time_seconds": 180.5,
        },
    }


@pytest.mark.parametrize(
    ("error_type", "status"),
    [
        (ErrorType.INVALID_EVENT, 400),
        (ErrorType.INVALID_CONFIGURATION, 400),
        (ErrorType.UNKNOWN_CLIENT, 400),
        (ErrorType.INACTIVE_CLIENT, 400),
        (ErrorType.UNKNOWN_SOURCE, 400),
        (ErrorType.CONCURRENT_RUN, 409),
        (ErrorType.ALL_SOURCES_FAILED, 502),
        (ErrorType.BEDROCK_REFUSED, 502),
    ],
)
def test_a_refusal_has_type_and_message(error_type: ErrorType, status: int) -> None:
    answer = refused(RunRefusedError(error_type, "a: wrong", "b: wrong"), client_id=None, seconds=0.04)
    assert answer == {
        "statusCode": status,
        "body": {
            "client_id": None,
            "error_type": error_type.value,
            "message": "a: wrong; b: wrong",
            "execution_time_seconds": 0.0,
        },
    }


def test_a_value_is_shown_on_one_short_line() -> None:
    assert show("a\nb") == "'a\\nb'"
    assert show("x" * 500) == "'" + "x" * 79 + "..."
