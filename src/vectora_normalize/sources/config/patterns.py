"""Regular expressions from configuration, which must not be able to hang a run.

They are written in the dialect of Python's `re` and must compile there. They are run by the `regex` package, which
understands the same dialect and, unlike `re`, stops when its time is over. A pattern that was stopped once is dropped
for the rest of its use, so a bad one costs a quarter of a second and not a quarter of a second an item; and all
patterns of a list share a budget, for those that are slow without being stopped.
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
"""Patterns of one list."""

MAX_PATTERN_LENGTH: Final = 500
"""Characters of a pattern."""

TIMEOUT: Final = 0.25
"""Seconds for one search. A sane pattern needs some ten microseconds; the rest is room for a machine that is busy."""

MAX_TEXT: Final = 20_000
"""Characters of a text that are searched."""


def fault_of(pattern: str) -> str | None:
    """Why a pattern is not accepted; None if it is."""
    if len(pattern) > MAX_PATTERN_LENGTH:
        return f"a regular expression of at most {MAX_PATTERN_LENGTH} characters"
    try:
        _compile(pattern)
    except (re.error, RecursionError, OverflowError, MemoryError) as error:
        return f"a regular expression as Python's re module reads it ({str(error)[:100]})"
    except Exception as error:  # noqa: BLE001 - regex.error, which is not worth an import to name
        return f"a regular expression that both re and regex accept ({str(error)[:100]})"
    return None


class Patterns:
    """Regular expressions, tried in their order, case-insensitively.

    Args:
        patterns: As configuration gives them. Those that are not accepted are left out.
        field: The name of the field that they come from, for problems.
        budget: Seconds that all searches may take together; after that nothing matches.
        clock: Measures them.

    Attributes:
        problems: What was left out and why, one sentence each. It grows when a pattern is stopped.
    """

    def __init__(
        self, patterns: Sequence[str], *, field: str, budget: float = 1.0, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self._field = field
        self._budget = self._left = budget
        self._clock = clock
        self._compiled: dict[int, Any] = {}
        self.problems: list[str] = []
        if len(patterns) > MAX_PATTERNS:
            self.problems.append(f"{field}: got {len(patterns)} patterns; only the first {MAX_PATTERNS} are used")
        for number, pattern in enumerate(patterns[:MAX_PATTERNS]):
            if fault := fault_of(pattern):
                self.problems.append(f"{field}[{number}]: left out; accepted: {fault}")
            else:
                self._compiled[number] = _compile(pattern)

    def find(self, text: str) -> Iterator[str]:
        """What each pattern that matches found: its first group if it has one, else the whole match."""
        for number, pattern in tuple(self._compiled.items()):
            if number not in self._compiled:  # the budget was spent on the ones before
                return
            if (found := self._search(number, pattern, text[:MAX_TEXT])) is not None:
                yield (found[1] if pattern.groups else found[0]) or ""

    def match_any(self, text: str) -> bool:
        """Whether one of them is found in the text."""
        return any(True for _ in self.find(text))

    def _search(self, number: int, pattern: Any, text: str) -> Any:  # noqa: ANN401 - regex ships no types
        start = self._clock.monotonic()
        try:
            return pattern.search(text, timeout=TIMEOUT)
        except TimeoutError:
            del self._compiled[number]
            self.problems.append(f"{self._field}[{number}]: stopped after {TIMEOUT} s and left out from then on")
        except MemoryError:
            del self._compiled[number]
            self.problems.append(f"{self._field}[{number}]: took too much memory and was left out from then on")
        finally:
            self._left -= self._clock.monotonic() - start
            if self._left < 0 and self._compiled:
                self._compiled.clear()
                self.problems.append(
                    f"{self._field}: took more than {self._budget} s in all and were left out from then on"
                )
        return None


def _compile(pattern: str) -> Any:  # noqa: ANN401 - regex ships no types
    import regex  # noqa: PLC0415 - most cold starts need no pattern

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "possible nested set" and the like: meant for whoever writes the pattern
        re.compile(pattern, re.IGNORECASE)
        return regex.compile(pattern, regex.IGNORECASE | regex.VERSION0)
