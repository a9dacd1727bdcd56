"""The emulator's own endpoint, for tests in another process or language: `/_emulator/...`.

| request                          | body                                            | does                          |
|----------------------------------|-------------------------------------------------|-------------------------------|
| `GET /_emulator/stats`           |                                                 | counts, quota and latency     |
| `GET /_emulator/log`             |                                                 | the latest requests           |
| `POST /_emulator/faults`         | `{"n": 2, "error": "ThrottlingException", ...}` | scripts faults (`fail_next`)  |
| `PUT /_emulator/faults/random`   | `{"rate": 0.05, "errors": [503, "hang"]}`       | sets a random share of faults |
| `DELETE /_emulator/faults`       |                                                 | forgets all faults            |
| `PUT /_emulator/quota`           | `{"requests_per_minute": 50, "burst": 5}`       | sets the quota; `{}` for none |
| `PUT /_emulator/latency`         | `{"latency": 6.5}`, `{"latency": "uniform:1,3"}`| sets the latency              |
| `POST /_emulator/reset`          |                                                 | forgets counts, log, faults   |

Every answer is JSON. A body that is not accepted gets a 400 whose `message` names the field. These requests are
neither counted nor limited.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, cast

from bedrock_resilience.emulator._http.replies import Reply, failure, plain
from bedrock_resilience.emulator._latency import parse_latency
from bedrock_resilience.emulator._protocol.errors import ServiceError
from bedrock_resilience.emulator._protocol.jsonvalues import (
    JsonObject,
    as_list,
    as_object,
    decode,
    encode,
    is_integer,
    is_number,
    shown,
)
from bedrock_resilience.quotas import Quota

if TYPE_CHECKING:
    from collections.abc import Callable

    from bedrock_resilience.emulator._emulator import BedrockEmulator
    from bedrock_resilience.emulator._http.http_parser import Request
    from bedrock_resilience.emulator._request_log import Exchange

PREFIX: Final = "/_emulator/"

_QUOTA_FIELDS: Final = tuple(field.name for field in dataclasses.fields(Quota))


def control(emulator: BedrockEmulator, request: Request) -> Reply:
    """Do what a request to the control endpoint asks for."""
    path = request.target.partition("?")[0].removeprefix(PREFIX)
    act = _ACTIONS.get((request.method, path))
    if act is None:
        known = ", ".join(f"{method} {PREFIX}{name}" for method, name in _ACTIONS)
        return failure(ServiceError("NotFound", f"{request.method} {PREFIX}{path}: accepted are {known}", status=404))
    try:
        return plain(encode(act(emulator, _body(request))))
    except (TypeError, ValueError) as error:
        return failure(ServiceError("BadRequest", str(error), status=400))


def _body(request: Request) -> JsonObject:
    try:
        value = decode(request.body or b"{}")
    except ValueError as error:
        raise ValueError(f"body: no JSON ({error}); accepted: a JSON object") from None
    found = as_object(value)
    if found is None:
        raise TypeError(f"body: got {shown(value)}; accepted: a JSON object")
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
        "quota": _quota_shown(emulator.quota),
        "latency": emulator.latency if is_number(emulator.latency) else repr(emulator.latency),
    }


def _quota_shown(quota: Quota | Mapping[str, Quota] | None) -> dict[str, Any]:
    if isinstance(quota, Mapping):
        return {model: dataclasses.asdict(each) for model, each in quota.items()}
    return dataclasses.asdict(quota or Quota())


def _log(emulator: BedrockEmulator, body: JsonObject) -> dict[str, Any]:
    del body
    return {"log": [_entry(exchange) for exchange in emulator.log]}


def _entry(exchange: Exchange) -> dict[str, Any]:
    return {
        "serial": exchange.serial,
        "at": exchange.at,
        "finished_at": exchange.finished_at,
        "operation": exchange.operation.value if exchange.operation else None,
        "model_id": exchange.model_id,
        "invocation_id": exchange.invocation_id,
        "attempt": exchange.attempt,
        "status": exchange.status,
        "error": exchange.error,
        "fault": None if exchange.fault is None else repr(exchange.fault),
        "usage": None if exchange.usage is None else dataclasses.asdict(exchange.usage),
    }


def _fail_next(emulator: BedrockEmulator, body: JsonObject) -> dict[str, Any]:
    given: dict[str, Any] = {"n": 1, "error": "ThrottlingException", **body}
    if given["n"] is not None and not is_integer(given["n"]):
        raise TypeError(f"n: got {given['n']!r}; accepted: an integer >= 1, or null for every request from now on")
    for name in ("operation", "model", "containing"):
        if not isinstance(given.get(name, ""), str):
            raise TypeError(f"{name}: got {given[name]!r}; accepted: a text")
    _error(given["error"])
    emulator.fail_next(**given)
    return _stats(emulator, {})


def _fail_randomly(emulator: BedrockEmulator, body: JsonObject) -> dict[str, Any]:
    rate = body.get("rate")
    if not is_number(rate):
        raise TypeError(f"rate: got {rate!r}; accepted: 0 to 1")
    errors = as_list(body.get("errors", []))
    if errors is None:
        raise TypeError(f"errors: got {body['errors']!r}; accepted: a list of errors")
    emulator.fail_randomly(float(rate or 0), *map(_error, errors))
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
    ("PUT", "latency"): _set_latency,
    ("POST", "reset"): _reset,
}
