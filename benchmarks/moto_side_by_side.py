"""One boto3 script against this emulator and against moto's server: what works on each, what is wrong, what is missing.

    python -m benchmarks.moto_side_by_side [--each]

The script calls every operation of ``bedrock-runtime`` that answers, with every family of models, and what belongs to
it in ``bedrock``: models, inference profiles and batch jobs. It uses unmodified clients without retries, and looks at
what a program would read: a text, vectors, the usage. Moto emulates 200 services, and Bedrock is a small part of it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import sys
from collections import Counter
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

import boto3
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from moto.bedrock.responses import BedrockResponse
from moto.bedrockruntime.responses import BedrockRuntimeResponse
from moto.server import ThreadedMotoServer

from bedrock_resilience import __version__
from bedrock_resilience.emulator import BedrockEmulator

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence

Json: TypeAlias = dict[str, Any]

REGION: Final = "eu-west-3"
CLAUDE: Final = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
PROMPT: Final = "Tell me about monthly risperidone."
CHAT: Final[list[Json]] = [{"role": "user", "content": PROMPT}]
BLOCKS: Final[list[Json]] = [{"role": "user", "content": [{"text": PROMPT}]}]
WORKS, WRONG, MISSING = "works", "wrong", "not implemented"

TEXT_MODELS: Final[Mapping[str, Json]] = {
    CLAUDE: {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 200, "messages": CHAT},
    "amazon.nova-lite-v1:0": {"messages": BLOCKS},
    "amazon.titan-text-express-v1": {"inputText": PROMPT},
    "meta.llama3-8b-instruct-v1:0": {"prompt": PROMPT},
    "mistral.mistral-7b-instruct-v0:2": {"prompt": PROMPT},
    "mistral.mistral-large-2407-v1:0": {"messages": CHAT},
    "openai.gpt-oss-20b-1:0": {"messages": CHAT},
    "qwen.qwen3-32b-v1:0": {"messages": CHAT},
    "us.deepseek.r1-v1:0": {"prompt": PROMPT},
    "ai21.jamba-1-5-mini-v1:0": {"messages": CHAT},
    "cohere.command-text-v14": {"prompt": PROMPT},
    "cohere.command-r-v1:0": {"message": PROMPT},
}
"""A model of each family that writes text, and the body of its InvokeModel."""

VECTOR_MODELS: Final[Mapping[str, Json]] = {
    "amazon.titan-embed-text-v2:0": {"inputText": PROMPT},
    "cohere.embed-multilingual-v3": {"texts": [PROMPT], "input_type": "search_document"},
    "cohere.rerank-v3-5:0": {"query": PROMPT, "documents": ["one", "two"], "api_version": 2},
}
"""Models for embeddings and a ranking."""


class WrongResponseError(Exception):
    """A response came, and lacks what a program reads."""


@dataclass(frozen=True)
class Clients:
    """Unmodified clients of one server."""

    runtime: Any
    control: Any


@dataclass(frozen=True)
class Case:
    """One call, with what it must return.

    Attributes:
        operation: The operation, as the service names it.
        model: The model or another resource; empty for an operation without one.
        call: Raises an error of boto3, or ``WrongResponseError``.
    """

    operation: str
    model: str
    call: Callable[[Clients], object]


@dataclass(frozen=True)
class Result:
    """What became of a case on a server."""

    verdict: str
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.verdict}: {self.reason}" if self.reason else self.verdict


def expect(found: object, what: str) -> None:
    """Raise ``WrongResponseError`` where a response lacks something."""
    if not found:
        raise WrongResponseError(f"no {what}")


def texts(value: object, *, key: str = "") -> Iterator[str]:
    """Yield the texts of a body or an event, in the fields in which any family has them."""
    if isinstance(value, str) and key in {"text", "content", "outputText", "generation"}:
        yield value
    elif isinstance(value, dict):
        for name, part in cast("Json", value).items():
            yield from texts(part, key=name)
    elif isinstance(value, list):
        for part in cast("list[object]", value):
            yield from texts(part, key=key)


def converse(clients: Clients, model: str) -> None:
    """Converse: a text, a stop reason and the usage."""
    response = clients.runtime.converse(modelId=model, messages=BLOCKS)
    expect("".join(texts(response.get("output"))), "text")
    expect(response.get("stopReason"), "stop reason")
    expect(response.get("usage", {}).get("outputTokens"), "usage")


def converse_stream(clients: Clients, model: str) -> None:
    """ConverseStream: the same in events."""
    with contextlib.closing(clients.runtime.converse_stream(modelId=model, messages=BLOCKS)["stream"]) as stream:
        events = list(stream)
    expect("".join(texts(events)), "text")
    names = {name for event in events for name in event}
    for name in ("messageStart", "contentBlockStop", "messageStop", "metadata"):
        expect(name in names, name)


def invoke_model(clients: Clients, model: str, body: Json) -> None:
    """InvokeModel: a text in the body of the family."""
    response = clients.runtime.invoke_model(modelId=model, body=json.dumps(body))
    with contextlib.closing(response["body"]) as stream:
        expect("".join(texts(json.loads(stream.read()))), "text")


def invoke_model_stream(clients: Clients, model: str, body: Json) -> None:
    """InvokeModelWithResponseStream: a text in the chunks, and the metrics in the last one."""
    response = clients.runtime.invoke_model_with_response_stream(modelId=model, body=json.dumps(body))
    with contextlib.closing(response["body"]) as stream:
        chunks = [json.loads(event["chunk"]["bytes"]) for event in stream]
    expect("".join(texts(chunks)), "text")
    expect("amazon-bedrock-invocationMetrics" in chunks[-1], "metrics")


def invoke_vectors(clients: Clients, model: str, body: Json) -> None:
    """InvokeModel: vectors or a ranking."""
    response = clients.runtime.invoke_model(modelId=model, body=json.dumps(body))
    with contextlib.closing(response["body"]) as stream:
        found: Json = json.loads(stream.read())
    expect(found.get("embedding") or found.get("embeddings") or found.get("results"), "vectors")


def count_tokens(clients: Clients) -> None:
    """CountTokens: a number."""
    model = CLAUDE.removeprefix("eu.")
    expect(
        clients.runtime.count_tokens(modelId=model, input={"converse": {"messages": BLOCKS}})["inputTokens"], "tokens"
    )


def apply_guardrail(clients: Clients) -> None:
    """ApplyGuardrail: an action."""
    response = clients.runtime.apply_guardrail(
        guardrailIdentifier="abcdefgh1234", guardrailVersion="1", source="INPUT", content=[{"text": {"text": PROMPT}}]
    )
    expect(response.get("action"), "action")


def list_foundation_models(clients: Clients) -> None:
    """ListFoundationModels: at least one."""
    expect(clients.control.list_foundation_models().get("modelSummaries"), "models")


def get_foundation_model(clients: Clients) -> None:
    """GetFoundationModel: its details."""
    model = CLAUDE.removeprefix("eu.")
    details = clients.control.get_foundation_model(modelIdentifier=model).get("modelDetails", {})
    expect(details.get("modelId") == model, "details")


def list_inference_profiles(clients: Clients) -> None:
    """ListInferenceProfiles: at least one."""
    expect(clients.control.list_inference_profiles().get("inferenceProfileSummaries"), "profiles")


def get_inference_profile(clients: Clients) -> None:
    """GetInferenceProfile: the models behind it."""
    expect(clients.control.get_inference_profile(inferenceProfileIdentifier=CLAUDE).get("models"), "models")


def create_batch_job(clients: Clients) -> str:
    """CreateModelInvocationJob: the ARN of the job."""
    response = clients.control.create_model_invocation_job(
        jobName="side-by-side",
        roleArn="arn:aws:iam::123456789012:role/batch",
        modelId=CLAUDE,
        inputDataConfig={"s3InputDataConfig": {"s3Uri": "s3://bucket/in.jsonl"}},
        outputDataConfig={"s3OutputDataConfig": {"s3Uri": "s3://bucket/out/"}},
    )
    expect(response.get("jobArn"), "ARN")
    return str(response["jobArn"])


def get_batch_job(clients: Clients) -> None:
    """GetModelInvocationJob: the status of a job."""
    expect(clients.control.get_model_invocation_job(jobIdentifier=create_batch_job(clients)).get("status"), "status")


def list_batch_jobs(clients: Clients) -> None:
    """ListModelInvocationJobs: the job that was made."""
    create_batch_job(clients)
    expect(clients.control.list_model_invocation_jobs().get("invocationJobSummaries"), "jobs")


def stop_batch_job(clients: Clients) -> None:
    """StopModelInvocationJob: accepts a job that was made."""
    clients.control.stop_model_invocation_job(jobIdentifier=create_batch_job(clients))


def cases(text_models: Sequence[str] = tuple(TEXT_MODELS)) -> list[Case]:
    """Return all calls.

    Args:
        text_models: The models to call of those that write text.
    """
    made: list[Case] = []
    for model in text_models:
        body = TEXT_MODELS[model]
        made += [
            Case("Converse", model, partial(converse, model=model)),
            Case("ConverseStream", model, partial(converse_stream, model=model)),
            Case("InvokeModel", model, partial(invoke_model, model=model, body=body)),
            Case("InvokeModelWithResponseStream", model, partial(invoke_model_stream, model=model, body=body)),
        ]
    made += [
        Case("InvokeModel", model, partial(invoke_vectors, model=model, body=body))
        for model, body in VECTOR_MODELS.items()
    ]
    return [
        *made,
        Case("CountTokens", CLAUDE.removeprefix("eu."), count_tokens),
        Case("ApplyGuardrail", "", apply_guardrail),
        Case("ListFoundationModels", "", list_foundation_models),
        Case("GetFoundationModel", CLAUDE.removeprefix("eu."), get_foundation_model),
        Case("ListInferenceProfiles", "", list_inference_profiles),
        Case("GetInferenceProfile", CLAUDE, get_inference_profile),
        Case("CreateModelInvocationJob", "", create_batch_job),
        Case("GetModelInvocationJob", "", get_batch_job),
        Case("ListModelInvocationJobs", "", list_batch_jobs),
        Case("StopModelInvocationJob", "", stop_batch_job),
    ]


def moto_has(operation: str) -> bool:
    """Return whether moto implements an operation; where it does not, its server answers with 500 and no error code."""
    responses: tuple[type, ...] = (BedrockRuntimeResponse, BedrockResponse)
    return any(hasattr(one, xform_name(operation)) for one in responses)


def result_of(case: Case, clients: Clients, *, has: Callable[[str], bool] = lambda _: True) -> Result:
    """Call, and judge: an error of an operation that the server does not have means that it is not implemented.

    Args:
        case: The call.
        clients: The clients of the server.
        has: Returns whether the server has an operation. An ``UnknownOperationException`` says that it does not.
    """
    try:
        case.call(clients)
    except ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        code = str(error.response["Error"].get("Code"))
        unknown = code == "UnknownOperationException" or not has(case.operation)
        return Result(MISSING if unknown else WRONG, f"HTTP {status}" if code.isdecimal() else f"{code}, HTTP {status}")
    except WrongResponseError as error:
        return Result(WRONG, str(error))
    except (BotoCoreError, ValueError, KeyError) as error:
        return Result(WRONG, type(error).__name__)
    return Result(WORKS)


@contextlib.contextmanager
def clients_of(url: str) -> Generator[Clients]:
    """Clients without retries for a server."""
    session: Any = boto3.Session(aws_access_key_id="a", aws_secret_access_key="b", region_name=REGION)  # noqa: S106 - made up
    config = Config(retries={"total_max_attempts": 1})
    runtime, control = (
        session.client(name, endpoint_url=url, config=config) for name in ("bedrock-runtime", "bedrock")
    )
    with contextlib.closing(runtime), contextlib.closing(control):
        yield Clients(runtime, control)


@contextlib.contextmanager
def moto_url() -> Generator[str]:
    """The address of moto's server, without the tracebacks that it logs for what it does not implement."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    logging.disable()
    try:
        yield "http://{}:{}".format(*server.get_host_and_port())
    finally:
        logging.disable(logging.NOTSET)
        server.stop()


