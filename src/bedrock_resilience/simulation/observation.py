"""Observation: what a run that has happened looked like, read from its report or its log."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from bedrock_resilience.policy import RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

DEFAULT_LATENCY: Final = 6.5
"""Seconds of one answer where nothing tells: the latency of the contract's incident."""

_RETRY: Final = re.compile(r"(détectée \(tentative \d+/(?P<fr>\d+)\)|\(attempt \d+/(?P<en>\d+)\)\. Retrying in)")
_ABANDONED: Final = re.compile(r"(Échec après \d+ tentatives|- failed after \d+ attempts)")
_BATCH: Final = re.compile(r"(?P<succeeded>\d+) succeeded, (?P<failed>\d+) failed, (?P<unstarted>\d+) not started")


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
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
        paced: Seconds slept for a pacer.
        output_tokens: Of all answers together; 0 where nothing tells.
        max_tokens: Of every request; None where nothing tells.
    """

    submitted: int
    failed: int
    calls: int
    retries: int
    throttles: int
    elapsed: float = 0.0
    latency: float = DEFAULT_LATENCY
    workers: int = 4
    policy: RetryPolicy = RetryPolicy()  # noqa: RUF009 - a frozen value
    paced: float = 0.0
    output_tokens: int = 0
    max_tokens: int | None = None

    @property
    def throttle_rate(self) -> float:
        """Throttles over calls."""
        return self.throttles / self.calls if self.calls else 0.0

    @property
    def failure_rate(self) -> float:
        """Failed over submitted."""
        return self.failed / self.submitted if self.submitted else 0.0

    @property
    def answered(self) -> int:
        """Requests that were not refused for the quota."""
        return self.calls - self.throttles


def read_observation(text: str, **known: Any) -> Observation:  # noqa: ANN401 - fields of Observation
    """Read a run report, a ``BatchReport.to_dict()`` as JSON, or log lines.

    Args:
        text: The file.
        known: Fields that are known otherwise, and go before what is read.

    Raises:
        ValueError: The file is neither; the message tells what was looked for.
    """
    try:
        report: object = json.loads(text)
    except ValueError:
        report = None
    if isinstance(report, dict):
        return _from_report(cast("dict[str, Any]", report), known)
    return _from_log(text.splitlines(), known)


def _from_report(report: Mapping[str, Any], known: Mapping[str, Any]) -> Observation:
    numbers = report.get("bedrock", report)
    missing = [name for name in ("submitted", "failed", "calls", "retries", "throttles") if name not in numbers]
    if missing:
        raise ValueError(f"report: has no {', '.join(missing)}; accepted: a run report, or a BatchReport as JSON")
    settings = report.get("settings", {})
    read: dict[str, Any] = {name: numbers[name] for name in ("submitted", "failed", "calls", "retries", "throttles")}
    read |= {name: numbers[name] for name in ("elapsed", "paced", "output_tokens") if name in numbers}
    if "max_workers" in settings:
        read["workers"] = settings["max_workers"]
    if isinstance(settings.get("policy"), dict):
        read["policy"] = RetryPolicy.from_env(settings["policy"])
    latency = _latency(report.get("items") or numbers.get("outcomes") or [])
    if latency is not None:
        read["latency"] = latency
    return Observation(**{**read, **known})


def _latency(outcomes: Iterable[Mapping[str, Any]]) -> float | None:
    """The mean seconds of an answered request: what is left of an item when all waiting is taken off.

    A refusal takes a fraction of a second, so it is left out of the count.
    """
    seconds, answers = 0.0, 0
    for outcome in outcomes:
        if outcome.get("status") == "succeeded":
            seconds += outcome.get("elapsed", 0.0) - outcome.get("waited", 0.0) - outcome.get("paced", 0.0)
            answers += 1
    return max(seconds / answers, 0.0) if answers else None


def _from_log(lines: Iterable[str], known: Mapping[str, Any]) -> Observation:
    retries = abandoned = attempts = 0
    counts = {"succeeded": 0, "failed": 0, "unstarted": 0}
    batches = 0
    for line in lines:
        if retry := _RETRY.search(line):
            retries += 1
            attempts = max(attempts, int(retry["fr"] or retry["en"]))
        elif _ABANDONED.search(line):
            abandoned += 1
        elif batch := _BATCH.search(line):
            batches += 1
            counts = {name: count + int(batch[name]) for name, count in counts.items()}
    if not batches and "submitted" not in known:
        raise ValueError(
            "log: has no line '<n> succeeded, <n> failed, <n> not started'; accepted: the log of a whole run, "
            "a run report as JSON, or the number of items beside the log"
        )
    submitted = known.get("submitted", sum(counts.values()))
    read: dict[str, Any] = {
        "submitted": submitted,
        "failed": max(abandoned, counts["failed"]),
        "calls": submitted - counts["unstarted"] + retries,
        "retries": retries,
        "throttles": retries + abandoned,
        "policy": RetryPolicy(max_retries=attempts - 1) if attempts else RetryPolicy(),
    }
    return Observation(**{**read, **known})
