"""Object stores: an S3 bucket, or a folder that behaves like one.

Both have the guarantees that a run relies on. An object is visible complete or not at all. A put or a delete can be
conditional on what is stored. A key is a plain relative path. The conditions keep two runs of one client from losing
each other's items, and from paying twice for one.
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
    fcntl = None  # type: ignore[assignment]  # checked before each use

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping

_MAX_KEY_BYTES = 1024  # S3's own limit
# Of S3's error responses; a client has only the status if the body is no error document.
_TRANSIENT_CODES = frozenset({"InternalError", "RequestTimeout", "ServiceUnavailable", "SlowDown", "Throttling"})
_TRANSIENT_STATUSES = frozenset({429, 500, 502, 503, 504})
# A segment never begins with a dot, so a key can name neither ``..`` nor the temporary files of the folder store.
_SEGMENT = re.compile(r"[^./\\\x00-\x1f\x7f][^/\\\x00-\x1f\x7f]*")


class StoreError(Exception):
    """A store failed; the message names the object and the reason."""


class NotFoundError(StoreError):
    """There is no object under that key."""


class BucketMissingError(StoreError):
    """There is no such bucket or folder at all."""


class TransientStoreError(StoreError):
    """The store refused the request temporarily, or did not answer: another attempt may succeed."""


class StoreConflictError(StoreError):
    """Another conditional put of the same key was in progress. S3 answers 409 then; the put may be repeated."""


class Stored(msgspec.Struct, frozen=True):
    """An object as it was read.

    Args:
        body: Its bytes.
        version: What ``ObjectStore.put_if_unchanged`` compares: opaque, and different for different bytes.
    """

    body: bytes
    version: str


class ObjectStore(Protocol):
    """A flat store of bytes under keys such as ``clients/lai_weekly.yaml``; threads may share it."""

    @property
    def clock_skew(self) -> float:
        """Seconds by which the clocks of the machines that share the store may differ."""
        ...

    def get(self, key: str) -> bytes:
        """Return the object's bytes.

        Raises:
            NotFoundError: There is no such object.
            StoreError: It could not be read.
        """
        ...

    def read(self, key: str) -> Stored:
        """Return the object's bytes and their version; raises as ``get`` does."""
        ...

    def put(self, key: str, body: bytes) -> None:
        """Write the object, in place of any that is stored.

        Raises:
            StoreError: It could not be written.
        """
        ...

    def put_if_absent(self, key: str, body: bytes) -> str | None:
        """Write the object unless there is one; return its version, or None if there is one.

        Of several writers, one wins.

        Raises:
            StoreConflictError: Another conditional put was in progress.
            StoreError: It could not be written.
        """
        ...

    def put_if_unchanged(self, key: str, body: bytes, version: str) -> str | None:
        """Write the object if the stored one still has that version; return the new version.

        Returns None if the stored object has another version, or is gone. Raises as ``put_if_absent`` does.
        """
        ...

    def delete(self, key: str) -> None:
        """Remove the object, if there is one.

        Raises:
            StoreError: It could not be removed.
        """
        ...

    def delete_if_unchanged(self, key: str, version: str) -> bool:
        """Remove the object if it still has that version; False if it has another one, or is gone.

        Raises:
            StoreConflictError: Another conditional write was under way.
            StoreError: It could not be removed.
        """
        ...

    def exists(self, key: str) -> bool:
        """Return whether there is an object under that key."""
        ...

    def list(self, prefix: str) -> Iterator[str]:
        """Return the keys that begin with the prefix, in order."""
        ...


def check_key(key: str) -> str:
    """Return the key, if it is valid in every store.

    Raises:
        StoreError: It is empty, absolute, too long, or has a segment that begins with a dot or contains a backslash
            or a control character.
    """
    segments = key.split("/")
    if len(key.encode(errors="surrogatepass")) > _MAX_KEY_BYTES or not all(map(_SEGMENT.fullmatch, segments)):
        raise StoreError(
            f"key: got {key[:200]!r}; accepted: segments separated by '/', none empty or beginning with '.', "
            f"without backslash or control characters, {_MAX_KEY_BYTES} bytes in all"
        )
    return key


