"""Puts a policy into existing clients: sessions and clients of AWS SDKs, and HTTP clients.

A third-party package is imported only when you pass a target of that package.
"""

from __future__ import annotations

from bedrock_resilience.integrations._protect import protect, protection_of, unprotect
from bedrock_resilience.integrations._protection import Protection

__all__ = ["Protection", "protect", "protection_of", "unprotect"]
