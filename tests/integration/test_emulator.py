"""An unmodified boto3 client against the emulator: what it sends is understood, what it gets is what Bedrock would
send.
"""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING, Any, cast

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.validate import ParamValidator

from bedrock_resilience.emulator import DISCLAIMER, BedrockEmulator, Generation
from bedrock_resilience.quotas import Quota, Usage
from support.bedrock import SONNET, Client, assistant, client_of, forced, user
from support.schemas import conforms

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from bedrock_resilience.emulator import Conversation

ARN = f"arn:aws:bedrock:eu-west-3:123456789012:inference-profile/{SONNET}"
CLAUDE = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 100}
ITEM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "summary": {"type": "string"},
        "event_type": {"type": "string", "enum": ["clinical_update", "partnership", "other"]},
        "companies": {"type": "array", "items": {"type": "string"}},
        "molecules": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["summary", "event_type", "companies", "molecules"],
    "additionalProperties": False,
}


@pytest.fixture
def client(emulator: BedrockEmulator) -> Generator[Client]:
    with client_of(emulator.endpoint_url) as made:
        yield made


def error_of(call: Callable[..., object], **request: object) -> Mapping[str, Any]:
    with pytest.raises(ClientError) as raised:
        call(**request)
    return cast("Mapping[str, Any]", raised.value.response)


def assert_has_output_shape(client: Client, operation: str, answer: dict[str, Any]) -> None:
    """botocore's own service model, turned on what the emulator answered."""
    shape = client.meta.service_model.operation_model(operation).output_shape
    given = {name: value for name, value in answer.items() if name != "ResponseMetadata"}
    report = ParamValidator().validate(given, shape)
    assert not report.has_errors(), report.generate_report()


