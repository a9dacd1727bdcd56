"""Which family of models a body of InvokeModel belongs to."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, TypeAlias

from bedrock_resilience.emulator._protocol import claude, command_r, nova, openai
from bedrock_resilience.emulator._protocol.errors import invalid
from bedrock_resilience.emulator._protocol.text_families import COMMAND, DEEPSEEK, LLAMA, MISTRAL, TITAN
from bedrock_resilience.emulator._protocol.vectors import VECTOR_FAMILIES, VectorResponse

if TYPE_CHECKING:
    from bedrock_resilience.emulator._protocol.generation import Form
    from bedrock_resilience.emulator._protocol.jsonvalues import JsonObject

ReadBody: TypeAlias = Callable[["JsonObject"], "Form | VectorResponse"]

_mistral_chat: Final = functools.partial(openai.invoke_form, reason_field="stop_reason")

# Part of a model id -> what reads its bodies; the first that a model id contains applies.
_BY_ID: Final[tuple[tuple[str, ReadBody], ...]] = (
    *VECTOR_FAMILIES,
    ("anthropic", claude.invoke_form),
    ("amazon.nova", nova.form_of),
    ("amazon.titan-t", TITAN.form_of),
    ("cohere.command-r", command_r.form_of),
    ("cohere.command", COMMAND.form_of),
    ("meta.llama", LLAMA.form_of),
    ("deepseek.r1", DEEPSEEK.form_of),
)
# Models with a chat form, beside the form of their family: the field that only a chat has -> what reads it.
_CHATS: Final[Mapping[str, ReadBody]] = {"mistral.mistral": _mistral_chat, "mistral.pixtral": openai.invoke_form}
# For any other model, and for profiles and prompts whose ARN does not name a model: the field that a body has.
_BY_FIELD: Final[tuple[tuple[str, ReadBody], ...]] = (
    ("anthropic_version", claude.invoke_form),
    ("schemaVersion", nova.form_of),
    ("inputText", TITAN.form_of),
    ("message", command_r.form_of),
    ("max_gen_len", LLAMA.form_of),
    ("prompt", MISTRAL.form_of),
    ("messages", openai.invoke_form),
)


def read_invoke_body(model_id: str, body: JsonObject) -> Form | VectorResponse:
    """Read a body of InvokeModel: a request for generation, or the response of a model that generates nothing.

    Raises:
        ServiceError: ``ValidationException``, if the family does not accept the body.
    """
    for part, read in _BY_ID:
        if part in model_id:
            return read(body)
    for part, read in _CHATS.items():
        if part in model_id and "messages" in body:
            return read(body)
    for field, read in _BY_FIELD:
        if field in body:
            return read(body)
    known = ", ".join(field for field, _ in _BY_FIELD)
    raise invalid(f"The emulator has no form for {model_id}; accepted: a body with one of {known}")
