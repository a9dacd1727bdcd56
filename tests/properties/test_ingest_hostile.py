"""More than 2,000 hostile and broken documents: no crash, no hang, no request to a forbidden address, little memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support.hostile import corpus, served
from support.stopwatch import machine_slowness

TESTS = Path(__file__).parents[1]
RECIPES = corpus()


@pytest.fixture(scope="module")
def outcome() -> dict[str, Any]:
    """What another process says after it has fetched and read the whole corpus."""
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
        return {**json.loads(reader.stdout), "asked": len(server.requests), "canary": canary.connections}


def test_every_document_is_read_or_fails_in_a_way_that_has_a_name(outcome: dict[str, Any]) -> None:
    assert len(RECIPES) >= 2_000
    assert sum(outcome["kinds"].values()) == len(RECIPES)
    assert set(outcome["kinds"]) <= {"read", "unreadable", "empty", "broken_answer", "too_large"}
    assert outcome["kinds"]["read"] > len(RECIPES) / 2
    assert outcome["asked"] >= len(RECIPES)


def test_none_takes_more_than_seconds(outcome: dict[str, Any]) -> None:
    slowest = max(range(len(RECIPES)), key=lambda number: outcome["seconds"][number])
    # Two seconds on an idle machine. Both processors are busy here, which doubles the processor time of a thread; a
    # parser that is quadratic in depth or length takes minutes.
    assert outcome["seconds"][slowest] < 4 * machine_slowness(), RECIPES[slowest]().name


def test_nothing_is_lost_in_the_count(outcome: dict[str, Any]) -> None:
    assert outcome["balanced"]
    assert outcome["items"] > 0


def test_no_forbidden_address_hears_of_it(outcome: dict[str, Any]) -> None:
    assert outcome["canary"] == 0


def test_it_fits_into_the_smallest_lambda_that_makes_sense(outcome: dict[str, Any]) -> None:
    assert outcome["megabytes"] < 256
