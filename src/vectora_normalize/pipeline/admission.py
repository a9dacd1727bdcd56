"""Whether a run may begin while another one of the same client is under way."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from vectora_normalize.contract import ErrorType, RunRefusedError
from vectora_normalize.settings import OnConcurrentRun

if TYPE_CHECKING:
    from bedrock_resilience.clock import Clock
    from bedrock_resilience.retrying._deadline import Deadline
    from vectora_normalize.storage.expiry import Hold
    from vectora_normalize.storage.leases import Lease

# Seconds between two looks at a lease that is waited for; a run takes minutes.
_PAUSE: Final = 2.0
_logger = logging.getLogger(__name__)


class Admission:
    """Asks for the lease, and does what the settings say where another run has it.

    Args:
        mode: Share the work, wait until the other run is over, or refuse.
        clock: How to wait.
        deadline: Of this run; nobody waits beyond it.
    """

    def __init__(self, mode: OnConcurrentRun, clock: Clock, deadline: Deadline | None) -> None:
        self._mode = mode
        self._clock = clock
        self._deadline = deadline

    def ask(self, lease: Lease, client_id: str) -> str | None:
        """The name of the run whose work is shared; None where the lease is taken.

        Raises:
            RunRefusedError: CONCURRENT_RUN: another run is under way, and the settings say to refuse, or there is no time
                to wait for its end.
            StoreError: The lease could not be read or written.
        """
        standing = lease.take()
        while standing is not None and self._mode is OnConcurrentRun.WAIT and self._may_wait():
            self._clock.sleep(_PAUSE)
            standing = lease.take()
        if standing is None:
            return None
        if self._mode is not OnConcurrentRun.JOIN:
            raise _refused(client_id, standing)
        _logger.info("the run %s is under way until %s: sharing its work", standing.owner, standing.expires_at)
        return standing.owner

    def _may_wait(self) -> bool:
        return self._deadline is None or self._deadline.allows(self._clock.monotonic(), _PAUSE)


def _refused(client_id: str, standing: Hold) -> RunRefusedError:
    return RunRefusedError(
        ErrorType.CONCURRENT_RUN,
        f"client_id: got {client_id!r}, for which the run {standing.owner} is under way until "
        f"{standing.expires_at:%Y-%m-%dT%H:%M:%SZ} at the latest; accepted: a client without a run under way, "
        "or ON_CONCURRENT_RUN=join",
    )
