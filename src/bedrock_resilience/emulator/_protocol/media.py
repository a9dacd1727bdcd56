"""Limits of Converse for images and documents in a message.

The service model of Converse (``Message.content``, ``DocumentBlock.name``) documents them. For the name of a document,
the words are those that users quote (https://github.com/simonw/llm-bedrock/issues/8). The name may have an underscore.
Of whitespace, it may have only the space (https://github.com/aws-samples/generative-ai-use-cases/issues/1671). For the
other limits no quotation was found: the words are the emulator's.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from bedrock_resilience.emulator._protocol.errors import invalid
from bedrock_resilience.emulator._protocol.jsonvalues import JsonObject, as_object, objects

if TYPE_CHECKING:
    from collections.abc import Mapping

_MEBIBYTE: Final = 1_048_576
_BASE64_RATIO: Final = 3 / 4
# Kind -> how many of it a message may have, and the bytes of one.
_LIMITS: Final[Mapping[str, tuple[int, float]]] = {
    "image": (20, 3.75 * _MEBIBYTE),
    "document": (5, 4.5 * _MEBIBYTE),
}
_NAME: Final = re.compile(r"(?!.* {2})[A-Za-z0-9_ ()\[\]-]{1,200}")


def check_media(content: list[Any], path: str, role: str) -> None:
    """Check the images and documents of one message, whose blocks have passed their own checks.

    Raises:
        ServiceError: ``ValidationException`` for the first problem found.
    """
    blocks = objects(content)
    for kind, (most, most_bytes) in _LIMITS.items():
        media = [block[kind] for block in blocks if kind in block]
        if media and role != "user":
            raise invalid(f"{path}.content: {kind}s belong in a message of the user, not of the {role}")
        if len(media) > most:
            raise invalid(f"{path}.content: got {len(media)} {kind}s; accepted: up to {most}")
        if any(_size(one) > most_bytes for one in media):
            raise invalid(f"{path}.content: got a larger {kind}; accepted: up to {most_bytes / _MEBIBYTE:g} MB")
    documents = [block["document"] for block in blocks if "document" in block]
    if documents and not any("text" in block for block in blocks):
        raise invalid(f"{path}.content: a message with a document must have a text too")
    for document in documents:
        if not _NAME.fullmatch(str(document["name"])):
            raise invalid(
                "The document file name can only contain alphanumeric characters, whitespace characters, hyphens, "
                "parentheses, and square brackets. The name can't contain more than one consecutive whitespace "
                "character. Check that the file name conforms to these restrictions and retry your request."
            )


def _size(media: JsonObject) -> float:
    data = (as_object(media.get("source")) or {}).get("bytes")
    return len(str(data or "")) * _BASE64_RATIO
