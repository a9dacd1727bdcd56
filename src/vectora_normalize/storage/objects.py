"""Where objects live: an S3 bucket, or a folder that behaves like one.

Both stores promise the same things, because a run relies on them: an object is visible whole or not at all, a put or a
delete may be made conditional on what is there, and a key is a plain relative path. The condition is what keeps two
runs of one client from losing each other's items, and from paying twice for one.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows has no advisory locks of this kind
    fcntl = None  # type: ignore[assignment]  # asked for before each use

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping

_MAX_KEY_BYTES = 1024  # S3's own limit
# A segment never begins with a dot, so neither `..` nor the folder store's temporary files can be named by a key.
_SEGMENT = re.compile(r"[^./\\\x00-\x1f\x7f][^/\\\x00-\x1f\x7f]*")
# S3 answers 409 where two conditional puts of one key meet, and asks for another try.
_CONFLICT_TRIES = 5


class StoreError(Exception):
    """A store could not do what was asked; the message names the object and the reason."""


class NotFoundError(StoreError):
    """There is no object under that key."""


class BucketMissingError(StoreError):
    """There is no such bucket or folder at all."""


class Stored(msgspec.Struct, frozen=True):
    """An object as it was read.

    Args:
        body: Its bytes.
        version: What `ObjectStore.put_if_unchanged` compares: opaque, and different for different bytes.
    """

    body: bytes
    version: str


class ObjectStore(Protocol):
    """A flat store of bytes under keys such as `clients/lai_weekly.yaml`; safe to share between threads."""

    @property
    def clock_skew(self) -> float:
        """Seconds by which the clocks of those who share the store may differ."""
        ...

    def get(self, key: str) -> bytes:
        """The object's bytes.

        Raises:
            NotFoundError: There is none.
            StoreError: It could not be read.
        """
        ...

    def read(self, key: str) -> Stored:
        """The object's bytes with the version they are of; raises as `get` does."""
        ...

    def put(self, key: str, body: bytes) -> None:
        """Write the object, in place of any that is there.

        Raises:
            StoreError: It could not be written.
        """
        ...

    def put_if_absent(self, key: str, body: bytes) -> str | None:
        """Write the object unless there is one: its version, or None if there is one. Of several writers, one wins."""
        ...

    def put_if_unchanged(self, key: str, body: bytes, version: str) -> str | None:
        """Write the object if what is there is still of that version: its new one, or None if it is not, or is gone."""
        ...

    def delete(self, key: str) -> None:
        """Remove the object, if there is one.

        Raises:
            StoreError: It could not be removed.
        """
        ...

    def delete_if_unchanged(self, key: str, version: str) -> bool:
        """Remove the object if what is there is still of that version; False if it is not, or is gone."""
        ...

    def exists(self, key: str) -> bool:
        """Whether there is an object under that key."""
        ...

    def list(self, prefix: str) -> Iterator[str]:
        """The keys that begin with the prefix, in order."""
        ...


def check_key(key: str) -> str:
    """The key itself, if it is one that every store can hold.

    Raises:
        StoreError: It is empty, absolute, too long, or has a segment that begins with a dot or holds a backslash or a
            control character.
    """
    segments = key.split("/")
    if len(key.encode(errors="surrogatepass")) > _MAX_KEY_BYTES or not all(map(_SEGMENT.fullmatch, segments)):
        raise StoreError(
            f"key: got {key[:200]!r}; accepted: segments parted by '/', none empty or beginning with '.', "
            f"without backslash or control characters, {_MAX_KEY_BYTES} bytes in all"
        )
    return key


