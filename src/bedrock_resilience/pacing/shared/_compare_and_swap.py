"""The retries of a compare-and-swap, with backoff and jitter."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from bedrock_resilience.clock import Clock
    from bedrock_resilience.pacing.shared._pace import SharedPace
    from bedrock_resilience.pacing.shared._stores import PaceStore

T = TypeVar("T")

_BACKOFF_CAPS_SECONDS: Final = (0.0, 0.0, 0.005, 0.01, 0.02, 0.04, 0.05, 0.05)
"""The longest sleep before each attempt; the sleep is random below it ("full jitter"). Not before the second attempt:
the first one fails wherever another instance has changed the pace since this one last did, which is no contention.
"""


def change_pace(  # noqa: PLR0913 - settings by name, each with a meaning of its own
    store: PaceStore,
    key: str,
    known: SharedPace,
    change: Callable[[SharedPace], tuple[SharedPace, T]],
    *,
    instance: str,
    clock: Clock,
    rng: random.Random,
    contains: Callable[[SharedPace], bool] = lambda _pace: False,
    give_up: Callable[[], bool] = lambda: False,
) -> tuple[SharedPace, T | None]:
    """Change the stored pace; if another instance was faster, start again from what is stored.

    Args:
        store: Where the pace is stored.
        key: Its key.
        known: What is stored, as far as the caller has read it.
        change: Returns the changed pace, and a result. Called once for each attempt.
        instance: The name of this instance.
        clock: Sleeps between the attempts.
        rng: The source of jitter.
        contains: Whether a stored pace contains this change already: the write took effect, and its response was lost.
        give_up: Whether to make no further attempt, asked after each one.

    Returns:
        What is stored now, and the result of the change; None in its place where other instances were faster in all
        attempts, so that nothing was changed.

    Raises:
        StoreUnavailableError: The store was not reached.
    """
    for cap in _BACKOFF_CAPS_SECONDS:
        if cap > 0:
            clock.sleep(rng.uniform(0.0, cap))
        changed, result = change(known)
        new = dataclasses.replace(changed, revision=known.revision + 1)
        stored = store.compare_and_swap(key, known, new, instance)
        if stored is None:
            return new, result
        if contains(stored):
            return stored, result
        known = stored
        if give_up():
            break
    return known, None
