"""Content blocks of a Converse request: texts, images, documents, tool uses and their results."""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING, Final

from bedrock_resilience.emulator._protocol.checks import (
    check_one_of,
    check_pattern,
    not_accepted,
    require_list,
    require_object,
    require_string,
)
from bedrock_resilience.emulator._protocol.errors import invalid

if TYPE_CHECKING:
    from bedrock_resilience.emulator._protocol.jsonvalues import JsonObject

TOOL_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")
TOOL_USE_ID: Final = re.compile(r"[a-zA-Z0-9_.:-]{1,64}")
_S3_URI: Final = re.compile(r"s3://[a-z0-9][.\-a-z0-9]{1,61}[a-z0-9](/.*)?")

_BLOCKS: Final = frozenset(
    {
        "audio",
        "cachePoint",
        "citationsContent",
        "document",
        "guardContent",
        "image",
        "reasoningContent",
        "searchResult",
        "text",
        "toolAddition",
        "toolRemoval",
        "toolResult",
        "toolUse",
        "video",
    }
)
_FORMATS: Final = {
    "image": frozenset({"gif", "jpeg", "png", "webp"}),
    "document": frozenset({"csv", "doc", "docx", "html", "md", "pdf", "txt", "xls", "xlsx"}),
    "video": frozenset({"flv", "mkv", "mov", "mp4", "mpeg", "mpg", "three_gp", "webm", "wmv"}),
    "audio": frozenset(
        {"aac", "flac", "m4a", "mka", "mkv", "mp3", "mp4", "mpeg", "mpga", "ogg", "opus", "pcm", "wav", "webm", "x-aac"}
    ),
}


def check_block(block: JsonObject, path: str, role: str) -> None:
    """Check one block of a message.

    Raises:
        ServiceError: ``ValidationException`` for the first problem found.
    """
    kinds = sorted(block.keys() & _BLOCKS)
    if len(kinds) != 1:
        raise not_accepted(path, block, f"an object with exactly one of {', '.join(sorted(_BLOCKS))}")
    kind = kinds[0]
    if kind == "text":
        if not require_string(block["text"], f"{path}.text").strip():
            raise invalid(
                f"The text field in the ContentBlock object at {path} is blank. Add text to the text field, and try "
                "again."
            )
        return
    value = require_object(block[kind], f"{path}.{kind}")
    if kind in _FORMATS:
        _check_media(kind, value, f"{path}.{kind}")
    elif kind == "toolUse":
        _check_tool_use(value, f"{path}.toolUse", role)
    elif kind == "toolResult":
        _check_tool_result(value, f"{path}.toolResult", role)


def _check_media(kind: str, value: JsonObject, path: str) -> None:
    if "format" in value or kind != "document":
        check_one_of(value.get("format"), f"{path}.format", _FORMATS[kind])
    if kind == "document" and not require_string(value.get("name"), f"{path}.name"):
        raise not_accepted(f"{path}.name", "", "a name of 1 to 200 characters")
    source = require_object(value.get("source"), f"{path}.source")
    if "bytes" in source:
        _check_base64(require_string(source["bytes"], f"{path}.source.bytes"), f"{path}.source.bytes")
    elif "s3Location" in source:
        uri = require_object(source["s3Location"], f"{path}.source.s3Location").get("uri")
        if not isinstance(uri, str) or not _S3_URI.fullmatch(uri):
            raise not_accepted(f"{path}.source.s3Location.uri", uri, "s3://bucket/key")
    elif kind != "document" or not source.keys() & {"text", "content"}:
        raise not_accepted(f"{path}.source", source, "an object with bytes or s3Location")


def _check_base64(text: str, path: str) -> None:
    try:
        decoded = base64.b64decode(text, validate=True)
    except binascii.Error:
        decoded = b""
    if not decoded:
        raise not_accepted(path, text, "bytes in base64, at least one")


def _check_tool_use(value: JsonObject, path: str, role: str) -> None:
    if role != "assistant":
        raise invalid(f"{path}: a toolUse block belongs in a message of the assistant, not of the {role}")
    check_pattern(value.get("toolUseId"), f"{path}.toolUseId", TOOL_USE_ID)
    check_pattern(value.get("name"), f"{path}.name", TOOL_NAME)
    require_object(value.get("input"), f"{path}.input")


def _check_tool_result(value: JsonObject, path: str, role: str) -> None:
    if role != "user":
        raise invalid(f"{path}: a toolResult block belongs in a message of the user, not of the {role}")
    check_pattern(value.get("toolUseId"), f"{path}.toolUseId", TOOL_USE_ID)
    for index, part in enumerate(require_list(value.get("content"), f"{path}.content")):
        require_object(part, f"{path}.content.{index}")
