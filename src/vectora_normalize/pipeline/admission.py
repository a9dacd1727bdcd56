"""Whether a run may begin while another run of the same client is in progress."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from vectora_normalize.contract import ErrorType, RunRefusedError
from vectora_normalize.settings import OnConcurrentRun

if TYPE_CHECKING:
    from bedrock_resilience import Deadline
    from bedrock_resilience.clock import Clock
    from vectora_normalize.storage.expiry import LeaseRecord
    from vectora_normalize.storage.leases import Lease

_POLL_SECONDS: Final = 2.0  # between two attempts to acquire a lease; a run takes minutes
_logger = logging.getLogger(__name__)


class RunAdmission:
    """Acquires the client's lease, and follows the settings if another run has it.

    Args:
        mode: Share the work of the other run, wait until it is over, or refuse.
        clock: How to wait.
        deadline: Of this run; it does not wait beyond it.
    """

    def __init__(self, mode: OnConcurrentRun, clock: Clock, deadline: Deadline | None) -> None:
        self._mode = mode
        self._clock = clock
        self._deadline = deadline

    def acquire(self, lease: Lease, client_id: str) -> str | None:
        """Return the name of the run whose work is shared; None if this run has the lease.

        Raises:
            RunRefusedError: CONCURRENT_RUN: another run is in progress, and the settings say to refuse, or there is no
                time to wait for its end.
            StoreError: The lease could not be read or written.
        """
        current_holder = lease.acquire()
        while current_holder is not None and self._mode is OnConcurrentRun.WAIT and self._may_wait():
            self._clock.sleep(_POLL_SECONDS)
            current_holder = lease.acquire()
        if current_holder is None:
            return None
        if self._mode is not OnConcurrentRun.JOIN:
            raise _refusal(client_id, current_holder)
        _logger.info(
            "the run %s is in progress until %s: sharing its work", current_holder.owner, current_holder.expires_at
        )
        return current_holder.owner

    def _may_wait(self) -> bool:
        return self._deadline is None or self._deadline.allows(self._clock.monotonic(), _POLL_SECONDS)


def _refusal(client_id: str, current_holder: LeaseRecord) -> RunRefusedError:
    return RunRefusedError(
        ErrorType.CONCURRENT_RUN,
        f"client_id: got {client_id!r}, for which the run {current_holder.owner} is in progress until "
        f"{current_holder.expires_at:%Y-%m-%dT%H:%M:%SZ} at the latest; accepted: a client without a run in progress, "
        "or ON_CONCURRENT_RUN=join",
    )
