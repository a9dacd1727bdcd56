"""Run every installed client under ``protect`` against the emulator, and print a table of what went over the wire.

    python -m benchmarks.clients [CLIENT...]

Each cell is the number of requests that the emulator counted. ``make clients`` runs it in an environment for each
client.
"""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from benchmarks.clients import aws, frameworks, sdks
from benchmarks.clients.adapter import NotOffered

from bedrock_resilience import Quota, QuotaPacer, RetryPolicy, protect
from bedrock_resilience.emulator import BedrockEmulator

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.clients.adapter import Adapter, Guard

POLICY: Final = RetryPolicy(base_delay=0.01, max_delay=0.05, max_retries=5)
THREADS: Final = 12
CALLS: Final = 120
# Sixty times as fast as 50 a minute, so that the row takes seconds: only the ratio of quota and pace matters.
PACED_QUOTA: Final = Quota(requests_per_minute=3_000)
MAX_THROTTLE_RATE: Final = 0.02


class Row(NamedTuple):
    """A client, the package that must be installed, and how its adapter is made."""

    name: str
    package: str
    make: Callable[[str, Guard], Adapter]


ROWS: Final = (
    Row("boto3", "boto3", aws.Boto3),
    Row("aiobotocore", "aiobotocore", aws.Aiobotocore),
    Row("aioboto3", "aioboto3", aws.Aioboto3),
    Row("anthropic", "anthropic", sdks.AnthropicBedrock),
    Row("openai", "openai", sdks.OpenAI),
    Row("langchain-aws Converse", "langchain-aws", frameworks.LangChainConverse),
    Row("langchain-aws InvokeModel", "langchain-aws", frameworks.LangChainInvokeModel),
    Row("strands-agents", "strands-agents", frameworks.Strands),
    Row("pydantic-ai", "pydantic-ai-slim", frameworks.PydanticAI),
    Row("llama-index", "llama-index-llms-bedrock-converse", frameworks.LlamaIndex),
    Row("litellm", "litellm", frameworks.LiteLLM),
    Row("instructor", "instructor", frameworks.Instructor),
    Row("haystack", "amazon-bedrock-haystack", frameworks.Haystack),
)


class Check:
    """One client against one emulator. Every method returns the text of a cell, or raises AssertionError."""

    def __init__(self, row: Row) -> None:
        self._row = row

    def _open(self, emulator: BedrockEmulator, **options: object) -> Adapter:
        return self._row.make(emulator.endpoint_url, lambda target: protect(target, policy=POLICY, **options))  # type: ignore[arg-type]

    def _count(
        self,
        ask: Callable[[Adapter], object],
        prepare: Callable[[BedrockEmulator], object] = lambda _: None,
        *,
        expected: object,
        sent: int | None = None,
    ) -> str:
        with BedrockEmulator() as emulator:
            adapter = self._open(emulator)
            prepare(emulator)
            got = ask(adapter)
            requests = emulator.requests
        _require(got == expected or (expected is True and bool(got)), f"got {got!r}, expected {expected!r}")
        _require(sent in {None, requests}, f"{requests} requests, expected {sent}")
        return str(requests)

    def plain(self) -> str:
        """One request."""
        return self._count(lambda adapter: adapter.plain(), expected=True, sent=1)

    def stream(self) -> str:
        """One request whose response is streamed."""
        return self._count(lambda adapter: adapter.stream(), expected=True, sent=1)

    def tools(self) -> str:
        """A tool is called with the number of the prompt. An agent then sends its result: two requests."""
        return self._count(lambda adapter: adapter.tools(), expected=3)

    def embeddings(self) -> str:
        """One request of the embedding model."""
        return self._count(lambda adapter: adapter.embeddings(), expected=True, sent=1)

    def throttled_twice(self) -> str:
        """Two throttles in a row are survived with exactly three requests."""
        return self._count(
            lambda adapter: adapter.plain(), lambda emulator: emulator.fail_next(2), expected=True, sent=3
        )

    def paced(self) -> str:
        """At most 2 % of the requests of twelve threads are throttled."""
        with BedrockEmulator(quota=PACED_QUOTA) as emulator:
            local = threading.local()
            pacer = QuotaPacer(PACED_QUOTA)

            def ask(_: int) -> str:
                if not hasattr(local, "adapter"):
                    local.adapter = self._open(emulator, pacer=pacer)
                adapter: Adapter = local.adapter
                return adapter.plain()

            with ThreadPoolExecutor(THREADS) as pool:
                texts = list(pool.map(ask, range(CALLS)))
            requests, throttles = emulator.requests, emulator.throttles
        _require(all(texts), "a text is empty")
        _require(throttles <= MAX_THROTTLE_RATE * requests, f"{throttles} of {requests} throttled")
        return f"{requests}/{throttles}"

    def stream_cut_before(self) -> str:
        """A stream whose first event is a throttle is opened again."""

        def prepare(emulator: BedrockEmulator) -> None:
            emulator.fail_next(1, "stream-exception", after=0)

        return self._count(lambda adapter: adapter.stream(), prepare, expected=True, sent=2)

    def stream_cut_after(self) -> str:
        """A stream that breaks after its first events is an error, and is not sent again."""
        with BedrockEmulator() as emulator:
            adapter = self._open(emulator)
            emulator.fail_next(1, "stream-exception", after=3)
            try:
                text = adapter.stream()
            except NotOffered:
                raise
            except Exception as error:  # noqa: BLE001 - whatever the client raises
                raised = type(error).__name__
            else:
                raise AssertionError(f"no error, but {text!r}")
            _require(emulator.requests == 1, f"{emulator.requests} requests, expected 1")
        return f"1 {raised}"


COLUMNS: Final = (
    "plain",
    "stream",
    "tools",
    "embeddings",
    "throttled_twice",
    "paced",
    "stream_cut_before",
    "stream_cut_after",
)


def _require(condition: bool, otherwise: str) -> None:  # noqa: FBT001 - the condition
    if not condition:
        raise AssertionError(otherwise)


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def main(names: list[str]) -> int:
    """Print a block for each client; return 1 where a cell is wrong."""
    wrong = 0
    for row in ROWS:
        version = _version(row.package)
        if version is None or (names and row.name.split()[0] not in names):
            continue
        print(f"{row.name} {version}")
        for column in COLUMNS:
            check: Callable[[], str] = getattr(Check(row), column)
            try:
                cell = check()
            except NotOffered as reason:
                cell = f"-  {reason}"
            except Exception as error:  # noqa: BLE001 - reported, and counted
                cell, wrong = f"WRONG  {_shown(error)}", wrong + 1
            print(f"  {column.replace('_', ' '):18} {cell}", flush=True)
    return min(wrong, 1)


def _shown(error: Any) -> str:
    return f"{type(error).__name__}: {error}"[:300].replace("\n", " ")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
