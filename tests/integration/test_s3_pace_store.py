"""A shared pace in an S3 that really speaks over a socket: moto's server on loopback."""

from __future__ import annotations

import contextlib
import json
import threading
import uuid
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from bedrock_resilience.clock import SYSTEM_CLOCK
from bedrock_resilience.errors import StoreUnavailableError
from bedrock_resilience.pacing import S3PaceStore, SharedPacer
from bedrock_resilience.pacing.shared import InstanceShare, SharedPace
from bedrock_resilience.quotas import Quota
from support.s3 import REGION, make_bucket, s3_client

if TYPE_CHECKING:
    from collections.abc import Generator

Client: TypeAlias = Any  # boto3 makes its clients at run time

MODEL = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch, aws_url: str) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", aws_url)


@pytest.fixture
def client(aws_url: str) -> Generator[Client]:
    with s3_client(aws_url) as client:
        yield client


@pytest.fixture
def bucket(client: Client) -> str:
    return make_bucket(client, f"paces-{uuid.uuid4().hex[:8]}")


@pytest.fixture
def store(client: Client, bucket: str) -> S3PaceStore:
    return S3PaceStore(bucket, "state/pace/", client=client)


def pace(revision: int, **fields: Any) -> SharedPace:  # noqa: ANN401 - each field has its own type
    return SharedPace(revision=revision, at=1_000.25, **fields)


FULL = pace(
    1,
    requests_next_free_at=1.8e9 + 1 / 3,
    granted=7.0,
    factor=0.1 + 0.2,
    instances={"blue": InstanceShare(sequence=3, at=999.5, used=1 / 3, waits_until=1_002.0)},
    learned={"rate": 0.8333333333333333, "times": [1.5, 2.25]},
)


class TestCompareAndSwap:
    def test_another_process_reads_exactly_what_was_stored(
        self, store: S3PaceStore, client: Client, bucket: str
    ) -> None:
        other = S3PaceStore(bucket, "state/pace/", client=client)
        assert store.compare_and_swap(MODEL, SharedPace(), FULL, "blue") is None
        assert other.compare_and_swap(MODEL, SharedPace(), pace(1)) == FULL
        assert other.compare_and_swap(MODEL, pace(5), pace(6)) == FULL
        assert store.compare_and_swap(MODEL, FULL, pace(2)) is None
        assert other.compare_and_swap(MODEL, FULL, pace(2, granted=9.0)) == pace(2)
        assert store.compare_and_swap("other", SharedPace(), pace(1)) is None

    def test_a_process_that_has_not_read_the_object_compares_it_first(
        self, store: S3PaceStore, client: Client, bucket: str
    ) -> None:
        store.compare_and_swap(MODEL, SharedPace(), FULL)
        other = S3PaceStore(bucket, "state/pace/", client=client)
        assert other.compare_and_swap(MODEL, FULL, pace(2)) is None

    def test_the_object_lies_under_the_prefix_and_names_the_writer(
        self, store: S3PaceStore, client: Client, bucket: str
    ) -> None:
        store.compare_and_swap(f"eu-west-3/{MODEL} ?", SharedPace(), FULL, "blue")
        (entry,) = client.list_objects_v2(Bucket=bucket)["Contents"]
        assert entry["Key"] == f"state/pace/eu-west-3/{MODEL}%20%3F.json"
        stored = json.loads(client.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read())
        assert (stored["instance"], stored["revision"]) == ("blue", 1)

    def test_an_object_that_was_deleted_begins_anew(self, store: S3PaceStore, client: Client, bucket: str) -> None:
        store.compare_and_swap(MODEL, SharedPace(), FULL)
        client.delete_object(Bucket=bucket, Key=store.object_key(MODEL))
        assert store.compare_and_swap(MODEL, FULL, pace(2)) == SharedPace()
        assert store.compare_and_swap(MODEL, SharedPace(), pace(1)) is None

    def test_of_many_that_expect_the_same_only_one_changes_it(
        self, store: S3PaceStore, client: Client, bucket: str
    ) -> None:
        stores = [store, *(S3PaceStore(bucket, "state/pace/", client=client) for _ in range(3))]
        won: list[int] = []

        def work(store: S3PaceStore) -> None:
            expected = SharedPace()
            for _ in range(8):
                new = pace(expected.revision + 1)
                stored = store.compare_and_swap(MODEL, expected, new)
                if stored is None:
                    won.append(new.revision)
                expected = new if stored is None else stored

        threads = [threading.Thread(target=work, args=(each,)) for each in stores]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(won) == list(range(1, len(won) + 1))

    def test_an_object_of_somebody_else_is_no_pace(self, store: S3PaceStore, client: Client, bucket: str) -> None:
        for body in (b"[]", b"{", b'{"revision": 1}', b"\xff"):
            client.put_object(Bucket=bucket, Key=store.object_key(MODEL), Body=body)
            with pytest.raises(StoreUnavailableError, match=rf"^s3://{bucket}/state/pace/.+is not a pace"):
                store.compare_and_swap(MODEL, SharedPace(), pace(1))


class TestUnavailable:
    def test_a_bucket_that_does_not_exist(self, client: Client) -> None:
        with pytest.raises(
            StoreUnavailableError, match=r"^s3://no-such-bucket/pace/model\.json: .+NoSuchBucket.+: create the bucket"
        ):
            S3PaceStore("no-such-bucket", client=client).compare_and_swap("model", SharedPace(), pace(1))

    def test_a_server_that_does_not_listen(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
        store = S3PaceStore("paces", timeout=0.2)
        with pytest.raises(StoreUnavailableError, match="Could not connect"):
            store.compare_and_swap("model", SharedPace(), pace(1))


def send(pacer: SharedPacer, count: int) -> None:
    for _ in range(count):
        now = SYSTEM_CLOCK.monotonic()
        reservation = pacer.reserve(now)
        wait = reservation.wait
        while wait > 0:
            SYSTEM_CLOCK.sleep(wait)
            now = SYSTEM_CLOCK.monotonic()
            wait = pacer.due(reservation, now)
        pacer.answered(reservation, now)


def test_instances_share_a_quota_over_the_bucket(store: S3PaceStore, client: Client, bucket: str) -> None:
    quota = Quota(requests_per_minute=3_000, burst=50)
    stores = (store, S3PaceStore(bucket, "state/pace/", client=client))
    pacers = [SharedPacer(each, MODEL, quota) for each in stores]
    threads = [threading.Thread(target=send, args=(pacer, 15)) for pacer in pacers for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with contextlib.closing(client.get_object(Bucket=bucket, Key=store.object_key(MODEL))["Body"]) as body:
        stored = json.loads(body.read())
    assert 60 <= stored["granted"] <= 70
    assert len(stored["instances"]) == 2
