"""Names of options that a function does not have, and what the errors say to write instead.

``RetryPolicy(max_attempts=3)`` and ``retry(max_retries=5)`` are common mistakes: the name of another library, or an
option that belongs to another part of this one. ``_checks.explain_names`` finds them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

FIELDS: Final = ("max_retries", "base_delay", "multiplier", "max_delay", "jitter", "retry_on", "max_retry_after")
"""The fields of a ``RetryPolicy``."""

OPTIONS: Final = (
    "clock",
    "rng",
    "deadline",
    "timeout",
    "budget",
    "pacer",
    "listeners",
    "tokens",
    "classify",
    "raise_exhausted",
    "retry_on_result",
    "before_attempt",
    "attempt_timeout",
    "stop_event",
    "fallback",
    "info",
)
"""The options of a ``Retrier``, without its policy."""

# How stamina, botocore and backoff name the number of attempts, the first one included.
_COUNTS: Final = frozenset({"attempts", "max_attempts", "max_tries", "total_max_attempts"})

# Names of tenacity, backoff, stamina and urllib3 -> the field of a policy. ``{}`` is the value that was given.
_AS_FIELDS: Final = {
    **{name: f"{name}={{}}" for name in FIELDS},
    "on": "retry_on='transient'",
    "retries": "max_retries={}",
    "retry": "retry_on='transient'",
    "wait": "base_delay=0.5, multiplier=2.0, max_delay=20.0",
    "wait_exp_base": "multiplier={}",
    "wait_initial": "base_delay={}",
    "wait_jitter": "jitter=AdditiveJitter({})",
    "wait_max": "max_delay={}",
}
# The same -> the option of a retrier.
_AS_OPTIONS: Final = {
    **{name: f"{name}={{}}" for name in OPTIONS},
    "after": "listeners=[LoggingListener()]",
    "before": "before_attempt={}",
    "before_sleep": "listeners=[LoggingListener()]",
    "giveup": "classify={}",
    "max_time": "timeout={}",
    "on_backoff": "listeners=[LoggingListener()]",
    "on_giveup": "listeners=[LoggingListener()]",
    "retry_error_callback": "fallback={}",
    "retry_error_cls": "raise_exhausted=True",
}
_WHY: Final = {
    "after": "; each is called with one event",
    "before": "; it is called with one AttemptStarting",
    "before_sleep": "; each is called with one event",
    "giveup": "; it returns the Fault of an exception",
    "on": "; classify= of a retrier is for exceptions of your own",
    "on_backoff": "; each is called with one event",
    "on_giveup": "; each is called with one event",
    "retry": "; classify= of a retrier is for exceptions of your own",
    "retry_error_callback": "; it is called with the last exception",
}

# A function or class -> how to pass it the fields of a policy, and options of a retrier. None: it has them itself.
_PLACES: Final[Mapping[str, tuple[str | None, str | None]]] = {
    "RetryPolicy": (None, "Retrier(policy, {})"),
    "Retrier": ("the policy with it, such as retry(RetryPolicy({})) or Retrier(RetryPolicy({}))", None),
    "BoundedExecutor": ("policy=RetryPolicy({})", "Retrier(policy, {}) around the function of each item"),
    "protect": ("policy=RetryPolicy({})", "Retrier(policy, {}) around a client without protection"),
    "bedrock_runtime_client": ("policy=RetryPolicy({})", "protect(client, {}), or Retrier(policy, {})"),
    "BedrockRuntime": ("retrier=Retrier(RetryPolicy({}))", "retrier=Retrier({})"),
    "AsyncBedrockRuntime": ("retrier=Retrier(RetryPolicy({}))", "retrier=Retrier({})"),
}
# What a name means here, and nowhere else. None: the function says it itself.
_OWN: Final[Mapping[str, Mapping[str, str | None]]] = {
    "BoundedExecutor": {
        "concurrency": "max_workers={}",
        "max_concurrency": "max_workers={}",
        "timeout": "deadline=Deadline.after({}) for the run, or Retrier(timeout={}) around the function of an item",
        "workers": "max_workers={}",
    },
    "bedrock_runtime_client": {
        "max_workers": "workers={}",
        "profile": "session=boto3.Session(profile_name={})",
        "profile_name": "session=boto3.Session(profile_name={})",
        "region": "region_name={}",
        "retries": None,
        "timeout": "read_timeout={} for each request, or Retrier(timeout={}) for a call with its retries",
    },
    "BedrockRuntime": {"policy": "retrier=Retrier({})"},
    "AsyncBedrockRuntime": {"policy": "retrier=Retrier({})"},
    "Quota": {
        "requests": "requests_per_minute={}",
        "rpm": "requests_per_minute={}",
        "tokens": "tokens_per_minute={}",
        "tpd": "tokens_per_day={}",
        "tpm": "tokens_per_minute={}",
    },
}


def refuse_names(owner: str, unknown: Mapping[str, Any], names: Collection[str], *, others: bool) -> None:
    """Raise an error for options that a function does not have.

    Args:
        owner: The function or class.
        unknown: The options, with their values.
        names: The options that it has.
        others: It has others besides, so that only a name with a known meaning is refused.

    Raises:
        TypeError: It says what to write instead.
    """
    names = [name for name in names if name != "self"]
    own = _OWN.get(owner, {})
    meanings = {name: own.get(name, _meaning(name, value)) for name, value in unknown.items()}
    if others:
        unknown = {name: value for name, value in unknown.items() if meanings[name] is not None}
    if not unknown:
        return
    field_place, option_place = _PLACES.get(owner, (None, None))
    accepted: list[str] = []
    fields: list[str] = []
    options: list[str] = []
    for name, value in sorted(unknown.items(), key=_by_field):
        meant = meanings[name]
        if meant is None or (owner not in _PLACES and name not in own):
            meant, into = _closest(name, names), accepted
        elif name in own:
            into = accepted
        else:
            into = fields if meant.partition("=")[0] in FIELDS else options
        into.append(meant.replace("{}", repr(value)))
    accepted += _placed(field_place, fields) + _placed(option_place, options)
    shown = ", ".join(f"{name}={value!r}" for name, value in sorted(unknown.items(), key=_by_field))
    raise TypeError(f"{owner}: got {shown}; accepted: {', '.join(accepted)}{_why(unknown)}")


def refuse_position(owner: str, value: object, names: Collection[str], positional: int) -> None:
    """Raise an error for an argument by position that needs its name.

    Raises:
        TypeError: It lists the names.
    """
    by_name = ", ".join(f"{name}=" for name in tuple(names)[positional:])
    raise TypeError(f"{owner}: got {value!r} without a name; accepted: {by_name}")


def _by_field(option: tuple[str, object]) -> tuple[int, str]:
    name = option[0]
    return (FIELDS.index(name) if name in FIELDS else len(FIELDS), name)


def _meaning(name: str, value: Any) -> str | None:  # noqa: ANN401 - a number, or an object of tenacity
    """Return the option for a name, with its value or ``{}`` for it; None for a name that has no meaning."""
    if name == "stop":  # of tenacity: stop_after_attempt counts attempts, stop_after_delay has seconds
        seconds = getattr(value, "max_delay", None)
        if isinstance(seconds, (int, float)):
            return f"timeout={seconds!r}"
        value = getattr(value, "max_attempt_number", None)
    elif name == "reraise":
        return f"raise_exhausted={not value}"
    elif name not in _COUNTS:
        return _AS_FIELDS.get(name) or _AS_OPTIONS.get(name)
    return f"max_retries={value - 1 if isinstance(value, int) and value >= 1 else 2}"


def _placed(place: str | None, options: list[str]) -> list[str]:
    if not options:
        return []
    text = ", ".join(options)
    return [text if place is None else place.replace("{}", text)]


def _closest(name: str, names: Collection[str]) -> str:
    from difflib import get_close_matches  # noqa: PLC0415 - only a refusal needs it

    matches = get_close_matches(name, names)
    return f"{matches[0]}={{}}" if matches else f"only {', '.join(names)}"


def _why(unknown: Mapping[str, object]) -> str:
    counts = next((name for name in sorted(unknown) if name in _COUNTS), None)
    if counts is not None:
        return f", because {counts} counts the first attempt, too"
    return next((_WHY[name] for name in sorted(unknown) if name in _WHY), "")
