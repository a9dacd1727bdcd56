"""RunStats: what a run that has happened looked like, read from its report or its log."""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, cast

from bedrock_resilience.quotas import TokenUsage
from bedrock_resilience.retrying._policy import RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

DEFAULT_LATENCY: Final = 6.5
"""Seconds of one answer where nothing tells: the latency of the contract's incident."""

_RETRY: Final = re.compile(
    r"(?P<name>\w+) (détectée \(tentative \d+/(?P<fr>\d+)\)|\(attempt \d+/(?P<en>\d+)\)\. Retrying in)"
)
_ABANDONED: Final = re.compile(r"(?P<name>\w+) - (Échec après \d+ tentatives|failed after \d+ attempts)")
_MOST: Final = 10**9  # of anything that a run can count
_THROTTLE: Final = "ThrottlingException"
_ESCAPED: Final = re.compile(r"\\u([0-9a-fA-F]{4})")
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,6})?")
_NUMBERS: Final = ("submitted", "failed", "attempts", "retries", "throttles")
_BATCH: Final = re.compile(r"(?P<succeeded>\d+) succeeded, (?P<failed>\d+) failed, (?P<unstarted>\d+) not started")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStats:
    """The numbers of a run, and the settings it ran with.

    Attributes:
        submitted: Items of the run.
        failed: Items given up.
        calls: Requests sent.
        retries: Retries decided.
        throttles: Answers that said 429.
        elapsed: Seconds; 0 where nothing tells.
        latency: Seconds of one answer.
        workers: Calls in flight at the most.
        policy: The retry policy.
        pacing_seconds: Seconds slept for a pacer.
        output_tokens: Of all answers together; 0 where nothing tells.
        max_tokens: Of every request; None where nothing tells.
        tokens: The run's own account of them; None where it has none.

    Raises:
        ValueError: A field that cannot be; the message names each one, what was given and what is accepted.
    """

    submitted: int
    failed: int
    attempts: int
    retries: int
    throttles: int
    elapsed: float = 0.0
    latency: float = DEFAULT_LATENCY
    workers: int = 4
    policy: RetryPolicy = RetryPolicy()  # noqa: RUF009 - a frozen value
    pacing_seconds: float = 0.0
    output_tokens: int = 0
    max_tokens: int | None = None
    tokens: TokenUsage | None = None

    def __post_init__(self) -> None:
        problems = list(_problems(self))
        if problems:
            raise ValueError("; and ".join(problems))

    @property
    def throttle_rate(self) -> float:
        """Throttles over calls."""
        return self.throttles / self.attempts if self.attempts else 0.0

    @property
    def failure_rate(self) -> float:
        """Failed over submitted."""
        return self.failed / self.submitted if self.submitted else 0.0

    @property
    def answered(self) -> int:
        """Requests that were not refused for the quota."""
        return self.attempts - self.throttles


def _problems(seen: RunStats) -> Iterator[str]:
    wrong = [name for name in (*_NUMBERS, "output_tokens") if not _is_count(getattr(seen, name), 0)]
    for name in wrong:
        yield f"{name}: got {getattr(seen, name)!r}; accepted: a whole number from 0 to {_MOST:,}"
    for name, most in (("failed", "submitted"), ("retries", "attempts"), ("throttles", "attempts")):
        if not {name, most} & set(wrong) and getattr(seen, name) > getattr(seen, most):
            yield f"{name}: got {getattr(seen, name)}; accepted: no more than {most} ({getattr(seen, most)})"
    for name in ("elapsed", "latency", "pacing_seconds"):
        if not _is_seconds(getattr(seen, name)):
            yield f"{name}: got {getattr(seen, name)!r}; accepted: a finite number of seconds >= 0"
    if not _is_count(seen.workers, 1):
        yield f"workers: got {seen.workers!r}; accepted: a whole number from 1 to {_MOST:,}"
    if seen.max_tokens is not None and not _is_count(seen.max_tokens, 1):
        yield f"max_tokens: got {seen.max_tokens!r}; accepted: a whole number from 1 to {_MOST:,}, or None"
    if not _is_policy(seen.policy):
        yield f"policy: got {seen.policy!r}; accepted: a RetryPolicy"


def _is_count(given: object, least: int) -> bool:
    return isinstance(given, int) and not isinstance(given, bool) and least <= given <= _MOST


def _is_seconds(given: object) -> bool:
    return isinstance(given, int | float) and not isinstance(given, bool) and 0 <= given <= sys.float_info.max


def _is_policy(given: object) -> bool:
    return isinstance(given, RetryPolicy)


def read_run_stats(text: str, **known: Any) -> RunStats:  # noqa: ANN401 - fields of RunStats
    """Read a run report, a ``BatchReport.to_dict()`` as JSON, or log lines.

    Args:
        text: The file.
        known: Fields that are known otherwise, and go before what is read.

    Raises:
        ValueError: The file is neither; the message tells what was looked for.
    """
    try:
        report: object = json.loads(text)
    except (ValueError, RecursionError):  # the latter for thousands of brackets
        report = None
    messages = _messages(report)
    if isinstance(report, dict) and not messages:
        return _from_report(cast("dict[str, Any]", report), known)
    return _from_log(messages or text.splitlines(), known)


