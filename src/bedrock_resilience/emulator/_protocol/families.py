"""Which family of models a body of InvokeModel belongs to."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from bedrock_resilience.emulator._protocol import claude, command_r, nova, openai
from bedrock_resilience.emulator._protocol.errors import invalid
from bedrock_resilience.emulator._protocol.text_families import COMMAND, DEEPSEEK, LLAMA, MISTRAL, TITAN, TextFamily
from bedrock_resilience.emulator._protocol.vectors import VECTOR_FAMILIES, VectorResponse

if TYPE_CHECKING:
    from bedrock_resilience.emulator._protocol.generation import Form, Writers
    from bedrock_resilience.emulator._protocol.jsonvalues import JsonObject

ReadBody: TypeAlias = Callable[["JsonObject"], "Form | VectorResponse"]


class InvokeFamily(NamedTuple):
    """A family of models under InvokeModel.

    Attributes:
        read: Reads a body of a request.
        writers: Write its responses; None for a family that generates no text.
    """

    read: ReadBody
    writers: Writers | None


def _completing(family: TextFamily) -> InvokeFamily:
    return InvokeFamily(family.form_of, family.writers)


_CLAUDE: Final = InvokeFamily(claude.invoke_form, claude.INVOKE_WRITERS)
_NOVA: Final = InvokeFamily(nova.form_of, nova.WRITERS)
_COMMAND_R: Final = InvokeFamily(command_r.form_of, command_r.WRITERS)
_CHAT: Final = InvokeFamily(openai.invoke_form, openai.invoke_writers())
_MISTRAL_CHAT: Final = InvokeFamily(
    functools.partial(openai.invoke_form, reason_field="stop_reason"), openai.invoke_writers("stop_reason")
)

# Part of a model id -> its family; the first that a model id contains applies.
_BY_ID: Final[tuple[tuple[str, InvokeFamily], ...]] = (
    *((part, InvokeFamily(read, None)) for part, read in VECTOR_FAMILIES),
    ("anthropic", _CLAUDE),
    ("amazon.nova", _NOVA),
    ("amazon.titan-t", _completing(TITAN)),
    ("cohere.command-r", _COMMAND_R),
    ("cohere.command", _completing(COMMAND)),
    ("meta.llama", _completing(LLAMA)),
    ("deepseek.r1", _completing(DEEPSEEK)),
)
# Models with a chat form, beside the form of their family: the form where the body has the field of a chat.
_CHATS: Final[Mapping[str, InvokeFamily]] = {"mistral.mistral": _MISTRAL_CHAT, "mistral.pixtral": _CHAT}
# For any other model, and for profiles and prompts whose ARN does not name a model: the field that a body has.
_BY_FIELD: Final[tuple[tuple[str, InvokeFamily], ...]] = (
    ("anthropic_version", _CLAUDE),
    ("schemaVersion", _NOVA),
    ("inputText", _completing(TITAN)),
    ("message", _COMMAND_R),
    ("max_gen_len", _completing(LLAMA)),
    ("prompt", _completing(MISTRAL)),
    ("messages", _CHAT),
)


def family_of(model_id: str, body: JsonObject) -> InvokeFamily | None:
    """Return the family of a model, by its id or by the fields of the body; None if neither names one."""
    for part, family in _BY_ID:
        if part in model_id:
            return family
    for part, family in _CHATS.items():
        if part in model_id and "messages" in body:
            return family
    return next((family for field, family in _BY_FIELD if field in body), None)


def read_invoke_body(model_id: str, body: JsonObject) -> Form | VectorResponse:
    """Read a body of InvokeModel: a request for generation, or the response of a model that generates nothing.

    Raises:
        ServiceError: ``ValidationException``, if the family does not accept the body.
    """
    family = family_of(model_id, body)
    if family is None:
        known = ", ".join(field for field, _ in _BY_FIELD)
        raise invalid(f"The emulator has no form for {model_id}; accepted: a body with one of {known}")
    return family.read(body)
