"""Pacers: when may the next request be sent?"""

from __future__ import annotations

from bedrock_resilience.pacing.adaptive import AdaptiveLaw, AdaptivePacer
from bedrock_resilience.pacing.protocol import Pacer, Reservation
from bedrock_resilience.pacing.quota_pacer import QuotaPacer
from bedrock_resilience.pacing.unpaced import NoPacer

__all__ = ["AdaptiveLaw", "AdaptivePacer", "NoPacer", "Pacer", "QuotaPacer", "Reservation"]
