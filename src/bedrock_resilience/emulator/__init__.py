"""A Bedrock Runtime on loopback, which an unmodified AWS SDK talks to: quotas, latency and faults as wanted.

>>> from bedrock_resilience.emulator import BedrockEmulator
>>> with BedrockEmulator() as emulator:
...     emulator.requests
0
"""

from __future__ import annotations

from bedrock_resilience.emulator._emulator import BedrockEmulator
from bedrock_resilience.emulator._generation.extractor import DISCLAIMER, extract
from bedrock_resilience.emulator._generation.generation import Generation
from bedrock_resilience.emulator._generation.openai_backend import OpenAIBackend
from bedrock_resilience.emulator._injection.error_faults import FAULT_NAMES, ErrorAnswer
from bedrock_resilience.emulator._latency import Constant, LogNormal, Uniform, parse_latency
from bedrock_resilience.emulator._protocol.conversation import Conversation
from bedrock_resilience.emulator._request_log import Exchange
from bedrock_resilience.emulator._serving import serve

__all__ = [
    "DISCLAIMER",
    "FAULT_NAMES",
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
