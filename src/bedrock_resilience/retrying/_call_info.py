"""``CallInfo``: what a call asks for, as its events state it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class CallInfo:
    """The operation, the model and the Region of a call, as its events state them.

    ``Retrier(info=...)`` takes one. ``BedrockRuntime`` and the protected clients make one from each request.

    Attributes:
        operation: The operation of Bedrock Runtime, such as ``Converse``; None if unknown.
        model: The ``modelId`` of the request.
        region: The AWS Region of the endpoint.
    """

    operation: str | None = None
    model: str | None = None
    region: str | None = None
