"""Sessions and clients of boto3 under a policy: unmodified clients of an emulator on the loopback."""

from __future__ import annotations

import importlib
import json
import threading
import tomllib
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import botocore
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, EventStreamError, NoCredentialsError, ParamValidationError

from bedrock_resilience import (
    Deadline,
    DeadlineExceededError,
    Fault,
    MalformedResponseError,
    NoJitter,
    Quota,
    QuotaPacer,
    Retrier,
    RetryBudget,
    RetryPolicy,
    StopReason,
    StreamInterruptedError,
    protect,
    unprotect,
)
from bedrock_resilience.emulator import BedrockEmulator
from bedrock_resilience.integrations import protection_of
from bedrock_resilience.integrations._aws_targets import OLDEST_BOTOCORE
from bedrock_resilience.quotas import Usage
from bedrock_resilience.retrying import (
    CallCancelled,
    CallFailed,
    CallStarted,
    CallSucceeded,
    Event,
    PacingWait,
    RetryScheduled,
    StreamOpened,
    _retry_layers,
)
from bedrock_resilience.testing import FakeClock
from support.bedrock import SONNET, Client, user
from support.pacers import RecordingPacer
from support.pages import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from contextlib import AbstractContextManager

    Operation: TypeAlias = Callable[[Client], Any]
    Retries: TypeAlias = Any  # of botocore.config.Config

POLICY: Final = RetryPolicy(max_retries=3, base_delay=1.0, jitter=NoJitter(), retry_on="transient")
REQUEST: Final[dict[str, Any]] = {
    "modelId": SONNET,
    "messages": [user("hello")],
    "inferenceConfig": {"maxTokens": 50},
}
BODY: Final = json.dumps(
    {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 50,
        "messages": [{"role": "user", "content": "hello"}],
    }
)
RETRY_MODES: Final[list[Any]] = [
    {"mode": "legacy", "max_attempts": 9},
    {"mode": "standard", "total_max_attempts": 2},
    {"mode": "adaptive"},
]
AWAY: Final = "http://127.0.0.1:1"  # nobody listens there


@dataclass
class Account:
    """An emulator, a session of boto3 with its credentials, and what a protection is made of."""

    emulator: BedrockEmulator
    session: Client
    clock: FakeClock = field(default_factory=FakeClock)
    pacer: RecordingPacer = field(default_factory=RecordingPacer)
    events: list[Event] = field(default_factory=list[Event])
    clients: list[Client] = field(default_factory=list[Client])

    def client(self, **options: object) -> Client:
        """A client from the session, plain unless the session is protected."""
        settings = {"endpoint_url": self.emulator.endpoint_url, "region_name": "eu-west-3", **options}
        client = self.session.client("bedrock-runtime", **settings)
        self.clients.append(client)
        return client

    def close(self) -> None:
        """Close the connections of all clients."""
        for client in self.clients:
            client.close()

    def protected(self, target: Client = None, **parts: Any) -> Client:  # noqa: ANN401 - as those of protect
        """The target, by default a client, under the policy."""
        given: dict[str, Any] = {"policy": POLICY, "clock": self.clock, "listeners": [self.record], **parts}
        return protect(self.client() if target is None else target, **given)

    def record(self, event: Event) -> None:
        """Record an event, unless it is the beginning of a call or of a stream: these tests are about how calls end."""
        if not isinstance(event, CallStarted | StreamOpened):
            self.events.append(event)

    @property
    def kinds(self) -> list[type[Event]]:
        """The classes of the events, in order."""
        return [type(event) for event in self.events]


BOTO3: Final[Any] = importlib.import_module("boto3")  # without types
BOTOCORE: Final[Any] = importlib.import_module("botocore.session")
# One for all sessions: to load the service model takes far longer than the tests.
LOADER: Final[Any] = BOTOCORE.get_session().get_component("data_loader")


def new_botocore_session() -> Client:
    session = BOTOCORE.get_session()
    session.register_component("data_loader", LOADER)
    return session


