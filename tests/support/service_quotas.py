"""Service Quotas on loopback, with what a test lists, and what the control plane of Bedrock says of ARNs.

moto's Service Quotas knows the quotas of VPC only.
"""

from __future__ import annotations

import contextlib
import http.server
import json
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

# Names and values as accounts list them, read on 28 November 2026, with their codes but for those of bedrock-mantle.
# The values are AWS's defaults at that time, or lower ones of accounts.
RECORDED: Final[Mapping[str, tuple[str, float]]] = {
    "L-254CACF4": ("On-demand model inference requests per minute for Anthropic Claude 3.5 Sonnet", 50),
    "L-A50569E5": ("On-demand model inference tokens per minute for Anthropic Claude 3.5 Sonnet", 400_000),
    "L-1D3E59A3": ("Cross-Region model inference requests per minute for Anthropic Claude 3.5 Sonnet V2", 100),
    "L-FF8B4E28": ("Cross-Region model inference tokens per minute for Anthropic Claude 3.5 Sonnet V2", 800_000),
    "L-79F3B993": (
        "Model invocation max tokens per day for Anthropic Claude 3.5 Sonnet V2 (doubled for cross-region calls)",
        576_000_000,
    ),
    "L-4A6BFAB1": ("Cross-region model inference requests per minute for Anthropic Claude Sonnet 4.5 V1", 50),
    "L-F4DDD3EB": ("Cross-region model inference tokens per minute for Anthropic Claude Sonnet 4.5 V1", 200_000),
    "L-A052927A": (
        "Cross-region model inference requests per minute for Anthropic Claude Sonnet 4.5 V1 1M Context Length",
        5,
    ),
    "L-8EA73537": (
        "Cross-region model inference tokens per minute for Anthropic Claude Sonnet 4.5 V1 1M Context Length",
        1_000_000,
    ),
    "L-DB84CE56": ("Global cross-region model inference requests per minute for Anthropic Claude Sonnet 4.5 V1", 500),
    "L-27C57EE8": ("Global cross-region model inference tokens per minute for Anthropic Claude Sonnet 4.5 V1", 500_000),
    "L-9B878FAE": ("On-demand model inference requests per minute for Anthropic Claude Sonnet 4.6", 5_000),
    "L-5F5A169C": ("On-demand model inference tokens per minute for Anthropic Claude Sonnet 4.6", 3_000_000),
    "L-5DB28B7B": ("Cross-region model inference tokens per minute for Anthropic Claude Opus 4.7", 30_000_000),
    "L-34152C1D": ("Global cross-region model inference tokens per minute for Anthropic Claude Opus 4.7", 60_000_000),
    "L-MANTLEIN": ("[bedrock-mantle endpoint] Input tokens per minute for Claude Opus 4.7", 20_000_000),
    "L-MANTLEOUT": ("[bedrock-mantle endpoint] Output tokens per minute for Claude Opus 4.7", 4_000_000),
    "L-70423BF8": ("On-demand model inference tokens per minute for Amazon Nova Lite", 4_000_000),
    "L-E386A278": ("On-demand model inference requests per minute for Amazon Nova Lite", 1_000),
    "L-45E0AD92": (
        "Model invocation max tokens per day for Amazon Nova Lite (doubled for cross-region calls)",
        5_760_000_000,
    ),
    "L-153ADCCB": (
        "(Model customization) Sum of on demand custom model deployment tokens per minute for Amazon Nova Lite",
        4_000_000,
    ),
    "L-E3F10727": ("Cross-Model Max Tokens Per Day", 700_000_000),
}


@dataclass
class LoopbackServiceQuotas:
    """What the services answer; a test changes it.

    Attributes:
        applied: Code to name and value, as ``ListServiceQuotas`` lists them and ``GetServiceQuota`` returns them.
        unlisted: Values that only ``GetServiceQuota`` returns.
        defaults: As ``ListAWSDefaultServiceQuotas`` lists them.
        failures: Operation to status and error code.
        resources: What the control plane returns, by the ARN in the path.
        requests: The operations, in order.
        page: How many quotas a page has.
        url: Where it listens.
    """

    applied: dict[str, tuple[str, float | None]] = field(default_factory=dict[str, "tuple[str, float | None]"])
    unlisted: dict[str, float] = field(default_factory=dict[str, float])
    defaults: dict[str, tuple[str, float]] = field(default_factory=dict[str, "tuple[str, float]"])
    failures: dict[str, tuple[int, str]] = field(default_factory=dict[str, "tuple[int, str]"])
    resources: dict[str, dict[str, Any]] = field(default_factory=dict[str, "dict[str, Any]"])
    requests: list[str] = field(default_factory=list[str])
    page: int = 100
    url: str = ""

    def reset(self, applied: Mapping[str, tuple[str, float]]) -> None:
        """Forget all but these quotas."""
        vars(self).update(vars(LoopbackServiceQuotas(applied={**applied}, url=self.url)))

    def answer(self, operation: str, path: str, body: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        """The status and the fields of the answer to one request."""
        operation = operation.rpartition(".")[2] or unquote(path)
        self.requests.append(operation)
        if operation in self.failures:
            status, code = self.failures[operation]
            return status, {"__type": code, "message": f"{code} of {operation}"}
        if operation == "GetServiceQuota":
            return self._one(body["QuotaCode"])
        if operation.startswith("List"):
            listed = self.applied if operation == "ListServiceQuotas" else self.defaults
            return 200, self._page(listed, int(body.get("NextToken", "0")), min(self.page, body["MaxResults"]))
        return 200, next(answer for part, answer in self.resources.items() if part in operation)

    def _page(self, listed: Mapping[str, tuple[str, float | None]], start: int, size: int) -> dict[str, Any]:
        quotas = [_quota(code, name, value) for code, (name, value) in listed.items()]
        more = {"NextToken": str(start + size)} if start + size < len(quotas) else {}
        return {"Quotas": quotas[start : start + size], **more}

    def _one(self, code: str) -> tuple[int, dict[str, Any]]:
        name, value = self.applied.get(code, ("", None))
        value = self.unlisted.get(code) if value is None else value
        if value is None:
            return 400, {
                "__type": "NoSuchResourceException",
                "message": "There is no such quota.",
            }
        return 200, {"Quota": _quota(code, name, value)}


def _quota(code: str, name: str, value: float | None) -> dict[str, Any]:
    quota = {"ServiceCode": "bedrock", "QuotaCode": code, "QuotaName": name, "Adjustable": True, "GlobalQuota": False}
    return quota if value is None else {**quota, "Value": value}


@contextlib.contextmanager
def service_quotas() -> Generator[LoopbackServiceQuotas]:
    """The services, until the end of the block."""
    services = LoopbackServiceQuotas()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(services))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    services.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield services
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(services: LoopbackServiceQuotas) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def _handle(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            operation = self.headers.get("X-Amz-Target", "")
            status, fields = services.answer(operation, self.path, json.loads(body or b"{}"))
            content = json.dumps(fields).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(content)))
            if "__type" in fields:
                self.send_header("X-Amzn-ErrorType", fields["__type"])
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = _handle  # noqa: N815 - the base class looks these names up

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class has it so
            """Log nothing: a failing test shows what matters."""

    return Handler