class FolderStore:
    """A folder as a store, for local runs and tests.

    An object is written beside its place under a hidden name and then renamed or linked there, so a reader, or a
    process killed at any moment, never sees half of one. Conditions are looked at under a lock file, which the system
    lets go of when a process dies. (On Windows there is no such lock: two processes there should not share a folder.)

    Args:
        root: The folder; made at the first write.
    """

    clock_skew = 1.0  # one machine and one clock, which each run reads once, a moment before it begins

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)

    def get(self, key: str) -> bytes:
        """The object's bytes; see `ObjectStore.get`."""
        path = self._path(key)
        try:
            return path.read_bytes()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            raise NotFoundError(f"{path}: no such object") from None
        except OSError as error:
            raise StoreError(f"{path}: cannot be read: {error.strerror}") from error

    def read(self, key: str) -> Stored:
        """The object with its version, a hash of its bytes; see `ObjectStore.read`."""
        body = self.get(key)
        return Stored(body, _version(body))

    def put(self, key: str, body: bytes) -> None:
        """Write the object; see `ObjectStore.put`."""
        path = self._path(key)
        with self._written(path, body) as temporary, self._locked():
            temporary.replace(path)

    def put_if_absent(self, key: str, body: bytes) -> str | None:
        """Write the object unless there is one; see `ObjectStore.put_if_absent`."""
        path = self._path(key)
        with self._written(path, body) as temporary:
            try:
                os.link(temporary, path)  # unlike a rename, a link never replaces
            except FileExistsError:
                return None
        return _version(body)

    def put_if_unchanged(self, key: str, body: bytes, version: str) -> str | None:
        """Write the object if it is still of that version; see `ObjectStore.put_if_unchanged`."""
        path = self._path(key)
        with self._written(path, body) as temporary, self._locked():
            if not self._is_of(key, version):
                return None
            temporary.replace(path)
        return _version(body)

    def delete(self, key: str) -> None:
        """Remove the object; see `ObjectStore.delete`."""
        if self.exists(key):  # without a folder there is nothing to lock
            with self._locked():
                self._unlink(key)

    def delete_if_unchanged(self, key: str, version: str) -> bool:
        """Remove the object if it is still of that version; see `ObjectStore.delete_if_unchanged`."""
        if not self.exists(key):
            return False
        with self._locked():
            unchanged = self._is_of(key, version)
            if unchanged:
                self._unlink(key)
            return unchanged

    def exists(self, key: str) -> bool:
        """Whether there is such an object; see `ObjectStore.exists`."""
        return self._path(key).is_file()

    def list(self, prefix: str) -> Iterator[str]:
        """The keys that begin with the prefix, in order; see `ObjectStore.list`."""
        folder = prefix.rpartition("/")[0]
        below = self._path(folder) if folder else self.root
        found = (path.relative_to(self.root) for path in below.rglob("*") if path.is_file())
        keys = (path.as_posix() for path in found if not path.name.startswith("."))
        yield from sorted(key for key in keys if key.startswith(prefix))

    def _path(self, key: str) -> Path:
        return self.root / check_key(key)

    def _unlink(self, key: str) -> None:
        path = self._path(key)
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(f"{path}: cannot be removed: {error.strerror}") from error

    def _is_of(self, key: str, version: str) -> bool:
        try:
            return self.read(key).version == version
        except NotFoundError:
            return False

    @contextlib.contextmanager
    def _written(self, path: Path, body: bytes) -> Generator[Path]:
        """A hidden file beside `path` that holds `body`; gone afterwards, if it was not renamed."""
        temporary = path.with_name(f".put-{uuid.uuid4().hex}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(body)
            yield temporary
        except OSError as error:
            raise StoreError(f"{path}: cannot be written: {error.strerror}") from error
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _locked(self) -> Generator[None]:
        with (self.root / ".lock").open("wb") as file:
            if fcntl is not None:  # pragma: no branch - Windows
                fcntl.flock(file, fcntl.LOCK_EX)  # let go of when the file is closed
            yield


class S3Store:
    """An S3 bucket as a store.

    Conditional puts and deletes are S3's own (`If-None-Match`, `If-Match`), so they hold across instances of the
    function.

    Args:
        client: A boto3 `s3` client.
        bucket: Name of the bucket.
    """

    # Lambda's hosts are kept within milliseconds of each other (Amazon Time Sync); a desk's clock is not. S3 itself
    # refuses requests that are 15 minutes off.
    clock_skew = 5.0

    def __init__(self, client: Any, bucket: str) -> None:  # noqa: ANN401 - boto3 makes its clients at run time
        self._client = client
        self.bucket = bucket

    def get(self, key: str) -> bytes:
        """The object's bytes; see `ObjectStore.get`."""
        return self.read(key).body

    def read(self, key: str) -> Stored:
        """The object with its version, the ETag; see `ObjectStore.read`."""
        with self._named(key, "read"):
            answer = self._client.get_object(Bucket=self.bucket, Key=check_key(key))
            with answer["Body"] as body:
                return Stored(body.read(), answer["ETag"])

    def put(self, key: str, body: bytes) -> None:
        """Write the object; see `ObjectStore.put`."""
        self._put(key, body)

    def put_if_absent(self, key: str, body: bytes) -> str | None:
        """Write the object unless there is one; see `ObjectStore.put_if_absent`."""
        return self._put(key, body, IfNoneMatch="*")

    def put_if_unchanged(self, key: str, body: bytes, version: str) -> str | None:
        """Write the object if it is still of that version; see `ObjectStore.put_if_unchanged`."""
        return self._put(key, body, IfMatch=version)

    def delete(self, key: str) -> None:
        """Remove the object; see `ObjectStore.delete`."""
        with self._named(key, "removed"):
            self._client.delete_object(Bucket=self.bucket, Key=check_key(key))

    def delete_if_unchanged(self, key: str, version: str) -> bool:
        """Remove the object if it is still of that version; see `ObjectStore.delete_if_unchanged`."""
        try:
            with self._named(key, "removed"):
                self._client.delete_object(Bucket=self.bucket, Key=check_key(key), IfMatch=version)
        except (_Unmet, _Conflict, NotFoundError):
            return False
        return True

    def exists(self, key: str) -> bool:
        """Whether there is such an object; see `ObjectStore.exists`."""
        try:
            with self._named(key, "looked up"):
                self._client.head_object(Bucket=self.bucket, Key=check_key(key))
        except NotFoundError:
            return False
        return True

    def list(self, prefix: str) -> Iterator[str]:
        """The keys that begin with the prefix, in order; see `ObjectStore.list`."""
        # Without the client's paginator, which reads a file of all of S3's paginators: a fortieth of a cold start.
        more: dict[str, str] | None = {}
        while more is not None:
            with self._named(prefix, "listed"):
                page = self._client.list_objects_v2(Bucket=self.bucket, Prefix=prefix, **more)
            yield from (entry["Key"] for entry in page.get("Contents", ()))
            more = {"ContinuationToken": page["NextContinuationToken"]} if page.get("IsTruncated") else None

    def _put(self, key: str, body: bytes, **condition: str) -> str | None:
        content_type = "application/json" if key.endswith(".json") else "application/octet-stream"
        for _ in range(_CONFLICT_TRIES):
            try:
                with self._named(key, "written"):
                    answer = self._client.put_object(
                        Bucket=self.bucket, Key=check_key(key), Body=body, ContentType=content_type, **condition
                    )
            except _Conflict:
                continue
            except (_Unmet, NotFoundError):
                return None
            version: str = answer["ETag"]
            return version
        raise StoreError(f"s3://{self.bucket}/{key}: cannot be written: others kept writing it at the same moment")

    @contextlib.contextmanager
    def _named(self, key: str, done: str) -> Generator[None]:
        """Turns what boto3 raises into this module's errors, with the object's name."""
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - a FolderStore needs no botocore

        try:
            yield
        except ClientError as error:
            raise _translate(error.response, f"s3://{self.bucket}/{key}", done) from error
        except BotoCoreError as error:
            raise StoreError(f"s3://{self.bucket}/{key}: cannot be {done}: {error}") from error


class _Unmet(Exception):  # noqa: N818 - never leaves this module
    """The condition of a conditional put did not hold."""


class _Conflict(Exception):  # noqa: N818 - never leaves this module
    """Another conditional put of the same key was under way."""


def _translate(response: Mapping[str, Any], name: str, done: str) -> Exception:
    error = response.get("Error", {})
    code, message = str(error.get("Code", "")), str(error.get("Message", ""))
    if code == "NoSuchBucket":
        return BucketMissingError(f"{name}: no such bucket")
    if code in {"NoSuchKey", "404", "NotFoundError"}:
        return NotFoundError(f"{name}: no such object")
    if code in {"PreconditionFailed", "412"}:
        return _Unmet(name)
    if code in {"ConditionalRequestConflict", "409"}:
        return _Conflict(name)
    # S3 hides a missing object behind a 403 from whoever may not list the bucket.
    hint = " (or there is no such object, and s3:ListBucket is not allowed)" if code in {"AccessDenied", "403"} else ""
    return StoreError(f"{name}: cannot be {done}: {code}: {message}{hint}")


def _version(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
