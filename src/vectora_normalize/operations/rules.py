"""The rules of the alarms: one table, which the template of the stack and ``vectora-normalize report`` both follow.

A rate is one of what a run itself asked of Bedrock. Items whose responses were stored before cost nothing and cannot
fail, so they would only dilute it. And a rate has a minimum volume: of one item, a single retry is 50 %.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

MIN_ATTEMPTS: Final = 20
"""Attempts below which the retry rate is not judged."""

MIN_ITEMS: Final = 20
"""Items below which the failure rate is not judged: one of 20 is 5 %, the limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmRule:
    """A limit of one metric, or of one metric over another in percent.

    Args:
        alarm: The end of the alarm's name in the stack.
        metric: The metric.
        over: The metric that it is a share of, for a rate; None: the metric itself is compared.
        min_volume: What ``over`` has to be at least for the rate to be judged.
        limit: What the value may be at most.
        text: How a report says that the limit is exceeded; ``{value}`` and ``{limit}`` are numbers.
    """

    alarm: str
    metric: str
    over: str | None = None
    min_volume: int = 0
    limit: float = 0.0
    text: str

    @property
    def expression(self) -> str | None:
        """The rate as metric math of CloudWatch, over the metrics by their names in lower case; None for no rate."""
        if self.over is None:
            return None
        metric, over = self.metric.lower(), self.over.lower()
        return f"IF({over} >= {self.min_volume}, 100 * {metric} / {over}, 0)"

    def value(self, counts: Mapping[str, float]) -> float | None:
        """Return the value to compare; None if the counts do not have it."""
        value = counts.get(self.metric)
        if value is None or self.over is None:
            return value
        over = counts.get(self.over)
        if over is None:
            return None
        return 100 * value / over if over >= self.min_volume else 0.0

    def breach(self, counts: Mapping[str, float]) -> str | None:
        """Return how the counts exceed the limit; None if they do not, or do not have the metric."""
        value = self.value(counts)
        return None if value is None or value <= self.limit else self.text.format(value=value, limit=self.limit)


RULES: Final = (
    AlarmRule(alarm="refused", metric="RunsRefused", text="ended without a result"),
    AlarmRule(alarm="unstarted", metric="ItemsUnstarted", text="{value:.0f} items not started"),
    AlarmRule(
        alarm="retry-rate",
        metric="Retries",
        over="Attempts",
        min_volume=MIN_ATTEMPTS,
        limit=20,
        text="retry rate {value:.1f}%, over {limit:g}%",
    ),
    AlarmRule(
        alarm="failure-rate",
        metric="ItemsFailed",
        over="ItemsAsked",
        min_volume=MIN_ITEMS,
        limit=5,
        text="final failure rate {value:.1f}%, over {limit:g}%",
    ),
    AlarmRule(
        alarm="nothing-kept", metric="RunsNothingKept", text="none of the entries that the sources have was kept"
    ),
    AlarmRule(
        alarm="failing-sources",
        metric="SourcesFailingRepeatedly",
        text="{value:.0f} sources failed in several runs in a row",
    ),
    AlarmRule(alarm="duration", metric="DurationSeconds", limit=240, text="took {value:.0f} s, over {limit:g} s"),
)
"""The rules on the metrics of a run, in the order in which a report has them."""
