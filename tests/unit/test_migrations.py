"""The migration pages: the code before and the code after answer the same call, throttled twice."""

from __future__ import annotations

import os
import re
import time
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import pytest

from bedrock_resilience import Fault, RetryPolicy
from bedrock_resilience.emulator import BedrockEmulator
from bedrock_resilience.testing import instant_retries
from support.pages import ROOT, blocks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PAGES = sorted((ROOT / "docs" / "how-to").glob("migrate-from-*.md"))
PAIRS = {"backoff": 2, "botocore": 2, "stamina": 2, "tenacity": 4}


def programs(page: Path) -> dict[str, str]:
    """The programs of a page that define ``ask``, by the heading and the label over them."""
    found: dict[str, str] = {}
    lines = page.read_text("utf-8").splitlines()
    for block in blocks(page):
        if block.no_run is None and "def ask(" in block.code:
            above = lines[: block.line - 1]
            heading = next(line[3:] for line in reversed(above) if line.startswith("## "))
            label = next(match[1] for line in reversed(above) if (match := re.search(r"\*\*(Before|After):\*\*", line)))
            found[f"{heading}: {label}"] = block.code
    return found


PROGRAMS = [
    pytest.param(code, id=f"{page.stem.removeprefix('migrate-from-')}: {name}")
    for page in PAGES
    for name, code in programs(page).items()
]


def return_at_once(_seconds: float) -> None:
    """What the retries of other libraries call to wait."""


@pytest.fixture
def emulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[BedrockEmulator]:
    """An emulator that boto3 finds; no retry waits, whoever makes it."""
    monkeypatch.setattr(time, "sleep", return_at_once)
    with BedrockEmulator() as running, patch.dict(os.environ, running.client_env()), instant_retries():
        yield running


def load(code: str) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "migration"}
    exec(compile(code, "migration", "exec"), names)  # noqa: S102 - running our own pages is the point
    return names


TENACITY = programs(ROOT / "docs" / "how-to" / "migrate-from-tenacity.md")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_each_page_has_its_pairs_of_programs(page: Path) -> None:
    names = list(programs(page))
    pairs = PAIRS[page.stem.removeprefix("migrate-from-")]
    assert [name.rpartition(": ")[2] for name in names] == ["Before", "After"] * pairs


@pytest.mark.parametrize("code", PROGRAMS)
def test_the_program_survives_two_throttles(code: str, emulator: BedrockEmulator) -> None:
    names = load(code)
    emulator.fail_next(2, error="ThrottlingException")
    assert "Hello" in names["ask"]("Hello")
    assert (emulator.requests, emulator.throttles) == (3, 2)
    names["client"].close()


def test_the_numbers_of_requests_that_the_pages_state(emulator: BedrockEmulator) -> None:
    sent: dict[str, int] = {}
    for name, code in TENACITY.items():
        if name.startswith("Replace a callback"):  # it raises nothing
            continue
        names = load(code)
        emulator.reset()
        emulator.fail_next(None, error="ThrottlingException")
        with pytest.raises(Exception, match="ThrottlingException"):
            names["ask"]("Hello")
        sent[name] = emulator.requests
        names["client"].close()
    assert sent["Replace a decorator: Before"] == 12
    assert sent["Replace a decorator: After"] == 4


@pytest.mark.parametrize("when", ["Before", "After"])
def test_the_substitute_of_a_callback_reads_the_arguments(
    when: str, emulator: BedrockEmulator, caplog: pytest.LogCaptureFixture
) -> None:
    names = load(TENACITY[f"Replace a callback: {when}"])
    emulator.fail_next(None, error="ThrottlingException")
    assert names["ask"]("Hello") == "no answer to 'Hello' (attempts: 4)"
    logged = [record.getMessage() for record in caplog.records if record.name == "migration"]
    assert [text.partition(" failed: ")[0] for text in logged] == [f"ask: attempt {number}" for number in (1, 2, 3)]
    names["client"].close()


def test_the_tokens_of_the_day_get_the_substitute_without_a_retry(emulator: BedrockEmulator) -> None:
    names = load(TENACITY["Replace a callback: After"])
    emulator.fail_next(1, error="tokens-per-day")
    assert names["ask"]("Hello") == "no answer to 'Hello' (attempts: 1)"
    names["client"].close()


def test_what_the_pages_say_that_each_policy_retries() -> None:
    default, transient = RetryPolicy(), RetryPolicy(retry_on="transient")
    retried = {fault: (default.retries_of(fault), transient.retries_of(fault)) for fault in Fault}
    assert {fault for fault, retries in retried.items() if retries == (3, 3)} == {Fault.THROTTLING}
    assert {fault for fault, retries in retried.items() if retries == (0, 3)} == {
        Fault.SERVICE_UNAVAILABLE,
        Fault.OVERLOADED,
        Fault.INTERNAL_SERVER,
        Fault.BAD_GATEWAY,
        Fault.GATEWAY_TIMEOUT,
        Fault.MODEL_NOT_READY,
        Fault.CONNECTION_FAILED,
    }
    assert {fault for fault, retries in retried.items() if retries == (0, 1)} == {
        Fault.REQUEST_TIMEOUT,
        Fault.MODEL_TIMEOUT,
        Fault.READ_TIMEOUT,
        Fault.MODEL_ERROR,
        Fault.MODEL_STREAM_ERROR,
        Fault.CONNECTION_LOST,
        Fault.STREAM_INTERRUPTED,
        Fault.MALFORMED_RESPONSE,
    }
    never = [
        Fault.VALIDATION,
        Fault.ACCESS_DENIED,
        Fault.NOT_FOUND,
        Fault.CONFLICT,
        Fault.SERVICE_QUOTA,
        Fault.CREDENTIALS,
        Fault.TOKENS_PER_DAY,
    ]
    assert [retried[fault] for fault in never] == [(0, 0)] * 7