class TestConverse:
    def test_an_answer_without_a_tool_says_that_it_is_no_language_model(self, client: Client) -> None:
        answer = client.converse(modelId=SONNET, messages=[user("Is this a model?")])
        assert_has_output_shape(client, "Converse", answer)
        assert answer["output"]["message"]["content"] == [{"text": f"{DISCLAIMER}\nIs this a model?"}]
        assert answer["stopReason"] == "end_turn"
        assert answer["usage"] == {"inputTokens": 4, "outputTokens": 30, "totalTokens": 34}

    def test_a_forced_tool_is_filled_from_the_text_and_the_hints(self, client: Client) -> None:
        answer = client.converse(
            modelId=SONNET,
            system=[{"text": "Read it.\nKnown companies: Camurus, Medincell, Teva\nKnown molecules: risperidone"}],
            messages=[user("<item>Teva and Medincell start a clinical trial of risperidone. It is large.</item>")],
            toolConfig=forced(ITEM_SCHEMA),
        )
        assert_has_output_shape(client, "Converse", answer)
        assert answer["stopReason"] == "tool_use"
        (block,) = answer["output"]["message"]["content"]
        assert block["toolUse"]["name"] == "record"
        assert block["toolUse"]["input"] == {
            "summary": "Teva and Medincell start a clinical trial of risperidone. It is large.",
            "event_type": "clinical_update",
            "companies": ["Medincell", "Teva"],
            "molecules": ["risperidone"],
        }

    @pytest.mark.parametrize(
        "request_",
        [
            pytest.param(
                {
                    "messages": [
                        {
                            "role": "user",
                            "content": [
                                {"text": "What is this?"},
                                {"image": {"format": "png", "source": {"bytes": b"\x89PNG"}}},
                                {"document": {"format": "pdf", "name": "leaflet", "source": {"bytes": b"%PDF"}}},
                                {"document": {"name": "note", "source": {"text": "A note."}}},
                            ],
                        }
                    ]
                },
                id="images and documents",
            ),
            pytest.param(
                {
                    "messages": [user("Hello."), assistant("Hello to you."), user("And now?")],
                    "system": [{"text": "Be brief."}],
                },
                id="several turns",
            ),
            pytest.param(
                {
                    "messages": [
                        user("Weather in Lyon?"),
                        {
                            "role": "assistant",
                            "content": [{"toolUse": {"toolUseId": "t1", "name": "weather", "input": {"city": "Lyon"}}}],
                        },
                        {
                            "role": "user",
                            "content": [
                                {
                                    "toolResult": {
                                        "toolUseId": "t1",
                                        "content": [{"json": {"sky": "clear"}}, {"text": "12 degrees"}],
                                    }
                                }
                            ],
                        },
                    ],
                    "toolConfig": {
                        "tools": [{"toolSpec": {"name": "weather", "inputSchema": {"json": {"type": "object"}}}}]
                    },
                },
                id="tool results",
            ),
            pytest.param(
                {
                    "messages": [user("Hello.")],
                    "inferenceConfig": {"maxTokens": 5, "temperature": 0.5, "stopSequences": ["x"]},
                    "additionalModelRequestFields": {"top_k": 50},
                    "requestMetadata": {"team": "tests"},
                    "performanceConfig": {"latency": "standard"},
                },
                id="every setting",
            ),
            pytest.param(
                {
                    "messages": [
                        {"role": "user", "content": [{"text": "Cached."}, {"cachePoint": {"type": "default"}}]},
                    ],
                    "system": [{"text": "Long."}, {"cachePoint": {"type": "default"}}],
                    "toolConfig": {
                        "tools": [
                            {"toolSpec": {"name": "a", "inputSchema": {"json": {"type": "object"}}}},
                            {"cachePoint": {"type": "default"}},
                        ],
                        "toolChoice": {"any": {}},
                    },
                },
                id="cache points",
            ),
            pytest.param(
                {
                    "messages": [
                        {
                            "role": "user",
                            "content": [
                                {"guardContent": {"text": {"text": "Guard this.", "qualifiers": ["query"]}}},
                                {"video": {"format": "mp4", "source": {"s3Location": {"uri": "s3://bucket/clip.mp4"}}}},
                            ],
                        }
                    ],
                    "guardrailConfig": {"guardrailIdentifier": "abc", "guardrailVersion": "1"},
                },
                id="guardrails and video",
            ),
        ],
    )
    def test_any_valid_request_gets_a_valid_answer(self, client: Client, request_: dict[str, Any]) -> None:
        answer = client.converse(modelId=SONNET, **request_)
        assert_has_output_shape(client, "Converse", answer)
        assert answer["output"]["message"]["content"]

    def test_a_json_schema_for_the_answer_is_followed(self, client: Client) -> None:
        schema = {
            "type": "object",
            "properties": {"title": {"type": "string"}, "names": {"type": "array", "items": {"type": "string"}}},
            "required": ["title", "names"],
            "additionalProperties": False,
        }
        answer = client.converse(
            modelId=SONNET,
            messages=[user("Ada Lovelace met Charles Babbage. They talked.")],
            outputConfig={
                "textFormat": {"type": "json_schema", "structure": {"jsonSchema": {"schema": json.dumps(schema)}}}
            },
        )
        (block,) = answer["output"]["message"]["content"]
        made = json.loads(block["text"])
        assert conforms(made, schema)
        assert made == {
            "title": "Ada Lovelace met Charles Babbage.",
            "names": ["Ada Lovelace", "Charles Babbage"],
        }

    def test_the_answer_ends_at_max_tokens(self, client: Client) -> None:
        answer = client.converse(modelId=SONNET, messages=[user("Hello.")], inferenceConfig={"maxTokens": 3})
        assert answer["stopReason"] == "max_tokens"
        assert answer["usage"]["outputTokens"] == 3
        assert answer["output"]["message"]["content"] == [{"text": DISCLAIMER[:12]}]

    def test_a_tool_use_that_does_not_fit_is_left_incomplete(self, client: Client) -> None:
        answer = client.converse(
            modelId=SONNET,
            messages=[user("Some text that is rather long. " * 5)],
            toolConfig=forced(ITEM_SCHEMA),
            inferenceConfig={"maxTokens": 2},
        )
        assert answer["stopReason"] == "max_tokens"
        assert answer["output"]["message"]["content"][0]["toolUse"]["input"] == {}

    def test_the_answer_ends_at_a_stop_sequence(self, client: Client) -> None:
        answer = client.converse(
            modelId=SONNET, messages=[user("Hello.")], inferenceConfig={"stopSequences": ["emulator"]}
        )
        assert answer["stopReason"] == "stop_sequence"
        assert answer["output"]["message"]["content"] == [{"text": "This is the Bedrock "}]

    def test_the_same_request_gets_the_same_answer(self, client: Client) -> None:
        request = {"modelId": SONNET, "messages": [user("Hello.")], "toolConfig": forced(ITEM_SCHEMA)}
        one, other = client.converse(**request), client.converse(**request)
        assert one["output"] == other["output"]
        assert one["ResponseMetadata"]["RequestId"] != other["ResponseMetadata"]["RequestId"]


MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"messages": []}, "messages: got []; accepted: a list of at least one message"),
    ({}, "messages: got null; accepted: a list"),
    ({"messages": [assistant("Hello.")]}, "A conversation must start with a user message."),
    (
        {"messages": [user("One."), user("Two.")]},
        "A conversation must alternate between user and assistant roles.",
    ),
    (
        {"messages": [{"role": "user", "content": []}]},
        "The content field in the Message object at messages.0 is empty.",
    ),
    ({"messages": [user("  ")]}, "The text field in the ContentBlock object at messages.0.content.0 is blank."),
    (
        {"messages": [user("Hello.")], "inferenceConfig": {"maxTokens": 100_000}},
        "The maximum tokens you requested exceeds the model limit of 64000.",
    ),
    (
        {
            "messages": [user("Hello.")],
            "toolConfig": {**forced(ITEM_SCHEMA), "toolChoice": {"tool": {"name": "absent"}}},
        },
        'toolConfig.toolChoice.tool.name: got "absent"; accepted: the name of a tool of toolConfig.tools',
    ),
]


class TestValidation:
    """The mistakes that boto3 lets through."""

    @pytest.mark.parametrize(("request_", "message"), MISTAKES)
    def test_a_mistake_is_refused_by_name(self, client: Client, request_: dict[str, Any], message: str) -> None:
        response = error_of(client.converse, modelId=SONNET, **request_)
        assert response["Error"]["Code"] == "ValidationException"
        assert response["Error"]["Message"].startswith(message)
        assert response["ResponseMetadata"]["HTTPStatusCode"] == 400

    def test_an_operation_that_is_not_emulated_is_unknown(self, client: Client) -> None:
        response = error_of(client.list_async_invokes)
        assert response["Error"]["Code"] == "UnknownOperationException"

    def test_a_model_that_is_not_there_is_refused_where_models_are_named(self) -> None:
        with BedrockEmulator(models={SONNET}) as emulator, client_of(emulator.endpoint_url) as client:
            assert client.converse(modelId=SONNET, messages=[user("Hello.")])
            response = error_of(client.converse, modelId="no.such-model", messages=[user("Hello.")])
        assert response["Error"] == {
            "Code": "ValidationException",
            "Message": "The provided model identifier is invalid.",
        }


