"""A model of SQS: messages that are delayed, delivered twice, refused, and dead-lettered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import EndpointConnectionError

from support.dst.scheduler import Weights

if TYPE_CHECKING:
    from support.dst.scheduler import Choices, Scheduler

VISIBILITY_SECONDS: Final = 60.0
MAX_RECEIVES: Final = 4
_DELAYS: Final = (0.0, 0.5, 5.0, 40.0)
_DELAYED: Final = Weights(70, 15, 10, 5)
# None, not accepted, accepted with a lost reply, accepted and delivered twice.
_SENDING: Final = Weights(85, 5, 5, 5)
_NOT_ACCEPTED, _REPLY_LOST, _TWICE = 1, 2, 3


@dataclass(eq=False)
class Message:
    """A message in a queue.

    Args:
        number: Its id.
        body: Its text.
        visible_at: When it may be delivered.
        receives: How often it was delivered.
    """

    number: int
    body: str
    visible_at: float
    receives: int = 0


class ModelQueue:
    """A queue with its redrive policy.

    Args:
        scheduler: A request is two of its points.
        choices: Decide what goes wrong.

    Attributes:
        scheduler: As given.
        messages: What is in the queue.
        dead: What was delivered too often.
    """

    def __init__(self, scheduler: Scheduler, choices: Choices) -> None:
        self.scheduler = scheduler
        self._choices = choices
        self._number = 0
        self.messages: list[Message] = []
        self.dead: list[Message] = []

    def client(self) -> QueueClient:
        """A boto3 client of the queue, as far as it is used."""
        return QueueClient(self)

    def send(self, body: str) -> int:
        """Accept a message; return what went wrong."""
        choices, scheduler = self._choices, self.scheduler
        fault = 0 if scheduler.calm else choices.pick(_SENDING)
        if fault == _NOT_ACCEPTED:
            scheduler.count("message refused")
            return fault
        for _ in range(2 if fault == _TWICE else 1):
            delay = 0.0 if scheduler.calm else _DELAYS[choices.pick(_DELAYED)]
            self._number += 1
            self.messages.append(Message(self._number, body, scheduler.now + delay))
        if fault == _TWICE:
            scheduler.count("message delivered twice")
        return fault

    def receive(self, most: int) -> list[Message]:
        """Return messages, and hide them; move those to the dead-letter queue that were delivered too often."""
        now = self.scheduler.now
        received: list[Message] = []
        for message in list(self.messages):
            if message.visible_at > now or len(received) == most:
                continue
            if message.receives >= MAX_RECEIVES:
                self.messages.remove(message)
                self.dead.append(message)
                continue
            message.receives += 1
            message.visible_at = now + VISIBILITY_SECONDS
            received.append(message)
        return received

    def delete(self, message: Message) -> None:
        """Remove a message that is done; now and then the request is lost, and it is delivered again."""
        if not self.scheduler.calm and self._choices.below(12) == 11:
            self.scheduler.count("message not deleted")
        elif message in self.messages:
            self.messages.remove(message)

    def show_again(self, message: Message) -> None:
        """Deliver a message again soon: a worker has failed it."""
        message.visible_at = self.scheduler.now + 1.0


class QueueClient:
    """``send_message_batch`` of a boto3 client."""

    def __init__(self, queue: ModelQueue) -> None:
        self._queue = queue

    def send_message_batch(self, *, QueueUrl: str, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803 - boto3's
        """Send some messages."""
        scheduler = self._queue.scheduler
        scheduler.sleep(0.02)
        answer: dict[str, list[dict[str, Any]]] = {"Successful": [], "Failed": []}
        lost = False
        for entry in Entries:
            fault = self._queue.send(entry["MessageBody"])
            lost = lost or fault == _REPLY_LOST
            refused = fault == _NOT_ACCEPTED
            answer["Failed" if refused else "Successful"].append({"Id": entry["Id"], "Code": "InternalError"})
        scheduler.sleep(0.02)
        if lost:
            scheduler.count("reply of the queue lost")
            raise EndpointConnectionError(endpoint_url=QueueUrl)
        return answer
