"""A shared pace in a DynamoDB that really speaks over a socket: moto's server on loopback."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import boto3
import pytest
import yaml
from botocore.config import Config

from bedrock_resilience.clock import SYSTEM_CLOCK, wall_clock
from bedrock_resilience.errors import StoreUnavailableError
from bedrock_resilience.pacing import DynamoPaceStore, SharedPacer
from bedrock_resilience.pacing.shared import SharedPace
from bedrock_resilience.quotas import Quota, TokenBucket
from support.approx import approx

if TYPE_CHECKING:
    from collections.abc import Generator

Client: TypeAlias = Any  # boto3 makes its clients at run time

REGION = "eu-west-3"
TEMPLATE = Path(__file__).parents[2] / "infra" / "shared-pace.yaml"
QUOTA = Quota(requests_per_minute=600, burst=10)
_boto3 = cast("Any", boto3)  # its stubs overload `client` for services whose types are not installed


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch, aws_url: str) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", aws_url)


@pytest.fixture
def client(aws_url: str) -> Generator[Client]:
    # Its own retries would hide what a single call does.
    config = Config(retries={"total_max_attempts": 1, "mode": "standard"}, max_pool_connections=16)
    with contextlib.closing(
        _boto3.client("dynamodb", region_name=REGION, endpoint_url=aws_url, config=config)
    ) as client:
        yield client


@pytest.fixture
def name(client: Client) -> str:
    """A new table, as the template describes it."""
    name = f"paces-{uuid.uuid4().hex[:8]}"
    properties = _template()["Resources"]["SharedPace"]["Properties"]
    client.create_table(
        TableName=name,
        AttributeDefinitions=properties["AttributeDefinitions"],
        KeySchema=properties["KeySchema"],
        BillingMode=properties["BillingMode"],
    )
    client.update_time_to_live(TableName=name, TimeToLiveSpecification=properties["TimeToLiveSpecification"])
    return name


class _Loader(yaml.SafeLoader):
    """Reads the template; what a tag such as !Ref would insert does not matter here."""


def _tag(_loader: yaml.SafeLoader, suffix: str, _node: yaml.Node) -> str:
    return suffix


_Loader.add_multi_constructor("!", _tag)  # pyright: ignore[reportUnknownMemberType]


def _template() -> dict[str, Any]:
    return cast("dict[str, Any]", yaml.load(TEMPLATE.read_text("utf-8"), _Loader))  # noqa: S506 - a SafeLoader


def _pace(revision: int, **fields: Any) -> SharedPace:  # noqa: ANN401 - the fields of a pace
    return SharedPace(revision=revision, at=1_000.25, **fields)


class TestCompareAndSwap:
    def test_the_next_caller_reads_what_was_stored(self, client: Client, name: str) -> None:
        store = DynamoPaceStore(name, client=client, ttl=60)
        first = _pace(1, requests_next_free_at=1.8e9 + 1 / 3, granted=7.0, factor=0.1 + 0.2, cut_at=1e-7)
        assert store.compare_and_swap("model", SharedPace(), first, "blue") is None
        assert store.compare_and_swap("model", SharedPace(), _pace(1)) == first
        assert store.compare_and_swap("model", _pace(5), _pace(6)) == first
        assert store.compare_and_swap("model", first, _pace(2)) is None
        item = client.get_item(TableName=name, Key={"pace": {"S": "model"}})["Item"]
        assert item["revision"] == {"N": "2"}
        assert item["expires"] == {"N": "1061"}
        assert store.compare_and_swap("other", SharedPace(), _pace(1)) is None

    def test_a_pace_that_was_deleted_begins_anew(self, client: Client, name: str) -> None:
        store = DynamoPaceStore(name, client=client)
        assert store.compare_and_swap("model", SharedPace(), _pace(1)) is None
        client.delete_item(TableName=name, Key={"pace": {"S": "model"}})
        assert store.compare_and_swap("model", _pace(1), _pace(2)) == SharedPace()

    def test_of_many_that_expect_the_same_only_one_changes_it(self, client: Client, name: str) -> None:
        store = DynamoPaceStore(name, client=client)
        won: list[int] = []

        def work() -> None:
            expected = SharedPace()
            for _ in range(10):
                stored = store.compare_and_swap("model", expected, _pace(expected.revision + 1))
                if stored is None:
                    won.append(expected.revision + 1)
                expected = _pace(expected.revision + 1) if stored is None else stored

        threads = [threading.Thread(target=work) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(won) == list(range(1, len(won) + 1))

    def test_a_table_that_is_not_there_is_unavailable(self, client: Client) -> None:
        with pytest.raises(StoreUnavailableError, match=r"ResourceNotFoundException.+: create the table"):
            DynamoPaceStore("no-such-table", client=client).compare_and_swap("model", SharedPace(), _pace(1))

    def test_a_table_with_another_key_is_unavailable(self, client: Client) -> None:
        name = f"others-{uuid.uuid4().hex[:8]}"
        client.create_table(
            TableName=name,
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
        )
        with pytest.raises(
            StoreUnavailableError, match=r"ValidationException.+: the table needs the partition key 'pace'"
        ):
            DynamoPaceStore(name, client=client).compare_and_swap("model", SharedPace(), _pace(1))

    def test_a_server_that_does_not_listen_is_unavailable(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:9")
        store = DynamoPaceStore("paces", timeout=0.2)
        with pytest.raises(StoreUnavailableError, match="Could not connect"):
            store.compare_and_swap("model", SharedPace(), _pace(1))

    @pytest.mark.parametrize("attributes", [{}, {"at": {"N": "1"}}])
    def test_an_item_of_somebody_else_is_no_pace(self, client: Client, name: str, attributes: dict[str, Any]) -> None:
        client.put_item(TableName=name, Item={"pace": {"S": "model"}, "revision": {"N": "3"}, **attributes})
        with pytest.raises(StoreUnavailableError, match="is not a pace"):
            DynamoPaceStore(name, client=client).compare_and_swap("model", SharedPace(), _pace(1))

    @pytest.mark.parametrize("field", ["timeout", "ttl"])
    def test_seconds_out_of_range_are_named(self, field: str) -> None:
        settings: dict[str, Any] = {field: 0.0}
        with pytest.raises(ValueError, match=rf"DynamoPaceStore: {field}: got 0\.0; accepted"):
            DynamoPaceStore("paces", client=object(), **settings)

    def test_without_boto3_the_extra_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "boto3.session", None)
        with pytest.raises(ModuleNotFoundError, match=r"pip install 'bedrock-resilience\[aws\]'"):
            DynamoPaceStore("paces")


def send(pacer: SharedPacer, count: int) -> list[float]:
    """Send so many requests, one after the other, and say when by the machine's clock."""
    sent: list[float] = []
    for _ in range(count):
        now = SYSTEM_CLOCK.monotonic()
        reservation = pacer.reserve(now)
        wait = reservation.wait
        while wait > 0:
            SYSTEM_CLOCK.sleep(wait)
            now = SYSTEM_CLOCK.monotonic()
            wait = pacer.due(reservation, now)
        sent.append(wall_clock())
        pacer.answered(reservation, now)
    return sent


