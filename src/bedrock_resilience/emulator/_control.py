"""The control endpoint, for tests in another process or language: ``/_emulator/...``.

| request                          | body                                             | does                        |
|----------------------------------|--------------------------------------------------|-----------------------------|
| ``GET /_emulator/stats``         |                                                  | counts, quota and latency   |
| ``GET /_emulator/log``           |                                                  | the latest requests         |
| ``POST /_emulator/faults``       | ``{"n": 2, "error": "ThrottlingException"}``     | scripts faults              |
| ``PUT /_emulator/faults/random`` | ``{"rate": 0.05, "errors": [503, "hang"]}``      | sets random faults          |
| ``DELETE /_emulator/faults``     |                                                  | removes all faults          |
| ``PUT /_emulator/quota``         | ``{"requests_per_minute": 50, "burst": 5}``      | sets the quota, ``{}`` none |
| ``PUT /_emulator/reading``       | ``{"reading": "fixed:30"}``                      | sets how it is enforced     |
| ``PUT /_emulator/latency``       | ``{"latency": 6.5}``                             | sets the latency            |
| ``POST /_emulator/reset``        |                                                  | resets counts, log, faults  |

Every response is JSON. A body that is not accepted gets a 400 whose ``message`` names the field. These requests are
neither counted nor throttled.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, cast

from bedrock_resilience.emulator._http.replies import Reply, body_reply, error_reply
from bedrock_resilience.emulator._latency import parse_latency
from bedrock_resilience.emulator._protocol.errors import ServiceError
from bedrock_resilience.emulator._protocol.jsonvalues import (
    JsonObject,
    as_list,
    as_object,
    decode,
    encode,
    is_number,
    quoted,
)
from bedrock_resilience.quotas import Quota

if TYPE_CHECKING:
    from collections.abc import Callable

    from bedrock_resilience.emulator._emulator import BedrockEmulator
    from bedrock_resilience.emulator._http.server import Request
    from bedrock_resilience.emulator._request_log import LogEntry

PREFIX: Final = "/_emulator/"

_QUOTA_FIELDS: Final = tuple(field.name for field in dataclasses.fields(Quota))


def control_reply(emulator: BedrockEmulator, request: Request) -> Reply:
    """Perform a request to the control endpoint."""
    path = request.target.partition("?")[0].removeprefix(PREFIX)
    action = _ACTIONS.get((request.method, path))
    if action is None:
        known = ", ".join(f"{method} {PREFIX}{name}" for method, name in _ACTIONS)
        return error_reply(ServiceError("NotFound", f"{request.method} {PREFIX}{path}: accepted: {known}", status=404))
    try:
        return body_reply(encode(action(emulator, _body(request))))
    except (TypeError, ValueError) as error:
        return error_reply(ServiceError("BadRequest", str(error), status=400))


def _body(request: Request) -> JsonObject:
    try:
        value = decode(request.body or b"{}")
    except ValueError as error:
        raise ValueError(f"body: not JSON ({error}); accepted: a JSON object") from None
    found = as_object(value)
    if found is None:
        raise TypeError(f"body: got {quoted(value)}; accepted: a JSON object")
    return found


def _stats(emulator: BedrockEmulator, body: JsonObject) -> dict[str, Any]:
    del body
    return {
        "requests": emulator.requests,
        "answered": emulator.answered,
        "throttles": emulator.throttles,
        "in_flight": emulator.in_flight,
        "errors": dict(emulator.errors),
        "invocations": len(emulator.invocation_ids),
        "models": sorted(emulator.model_ids),
        "faults_pending": emulator.faults_pending,
        "quota": _quota_fields(emulator.quota),
        "reading": str(emulator.reading),
        "latency": emulator.latency if is_number(emulator.latency) else repr(emulator.latency),
    }


def _quota_fields(quota: Quota | Mapping[str, Quota] | None) -> dict[str, Any]:
    if isinstance(quota, Mapping):
        return {model: dataclasses.asdict(each) for model, each in quota.items()}
    return dataclasses.asdict(quota or Quota())


def _log(emulator: BedrockEmulator, body: JsonObject) -> dict[str, Any]:
    del body
    return {"log": [_log_fields(entry) for entry in emulator.log]}


def _log_fields(entry: LogEntry) -> dict[str, Any]:
    return {
        "serial": entry.serial,
        "at": entry.at,
        "finished_at": entry.finished_at,
        "operation": entry.operation.value if entry.operation else None,
        "model_id": entry.model_id,
        "invocation_id": entry.invocation_id,
        "attempt": entry.attempt,
        "status": entry.status,
        "error": entry.error,
        "fault": None if entry.fault is None else repr(entry.fault),
        "usage": None if entry.usage is None else dataclasses.asdict(entry.usage),
    }


def _fail_next(emulator: BedrockEmulator, body: JsonObject) -> dict[str, Any]:
    given: dict[str, Any] = {"n": 1, "error": "ThrottlingException", **body}
    _error(given["error"])
    emulator.fail_next(**given)
    return _stats(emulator, {})


def _fail_randomly(emulator: BedrockEmulator, body: JsonObject) -> dict[str, Any]:
    errors = as_list(body.get("errors", []))
    if errors is None:
        raise TypeError(f"errors: got {body['errors']!r}; accepted: a list of errors")
    emulator.fail_randomly(cast("float", body.get("rate")), *map(_error, errors))
    return _stats(emulator, {})


def _error(value: object) -> str | int:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise TypeError(f"error: got {value!r}; accepted: a name or an HTTP status")
    return value


def _clear_faults(emulator: BedrockEmulator, body: JsonObject) -> dict[str, Any]:
    del body
    emulator.clear_faults()
    return _stats(emulator, {})


def _set_quota(emulator: BedrockEmulator, body: JsonObject) -> dict[str, Any]:
    unknown = sorted(body.keys() - set(_QUOTA_FIELDS))
    if unknown:
        raise ValueError(f"{unknown[0]}: not a field of a quota; accepted: {', '.join(_QUOTA_FIELDS)}")
    emulator.quota = Quota(**body)
    return _stats(emulator, {})


def _set_reading(emulator: BedrockEmulator, body: JsonObject) -> dict[str, Any]:
    emulator.reading = cast("str", body.get("reading"))  # the setter checks
    return _stats(emulator, {})


def _set_latency(emulator: BedrockEmulator, body: JsonObject) -> dict[str, Any]:
    given = body.get("latency")
    emulator.latency = parse_latency(given) if isinstance(given, str) else cast("float", given)  # the setter checks
    return _stats(emulator, {})


def _reset(emulator: BedrockEmulator, body: JsonObject) -> dict[str, Any]:
    del body
    emulator.reset()
    return _stats(emulator, {})


_ACTIONS: Final[Mapping[tuple[str, str], Callable[[BedrockEmulator, JsonObject], dict[str, Any]]]] = {
    ("GET", "stats"): _stats,
    ("GET", "log"): _log,
    ("POST", "faults"): _fail_next,
    ("PUT", "faults/random"): _fail_randomly,
    ("DELETE", "faults"): _clear_faults,
    ("PUT", "quota"): _set_quota,
    ("PUT", "reading"): _set_reading,
    ("PUT", "latency"): _set_latency,
    ("POST", "reset"): _reset,
}