class TestInvokeModel:
    def test_a_claude_body_is_answered_in_its_form_with_counts_in_headers(self, client: Client) -> None:
        body = {**CLAUDE, "system": "Be brief.", "messages": [{"role": "user", "content": "Hello."}]}
        answer = client.invoke_model(modelId=ARN, body=json.dumps(body))
        assert answer["contentType"] == "application/json"
        headers = answer["ResponseMetadata"]["HTTPHeaders"]
        read = json.loads(answer["body"].read())
        assert read["type"] == "message"
        assert read["role"] == "assistant"
        assert read["model"] == SONNET
        assert read["content"] == [{"type": "text", "text": f"{DISCLAIMER}\nHello."}]
        assert read["stop_reason"] == "end_turn"
        assert read["usage"]["input_tokens"] == 5
        assert headers["x-amzn-bedrock-input-token-count"] == "5"
        assert headers["x-amzn-bedrock-output-token-count"] == str(read["usage"]["output_tokens"])
        assert int(headers["x-amzn-bedrock-invocation-latency"]) >= 0

    def test_a_forced_tool_of_a_claude_body_is_used(self, client: Client) -> None:
        body = {
            **CLAUDE,
            "messages": [{"role": "user", "content": [{"type": "text", "text": "Nothing of note."}]}],
            "tools": [{"name": "record", "description": "Records.", "input_schema": ITEM_SCHEMA}],
            "tool_choice": {"type": "tool", "name": "record"},
        }
        read = json.loads(client.invoke_model(modelId=SONNET, body=json.dumps(body))["body"].read())
        (block,) = read["content"]
        assert block["type"] == "tool_use"
        assert conforms(block["input"], ITEM_SCHEMA)
        assert read["stop_reason"] == "tool_use"

    def test_a_nova_body_is_answered_in_its_form(self, client: Client) -> None:
        body = {"messages": [user("Hello.")], "inferenceConfig": {"max_new_tokens": 4}}
        read = json.loads(client.invoke_model(modelId="amazon.nova-lite-v1:0", body=json.dumps(body))["body"].read())
        assert read["output"]["message"]["content"] == [{"text": DISCLAIMER[:16]}]
        assert read["stopReason"] == "max_tokens"

    def test_an_embedding_costs_its_input_tokens(self, emulator: BedrockEmulator, client: Client) -> None:
        answer = client.invoke_model(modelId="amazon.titan-embed-text-v2:0", body=b'{"inputText":"Hello."}')
        assert len(json.loads(answer["body"].read())["embedding"]) == 1_024
        assert answer["ResponseMetadata"]["HTTPHeaders"]["x-amzn-bedrock-input-token-count"] == "2"
        assert emulator.log[-1].usage == Usage(2, 0)

    @pytest.mark.parametrize(
        ("model", "body", "message"),
        [
            (SONNET, b"{", "Malformed input request"),
            (SONNET, b"[]", "Malformed input request"),
            (SONNET, b'{"messages":[]}', "anthropic_version: Field required"),
            (SONNET, b'{"anthropic_version":"claude-3"}', "Invalid API version: claude-3"),
            (SONNET, b'{"anthropic_version":"bedrock-2023-05-31"}', "max_tokens: Field required"),
            (
                "meta.llama3-8b-instruct-v1:0",
                b'{"text":"Hello."}',
                "Malformed input request: #: extraneous key [text] is not permitted",
            ),
        ],
    )
    def test_a_body_that_cannot_be_read_is_refused(self, client: Client, model: str, body: bytes, message: str) -> None:
        response = error_of(client.invoke_model, modelId=model, body=body)
        assert response["Error"]["Code"] == "ValidationException"
        assert response["Error"]["Message"].startswith(message)


