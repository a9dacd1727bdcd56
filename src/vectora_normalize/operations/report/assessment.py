"""The rules of the alarms (``vectora_normalize.operations.rules``), applied to runs, and what to change.

Each run is compared with the limits on its own; the alarms take the runs of five minutes together. The advice on
Bedrock calls is the library's (``bedrock_resilience.simulation.recommend``) under the names of the Lambda's environment
variables; durations, errors and unstarted items are added here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bedrock_resilience.simulation import recommend, recommend_max_tokens
from vectora_normalize.operations.rules import RULES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bedrock_resilience import TokenUsage
    from bedrock_resilience.simulation import Recommendation
    from vectora_normalize.operations.report.runs import RunNumbers

_LONG_RUN_SECONDS: Final = 300.0  # operations guide
_FEW_THROTTLES: Final = 0.05  # operations guide
_VARIABLES: Final = {
    "pacer": "BEDROCK_PACING",
    "max_workers": "MAX_BEDROCK_WORKERS",
    "max_retries": "BEDROCK_MAX_RETRIES",
    "base_delay": "BEDROCK_BASE_DELAY",
    "retry_on": "BEDROCK_RETRY_ON",
}
_LAMBDA_VALUES: Final = {"pacer": "auto"}
"""Where the Lambda has a better value than the simulator: all instances share a pace."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """The totals of all runs, the limits they exceed, and what to change.

    Args:
        runs: Number of runs.
        attempts: Requests sent to Bedrock, over the runs that state them; None if no run does.
        retries: Retries of the same runs; of all runs if no attempts are known.
        submitted: Items that the runs requested from Bedrock, over the runs that state them; None if no run does.
        failed: Failed items of the same runs; of all runs if no items are known.
        longest_seconds: Duration of the longest run; None if no duration is known.
        tokens: Tokens that were reserved of the quota, and how they were used, over the runs that state them; None if
            no run does.
        breaches: One text for each rule that a run breaks; empty if there is none.
        advice: One text for each change.
    """

    runs: int
    attempts: int | None
    retries: int
    submitted: int | None
    failed: int
    longest_seconds: float | None
    tokens: TokenUsage | None
    breaches: tuple[str, ...]
    advice: tuple[str, ...]

    @property
    def retry_rate(self) -> float | None:
        """Retries over attempts, 0 to 1; None if the attempts are not known."""
        return None if self.attempts is None else self.retries / max(self.attempts, 1)

    @property
    def failure_rate(self) -> float | None:
        """Failed over asked items, 0 to 1; None if the items are not known."""
        return None if self.submitted is None else self.failed / max(self.submitted, 1)


def assess(runs: Sequence[RunNumbers]) -> Assessment:
    """Add up the runs, compare each with the rules of the alarms, and collect the advice."""
    attempts, retries = _sums([(run.attempts, run.retries) for run in runs])
    submitted, failed = _sums([(run.asked, run.failed) for run in runs])
    usages = [run.tokens for run in runs if run.tokens is not None]
    tokens = sum(usages[1:], usages[0]) if usages else None
    return Assessment(
        runs=len(runs),
        attempts=attempts,
        retries=retries,
        submitted=submitted,
        failed=failed,
        longest_seconds=max((run.seconds for run in runs if run.seconds is not None), default=None),
        tokens=tokens,
        breaches=tuple(breach for run in runs for breach in _breaches(run)),
        advice=(*_advice(runs), *_token_advice(tokens)),
    )


def describe(recommendation: Recommendation) -> str:
    """Return the recommendation with its environment variables, for example ``more workers: A=8``."""
    variables = [
        f"{_VARIABLES[name]}={value:g}" if isinstance(value, float) else f"{_VARIABLES[name]}={value}"
        for name, value in {**recommendation.settings, **_LAMBDA_VALUES}.items()
        if name in _VARIABLES and name in recommendation.settings
    ]
    return f"{recommendation.name}: {', '.join(variables) or recommendation.reason}"


def _sums(pairs: Sequence[tuple[int | None, int]]) -> tuple[int | None, int]:
    """Return the sums of the pairs whose total is known; if no total is known, None and the sum of all parts."""
    known = [(total, part) for total, part in pairs if total is not None]
    if not known:
        return None, sum(part for _, part in pairs)
    return sum(total for total, _ in known), sum(part for _, part in known)


def _breaches(run: RunNumbers) -> Iterable[str]:
    name = run.request_id or "runs without a request id"
    if run.error_type is not None:
        yield f"{name}: ended without a result: {run.error_type}"
    yield from (f"{name}: {breach}" for rule in RULES if (breach := rule.breach(run.counts)) is not None)
    if run.timed_out:
        yield f"{name}: timed out after {run.seconds:.0f} s"


def _advice(runs: Sequence[RunNumbers]) -> Iterable[str]:
    error_types = sorted({run.error_type for run in runs if run.error_type is not None})
    unstarted = any(run.unstarted and run.error_type is None for run in runs)
    long = any(run.timed_out or (run.seconds is not None and run.seconds > _LONG_RUN_SECONDS) for run in runs)
    throttled = any(run.throttle_rate is not None and run.throttle_rate >= _FEW_THROTTLES for run in runs)
    found = [recommendation for run in runs if run.stats is not None for recommendation in recommend(run.stats)]
    changes = [recommendation for recommendation in found if recommendation.name != "lower max_tokens"]
    limited = error_types or unstarted or long or throttled or any(change.name != "more workers" for change in changes)
    if error_types:
        yield f"runs without a result ({', '.join(error_types)}): read the message in the log or in the run report"
    if unstarted:
        yield "items not started: the next run starts them; `bedrock.stopped` in the run report has the reason"
    # If any run requires another change, more workers are not advised, even if other runs could use them.
    yield from dict.fromkeys(describe(change) for change in changes if not (limited and change.name == "more workers"))
    if long and not throttled:
        yield "long runs without throttling: more workers, more memory, a longer timeout"


def _token_advice(tokens: TokenUsage | None) -> Iterable[str]:
    recommendation = recommend_max_tokens(tokens)
    if recommendation is not None:
        yield (
            f"lower max_tokens: MAX_TOKENS={recommendation.settings['max_tokens']} in "
            f"vectora_normalize/normalize/prompt.py; {recommendation.reason}"
        )
