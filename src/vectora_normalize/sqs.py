"""SQS queues: many messages in few requests, and an account of those that could not be sent."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from bedrock_resilience._fault import Fault
from bedrock_resilience.batch._executor import BoundedExecutor
from bedrock_resilience.clock import SYSTEM_CLOCK
from bedrock_resilience.retrying._policy import RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bedrock_resilience.clock import Clock
    from bedrock_resilience.retrying._deadline import Deadline

# What SQS takes in one request, for the whole batch and for each message ("Amazon SQS message quotas").
_MOST_MESSAGES: Final = 10
_MOST_BYTES: Final = 1_048_576
# Requests at once; one takes some 20 ms.
_SENDERS: Final = 8
# A partial failure is SQS's own, and over in a moment. (A request that fails as a whole is sent again by boto3.)
_POLICY: Final = RetryPolicy(max_retries=4, base_delay=0.2, retry_on={Fault.INTERNAL_SERVER})


@dataclass(frozen=True, slots=True)
class Message:
    """A message.

    Args:
        body: Its text.
        attributes: Name to text, beside the body: at most 10, none of them empty.
    """

    body: str
    attributes: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def size(self) -> int:
        """Bytes, as SQS counts them: body, and names, types and values of the attributes."""
        told = sum(len(name) + len(_TYPE) + len(value.encode()) for name, value in self.attributes.items())
        return len(self.body.encode()) + told


class NotSent(Exception):  # noqa: N818 - it is what happened
    """Messages of a batch that SQS did not take, and may take later."""

    fault = Fault.INTERNAL_SERVER


@dataclass(slots=True, eq=False)
class _Batch:
    """Messages that go in one request, by their place among all of them; those that were taken are gone."""

    open: dict[int, Message]
    refused: dict[int, str] = field(default_factory=dict[int, str])


class SqsQueue:
    """A queue that messages are sent to.

    Args:
        client: A boto3 `sqs` client.
        url: Of the queue.
        clock: How to wait between two tries.
    """

    def __init__(self, client: Any, url: str, clock: Clock = SYSTEM_CLOCK) -> None:  # noqa: ANN401 - boto3 makes its clients at run time
        self._client = client
        self._url = url
        self._clock = clock

    def send(self, messages: Sequence[Message], *, deadline: Deadline | None = None) -> dict[int, str]:
        """Send all of them; those that were not sent, by their place, each with the reason.

        Args:
            messages: What to send.
            deadline: After it no batch is begun.
        """
        unsent = {
            place: f"{message.size} bytes; SQS takes {_MOST_BYTES}"
            for place, message in enumerate(messages)
            if message.size > _MOST_BYTES
        }
        batches = list(_batches({place: one for place, one in enumerate(messages) if place not in unsent}))
        executor = BoundedExecutor(_SENDERS, policy=_POLICY, deadline=deadline, clock=self._clock)
        for outcome in executor.run(self._send, batches).outcomes:
            batch = outcome.item
            reason = str(outcome.error) if outcome.error is not None else str(outcome.reason)
            unsent.update(batch.refused)
            unsent.update(dict.fromkeys(batch.open, reason))
        return unsent

    def _send(self, batch: _Batch) -> None:
        entries = [_entry(place, message) for place, message in batch.open.items()]
        answer: Mapping[str, Any] = self._client.send_message_batch(QueueUrl=self._url, Entries=entries)
        for sent in answer.get("Successful", ()):
            del batch.open[int(sent["Id"])]
        failed = {int(entry["Id"]): entry for entry in answer.get("Failed", ())}
        for place, entry in failed.items():
            if entry.get("SenderFault"):
                del batch.open[place]
                batch.refused[place] = f"{entry.get('Code')}: {entry.get('Message', '')}"
        if batch.open:
            codes = {str(entry.get("Code")) for place, entry in failed.items() if place in batch.open}
            raise NotSent(f"{len(batch.open)} messages not taken: {', '.join(sorted(codes)) or 'not answered'}")


_TYPE: Final = "String"


def _entry(place: int, message: Message) -> dict[str, Any]:
    attributes = {name: {"DataType": _TYPE, "StringValue": value} for name, value in message.attributes.items()}
    return {"Id": str(place), "MessageBody": message.body, "MessageAttributes": attributes}


def _batches(messages: Mapping[int, Message]) -> Iterator[_Batch]:
    batch: dict[int, Message] = {}
    size = 0
    for place, message in messages.items():
        if len(batch) == _MOST_MESSAGES or size + message.size > _MOST_BYTES:
            yield _Batch(batch)
            batch, size = {}, 0
        batch[place] = message
        size += message.size
    if batch:
        yield _Batch(batch)