def new_session() -> Client:
    keys = {"aws_access_key_id": "any", "aws_secret_access_key": "any"}
    return BOTO3.Session(botocore_session=new_botocore_session(), region_name="eu-west-3", **keys)


@pytest.fixture(scope="module")
def server() -> Generator[BedrockEmulator]:
    with BedrockEmulator() as emulator:
        yield emulator


@pytest.fixture
def account(server: BedrockEmulator) -> Generator[Account]:
    server.reset()
    account = Account(server, new_session())
    yield account
    account.close()


def converse(client: Client) -> Client:
    return client.converse(**REQUEST)


def converse_stream(client: Client) -> list[Any]:
    return list(client.converse_stream(**REQUEST)["stream"])


def invoke_model(client: Client) -> Client:
    return json.loads(client.invoke_model(modelId=SONNET, body=BODY)["body"].read())


def invoke_stream(client: Client) -> list[Any]:
    return list(client.invoke_model_with_response_stream(modelId=SONNET, body=BODY)["body"])


def count_tokens(client: Client) -> Client:
    return client.count_tokens(
        modelId=SONNET.removeprefix("eu."), input={"converse": {"messages": REQUEST["messages"]}}
    )


OPERATIONS: Final = [converse, converse_stream, invoke_model, invoke_stream, count_tokens]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_throttles_in_a_row_are_survived_with_one_request_more_than_throttles(
    account: Account, operation: Operation
) -> None:
    account.emulator.fail_next(3)
    assert operation(account.protected())
    assert account.emulator.requests == 4
    assert account.clock.sleeps == [1.0, 2.0, 4.0]
    assert tuple(account.kinds) == (RetryScheduled, RetryScheduled, RetryScheduled, CallSucceeded)
    assert len(account.emulator.invocation_ids) == 1  # one call of the SDK, with its retries inside


@pytest.mark.parametrize("operation", OPERATIONS)
def test_the_error_that_ends_a_call_is_the_clients_own_with_a_note(account: Account, operation: Operation) -> None:
    account.emulator.fail_next(4)
    client = account.protected()
    with pytest.raises(client.exceptions.ThrottlingException) as caught:
        operation(client)
    assert caught.value.response["Error"]["Code"] == "ThrottlingException"
    assert caught.value.response["ResponseMetadata"]["RetryAttempts"] == 3
    assert caught.value.__notes__ == [
        "bedrock_resilience: gave up after 4 attempts and 7.00 s of waiting: retries exhausted"
    ]
    last = account.events[-1]
    assert isinstance(last, CallFailed)
    assert (last.reason, last.fault, last.attempts) == (StopReason.RETRIES_EXHAUSTED, Fault.THROTTLING, 4)
    assert account.emulator.requests == 4


def test_a_retrier_around_a_client_that_retries_is_noticed(
    account: Account, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_retry_layers, "_warned", set[str]())
    standard = account.client(config=Config(retries={"mode": "standard", "total_max_attempts": 2}))
    for client, inner in ((account.protected(), 4), (standard, 2)):
        before = account.emulator.requests
        account.emulator.fail_next(inner + 1)
        assert Retrier(POLICY, clock=account.clock).call(converse, client)
        assert account.emulator.requests - before == inner + 2
    protected, default = caplog.messages
    assert "a call that failed after 4 attempts is retried" in protected
    assert "botocore had sent a request 2 times" in default


def test_what_the_policy_does_not_retry_is_raised_at_once(account: Account) -> None:
    account.emulator.fail_next(1, "AccessDeniedException")
    client = account.protected()
    with pytest.raises(client.exceptions.AccessDeniedException) as caught:
        converse(client)
    assert caught.value.__notes__ == [
        "bedrock_resilience: gave up after 1 attempt and 0.00 s of waiting: not retryable"
    ]
    assert account.emulator.requests == 1


