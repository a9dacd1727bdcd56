"""Normalizes one item with one request to Bedrock: prepares it, sends it, and builds the item from the response."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict, cast

import msgspec

from bedrock_resilience.bedrock import converse, request_tokens
from bedrock_resilience.quotas import TokenEstimator, usage_from
from vectora_normalize.normalize.extraction import MalformedExtractionError, normalize, read_answer
from vectora_normalize.normalize.prompt import build_request
from vectora_normalize.normalize.response_cache import CachedResponse, request_key

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Mapping

    from bedrock_resilience.quotas import RequestTokens
    from vectora_normalize.items import NormalizedItem, RawItem
    from vectora_normalize.normalize.extraction import Watchlists


class Normalized(TypedDict):
    """The result of an item. It is a mapping with ``usage``, which pacers and the token counts of a report read.

    ``usage`` has the tokens that this run paid for; it is empty if the response was stored already. ``origin`` is
    where the response came from: ``bedrock``, ``store`` (an earlier run paid for it) or ``another run`` (one at the
    same time did).
    """

    item: NormalizedItem
    usage: Mapping[str, int]
    origin: str


class PreparedRequest(msgspec.Struct, frozen=True, eq=False):
    """An item with its request.

    Args:
        item: What to normalize.
        request: The keyword arguments of Converse.
        key: ``request_key(request)``.
    """

    item: RawItem
    request: dict[str, Any]
    key: str


class Normalizer(msgspec.Struct, frozen=True, kw_only=True):
    """Normalizes one item with one request; has the settings that the items of a run share.

    Args:
        client: A ``bedrock-runtime`` client without retries of its own, as ``bedrock_runtime_client`` makes it.
        model_id: Bedrock model or inference profile.
        watchlists: The client's names by kind.
        ingested_at: The start of the run, with its time zone.
        language: Language of the summaries.
        run_id: Name of the run, for people who read a stored response.
        client_for_timeout: Returns a client whose calls end within that many seconds; None: ``client`` is the only one.
        read_timeout: Seconds that a call of ``client`` may take at most.
    """

    client: Any
    model_id: str
    watchlists: Watchlists
    ingested_at: dt.datetime
    language: str = "en"
    run_id: str = ""
    client_for_timeout: Callable[[float], Any] | None = None
    read_timeout: float = 120.0
    _estimator: TokenEstimator = msgspec.field(default_factory=TokenEstimator)

    def prepare(self, item: RawItem) -> PreparedRequest:
        """Return the item with its request and key."""
        request = build_request(item, self.watchlists, model_id=self.model_id, language=self.language)
        return PreparedRequest(item, request, request_key(request))

    def invoke(self, prepared: PreparedRequest, seconds: float | None = None) -> CachedResponse:
        """Send the request once.

        Args:
            prepared: The request.
            seconds: How long it may take; None: as long as the client waits.

        Raises:
            MalformedExtractionError: The response is not an extraction.
            Exception: What boto3 raised, or ``bedrock_resilience.bedrock.converse`` for a response without content.
        """
        limited = (
            self.client if seconds is None or self.client_for_timeout is None else self.client_for_timeout(seconds)
        )
        try:
            response = converse(limited, **prepared.request)
        except RecursionError as error:  # botocore parses JSON of any depth, and an item may make a model nest it
            raise MalformedExtractionError("answer: nested deeper than the tool allows") from error
        usage = usage_from(response)
        if usage is not None:
            self._estimator.learn(prepared.request, usage)
        try:
            extraction = read_answer(response)
        except MalformedExtractionError as error:
            error.body = response  # its tokens were used nevertheless
            raise
        return CachedResponse(
            extraction=extraction,
            usage=token_counts(response.get("usage")),
            ingested_at=self.ingested_at,
            model_id=self.model_id,
            run_id=self.run_id,
            content_hash=prepared.item.content_hash,
            url=prepared.item.url,
        )

    def build_item(self, item: RawItem, response: CachedResponse, *, origin: str = "bedrock") -> Normalized:
        """Return the item that a response describes, with its names compared with the text and the current scopes."""
        built = normalize(item, response.extraction, self.watchlists, ingested_at=response.ingested_at)
        return {"item": built, "usage": response.usage if origin == "bedrock" else {}, "origin": origin}

    def tokens(self, prepared: PreparedRequest) -> RequestTokens:
        """Return what the request may use of a token quota, as far as it is known before it is sent."""
        return request_tokens(prepared.request, self._estimator)


def token_counts(usage: object) -> dict[str, int]:
    """Return the counts in a response's ``usage``; some models add members that are not numbers."""
    members = cast("Mapping[str, object]", usage).items() if isinstance(usage, dict) else ()
    return {name: count for name, count in members if isinstance(count, int)}
