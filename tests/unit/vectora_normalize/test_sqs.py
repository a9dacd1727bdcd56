"""Every message is sent, or returned by its position with a reason. A fake of SQS refuses messages on demand."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from bedrock_resilience.retrying._deadline import Deadline
from support.answering import client_error
from support.ticking import Ticking
from vectora_normalize.sqs import OutgoingMessage, SqsQueue

if TYPE_CHECKING:
    from collections.abc import Callable

URL = "https://sqs.eu-west-3.amazonaws.com/123456789012/normalize"


class Sqs:
    """Accepts batches as SQS does; a function of the body selects the messages that it refuses."""

    def __init__(self, fails: Callable[[str], dict[str, Any] | None] = lambda _: None) -> None:
        self.fails = fails
        self.batches: list[list[dict[str, Any]]] = []
        self.accepted: Counter[str] = Counter()

    def send_message_batch(self, *, QueueUrl: str, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803 - as boto3's
        assert QueueUrl == URL
        assert len({entry["Id"] for entry in Entries}) == len(Entries)
        self.batches.append(Entries)
        answer: dict[str, Any] = {}
        for entry in Entries:
            failure = self.fails(entry["MessageBody"])
            if failure is None:
                self.accepted[entry["MessageBody"]] += 1
                answer.setdefault("Successful", []).append({"Id": entry["Id"], "MessageId": "m"})
            else:
                answer.setdefault("Failed", []).append({"Id": entry["Id"], **failure})
        return answer


def queue(sqs: Sqs, clock: Ticking | None = None) -> SqsQueue:
    return SqsQueue(sqs, URL, clock or Ticking())


def messages(count: int) -> list[OutgoingMessage]:
    return [OutgoingMessage(f"body {number}") for number in range(count)]


@pytest.mark.parametrize("count", [0, 1, 10, 11, 95])
def test_all_are_sent_ten_at_a_time(count: int) -> None:
    sqs = Sqs()
    assert queue(sqs).send(messages(count)) == {}
    assert sqs.accepted == Counter(message.body for message in messages(count))
    assert sorted(map(len, sqs.batches), reverse=True) == [10] * (count // 10) + [count % 10] * (count % 10 > 0)


def test_a_batch_is_no_larger_than_sqs_accepts() -> None:
    sqs = Sqs()
    large = [OutgoingMessage("é" * 200_000 + str(number)) for number in range(6)]  # 400,000 bytes each
    assert queue(sqs).send(large) == {}
    assert sorted(map(len, sqs.batches)) == [2, 2, 2]


def test_a_message_that_is_too_large_is_returned_and_the_others_are_sent() -> None:
    sqs = Sqs()
    unsent = queue(sqs).send([OutgoingMessage("a"), OutgoingMessage("x" * 1_048_577), OutgoingMessage("b")])
    assert unsent == {1: "1048577 bytes; SQS accepts 1048576"}
    assert set(sqs.accepted) == {"a", "b"}


def test_attributes_are_sent_and_counted() -> None:
    sqs = Sqs()
    message = OutgoingMessage("body", {"reason": "validation"})
    assert message.size == len("body") + len("reason") + len("String") + len("validation")
    queue(sqs).send([message])
    ((entry,),) = sqs.batches
    assert entry["MessageAttributes"] == {"reason": {"DataType": "String", "StringValue": "validation"}}


def test_only_messages_that_were_not_accepted_are_sent_again() -> None:
    attempts: Counter[str] = Counter()

    def fails(body: str) -> dict[str, Any] | None:
        attempts[body] += 1
        busy = body in {"body 2", "body 7"} and attempts[body] < 3
        return {"Code": "InternalError", "SenderFault": False} if busy else None

    sqs, clock = Sqs(fails), Ticking()
    assert queue(sqs, clock).send(messages(10)) == {}
    assert set(sqs.accepted.values()) == {1}
    assert [len(batch) for batch in sqs.batches] == [10, 2, 2]
    assert len(clock.slept) == 2


def test_a_message_that_is_never_accepted_is_returned_with_the_code() -> None:
    def fails(body: str) -> dict[str, Any] | None:
        return {"Code": "InternalError", "SenderFault": False} if body == "body 3" else None

    sqs = Sqs(fails)
    assert queue(sqs).send(messages(5)) == {3: "1 messages not accepted: InternalError"}
    assert len(sqs.batches) == 5


def test_a_sender_fault_is_not_sent_again() -> None:
    def fails(body: str) -> dict[str, Any] | None:
        return {"Code": "InvalidMessageContents", "Message": "no", "SenderFault": True} if body == "body 1" else None

    sqs = Sqs(fails)
    assert queue(sqs).send(messages(3)) == {1: "InvalidMessageContents: no"}
    assert len(sqs.batches) == 1


def test_a_message_that_is_missing_in_the_response_is_not_sent() -> None:
    class Silent(Sqs):
        def send_message_batch(self, **_: Any) -> dict[str, Any]:  # noqa: ANN401 - as boto3's
            return {}

    assert queue(Silent()).send(messages(1)) == {0: "1 messages not accepted: no response"}


def test_where_a_request_fails_all_its_messages_are_unsent() -> None:
    class Refusing(Sqs):
        def send_message_batch(self, **_: Any) -> dict[str, Any]:  # noqa: ANN401 - as boto3's
            raise client_error("AccessDenied", "no", 403)

    unsent = queue(Refusing()).send(messages(25))
    assert sorted(unsent) == list(range(25))
    assert any("AccessDenied" in reason for reason in unsent.values())


def test_after_the_deadline_nothing_is_sent() -> None:
    sqs, clock = Sqs(), Ticking()
    unsent = queue(sqs, clock).send(messages(12), deadline=Deadline(clock.now - 1))
    assert sorted(unsent) == list(range(12))
    assert set(unsent.values()) == {"deadline"}
    assert sqs.batches == []
