"""Runs held against the limits of the alarms, and the tuning that the operations guide has for them.

Each run is judged for itself, as the alarms do; runs that no line names are judged together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bedrock_resilience._fault import Fault

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bedrock_resilience.quotas import TokenUsage
    from vectora_normalize.operations.report.runs import RunNumbers

_FEW_THROTTLES: Final = 0.05  # under it there is room for more workers (operations guide)
_LONG: Final = 300.0  # seconds; over it a run is too long (operations guide)
# A throttle, as the log lines call it and as the run reports do.
_THROTTLED: Final = frozenset({"ThrottlingException", Fault.THROTTLING.value})
_TRANSIENT: Final = frozenset(fault.value for fault in Fault if fault.retryable) - _THROTTLED


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Where the alarms of infra/s1-runtime.yaml go off.

    Args:
        retry_rate: Retries over calls, 0 to 1.
        failure_rate: Failed over submitted items, 0 to 1.
        seconds: Of one run.
    """

    retry_rate: float = 0.20
    failure_rate: float = 0.05
    seconds: float = 240.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the runs come to, all together.

    Args:
        runs: How many.
        calls: Requests sent to Bedrock, of the runs that tell; None where none does.
        retries: Of the same runs; where none tells the calls, of all.
        submitted: Items, of the runs that tell; None where none does.
        failed: Of the same runs; where none tells the items, of all.
        longest: Seconds of the longest run; None where no run tells.
        tokens: What was reserved of the token quota and what came of it, of the runs that tell; None where none does.
        breaches: A line for each limit that a run is over; empty where all is well.
        advice: What to change, a line each.
    """

    runs: int
    attempts: int | None
    retries: int
    submitted: int | None
    failed: int
    longest: float | None
    tokens: TokenUsage | None
    breaches: tuple[str, ...]
    advice: tuple[str, ...]

    @property
    def retry_rate(self) -> float | None:
        """Retries over calls, 0 to 1; None where the calls are not known."""
        return None if self.attempts is None else self.retries / max(self.attempts, 1)

    @property
    def failure_rate(self) -> float | None:
        """Failed over submitted items, 0 to 1; None where the items are not known."""
        return None if self.submitted is None else self.failed / max(self.submitted, 1)


def judge(found: Sequence[RunNumbers], limits: Limits = Limits()) -> Verdict:
    """The verdict over runs."""
    calls, retries = _sums([(run.attempts, run.retries) for run in found])
    submitted, failed = _sums([(run.submitted, run.failed) for run in found])
    told = [run.tokens for run in found if run.tokens is not None]
    tokens = sum(told[1:], told[0]) if told else None
    return Verdict(
        runs=len(found),
        attempts=calls,
        retries=retries,
        submitted=submitted,
        failed=failed,
        longest=max((run.seconds for run in found if run.seconds is not None), default=None),
        tokens=tokens,
        breaches=tuple(breach for run in found for breach in _breaches(run, limits)),
        advice=(*_advice(found, limits), *_token_advice(tokens)),
    )


def _sums(pairs: Sequence[tuple[int | None, int]]) -> tuple[int | None, int]:
    """Whole and part over those whose whole is known; None and all parts, where none is."""
    known = [(whole, part) for whole, part in pairs if whole is not None]
    if not known:
        return None, sum(part for _, part in pairs)
    return sum(whole for whole, _ in known), sum(part for _, part in known)


def _breaches(run: RunNumbers, limits: Limits) -> Iterable[str]:
    name = run.request_id or "runs without a name"
    if run.refusal is not None:
        yield f"{name}: came to nothing: {run.refusal}"
    elif run.unstarted:
        yield f"{name}: {run.unstarted} items not started"
    if run.retry_rate is not None and run.retry_rate > limits.retry_rate:
        yield f"{name}: retry rate {run.retry_rate:.1%}, over {limits.retry_rate:.0%}"
    if run.failure_rate is not None and run.failure_rate > limits.failure_rate:
        yield f"{name}: final failure rate {run.failure_rate:.1%}, over {limits.failure_rate:.0%}"
    if run.killed:
        yield f"{name}: killed at its timeout, after {run.seconds:.0f} s"
    elif run.seconds is not None and run.seconds > limits.seconds:
        yield f"{name}: took {run.seconds:.0f} s, over {limits.seconds:.0f} s"


def _advice(found: Sequence[RunNumbers], limits: Limits) -> Iterable[str]:
    failing = [run for run in found if run.failure_rate is not None and run.failure_rate > limits.failure_rate]
    retrying = [run for run in found if run.retry_rate is not None and run.retry_rate > limits.retry_rate]
    long = [run for run in found if run.killed or (run.seconds is not None and run.seconds > _LONG)]
    throttled = [run for run in found if run.throttle_rate is not None and run.throttle_rate >= _FEW_THROTTLES]
    refusals = sorted({run.refusal for run in found if run.refusal is not None})
    unstarted = any(run.unstarted and run.refusal is None for run in found)
    faults = {name for run in failing for name in run.faults}
    if refusals:
        yield f"runs that came to nothing ({', '.join(refusals)}): their message, in the log and in the run report"
    if unstarted:
        yield "items not started: the next run takes them up; `bedrock.stopped` in the run report says why"
    if faults & _THROTTLED or any(not run.faults for run in failing):
        yield "final failures: BEDROCK_MAX_RETRIES=5, BEDROCK_BASE_DELAY=1.0"
    if transient := sorted(faults & _TRANSIENT):
        yield f"final failures that may pass ({', '.join(transient)}): BEDROCK_RETRY_ON=transient"
    if lasting := sorted(faults - _THROTTLED - _TRANSIENT):
        yield f"final failures that no retry helps against ({', '.join(lasting)}): see the run reports"
    if retrying or (long and throttled):
        yield "throttling: fewer workers (MAX_BEDROCK_WORKERS), or the pacer (BEDROCK_REQUESTS_PER_MINUTE)"
    elif long:
        yield "long runs without throttling: more workers, more memory, a longer timeout"
    elif not (failing or throttled or refusals or unstarted) and any(run.attempts for run in found):
        yield "throttling is under 5 %: where time matters, MAX_BEDROCK_WORKERS=8"


def _token_advice(tokens: TokenUsage | None) -> Iterable[str]:
    advised = None if tokens is None else tokens.advised_max_tokens
    if tokens is not None and advised is not None:
        yield (
            f"{tokens.unused_share:.0%} of the reserved tokens in vain: MAX_TOKENS={advised} in "
            f"vectora_normalize/normalize/prompt.py; the longest answer has {tokens.largest_output}"
        )
