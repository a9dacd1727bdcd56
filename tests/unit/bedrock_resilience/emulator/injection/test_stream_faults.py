"""What each stream fault does to a reply, without a socket."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bedrock_resilience.emulator._http.replies import Ending, Reply, body_reply
from bedrock_resilience.emulator._injection import stream_faults

if TYPE_CHECKING:
    from bedrock_resilience.emulator._injection.injected_fault import InjectedFault

STREAM = Reply(200, {}, (b"first...", b"second..", b"third..."), None)
BODY = body_reply(b"0123456789", delay=1.0)


def test_a_slow_response_is_complete() -> None:
    reply = stream_faults.SlowFirstByte(2).apply(lambda: BODY)
    assert (reply.delay, reply.frames, reply.ending) == (3.0, BODY.frames, Ending.COMPLETE)


def test_a_truncated_body_announces_more_than_it_sends() -> None:
    reply = stream_faults.TruncatedBody(0.3).apply(lambda: BODY)
    assert (reply.frames, reply.length, reply.ending) == ((b"012",), 10, Ending.CUT)


def test_an_unexpected_body_has_the_latency_of_the_response() -> None:
    reply = stream_faults.UnexpectedBody(b"nope", "text/plain", 203).apply(lambda: BODY)
    assert (reply.status, reply.headers, reply.frames, reply.delay) == (
        203,
        {"Content-Type": "text/plain"},
        (b"nope",),
        1.0,
    )


@pytest.mark.parametrize(
    ("fault", "ending"), [(stream_faults.ConnectionReset(), Ending.RESET), (stream_faults.Hang(), Ending.STALL)]
)
def test_nothing_at_all_is_sent(fault: InjectedFault, ending: Ending) -> None:
    reply = fault.apply(lambda: BODY)
    assert (reply.head, reply.frames, reply.ending) == (False, (), ending)


@pytest.mark.parametrize(
    ("fault", "frames", "ending"),
    [
        (stream_faults.StreamCut(after=1), (b"first...", b"seco"), Ending.CUT),
        (stream_faults.StreamCut(after=9), STREAM.frames, Ending.CUT),
        (stream_faults.StreamStall(after=1), (b"first...",), Ending.STALL),
        (stream_faults.StreamWithoutStop(after=2), STREAM.frames[:2], Ending.COMPLETE),
        (stream_faults.StreamCorruption(after=1), (b"first...", b"sec\x90nd..", b"third..."), Ending.COMPLETE),
        (stream_faults.StreamCorruption(after=9), STREAM.frames, Ending.COMPLETE),
    ],
)
def test_streams_break_after_so_many_events(fault: InjectedFault, frames: tuple[bytes, ...], ending: Ending) -> None:
    reply = fault.apply(lambda: STREAM)
    assert (reply.frames, reply.ending) == (frames, ending)
    assert fault.streams_only
    assert fault.error_code is None


def test_an_exception_takes_the_place_of_the_rest() -> None:
    reply = stream_faults.StreamException("modelStreamErrorException", after=1).apply(lambda: STREAM)
    assert reply.frames[0] == b"first..."
    assert b"modelStreamErrorException" in reply.frames[1]
    assert b"while it was streaming" in reply.frames[1]
    assert stream_faults.StreamException("modelStreamErrorException").error_code == "ModelStreamErrorException"
    assert stream_faults.StreamError("Odd").error_code == "Odd"


def test_only_a_slow_response_is_harmless() -> None:
    assert {name for name, kind in stream_faults.RESPONSE_FAULTS.items() if kind.harmless} == {"slow-first-byte"}