def compare(chosen: Iterable[Case]) -> list[tuple[Case, Result, Result]]:
    """Return each case with its result on this emulator and on moto."""
    with (
        BedrockEmulator() as emulator,
        clients_of(emulator.endpoint_url) as ours,
        moto_url() as url,
        clients_of(url) as motos,
    ):
        return [(case, result_of(case, ours), result_of(case, motos, has=moto_has)) for case in chosen]


def table(results: Sequence[tuple[Case, Result, Result]]) -> str:
    """Return the cases as a table of Markdown; those of an operation with equal results are one row."""
    rows: dict[tuple[str, Result, Result], int] = Counter((case.operation, ours, moto) for case, ours, moto in results)
    lines = ["| operation | calls | this emulator | moto |", "|---|---:|---|---|"]
    lines += [f"| {operation} | {count} | {ours} | {moto} |" for (operation, ours, moto), count in rows.items()]
    return "\n".join(lines)


def counts(results: Sequence[tuple[Case, Result, Result]]) -> str:
    """Return how many calls work, are wrong and are not implemented, as a table of Markdown."""
    lines = [f"| {len(results)} calls | {WORKS} | {WRONG} | {MISSING} |", "|---|---:|---:|---:|"]
    names = (f"this emulator, {__version__}", f"moto {version('moto')}")
    for name, column in zip(names, zip(*((ours, moto) for _, ours, moto in results), strict=True), strict=True):
        verdicts = Counter(result.verdict for result in column)
        lines.append(f"| {name} | {verdicts[WORKS]} | {verdicts[WRONG]} | {verdicts[MISSING]} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables; 1 where a call that the emulator has is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--each", action="store_true", help="one row for each call, with its model")
    options = parser.parse_args(arguments)
    results = compare(cases())
    if options.each:
        for case, ours, moto in results:
            print(f"{case.operation:30} {case.model:48} {ours!s:40} {moto}")
        print()
    print(counts(results))
    print()
    print(table(results))
    print(f"\nboto3 {boto3.__version__}")
    return int(any(ours.verdict == WRONG for _, ours, _ in results))


if __name__ == "__main__":
    sys.exit(main())
