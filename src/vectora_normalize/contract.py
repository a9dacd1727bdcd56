"""The event and the answer of the contract.

Nothing here reads a bucket or a clock: an event is checked against the day of the run, and one answer reports all its
faults. Keys that are not in the contract are ignored, because schedulers add their own (``version``, ``detail``,
``account``). The run report lists them, so that a misspelt ``perod_days`` can be found.
"""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_PERIOD_DAYS: Final = 3650
"""Ten years: a larger number is a typing error, and no feed goes back that far."""

DEFAULT_PERIOD_DAYS: Final = 7
"""The window if neither the event nor the client's configuration names one."""

_KNOWN_KEYS = frozenset({"client_id", "period_days", "sources", "from_date", "to_date", "dry_run"})
# It becomes a part of object keys, so it has no character with a meaning in a path or a URL. A letter or digit follows
# a dot (lai_weekly_v2.4), so that neither ``..`` nor a name that Windows shortens can occur.
_CLIENT_ID = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]|\.(?=[A-Za-z0-9])){0,63}")
# date.fromisoformat alone also accepts 20261121 and 2026-W47-6.
_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_MAX_SHOWN_CHARACTERS = 80  # of a refused value in a message


class ErrorType(StrEnum):
    """Why a run was refused or failed as a whole; the ``error_type`` of an answer that is not a 200."""

    INVALID_EVENT = "InvalidEvent"
    INVALID_CONFIGURATION = "InvalidConfiguration"
    UNKNOWN_CLIENT = "UnknownClient"
    INACTIVE_CLIENT = "InactiveClient"
    UNKNOWN_SOURCE = "UnknownSource"
    ALL_SOURCES_FAILED = "AllSourcesFailed"
    BEDROCK_REFUSED = "BedrockRefused"
    CONCURRENT_RUN = "ConcurrentRun"

    @property
    def status(self) -> int:
        """400 if the event or the configuration is wrong, 409 if another run is in progress, 502 for all others."""
        if self is ErrorType.CONCURRENT_RUN:
            return 409
        return 502 if self in {ErrorType.ALL_SOURCES_FAILED, ErrorType.BEDROCK_REFUSED} else 400


class RunRefusedError(Exception):
    """A run that cannot be done as requested, with all reasons.

    Args:
        error_type: The kind of refusal; it decides the status.
        faults: One sentence each: the field, what was given, what is accepted.
    """

    def __init__(self, error_type: ErrorType, *faults: str) -> None:
        super().__init__("; ".join(faults))
        self.error_type = error_type
        self.faults = faults


class RunRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A valid event.

    Args:
        client_id: Name of the client's configuration; safe as a part of an object key.
        period_days: Days back from the day of the run; None: the client's default, else 7.
        sources: Source keys instead of the client's own selection; None: the client's selection.
        from_date: First day of the window, instead of ``period_days``.
        to_date: Last day of the window; None: the day of the run.
        dry_run: Whether to plan, fetch and count only: no call to Bedrock, no items.
        ignored: Keys of the event that are not in the contract.
    """

    client_id: str
    period_days: int | None = None
    sources: tuple[str, ...] | None = None
    from_date: dt.date | None = None
    to_date: dt.date | None = None
    dry_run: bool = False
    ignored: tuple[str, ...] = ()


def parse_event(event: object, *, today: dt.date) -> RunRequest:
    """Return the request of an event.

    ``period_days`` and ``from_date``/``to_date`` exclude each other; ``to_date`` needs ``from_date``; ``from_date``
    alone reaches to the day of the run. An optional field that is null counts as absent; so does an empty ``sources``.

    Args:
        event: What Lambda was invoked with.
        today: Day of the run, UTC.

    Raises:
        RunRefusedError: INVALID_EVENT, with every fault of the event.
    """
    if not isinstance(event, dict):
        raise RunRefusedError(
            ErrorType.INVALID_EVENT, _fault("event", event, 'a JSON object such as {"client_id": "lai_weekly"}')
        )
    fields = cast("dict[object, object]", event)
    faults: list[str] = []
    client_id = _read_client_id(fields.get("client_id"), faults)
    period_days = _read_period_days(fields.get("period_days"), faults)
    sources = _read_sources(fields.get("sources"), faults)
    from_date, to_date = _read_dates(fields, today, faults)
    dry_run = _read_dry_run(fields.get("dry_run"), faults)
    if faults:
        raise RunRefusedError(ErrorType.INVALID_EVENT, *faults)
    return RunRequest(
        client_id=client_id,
        period_days=period_days,
        sources=sources,
        from_date=from_date,
        to_date=to_date,
        dry_run=dry_run,
        ignored=tuple(sorted(str(key) for key in fields if key not in _KNOWN_KEYS)),
    )


def readable_client_id(event: object) -> str | None:
    """Return the client id of an event that may be wrong in other ways; None if it has no valid one."""
    client_id = cast("dict[object, object]", event).get("client_id") if isinstance(event, dict) else None
    return client_id if isinstance(client_id, str) and _CLIENT_ID.fullmatch(client_id) else None


def succeeded(*, client_id: str, items_ingested: int, items_normalized: int, seconds: float) -> dict[str, Any]:
    """Return the answer to a run that was done: exactly the four keys that callers read."""
    body = {
        "client_id": client_id,
        "items_ingested": items_ingested,
        "items_normalized": items_normalized,
        "execution_time_seconds": round(seconds, 1),
    }
    return {"statusCode": 200, "body": body}


def refused(refusal: RunRefusedError, *, client_id: str | None, seconds: float) -> dict[str, Any]:
    """Return the answer to a run that was refused or failed; ``client_id`` is null if the event names none."""
    body = {
        "client_id": client_id,
        "error_type": str(refusal.error_type),
        "message": str(refusal),
        "execution_time_seconds": round(seconds, 1),
    }
    return {"statusCode": refusal.error_type.status, "body": body}


def show(value: object) -> str:
    """Return a value as a message shows it: on one line, and shortened."""
    text = repr(value)
    return text if len(text) <= _MAX_SHOWN_CHARACTERS else f"{text[:_MAX_SHOWN_CHARACTERS]}..."


def _fault(field: str, given: object, accepted: str) -> str:
    return f"{field}: got {show(given)}; accepted: {accepted}"


def _read_client_id(value: object, faults: list[str]) -> str:
    accepted = "1 to 64 letters, digits, '_', '-' or '.', the first and what follows a dot a letter or digit"
    if value is None:
        faults.append(f"client_id: missing; required: {accepted}")
    elif isinstance(value, str) and _CLIENT_ID.fullmatch(value):
        return value
    else:
        faults.append(_fault("client_id", value, accepted))
    return ""


def _read_period_days(value: object, faults: list[str]) -> int | None:
    if value is None:
        return None
    # bool is a subclass of int, and true does not count days.
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MAX_PERIOD_DAYS:
        return value
    faults.append(_fault("period_days", value, f"a whole number from 1 to {MAX_PERIOD_DAYS}"))
    return None


def _read_sources(value: object, faults: list[str]) -> tuple[str, ...] | None:
    if value is None or value == []:
        return None
    accepted = "a list of different source keys; omit it or leave it empty for the client's own selection"
    given = _as_list(value)
    keys = [key for key in given if isinstance(key, str) and key.strip()]
    if not keys or len(keys) < len(given):
        faults.append(_fault("sources", value, accepted))
    repeated = sorted(key for key, times in Counter(keys).items() if times > 1)
    if repeated:
        faults.append(f"sources: got {show(repeated)} more than once; accepted: {accepted}")
    return tuple(keys)


def _read_dry_run(value: object, faults: list[str]) -> bool:
    if isinstance(value, bool):
        return value
    if value is not None:
        faults.append(_fault("dry_run", value, "true or false"))
    return False


def _as_list(value: object) -> list[object]:
    return cast("list[object]", value) if isinstance(value, list) else []


def _read_dates(
    fields: Mapping[object, object], today: dt.date, faults: list[str]
) -> tuple[dt.date | None, dt.date | None]:
    first, last = (_read_date(name, fields.get(name), faults) for name in ("from_date", "to_date"))
    given = [name for name in ("from_date", "to_date") if fields.get(name) is not None]
    if given and fields.get("period_days") is not None:
        faults.append(f"period_days: got it together with {' and '.join(given)}; accepted: one or the other")
    if given == ["to_date"]:
        faults.append("from_date: missing beside to_date; accepted: both, or from_date alone for a window up to today")
    open_end = fields.get("to_date") is None
    if first and (last or open_end) and first > (last or today):
        end = f"to_date {last}" if last else f"the day of the run, {today}"
        faults.append(f"from_date: got {first}; accepted: a day not after {end}")
    return first, last


def _read_date(field: str, value: object, faults: list[str]) -> dt.date | None:
    if value is None:
        return None
    if isinstance(value, str) and _ISO_DATE.fullmatch(value):
        try:
            return dt.date.fromisoformat(value)
        except ValueError:
            pass
    faults.append(_fault(field, value, "an ISO date such as 2026-11-21"))
    return None
