"""The run report: every source, every item, every number of a run, as one JSON object beside the items."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import msgspec

from bedrock_resilience import __version__
from vectora_normalize.pipeline.summary import accounts, bedrock_numbers, shares

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

    from vectora_normalize.contract import RunRefusedError, RunRequest
    from vectora_normalize.pipeline.plan import Plan
    from vectora_normalize.pipeline.worklist import Batch, WorkList
    from vectora_normalize.settings import Settings
    from vectora_normalize.sources.collect import Ingested


class Story(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a run can tell of itself.

    Args:
        request: What was asked for.
        request_id: The invocation's name.
        run: The run's name, which no other run has.
        started_at: The instant it began.
        settings: The environment.
        plan: What it was about.
        ingested: What the sources gave.
        todo: What it had before it.
        batch: What became of the items.
        refusal: Why it came to nothing; None where it was done.
        shared_with: The run that was under way already; None where there was none.
        seconds: What each step took, and the whole.
    """

    request: RunRequest
    request_id: str
    run: str
    started_at: dt.datetime
    settings: Settings
    plan: Plan
    ingested: Ingested
    todo: WorkList
    batch: Batch
    refusal: RunRefusedError | None
    shared_with: str | None
    seconds: Mapping[str, float]


def run_report(story: Story) -> dict[str, Any]:
    """The report as JSON types."""
    request, refusal = story.request, story.refusal
    report = msgspec.json.encode(
        {
            "client_id": request.client_id,
            "request_id": story.request_id,
            "run": story.run,
            "shared_with": story.shared_with,
            "started_at": story.started_at,
            "status": refusal.error_type.status if refusal else 200,
            "error_type": refusal.error_type if refusal else None,
            "message": str(refusal) if refusal else None,
            "items_ingested": len(story.todo.items),
            "items_normalized": len(story.batch.succeeded),
            "seconds": {name: round(value, 3) for name, value in story.seconds.items()},
            "request": {
                "period_days": request.period_days,
                "sources": request.sources,
                "from_date": request.from_date,
                "to_date": request.to_date,
                "ignored": request.ignored,
            },
            "window": story.plan.window,
            "settings": _shown(story.settings),
            "work": shares(story.todo, story.batch),
            "bedrock": bedrock_numbers(story.batch),
            "sources": [source.to_dict() for source in story.ingested.sources],
            "disabled_sources": story.plan.disabled,
            "problems": story.ingested.problems,
            "items": accounts(story.batch),
            "version": __version__,
        }
    )
    told: dict[str, Any] = msgspec.json.decode(report)  # dates, enums and tuples as their readers will see them
    return told


def _shown(settings: Settings) -> dict[str, Any]:
    """The settings that decide how a run goes; none of them is a secret."""
    return {
        "env": settings.env,
        "project_name": settings.project_name,
        "model_id": settings.model_id,
        "region": settings.region,
        "max_workers": settings.max_workers,
        "policy": settings.policy.to_env(),
        "quota": asdict(settings.quota) if settings.quota else None,
        "pacing": settings.pacing,
        "read_timeout": settings.read_timeout,
        "on_concurrent_run": settings.on_concurrent_run,
        "mode": settings.mode,
    }
