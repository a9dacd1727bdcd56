"""How many images and documents a message may have, how large, and what documents may be called."""

from __future__ import annotations

from typing import Any

import pytest

from bedrock_resilience.emulator._protocol.errors import ServiceError
from bedrock_resilience.emulator._protocol.media import check_media

TEXT: dict[str, Any] = {"text": "a"}


def image(data: str = "eA==") -> dict[str, Any]:
    return {"image": {"format": "png", "source": {"bytes": data}}}


def document(name: str = "n", data: str = "eA==") -> dict[str, Any]:
    return {"document": {"format": "pdf", "name": name, "source": {"bytes": data}}}


RIGHT: list[list[dict[str, Any]]] = [
    [TEXT],
    [image()] * 20,
    [TEXT, *[document()] * 5],
    [TEXT, document("A name_with (all) [of] it-1")],
    [TEXT, {"document": {"name": "n", "source": {"text": "x"}}}],
    [image("A" * 5_000_000)],
]
WRONG: list[tuple[list[dict[str, Any]], str]] = [
    ([image()] * 21, "messages.0.content: got 21 images; accepted: up to 20"),
    ([TEXT, *[document()] * 6], "messages.0.content: got 6 documents; accepted: up to 5"),
    ([image("A" * 5_300_000)], "messages.0.content: got a larger image; accepted: up to 3.75 MB"),
    ([TEXT, document(data="A" * 6_300_000)], "messages.0.content: got a larger document; accepted: up to 4.5 MB"),
    ([document()], "messages.0.content: a message with a document must have a text too"),
    *[
        ([TEXT, document(name)], "The document file name can only contain alphanumeric characters")
        for name in ("a.pdf", "two  spaces", "tab\tin", "\u3000", "résumé", "x" * 201)
    ],
]


@pytest.mark.parametrize("content", RIGHT)
def test_what_is_documented_is_accepted(content: list[dict[str, Any]]) -> None:
    check_media(content, "messages.0", "user")


@pytest.mark.parametrize(("content", "message"), WRONG)
def test_what_is_documented_as_refused_is_refused(content: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(ServiceError) as raised:
        check_media(content, "messages.0", "user")
    assert raised.value.message.startswith(message)


@pytest.mark.parametrize("block", [image(), document()])
def test_the_assistant_shows_nothing(block: dict[str, Any]) -> None:
    with pytest.raises(ServiceError, match=r"messages\.1\.content: \w+s belong in a message of the user"):
        check_media([TEXT, block], "messages.1", "assistant")
