"""A Bedrock Runtime on loopback for an unmodified AWS SDK, with the quotas, latency and faults that you set.

>>> from bedrock_resilience.emulator import BedrockEmulator
>>> with BedrockEmulator() as emulator:
...     emulator.requests
0
"""

from __future__ import annotations

from bedrock_resilience.emulator._emulator import BedrockEmulator
from bedrock_resilience.emulator._generation.extractor import DISCLAIMER, extract
from bedrock_resilience.emulator._generation.openai_backend import OpenAIBackend
from bedrock_resilience.emulator._http.routes import Operation
from bedrock_resilience.emulator._injection.error_faults import FAULT_NAMES, ErrorResponse
from bedrock_resilience.emulator._injection.injected_fault import InjectedFault
from bedrock_resilience.emulator._latency import Constant, Latency, LogNormal, Uniform, parse_latency
from bedrock_resilience.emulator._protocol.conversation import ChatMessage, Conversation, Tool
from bedrock_resilience.emulator._protocol.errors import ServiceError
from bedrock_resilience.emulator._protocol.generation import Generation, Responder
from bedrock_resilience.emulator._request_log import LogEntry
from bedrock_resilience.emulator._serving import serve

__all__ = [
    "DISCLAIMER",
    "FAULT_NAMES",
    "BedrockEmulator",
    "ChatMessage",
    "Constant",
    "Conversation",
    "ErrorResponse",
    "Generation",
    "InjectedFault",
    "Latency",
    "LogEntry",
    "LogNormal",
    "OpenAIBackend",
    "Operation",
    "Responder",
    "ServiceError",
    "Tool",
    "Uniform",
    "extract",
    "parse_latency",
    "serve",
]
