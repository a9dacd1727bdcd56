"""Clients, pacers and deadlines of both functions, from the settings and Lambda's context."""

from __future__ import annotations

import datetime as dt
import gc
import subprocess
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, ClassVar

import pytest
from botocore.retries.standard import ExponentialBackoff, RetryContext, ThrottlingErrorDetector

from bedrock_resilience.clock import SYSTEM_CLOCK
from bedrock_resilience.pacing import AdaptivePacer, QuotaPacer
from bedrock_resilience.quotas import Quota
from vectora_normalize.aws_clients import (
    TimeoutClientPool,
    bedrock_control_client,
    max_store_seconds,
    store_attempts,
)
from vectora_normalize.pipeline.dependencies import Invocation, aws_dependencies, make_pacer, runtime_endpoints
from vectora_normalize.settings import Mode, Pacing, Settings
from vectora_normalize.storage.expiry import claim_seconds
from vectora_normalize.storage.objects import S3Store

if TYPE_CHECKING:
    from collections.abc import Iterator


def settings(**fields: object) -> Settings:
    return Settings(**{"config_bucket": "c", "data_bucket": "d", **fields})  # type: ignore[arg-type]  # the fields


def test_pacing_can_be_turned_off() -> None:
    assert make_pacer(settings(pacing=Pacing.NONE)) is None
    assert make_pacer(settings(quota=Quota(requests_per_minute=50), pacing=Pacing.NONE)) is None


def test_a_known_quota_is_paced() -> None:
    pacer = make_pacer(settings(quota=Quota(requests_per_minute=60, burst=1), pacing=Pacing.QUOTA))
    assert isinstance(pacer, QuotaPacer)
    assert pacer.reserve(0.0).wait == 0
    assert pacer.reserve(0.0).wait == pytest.approx(1.0, rel=0.2)


def test_an_unknown_quota_is_measured() -> None:
    assert isinstance(make_pacer(settings(pacing=Pacing.ADAPTIVE)), AdaptivePacer)


class Client:
    """A client that knows how long it waits."""

    def __init__(self, read_timeout: float) -> None:
        self.read_timeout = read_timeout
        self.closed = False

    def close(self) -> None:
        self.closed = True


class TestTimeoutClientPool:
    def test_a_call_has_the_longest_timeout_that_fits(self) -> None:
        clients = TimeoutClientPool(Client, 120.0)
        waits = {
            seconds: clients.for_timeout(seconds).read_timeout
            for seconds in (300, 125, 124.9, 65, 64, 35, 34, 20, 5, 0)
        }
        assert waits == {
            300: 120,
            125: 120,
            124.9: 60,
            65: 60,
            64: 30,
            35: 30,
            34: 15,
            20: 15,
            5: 15,
            0: 15,
        }

    @pytest.mark.parametrize("seconds", [20.0, 20.5, 29.0, 64.9, 125.0, 900.0])
    @pytest.mark.parametrize("longest", [1.0, 14.0, 15.0, 16.0, 31.0, 100.0, 900.0])
    def test_an_attempt_that_may_begin_ends_in_time(self, seconds: float, longest: float) -> None:
        # An attempt is begun with at least ATTEMPT_SECONDS left; connecting takes 5 s at the most.
        assert TimeoutClientPool(Client, longest).for_timeout(seconds).read_timeout + 5.0 <= seconds

    def test_a_client_is_made_on_first_use_and_reused(self) -> None:
        made: list[float] = []

        def make(read_timeout: float) -> Client:
            made.append(read_timeout)
            return Client(read_timeout)

        clients = TimeoutClientPool(make, 120.0)
        assert made == [120]
        assert clients.for_timeout(300) is clients.default
        assert clients.for_timeout(40) is clients.for_timeout(50)
        assert made == [120, 30]

    def test_all_of_them_are_closed(self) -> None:
        clients = TimeoutClientPool(Client, 120.0)
        both = [clients.default, clients.for_timeout(20)]
        clients.close()
        assert [client.closed for client in both] == [True, True]


class Context:
    """Lambda's context, as far as it is read."""

    def get_remaining_time_in_millis(self) -> int:
        return 300_000


NOW = dt.datetime(2026, 11, 21, 6, 30, tzinfo=dt.UTC)


def test_a_run_stops_in_time_to_store_what_it_has() -> None:
    invocation = Invocation.from_lambda_context(Context(), now=NOW, request_id="r")
    deadline = invocation.deadline
    assert deadline is not None
    now = SYSTEM_CLOCK.monotonic()
    assert 289 < deadline.remaining(now) <= 290
    assert deadline.attempt == 20
    assert invocation.killed_at == NOW + dt.timedelta(seconds=300)


@pytest.mark.parametrize("context", [None, object()])
def test_outside_of_lambda_there_is_no_limit(context: object) -> None:
    invocation = Invocation.from_lambda_context(context, now=NOW, request_id="r")
    assert (invocation.deadline, invocation.killed_at) == (None, None)


