"""Bodies and streams of every family of models: what is cut anywhere is never taken for complete."""

from __future__ import annotations

import base64
import importlib
import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bedrock_resilience import Fault
from bedrock_resilience.bedrock import invoke_model, invoke_model_stream
from bedrock_resilience.bedrock._families import text_of
from bedrock_resilience.bedrock._responses import read_body
from bedrock_resilience.emulator._protocol import eventstream
from bedrock_resilience.errors import MalformedResponseError, StreamInterruptedError
from bedrock_resilience.testing import ScriptedBedrock, read_timeout, stream_cut
from support.families import FAMILIES, METRICS, TEXT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.families import FamilyExample

families = st.sampled_from(sorted(FAMILIES)).map(FAMILIES.__getitem__)
OPERATION = "InvokeModelWithResponseStream"
SESSION: Any = importlib.import_module("botocore.session").Session()
SHAPE: Any = SESSION.get_service_model("bedrock-runtime").operation_model(OPERATION).output_shape.members["body"]


class Events:
    """The events of a stream, and the exception after them."""

    def __init__(self, events: list[dict[str, Any]], error: Exception | None) -> None:
        self._events = events
        self._error = error

    def __iter__(self) -> Iterator[dict[str, Any]]:
        yield from ({"chunk": {"bytes": json.dumps(event).encode()}} for event in self._events)
        if self._error is not None:
            raise self._error


class Client:
    """A client whose stream is this one."""

    def __init__(self, stream: object) -> None:
        self._stream = stream

    def invoke_model_with_response_stream(self, **_: object) -> dict[str, Any]:
        return {"body": self._stream}


class Bytes:
    """What botocore reads a stream from."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def stream(self) -> Iterator[bytes]:
        yield self._data

    def close(self) -> None:
        """Close the connection."""


def frames(family: FamilyExample) -> list[bytes]:
    chunks = [{"bytes": base64.b64encode(json.dumps(event).encode()).decode()} for event in family.events]
    return [eventstream.event("chunk", chunk) for chunk in chunks]


def through_botocore(data: bytes) -> Client:
    parser = importlib.import_module("botocore.parsers").EventStreamJSONParser()
    return Client(importlib.import_module("botocore.eventstream").EventStream(Bytes(data), SHAPE, parser, OPERATION))


@given(families, st.data(), st.sampled_from([None, stream_cut(), read_timeout()]))
def test_a_stream_that_ends_after_some_events_is_not_complete(
    family: FamilyExample, data: st.DataObject, error: Exception | None
) -> None:
    count = data.draw(st.integers(0, family.unfinished))
    stream = invoke_model_stream(Client(Events(family.events[:count], error)), modelId="m", body="{}")
    with pytest.raises(StreamInterruptedError) as raised:
        list(stream)
    assert raised.value.fault in {Fault.STREAM_INTERRUPTED, Fault.READ_TIMEOUT}
    assert raised.value.delivered == family.events[:count]
    assert TEXT.startswith(raised.value.text)
    assert stream.usage is None


@given(families, st.data())
def test_a_stream_that_is_cut_at_any_byte_is_not_complete(family: FamilyExample, data: st.DataObject) -> None:
    encoded = frames(family)
    end = sum(map(len, encoded[: family.unfinished + 1]))  # from here on the message is complete
    cut = data.draw(st.integers(0, end - 1))
    stream = invoke_model_stream(through_botocore(b"".join(encoded)[:cut]), modelId="m", body="{}")
    with pytest.raises(StreamInterruptedError) as raised:
        list(stream)
    assert raised.value.fault is Fault.STREAM_INTERRUPTED
    assert TEXT.startswith(raised.value.text)


@given(families)
def test_the_whole_stream_is_complete(family: FamilyExample) -> None:
    stream = invoke_model_stream(through_botocore(b"".join(frames(family))), modelId="m", body="{}")
    assert list(stream) == family.events


@given(families, st.text(min_size=1), st.data())
def test_text_may_be_divided_in_any_way(family: FamilyExample, text: str, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=4)))
    pieces = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    template = next(event for event in family.events if text_of(event) and not METRICS.keys() & event.keys())
    encoded = json.dumps(template)
    part = json.dumps(text_of(template))
    last = [json.loads(json.dumps(event).replace('"world"', '""')) for event in family.events[family.unfinished :]]
    middle = [json.loads(encoded.replace(part, json.dumps(piece))) for piece in pieces]
    events = [*middle, *last]
    stream = invoke_model_stream(Client(Events(events, None)), modelId="m", body="{}")
    assert "".join(map(text_of, stream)) == text


@given(families, st.data())
def test_a_body_that_is_cut_at_any_byte_is_malformed(family: FamilyExample, data: st.DataObject) -> None:
    raw = json.dumps(family.body).encode()
    cut = data.draw(st.integers(0, len(raw) - 1))
    with pytest.raises(MalformedResponseError):
        read_body({"body": io.BytesIO(raw[:cut])})
    assert invoke_model(ScriptedBedrock(family.body), modelId="m", body="{}") == family.body
