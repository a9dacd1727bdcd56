"""HTTP clients that post to InvokeModel by hand."""

from __future__ import annotations

import asyncio
import importlib
import json
import ssl
import urllib.request
from functools import cache, partial
from typing import Any

from bedrock_resilience.emulator.conformance._clients._client import Client, ClientCall


@cache
def tls_context() -> ssl.SSLContext:  # pragma: no cover - `make conformance` runs it
    """Return the context of all clients: to read the authorities takes longer than a row."""
    return ssl.create_default_context()


def _httpx(package: str, call: ClientCall) -> None:  # pragma: no cover - `make conformance` runs it
    """Both packages have the same interface."""
    httpx: Any = importlib.import_module(package)
    options = {"timeout": call.timeout, "proxy": call.proxy, "trust_env": False, "verify": tls_context()}
    with httpx.Client(**options) as client:
        if call.stream:
            with client.stream("POST", call.path, json=call.body) as response:
                response.raise_for_status()
                list(response.iter_bytes())
        else:
            client.post(call.path, json=call.body).raise_for_status().json()


def _httpx_async(package: str, call: ClientCall) -> None:  # pragma: no cover - `make conformance` runs it
    httpx: Any = importlib.import_module(package)

    async def run() -> None:
        options = {"timeout": call.timeout, "proxy": call.proxy, "trust_env": False, "verify": tls_context()}
        async with httpx.AsyncClient(**options) as client:
            if call.stream:
                async with client.stream("POST", call.path, json=call.body) as response:
                    response.raise_for_status()
                    [part async for part in response.aiter_bytes()]
            else:
                (await client.post(call.path, json=call.body)).raise_for_status().json()

    asyncio.run(run())


def _aiohttp(call: ClientCall) -> None:  # pragma: no cover - `make conformance` runs it
    aiohttp: Any = importlib.import_module("aiohttp")
    timeout = aiohttp.ClientTimeout(connect=call.timeout, sock_read=call.timeout)  # connect includes a proxy

    async def run() -> None:
        async with (
            aiohttp.ClientSession(timeout=timeout, raise_for_status=True) as session,
            session.post(call.path, json=call.body, proxy=call.proxy) as response,
        ):
            if call.stream:
                [part async for part in response.content.iter_any()]
            else:
                await response.json()
                json.loads(await response.read())  # json() returns None for an empty body

    asyncio.run(run())


def _requests(call: ClientCall) -> None:
    requests: Any = importlib.import_module("requests")
    with requests.Session() as session:
        session.trust_env = False
        proxies = {} if call.proxy is None else {"https": call.proxy}
        response = session.post(call.path, json=call.body, timeout=call.timeout, stream=call.stream, proxies=proxies)
        response.raise_for_status()
        if call.stream:
            list(response.iter_content(1_024))
        else:
            response.json()


def _urllib(call: ClientCall) -> None:
    proxies = {} if call.proxy is None else {"https": call.proxy}
    opener = urllib.request.build_opener(urllib.request.ProxyHandler(proxies))
    data = json.dumps(call.body).encode()
    request = urllib.request.Request(call.path, data, {"Content-Type": "application/json"})  # noqa: S310 - of this machine
    with opener.open(request, timeout=call.timeout) as response:
        body = response.read()
    if not call.stream:
        json.loads(body)


CLIENTS = (
    *(
        Client(name=f"{package}{suffix}", package=package, call=partial(call, package), decodes_streams=False)
        for package in ("httpx", "httpx2")
        for suffix, call in (("", _httpx), (" AsyncClient", _httpx_async))
    ),
    Client(name="aiohttp", package="aiohttp", call=_aiohttp, decodes_streams=False, keeps_error_body=False),
    Client(name="requests", package="requests", call=_requests, decodes_streams=False),
    Client(name="urllib", package=None, call=_urllib, decodes_streams=False, keeps_error_body=False),
)
