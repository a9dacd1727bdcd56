"""``RunStats``: the numbers and the settings of a finished run, read from its report or from its log."""

from __future__ import annotations

import json
import math
import re
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, cast

from bedrock_resilience._checks import Problem, instance, number, refuse, whole_number, wrong_value
from bedrock_resilience._fault import Fault
from bedrock_resilience.quotas import TokenUsage
from bedrock_resilience.retrying._policy import RetryPolicy
from bedrock_resilience.simulation._scenario import DEFAULT_LATENCY_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bedrock_resilience.batch._report import BatchReport

_MAX_COUNT: Final = 10**9  # of items, of attempts, of tokens
_COUNTS: Final = ("submitted", "failed", "attempts", "retries", "throttles")
# The English lines of bedrock_resilience.telemetry._logging. Those of version 0.1 have no reason, and "1 attempts".
_RETRY: Final = re.compile(r"(?P<name>\w+) \(attempt \d+/(?P<max_attempts>\d+)\)\. Retrying in ")
_FAILED: Final = re.compile(
    r"(?P<name>\w+)(?: - failed after \d+ attempts?(?: \([\w' ]+\))?\. Giving up|: the Bedrock call failed, )"
)
_THROTTLE: Final = "ThrottlingException"
_TIMESTAMP: Final = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,6})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStats:
    """The numbers of a finished run, and the settings it ran with.

    Args:
        submitted: Items of the run.
        failed: Items that failed for good.
        attempts: Requests sent.
        retries: Attempts after the first of their call.
        throttles: Attempts that were answered with a throttle.
        elapsed: Seconds from start to end; 0 if unknown.
        latency: Seconds until a request is answered.
        workers: Calls in flight at the most.
        policy: The retry policy.
        pacing_seconds: Seconds slept for the pacer, all items together; 0 without one.
        tokens: What the requests reserved of the token quota and what became of it; None if unknown.
        faults: Faults of the failed items, by name (``Fault.value``), counted; empty if unknown.

    Raises:
        TypeError: A field has the wrong type.
        ValueError: A field is out of range.
    """

    submitted: int
    failed: int
    attempts: int
    retries: int
    throttles: int
    elapsed: float = 0.0
    latency: float = DEFAULT_LATENCY_SECONDS
    workers: int = 4
    policy: RetryPolicy = RetryPolicy()  # noqa: RUF009 - a frozen value
    pacing_seconds: float = 0.0
    tokens: TokenUsage | None = None
    faults: Mapping[str, int] = field(default_factory=dict[str, int])

    def __post_init__(self) -> None:
        counts = {name: whole_number(name, getattr(self, name), least=0, most=_MAX_COUNT) for name in _COUNTS}
        pairs = (("failed", "submitted"), ("retries", "attempts"), ("throttles", "attempts"))
        refuse(
            "RunStats",
            *counts.values(),
            *(self._larger(part, total) for part, total in pairs if not (counts[part] or counts[total])),
            *(
                number(name, getattr(self, name), least=0, unit="seconds")
                for name in ("elapsed", "latency", "pacing_seconds")
            ),
            whole_number("workers", self.workers, least=1, most=_MAX_COUNT),
            instance("policy", self.policy, RetryPolicy, "a RetryPolicy"),
            instance("tokens", self.tokens, TokenUsage, "a TokenUsage, or None", optional=True),
            instance("faults", self.faults, Mapping, "a mapping from the name of a fault to a count"),
        )

    def _larger(self, part: str, total: str) -> Problem | None:
        given, most = getattr(self, part), getattr(self, total)
        return wrong_value(part, given, f"no more than {total} ({most})") if given > most else None

    @classmethod
    def from_report(cls, report: BatchReport[Any, Any] | Mapping[str, Any], **known: Any) -> RunStats:  # noqa: ANN401 - fields of RunStats
        """Read a report of a batch.

        Args:
            report: A ``BatchReport``, or what its ``to_dict()`` returns.
            known: Fields of ``RunStats`` that replace what the report says, and those that no report has: ``workers``
                and ``policy``.

        Raises:
            TypeError: A field has the wrong type.
            ValueError: A number is missing or out of range.
        """
        numbers = report if isinstance(report, Mapping) else report.to_dict()
        missing = [name for name in _COUNTS if name not in {**numbers, **known}]
        if missing:
            raise ValueError(f"report: has no {', '.join(missing)}; accepted: a BatchReport, or its to_dict() as JSON")
        read: dict[str, Any] = {
            name: numbers[name] for name in (*_COUNTS, "elapsed", "pacing_seconds") if name in numbers
        }
        read["faults"] = _mapping("faults", numbers.get("faults"))
        if numbers.get("tokens") is not None:
            read["tokens"] = TokenUsage.from_dict(_mapping("tokens", numbers["tokens"]))
        latency = _mean_latency(numbers.get("outcomes"))
        if latency is not None:
            read["latency"] = latency
        return cls(**{**read, **known})

    @classmethod
    def from_log(cls, lines: Iterable[str], *, submitted: int, **known: Any) -> RunStats:  # noqa: ANN401 - fields of RunStats
        """Count the English lines of a ``LoggingListener``, with any text before and after them.

        Args:
            lines: Lines of one run; those of other loggers are skipped.
            submitted: Items of the run. Each is assumed to have had at least one attempt.
            known: Other fields of ``RunStats``, which replace what the lines show.

        Raises:
            TypeError: A field has the wrong type.
            ValueError: A field is out of range.
        """
        retries = throttles = max_attempts = 0
        faults: Counter[str] = Counter()
        times: list[datetime] = []
        for line in lines:
            if retry := _RETRY.search(line):
                retries += 1
                throttles += retry["name"] == _THROTTLE
                max_attempts = max(max_attempts, int(retry["max_attempts"]))
            elif failed := _FAILED.search(line):
                throttled = failed["name"] == _THROTTLE
                throttles += throttled
                faults[Fault.THROTTLING.value if throttled else failed["name"]] += 1
            else:
                continue
            times += _timestamp(line)
        read: dict[str, Any] = {
            "failed": faults.total(),
            "attempts": submitted + retries,
            "retries": retries,
            "throttles": throttles,
            "faults": dict(faults),
            "policy": RetryPolicy(max_retries=max_attempts - 1) if max_attempts else RetryPolicy(),
        }
        if times:
            read["elapsed"] = (max(times) - min(times)).total_seconds()
        arguments: dict[str, Any] = {**read, "submitted": submitted, **known}
        return cls(**arguments)

    @property
    def throttle_rate(self) -> float:
        """Throttles over attempts, 0 to 1."""
        return self.throttles / self.attempts if self.attempts else 0.0

    @property
    def retry_rate(self) -> float:
        """Retries over attempts, 0 to 1."""
        return self.retries / self.attempts if self.attempts else 0.0

    @property
    def failure_rate(self) -> float:
        """Failed over submitted items, 0 to 1."""
        return self.failed / self.submitted if self.submitted else 0.0

    @property
    def admitted(self) -> int:
        """Attempts that were not throttled."""
        return self.attempts - self.throttles


