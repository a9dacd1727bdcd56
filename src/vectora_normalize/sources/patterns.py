"""Regular expressions from configuration, with limits, so that none of them can block a run.

A pattern is written in the dialect of Python's ``re`` module and must compile there. It runs in the ``regex`` package,
which accepts the same dialect and, unlike ``re``, supports a timeout. A pattern that times out is not used again, so it
costs a quarter of a second once, not once for each item. All patterns of a list share a time budget, for those that are
slow without timing out.

A pattern may be written as a Python raw string, ``r"..."``: people copy it like that, and YAML keeps the quotes.
"""

from __future__ import annotations

import re
import warnings
from typing import TYPE_CHECKING, Any, Final

from bedrock_resilience.clock import SYSTEM_CLOCK

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bedrock_resilience.clock import Clock

MAX_PATTERNS: Final = 20
"""Patterns in a list."""

MAX_PATTERN_LENGTH: Final = 500
"""Characters of a pattern."""

TIMEOUT_SECONDS: Final = 0.25
"""Seconds for one search. A reasonable pattern needs about ten microseconds; the rest allows for a busy machine."""

MAX_TEXT_LENGTH: Final = 20_000
"""Characters of a text that are searched."""


_RAW_STRING: Final = re.compile(r"""[rR](?P<quote>["'])(?P<pattern>.*)(?P=quote)""", re.DOTALL)


def unmet_requirement(pattern: str) -> str | None:
    """Return the requirement that a pattern does not meet; None if it is accepted."""
    if len(pattern) > MAX_PATTERN_LENGTH:
        return f"a regular expression of at most {MAX_PATTERN_LENGTH} characters"
    try:
        _compile(pattern)
    except (re.error, RecursionError, OverflowError, MemoryError) as error:
        return f"a regular expression that Python's re module accepts ({str(error)[:100]})"
    except Exception as error:  # noqa: BLE001 - regex.error, which is not worth an import to name
        return f"a regular expression that both re and regex accept ({str(error)[:100]})"
    return None


class Patterns:
    """A list of regular expressions, tried in order, case-insensitively.

    Args:
        patterns: The patterns of the configuration. Those that are not accepted are skipped.
        field: The name of the field that they come from, for ``problems``.
        budget: Seconds that all searches together may take; after that nothing matches.
        clock: The source of time.

    Attributes:
        problems: One sentence for each pattern that is not used, with the reason. It grows when a pattern times out.
    """

    def __init__(
        self, patterns: Sequence[str], *, field: str, budget: float = 1.0, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self._field = field
        self._budget = self._remaining = budget
        self._clock = clock
        self._compiled: dict[int, Any] = {}
        self.problems: list[str] = []
        if len(patterns) > MAX_PATTERNS:
            self.problems.append(f"{field}: got {len(patterns)} patterns; only the first {MAX_PATTERNS} are used")
        for number, pattern in enumerate(patterns[:MAX_PATTERNS]):
            if requirement := unmet_requirement(pattern):
                self.problems.append(f"{field}[{number}]: skipped; accepted: {requirement}")
            else:
                self._compiled[number] = _compile(pattern)

    def find(self, text: str) -> Iterator[str]:
        """Yield the match of each pattern that matches: its first group, or all of it if there is no group."""
        for number, pattern in tuple(self._compiled.items()):
            if number not in self._compiled:  # an earlier pattern used up the budget
                return
            if (match := self._search(number, pattern, text[:MAX_TEXT_LENGTH])) is not None:
                yield (match[1] if pattern.groups else match[0]) or ""

    def match_any(self, text: str) -> bool:
        """Return whether one of the patterns occurs in the text."""
        return any(True for _ in self.find(text))

    def _search(self, number: int, pattern: Any, text: str) -> Any:  # noqa: ANN401 - regex has no types
        start = self._clock.monotonic()
        try:
            return pattern.search(text, timeout=TIMEOUT_SECONDS)
        except TimeoutError:
            self._drop(number, f"timed out after {TIMEOUT_SECONDS} s")
        except MemoryError:
            self._drop(number, "used too much memory")
        finally:
            self._remaining -= self._clock.monotonic() - start
            if self._remaining < 0 and self._compiled:
                self._compiled.clear()
                self.problems.append(f"{self._field}: took more than {self._budget} s in total; skipped from then on")
        return None

    def _drop(self, number: int, reason: str) -> None:
        del self._compiled[number]
        self.problems.append(f"{self._field}[{number}]: {reason}; skipped from then on")


def _compile(pattern: str) -> Any:  # noqa: ANN401 - regex has no types
    if (raw := _RAW_STRING.fullmatch(pattern)) is not None:
        pattern = raw["pattern"]
    import regex  # noqa: PLC0415 - most cold starts need no pattern

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "possible nested set" and the like: meant for the author of the pattern
        re.compile(pattern, re.IGNORECASE)
        return regex.compile(pattern, regex.IGNORECASE | regex.VERSION0)
