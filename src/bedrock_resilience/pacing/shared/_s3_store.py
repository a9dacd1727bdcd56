"""``S3PaceStore``: the shared pace as one small object of an S3 bucket, changed by conditional puts."""

from __future__ import annotations

import importlib
import json
import threading
import urllib.parse
from typing import TYPE_CHECKING, Any, Final

from bedrock_resilience._checks import instance as instance_of
from bedrock_resilience._checks import number, refuse, wrong_value
from bedrock_resilience._errors import StoreUnavailableError
from bedrock_resilience.pacing.shared._pace import SharedPace, from_json, to_json
from bedrock_resilience.pacing.shared._stores import client_of, failure_text, make_client, nonempty

if TYPE_CHECKING:
    from bedrock_resilience._checks import Problem
    from bedrock_resilience.pacing.shared._stores import PaceStore

_ANOTHER_VERSION: Final = frozenset({"PreconditionFailed", "412", "ConditionalRequestConflict", "409"})
"""412: the object is another one than expected. 409: another conditional put of it is under way."""
_MISSING: Final = frozenset({"NoSuchKey", "404"})
_SAFE: Final = "/:"
"""What an ARN consists of beside letters and digits stays as it is in the key of an object."""
_REMEDIES: Final = {
    "NoSuchBucket": "create the bucket, or correct its name",
    "AccessDenied": "allow s3:PutObject and s3:GetObject under the prefix",
}


class S3PaceStore:
    """An S3 bucket: one object for each model, changed by conditional puts. Needs the extra ``[aws]``. Thread-safe.

    A change is one PutObject with ``If-Match`` (``If-None-Match`` for the first one). Where
    another instance was faster, S3 answers 412 or 409, and one GetObject reads what is stored. The permissions needed
    are ``s3:PutObject`` and ``s3:GetObject`` under the prefix; nothing is listed or deleted.

    Args:
        bucket: The name of the bucket, or the ARN of an access point.
        prefix: What the keys begin with: of a folder, its name and a slash.
        client: A boto3 S3 client; None makes one with short timeouts and without retries. Retries of the client would
            delay requests for too long.
        region_name: The region of this client; None: as boto3 finds it.
        timeout: Seconds that this client waits for a connection, and again for a response.

    Raises:
        TypeError: An argument has the wrong type, or ``client`` is that of another service.
        ValueError: ``bucket`` is empty or has a path, or ``timeout`` is not finite and > 0.
        ModuleNotFoundError: boto3 is not installed.
    """

    def __init__(
        self,
        bucket: str,
        prefix: str = "pace/",
        *,
        client: Any = None,  # noqa: ANN401 - boto3 makes its clients at run time
        region_name: str | None = None,
        timeout: float = 0.5,
    ) -> None:
        refuse(
            "S3PaceStore",
            nonempty("bucket", bucket, "the name of a bucket") or _without_path(bucket),
            instance_of("prefix", prefix, str, "a str"),
            client_of("s3", client),
            number("timeout", timeout, above=0, unit="seconds"),
        )
        self.bucket = bucket
        self.prefix = prefix
        self._client = make_client("S3PaceStore", "s3", region_name, timeout, 1) if client is None else client
        self._lock = threading.Lock()
        self._etags: dict[str, tuple[int, str]] = {}  # key of a pace -> its revision as last seen, and the ETag of it

    def object_key(self, key: str) -> str:
        """Return the key of the object of a pace."""
        return f"{self.prefix}{urllib.parse.quote(key, safe=_SAFE)}.json"

    def compare_and_swap(
        self, key: str, expected: SharedPace, new: SharedPace, instance: str = ""
    ) -> SharedPace | None:
        """Replace ``expected`` by ``new``, as ``PaceStore`` says."""
        condition = self._condition(key, expected)
        if condition is None:  # this process has not seen it yet
            stored = self._read(key)
            condition = self._condition(key, expected)
            if condition is None or stored != expected:
                return stored
        body = json.dumps({**to_json(new), "instance": instance}, separators=(",", ":")).encode()
        try:
            response = self._request("put_object", key, Body=body, ContentType="application/json", **condition)
        except _RefusedError as refused:
            return self._read(key) if refused.code in _ANOTHER_VERSION else self._missing(key)
        self._remember(key, new.revision, response["ETag"])
        return None

    def __repr__(self) -> str:
        return f"S3PaceStore({self.bucket!r}, {self.prefix!r})"

    def _condition(self, key: str, expected: SharedPace) -> dict[str, str] | None:
        if expected.revision == 0:
            return {"IfNoneMatch": "*"}
        with self._lock:
            seen = self._etags.get(key)
        return {"IfMatch": seen[1]} if seen is not None and seen[0] == expected.revision else None

    def _read(self, key: str) -> SharedPace:
        try:
            response = self._request("get_object", key)
            with response["Body"] as body:
                content = body.read()
        except _RefusedError:
            return self._missing(key)
        except self._transport_errors() as error:
            raise StoreUnavailableError(f"{self._name(key)}: {error}") from error
        try:
            pace = from_json(json.loads(content))
        except ValueError as error:  # with UnicodeDecodeError and JSONDecodeError
            raise StoreUnavailableError(f"{self._name(key)}: is not a pace: {error}") from error
        self._remember(key, pace.revision, response["ETag"])
        return pace

    def _missing(self, key: str) -> SharedPace:
        with self._lock:
            self._etags.pop(key, None)
        return SharedPace()  # it was deleted in between

    def _remember(self, key: str, revision: int, etag: str) -> None:
        with self._lock:
            self._etags[key] = (revision, etag)

    def _request(self, operation: str, key: str, **arguments: Any) -> Any:  # noqa: ANN401 - as boto3 answers
        exceptions = importlib.import_module("botocore.exceptions")
        try:
            return getattr(self._client, operation)(Bucket=self.bucket, Key=self.object_key(key), **arguments)
        except exceptions.ClientError as error:
            code = str(error.response.get("Error", {}).get("Code"))
            if code in _ANOTHER_VERSION | _MISSING:
                raise _RefusedError(code) from error
            raise StoreUnavailableError(f"{self._name(key)}: {failure_text(error, _REMEDIES)}") from error
        except exceptions.BotoCoreError as error:
            raise StoreUnavailableError(f"{self._name(key)}: {error}") from error

    def _name(self, key: str) -> str:
        return f"s3://{self.bucket}/{self.object_key(key)}"

    @staticmethod
    def _transport_errors() -> tuple[type[Exception], ...]:
        exceptions = importlib.import_module("botocore.exceptions")
        return exceptions.BotoCoreError, OSError


def _without_path(bucket: str) -> Problem | None:
    if "/" not in bucket or bucket.startswith("arn:"):
        return None
    return wrong_value("bucket", bucket, "the name of a bucket alone, and the path in it as prefix")


class _RefusedError(Exception):
    """A condition did not hold, or there is no object; never leaves this module."""

    def __init__(self, code: str) -> None:
        super().__init__()
        self.code = code


if TYPE_CHECKING:
    _conforms: PaceStore = S3PaceStore("bucket")