class TestStreams:
    def test_a_converse_stream_brings_the_same_answer_in_pieces(self, client: Client) -> None:
        answer = client.converse_stream(modelId=SONNET, messages=[user("Hello.")])
        events = list(answer["stream"])
        names = [next(iter(event)) for event in events]
        assert names[0] == "messageStart"
        assert names[-3:] == ["contentBlockStop", "messageStop", "metadata"]
        text = "".join(event["contentBlockDelta"]["delta"]["text"] for event in events if "contentBlockDelta" in event)
        assert text == f"{DISCLAIMER}\nHello."
        assert events[-1]["metadata"]["usage"]["totalTokens"] > 0

    def test_a_tool_use_is_streamed_as_pieces_of_json(self, client: Client) -> None:
        answer = client.converse_stream(modelId=SONNET, messages=[user("Of note.")], toolConfig=forced(ITEM_SCHEMA))
        events = list(answer["stream"])
        started = next(event["contentBlockStart"] for event in events if "contentBlockStart" in event)
        assert started["start"]["toolUse"]["name"] == "record"
        deltas = [event["contentBlockDelta"]["delta"] for event in events if "contentBlockDelta" in event]
        assert conforms(json.loads("".join(delta["toolUse"]["input"] for delta in deltas)), ITEM_SCHEMA)
        assert {"messageStop": {"stopReason": "tool_use"}} in events

    def test_an_invoke_model_stream_brings_chunks_of_the_messages_api(self, client: Client) -> None:
        body = {**CLAUDE, "messages": [{"role": "user", "content": "Hello."}]}
        answer = client.invoke_model_with_response_stream(modelId=SONNET, body=json.dumps(body))
        chunks = [json.loads(event["chunk"]["bytes"]) for event in answer["body"]]
        assert [chunk["type"] for chunk in chunks[:2]] == ["message_start", "content_block_start"]
        assert [chunk["type"] for chunk in chunks[-3:]] == ["content_block_stop", "message_delta", "message_stop"]
        text = "".join(chunk["delta"]["text"] for chunk in chunks if chunk["type"] == "content_block_delta")
        assert text == f"{DISCLAIMER}\nHello."
        assert chunks[-1]["amazon-bedrock-invocationMetrics"]["inputTokenCount"] == 2

    def test_a_nova_stream_brings_the_events_of_converse_in_chunks(self, client: Client) -> None:
        answer = client.invoke_model_with_response_stream(
            modelId="amazon.nova-lite-v1:0", body=json.dumps({"messages": [user("Hello.")]})
        )
        chunks = [json.loads(event["chunk"]["bytes"]) for event in answer["body"]]
        assert chunks[0] == {"messageStart": {"role": "assistant"}}
        assert chunks[-2] == {"messageStop": {"stopReason": "end_turn"}}
        assert chunks[-1]["amazon-bedrock-invocationMetrics"]["outputTokenCount"] > 0

    def test_the_pieces_of_a_stream_come_one_by_one(self, emulator: BedrockEmulator, client: Client) -> None:
        emulator.latency = 0.3
        began = time.monotonic()  # noqa: TID251 - the wire has real time
        first = last = 0.0
        for event in client.converse_stream(modelId=SONNET, messages=[user("Hello.")])["stream"]:
            last = time.monotonic() - began  # noqa: TID251 - as above
            first = first or (last if event else 0)
        assert first > 0.05
        assert last >= 0.29
        assert last - first > 0.12, "the pieces after the first are spread over four fifths of the latency"


class TestCountTokens:
    def test_it_counts_what_converse_reports(self, client: Client) -> None:
        messages = [user("How many tokens does this have?")]
        request = {"messages": messages, "system": [{"text": "Count."}]}
        counted = client.count_tokens(modelId=SONNET.removeprefix("eu."), input={"converse": request})
        answer = client.converse(modelId=SONNET, **request)
        assert counted["inputTokens"] == answer["usage"]["inputTokens"]

    def test_it_counts_a_body_of_invoke_model(self, client: Client) -> None:
        body = json.dumps({**CLAUDE, "messages": [{"role": "user", "content": "Four of it here."}]}).encode()
        counted = client.count_tokens(modelId="anthropic.claude-sonnet-4", input={"invokeModel": {"body": body}})
        assert counted["inputTokens"] == 4

    @pytest.mark.parametrize("model", [SONNET, ARN, "global.anthropic.claude-sonnet-4-5-20250929-v1:0"])
    def test_it_refuses_cross_region_profiles(self, client: Client, model: str) -> None:
        response = error_of(client.count_tokens, modelId=model, input={"converse": {"messages": [user("Hello.")]}})
        assert response["Error"]["Message"] == "The provided model doesn't support counting tokens."


def test_a_guardrail_intervenes_never(client: Client) -> None:
    answer = client.apply_guardrail(
        guardrailIdentifier="abc", guardrailVersion="1", source="INPUT", content=[{"text": {"text": "Hello."}}]
    )
    assert_has_output_shape(client, "ApplyGuardrail", answer)
    assert answer["action"] == "NONE"


