"""A Bedrock Runtime on loopback, which an unmodified AWS SDK talks to: quotas, latency and faults as wanted.

>>> from bedrock_resilience.emulator import BedrockEmulator
>>> with BedrockEmulator() as emulator:
...     emulator.requests
0
"""

from __future__ import annotations

from bedrock_resilience.emulator.answers.backend import OpenAIBackend
from bedrock_resilience.emulator.answers.extractor import CONFESSION, extract
from bedrock_resilience.emulator.answers.generation import Generation
from bedrock_resilience.emulator.conversation import Conversation
from bedrock_resilience.emulator.emulator import BedrockEmulator
from bedrock_resilience.emulator.faults import EVERY_FAILURE, ErrorAnswer
from bedrock_resilience.emulator.journal import Exchange
from bedrock_resilience.emulator.latency import Constant, LogNormal, Uniform, parse_latency
from bedrock_resilience.emulator.serving import serve

__all__ = [
    "CONFESSION",
    "EVERY_FAILURE",
    "BedrockEmulator",
    "Constant",
    "Conversation",
    "ErrorAnswer",
    "Exchange",
    "Generation",
    "LogNormal",
    "OpenAIBackend",
    "Uniform",
    "extract",
    "parse_latency",
    "serve",
]
