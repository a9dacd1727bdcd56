"""The client factory and the check of clients made elsewhere. Nothing is sent here."""

from __future__ import annotations

import math
import subprocess
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import boto3.session
import botocore.session
import pytest
from botocore.config import Config

from bedrock_resilience import AdaptivePacer, Deadline, Fault, RetryBudget, RetryPolicy, classify, protect
from bedrock_resilience.bedrock import bedrock_runtime_client, check_client
from bedrock_resilience.bedrock._client import sdk_attempts
from bedrock_resilience.errors import ClientConfigurationError
from bedrock_resilience.integrations import protection_of
from bedrock_resilience.testing import FakeClock, ScriptedBedrock

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

POLICY = RetryPolicy(max_retries=3)


def boto3_client(**config: Any) -> Any:  # noqa: ANN401 - the options of Config, and a client
    return cast("Any", boto3.session.Session()).client("bedrock-runtime", config=Config(**config))


def fake_client(**config: object) -> object:
    return SimpleNamespace(meta=SimpleNamespace(config=SimpleNamespace(**config)))


def attempts_of(client: object) -> int:
    return sdk_attempts(getattr(getattr(client, "meta", None), "config", None))


def retries(client: Any) -> object:  # noqa: ANN401 - a client
    return client.meta.config.retries