@pytest.mark.parametrize("function", ["handler", "worker"])
def test_a_function_that_is_loaded_has_loaded_botocore_alone(function: str) -> None:
    names = ("botocore.session", "boto3")
    code = f"import sys, vectora_normalize.{function}; print(*(name in sys.modules for name in {names}))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["True", "False"]


class Always(ThrottlingErrorDetector):
    """Takes every failure for a throttle, whose backoff is the longest."""

    def __init__(self) -> None:
        pass

    def is_throttling_error_from_context(self, context: RetryContext) -> bool:
        return True


class Later:
    """A response that says to come back as late as possible."""

    headers: ClassVar = {"x-amz-retry-after": "900000"}


@pytest.mark.parametrize(
    ("within", "attempts"), [(0.0, 1), (15.9, 1), (16.0, 2), (28.0, 3), (41.9, 3), (42.0, 4), (999.0, 4)]
)
def test_as_many_attempts_as_fit_into_a_time(within: float, attempts: int) -> None:
    assert store_attempts(within) == attempts


class TestParts:
    @pytest.fixture(autouse=True)
    def _forget(self) -> Iterator[None]:
        aws_dependencies.cache_clear()
        yield
        aws_dependencies.cache_clear()

    def test_the_client_of_bedrock_has_no_retries_and_a_pool_for_all_workers(self) -> None:
        dependencies = aws_dependencies(settings(max_workers=32, read_timeout=77.0, region="eu-central-1"))
        config = dependencies.bedrock.meta.config
        assert (config.retries["total_max_attempts"], config.max_pool_connections) == (1, 32)
        assert (config.read_timeout, dependencies.bedrock.meta.region_name) == (77.0, "eu-central-1")
        assert dependencies.bedrock_for_timeout is not None
        hasty = dependencies.bedrock_for_timeout(25.0).meta.config
        assert (hasty.read_timeout, hasty.retries["total_max_attempts"]) == (19.25, 1)

    @pytest.mark.parametrize("read_timeout", [1.0, 4.75, 15.0, 26.0, 120.0, 900.0])
    def test_an_operation_of_s3_with_its_retries_is_shorter_than_a_claim(self, read_timeout: float) -> None:
        store = aws_dependencies(settings(read_timeout=read_timeout)).data
        assert isinstance(store, S3Store)
        config = store._client.meta.config  # pyright: ignore[reportPrivateUsage]
        attempts = config.retries["total_max_attempts"]
        backoff = ExponentialBackoff(service_name="s3", throttling_detector=Always(), random=lambda: 1.0)
        slept = sum(backoff.delay_amount(RetryContext(n + 1, http_response=Later)) for n in range(attempts - 1))
        seconds = attempts * (config.connect_timeout + config.read_timeout) + slept
        assert seconds <= max_store_seconds(attempts) <= claim_seconds(read_timeout, S3Store.clock_skew)
        assert attempts == 4 or max_store_seconds(attempts + 1) > claim_seconds(read_timeout, S3Store.clock_skew)

    @pytest.mark.parametrize("collects", [True, False])
    def test_garbage_collection_is_restored(self, *, collects: bool) -> None:
        before = gc.isenabled()
        try:
            (gc.enable if collects else gc.disable)()
            aws_dependencies(settings())
            assert gc.isenabled() is collects
        finally:
            (gc.enable if before else gc.disable)()

    def test_queues_are_made_where_the_settings_name_them(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_REGION", "eu-west-3")
        assert aws_dependencies(settings()).queue is None
        assert aws_dependencies(settings()).dead_letters is None
        url = "https://sqs.eu-west-3.amazonaws.com/1/q"
        assert aws_dependencies(settings(mode=Mode.DIRECT, queue_url=url)).queue is None
        assert aws_dependencies(settings(mode=Mode.QUEUE, queue_url=url)).queue is not None
        assert aws_dependencies(settings(dead_letter_queue_url=url)).dead_letters is not None

    def test_the_control_plane_is_in_the_region_of_the_runtime(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_REGION", "eu-west-3")
        client = bedrock_control_client(settings(region="eu-central-1"))
        assert client.meta.region_name == "eu-central-1"
        assert client.meta.service_model.service_name == "bedrock"


@pytest.mark.parametrize(
    ("environ", "endpoints"),
    [
        ({}, ()),
        ({"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001"}, ("127.0.0.1:9001",)),
        ({"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://localhost:9001/2021/credentials"}, ("localhost:9001",)),
    ],
)
def test_the_endpoints_of_the_runtime_are_no_sources(environ: dict[str, str], endpoints: tuple[str, ...]) -> None:
    assert runtime_endpoints(environ) == endpoints


@pytest.mark.parametrize(("memory", "megabytes"), [("512", 512), (1024, 1024), (None, None), ("much", None)])
def test_the_memory_of_the_function_is_read_from_its_context(memory: object, megabytes: int | None) -> None:
    context = SimpleNamespace(get_remaining_time_in_millis=lambda: 1000, memory_limit_in_mb=memory)
    now = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)
    assert Invocation.from_lambda_context(context, now=now, request_id="r").memory_megabytes == megabytes