class TestQuotas:
    def test_requests_beyond_the_burst_are_throttled_as_by_bedrock(self) -> None:
        quota = Quota(requests_per_minute=1, burst=2)
        with BedrockEmulator(quota) as emulator, client_of(emulator.endpoint_url) as client:
            for _ in range(2):
                client.converse(modelId=SONNET, messages=[user("Hello.")])
            response = error_of(client.converse, modelId=SONNET, messages=[user("Hello.")])
            assert response["Error"] == {
                "Code": "ThrottlingException",
                "Message": "Too many requests, please wait before trying again.",
            }
            assert response["ResponseMetadata"]["HTTPStatusCode"] == 429
            assert (emulator.requests, emulator.throttles, emulator.answered) == (3, 1, 2)

    @pytest.mark.parametrize(
        ("quota", "message"),
        [
            (Quota(tokens_per_minute=1_500), "Too many tokens, please wait before trying again."),
            (Quota(tokens_per_day=1_500), "Too many tokens per day, please wait before trying again."),
        ],
    )
    def test_a_reservation_that_does_not_fit_is_throttled_and_a_smaller_one_is_not(
        self, quota: Quota, message: str
    ) -> None:
        with BedrockEmulator(quota) as emulator, client_of(emulator.endpoint_url) as client:
            request = {"modelId": SONNET, "messages": [user("Hello.")]}
            response = error_of(client.converse, **request, inferenceConfig={"maxTokens": 1_499})
            assert response["Error"]["Message"] == message
            # What is not used comes back, so that 1,000 fit several times.
            for _ in range(3):
                client.converse(**request, inferenceConfig={"maxTokens": 1_000})
            assert emulator.throttles == 1

    def test_the_reservation_is_held_while_the_answer_is_being_made(self) -> None:
        with BedrockEmulator(Quota(tokens_per_minute=1_500), latency=0.4) as emulator:
            outcomes: list[str] = []

            def call() -> None:
                with client_of(emulator.endpoint_url) as client:
                    try:
                        client.converse(modelId=SONNET, messages=[user("Hello.")], inferenceConfig={"maxTokens": 1_000})
                        outcomes.append("answered")
                    except client.exceptions.ThrottlingException:
                        outcomes.append("throttled")

            threads = [threading.Thread(target=call) for _ in range(3)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert sorted(outcomes) == ["answered", "throttled", "throttled"]

    def test_a_window_admits_a_minute_at_once(self, emulator: BedrockEmulator, client: Client) -> None:
        emulator.quota = Quota(requests_per_minute=3, burst=1)
        for reading in ("sliding", "fixed", "refill"):
            emulator.reading = reading
            for _ in range(3):
                client.converse(modelId=SONNET, messages=[user("Hello.")])
            error_of(client.converse, modelId=SONNET, messages=[user("Hello.")])

    def test_a_quota_can_be_changed_while_it_runs(self, emulator: BedrockEmulator, client: Client) -> None:
        emulator.quota = Quota(requests_per_minute=1, burst=1)
        client.converse(modelId=SONNET, messages=[user("Hello.")])
        error_of(client.converse, modelId=SONNET, messages=[user("Hello.")])
        emulator.quota = None
        client.converse(modelId=SONNET, messages=[user("Hello.")])


class TestCounts:
    def test_the_sdks_own_retries_show_as_one_invocation_with_several_requests(self, emulator: BedrockEmulator) -> None:
        emulator.fail_next(1, "ServiceUnavailableException")
        retries = {"total_max_attempts": 2, "mode": "standard"}
        with client_of(emulator.endpoint_url, retries=retries) as client:
            client.converse(modelId=SONNET, messages=[user("Hello.")])
        assert emulator.requests == 2
        assert len(emulator.invocation_ids) == 1
        assert list(emulator.requests_by_invocation.values()) == [2]
        attempt = emulator.log[1].attempt
        assert attempt is not None
        assert "attempt=2; max=2" in attempt

    def test_every_request_is_in_the_log_with_what_became_of_it(
        self, emulator: BedrockEmulator, client: Client
    ) -> None:
        emulator.fail_next(1, "ServiceUnavailableException")
        error_of(client.converse, modelId=SONNET, messages=[user("Hello.")])
        client.converse(modelId=ARN, messages=[user("Hello.")])
        failed, answered = emulator.log
        assert (failed.status, failed.error, failed.answered) == (503, "ServiceUnavailableException", False)
        assert (answered.status, answered.error, answered.answered) == (200, None, True)
        assert answered.model_id == ARN
        assert answered.json == {"messages": [user("Hello.")]}
        assert answered.usage is not None
        assert emulator.model_ids == {SONNET, ARN}
        assert emulator.errors == {"ServiceUnavailableException": 1}
        assert emulator.in_flight == 0

    def test_reset_forgets_counts_faults_and_what_the_quota_has_spent(self) -> None:
        with (
            BedrockEmulator(Quota(requests_per_minute=1, burst=1)) as emulator,
            client_of(emulator.endpoint_url) as client,
        ):
            client.converse(modelId=SONNET, messages=[user("Hello.")])
            emulator.fail_next(5)
            emulator.reset()
            assert (emulator.requests, emulator.log, emulator.invocation_ids) == (0, (), frozenset())
            client.converse(modelId=SONNET, messages=[user("Hello.")])
            assert (emulator.requests, emulator.answered, emulator.throttles) == (1, 1, 0)


class TestLatency:
    def test_it_may_be_set_while_running_and_calls_overlap(self, emulator: BedrockEmulator, client: Client) -> None:
        emulator.latency = 0.2
        began = time.monotonic()  # noqa: TID251 - the wire has real time
        threads = [
            threading.Thread(target=client.converse, kwargs={"modelId": SONNET, "messages": [user("Hello.")]})
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert 0.19 < time.monotonic() - began < 1.0  # noqa: TID251 - as above
        assert emulator.answered == 8

    def test_stopping_does_not_wait_for_answers_in_flight(self, emulator: BedrockEmulator) -> None:
        emulator.latency = 60
        failed = threading.Event()

        def call() -> None:
            with client_of(emulator.endpoint_url) as client, pytest.raises(Exception, match="closed"):
                client.converse(modelId=SONNET, messages=[user("Hello.")])
            failed.set()

        thread = threading.Thread(target=call)
        thread.start()
        while not emulator.in_flight:
            threading.Event().wait(0.01)
        began = time.monotonic()  # noqa: TID251 - as above
        emulator.stop()
        assert time.monotonic() - began < 1  # noqa: TID251 - as above
        thread.join()
        assert failed.is_set()
        assert not [thread for thread in threading.enumerate() if thread.name.startswith("bedrock-emulator")]


def test_the_environment_redirects_any_client(emulator: BedrockEmulator, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in emulator.client_env().items():
        monkeypatch.setenv(name, value)
    session: Any = boto3.Session()
    client = session.client("bedrock-runtime")
    try:
        client.converse(modelId=SONNET, messages=[user("Hello.")])
    finally:
        client.close()
    assert emulator.answered == 1


def test_a_custom_responder_generates_the_responses() -> None:
    def shout(conversation: Conversation) -> Generation:
        return Generation(({"text": conversation.last_user_message.text.upper()},))

    with BedrockEmulator(responder=shout) as emulator, client_of(emulator.endpoint_url) as client:
        answer = client.converse(modelId=SONNET, messages=[user("Hello.")])
    assert answer["output"]["message"]["content"] == [{"text": "HELLO."}]


def test_an_error_of_a_responder_is_an_internal_server_error_and_the_quota_is_refunded(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(conversation: Conversation) -> Generation:
        raise KeyError(conversation.model_id)

    with BedrockEmulator(Quota(tokens_per_minute=70_000), responder=fail) as emulator:
        with client_of(emulator.endpoint_url) as client:
            for _ in range(2):
                response = error_of(client.converse, modelId=SONNET, messages=[user("Hello.")])
                assert response["Error"]["Code"] == "InternalServerException"
        assert emulator.throttles == 0
    assert "failed" in caplog.text
