"""A model of Bedrock, which checks that no request is sent that need not be paid for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import EndpointConnectionError, ReadTimeoutError

from support.answering import client_error, extraction, tool_answer
from support.dst.scheduler import Weights
from vectora_normalize.normalize.response_cache import request_key

if TYPE_CHECKING:
    from support.dst.scheduler import Choices, Process, Scheduler
    from support.dst.store import ModelS3

# An answer, a throttle, a request that takes all of its time, one that is not sent, one that the model finds wrong.
_ENDINGS: Final = Weights(70, 14, 8, 4, 4)
_CALM: Final = Weights(1, 0, 0, 0, 0)
_ANSWER, _THROTTLE, _TIMEOUT, _UNSENT, _INVALID = range(5)


class Payments:
    """The requests that were sent, and the invariants of each.

    Args:
        scheduler: A request is two of its points.
        s3: Where the answers are stored.

    Attributes:
        sent: The number of requests of each process.
        unsent: The number of attempts of each that had no connection.
        answered: The objects whose requests of each were answered.
    """

    def __init__(self, scheduler: Scheduler, s3: ModelS3) -> None:
        self._scheduler = scheduler
        self._s3 = s3
        self._sending: dict[str, tuple[Process, float]] = {}
        self.sent: dict[Process, int] = {}
        self.unsent: dict[Process, int] = {}
        self.answered: dict[Process, set[str]] = {}

    def pay(self, process: Process, key: str, seconds: float) -> None:
        """Send a request that takes so long."""
        scheduler, now = self._scheduler, self._scheduler.now
        scheduler.log(f"pays for {key}")
        if key not in self._s3.objects:
            # Its claim was stored by another, and released by that one.
            scheduler.count("paid without an object")
        stored_at = self._s3.answered.get(key)
        if stored_at is not None:
            # A store that has outlived its claim: docs/explanation/paid-once.md tells of it.
            if key not in self._s3.late:
                scheduler.fail(f"{process.name} pays at {now:.2f} s for what is stored since {stored_at:.2f} s: {key}")
            scheduler.count("paid after a late store")
        other, until = self._sending.get(key, (process, 0.0))
        # A call in flight when its process is killed may have been answered and billed; the client cannot know.
        if other is not process and until > now and not other.dead:
            scheduler.fail(f"{process.name} pays at {now:.2f} s while {other.name} pays until {until:.2f} s: {key}")
        self._sending[key] = (process, now + seconds)
        self.sent[process] = self.sent.get(process, 0) + 1
        scheduler.count("paid")
        scheduler.reached(f"request of {process.name}", "sent")
        scheduler.sleep(seconds)
        scheduler.reached(f"request of {process.name}", "")


class ModelBedrock:
    """The ``bedrock-runtime`` client of one process.

    Args:
        payments: The requests of all processes.
        process: The process.
        choices: Decide how a request ends, and how long it takes.
        read_timeout: The longest time of a request in seconds.
    """

    def __init__(self, payments: Payments, process: Process, choices: Choices, read_timeout: float) -> None:
        self._payments = payments
        self._process = process
        self._choices = choices
        self._lengths = (1.0, read_timeout, 0.6 * read_timeout, 2.0)
        self._read_timeout = read_timeout

    def converse(self, **request: Any) -> dict[str, Any]:  # noqa: ANN401 - as boto3's
        """Answer a request, or fail as Bedrock and boto3 do."""
        choices, scheduler = self._choices, self._process.scheduler
        ending = choices.pick(_CALM if scheduler.calm else _ENDINGS)
        key = f"normalized/small/items/{request_key(request)}.json"
        if ending == _UNSENT:
            unsent = self._payments.unsent
            unsent[self._process] = unsent.get(self._process, 0) + 1
            raise EndpointConnectionError(endpoint_url="https://bedrock.example")
        if ending == _TIMEOUT:
            self._payments.pay(self._process, key, self._read_timeout)
            raise ReadTimeoutError(endpoint_url="https://bedrock.example")
        if ending == _THROTTLE:
            self._payments.pay(self._process, key, 0.02)
            raise client_error("ThrottlingException", status=429)
        self._payments.pay(self._process, key, self._lengths[choices.below(len(self._lengths))])
        if ending == _INVALID:
            return tool_answer({"summary": 7})
        self._payments.answered.setdefault(self._process, set()).add(key)
        return tool_answer(extraction(summary=f"by {self._process.name}"))
