"""Frameworks, each with the session, the client or the HTTP client that its documentation lets a caller hand in."""

from __future__ import annotations

import asyncio
import importlib
import os
from typing import TYPE_CHECKING, Any, NoReturn

from benchmarks.clients.adapter import (
    EMBEDDING_MODEL_ID,
    KEY,
    MAX_TOKENS,
    MODEL_ID,
    PROMPT,
    REGION,
    TOOL_DESCRIPTION,
    TOOL_PROMPT,
    TOOL_SCHEMA,
    NotOffered,
)
from benchmarks.clients.aws import CREDENTIALS

if TYPE_CHECKING:
    from benchmarks.clients.adapter import Guard


def magic_function(number: int) -> int:
    """Applies a magic function to a number.

    Args:
        number: The number.
    """
    return number + 2


def _client(url: str, guard: Guard) -> Any:
    boto3: Any = importlib.import_module("boto3")
    return guard(boto3.Session(**CREDENTIALS)).client("bedrock-runtime", endpoint_url=url)


class _Calls:
    """Records what a framework calls the tool with."""

    def __init__(self) -> None:
        self.numbers: list[int] = []

    def magic_function(self, number: int) -> int:
        """Applies a magic function to a number.

        Args:
            number: The number.
        """
        self.numbers.append(number)
        return number + 2


class LangChainConverse:
    """``ChatBedrockConverse`` and ``BedrockEmbeddings``."""

    def __init__(self, url: str, guard: Guard) -> None:
        module: Any = importlib.import_module("langchain_aws")
        client = _client(url, guard)
        self._model = self._make(module, client)
        self._embeddings = module.BedrockEmbeddings(client=client, model_id=EMBEDDING_MODEL_ID, region_name=REGION)

    def _make(self, module: Any, client: Any) -> Any:
        return module.ChatBedrockConverse(model=MODEL_ID, client=client, bedrock_client=client, region_name=REGION)

    def plain(self) -> str:
        text: str = self._model.invoke(PROMPT).text
        return text

    def stream(self) -> str:
        return "".join(chunk.text for chunk in self._model.stream(PROMPT))

    def tools(self) -> int:
        response = self._model.bind_tools([magic_function], tool_choice="magic_function").invoke(TOOL_PROMPT)
        number: int = response.tool_calls[0]["args"]["number"]
        return number

    def embeddings(self) -> int:
        return len(self._embeddings.embed_query(PROMPT))


class LangChainInvokeModel(LangChainConverse):
    """``ChatBedrock``, which calls InvokeModel."""

    def _make(self, module: Any, client: Any) -> Any:
        return module.ChatBedrock(model_id=MODEL_ID, client=client, bedrock_client=client, region_name=REGION)


class Strands:
    """An ``Agent`` of strands-agents, whose own retries are off."""

    def __init__(self, url: str, guard: Guard) -> None:
        boto3: Any = importlib.import_module("boto3")
        self._session = guard(boto3.Session(**CREDENTIALS))
        self._url = url

    def _ask(self, prompt: str, *, streaming: bool, **options: object) -> str:
        strands: Any = importlib.import_module("strands")
        model = importlib.import_module("strands.models.bedrock").BedrockModel(
            boto_session=self._session,
            endpoint_url=self._url,
            model_id=MODEL_ID,
            max_tokens=MAX_TOKENS,
            streaming=streaming,
        )
        return str(strands.Agent(model=model, callback_handler=None, retry_strategy=None, **options)(prompt))

    def plain(self) -> str:
        return self._ask(PROMPT, streaming=False)

    def stream(self) -> str:
        return self._ask(PROMPT, streaming=True)

    def tools(self) -> int:
        calls = _Calls()
        tool: Any = importlib.import_module("strands").tool
        self._ask(TOOL_PROMPT, streaming=True, tools=[tool(calls.magic_function)])
        return calls.numbers[0]

    def embeddings(self) -> NoReturn:
        raise NotOffered("strands-agents has no embeddings")


class PydanticAI:
    """An ``Agent`` of pydantic-ai over a client of boto3."""

    def __init__(self, url: str, guard: Guard) -> None:
        model_class = importlib.import_module("pydantic_ai.models.bedrock").BedrockConverseModel
        provider_class = importlib.import_module("pydantic_ai.providers.bedrock").BedrockProvider
        self._provider = provider_class(bedrock_client=_client(url, guard))
        self._agent: Any = importlib.import_module("pydantic_ai").Agent(model_class(MODEL_ID, provider=self._provider))

    def plain(self) -> str:
        text: str = self._agent.run_sync(PROMPT).output
        return text

    def stream(self) -> str:
        async def run() -> str:
            async with self._agent.run_stream(PROMPT) as result:
                return "".join([text async for text in result.stream_text(delta=True)])

        return asyncio.run(run())

    def tools(self) -> int:
        calls = _Calls()
        self._agent.tool_plain(calls.magic_function)
        self._agent.run_sync(TOOL_PROMPT)
        return calls.numbers[0]

    def embeddings(self) -> int:
        module: Any = importlib.import_module("pydantic_ai.embeddings")
        model = importlib.import_module("pydantic_ai.embeddings.bedrock").BedrockEmbeddingModel
        embedder = module.Embedder(model(EMBEDDING_MODEL_ID, provider=self._provider))
        return len(embedder.embed_query_sync(PROMPT).embeddings[0])


