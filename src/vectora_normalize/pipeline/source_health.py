"""How many runs in a row each source has failed, kept from run to run beside the client's leases.

One failure needs no action: a site may be down for an hour. A source that fails run after run has moved, or blocks this
function. Nothing else would show this, because the other sources succeed.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

import msgspec

from vectora_normalize.storage.compare_and_swap import CompareAndSwap
from vectora_normalize.storage.objects import StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bedrock_resilience.clock import Clock
    from vectora_normalize.storage.objects import ObjectStore, Stored

FAILED_RUNS: Final = 3
"""Runs in a row in which a source fails before it counts as failing repeatedly."""

_MAX_SOURCES: Final = 1000  # sources that are stored: those that failed most often
_logger = logging.getLogger(__name__)


def count_failed_runs(
    store: ObjectStore, client_id: str, failed: Mapping[str, bool], *, clock: Clock
) -> dict[str, int]:
    """Record the sources of a run; return how many runs in a row each of those that failed has failed by now.

    If the store fails, the run counts as the first in which they fail.

    Args:
        store: The data bucket.
        client_id: The client.
        failed: Source key to whether it failed in this run. Sources that were not read keep their count.
        clock: How to wait while other runs write the same object.
    """
    key = f"normalized/{client_id}/sources.json"
    counted: dict[str, int] = {}

    def change(stored: Stored | None) -> bytes | Stored | None:
        nonlocal counted
        before = {} if stored is None else _parse(stored.body)
        counted = {name: before.get(name, 0) + 1 for name, has_failed in failed.items() if has_failed}
        after = {name: count for name, count in before.items() if name not in failed} | counted
        kept = dict(sorted(after.items(), key=lambda one: -one[1])[:_MAX_SOURCES])
        return stored if kept == before else msgspec.json.encode(kept, order="sorted")

    try:
        CompareAndSwap(store, clock=clock).update(key, change)
    except StoreError as error:
        _logger.info("%s: the failed runs of the sources could not be recorded: %s", key, error)
        return dict.fromkeys((name for name, has_failed in failed.items() if has_failed), 1)
    return counted


def _parse(body: bytes) -> dict[str, int]:
    try:
        return msgspec.json.decode(body, type=dict[str, int])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