@pytest.fixture
def profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A profile that wants nine attempts of another mode."""
    config = tmp_path / "config"
    config.write_text("[profile eager]\nretry_mode = adaptive\nmax_attempts = 9\nregion = eu-west-1\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_PROFILE", "eager")


class TestFactory:
    def test_a_client_for_bedrock_runtime_with_one_attempt(self) -> None:
        client = bedrock_runtime_client("eu-central-1")
        assert client.meta.service_model.service_name == "bedrock-runtime"
        assert client.meta.region_name == "eu-central-1"
        assert attempts_of(client) == 1
        config = client.meta.config
        assert (config.read_timeout, config.connect_timeout) == (120.0, 5.0)
        assert config.tcp_keepalive is True

    def test_the_region_is_found_as_boto3_finds_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-north-1")
        assert bedrock_runtime_client().meta.region_name == "eu-north-1"

    def test_a_missing_region_is_a_configuration_fault(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("AWS_DEFAULT_REGION")
        with pytest.raises(Exception, match="You must specify a region") as raised:
            bedrock_runtime_client()
        assert classify(raised.value) is Fault.CONFIGURATION

    @pytest.mark.parametrize("mode", ["legacy", "standard", "adaptive"])
    @pytest.mark.usefixtures("profile")
    def test_there_is_one_attempt_whatever_environment_and_profile_say(
        self, mode: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AWS_RETRY_MODE", mode)
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "6")
        client = bedrock_runtime_client()
        assert retries(client) == {"mode": "standard", "total_max_attempts": 1}
        check_client(client, policy=POLICY)
        assert client.meta.region_name == "eu-west-3"  # the variable goes before the profile, as boto3 has it

    @pytest.mark.parametrize(("workers", "pool"), [(1, 10), (10, 10), (40, 40)])
    def test_the_pool_holds_a_connection_for_each_worker(self, workers: int, pool: int) -> None:
        assert bedrock_runtime_client(workers=workers).meta.config.max_pool_connections == pool

    def test_further_options_reach_client_and_config(self) -> None:
        client = bedrock_runtime_client(
            read_timeout=5,
            connect_timeout=1,
            max_pool_connections=4,
            tcp_keepalive=False,
            endpoint_url="http://127.0.0.1:1",
            user_agent_extra="ingest",
        )
        config = client.meta.config
        assert client.meta.endpoint_url == "http://127.0.0.1:1"
        assert (config.read_timeout, config.connect_timeout, config.max_pool_connections) == (5, 1, 4)
        assert config.tcp_keepalive is False
        assert "ingest" in config.user_agent_extra

    @pytest.mark.parametrize("make_session", [boto3.session.Session, botocore.session.get_session])
    def test_a_given_session_is_used(self, make_session: Callable[[], Any], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-south-1")
        client = bedrock_runtime_client(session=make_session())
        assert client.meta.region_name == "eu-south-1"
        assert attempts_of(client) == 1

    def test_a_session_of_asyncio_is_refused(self) -> None:
        session = type("AioSession", (), {"__module__": "aiobotocore.session"})()
        with pytest.raises(TypeError) as refused:
            bedrock_runtime_client(session=session)
        assert str(refused.value) == (
            f"bedrock_runtime_client: session: got {session!r}; accepted: a session of boto3 or botocore, or None; "
            "protect(session) is for one of aiobotocore or aioboto3"
        )

    def test_a_policy_or_another_part_protects_the_client(self) -> None:
        pacer, budget, deadline = AdaptivePacer(), RetryBudget(), Deadline(5.0)
        client = bedrock_runtime_client(policy=RetryPolicy(7), pacer=pacer, budget=budget, deadline=deadline)
        protection = protection_of(client)
        assert protection is not None
        assert protection.policy == RetryPolicy(7)
        assert (protection.pacer, protection.budget, protection.deadline) == (pacer, budget, deadline)
        listening = protection_of(bedrock_runtime_client(listeners=[print]))
        assert listening is not None
        assert (listening.policy, listening.listeners) == (RetryPolicy(), (print,))
        assert protection_of(bedrock_runtime_client()) is None

    def test_a_wrong_part_of_the_protection_is_refused_in_its_name(self) -> None:
        pacer: Any = "quota"
        with pytest.raises(ValueError, match=r"^bedrock_runtime_client: pacer: got 'quota'; accepted: a pacer"):
            bedrock_runtime_client(pacer=pacer)

    @pytest.mark.parametrize(
        ("workers", "error"),
        [(0, ValueError), (-1, ValueError), (1.5, TypeError), (True, TypeError), (None, TypeError), ("4", TypeError)],
    )
    def test_workers_are_a_whole_number(self, workers: Any, error: type[Exception]) -> None:  # noqa: ANN401 - wrong values of every kind
        with pytest.raises(error, match=r"^bedrock_runtime_client: workers: got .*; accepted: a whole number >= 1$"):
            bedrock_runtime_client(workers=workers)

    @pytest.mark.parametrize("name", ["read_timeout", "connect_timeout"])
    @pytest.mark.parametrize(
        ("seconds", "error"),
        [
            (0, ValueError),
            (-1, ValueError),
            (float("inf"), ValueError),
            (float("nan"), ValueError),
            (None, TypeError),
            (True, TypeError),
            ("60", TypeError),
        ],
    )
    def test_timeouts_are_positive_and_finite(self, name: str, seconds: Any, error: type[Exception]) -> None:  # noqa: ANN401 - as above
        with pytest.raises(error, match=rf"{name}: got .*; accepted: a finite number of seconds > 0$"):
            bedrock_runtime_client(**{name: seconds})

    def test_all_wrong_arguments_are_listed_at_once(self) -> None:
        with pytest.raises(ValueError, match=r"workers: got 0; .*; read_timeout: got 0; .*; connect_timeout: got -1; "):
            bedrock_runtime_client(workers=0, read_timeout=0, connect_timeout=-1)

    @pytest.mark.parametrize(
        ("option", "message"),
        [
            (
                {"retries": {"max_attempts": 5}},
                "retries: got {'max_attempts': 5}; accepted: nothing, the retry policy is the one retry layer",
            ),
            ({"config": Config()}, "config: got a Config; accepted: its options, each as an argument of its own"),
            (
                {"max_pool_connections": 3},
                "max_pool_connections: got 3; accepted: a whole number >= 4, one for each worker",
            ),
            (
                {"max_pool_connections": None},
                "max_pool_connections: got None; accepted: a whole number >= 4, one for each worker",
            ),
            (
                {"max_pool_connections": "9"},
                "max_pool_connections: got '9'; accepted: a whole number >= 4, one for each worker",
            ),
        ],
    )
    def test_options_that_conflict_with_the_policy_are_refused(self, option: dict[str, Any], message: str) -> None:
        with pytest.raises(ClientConfigurationError) as raised:
            bedrock_runtime_client(**option)
        assert str(raised.value) == f"bedrock_runtime_client: {message}"
        assert classify(raised.value) is Fault.CONFIGURATION

    def test_without_boto3_the_error_names_the_extra(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "boto3.session", None)
        with pytest.raises(ModuleNotFoundError, match=r"pip install 'bedrock-resilience\[aws\]'") as raised:
            bedrock_runtime_client()
        assert raised.value.name == "boto3.session"


class TestAttempts:
    """The attempts of a client, read off what boto3 itself makes of environment, profile and Config."""

    @pytest.mark.parametrize(
        ("config", "attempts"),
        [
            ({"total_max_attempts": 1}, 1),
            ({"total_max_attempts": 4}, 4),
            ({"max_attempts": 0}, 1),  # this one counts retries
            ({"max_attempts": 4}, 5),
            ({"mode": "legacy"}, 5),
            ({"mode": "standard"}, 3),
            ({"mode": "adaptive"}, 3),
            ({"mode": "standard", "max_attempts": 1}, 2),
        ],
    )
    def test_from_a_config(self, config: dict[str, Any], attempts: int) -> None:
        assert attempts_of(boto3_client(retries=config)) == attempts

    def test_of_a_default_client(self) -> None:
        # legacy until botocore 1.43, standard since 1.44
        assert attempts_of(boto3_client()) == {"legacy": 5, "standard": 3}[boto3_client().meta.config.retries["mode"]]

    def test_from_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "6")
        assert attempts_of(boto3_client()) == 6

    @pytest.mark.usefixtures("profile")
    def test_from_a_profile(self) -> None:
        assert attempts_of(boto3_client()) == 9

    @pytest.mark.parametrize(
        ("client", "attempts"),
        [
            (ScriptedBedrock(), 1),
            (object(), 1),
            (fake_client(), 1),
            (fake_client(retries=None), 1),
            (fake_client(retries={}), 5),
            (fake_client(retries={"max_attempts": 2}), 3),  # a Config that botocore has not read yet
            (fake_client(retries={"mode": "unheard of"}), 1),
        ],
    )
    def test_of_other_clients(self, client: object, attempts: int) -> None:
        assert attempts_of(client) == attempts


class TestCheck:
    def test_a_client_of_the_factory_passes(self) -> None:
        clock = FakeClock()
        deadline = Deadline.after(290, clock=clock)
        policy = RetryPolicy(retry_on="transient")
        check_client(bedrock_runtime_client(workers=12), policy=policy, workers=12, deadline=deadline, clock=clock)

    @pytest.mark.parametrize("client", [ScriptedBedrock(), object(), SimpleNamespace(meta=None), fake_client()])
    def test_a_client_without_a_configuration_passes(self, client: object) -> None:
        check_client(client, policy=POLICY, workers=100, deadline=Deadline(0.0))

    def test_two_layers_are_refused_with_their_product(self) -> None:
        with pytest.raises(ClientConfigurationError) as raised:
            check_client(boto3_client(retries={"total_max_attempts": 5}), policy=POLICY)
        assert str(raised.value) == (
            "two retry layers: botocore would send each request up to 5 times, times 4 attempts of the policy makes "
            "20; make the client with bedrock_runtime_client(), or with "
            "Config(retries={'total_max_attempts': 1, 'mode': 'standard'})"
        )

    def test_a_protected_client_is_refused_unless_the_policy_sends_once(self) -> None:
        client = protect(boto3_client(), policy=RetryPolicy(2))
        with pytest.raises(ClientConfigurationError) as raised:
            check_client(client, policy=POLICY)
        assert str(raised.value) == (
            "two retry layers: the protection of the client would send each request up to 3 times, times 4 attempts of "
            "the policy makes 12; retry in one place: send once here, with Retrier(RetryPolicy(max_retries=0)), or "
            "unprotect(client)"
        )
        check_client(client, policy=RetryPolicy(0))

    def test_the_read_timeouts_of_a_protected_client_add_up_by_its_policy(self) -> None:
        client = protect(boto3_client(read_timeout=60), policy=RetryPolicy(5, retry_on="transient"))
        deadline, clock = Deadline(119.0), FakeClock()
        with pytest.raises(ClientConfigurationError, match=r"^2 x 60 s of read timeout make 120 s"):
            check_client(client, policy=RetryPolicy(0), deadline=deadline, clock=clock)

    def test_the_remedy_for_a_client_of_aiobotocore_is_its_own_configuration(self) -> None:
        config = type("AioConfig", (), {"__module__": "aiobotocore.config", "retries": {"mode": "standard"}})()
        with pytest.raises(ClientConfigurationError) as raised:
            check_client(SimpleNamespace(meta=SimpleNamespace(config=config)), policy=POLICY)
        assert str(raised.value) == (
            "two retry layers: aiobotocore would send each request up to 3 times, times 4 attempts of the policy makes "
            "12; make the client with AioConfig(retries={'total_max_attempts': 1, 'mode': 'standard'})"
        )

    def test_a_refused_read_timeout_does_not_look_like_an_accepted_one(self) -> None:
        client = fake_client(retries={"total_max_attempts": 1}, read_timeout=3)
        with pytest.raises(ClientConfigurationError) as raised:
            check_client(client, policy=POLICY, deadline=Deadline(2.9999), clock=FakeClock())
        assert str(raised.value) == (
            "1 x 3 s of read timeout make 3 s, and the deadline leaves 2.9 s; accepted: a read timeout up to 2.9 s"
        )

    def test_a_default_client_is_refused(self) -> None:
        with pytest.raises(ClientConfigurationError, match="two retry layers"):
            check_client(boto3_client(), policy=POLICY)

    def test_a_pool_smaller_than_the_workers_is_refused(self) -> None:
        client = fake_client(retries={"total_max_attempts": 1}, max_pool_connections=2)
        check_client(client, policy=POLICY, workers=2)
        with pytest.raises(ClientConfigurationError) as raised:
            check_client(client, policy=POLICY, workers=3)
        assert str(raised.value) == "a pool of 2 connections for 3 workers; accepted: at least as many"

    @pytest.mark.parametrize(
        ("attempts", "retry_on", "seconds", "problem"),
        [
            (1, "throttling", 60.0, None),
            (1, "throttling", 59.0, "1 x 60 s of read timeout make 60 s, and the deadline leaves 59.0 s; "),
            (1, "transient", 120.0, None),
            (1, "transient", 100.0, "2 x 60 s of read timeout make 120 s, and the deadline leaves 100.0 s; "),
            (3, "throttling", 170.0, "3 x 60 s of read timeout make 180 s, and the deadline leaves 170.0 s; "),
            (3, "transient", 359.0, "6 x 60 s of read timeout make 360 s, and the deadline leaves 359.0 s; "),
        ],
    )
    def test_read_timeouts_that_add_up_beyond_the_deadline_are_refused(
        self, attempts: int, retry_on: str, seconds: float, problem: str | None
    ) -> None:
        clock = FakeClock(1_000.0)
        client = boto3_client(retries={"total_max_attempts": attempts}, read_timeout=60)
        policy = RetryPolicy(retry_on=retry_on)
        deadline = Deadline.after(seconds, clock=clock)

        def check() -> None:
            check_client(client, policy=policy, deadline=deadline, clock=clock, allow={"retries"})

        if problem is None:
            check()
        else:
            with pytest.raises(ClientConfigurationError) as raised:
                check()
            accepted = seconds / (attempts * (1 + policy.retries_of(Fault.READ_TIMEOUT)))
            rounded_down = math.floor(10 * accepted) / 10  # 56.7 s, three times, do not fit into 170 s
            assert str(raised.value) == f"{problem}accepted: a read timeout up to {rounded_down:.1f} s"

    def test_no_read_timeout_at_all_is_refused_under_a_deadline(self) -> None:
        client = fake_client(read_timeout=None)
        check_client(client, policy=POLICY)
        with pytest.raises(ClientConfigurationError, match=r"no read timeout at all, and the deadline leaves 5\.0 s"):
            check_client(client, policy=POLICY, deadline=Deadline(5.0), clock=FakeClock())

    def test_all_problems_are_listed_at_once(self) -> None:
        client = boto3_client(retries={"total_max_attempts": 2}, max_pool_connections=1, read_timeout=60)
        with pytest.raises(ClientConfigurationError) as raised:
            check_client(client, policy=POLICY, workers=4, deadline=Deadline(5.0), clock=FakeClock())
        assert [part.partition(" ")[0] for part in str(raised.value).split("; and ")] == ["two", "a", "2"]

    @pytest.mark.parametrize("check", ["retries", "pool", "timeouts"])
    def test_each_check_can_be_skipped(self, check: str) -> None:
        client = boto3_client(retries={"total_max_attempts": 2}, max_pool_connections=1, read_timeout=60)
        everything = {"retries", "pool", "timeouts"}
        deadline, clock = Deadline(5.0), FakeClock()
        check_client(client, policy=POLICY, workers=4, deadline=deadline, clock=clock, allow=everything)
        with pytest.raises(ClientConfigurationError) as raised:
            check_client(client, policy=POLICY, workers=4, deadline=deadline, clock=clock, allow=everything - {check})
        assert "; and " not in str(raised.value)

    def test_an_unknown_check_is_refused(self) -> None:
        with pytest.raises(
            ValueError, match=r"^check_client: allow: got \['retrys'\]; accepted: 'retries', 'pool', 'timeouts'$"
        ):
            check_client(object(), policy=POLICY, allow=["retrys"])
        with pytest.raises(TypeError, match=r"allow: got 5; accepted: a collection of 'retries', 'pool', 'timeouts'$"):
            check_client(object(), policy=POLICY, allow=5)  # type: ignore[arg-type]  # that is the point
        with pytest.raises(ValueError, match="allow: got \\['retrys'\\]; accepted: 'retries', 'pool', 'timeouts'"):
            check_client(object(), policy=POLICY, allow="retrys")
        check_client(object(), policy=POLICY, allow="retries")


def test_the_package_is_imported_without_boto3() -> None:
    code = (
        "import sys; sys.modules.update(dict.fromkeys(['boto3', 'botocore', 'urllib3']));"
        "import bedrock_resilience.bedrock; from bedrock_resilience import BedrockRuntime"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
