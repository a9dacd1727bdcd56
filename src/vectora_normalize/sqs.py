"""SQS queues: sends many messages in few requests, and returns those that could not be sent."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from bedrock_resilience import BoundedExecutor, Fault, RetryPolicy
from bedrock_resilience.clock import SYSTEM_CLOCK

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bedrock_resilience import Deadline
    from bedrock_resilience.clock import Clock

# What SQS accepts in one request, for the whole batch and for each message ("Amazon SQS message quotas").
_MAX_BATCH_MESSAGES: Final = 10
_MAX_BATCH_BYTES: Final = 1_048_576
# Requests at once; one takes some 20 ms.
_SEND_WORKERS: Final = 8
# A partial failure is SQS's own and short. (boto3 itself retries a request that fails as a whole.)
_POLICY: Final = RetryPolicy(max_retries=4, base_delay=0.2, retry_on={Fault.INTERNAL_SERVER})


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """A message to send.

    Args:
        body: Its text.
        attributes: Name to text: at most 10, none of them empty.
    """

    body: str
    attributes: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def size(self) -> int:
        """The size in bytes as SQS counts it: the body, and names, types and values of the attributes."""
        attributes = sum(len(name) + len(_TYPE) + len(value.encode()) for name, value in self.attributes.items())
        return len(self.body.encode()) + attributes


class MessagesNotSentError(Exception):
    """Messages of a batch that SQS did not accept, and may accept later."""

    fault = Fault.INTERNAL_SERVER


@dataclass(slots=True, eq=False)
class _Batch:
    """The messages of one request by their position among all messages; those that were sent are removed."""

    unsent: dict[int, OutgoingMessage]
    refused: dict[int, str] = field(default_factory=dict[int, str])


class SqsQueue:
    """A queue to which messages are sent.

    Args:
        client: A boto3 ``sqs`` client.
        url: URL of the queue.
        clock: How to wait between two attempts.
    """

    def __init__(self, client: Any, url: str, clock: Clock = SYSTEM_CLOCK) -> None:  # noqa: ANN401 - boto3 creates client classes at run time
        self._client = client
        self._url = url
        self._clock = clock

    def send(self, messages: Sequence[OutgoingMessage], *, deadline: Deadline | None = None) -> dict[int, str]:
        """Send all messages; return the reasons of those that were not sent, by their position.

        Args:
            messages: The messages.
            deadline: After it no further request is sent.
        """
        unsent = {
            position: f"{message.size} bytes; SQS accepts {_MAX_BATCH_BYTES}"
            for position, message in enumerate(messages)
            if message.size > _MAX_BATCH_BYTES
        }
        batches = list(_batches({position: one for position, one in enumerate(messages) if position not in unsent}))
        executor = BoundedExecutor(_SEND_WORKERS, policy=_POLICY, deadline=deadline, clock=self._clock)
        for outcome in executor.run(self._send, batches).outcomes:
            batch = outcome.item
            reason = str(outcome.error) if outcome.error is not None else str(outcome.reason)
            unsent.update(batch.refused)
            unsent.update(dict.fromkeys(batch.unsent, reason))
        return unsent

    def _send(self, batch: _Batch) -> None:
        entries = [_entry(position, message) for position, message in batch.unsent.items()]
        response: Mapping[str, Any] = self._client.send_message_batch(QueueUrl=self._url, Entries=entries)
        for sent in response.get("Successful", ()):
            del batch.unsent[int(sent["Id"])]
        failed = {int(entry["Id"]): entry for entry in response.get("Failed", ())}
        for position, entry in failed.items():
            if entry.get("SenderFault"):
                del batch.unsent[position]
                batch.refused[position] = f"{entry.get('Code')}: {entry.get('Message', '')}"
        if batch.unsent:
            codes = {str(entry.get("Code")) for position, entry in failed.items() if position in batch.unsent}
            raise MessagesNotSentError(
                f"{len(batch.unsent)} messages not accepted: {', '.join(sorted(codes)) or 'no response'}"
            )


_TYPE: Final = "String"


def _entry(position: int, message: OutgoingMessage) -> dict[str, Any]:
    attributes = {name: {"DataType": _TYPE, "StringValue": value} for name, value in message.attributes.items()}
    return {"Id": str(position), "MessageBody": message.body, "MessageAttributes": attributes}


def _batches(messages: Mapping[int, OutgoingMessage]) -> Iterator[_Batch]:
    batch: dict[int, OutgoingMessage] = {}
    size = 0
    for position, message in messages.items():
        if len(batch) == _MAX_BATCH_MESSAGES or size + message.size > _MAX_BATCH_BYTES:
            yield _Batch(batch)
            batch, size = {}, 0
        batch[position] = message
        size += message.size
    if batch:
        yield _Batch(batch)