class FolderStore:
    """A folder as a store, for local runs and tests.

    The store writes an object to a hidden file in the same folder, and then renames or links it to its name. Neither a
    reader nor a process that is killed at any moment therefore leaves or reads half of it. Conditions are checked under
    a lock file, which the system releases when a process ends. (Windows has no such lock: two processes there must not
    share a folder.)

    Args:
        root: The folder; created at the first write.
    """

    clock_skew = 1.0  # one machine and one clock, which each run reads once, shortly before it begins

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)

    def get(self, key: str) -> bytes:
        """Return the object's bytes; see ``ObjectStore.get``."""
        path = self._path(key)
        try:
            return path.read_bytes()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            raise NotFoundError(f"{path}: no such object") from None
        except OSError as error:
            raise StoreError(f"{path}: cannot be read: {error.strerror}") from error

    def read(self, key: str) -> Stored:
        """Return the object with its version, a hash of its bytes; see ``ObjectStore.read``."""
        body = self.get(key)
        return Stored(body, _version(body))

    def put(self, key: str, body: bytes) -> None:
        """Write the object; see ``ObjectStore.put``."""
        path = self._path(key)
        with self._temporary(path, body) as temporary, self._locked():
            temporary.replace(path)

    def put_if_absent(self, key: str, body: bytes) -> str | None:
        """Write the object unless there is one; see ``ObjectStore.put_if_absent``."""
        path = self._path(key)
        with self._temporary(path, body) as temporary:
            try:
                os.link(temporary, path)  # unlike a rename, a link never replaces
            except FileExistsError:
                return None
        return _version(body)

    def put_if_unchanged(self, key: str, body: bytes, version: str) -> str | None:
        """Write the object if it still has that version; see ``ObjectStore.put_if_unchanged``."""
        path = self._path(key)
        with self._temporary(path, body) as temporary, self._locked():
            if not self._has_version(key, version):
                return None
            temporary.replace(path)
        return _version(body)

    def delete(self, key: str) -> None:
        """Remove the object; see ``ObjectStore.delete``."""
        if self.exists(key):  # without a folder there is nothing to lock
            with self._locked():
                self._unlink(key)

    def delete_if_unchanged(self, key: str, version: str) -> bool:
        """Remove the object if it still has that version; see ``ObjectStore.delete_if_unchanged``."""
        if not self.exists(key):
            return False
        with self._locked():
            unchanged = self._has_version(key, version)
            if unchanged:
                self._unlink(key)
            return unchanged

    def exists(self, key: str) -> bool:
        """Return whether there is such an object; see ``ObjectStore.exists``."""
        return self._path(key).is_file()

    def list(self, prefix: str) -> Iterator[str]:
        """Return the keys that begin with the prefix, in order; see ``ObjectStore.list``."""
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

    def _has_version(self, key: str, version: str) -> bool:
        try:
            return self.read(key).version == version
        except NotFoundError:
            return False

    @contextlib.contextmanager
    def _temporary(self, path: Path, body: bytes) -> Generator[Path]:
        """Yield a hidden file beside ``path`` with that body; it is removed afterward unless it was renamed."""
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
                fcntl.flock(file, fcntl.LOCK_EX)  # released when the file is closed
            yield


