"""What the pacers do in simulated runs, in numbers: a record that shows every change of what they decide.

``make runs`` writes the record that the unit tests of the pacers compare with. A change that is
meant changes it, and the difference shows which runs it touches.
"""

from __future__ import annotations

import functools
import itertools
from pathlib import Path
from typing import TYPE_CHECKING

from bedrock_resilience.pacing import AdaptivePacer, MemoryPaceStore, QuotaPacer, SharedPacer
from bedrock_resilience.quotas import Quota
from bedrock_resilience.simulation import QuotaChange, Scenario, Tokens, simulate
from bedrock_resilience.simulation._service import MODEL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bedrock_resilience.pacing import Pacer
    from bedrock_resilience.simulation import SimulationReport

RECORD = Path(__file__).parents[1] / "recorded_runs.txt"

READINGS = ("bucket", "bucket-of-1", "refill:7", "fixed:37", "sliding", "refusals-count", "halved", "other-tenants")
_REQUESTS = Quota(requests_per_minute=50, burst=5)
_TOKENS = Quota(tokens_per_minute=40_000)
_SIZES = Tokens(200, 12_000, max_tokens=1_000, output=300)
SCENARIOS = {
    "one": Scenario(workers=12, items=104, quota=_REQUESTS),
    "three at once": Scenario(instances=3, items=40, quota=_REQUESTS),
    "three apart": Scenario(instances=3, items=40, offset=60.0, quota=_REQUESTS),
    "one, tokens": Scenario(workers=12, items=60, quota=_TOKENS, tokens=_SIZES),
    "three, tokens": Scenario(instances=3, items=20, offset=60.0, quota=_TOKENS, tokens=_SIZES),
    "one, both": Scenario(
        workers=12, items=80, quota=Quota(requests_per_minute=30, tokens_per_minute=150_000), tokens=_SIZES
    ),
    "one, a quota that changes": Scenario(
        workers=12,
        items=150,
        quota=_REQUESTS,
        changes=(QuotaChange(60.0, Quota(requests_per_minute=20)), QuotaChange(180.0, Quota(requests_per_minute=80))),
    ),
    "one, overloaded": Scenario(workers=12, items=104, quota=_REQUESTS, overloads=((30.0, 50.0),), network=0.3),
    "one, fast answers": Scenario(workers=12, items=104, quota=_REQUESTS, latency=0.5),
    "one, a large quota": Scenario(workers=32, items=400, quota=Quota(requests_per_minute=600), latency=2.0),
    "one, a small quota": Scenario(workers=4, items=20, quota=Quota(requests_per_minute=5)),
    "one, nothing refused": Scenario(workers=12, items=104, quota=Quota(), latency=2.0),
}


PACERS = ("AdaptivePacer", "QuotaPacer", "SharedPacer", "SharedPacer that knows the quota")


def names() -> Iterator[tuple[str, str, str]]:
    """The pacer, the scenario, and the reading of each line of the record."""
    for name, reading, pacer in itertools.product(SCENARIOS, READINGS, PACERS):
        if pacer in {"AdaptivePacer", "SharedPacer"} or not SCENARIOS[name].quota.unlimited:
            yield pacer, name, reading


def line(pacer: str, name: str, reading: str) -> str:
    """One line of the record: what was simulated, and what came out; of a shared pace, of a second run, too."""
    scenario = SCENARIOS[name].replace(reading=reading)
    return f"{pacer}, {name}, {reading}: {'; '.join(map(_numbers, _reports(scenario, pacer)))}"


def _reports(scenario: Scenario, pacer: str) -> Iterator[SimulationReport]:
    if pacer == "AdaptivePacer":
        yield simulate(scenario, pacer=AdaptivePacer, seed=1)
    elif pacer == "QuotaPacer":
        yield simulate(scenario, pacer=functools.partial(QuotaPacer, scenario.quota), seed=1)
    else:
        store = MemoryPaceStore()
        quota = None if pacer == "SharedPacer" else scenario.quota
        yield simulate(scenario, pacer=_shared(store, quota, 1_000.0), seed=1)
        yield simulate(scenario, pacer=_shared(store, quota, 8_200.0), seed=2)


def _shared(store: MemoryPaceStore, quota: Quota | None, epoch: float) -> Callable[[], Pacer]:
    numbers = itertools.count()
    return lambda: SharedPacer(store, MODEL, quota, instance=str(next(numbers)), shared_time=lambda now: epoch + now)


def _numbers(report: SimulationReport) -> str:
    """The requests, those refused, and times in seconds: a request that is sent at another one changes the sum."""
    refused = sum(request.refused is not None for request in report.requests)
    sent = sum(request.at for request in report.requests)
    paces = sum(request.pace or 0.0 for request in report.requests)
    return (
        f"{len(report.requests)} sent, {refused} refused, {report.makespan:.3f} s, times {sent:.3f}, paces {paces:.2f}"
    )


if __name__ == "__main__":
    RECORD.write_text("".join(f"{line(*of)}\n" for of in names()), encoding="utf-8")