class LlamaIndex:
    """``BedrockConverse`` and ``BedrockEmbedding`` of LlamaIndex, whose own retries are off."""

    def __init__(self, url: str, guard: Guard) -> None:
        module: Any = importlib.import_module("llama_index.llms.bedrock_converse")
        self._message = importlib.import_module("llama_index.core.llms").ChatMessage
        self._client = _client(url, guard)
        self._model = module.BedrockConverse(MODEL_ID, client=self._client, max_retries=1, region_name=REGION)

    def plain(self) -> str:
        text: str = self._model.chat([self._message(role="user", content=PROMPT)]).message.content
        return text

    def stream(self) -> str:
        chunks = self._model.stream_chat([self._message(role="user", content=PROMPT)])
        return "".join(chunk.delta or "" for chunk in chunks)

    def tools(self) -> int:
        tool = importlib.import_module("llama_index.core.tools").FunctionTool.from_defaults(magic_function)
        response = self._model.chat_with_tools([tool], user_msg=TOOL_PROMPT, tool_required=True)
        number: int = self._model.get_tool_calls_from_response(response)[0].tool_kwargs["number"]
        return number

    def embeddings(self) -> int:
        module: Any = importlib.import_module("llama_index.embeddings.bedrock")
        model = module.BedrockEmbedding(EMBEDDING_MODEL_ID, client=self._client)
        return len(model.get_text_embedding(PROMPT))


class LiteLLM:
    """``litellm.completion`` and ``litellm.embedding`` with a client of httpx."""

    def __init__(self, url: str, guard: Guard) -> None:
        os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # otherwise the import downloads prices
        self._module: Any = importlib.import_module("litellm")
        handler = importlib.import_module("litellm.llms.custom_httpx.http_handler").HTTPHandler
        httpx: Any = importlib.import_module("httpx")
        self._settings = {
            "client": handler(client=guard(httpx.Client())),
            "aws_bedrock_runtime_endpoint": url,
            "aws_access_key_id": KEY,
            "aws_secret_access_key": KEY,
            "aws_region_name": REGION,
            "max_retries": 0,
        }

    def _ask(self, prompt: str, **options: object) -> Any:
        messages = [{"role": "user", "content": prompt}]
        model = f"bedrock/{MODEL_ID}"
        return self._module.completion(
            model=model, messages=messages, max_tokens=MAX_TOKENS, **self._settings, **options
        )

    def plain(self) -> str:
        text: str = self._ask(PROMPT).choices[0].message.content
        return text

    def stream(self) -> str:
        return "".join(chunk.choices[0].delta.content or "" for chunk in self._ask(PROMPT, stream=True))

    def tools(self) -> int:
        json: Any = importlib.import_module("json")
        function = {"name": "magic_function", "description": TOOL_DESCRIPTION, "parameters": TOOL_SCHEMA}
        response = self._ask(TOOL_PROMPT, tools=[{"type": "function", "function": function}], tool_choice="required")
        number: int = json.loads(response.choices[0].message.tool_calls[0].function.arguments)["number"]
        return number

    def embeddings(self) -> int:
        response = self._module.embedding(model=f"bedrock/{EMBEDDING_MODEL_ID}", input=[PROMPT], **self._settings)
        return len(response.data[0]["embedding"])


class Instructor:
    """``from_bedrock`` of instructor, whose own retries are off."""

    def __init__(self, url: str, guard: Guard) -> None:
        from_bedrock = importlib.import_module("instructor.v2.providers.bedrock.client").from_bedrock
        self._create = from_bedrock(_client(url, guard)).chat.completions.create

    def _ask(self, prompt: str, **fields: object) -> Any:
        pydantic: Any = importlib.import_module("pydantic")
        return self._create(
            modelId=MODEL_ID,
            messages=[{"role": "user", "content": [{"text": prompt}]}],
            response_model=pydantic.create_model("MagicFunction", **fields),
            max_retries=1,
        )

    def plain(self) -> str:
        text: str = self._ask(PROMPT, name=(str, ...)).name
        return text

    def stream(self) -> NoReturn:
        raise NotOffered("instructor does not stream from Bedrock")

    def tools(self) -> int:
        number: int = self._ask(TOOL_PROMPT, number=(int, ...)).number
        return number

    def embeddings(self) -> NoReturn:
        raise NotOffered("instructor has no embeddings")


class Haystack:
    """``AmazonBedrockChatGenerator`` and ``AmazonBedrockTextEmbedder``.

    Their client is replaced, because they take no endpoint.
    """

    def __init__(self, url: str, guard: Guard) -> None:
        self._client = _client(url, guard)
        token = importlib.import_module("haystack.utils").Secret.from_token
        self._keys = {
            "aws_access_key_id": token(KEY),
            "aws_secret_access_key": token(KEY),
            "aws_region_name": token(REGION),
        }
        module: Any = importlib.import_module("haystack_integrations.components.generators.amazon_bedrock")
        self._generator = module.AmazonBedrockChatGenerator(MODEL_ID, **self._keys)
        self._generator.client = self._client

    def _ask(self, prompt: str, **options: object) -> Any:
        message = importlib.import_module("haystack.dataclasses").ChatMessage.from_user(prompt)
        return self._generator.run([message], **options)["replies"][0]

    def plain(self) -> str:
        text: str = self._ask(PROMPT).text
        return text

    def stream(self) -> str:
        parts: list[str] = []

        def append(chunk: Any) -> None:
            parts.append(chunk.content)

        self._ask(PROMPT, streaming_callback=append)
        return "".join(parts)

    def tools(self) -> int:
        create = importlib.import_module("haystack.tools").create_tool_from_function
        number: int = self._ask(TOOL_PROMPT, tools=[create(magic_function)]).tool_calls[0].arguments["number"]
        return number

    def embeddings(self) -> int:
        module: Any = importlib.import_module("haystack_integrations.components.embedders.amazon_bedrock")
        embedder = module.AmazonBedrockTextEmbedder(EMBEDDING_MODEL_ID, **self._keys)
        embedder._client = self._client  # noqa: SLF001 - it takes no client
        return len(embedder.run(PROMPT)["embedding"])