@pytest.mark.parametrize("retries", RETRY_MODES)
def test_the_retries_of_botocore_are_off_and_put_back(account: Account, retries: Retries) -> None:
    client = account.client(config=Config(retries=retries))
    handlers = retry_handlers(client)
    account.protected(client, policy=POLICY.replace(max_retries=6, max_delay=1.0))
    account.emulator.fail_next(6)
    converse(client)
    assert account.emulator.requests == 7
    assert len(account.clock.sleeps) == 6
    assert account.emulator.log[-1].headers["amz-sdk-request"].endswith("attempt=7; max=7")
    unprotect(client)
    assert retry_handlers(client) == handlers
    assert len(handlers) >= 2


def retry_handlers(client: Client) -> list[str]:
    trie = client.meta.events._emitter._handlers
    kinds = ("needs-retry", "before-send", "request-created")
    found = [handler for kind in kinds for handler in trie.prefix_search(f"{kind}.bedrock-runtime.Converse")]
    return sorted(repr(handler) for handler in found if "retr" in repr(handler) or "MaxAttempts" in repr(handler))


def test_other_operations_and_services_are_left_alone(account: Account) -> None:
    session = account.protected(account.session)
    other = session.client("sts", endpoint_url=AWAY)
    assert protection_of(other) is None
    client = account.client(config=Config(retries={"total_max_attempts": 1}))
    account.emulator.fail_next(1)
    with pytest.raises(ClientError):
        client.apply_guardrail(guardrailIdentifier="g", guardrailVersion="1", source="INPUT", content=[])
    assert account.events == []


def test_the_client_of_another_service_is_refused(account: Account) -> None:
    other = account.session.client("sts")
    with pytest.raises(ValueError, match=r"^protect: target: got .*; accepted: a client of bedrock-runtime$"):
        protect(other)
    assert protection_of(other) is None


