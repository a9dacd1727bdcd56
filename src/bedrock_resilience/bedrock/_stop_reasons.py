"""What the stop reasons of all families of models mean, as one table.

Their spelling differs in case only if it means the same, so the table has them in lower case.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from bedrock_resilience._errors import IncompleteResponseError, MalformedResponseError
from bedrock_resilience._fault import Fault

if TYPE_CHECKING:
    from collections.abc import Iterable

_AWS_CONVERSE: Final = "AWS, service model of bedrock-runtime, StopReason"
_AWS_TITAN: Final = "AWS, Amazon Titan Text models"
_CLAUDE: Final = "Claude API, Handling stop reasons"
_COHERE: Final = "Cohere API, FinishReason; AWS, Cohere Command R and Command R+ models"
_MISTRAL: Final = "Mistral API, Chat completion, finish_reason"
_OPENAI: Final = "OpenAI API, Chat completion, finish_reason"


class StopReasonMeaning(NamedTuple):
    """What a stop reason means for the response that has it.

    Attributes:
        source: Where the reason is documented.
        fault: The fault of the response; None if the response is complete.
        may_be_empty: Whether a response without output is complete, too.
    """

    source: str
    fault: Fault | None = None
    may_be_empty: bool = False


def _incomplete(source: str) -> StopReasonMeaning:
    return StopReasonMeaning(source, Fault.INCOMPLETE_RESPONSE)


def _may_be_empty(source: str) -> StopReasonMeaning:
    return StopReasonMeaning(source, may_be_empty=True)


STOP_REASONS: Final[dict[str, StopReasonMeaning]] = {
    # The limit of the request, or of the model, was reached. A retry of the same request is cut at the same place.
    "max_tokens": _incomplete(f"{_AWS_CONVERSE}; {_CLAUDE}; {_COHERE}"),
    "length": _incomplete(f"{_OPENAI}; {_MISTRAL}; {_AWS_TITAN}; AWS, Meta Llama models; AWS, DeepSeek models"),
    "model_length": _incomplete(_MISTRAL),
    "model_context_window_exceeded": _incomplete(f"{_AWS_CONVERSE}; {_CLAUDE}"),
    "error_limit": _incomplete(_COHERE),
    # The model stopped before it was done.
    "malformed_model_output": _incomplete(_AWS_CONVERSE),
    "malformed_tool_use": _incomplete(_AWS_CONVERSE),
    "pause_turn": _incomplete(_CLAUDE),
    "rag_query_when_rag_disabled": _incomplete(_AWS_TITAN),
    "user_cancel": _incomplete(_COHERE),
    # The service failed while the model wrote.
    "error": StopReasonMeaning(f"{_COHERE}; {_MISTRAL}", Fault.MODEL_ERROR),
    "timeout": StopReasonMeaning(_COHERE, Fault.MODEL_TIMEOUT),
    "insufficient_system_resource": StopReasonMeaning(
        "DeepSeek API, Create chat completion; not documented for Bedrock", Fault.SERVICE_UNAVAILABLE
    ),
    # Something was withheld, or the model declined. A retry of the same request does not get more.
    "content_filtered": _may_be_empty(f"{_AWS_CONVERSE}; {_AWS_TITAN}"),
    "content_filter": _may_be_empty(_OPENAI),
    "guardrail_intervened": _may_be_empty(_AWS_CONVERSE),
    "intervened": _may_be_empty("AWS, InvokeModel with a guardrail, amazon-bedrock-guardrailAction"),
    "refusal": _may_be_empty(_CLAUDE),
    "error_toxic": _may_be_empty(_COHERE),
    # The stop sequence of the request may be the first thing that the model writes.
    "stop_sequence": _may_be_empty(f"{_AWS_CONVERSE}; {_CLAUDE}; {_COHERE}"),
    "stop_criteria_met": _may_be_empty(_AWS_TITAN),
}
"""Stop reason -> what it means. Any other reason ends a complete response that has output: ``end_turn``, ``tool_use``,
``stop``, ``tool_calls``, ``complete``, ``finish``.
"""


def check_stop_reasons(reasons: Iterable[str], body: object) -> None:
    """Raise the error of the first stop reason that a complete response does not have.

    Raises:
        IncompleteResponseError: The reason states that the response is incomplete.
        MalformedResponseError: The reason states a failure, whose fault the error carries.
    """
    for reason in reasons:
        fault = _meaning(reason).fault
        if fault is Fault.INCOMPLETE_RESPONSE:
            raise IncompleteResponseError(reason, body)
        if fault is not None:
            raise MalformedResponseError(f"the response is a failure: stop reason {reason!r}", body, fault)


def may_be_empty(reasons: Iterable[str]) -> bool:
    """Return whether one of the stop reasons allows a response without output."""
    return any(_meaning(reason).may_be_empty for reason in reasons)


_COMPLETE: Final = StopReasonMeaning("any other stop reason")


def _meaning(reason: str) -> StopReasonMeaning:
    return STOP_REASONS.get(reason.lower(), _COMPLETE)
