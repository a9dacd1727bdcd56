"""Which drafts become items: those in the window that pass the client's filters and are no duplicates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vectora_normalize.sources.filter_input import to_filter_input

if TYPE_CHECKING:
    from vectora_normalize.items import RawItem
    from vectora_normalize.sources.config.catalog import ContentFilters
    from vectora_normalize.sources.drafts import Draft, SourceResult
    from vectora_normalize.sources.filter_input import FilterInput
    from vectora_normalize.sources.patterns import Patterns
    from vectora_normalize.sources.window import Window

_EXCLUDE_BUDGET_SECONDS = 5.0  # for a client's exclude patterns, in one run


class ItemFilter:
    """The client's content filters, and the removal of duplicates across sources.

    Args:
        filters: The client's content filters.
    """

    def __init__(self, filters: ContentFilters) -> None:
        self._min_words = filters.min_word_count
        self._excluded: Patterns | None = None
        if filters.exclude_patterns:
            from vectora_normalize.sources.patterns import Patterns  # noqa: PLC0415 - few clients exclude anything

            name = "source_config.content_filters.exclude_patterns"
            self._excluded = Patterns(filters.exclude_patterns, field=name, budget=_EXCLUDE_BUDGET_SECONDS)
        self._known_hashes: set[str] = set()
        self._known_links: dict[tuple[str, str], bool] = {}  # link and title to whether the article is missing

    @property
    def problems(self) -> list[str]:
        """One sentence for each exclude pattern that is not used, with the reason."""
        return self._excluded.problems if self._excluded else []

    def apply(self, result: SourceResult, window: Window) -> list[RawItem]:
        """Return the items of a source that are kept; count each of its drafts.

        Args:
            result: The source, with the articles of its drafts; its counts are updated.
            window: The days.
        """
        kept: list[RawItem] = []
        for draft in result.drafts:
            published = draft.entry.published or (draft.article.page.published if draft.article else None)
            if published is None or not window.contains(published):
                result.drop("undated" if published is None else "outside_window", draft.entry, published)
                continue
            candidate = to_filter_input(result.source, draft, published)
            if candidate is None:
                result.drop("invalid", draft.entry, published)
            elif reason := self._reason_to_drop(candidate, draft):
                result.drop(reason, draft.entry, published)
            else:
                result.counts["kept"] += 1
                self._known_hashes.add(candidate.item.content_hash)
                self._known_links.setdefault(_link_and_title(candidate, draft), draft.failure is not None)
                kept.append(candidate.item)
        return kept

    def _reason_to_drop(self, candidate: FilterInput, draft: Draft) -> str | None:
        """Return the count of a candidate that is dropped; None where it is kept."""
        if candidate.words < self._min_words:
            return "too_short"
        if self._excluded and self._excluded.match_any(candidate.beginning):
            return "excluded"
        return "duplicate" if self._is_known(candidate, draft) else None

    def _is_known(self, candidate: FilterInput, draft: Draft) -> bool:
        """Return whether an earlier item has the same text, or the same article, of which one text is missing.

        Feeds excerpt one article differently. Its text would show that they are the same, if it could be fetched.
        """
        if candidate.item.content_hash in self._known_hashes:
            return True
        missing = self._known_links.get(_link_and_title(candidate, draft))
        return bool(draft.entry.link) and missing is not None and (missing or draft.failure is not None)


def _link_and_title(candidate: FilterInput, draft: Draft) -> tuple[str, str]:
    return draft.entry.link, candidate.item.title.casefold()
