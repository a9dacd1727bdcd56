"""Records as runs: what each run cost and came to.

A run tells its numbers up to three times, and counts once: its report knows best, then its line of metrics, then what
its log lines add up to. The last is all there is where a run was killed, or where only lines were kept.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final, cast

from bedrock_resilience.quotas import TokenUsage
from vectora_normalize.contract import ErrorType

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from vectora_normalize.operations.report.records import Record

# The lines of bedrock_resilience.telemetry._logging, in both of its languages. A letter with an accent may be anything:
# a console that writes another encoding than it says must not make retries vanish.
_RETRY: Final = re.compile(
    r"(?P<name>\w+)(?: d\S{1,6}tect\S{1,6}e \(tentative | \(attempt )\d+/\d+\)\. Retry(?:ing)? (?:dans|in) "
)
_ABANDONED: Final = re.compile(
    r"(?P<name>\w+) - (?:\S{1,6}chec apr\S{1,6}s \d+ tentatives\. Abandon|failed after \d+ attempts\. Giving)"
)
_THROTTLING: Final = "ThrottlingException"
# Of normalize.batch; older versions wrote it in French.
_BATCH: Final = re.compile(
    r"(?:Normalised|Normalisation termin\S{1,6}e)\s{0,2}: "
    r"(?P<good>\d+) (?:succeeded|succ\S{1,6}s), (?P<bad>\d+) (?:failed|\S{1,6}checs)"
    r"(?:, (?P<rest>\d+) not started)?"
)
# Of the handler, where the answer is no 200.
_REFUSED: Final = re.compile(rf"(?:refused|came to nothing): (?P<type>{'|'.join(ErrorType)}): ")
_REQUEST_ID: Final = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
# Lambda's own lines.
_KILLED: Final = re.compile(rf"(?P<id>{_REQUEST_ID}) Task timed out after (?P<seconds>[\d.]+) seconds")


class Origin(IntEnum):
    """Where the numbers of a run come from; a greater one knows better."""

    LINES = 0
    METRICS = 1
    REPORT = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class RunNumbers:
    """A run in numbers; several runs that no line names are one.

    Args:
        request_id: Its name; None where no line had one.
        origin: Where the numbers come from.
        calls: Requests sent to Bedrock; None where nothing tells.
        retries: Calls that were made again.
        throttles: Answers that said 429.
        submitted: Items that were to be normalised; None where nothing tells.
        failed: Those that failed for good.
        seconds: What the run took; None where nothing tells.
        unstarted: Items that were not begun, those that workers have before them left out.
        refusal: The `error_type` of an answer that is no 200; None where nothing tells of one.
        killed: Whether Lambda ended it at its timeout.
        faults: What the items failed of, counted; empty where only metrics tell.
        tokens: What was reserved of the token quota and what came of it; None where no report tells.
    """

    request_id: str | None
    origin: Origin
    attempts: int | None
    retries: int
    throttles: int
    submitted: int | None
    failed: int
    seconds: float | None
    unstarted: int = 0
    refusal: str | None = None
    killed: bool = False
    faults: Mapping[str, int] = field(default_factory=dict[str, int])
    tokens: TokenUsage | None = None

    @property
    def retry_rate(self) -> float | None:
        """Retries over calls, 0 to 1; None where the calls are not known."""
        return None if self.attempts is None else self.retries / max(self.attempts, 1)

    @property
    def throttle_rate(self) -> float | None:
        """Throttles over calls, 0 to 1; None where the calls are not known."""
        return None if self.attempts is None else self.throttles / max(self.attempts, 1)

    @property
    def failure_rate(self) -> float | None:
        """Failed over submitted items, 0 to 1; None where the items are not known."""
        return None if self.submitted is None else self.failed / max(self.submitted, 1)


def runs(found: Iterable[Record]) -> list[RunNumbers]:
    """The runs that records tell of, in the order in which they first do.

    Records that tell of no run are passed over: lines of other programs, and of other parts of this one.
    """
    told: dict[str | None, RunNumbers] = {}
    added: dict[str | None, _Lines] = {}
    for record in found:
        numbers = _report(record.fields) or _metrics(record.fields)
        if numbers is None:
            _add(record, added)
        elif numbers.request_id not in told or numbers.origin >= told[numbers.request_id].origin:
            told[numbers.request_id] = numbers
    named = {**{name: lines.numbers(name) for name, lines in added.items() if lines.of_a_run}, **told}
    return [_with_lines(numbers, added.get(name)) for name, numbers in named.items()]


@dataclass(slots=True)
class _Lines:
    """What the log lines of one run add up to."""

    retries: int = 0
    throttles: int = 0
    abandoned: int = 0
    batches: int = 0
    good: int = 0
    bad: int = 0
    rest: int = 0
    seconds: float | None = None
    killed: bool = False
    refusal: str | None = None
    faults: Counter[str] = field(default_factory=Counter[str])

    @property
    def of_a_run(self) -> bool:
        """Whether there was a line that counts."""
        return bool(self.retries or self.abandoned or self.batches or self.killed or self.refusal)

    def numbers(self, request_id: str | None) -> RunNumbers:
        known = self.batches > 0
        return RunNumbers(
            request_id=request_id,
            origin=Origin.LINES,
            # Each item that was begun has had one call, and one more for each retry.
            attempts=self.good + self.bad + self.retries if known else None,
            retries=self.retries,
            throttles=self.throttles,
            submitted=self.good + self.bad + self.rest if known else None,
            failed=self.bad if known else self.abandoned,
            seconds=self.seconds,
            unstarted=self.rest,
            faults=dict(self.faults),
        )


def _with_lines(numbers: RunNumbers, lines: _Lines | None) -> RunNumbers:
    """The numbers of a run, with what only its lines tell."""
    if lines is None:
        return numbers
    return replace(numbers, killed=lines.killed, refusal=numbers.refusal or lines.refusal)


def _add(record: Record, added: dict[str | None, _Lines]) -> None:
    if killed := _KILLED.search(record.text):
        lines = added.setdefault(killed["id"], _Lines())
        lines.killed, lines.seconds = True, float(killed["seconds"])
        return
    request_id = record.fields.get("request_id")
    lines = added.setdefault(request_id if isinstance(request_id, str) else None, _Lines())
    if retry := _RETRY.search(record.text):
        lines.retries += 1
        lines.throttles += retry["name"] == _THROTTLING
    elif abandoned := _ABANDONED.search(record.text):
        lines.abandoned += 1
        lines.throttles += abandoned["name"] == _THROTTLING
        lines.faults[abandoned["name"]] += 1
    elif batch := _BATCH.search(record.text):
        lines.batches += 1
        lines.good += int(batch["good"])
        lines.bad += int(batch["bad"])
        lines.rest += int(batch["rest"] or 0)
    elif refused := _REFUSED.search(record.text):
        lines.refusal = refused["type"]


def _report(fields: Mapping[str, Any]) -> RunNumbers | None:
    """The numbers of a run report; see `vectora_normalize.pipeline.report`."""
    bedrock, seconds = _object(fields.get("bedrock")), _object(fields.get("seconds"))
    numbers = {name: _number(bedrock.get(name)) for name in ("attempts", "retries", "throttles", "submitted", "failed")}
    if None in numbers.values():
        return None
    queued = _number(_object(fields.get("work")).get("queued")) or 0
    numbers["unstarted"] = max((_number(bedrock.get("unstarted")) or 0) - queued, 0)
    faults = {name: int(count) for name, count in _object(bedrock.get("faults")).items() if _number(count) is not None}
    told = _run(fields, Origin.REPORT, numbers, _number(seconds.get("total")), faults)
    return replace(told, tokens=_tokens(_object(bedrock.get("tokens"))))


def _tokens(told: Mapping[str, Any]) -> TokenUsage | None:
    try:
        return TokenUsage.from_dict(told)
    except ValueError:  # there are none, or they are damaged
        return None


def _metrics(fields: Mapping[str, Any]) -> RunNumbers | None:
    """The numbers of a line of metrics; see `vectora_normalize.operations.monitoring`."""
    values = {name: _number(fields.get(name)) for name in ("Attempts", "Retries", "Throttles", "ItemsFailed")}
    if "_aws" not in fields or None in values.values():
        return None
    calls, retries, throttles, failed = values.values()
    good, unstarted, queued = (
        _number(fields.get(name)) or 0 for name in ("ItemsNormalized", "ItemsUnstarted", "ItemsQueued")
    )
    numbers = {"attempts": calls, "retries": retries, "throttles": throttles, "failed": failed, "unstarted": unstarted}
    numbers["submitted"] = good + unstarted + queued + (failed or 0)
    return _run(fields, Origin.METRICS, numbers, _number(fields.get("DurationSeconds")), {})


def _run(
    fields: Mapping[str, Any],
    origin: Origin,
    numbers: Mapping[str, float | None],
    seconds: float | None,
    faults: Mapping[str, int],
) -> RunNumbers:
    counts = {name: int(value or 0) for name, value in numbers.items()}
    request_id, refusal = fields.get("request_id"), fields.get("error_type")
    return RunNumbers(
        request_id=request_id if isinstance(request_id, str) else None,
        origin=origin,
        refusal=refusal if isinstance(refusal, str) else None,
        seconds=seconds,
        faults=faults,
        attempts=counts["attempts"],
        retries=counts["retries"],
        throttles=counts["throttles"],
        submitted=counts["submitted"],
        failed=counts["failed"],
        unstarted=counts["unstarted"],
    )


def _number(value: object) -> float | None:
    """A number, or the only one of a list, as the embedded metric format has it; None for anything else."""
    if isinstance(value, list) and len(cast("list[object]", value)) == 1:
        value = cast("list[object]", value)[0]
    return value if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) else None


def _object(value: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}
