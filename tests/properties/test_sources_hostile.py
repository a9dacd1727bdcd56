"""Hostile and broken documents: no crash, no hang, no connection to an address inside a document, little memory.

The gate takes a sample of every kind. The nightly run, whose profile is ``thorough``, takes all of the more than 2,000
documents.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support.hostile import corpus, served
from support.nightly import NIGHTLY
from support.stopwatch import machine_slowness

TESTS = Path(__file__).parents[1]
RECIPES = corpus(full=NIGHTLY)


@pytest.fixture(scope="module")
def measured() -> dict[str, Any]:
    """The measurements of another process that has fetched and parsed the corpus."""
    modes = json.dumps([recipe().mode for recipe in RECIPES])
    with served(RECIPES) as (server, canary):
        reader = subprocess.run(
            [sys.executable, "-W", "error", "-m", "support.hostile", server.url],
            input=modes,
            capture_output=True,
            text=True,
            cwd=TESTS,
            check=False,
            timeout=300,
        )
        assert (reader.returncode, reader.stderr) == (0, "")
        return {**json.loads(reader.stdout), "requests": len(server.requests), "canary": canary.connections}


def test_every_document_is_parsed_or_fails_with_a_known_kind(measured: dict[str, Any]) -> None:
    assert len(RECIPES) >= (2_000 if NIGHTLY else 350)
    assert sum(measured["kinds"].values()) == len(RECIPES)
    assert set(measured["kinds"]) <= {"read", "parse_error", "empty_response", "invalid_response", "too_large"}
    assert measured["kinds"]["read"] > len(RECIPES) / 2
    assert measured["requests"] >= len(RECIPES)


def test_no_document_takes_more_than_two_seconds(measured: dict[str, Any]) -> None:
    slowest = max(range(len(RECIPES)), key=lambda number: measured["seconds"][number])
    # Two seconds on an idle machine. Both processors are busy here, which doubles the processor time of a thread; a
    # parser that is quadratic in depth or length takes minutes.
    assert measured["seconds"][slowest] < 4 * machine_slowness(), RECIPES[slowest]().name


def test_every_entry_is_counted_once(measured: dict[str, Any]) -> None:
    assert measured["balanced"]
    assert measured["items"] > 0


def test_no_address_inside_a_document_is_connected_to(measured: dict[str, Any]) -> None:
    assert measured["canary"] == 0


def test_the_memory_fits_into_a_small_lambda_function(measured: dict[str, Any]) -> None:
    assert measured["megabytes"] < 256
