"""A kit to test your retries: virtual time, scripted calls, a scripted Bedrock client, and realistic errors.

It needs neither pytest nor Hypothesis nor botocore. The pytest fixture is in ``testing.plugin``. The Hypothesis
strategies are in ``testing.strategies``; this package exports them, too, and loads Hypothesis on their first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bedrock_resilience._errors import ScriptExhaustedError
from bedrock_resilience._lazy import lazy_attributes
from bedrock_resilience.testing._bedrock import (
    BrokenStream,
    ScriptedBedrock,
    claude_events,
    claude_response,
    converse_events,
    converse_response,
)
from bedrock_resilience.testing._errors import (
    access_denied,
    bedrock_error,
    connection_failed,
    connection_lost,
    error_of,
    incomplete_response,
    malformed_response,
    no_credentials,
    no_region,
    read_timeout,
    stream_cut,
    stream_error,
    throttling_error,
    throttling_errors,
    tokens_per_day_error,
    validation_error,
)
from bedrock_resilience.testing._fake_clock import FakeClock
from bedrock_resilience.testing._instant import instant_retries, no_retries
from bedrock_resilience.testing._script import AsyncScripted, Scripted, ascripted, scripted

if TYPE_CHECKING:
    from collections.abc import Callable

    from bedrock_resilience.testing.strategies import bedrock_errors as bedrock_errors
    from bedrock_resilience.testing.strategies import faults as faults
    from bedrock_resilience.testing.strategies import jitters as jitters
    from bedrock_resilience.testing.strategies import outcomes as outcomes
    from bedrock_resilience.testing.strategies import retry_policies as retry_policies

# The strategies are left out, so that ``import *`` works without Hypothesis.
__all__ = [
    "AsyncScripted",
    "BrokenStream",
    "FakeClock",
    "ScriptExhaustedError",
    "Scripted",
    "ScriptedBedrock",
    "access_denied",
    "ascripted",
    "bedrock_error",
    "claude_events",
    "claude_response",
    "connection_failed",
    "connection_lost",
    "converse_events",
    "converse_response",
    "error_of",
    "incomplete_response",
    "instant_retries",
    "malformed_response",
    "no_credentials",
    "no_region",
    "no_retries",
    "read_timeout",
    "scripted",
    "stream_cut",
    "stream_error",
    "throttling_error",
    "throttling_errors",
    "tokens_per_day_error",
    "validation_error",
]

# These need the extra [testing].
_STRATEGIES = ("bedrock_errors", "faults", "jitters", "outcomes", "retry_policies")
__getattr__: Callable[[str], object] = lazy_attributes(__name__, dict.fromkeys(_STRATEGIES, "strategies"))
