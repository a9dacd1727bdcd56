"""What both functions make of the settings and of Lambda's context."""

from __future__ import annotations

import pytest

from bedrock_resilience.pacing import AdaptivePacer, QuotaPacer
from bedrock_resilience.quota import Quota
from vectora_normalize.aws import make_pacer
from vectora_normalize.settings import Pacing, Settings


def settings(**fields: object) -> Settings:
    return Settings(**{"config_bucket": "c", "data_bucket": "d", **fields})  # type: ignore[arg-type]  # the fields


def test_nothing_is_paced_unless_asked_for() -> None:
    assert make_pacer(settings()) is None
    assert make_pacer(settings(quota=Quota(requests_per_minute=50), pacing=Pacing.NONE)) is None


def test_a_known_quota_is_kept() -> None:
    pacer = make_pacer(settings(quota=Quota(requests_per_minute=60, burst=1), pacing=Pacing.QUOTA))
    assert isinstance(pacer, QuotaPacer)
    assert pacer.reserve(0.0).wait == 0
    assert pacer.reserve(0.0).wait == pytest.approx(1.0, rel=0.2)


def test_an_unknown_quota_is_found_out() -> None:
    assert isinstance(make_pacer(settings(pacing=Pacing.ADAPTIVE)), AdaptivePacer)