def read_run_stats(text: str, **known: Any) -> RunStats:  # noqa: ANN401 - fields of RunStats
    """Read a ``BatchReport.to_dict()`` as JSON, or a log with the English lines of a ``LoggingListener``.

    Args:
        text: The content of the file.
        known: Fields of ``RunStats`` that replace what the text says; for a log, ``submitted`` is required.

    Raises:
        TypeError: A field has the wrong type.
        ValueError: A number is missing or out of range.
    """
    try:
        report: object = json.loads(text)
    except (ValueError, RecursionError):  # the latter for thousands of brackets
        report = None
    # A log of a single JSON line is an object with a message.
    if isinstance(report, dict) and "message" not in report:
        return RunStats.from_report(cast("dict[str, Any]", report), **known)
    if "submitted" not in known:
        raise ValueError(
            "log: the number of items is unknown; accepted: a BatchReport as JSON, or a log and its number of items"
        )
    return RunStats.from_log(text.splitlines(), **known)


def _mapping(name: str, given: object) -> Mapping[str, Any]:
    """A part of a report; empty if it is missing or null."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise ValueError(f"{name}: got {given!r}; accepted: an object, or null")  # noqa: TRY004 - the file is wrong, not the call
    return cast("Mapping[str, Any]", given)


def _mean_latency(outcomes: object) -> float | None:
    """The mean seconds of the succeeded items without their waiting; None if no outcome shows it.

    A throttle is answered in a fraction of a second, so throttles are not counted. Whatever is no outcome is skipped.
    """
    seconds = list(_latencies(outcomes))
    return max(math.fsum(seconds) / len(seconds), 0.0) if seconds else None


def _latencies(outcomes: object) -> Iterator[float]:
    for outcome in cast("list[object]", outcomes) if isinstance(outcomes, list) else []:
        numbers = cast("dict[str, Any]", outcome) if isinstance(outcome, dict) else {}
        elapsed, backoff, pacing = (numbers.get(name, 0.0) for name in ("elapsed", "backoff_seconds", "pacing_seconds"))
        if numbers.get("status") == "succeeded" and all(map(_is_seconds, (elapsed, backoff, pacing))):
            yield elapsed - backoff - pacing


def _is_seconds(given: object) -> bool:
    return isinstance(given, int | float) and not isinstance(given, bool) and 0 <= given <= sys.float_info.max


def _timestamp(line: str) -> list[datetime]:
    """The time of a line, if it has one. The time zone is ignored, because all lines have the same."""
    found = _TIMESTAMP.search(line)
    if found is None:
        return []
    try:
        return [datetime.fromisoformat(found[0].replace(",", "."))]
    except ValueError:  # such as the 99th of a month
        return []
