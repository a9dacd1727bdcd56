"""The same policy inside clients that others made: sessions and clients of AWS SDKs, and HTTP clients.

No third-party package is imported before a target of that package is given.
"""

from __future__ import annotations

from bedrock_resilience.integrations._protect import protect, protection_of, unprotect
from bedrock_resilience.integrations._protection import Protection

__all__ = ["Protection", "protect", "protection_of", "unprotect"]
