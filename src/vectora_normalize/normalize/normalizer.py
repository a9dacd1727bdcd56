"""One item through Bedrock: a request, an attempt, and what is made of its answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypedDict, cast

from bedrock_resilience.bedrock import converse, request_tokens
from bedrock_resilience.quotas import TokenEstimator, usage_from
from vectora_normalize.normalize.extraction import MalformedExtractionError, normalize, read_answer
from vectora_normalize.normalize.prompt import build_request
from vectora_normalize.normalize.response_cache import Answer, request_key

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Mapping

    from bedrock_resilience.quotas import RequestTokens
    from vectora_normalize.items import NormalizedItem, RawItem
    from vectora_normalize.normalize.extraction import Watchlists


class Normalized(TypedDict):
    """What came of an item. A mapping with `usage`, which is where a pacer and the account of tokens look.

    `usage` holds the tokens that this run paid for it; nothing where the answer was there already. `origin` says where
    the answer came from: `bedrock`, `store` (an earlier run had paid for it) or `another run` (at the same time).
    """

    item: NormalizedItem
    usage: Mapping[str, int]
    origin: str


@dataclass(slots=True, eq=False)
class Work:
    """An item with the request that it makes.

    Args:
        item: What to read.
        request: The keyword arguments of Converse.
        key: `request_key(request)`.
    """

    item: RawItem
    request: dict[str, Any]
    key: str


@dataclass(frozen=True, kw_only=True)
class Normalizer:
    """Reads one item with one request; everything that the items of a run have in common.

    Args:
        client: A `bedrock-runtime` client without retries of its own, as `bedrock_runtime_client` makes it.
        model_id: Bedrock model or inference profile.
        watchlists: The client's names by kind.
        ingested_at: The instant of the run, with its time zone.
        language: Language of the summaries.
        run: Name of the run, for people who look at a kept answer.
        client_within: Gives a client whose calls end within so many seconds; None: `client` is the only one.
        read_timeout: Seconds that a call of `client` may take at the most.
    """

    client: Any
    model_id: str
    watchlists: Watchlists
    ingested_at: dt.datetime
    language: str = "en"
    run: str = ""
    client_within: Callable[[float], Any] | None = None
    read_timeout: float = 120.0
    _estimator: TokenEstimator = field(default_factory=TokenEstimator, repr=False)

    def work(self, item: RawItem) -> Work:
        """The item, ready to be asked about."""
        request = build_request(item, self.watchlists, model_id=self.model_id, language=self.language)
        return Work(item, request, request_key(request))

    def ask(self, work: Work, seconds: float | None = None) -> Answer:
        """One attempt.

        Args:
            work: What to ask about.
            seconds: How long it may take; None: as long as the client waits.

        Raises:
            MalformedExtractionError: The answer is no extraction.
            Exception: What boto3 raised, or `bedrock_resilience.bedrock.converse` made of an answer without content.
        """
        in_time = self.client if seconds is None or self.client_within is None else self.client_within(seconds)
        try:
            answer = converse(in_time, **work.request)
        except RecursionError as error:  # botocore reads JSON of any depth, and a text may talk a model into some
            raise MalformedExtractionError("answer: nested deeper than the tool allows") from error
        usage = usage_from(answer)
        if usage is not None:
            self._estimator.learn(work.request, usage)
        try:
            extraction = read_answer(answer)
        except MalformedExtractionError as error:
            error.body = answer  # its tokens are used nevertheless
            raise
        return Answer(
            extraction=extraction,
            usage=counted(answer.get("usage")),
            ingested_at=self.ingested_at,
            model_id=self.model_id,
            paid_by=self.run,
            content_hash=work.item.content_hash,
            url=work.item.url,
        )

    def normalized(self, item: RawItem, answer: Answer, *, origin: str = "bedrock") -> Normalized:
        """The item as an answer describes it, held against its text and the client's names of today."""
        made = normalize(item, answer.extraction, self.watchlists, ingested_at=answer.ingested_at)
        return {"item": made, "usage": answer.usage if origin == "bedrock" else {}, "origin": origin}

    def tokens(self, work: Work) -> RequestTokens:
        """What the request may use of a token quota, as far as can be told before it is sent."""
        return request_tokens(work.request, self._estimator)


def counted(usage: object) -> dict[str, int]:
    """The counts in an answer's `usage`; some models add members that are no numbers."""
    members = cast("Mapping[str, object]", usage).items() if isinstance(usage, dict) else ()
    return {name: count for name, count in members if isinstance(count, int)}