def assert_admitted(sent: list[float], quota: Quota) -> None:
    assert quota.requests_per_minute is not None
    bucket = TokenBucket(quota.requests_per_minute / 60, quota.request_burst)
    assert all(bucket.take(at) for at in sorted(sent))


def test_threads_of_several_instances_keep_to_one_quota(client: Client, name: str) -> None:
    pacers = [SharedPacer(DynamoPaceStore(name, client=client), "model", QUOTA, instance=str(n)) for n in range(3)]
    sent: list[float] = []

    def work(pacer: SharedPacer) -> None:
        sent.extend(send(pacer, 4))

    threads = [threading.Thread(target=work, args=(pacer,)) for pacer in pacers for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(sent) == 36
    assert_admitted(sent, QUOTA)
    item = client.get_item(TableName=name, Key={"pace": {"S": "model"}})["Item"]
    assert float(item["granted"]["N"]) >= 36


def test_processes_keep_to_one_quota_even_if_one_of_them_is_killed(name: str) -> None:
    processes = [_process(name, 12) for _ in range(2)]
    killed = _process(name, 1_000)
    sent: list[float] = []
    for process in processes:
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 0
        sent += [float(line) for line in output.split()]
    killed.kill()
    output, _ = killed.communicate(timeout=60)
    assert len(sent) == 24
    assert_admitted(sent + [float(line) for line in output.split()], QUOTA)


_SCRIPT = """
import sys
from bedrock_resilience.pacing import DynamoPaceStore, SharedPacer
from test_shared_pacer import QUOTA, send
pacer = SharedPacer(DynamoPaceStore(sys.argv[1], timeout=5.0), "model", QUOTA)
for _ in range(int(sys.argv[2])):
    print(*send(pacer, 1), flush=True)
"""


def _process(name: str, count: int) -> subprocess.Popen[str]:
    folder = Path(__file__).parent
    return subprocess.Popen(
        [sys.executable, "-c", _SCRIPT, name, str(count)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(folder.parent)])},
    )


def test_it_continues_without_the_table_and_shares_again_with_it(client: Client) -> None:
    name = f"paces-{uuid.uuid4().hex[:8]}"
    pacer = SharedPacer(DynamoPaceStore(name, client=client), "model", QUOTA, retry_after=0.05)
    assert len(send(pacer, 2)) == 2
    assert pacer.shared_requests_per_minute == approx(600)
    client.create_table(
        TableName=name,
        AttributeDefinitions=[{"AttributeName": "pace", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pace", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    SYSTEM_CLOCK.sleep(0.06)
    send(pacer, 2)
    item = client.get_item(TableName=name, Key={"pace": {"S": "model"}})["Item"]
    assert float(item["granted"]["N"]) == 2
