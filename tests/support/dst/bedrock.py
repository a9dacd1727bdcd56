"""A model of Bedrock, which checks that no request is sent that need not be paid for."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from support.dst.scheduler import Process, Scheduler
    from support.dst.store import ModelS3


class Payments:
    """The requests that were sent, and the invariants of each.

    Args:
        scheduler: A request is two of its points.
        s3: Where the answers are stored.
    """

    def __init__(self, scheduler: Scheduler, s3: ModelS3) -> None:
        self._scheduler = scheduler
        self._s3 = s3
        self._sending: dict[str, tuple[Process, float]] = {}

    def pay(self, process: Process, key: str, seconds: float) -> None:
        """Send a request that takes so long."""
        scheduler, now = self._scheduler, self._scheduler.now
        scheduler.log(f"pays for {key}")
        stored_at = self._s3.answered.get(key)
        if stored_at is not None:
            # A store that has outlived its claim: docs/paid-once.md tells of it.
            if key not in self._s3.late:
                scheduler.fail(f"{process.name} pays at {now:.2f} s for what is stored since {stored_at:.2f} s: {key}")
            scheduler.count("paid after a late store")
        other, until = self._sending.get(key, (process, 0.0))
        # A call in flight when its process is killed may have been answered and billed; the client cannot know.
        if other is not process and until > now and not other.dead:
            scheduler.fail(f"{process.name} pays at {now:.2f} s while {other.name} pays until {until:.2f} s: {key}")
        self._sending[key] = (process, now + seconds)
        scheduler.count("paid")
        scheduler.reached(f"request of {process.name}", "sent")
        scheduler.sleep(seconds)
        scheduler.reached(f"request of {process.name}", "")
