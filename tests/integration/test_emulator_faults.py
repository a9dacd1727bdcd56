"""Every row of the table of failures, as an unmodified boto3 client meets it: scripted, random, in streams."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from typing import TYPE_CHECKING, Any, cast

import botocore
import pytest
from botocore.eventstream import ChecksumMismatch
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    EventStreamError,
    ReadTimeoutError,
    ResponseStreamingError,
)
from urllib3.exceptions import ProtocolError
from urllib3.exceptions import ReadTimeoutError as Urllib3ReadTimeoutError

from bedrock_resilience.emulator import FAULT_NAMES, BedrockEmulator, ErrorResponse
from bedrock_resilience.quotas import Quota
from support.bedrock import SONNET, Client, client_of, user

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

HELLO: dict[str, Any] = {"modelId": SONNET, "messages": [user("Hello.")]}
# botocore 1.43.11 checks Content-Length, 1.43.127 and later take whatever has come.
OLD = botocore.__version__ == "1.43.11"


@pytest.fixture
def client(emulator: BedrockEmulator) -> Generator[Client]:
    with client_of(emulator.endpoint_url, read_timeout=0.5) as made:
        yield made


def failure(client: Client) -> Mapping[str, Any]:
    with pytest.raises(ClientError) as raised:
        client.converse(**HELLO)
    return cast("Mapping[str, Any]", raised.value.response)


def code_of(error: ClientError) -> str:
    return str(cast("Mapping[str, Any]", error.response)["Error"]["Code"])


def read(stream: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - as Client
    """All events of a stream, whose connection is closed however it ends."""
    with contextlib.closing(stream):
        return list(stream)


class TestErrors:
    @pytest.mark.parametrize(
        ("code", "status", "modelled"),
        [
            ("ThrottlingException", 429, True),
            ("ModelNotReadyException", 429, True),
            ("ServiceUnavailableException", 503, True),
            ("InternalServerException", 500, True),
            ("ModelTimeoutException", 408, True),
            ("ModelErrorException", 424, True),
            ("ModelStreamErrorException", 424, True),
            ("ServiceQuotaExceededException", 400, True),
            ("ValidationException", 400, True),
            ("AccessDeniedException", 403, True),
            ("ResourceNotFoundException", 404, True),
            ("ConflictException", 409, True),
            ("ExpiredTokenException", 403, False),
            ("UnrecognizedClientException", 403, False),
            ("FTUFormNotFilled", 404, False),
            ("MPAgreementBeingCreated", 403, False),
            ("RequestTimeout", 408, False),
        ],
    )
    def test_a_code_arrives_with_its_status(
        self, emulator: BedrockEmulator, client: Client, code: str, status: int, *, modelled: bool
    ) -> None:
        emulator.fail_next(1, code)
        with pytest.raises(ClientError) as raised:
            client.converse(**HELLO)
        response = cast("Mapping[str, Any]", raised.value.response)
        assert response["Error"]["Code"] == code
        assert response["ResponseMetadata"]["HTTPStatusCode"] == status
        assert (type(raised.value) is not ClientError) == (modelled and hasattr(client.exceptions, code))
        client.converse(**HELLO)
        assert emulator.errors == {code: 1}
        assert emulator.throttles == (code == "ThrottlingException")

    @pytest.mark.parametrize("status", [429, 502, 503, 504, 529])
    def test_a_bare_status_arrives_without_a_code(self, emulator: BedrockEmulator, client: Client, status: int) -> None:
        emulator.fail_next(1, status)
        response = failure(client)
        assert response["Error"]["Code"] == str(status)
        assert response["ResponseMetadata"]["HTTPStatusCode"] == status
        assert emulator.throttles == (status == 429)

    def test_every_field_of_an_error_can_be_set(self, emulator: BedrockEmulator, client: Client) -> None:
        emulator.fail_next(
            1,
            "ModelErrorException",
            message="It broke.",
            members={"originalStatusCode": 500, "resourceName": "x"},
            headers={"x-amz-retry-after": "3000"},
            retry_after=7,
        )
        response = failure(client)
        assert response["Error"]["Message"] == "It broke."
        assert response["originalStatusCode"] == 500
        headers = response["ResponseMetadata"]["HTTPHeaders"]
        assert (headers["retry-after"], headers["x-amz-retry-after"]) == ("7", "3000")

    def test_the_tokens_of_the_day_are_told_by_the_message(self, emulator: BedrockEmulator, client: Client) -> None:
        emulator.fail_next(1, "tokens-per-day")
        response = failure(client)
        assert response["Error"]["Code"] == "ThrottlingException"
        assert "Too many tokens per day" in response["Error"]["Message"]

    def test_an_unknown_code_can_be_answered_with_a_status(self, emulator: BedrockEmulator, client: Client) -> None:
        emulator.fail_next(1, "BrandNewException", status=418)
        assert failure(client)["Error"]["Code"] == "BrandNewException"

    def test_errors_cost_no_quota(self) -> None:
        with BedrockEmulator(Quota(requests_per_minute=1, burst=1)) as emulator:
            emulator.fail_next(3, "InternalServerException")
            with client_of(emulator.endpoint_url) as client:
                for _ in range(3):
                    failure(client)
                client.converse(**HELLO)

    def test_an_error_can_be_late(self, emulator: BedrockEmulator, client: Client) -> None:
        emulator.fail_next(1, ErrorResponse("ServiceUnavailableException", delay=0.2))
        began = time.monotonic()  # noqa: TID251 - the wire has real time
        failure(client)
        assert time.monotonic() - began >= 0.19  # noqa: TID251 - as above


class TestScripts:
    def test_scripts_are_met_in_their_order(self, emulator: BedrockEmulator, client: Client) -> None:
        emulator.fail_next(2, "ThrottlingException")
        emulator.fail_next(1, "InternalServerException")
        assert emulator.faults_pending == 3
        codes = [failure(client)["Error"]["Code"] for _ in range(3)]
        assert codes == ["ThrottlingException", "ThrottlingException", "InternalServerException"]
        client.converse(**HELLO)

    def test_a_script_can_be_for_some_requests_only(self, emulator: BedrockEmulator, client: Client) -> None:
        emulator.fail_next(None, "ValidationException", containing="poison")
        emulator.fail_next(1, "AccessDeniedException", model="nova")
        emulator.fail_next(1, "ThrottlingException", operation="ConverseStream")
        client.converse(**HELLO)
        for _ in range(2):
            with pytest.raises(client.exceptions.ValidationException):
                client.converse(modelId=SONNET, messages=[user("The poison one.")])
        with pytest.raises(client.exceptions.AccessDeniedException):
            client.converse(modelId="amazon.nova-lite-v1:0", messages=[user("Hello.")])
        with pytest.raises(client.exceptions.ThrottlingException):
            client.converse_stream(**HELLO)

    def test_a_fault_of_streams_waits_for_a_stream(self, emulator: BedrockEmulator, client: Client) -> None:
        emulator.fail_next(1, "stream-exception")
        client.converse(**HELLO)
        with pytest.raises(EventStreamError):
            read(client.converse_stream(**HELLO)["stream"])

    def test_cleared_faults_do_not_happen(self, emulator: BedrockEmulator, client: Client) -> None:
        emulator.fail_next(None)
        emulator.fail_randomly(1.0)
        emulator.clear_faults()
        client.converse(**HELLO)

    def test_a_random_share_of_requests_fails_and_a_seed_repeats_it(self) -> None:
        def outcomes(seed: int) -> list[str]:
            with BedrockEmulator(seed=seed) as emulator, client_of(emulator.endpoint_url) as client:
                emulator.fail_randomly(0.4, "ThrottlingException", 503)
                for _ in range(60):
                    with contextlib.suppress(ClientError):
                        client.converse(**HELLO)
                return [entry.error or "" for entry in emulator.log]

        one, again, other = outcomes(1), outcomes(1), outcomes(2)
        assert one == again != other
        assert 12 <= sum(map(bool, one)) <= 36
        assert set(one) == {"", "ThrottlingException", "503"}

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (
                {"error": "TrottlingException"},
                r"^fail_next: error: got 'TrottlingException'; accepted: an HTTP status, Access",
            ),
            ({"error": 200}, r"^ErrorResponse: status: got 200; accepted: a whole number from 400 to 599, or None$"),
            ({"n": 0}, r"^fail_next: n: got 0; accepted: a whole number >= 1"),
            ({"operation": "Convers"}, r"^fail_next: operation: got 'Convers'; accepted: Converse, ConverseStream"),
            ({"seconds": 3}, r"^fail_next: seconds: got 3; accepted: the fields code, status, message"),
            ({"error": "hang", "after": 1}, r"^fail_next: after: got 1; accepted: no further fields$"),
            (
                {"error": "slow-first-byte", "seconds": -1},
                r"^fail_next: seconds: got -1; accepted: a finite number of seconds >= 0$",
            ),
            (
                {"error": "truncated-body", "fraction": 1.5},
                r"^fail_next: fraction: got 1\.5; accepted: a finite number from 0 to 1$",
            ),
            ({"error": "stream-cut", "after": "2"}, r"^fail_next: after: got '2'; accepted: a whole number >= 0$"),
            ({"message": 5}, r"^fail_next: message: got 5; accepted: a string$"),
            ({"headers": "x"}, r"^fail_next: headers: got 'x'; accepted: a mapping of strings without line breaks$"),
            (
                {"error": ErrorResponse(), "message": "x"},
                r"^fail_next: message: got 'x'; accepted: only with an error's name$",
            ),
        ],
    )
    def test_a_wrong_script_is_refused_by_name(
        self, emulator: BedrockEmulator, arguments: dict[str, Any], message: str
    ) -> None:
        with pytest.raises((TypeError, ValueError), match=message):
            emulator.fail_next(**arguments)
        assert emulator.faults_pending == 0

    @pytest.mark.parametrize("rate", [-0.1, 1.1])
    def test_a_wrong_rate_is_refused(self, emulator: BedrockEmulator, rate: float) -> None:
        with pytest.raises(ValueError, match=r"^fail_randomly: rate: got .+; accepted: a finite number from 0 to 1$"):
            emulator.fail_randomly(rate)


class TestResponseFaults:
    def test_a_hang_ends_in_the_clients_read_timeout(self, emulator: BedrockEmulator, client: Client) -> None:
        emulator.fail_next(1, "hang")
        with pytest.raises(ReadTimeoutError):
            client.converse(**HELLO)
        (entry,) = emulator.log
        assert (entry.status, entry.error, entry.answered) == (None, None, False)
        assert entry.usage is not None, "what hangs has been generated, and is paid for"
        client.converse(**HELLO)

    def test_a_reset_closes_the_connection(self, emulator: BedrockEmulator, client: Client) -> None:
        emulator.fail_next(1, "connection-reset")
        with pytest.raises(ConnectionClosedError):
            client.converse(**HELLO)
        client.converse(**HELLO)
        assert emulator.answered == 1

    def test_a_late_first_byte_is_a_whole_answer(self, emulator: BedrockEmulator, client: Client) -> None:
        emulator.fail_next(1, "slow-first-byte", seconds=0.2)
        began = time.monotonic()  # noqa: TID251 - the wire has real time
        client.converse(**HELLO)
        assert time.monotonic() - began >= 0.19  # noqa: TID251 - as above
        assert emulator.answered == 1

    def test_a_cut_body_passes_as_an_answer_without_output(self, emulator: BedrockEmulator, client: Client) -> None:
        emulator.fail_next(1, "truncated-body")
        if OLD:
            with pytest.raises(ConnectionClosedError):
                client.converse(**HELLO)
        else:
            assert "output" not in client.converse(**HELLO)
        assert emulator.answered == 0

    def test_a_foreign_body_passes_as_an_answer_without_output(self, emulator: BedrockEmulator, client: Client) -> None:
        emulator.fail_next(1, "unexpected-body")
        answer = client.converse(**HELLO)
        assert "output" not in answer
        assert answer["ResponseMetadata"]["HTTPHeaders"]["content-type"] == "text/html"

    def test_a_cut_body_of_invoke_model_fails_when_it_is_read(self, emulator: BedrockEmulator, client: Client) -> None:
        body = {
            "anthropic_version": "bedrock-2023-05-31",
            "max_tokens": 9,
            "messages": [{"role": "user", "content": "Hi"}],
        }
        emulator.fail_next(1, "truncated-body")
        answer = client.invoke_model(modelId=SONNET, body=json.dumps(body))
        with contextlib.closing(answer["body"]) as stream, pytest.raises((BotoCoreError, ProtocolError)):
            stream.read()

    def test_a_hang_does_not_hold_up_others_or_the_end(self, emulator: BedrockEmulator) -> None:
        emulator.fail_next(4, "hang")
        with client_of(emulator.endpoint_url, read_timeout=30) as client:
            threads = [threading.Thread(target=self.expect_the_end, args=(client,)) for _ in range(4)]
            for thread in threads:
                thread.start()
            while emulator.requests < 4:
                threading.Event().wait(0.01)
            client.converse(**HELLO)
            emulator.stop()
            for thread in threads:
                thread.join(5)
                assert not thread.is_alive()

    @staticmethod
    def expect_the_end(client: Client) -> None:
        with pytest.raises(ConnectionClosedError):
            client.converse(**HELLO)


class TestStreams:
    def test_an_exception_in_a_stream_is_spelt_as_streams_do(self, emulator: BedrockEmulator, client: Client) -> None:
        emulator.fail_next(1, "stream-exception", exception="throttlingException", after=1)
        with contextlib.closing(client.converse_stream(**HELLO)["stream"]) as stream:
            events = iter(stream)
            assert next(events) == {"messageStart": {"role": "assistant"}}
            with pytest.raises(EventStreamError) as raised:
                next(events)
        assert code_of(raised.value) == "throttlingException"
        assert emulator.throttles == 1
        assert emulator.log[0].error == "ThrottlingException"

    def test_an_error_frame_brings_its_own_code(self, emulator: BedrockEmulator, client: Client) -> None:
        emulator.fail_next(1, "stream-error", code="InternalFailure", message="Gone.", after=0)
        with pytest.raises(EventStreamError, match=r"InternalFailure.*Gone"):
            read(client.converse_stream(**HELLO)["stream"])

    def test_a_cut_stream_is_a_protocol_error(self, emulator: BedrockEmulator, client: Client) -> None:
        emulator.fail_next(1, "stream-cut")
        with pytest.raises((ProtocolError, ResponseStreamingError)):
            read(client.converse_stream(**HELLO)["stream"])

    def test_a_stalled_stream_ends_in_the_clients_read_timeout(self, emulator: BedrockEmulator, client: Client) -> None:
        emulator.fail_next(1, "stream-stall")
        with pytest.raises((Urllib3ReadTimeoutError, ReadTimeoutError)):
            read(client.converse_stream(**HELLO)["stream"])

    def test_a_damaged_stream_is_a_checksum_mismatch(self, emulator: BedrockEmulator, client: Client) -> None:
        emulator.fail_next(1, "stream-corruption")
        with pytest.raises(ChecksumMismatch):
            read(client.converse_stream(**HELLO)["stream"])

    def test_a_stream_without_its_stop_ends_as_if_nothing_were_wrong(
        self, emulator: BedrockEmulator, client: Client
    ) -> None:
        emulator.fail_next(1, "stream-without-stop", after=3)
        events = read(client.converse_stream(**HELLO)["stream"])
        assert len(events) == 3
        assert not any("messageStop" in event for event in events)
        assert emulator.answered == 0

    def test_faults_meet_streams_of_invoke_model_too(self, emulator: BedrockEmulator, client: Client) -> None:
        body = {
            "anthropic_version": "bedrock-2023-05-31",
            "max_tokens": 9,
            "messages": [{"role": "user", "content": "Hi"}],
        }
        emulator.fail_next(1, "stream-exception", exception="modelTimeoutException")
        answer = client.invoke_model_with_response_stream(modelId=SONNET, body=json.dumps(body))
        with pytest.raises(EventStreamError, match="modelTimeoutException"):
            read(answer["body"])

    def test_every_failure_has_a_name_that_can_be_scripted(self, emulator: BedrockEmulator) -> None:
        for name in FAULT_NAMES:
            emulator.fail_next(1, name)
        assert emulator.faults_pending == len(FAULT_NAMES) >= 30
