"""What ``protect`` costs on top of a whole boto3 call, beside botocore's own standard mode, in one run.

Two tables are of calls to the emulator on the loopback, and count the processor time of the thread that calls. The
other one has a hook in front of the socket, and so no network at all: there, the share of any layer is the largest.
Run it with ``python -m benchmarks.protect``.
"""

from __future__ import annotations

import platform
import time
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from benchmarks.core import sdk
from benchmarks.core.calls import ATTEMPTS, POLICY
from benchmarks.core.measuring import Measured, best, in_microseconds, sleepless

from bedrock_resilience import QuotaPacer, protect
from bedrock_resilience.emulator import BedrockEmulator
from bedrock_resilience.quotas import Quota

if TYPE_CHECKING:
    from collections.abc import Callable

PROTECTED = "boto3, protected"
PACED = "boto3, protected, with a pacer and a listener"
LIMIT = 0.02
"""The most that protection may add to a call that succeeds at once, as a share of the whole call over the loopback."""


def _ignore(event: object) -> None:
    """A listener. One that kept the events would make every collection of garbage longer, in whichever way it runs."""
    del event


def ways(make: Callable[[int], Any]) -> dict[str, Callable[[], object]]:
    """The same call in each way.

    Args:
        make: Makes a client with so many attempts of botocore's standard mode.
    """
    quota = Quota(requests_per_minute=10**9, tokens_per_minute=10**12)
    alone, standard = make(1), make(ATTEMPTS)
    protected = protect(make(1), policy=POLICY)
    paced = protect(make(1), policy=POLICY, pacer=QuotaPacer(quota), listeners=[_ignore])
    return {
        sdk.ALONE: lambda: alone.converse(**sdk.REQUEST),
        PROTECTED: lambda: protected.converse(**sdk.REQUEST),
        PACED: lambda: paced.converse(**sdk.REQUEST),
        sdk.STANDARD: lambda: standard.converse(**sdk.REQUEST),
    }


def without_network(calls: int = 20, rounds: int = 200) -> Measured:
    """A call that is answered at once by a hook in front of the socket."""
    with sdk.own_keys():
        costs = in_microseconds(best(ways(lambda attempts: sdk.client(attempts=attempts)), calls, rounds))
    return Measured("A call that is answered at once, without a network", "µs", costs, sdk.ALONE)


def over_loopback(throttles: int = 0, calls: int = 5, rounds: int = 80) -> Measured:
    """A call over the loopback, whose first attempts are throttled; the plain client's are not."""
    with sdk.own_keys(), sleepless(), BedrockEmulator() as emulator:

        def throttled(name: str, way: Callable[[], object]) -> Callable[[], object]:
            def call() -> object:
                emulator.fail_next(throttles)
                return way()

            return call if throttles and name != sdk.ALONE else way

        options = {"endpoint_url": emulator.endpoint_url, "region_name": "eu-west-3"}
        made = ways(lambda attempts: sdk.plain_client(attempts, **options))
        called = {name: throttled(name, way) for name, way in made.items()}
        costs = in_microseconds(best(called, calls, rounds, timer=time.thread_time))
    title = "A call over the loopback that is " + (f"throttled {throttles} x" if throttles else "answered at once")
    return Measured(title, "µs", costs, sdk.ALONE)


def added_share(bare: Measured, whole: Measured) -> float:
    """What protection adds, as a share of a whole call: measured without a network, where nothing else varies."""
    return (bare.costs[PROTECTED] - bare.costs[sdk.ALONE]) / whole.costs[sdk.ALONE]


def main() -> None:
    """Measure and print everything."""
    print(f"Python {platform.python_version()} on {platform.machine()}; boto3 {version('boto3')}\n")
    whole, bare = over_loopback(), without_network()
    print(whole, over_loopback(throttles=1), bare, sep="\n\n")
    share = added_share(bare, whole)
    print(f"\n{'met' if share <= LIMIT else 'MISSED'}: protection adds {share:.1%} to a call that succeeds at once")


if __name__ == "__main__":
    main()