def test_a_botocore_that_would_send_without_end_is_refused(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    # aiobotocore 2.25 brings botocore 1.40: every call sent requests until its process was killed.
    monkeypatch.setattr(botocore, "__version__", "1.40.61")
    with pytest.raises(ValueError, match=r"protect: botocore: got '1\.40\.61'; accepted: 1\.43\.11 or later"):
        protect(account.session)


def test_the_oldest_botocore_is_that_of_the_extra() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    assert f"botocore>={'.'.join(map(str, OLDEST_BOTOCORE))}" in extras["aws"]


@pytest.mark.parametrize("make_session", [new_session, new_botocore_session])
def test_every_client_of_a_session_is_protected(account: Account, make_session: Callable[[], Client]) -> None:
    session = account.protected(make_session())
    make = session.create_client if isinstance(session, BOTOCORE.Session) else session.client
    keys = {"aws_access_key_id": "any", "aws_secret_access_key": "any", "region_name": "eu-west-3"}
    for config in (None, Config(retries={"mode": "adaptive", "max_attempts": 2})):
        account.emulator.fail_next(3)
        client = make("bedrock-runtime", endpoint_url=account.emulator.endpoint_url, config=config, **keys)
        account.clients.append(client)
        assert protection_of(client) is protection_of(session)
        converse(client)
    assert account.emulator.requests == 8


def test_a_session_inside_another_is_the_same_target(account: Account) -> None:
    inner = new_botocore_session()
    outer = BOTO3.Session(botocore_session=inner)
    account.protected(outer)
    assert protection_of(inner) is protection_of(outer) is not None
    unprotect(inner)
    assert protection_of(outer) is None


def test_unprotect_undoes_a_session_and_its_clients(account: Account) -> None:
    plain = repr(account.session)
    classes = account.session.__class__, account.session._session.__class__
    session = account.protected(account.session)
    first, second = account.client(), account.client()
    account.protected(second, policy=RetryPolicy(1))  # its own protection, which the session's end leaves
    assert unprotect(session) is session
    assert protection_of(session) is protection_of(first) is None
    assert protection_of(second) is not None
    assert protection_of(account.client()) is None
    assert (session.__class__, session._session.__class__) == classes
    assert repr(session) == plain
    assert unprotect(session) is session  # once more changes nothing


def test_unprotect_gives_a_client_its_own_behaviour_back(account: Account) -> None:
    client = account.client(config=Config(retries={"total_max_attempts": 1}))
    cls, plain = client.__class__, repr(client)
    assert unprotect(account.protected(client)) is client
    assert (client.__class__, repr(client)) == (cls, plain)
    account.emulator.fail_next(1)
    with pytest.raises(ClientError):
        converse(client)
    assert account.events == []
    assert unprotect(client) is client


def test_to_protect_again_with_equal_arguments_changes_nothing(account: Account) -> None:
    listener = account.record
    client = account.protected(listeners=[listener])
    protection, cls = protection_of(client), client.__class__
    account.protected(client, listeners=(each for each in [listener]))
    assert (protection_of(client), client.__class__) == (protection, cls)
    account.emulator.fail_next(1)
    converse(client)
    assert tuple(account.kinds) == (RetryScheduled, CallSucceeded)


def test_other_arguments_replace_the_first_ones(account: Account) -> None:
    session = account.protected(account.session)
    client = account.client()
    account.protected(session, policy=RetryPolicy(0))
    account.emulator.fail_next(1)
    with pytest.raises(client.exceptions.ThrottlingException):
        converse(client)
    account.protected(client, policy=POLICY)
    account.emulator.fail_next(3)
    converse(client)
    assert account.emulator.requests == 5
    unprotect(client)
    assert protection_of(client) is None


def test_a_client_that_another_library_subclassed_since_is_unprotected_all_the_same(account: Account) -> None:
    client, session = account.protected(), account.protected(account.session)
    for target in (client, session, session._session):
        target.__class__ = type("Patched", (target.__class__,), {})
    unprotect(client)
    unprotect(session)
    account.emulator.fail_next(1)
    assert "under Protection" not in repr(client) + repr(session)
    assert converse(client)["ResponseMetadata"]["RetryAttempts"] == 1  # of botocore
    assert protection_of(account.client()) is None
    assert account.events == []


def test_the_protection_shows_in_repr(account: Account) -> None:
    session = account.protected(account.session)
    shown = "under Protection(policy=RetryPolicy(max_retries=3"
    for target in (session, session._session, account.client()):
        assert shown in repr(target)


def test_the_pacer_is_asked_for_the_tokens_of_each_request_and_told_their_use(account: Account) -> None:
    client = account.protected(pacer=account.pacer)
    account.emulator.fail_next(1)
    usage = converse(client)["usage"]
    first, second = account.pacer.tokens
    assert first == second > 50
    settled = Usage(usage["inputTokens"], usage["outputTokens"])
    assert account.pacer.outcomes == [("throttled", None), ("answered", settled)]


@pytest.mark.parametrize("operation", OPERATIONS[:4])
def test_the_usage_in_body_headers_or_stream_settles_the_pacer(account: Account, operation: Operation) -> None:
    operation(account.protected(pacer=account.pacer))
    ((how, usage),) = account.pacer.outcomes
    assert how == "answered"
    assert usage is not None
    assert usage.output_tokens > 0
    assert account.pacer.tokens[0] >= 50 + usage.input_tokens
    assert account.pacer.open == []


def test_count_tokens_does_not_use_the_quota_of_a_model(account: Account) -> None:
    account.emulator.fail_next(1)
    assert count_tokens(account.protected(pacer=account.pacer))["inputTokens"] > 0
    assert account.pacer.calls == []
    assert account.emulator.requests == 2


def test_the_estimate_of_input_tokens_learns_from_responses(account: Account) -> None:
    client = account.protected(pacer=account.pacer)
    protection = protection_of(client)
    assert protection is not None
    before = protection.estimator.tokens_per_character
    converse(client)
    assert protection.estimator.tokens_per_character != before


def test_events_state_the_operation_the_model_and_the_region(account: Account) -> None:
    events: list[Event] = []
    client = account.protected(listeners=[events.append])
    converse_stream(client)
    assert tuple(map(type, events)) == (CallStarted, StreamOpened, CallSucceeded)
    assert {(event.operation, event.model, event.region) for event in events} == {
        ("ConverseStream", SONNET, "eu-west-3")
    }


def test_a_request_waits_for_the_pacer_before_it_is_signed_and_sent(account: Account) -> None:
    client = account.protected(pacer=RecordingPacer(7.0))
    converse(client)
    assert account.clock.sleeps == [7.0]
    assert account.kinds == [PacingWait, CallSucceeded]


def test_a_quota_is_paced_for_many_threads() -> None:
    clock = FakeClock()
    with BedrockEmulator(quota=Quota(requests_per_minute=50), clock=clock) as emulator:
        account = Account(emulator, new_session(), clock)
        client = account.protected(pacer=QuotaPacer(Quota(requests_per_minute=50)))
        threads = [threading.Thread(target=worker, args=(client, clock.worker())) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        account.close()
    assert emulator.requests - emulator.throttles == 60
    assert emulator.throttles <= 0.02 * emulator.requests
    assert clock.monotonic() > 10


def worker(client: Client, registered: AbstractContextManager[object]) -> None:
    with registered:
        for _ in range(10):
            converse(client)


@pytest.mark.parametrize("headers", [{"Retry-After": "9"}, {"x-amz-retry-after": "9000"}])
def test_the_wait_that_the_server_asks_for_is_kept(account: Account, headers: dict[str, str]) -> None:
    account.emulator.fail_next(1, headers=headers)
    converse(account.protected())
    (slept,) = account.clock.sleeps
    assert 9.0 <= slept < 10.0


def test_no_sleep_ends_after_the_deadline(account: Account) -> None:
    client = account.protected(deadline=Deadline.after(2.5, clock=account.clock))
    account.emulator.fail_next(4)
    with pytest.raises(client.exceptions.ThrottlingException) as caught:
        converse(client)
    assert "deadline" in caught.value.__notes__[0]
    assert account.clock.sleeps == [1.0]


def test_the_timeout_counts_from_the_start_of_each_call(account: Account) -> None:
    client = account.protected(timeout=2.5)
    account.emulator.fail_next(None)
    for _ in range(2):
        with pytest.raises(client.exceptions.ThrottlingException) as caught:
            converse(client)
        assert "deadline" in caught.value.__notes__[0]
    assert account.clock.sleeps == [1.0, 1.0]
    assert account.emulator.requests == 4


def test_the_deadline_of_the_context_applies_too(account: Account) -> None:
    client = account.protected()
    with Deadline.after(0, clock=account.clock).apply(), pytest.raises(DeadlineExceededError) as caught:
        converse(client)
    assert not hasattr(caught.value, "__notes__")
    assert account.emulator.requests == 0
    (failed,) = account.events
    assert isinstance(failed, CallFailed)
    assert (failed.reason, failed.attempts) == (StopReason.DEADLINE, 0)


def test_an_empty_budget_ends_a_call(account: Account) -> None:
    client = account.protected(budget=RetryBudget(share=0.0, reserve=1))
    account.emulator.fail_next(2)
    with pytest.raises(client.exceptions.ThrottlingException) as caught:
        converse(client)
    assert "budget" in caught.value.__notes__[0]
    assert account.emulator.requests == 2


@pytest.mark.parametrize("operation", [converse_stream, invoke_stream])
@pytest.mark.parametrize("fault", ["stream-cut", "stream-corruption", "stream-error", "stream-exception"])
def test_a_stream_that_fails_before_its_first_event_is_retried(
    account: Account, operation: Operation, fault: str
) -> None:
    account.emulator.fail_next(1, fault, after=0)
    events = operation(account.protected(pacer=account.pacer))
    assert len(events) > 5
    assert account.emulator.requests == 2
    assert tuple(account.kinds) == (RetryScheduled, CallSucceeded)
    assert account.pacer.open == []


def test_a_stream_without_events_is_retried(account: Account) -> None:
    account.emulator.fail_next(1, "stream-without-stop", after=0)
    converse_stream(account.protected())
    (retried, _) = account.events
    assert isinstance(retried, RetryScheduled)
    assert isinstance(retried.error, StreamInterruptedError)


def test_a_stream_that_fails_before_its_first_event_raises_where_retries_do_not_help(account: Account) -> None:
    account.emulator.fail_next(4, "stream-exception", after=0)
    client = account.protected()
    with pytest.raises(EventStreamError, match="throttlingException") as caught:
        client.converse_stream(**REQUEST)
    assert "4 attempts" in caught.value.__notes__[0]
    assert account.emulator.requests == 4


@pytest.mark.parametrize("operation", ["converse_stream", "invoke_model_with_response_stream"])
def test_a_stream_that_fails_after_its_first_event_is_not_retried(account: Account, operation: str) -> None:
    account.emulator.fail_next(1, "stream-exception", after=1)
    client = account.protected(pacer=account.pacer)
    request = REQUEST if operation == "converse_stream" else {"modelId": SONNET, "body": BODY}
    response = getattr(client, operation)(**request)
    with closing(response.get("stream") or response["body"]) as stream:
        events = iter(stream)
        assert next(events)
        with pytest.raises(EventStreamError, match="throttlingException") as caught:
            next(events)
    assert caught.value.__notes__ == [
        "bedrock_resilience: gave up after 1 attempt and 0.00 s of waiting: a part of the stream was delivered"
    ]
    assert account.emulator.requests == 1
    (failed,) = account.events
    assert isinstance(failed, CallFailed)
    assert (failed.fault, failed.error) == (Fault.THROTTLING, caught.value)
    assert account.pacer.ended == ["throttled"]


def test_a_reader_that_stops_ends_the_call(account: Account) -> None:
    stream = account.protected(pacer=account.pacer).converse_stream(**REQUEST)["stream"]
    for _ in stream:
        break
    assert account.kinds == [CallSucceeded]
    stream.close()
    assert account.kinds == [CallSucceeded]
    assert account.pacer.outcomes == [("answered", None)]


def test_a_stream_that_is_closed_unread_ends_the_call(account: Account) -> None:
    stream = account.protected(pacer=account.pacer).converse_stream(**REQUEST)["stream"]
    assert account.events == []
    stream.close()
    assert account.kinds == [CallSucceeded]
    assert account.pacer.open == []


def test_a_stream_that_is_interrupted_from_outside_ends_the_call(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = account.protected(pacer=account.pacer).converse_stream(**REQUEST)["stream"]
    events = iter(stream)
    next(events)
    monkeypatch.setattr(stream, "_parse_event", press_ctrl_c)
    with closing(stream), pytest.raises(KeyboardInterrupt):
        next(events)
    assert account.kinds == [CallCancelled]
    assert account.pacer.outcomes == [("answered", None)]


def press_ctrl_c(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("fault", ["truncated-body", "unexpected-body", "connection-reset"])
def test_a_broken_body_of_invoke_model_is_retried(account: Account, fault: str) -> None:
    account.emulator.fail_next(1, fault)
    assert invoke_model(account.protected())["type"] == "message"
    assert account.emulator.requests == 2


def test_the_body_of_invoke_model_can_be_read_in_pieces(account: Account) -> None:
    body = account.protected().invoke_model(modelId=SONNET, body=BODY)["body"]
    assert json.loads(b"".join(body.iter_chunks(7)))["type"] == "message"


@pytest.mark.parametrize("body", [b"[1]", b"\xff\xff", b"null", b"<html>", b"", b"[" * 100_000])
def test_a_body_that_is_no_response_is_retried_and_then_raised(account: Account, body: bytes) -> None:
    account.emulator.fail_next(4, "unexpected-body", body=body, content_type="application/json")
    with pytest.raises(MalformedResponseError, match="the response has no 'output'") as caught:
        converse(account.protected())
    assert account.emulator.requests == 1 + POLICY.retries_of(Fault.MALFORMED_RESPONSE)
    assert len(caught.value.__notes__) == 1


@pytest.mark.parametrize("body", [b"[1]", b"busy"])
def test_the_status_tells_what_an_error_without_a_code_means(account: Account, body: bytes) -> None:
    account.emulator.fail_next(1, "unexpected-body", body=body, status=503)
    converse(account.protected())
    retried = account.events[0]
    assert isinstance(retried, RetryScheduled)
    assert retried.fault is Fault.SERVICE_UNAVAILABLE


def test_a_connection_that_fails_is_retried(account: Account) -> None:
    client = account.protected(account.client(endpoint_url=AWAY), pacer=account.pacer)
    with pytest.raises(Exception, match="Could not connect") as caught:
        converse(client)
    assert "4 attempts" in caught.value.__notes__[0]
    assert account.pacer.ended == ["abandoned"] * 4


def test_a_request_that_is_not_made_reserves_nothing(account: Account) -> None:
    client = account.protected(pacer=account.pacer)
    with pytest.raises(ParamValidationError) as caught:
        client.converse(modelId=SONNET, messages="none")
    assert not hasattr(caught.value, "__notes__")
    assert (account.events, account.pacer.calls) == ([], [])


def test_a_request_that_cannot_be_signed_gives_its_reservation_back(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    account.session = BOTO3.Session(botocore_session=new_botocore_session())
    client = account.protected(pacer=account.pacer)
    with pytest.raises(NoCredentialsError):
        converse(client)
    assert account.pacer.open == []
    (failed,) = account.events
    assert isinstance(failed, CallFailed)
    assert failed.fault is Fault.CREDENTIALS


def test_an_interrupt_in_a_wait_releases_what_was_reserved(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    pacer = RecordingPacer(5.0)
    client = account.protected(pacer=pacer)
    monkeypatch.setattr(account.clock, "sleep", press_ctrl_c)
    with pytest.raises(KeyboardInterrupt) as caught:
        converse(client)
    assert pacer.ended == ["abandoned"]
    assert not hasattr(caught.value, "__notes__")


def test_an_interrupt_in_a_request_releases_what_was_reserved(account: Account) -> None:
    client = account.protected(pacer=account.pacer)
    client.meta.events.register("before-send.bedrock-runtime.Converse", press_ctrl_c)
    with pytest.raises(KeyboardInterrupt):
        converse(client)
    assert account.pacer.outcomes == [("answered", None)]


def test_a_stubbed_response_is_no_request(account: Account) -> None:
    client = account.protected(pacer=account.pacer)
    with importlib.import_module("botocore.stub").Stubber(client) as stub:
        stub.add_client_error("converse", "ThrottlingException")
        with pytest.raises(ClientError):
            converse(client)
        stub.add_response("count_tokens", {"inputTokens": 7})
        assert count_tokens(client)["inputTokens"] == 7
    assert (account.events, account.pacer.calls) == ([], [])


def test_a_request_that_was_under_way_when_the_protection_came_is_not_disturbed(account: Account) -> None:
    client = account.client(config=Config(retries={"total_max_attempts": 1}))

    def protect_now(**_: object) -> None:
        account.protected(client)

    client.meta.events.register("before-call.bedrock-runtime.Converse", protect_now)
    account.emulator.fail_next(1)
    with pytest.raises(ClientError):
        converse(client)
    assert account.events == []
    assert account.emulator.requests == 1


def test_threads_share_a_client(account: Account) -> None:
    client = account.protected(account.client(config=Config(max_pool_connections=8)))
    account.emulator.fail_next(8)
    results: list[Any] = []
    with_clock = [account.clock.worker() for _ in range(8)]

    def call(registered: AbstractContextManager[object]) -> None:
        with registered:
            results.append(converse(client))

    threads = [threading.Thread(target=call, args=(registered,)) for registered in with_clock]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 8
    assert account.emulator.requests == 16
    assert account.kinds.count(CallSucceeded) == 8