def _messages(found: object) -> list[str]:
    """The messages of log events, as ``aws logs filter-log-events`` and the console give them; of one line, itself."""
    if isinstance(found, dict):
        group = cast("dict[str, object]", found)
        found = group.get("events", [group])
    events = cast("list[object]", found) if isinstance(found, list) else []
    told = [cast("dict[str, object]", event).get("message") for event in events if isinstance(event, dict)]
    return [message for message in told if isinstance(message, str)]


def _from_report(report: Mapping[str, Any], known: Mapping[str, Any]) -> RunStats:
    numbers = _mapping("bedrock", report["bedrock"]) if "bedrock" in report else report
    missing = [name for name in _NUMBERS if name not in numbers]
    if missing:
        raise ValueError(f"report: has no {', '.join(missing)}; accepted: a run report, or a BatchReport as JSON")
    read: dict[str, Any] = {name: numbers[name] for name in _NUMBERS}
    read |= {name: numbers[name] for name in ("elapsed", "pacing_seconds", "output_tokens") if name in numbers}
    if numbers.get("tokens") is not None:
        read["tokens"] = TokenUsage.from_dict(_mapping("tokens", numbers["tokens"]))
    settings = _mapping("settings", report.get("settings"))
    if settings.get("max_workers") is not None:
        read["workers"] = settings["max_workers"]
    variables = _mapping("settings.policy", settings.get("policy"))
    # Variables are texts; what a report has as numbers is read as it would have been set.
    read["policy"] = RetryPolicy.from_env({name: str(value) for name, value in variables.items() if value is not None})
    latency = _latency(report.get("items") or numbers.get("outcomes"))
    if latency is not None:
        read["latency"] = latency
    return RunStats(**{**read, **known})


def _mapping(name: str, given: object) -> Mapping[str, Any]:
    """The part of a report; nothing where there is none."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise ValueError(f"{name}: got {given!r}; accepted: an object, or null")  # noqa: TRY004 - the file is wrong, not the call
    return cast("Mapping[str, Any]", given)


def _latency(outcomes: object) -> float | None:
    """The mean seconds of an answered request: what is left of an item when all waiting is taken off.

    A refusal takes a fraction of a second, so it is left out of the count. So is what is no outcome.
    """
    answers: list[float] = []
    for outcome in cast("list[object]", outcomes) if isinstance(outcomes, list) else []:
        told = cast("dict[str, Any]", outcome) if isinstance(outcome, dict) else {}
        elapsed, waited, paced = (told.get(name, 0.0) for name in ("elapsed", "backoff_seconds", "pacing_seconds"))
        if told.get("status") == "succeeded" and all(map(_is_seconds, (elapsed, waited, paced))):
            answers.append(elapsed - waited - paced)
    return max(math.fsum(answers) / len(answers), 0.0) if answers else None


def _from_log(lines: Iterable[str], known: Mapping[str, Any]) -> RunStats:
    retries = abandoned = attempts = throttles = 0
    counts = {"succeeded": 0, "failed": 0, "unstarted": 0}
    batches = 0
    times: list[datetime] = []
    for line in map(_plain, lines):
        if retry := _RETRY.search(line):
            retries += 1
            throttles += retry["name"] == _THROTTLE
            attempts = max(attempts, int(retry["fr"] or retry["en"]))
        elif given_up := _ABANDONED.search(line):
            abandoned += 1
            throttles += given_up["name"] == _THROTTLE
        elif batch := _BATCH.search(line):
            batches += 1
            counts = {name: count + int(batch[name]) for name, count in counts.items()}
        else:
            continue
        times += _time(line)
    if not batches and "submitted" not in known:
        raise ValueError(
            "log: has no line '<n> succeeded, <n> failed, <n> not started'; accepted: the log of a whole run, "
            "a run report as JSON, or the number of items beside the log"
        )
    submitted = known.get("submitted", sum(counts.values()))
    read: dict[str, Any] = {
        "submitted": submitted,
        "failed": max(abandoned, counts["failed"]),
        "attempts": submitted - counts["unstarted"] + retries,
        "retries": retries,
        "throttles": throttles,
        "policy": RetryPolicy(max_retries=attempts - 1) if attempts else RetryPolicy(),
    }
    if times and batches <= 1:  # between several runs there may be any pause
        read["elapsed"] = (max(times) - min(times)).total_seconds()
    return RunStats(**{**read, **known})


def _plain(line: str) -> str:
    """The line as it was meant: JSON loggers write letters with accents as escapes."""
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), line)


def _time(line: str) -> list[datetime]:
    """When the line was written; nothing where it does not say. The zone is left out: it is the same in each line."""
    found = _TIME.search(line)
    if found is None:
        return []
    try:
        return [datetime.fromisoformat(found[0].replace(",", "."))]
    except ValueError:  # such as a 99th of a month
        return []