class S3Store:
    """An S3 bucket as a store.

    Conditional puts and deletes are S3's own (``If-None-Match``, ``If-Match``), so they hold across instances of the
    function.

    Args:
        client: A boto3 ``s3`` client.
        bucket: Name of the bucket.
    """

    # Lambda's hosts differ by milliseconds (Amazon Time Sync); a personal computer may differ by more. S3 itself
    # refuses requests that are 15 minutes off.
    clock_skew = 5.0

    def __init__(self, client: Any, bucket: str) -> None:  # noqa: ANN401 - boto3 creates client classes at run time
        self._client = client
        self.bucket = bucket

    def get(self, key: str) -> bytes:
        """Return the object's bytes; see ``ObjectStore.get``."""
        return self.read(key).body

    def read(self, key: str) -> Stored:
        """Return the object with its version, the ETag; see ``ObjectStore.read``."""
        with self._errors_of(key, "read"):
            answer = self._client.get_object(Bucket=self.bucket, Key=check_key(key))
            with answer["Body"] as body:
                return Stored(body.read(), answer["ETag"])

    def put(self, key: str, body: bytes) -> None:
        """Write the object; see ``ObjectStore.put``."""
        self._put(key, body)

    def put_if_absent(self, key: str, body: bytes) -> str | None:
        """Write the object unless there is one; see ``ObjectStore.put_if_absent``."""
        return self._put(key, body, IfNoneMatch="*")

    def put_if_unchanged(self, key: str, body: bytes, version: str) -> str | None:
        """Write the object if it still has that version; see ``ObjectStore.put_if_unchanged``."""
        return self._put(key, body, IfMatch=version)

    def delete(self, key: str) -> None:
        """Remove the object; see ``ObjectStore.delete``."""
        with self._errors_of(key, "removed"):
            self._client.delete_object(Bucket=self.bucket, Key=check_key(key))

    def delete_if_unchanged(self, key: str, version: str) -> bool:
        """Remove the object if it still has that version; see ``ObjectStore.delete_if_unchanged``."""
        try:
            with self._errors_of(key, "removed"):
                self._client.delete_object(Bucket=self.bucket, Key=check_key(key), IfMatch=version)
        except (_PreconditionFailedError, NotFoundError):
            return False
        return True

    def exists(self, key: str) -> bool:
        """Return whether there is such an object; see ``ObjectStore.exists``."""
        try:
            with self._errors_of(key, "looked up"):
                self._client.head_object(Bucket=self.bucket, Key=check_key(key))
        except NotFoundError:
            return False
        return True

    def list(self, prefix: str) -> Iterator[str]:
        """Return the keys that begin with the prefix, in order; see ``ObjectStore.list``."""
        # Not by the client's paginator: it reads the file of all S3 paginators, which takes 1/40 of a cold start.
        more: dict[str, str] | None = {}
        while more is not None:
            with self._errors_of(prefix, "listed"):
                page = self._client.list_objects_v2(Bucket=self.bucket, Prefix=prefix, **more)
            yield from (entry["Key"] for entry in page.get("Contents", ()))
            more = {"ContinuationToken": page["NextContinuationToken"]} if page.get("IsTruncated") else None

    def _put(self, key: str, body: bytes, **condition: str) -> str | None:
        content_type = "application/json" if key.endswith(".json") else "application/octet-stream"
        try:
            with self._errors_of(key, "written"):
                answer = self._client.put_object(
                    Bucket=self.bucket, Key=check_key(key), Body=body, ContentType=content_type, **condition
                )
        except (_PreconditionFailedError, NotFoundError):
            return None
        version: str = answer["ETag"]
        return version

    @contextlib.contextmanager
    def _errors_of(self, key: str, done: str) -> Generator[None]:
        """Raise boto3's exceptions as this module's, with the object's name."""
        from botocore.exceptions import (  # noqa: PLC0415 - a FolderStore does not need botocore
            BotoCoreError,
            ClientError,
            HTTPClientError,
        )

        try:
            yield
        except ClientError as error:
            raise _translate(error.response, f"s3://{self.bucket}/{key}", done) from error
        except BotoCoreError as error:
            raise (TransientStoreError if isinstance(error, HTTPClientError) else StoreError)(
                f"s3://{self.bucket}/{key}: cannot be {done}: {error}"
            ) from error


class _PreconditionFailedError(Exception):
    """The condition of a conditional put did not hold; never leaves this module."""


def _translate(response: Mapping[str, Any], name: str, done: str) -> Exception:
    error = response.get("Error", {})
    code, message = str(error.get("Code", "")), str(error.get("Message", ""))
    if code == "NoSuchBucket":
        return BucketMissingError(f"{name}: no such bucket")
    if code in {"NoSuchKey", "404", "NotFound"}:
        return NotFoundError(f"{name}: no such object")
    if code in {"PreconditionFailed", "412"}:
        return _PreconditionFailedError(name)
    if code in {"ConditionalRequestConflict", "409"}:
        return StoreConflictError(f"{name}: cannot be {done}: another conditional write was under way")
    # For a role that may not list the bucket, S3 answers 403 for a missing object.
    hint = " (or there is no such object, and s3:ListBucket is not allowed)" if code in {"AccessDenied", "403"} else ""
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    transient = code in _TRANSIENT_CODES or status in _TRANSIENT_STATUSES
    return (TransientStoreError if transient else StoreError)(f"{name}: cannot be {done}: {code}: {message}{hint}")


def _version(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
