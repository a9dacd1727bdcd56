"""Runs and their numbers, from log lines and run reports.

A run may be described up to three times and counts once: by its run report, which has the most; by its line of metrics;
and by its other log lines, which are added up. The log lines are all there is if a run timed out, or if only they
were kept.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final, cast

from bedrock_resilience import Fault, RetryPolicy, TokenUsage
from bedrock_resilience.simulation import RunStats
from vectora_normalize.contract import ErrorType
from vectora_normalize.pipeline.source_health import FAILED_RUNS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from vectora_normalize.operations.report.log_lines import LogLine

# The lines of vectora_normalize.bedrock_retry and of bedrock_resilience.telemetry. Any character matches an accented
# letter, so that retries are counted even if a console writes another encoding than it declares.
_RETRY: Final = re.compile(
    r"(?P<name>\w+)(?: d\S{1,6}tect\S{1,6}e \(tentative | \(attempt )\d+/\d+\)\. Retry(?:ing)? (?:dans|in) "
)
_ABANDONED: Final = re.compile(
    r"(?P<name>\w+) - (?:\S{1,6}chec apr\S{1,6}s \d+ tentatives\. Abandon|"
    r"failed after \d+ attempts?(?: \([\w' ]+\))?\. Giving)"
)
_THROTTLING: Final = "ThrottlingException"
_FAULT_NAMES: Final = {_THROTTLING: Fault.THROTTLING.value}  # log lines have AWS's error codes
# Of vectora_normalize.normalize.batch; older versions wrote it in French.
_BATCH: Final = re.compile(
    r"(?:Normali[sz]ed|Normalisation termin\S{1,6}e)\s{0,2}: "
    r"(?P<succeeded>\d+) (?:succeeded|succ\S{1,6}s), (?P<failed>\d+) (?:failed|\S{1,6}checs)"
    r"(?:, (?P<unstarted>\d+) not started)?"
)
# The handler's lines about a response that is not 200.
_NO_RESULT: Final = re.compile(rf"(?:refused|run failed|came to nothing): (?P<type>{'|'.join(ErrorType)}): ")
_REQUEST_ID: Final = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
# Lambda's own line.
_TIMED_OUT: Final = re.compile(rf"(?P<id>{_REQUEST_ID}) Task timed out after (?P<seconds>[\d.]+) seconds")


class Origin(IntEnum):
    """Where the numbers of a run come from; a greater one replaces a smaller one."""

    LINES = 0
    METRICS = 1
    REPORT = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class RunNumbers:
    """The numbers of a run. All lines without a request id count as one run.

    Args:
        request_id: The id of the invocation; None if no line has one.
        origin: Where the numbers come from.
        attempts: Requests sent to Bedrock; None if unknown.
        retries: Attempts after the first of their call.
        throttles: Attempts that were answered with 429.
        submitted: Items to be normalized; None if unknown.
        failed: Items that failed for good.
        seconds: Duration of the run; None if unknown.
        asked_items: Items for which the run asked Bedrock; None if only those submitted are known.
        nothing_kept: Whether the sources had entries, and none was kept.
        failing_sources: Sources that failed in several runs in a row.
        unstarted: Items that were not started, without those that were queued for workers.
        error_type: ``error_type`` of a response that is not 200; None if there was none.
        timed_out: Whether Lambda ended the run at its timeout.
        faults: Faults of the failed items, counted; empty if only metrics are known.
        tokens: Tokens that were reserved of the quota, and how they were used; None without a report.
        stats: The run as the library advises on it; None if attempts or items are not known.
    """

    request_id: str | None
    origin: Origin
    attempts: int | None
    retries: int
    throttles: int
    submitted: int | None
    failed: int
    seconds: float | None
    asked_items: int | None = None
    nothing_kept: bool = False
    failing_sources: int = 0
    unstarted: int = 0
    error_type: str | None = None
    timed_out: bool = False
    faults: Mapping[str, int] = field(default_factory=dict[str, int])
    tokens: TokenUsage | None = None
    stats: RunStats | None = None

    @property
    def retry_rate(self) -> float | None:
        """Retries over attempts, 0 to 1; None if the attempts are not known."""
        return None if self.attempts is None else self.retries / max(self.attempts, 1)

    @property
    def throttle_rate(self) -> float | None:
        """Throttles over attempts, 0 to 1; None if the attempts are not known."""
        return None if self.attempts is None else self.throttles / max(self.attempts, 1)

    @property
    def failure_rate(self) -> float | None:
        """Failed over asked items, 0 to 1; None if the items are not known."""
        return None if self.asked is None else self.failed / max(self.asked, 1)

    @property
    def asked(self) -> int | None:
        """The items that the failure rate is over; None if unknown."""
        return self.submitted if self.asked_items is None else self.asked_items

    @property
    def counts(self) -> dict[str, float]:
        """The numbers under the names of the metrics, for the rules; those that are not known are left out."""
        known: dict[str, float | None] = {
            "Attempts": self.attempts,
            "Retries": self.retries,
            "ItemsAsked": self.asked,
            "ItemsFailed": self.failed,
            "RunsNothingKept": float(self.nothing_kept),
            "SourcesFailingRepeatedly": self.failing_sources,
            # Of a run without a result it is known that nothing was done, and of one that was killed, how long it took.
            "ItemsUnstarted": self.unstarted if self.error_type is None else None,
            "DurationSeconds": None if self.timed_out else self.seconds,
        }
        return {name: value for name, value in known.items() if value is not None}


def find_runs(lines: Iterable[LogLine]) -> list[RunNumbers]:
    """Return the runs that the lines describe, in the order of their first lines.

    Lines of other programs, and those of this one without numbers, are skipped.
    """
    summaries: dict[str | None, RunNumbers] = {}
    totals: dict[str | None, _Totals] = {}
    dry_runs: set[object] = set()
    for line in lines:
        if _is_of_dry_run(line.fields):
            dry_runs.add(line.fields["request_id"])
            continue
        numbers = _of_report(line.fields) or _of_metrics(line.fields)
        if numbers is None:
            _add(line, totals)
        elif numbers.request_id not in summaries or numbers.origin >= summaries[numbers.request_id].origin:
            summaries[numbers.request_id] = numbers
    of_lines = {request_id: found.numbers(request_id) for request_id, found in totals.items() if found.counted}
    return [
        _completed(run, totals.get(request_id))
        for request_id, run in {**of_lines, **summaries}.items()
        if request_id not in dry_runs
    ]


@dataclass(slots=True)
class _Totals:
    """The sums of the log lines of one run."""

    retries: int = 0
    throttles: int = 0
    abandoned: int = 0
    batches: int = 0
    succeeded: int = 0
    failed: int = 0
    unstarted: int = 0
    seconds: float | None = None
    timed_out: bool = False
    error_type: str | None = None
    faults: Counter[str] = field(default_factory=Counter[str])

    @property
    def counted(self) -> bool:
        """Whether any line was one of a run."""
        return bool(self.retries or self.abandoned or self.batches or self.timed_out or self.error_type)

    def numbers(self, request_id: str | None) -> RunNumbers:
        known = self.batches > 0
        return RunNumbers(
            request_id=request_id,
            origin=Origin.LINES,
            # Each item that was started had one attempt, and one more for each retry.
            attempts=self.succeeded + self.failed + self.retries if known else None,
            retries=self.retries,
            throttles=self.throttles,
            submitted=self.succeeded + self.failed + self.unstarted if known else None,
            failed=self.failed if known else self.abandoned,
            seconds=self.seconds,
            unstarted=self.unstarted,
            faults=dict(self.faults),
        )


def _completed(run: RunNumbers, totals: _Totals | None) -> RunNumbers:
    """Return the run with what only its log lines contain, and with its ``stats``."""
    if totals is not None:
        run = replace(run, timed_out=totals.timed_out, error_type=run.error_type or totals.error_type)
    return run if run.stats is not None else replace(run, stats=run_stats(run))


def run_stats(run: RunNumbers) -> RunStats | None:
    """Return the run as the library advises on it, with default settings; None if numbers are unknown or damaged."""
    if run.attempts is None or run.submitted is None:
        return None
    try:
        return RunStats(
            submitted=run.submitted,
            failed=run.failed,
            attempts=run.attempts,
            retries=run.retries,
            throttles=run.throttles,
            elapsed=run.seconds or 0.0,
            faults={_FAULT_NAMES.get(name, name): count for name, count in run.faults.items()},
        )
    except (TypeError, ValueError):
        return None


def _add(line: LogLine, totals: dict[str | None, _Totals]) -> None:
    if timed_out := _TIMED_OUT.search(line.text):
        found = totals.setdefault(timed_out["id"], _Totals())
        found.timed_out, found.seconds = True, float(timed_out["seconds"])
        return
    request_id = line.fields.get("request_id")
    found = totals.setdefault(request_id if isinstance(request_id, str) else None, _Totals())
    if retry := _RETRY.search(line.text):
        found.retries += 1
        found.throttles += retry["name"] == _THROTTLING
    elif abandoned := _ABANDONED.search(line.text):
        found.abandoned += 1
        found.throttles += abandoned["name"] == _THROTTLING
        found.faults[abandoned["name"]] += 1
    elif batch := _BATCH.search(line.text):
        found.batches += 1
        found.succeeded += int(batch["succeeded"])
        found.failed += int(batch["failed"])
        found.unstarted += int(batch["unstarted"] or 0)
    elif no_result := _NO_RESULT.search(line.text):
        found.error_type = no_result["type"]


def _is_of_dry_run(fields: Mapping[str, Any]) -> bool:
    """Return whether these are the report or the metrics of a dry run, which is no run for the alarms either."""
    is_dry = _object(fields.get("request")).get("dry_run") is True or _number(fields.get("DryRuns")) == 1
    return is_dry and isinstance(fields.get("request_id"), str)


def _of_report(fields: Mapping[str, Any]) -> RunNumbers | None:
    """Return the numbers of a run report; see ``vectora_normalize.pipeline.report``."""
    bedrock, seconds = _object(fields.get("bedrock")), _object(fields.get("seconds"))
    numbers = {name: _number(bedrock.get(name)) for name in ("attempts", "retries", "throttles", "submitted", "failed")}
    if None in numbers.values():
        return None
    queued = _number(_object(fields.get("work")).get("queued")) or 0
    numbers["unstarted"] = max((_number(bedrock.get("unstarted")) or 0) - queued, 0)
    work = _object(fields.get("work"))
    given_up = int(_number(work.get("given_up")) or 0)
    numbers["failed"] = max((numbers["failed"] or 0) - given_up, 0)
    faults = {name: int(count) for name, count in _object(bedrock.get("faults")).items() if _number(count) is not None}
    run = _run(fields, Origin.REPORT, numbers, _number(seconds.get("total")), faults)
    asked = _number(fields.get("items_asked"))
    sources = [_object(source) for source in _list(fields.get("sources"))]
    entries, kept = (
        sum(_number(_object(source.get("counts")).get(name)) or 0 for source in sources) for name in ("entries", "kept")
    )
    return replace(
        run,
        asked_items=None if asked is None else int(asked),
        nothing_kept=bool(entries) and not kept,
        failing_sources=sum(1 for source in sources if (_number(source.get("failed_runs")) or 0) >= FAILED_RUNS),
        tokens=_tokens(_object(bedrock.get("tokens"))),
        stats=_stats_of_report(fields, bedrock),
    )


def _stats_of_report(fields: Mapping[str, Any], bedrock: Mapping[str, Any]) -> RunStats | None:
    """Return the batch of the report with the settings of the run; None if it is damaged."""
    settings = _object(fields.get("settings"))
    # Environment variables are text; a number in a report is read as the text that sets it.
    variables = {name: str(value) for name, value in _object(settings.get("policy")).items() if value is not None}
    workers = {} if settings.get("max_workers") is None else {"workers": settings["max_workers"]}
    try:
        policy = RetryPolicy.from_env(variables)
        return RunStats.from_report({**bedrock, "outcomes": fields.get("items")}, policy=policy, **workers)
    except (TypeError, ValueError):
        return None


def _tokens(usage: Mapping[str, Any]) -> TokenUsage | None:
    try:
        return TokenUsage.from_dict(usage)
    except ValueError:  # missing or damaged
        return None


def _of_metrics(fields: Mapping[str, Any]) -> RunNumbers | None:
    """Return the numbers of a line of metrics; see ``vectora_normalize.operations.monitoring``."""
    values = {name: _number(fields.get(name)) for name in ("Attempts", "Retries", "Throttles", "ItemsFailed")}
    if "_aws" not in fields or None in values.values():
        return None
    attempts, retries, throttles, failed = values.values()
    succeeded, unstarted, queued = (
        _number(fields.get(name)) or 0 for name in ("ItemsNormalized", "ItemsUnstarted", "ItemsQueued")
    )
    numbers = {
        "attempts": attempts,
        "retries": retries,
        "throttles": throttles,
        "submitted": succeeded + unstarted + queued + (failed or 0),
        "failed": failed,
        "unstarted": unstarted,
    }
    run = _run(fields, Origin.METRICS, numbers, _number(fields.get("DurationSeconds")), {})
    asked, nothing_kept, failing = (
        _number(fields.get(name)) for name in ("ItemsAsked", "RunsNothingKept", "SourcesFailingRepeatedly")
    )
    return replace(
        run,
        asked_items=None if asked is None else int(asked),
        nothing_kept=bool(nothing_kept),
        failing_sources=int(failing or 0),
    )


def _run(
    fields: Mapping[str, Any],
    origin: Origin,
    numbers: Mapping[str, float | None],
    seconds: float | None,
    faults: Mapping[str, int],
) -> RunNumbers:
    counts: dict[str, Any] = {name: int(value or 0) for name, value in numbers.items()}
    request_id, error_type = fields.get("request_id"), fields.get("error_type")
    return RunNumbers(
        request_id=request_id if isinstance(request_id, str) else None,
        origin=origin,
        error_type=error_type if isinstance(error_type, str) else None,
        seconds=seconds,
        faults=faults,
        **counts,
    )


def _number(value: object) -> float | None:
    """Return a number, or the only element of a list (as in the embedded metric format); None for anything else."""
    if isinstance(value, list) and len(cast("list[object]", value)) == 1:
        value = cast("list[object]", value)[0]
    return value if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) else None


def _list(value: object) -> list[object]:
    return cast("list[object]", value) if isinstance(value, list) else []


def _object(value: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}
