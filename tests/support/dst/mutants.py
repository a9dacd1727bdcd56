"""Wrong versions of the code that claims, pays and stores. The simulation must find each."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType


@dataclass(frozen=True, slots=True)
class Mutant:
    """A change of one module's source.

    Args:
        name: What is wrong then.
        module: The module.
        old: A part of its source, which occurs once.
        new: What stands there instead.
        world: The simulation that finds it: ``claims`` or ``system``.
        seed: A seed that finds it, where a search begins; ``python -m support.dst --mutants`` prints them.
    """

    name: str
    module: str
    old: str
    new: str
    world: str = "claims"
    seed: int = 0


_BATCH = "vectora_normalize.normalize.deduplicated_batch"
_BACKLOG = "vectora_normalize.pipeline.backlog"
_DAILY = "vectora_normalize.pipeline.daily_items"
_KEYS = "vectora_normalize.pipeline.keys"
_QUEUE = "vectora_normalize.normalize.claim_queue"
_RUN = "vectora_normalize.pipeline.run"
_WORKER = "vectora_normalize.pipeline.sqs_batch"
_WRITER = "vectora_normalize.normalize.background_writer"
_CACHE = "vectora_normalize.normalize.response_cache"
_EXPIRY = "vectora_normalize.storage.expiry"
_LEASES = "vectora_normalize.storage.leases"
_SWAP = "vectora_normalize.storage.compare_and_swap"

MUTANTS = (
    Mutant(
        "the clock is not read again after a renewal",
        _CACHE,
        "            claim = renewed\n",
        "            return renewed\n",
        seed=3535,
    ),
    Mutant(
        "a renewal leaves no time for the attempt",
        _CACHE,
        "self._run_clock.after(seconds + self._store.clock_skew)",
        "self._run_clock.after(0.0)",
        seed=864,
    ),
    Mutant(
        "a renewal takes the claim of another run",
        _CACHE,
        "if found is None or found.owner != lease.owner:",
        "if found is None:",
        seed=692,
    ),
    Mutant("a valid claim is replaced", _CACHE, "return self._valid_claim(entry) or body", "return body"),
    Mutant(
        "a claim whose put was sent twice is taken for another run's",
        _CACHE,
        "if entry.claim == lease:",
        "if entry.claim is None:",
    ),
    Mutant(
        "a stored response is replaced",
        _CACHE,
        "return body if earlier is None else earlier",
        "return body",
        seed=7531,
    ),
    Mutant(
        "a release removes the claim of another run",
        _CACHE,
        "return found is not None and found.owner == claim.lease.owner",
        "return found is not None",
        seed=4548,
    ),
    Mutant(
        "a claim outlives its process",
        _CACHE,
        "return instant if self._until is None else min(instant, self._until)",
        "return instant",
    ),
    Mutant("the clocks are taken to agree", _EXPIRY, "self.expires_at + dt.timedelta(seconds=skew)", "self.expires_at"),
    Mutant("a claim never expires", _EXPIRY, "return now > self.expires_at", "return False and now > self.expires_at"),
    Mutant(
        "an expired claim is waited for",
        _EXPIRY,
        "dt.timedelta(seconds=skew)\n",
        "dt.timedelta(seconds=30 * skew)\n",
    ),
    Mutant("a claim is shorter than an attempt", _EXPIRY, "return _CLAIM_TO_ATTEMPT *", "return 0.5 *"),
    Mutant("a claim is far too long", _EXPIRY, "return _CLAIM_TO_ATTEMPT *", "return 100 *"),
    Mutant(
        "the lease of another run is replaced",
        _LEASES,
        "return body if holder.is_expired(self._run_clock.now(), self._store.clock_skew) else holder",
        "return body",
    ),
    Mutant(
        "a lease whose acquisition had no reply is not released",
        _LEASES,
        "if held is None and not uncertain:",
        "if held is None:",
    ),
    Mutant("a lease is renewed by whoever lost it", _LEASES, "and holder.owner == self._owner else None", "else None"),
    Mutant(
        "a change overwrites what others wrote",
        _SWAP,
        "return self._store.put_if_unchanged(key, body, current.version)",
        "return self._store.put(key, body) or current.version",
    ),
    Mutant(
        "a conflict counts as written",
        _SWAP,
        "        except StoreConflictError:\n            return None\n",
        '        except StoreConflictError:\n            return ""\n',
        seed=218,
    ),
    Mutant(
        "a removal that another write has won is not repeated",
        _SWAP,
        "            version = None\n            if 0",
        "            return\n            if 0",
    ),
    Mutant(
        "what may not be removed stays valid",
        _SWAP,
        "replaced = self._write(key, instead, Stored(instead, version)) is not None",
        "replaced = True",
    ),
    Mutant(
        "a claim is not renewed before an attempt",
        _BATCH,
        "task.claim = cache.renew(task.claim, normalizer.read_timeout)",
        "task.claim = task.claim",
        "system",
        seed=201,
    ),
    Mutant(
        "claims are not released at the end",
        _BATCH,
        "helpers.run(cache.release, claims)",
        "helpers.run(cache.release, claims[:0])",
        "system",
        seed=429,
    ),
    Mutant(
        "a response is not stored",
        _BATCH,
        "writer.submit(functools.partial(self._save, cache, task, claim, response))",
        "pass",
        "system",
        seed=7,
    ),
    Mutant(
        "an item that another run has is not waited for",
        _BATCH,
        "self._elsewhere.extend(queue.claimed_elsewhere)",
        "queue.claimed_elsewhere.clear()",
        "system",
        seed=158,
    ),
    Mutant("a batch ends before its responses are stored", _WRITER, "range(self._max_threads)", "range(0)", "system"),
    Mutant(
        "a request is sent although the item could not be claimed",
        _QUEUE,
        "            self.unclaimable.append((task, error))\n            return False",
        "            self.unclaimable.append((task, error))\n            return True",
        "system",
    ),
    Mutant(
        "rows replace those of other runs",
        _KEYS,
        "merged = _merge(old or [], rows)",
        "merged = _merge([], rows)",
        "system",
    ),
    Mutant(
        "staged rows are removed before they are added",
        _DAILY,
        "        self._processed.update(keys)\n",
        "        self._processed.update(keys)\n        for key in staged:\n            self._remove(key)\n",
        "system",
    ),
    Mutant(
        "the backlog of an earlier run is removed first",
        _BACKLOG,
        "        self._write(tuple(items), until)\n        for key in self._adopted:\n            self._remove(key)\n",
        "        for key in self._adopted:\n            self._remove(key)\n        self._write(tuple(items), until)\n",
        "system",
    ),
    Mutant(
        "a finished backlog is not removed",
        _BACKLOG,
        "        elif self._written:\n            self._remove(self._own_key)\n",
        "",
        "system",
    ),
    Mutant(
        "the lease of a run is not released",
        _RUN,
        "            self.lease.release()\n",
        "            pass\n",
        "system",
    ),
    Mutant(
        "a failed item counts as done by its worker",
        _WORKER,
        'self._retried[queued.message_id] = f"{reason}: {error}"',
        "pass",
        "system",
    ),
)


def mutant_of(name: str) -> Mutant:
    """Return the mutant of that name."""
    return next(one for one in MUTANTS if one.name == name)


def install(mutant: Mutant) -> None:
    """Import the changed module instead of the real one, in this process; it is not imported yet."""
    if mutant.module in sys.modules:
        raise RuntimeError(f"{mutant.module} is imported already")
    sys.meta_path.insert(0, _Finder(mutant))


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self, mutant: Mutant) -> None:
        self._mutant = mutant

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self._mutant.module:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path)
        if spec is None or spec.origin is None:
            raise ModuleNotFoundError(fullname)
        return importlib.util.spec_from_loader(fullname, _Loader(fullname, spec.origin, self._mutant))


class _Loader(importlib.abc.SourceLoader):
    def __init__(self, name: str, path: str, mutant: Mutant) -> None:
        self._loader = importlib.machinery.SourceFileLoader(name, path)
        self._mutant = mutant

    def get_filename(self, fullname: str) -> str:
        return self._loader.get_filename(fullname)

    def get_data(self, path: str) -> bytes:
        source = self._loader.get_data(self._loader.path).decode()
        if source.count(self._mutant.old) != 1:
            raise ValueError(f"{self._mutant.name}: {self._mutant.old!r} must occur once in {self._mutant.module}")
        return source.replace(self._mutant.old, self._mutant.new).encode()

    def path_stats(self, path: str) -> dict[str, float]:
        raise OSError("a mutant has no compiled file")
