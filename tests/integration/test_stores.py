"""Both stores keep the same promises: a folder on disk, and S3 spoken to over a socket."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from support.s3 import make_bucket, s3_client
from vectora_normalize.storage.objects import (
    BucketMissingError,
    FolderStore,
    NotFoundError,
    ObjectStore,
    S3Store,
    StoreError,
)

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

BAD_KEYS = ["", "/a", "a/", "a//b", "../a", "a/../b", "a/./b", ".lock", "a\\b", "a\x00", "x" * 1025]
_bucket_numbers = itertools.count()


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path, aws_url: str) -> Generator[ObjectStore]:
    if request.param == "folder":
        yield FolderStore(tmp_path / "bucket")
        return
    with s3_client(aws_url) as client:
        yield S3Store(client, make_bucket(client, f"stores-{next(_bucket_numbers)}"))


def test_an_object_is_read_as_it_was_put(store: ObjectStore) -> None:
    store.put("normalized/lai_weekly/2026/11/21/items.json", "é".encode())
    assert store.get("normalized/lai_weekly/2026/11/21/items.json") == "é".encode()


def test_a_put_replaces(store: ObjectStore) -> None:
    store.put("a.json", b"1")
    store.put("a.json", b"2")
    assert store.get("a.json") == b"2"


def test_an_empty_object_is_an_object(store: ObjectStore) -> None:
    store.put("empty", b"")
    assert store.exists("empty")
    assert store.get("empty") == b""


def test_a_missing_object_is_an_error_with_its_name(store: ObjectStore) -> None:
    store.put("a/b", b"")
    for key in ("nothing", "a", "a/b/c"):
        with pytest.raises(NotFoundError, match=rf"/{key}: no such object$"):
            store.get(key)
        with pytest.raises(NotFoundError):
            store.read(key)
        assert not store.exists(key)


def test_a_put_if_absent_never_replaces(store: ObjectStore) -> None:
    assert store.put_if_absent("lease", b"mine")
    assert not store.put_if_absent("lease", b"yours")
    assert store.get("lease") == b"mine"


def test_a_put_if_unchanged_replaces_only_what_was_read(store: ObjectStore) -> None:
    store.put("items.json", b"1")
    stored = store.read("items.json")
    assert stored.body == b"1"
    assert store.put_if_unchanged("items.json", b"2", stored.version)
    assert not store.put_if_unchanged("items.json", b"3", stored.version)
    assert store.get("items.json") == b"2"


def test_a_put_if_unchanged_of_a_missing_object_writes_nothing(store: ObjectStore) -> None:
    assert not store.put_if_unchanged("items.json", b"1", '"d41d8cd98f00b204e9800998ecf8427e"')
    assert not store.exists("items.json")


def test_a_conditional_put_returns_the_version_it_wrote(store: ObjectStore) -> None:
    first = store.put_if_absent("lease", b"1")
    assert first == store.read("lease").version
    second = store.put_if_unchanged("lease", b"2", first or "")
    assert second == store.read("lease").version != first


def test_a_deleted_object_is_gone_and_may_be_put_again(store: ObjectStore) -> None:
    store.put("a/b", b"1")
    store.delete("a/b")
    assert not store.exists("a/b")
    assert store.put_if_absent("a/b", b"2")


def test_deleting_a_missing_object_does_nothing(store: ObjectStore) -> None:
    store.delete("nothing")
    store.put("a", b"")
    store.delete("a/b")
    assert not store.delete_if_unchanged("nothing", '"d41d8cd98f00b204e9800998ecf8427e"')
    assert list(store.list("")) == ["a"]


def test_a_delete_if_unchanged_removes_only_what_was_read(store: ObjectStore) -> None:
    store.put("lease", b"1")
    version = store.read("lease").version
    store.put("lease", b"2")
    assert not store.delete_if_unchanged("lease", version)
    assert store.get("lease") == b"2"
    assert store.delete_if_unchanged("lease", store.read("lease").version)
    assert not store.exists("lease")


def test_keys_are_listed_by_prefix_in_order(store: ObjectStore) -> None:
    for key in ("b/2", "b/1", "b/1x/y", "a", "bb"):
        store.put(key, b"")
    store.put_if_absent("b/3", b"")
    assert list(store.list("b/")) == ["b/1", "b/1x/y", "b/2", "b/3"]
    assert list(store.list("b/1")) == ["b/1", "b/1x/y"]
    assert list(store.list("")) == ["a", "b/1", "b/1x/y", "b/2", "b/3", "bb"]
    assert list(store.list("nothing/")) == []


@pytest.mark.parametrize("key", BAD_KEYS)
def test_a_key_that_is_not_a_plain_path_is_refused(store: ObjectStore, key: str) -> None:
    for refused in (
        lambda: store.get(key),
        lambda: store.read(key),
        lambda: store.put(key, b""),
        lambda: store.put_if_absent(key, b""),
        lambda: store.put_if_unchanged(key, b"", "v"),
        lambda: store.delete(key),
        lambda: store.delete_if_unchanged(key, "v"),
        lambda: store.exists(key),
    ):
        with pytest.raises(StoreError, match=r"^key: got "):
            refused()


def test_a_missing_bucket_is_distinguished_from_a_missing_object(aws_url: str) -> None:
    with s3_client(aws_url) as client:
        store = S3Store(client, "no-such-bucket")
        for failing in (lambda: store.get("a"), lambda: store.put("a", b""), lambda: list(store.list(""))):
            with pytest.raises(BucketMissingError, match="no such bucket"):
                failing()


def test_an_unreachable_store_is_an_error() -> None:
    with (
        s3_client("http://127.0.0.1:9") as client,
        pytest.raises(StoreError, match=r"^s3://b/a: cannot be read: Could"),
    ):
        S3Store(client, "b").get("a")
