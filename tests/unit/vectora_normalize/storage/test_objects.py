"""What concerns only one of the stores: other processes in its folder, and the errors of S3."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, cast

import boto3
import pytest
from botocore.stub import Stubber

from vectora_normalize.storage.objects import (
    FolderStore,
    NotFoundError,
    S3Store,
    StoreConflictError,
    StoreError,
    TransientStoreError,
    check_key,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


CONTENT_TYPES = [("a.json", "application/json"), ("a", "application/octet-stream")]
CALLS: list[tuple[Callable[[S3Store], object], str, str]] = [
    (lambda store: store.put("a", b""), "put_object", "written"),
    (lambda store: store.delete("a"), "delete_object", "removed"),
    (lambda store: store.exists("a"), "head_object", "looked up"),
    (lambda store: list(store.list("a")), "list_objects_v2", "listed"),
]


@pytest.mark.parametrize("key", ["a", "a.b/c-d_e", "raw/lai_weekly/src/2026/11/21/raw.json", "é/ü", "x" * 1024])
def test_a_plain_path_is_a_key(key: str) -> None:
    assert check_key(key) == key


def test_a_refused_key_is_shown_shortened() -> None:
    with pytest.raises(StoreError, match=r"^key: got '\.\./x+'; accepted: segments separated by '/'") as caught:
        check_key("../" + "x" * 5000)
    assert len(str(caught.value)) < 500


def test_a_key_that_cannot_be_encoded_is_refused() -> None:
    with pytest.raises(StoreError):
        check_key("\ud800" * 400)


class TestFolderStore:
    def test_temporary_files_are_removed(self, tmp_path: Path) -> None:
        store = FolderStore(tmp_path)
        store.put("a/b.json", b"1")
        store.put_if_absent("a/b.json", b"2")
        store.put_if_unchanged("a/b.json", b"3", "stale")
        assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["b.json"]

    def test_a_partial_file_of_a_killed_process_is_not_an_object(self, tmp_path: Path) -> None:
        store = FolderStore(tmp_path)
        (tmp_path / ".put-0123").write_bytes(b"half")
        assert list(store.list("")) == []

    def test_a_reader_never_sees_a_partial_object(self, tmp_path: Path) -> None:
        store = FolderStore(tmp_path)
        bodies = [letter * 1_000_000 for letter in (b"a", b"b")]
        store.put("big", bodies[0])
        done = threading.Event()

        def write() -> None:
            for turn in range(30):
                store.put("big", bodies[turn % 2])
            done.set()

        with ThreadPoolExecutor(1) as pool:
            writing = pool.submit(write)
            while not done.is_set() and not writing.done():
                assert store.get("big") in bodies
            writing.result()

    def test_of_many_writers_exactly_one_is_the_first(self, tmp_path: Path) -> None:
        store = FolderStore(tmp_path)
        start = threading.Barrier(8)

        def write(number: int) -> bool:
            start.wait()
            return store.put_if_absent("lease", str(number).encode()) is not None

        with ThreadPoolExecutor(8) as pool:
            first = list(pool.map(write, range(8)))
        assert first.count(True) == 1
        assert store.get("lease") == str(first.index(True)).encode()

    def test_no_writer_loses_what_another_wrote(self, tmp_path: Path) -> None:
        store = FolderStore(tmp_path)
        store.put("items.json", b"")

        def append(number: int) -> None:
            while True:
                stored = store.read("items.json")
                if store.put_if_unchanged("items.json", stored.body + f"{number};".encode(), stored.version):
                    return

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(append, range(40)))
        assert sorted(map(int, store.get("items.json").decode().split(";")[:-1])) == list(range(40))

    def test_a_folder_that_cannot_be_written_is_an_error(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"")
        with pytest.raises(StoreError, match="file/a/b: cannot be written: "):
            FolderStore(tmp_path / "file").put("a/b", b"")

    def test_an_object_that_cannot_be_removed_is_an_error(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store = FolderStore(tmp_path)
        store.put("a", b"")

        def refuse(*_: object, **__: object) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(type(tmp_path), "unlink", refuse)
        with pytest.raises(StoreError, match="/a: cannot be removed: Permission denied"):
            store.delete("a")

    def test_an_object_removed_before_the_lock_is_acquired_is_gone(self, tmp_path: Path) -> None:
        class _RemovedMeanwhile(FolderStore):
            def exists(self, key: str) -> bool:
                found = super().exists(key)
                (self.root / key).unlink()
                return found

        store = _RemovedMeanwhile(tmp_path)
        store.put("a", b"")
        assert not store.delete_if_unchanged("a", "v")
        store.put("a", b"")
        store.delete("a")  # the object is gone already
        assert not (tmp_path / "a").exists()

    def test_an_object_that_cannot_be_read_is_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(StoreError, match="cannot be read: File name too long") as caught:
            FolderStore(tmp_path).get("x" * 1000)
        assert not isinstance(caught.value, NotFoundError)

    def test_a_missing_folder_is_an_empty_store(self, tmp_path: Path) -> None:
        store = FolderStore(tmp_path / "later")
        assert list(store.list("")) == []
        assert not store.exists("a")


class TestS3Store:
    @pytest.fixture
    def stubbed(self) -> Iterator[tuple[S3Store, Stubber]]:
        # Stubbed, because moto cannot be made to return these errors.
        client = cast("Any", boto3).client("s3", region_name="eu-west-3")
        with Stubber(client) as stubber:
            yield S3Store(client, "bucket"), stubber
            stubber.assert_no_pending_responses()

    def test_a_conflict_of_two_conditional_puts_is_an_error_of_its_own(self, stubbed: tuple[S3Store, Stubber]) -> None:
        store, stubber = stubbed
        stubber.add_client_error("put_object", "ConditionalRequestConflict", http_status_code=409)
        with pytest.raises(StoreConflictError, match=r"^s3://bucket/a: cannot be written: another conditional write"):
            store.put_if_absent("a", b"")

    def test_a_conflict_of_a_conditional_delete_is_an_error_of_its_own(self, stubbed: tuple[S3Store, Stubber]) -> None:
        store, stubber = stubbed
        stubber.add_client_error("delete_object", "ConditionalRequestConflict", http_status_code=409)
        with pytest.raises(StoreConflictError, match=r"^s3://bucket/a: cannot be removed: another conditional write"):
            store.delete_if_unchanged("a", '"1"')

    def test_an_error_has_code_message_and_a_hint(self, stubbed: tuple[S3Store, Stubber]) -> None:
        store, stubber = stubbed
        stubber.add_client_error("get_object", "AccessDenied", "Access Denied", 403)
        with pytest.raises(StoreError) as caught:
            store.get("clients/a.yaml")
        assert str(caught.value) == (
            "s3://bucket/clients/a.yaml: cannot be read: AccessDenied: Access Denied "
            "(or there is no such object, and s3:ListBucket is not allowed)"
        )

    @pytest.mark.parametrize(("call", "operation", "done"), CALLS)
    def test_any_other_error_names_the_object(
        self, stubbed: tuple[S3Store, Stubber], call: Callable[[S3Store], object], operation: str, done: str
    ) -> None:
        store, stubber = stubbed
        stubber.add_client_error(operation, "InternalError", "We encountered an internal error.", 500)
        with pytest.raises(StoreError, match=rf"^s3://bucket/a: cannot be {done}: InternalError: We encountered"):
            call(store)

    @pytest.mark.parametrize(
        ("code", "status", "transient"),
        [("SlowDown", 503, True), ("InternalError", 500, True), ("503", 503, True), ("AccessDenied", 403, False)],
    )
    def test_a_refusal_for_the_moment_is_an_error_of_its_own(
        self, stubbed: tuple[S3Store, Stubber], code: str, status: int, *, transient: bool
    ) -> None:
        store, stubber = stubbed
        stubber.add_client_error("get_object", code, http_status_code=status)
        with pytest.raises(StoreError) as caught:
            store.get("a")
        assert isinstance(caught.value, TransientStoreError) is transient

    @pytest.mark.parametrize(
        ("key", "content_type"), [("a.json", "application/json"), ("a", "application/octet-stream")]
    )
    def test_json_is_stored_as_json(self, stubbed: tuple[S3Store, Stubber], key: str, content_type: str) -> None:
        store, stubber = stubbed
        stubber.add_response(
            "put_object",
            {"ETag": '"1"'},
            {"Bucket": "bucket", "Key": key, "Body": b"[]", "ContentType": content_type},
        )
        store.put(key, b"[]")

    def test_a_list_of_several_pages_is_read_to_its_end(self, stubbed: tuple[S3Store, Stubber]) -> None:
        store, stubber = stubbed
        first = {"Contents": [{"Key": "x/a"}], "IsTruncated": True, "NextContinuationToken": "more"}
        stubber.add_response("list_objects_v2", first, {"Bucket": "bucket", "Prefix": "x/"})
        last = {"Contents": [{"Key": "x/b"}], "IsTruncated": False}
        stubber.add_response("list_objects_v2", last, {"Bucket": "bucket", "Prefix": "x/", "ContinuationToken": "more"})
        assert list(store.list("x/")) == ["x/a", "x/b"]
