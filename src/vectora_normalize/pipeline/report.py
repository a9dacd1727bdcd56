"""The run report: every source, every item, every number of a run, as one JSON object beside the items."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import msgspec

from bedrock_resilience import __version__
from vectora_normalize.pipeline.summary import bedrock_numbers, item_reports, items_asked, pacing_report, work_counts

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

    from bedrock_resilience.pacing import Pacer
    from vectora_normalize.contract import RunRefusedError, RunRequest
    from vectora_normalize.pipeline.plan import Plan
    from vectora_normalize.pipeline.worklist import Batch, WorkList
    from vectora_normalize.settings import Settings
    from vectora_normalize.sources.reports import IngestResult


class ReportInputs(msgspec.Struct, frozen=True, kw_only=True):
    """The inputs of the report of a run.

    Args:
        request: The parsed event.
        request_id: Id of the invocation.
        run_id: Name of the run, which no other run has.
        started_at: When it began.
        settings: The environment.
        plan: The plan of the run.
        ingested: What was collected from the sources.
        work_list: The items of the run.
        batch: The outcomes of the items.
        refusal: Why the answer is a 502; None if it is a 200.
        failed_runs: Source key to the runs in a row in which it failed, for sources that failed.
        shared_with: The run that was already in progress; None if there was none.
        pacer: The pacer of the calls; None if they were not paced.
        memory_megabytes: Memory of the function; None outside of Lambda.
        store_requests: Requests to S3 until the report was written, by their price class.
        seconds: Seconds of each step, and ``total``.
    """

    request: RunRequest
    request_id: str
    run_id: str
    started_at: dt.datetime
    settings: Settings
    plan: Plan
    ingested: IngestResult
    work_list: WorkList
    batch: Batch
    refusal: RunRefusedError | None
    shared_with: str | None
    pacer: Pacer | None
    failed_runs: Mapping[str, int]
    memory_megabytes: int | None
    store_requests: Mapping[str, int]
    seconds: Mapping[str, float]


def run_report(inputs: ReportInputs) -> dict[str, Any]:
    """Return the report as JSON types."""
    request, refusal = inputs.request, inputs.refusal
    report = msgspec.json.encode(
        {
            "client_id": request.client_id,
            "request_id": inputs.request_id,
            "run": inputs.run_id,
            "shared_with": inputs.shared_with,
            "started_at": inputs.started_at,
            "status": refusal.error_type.status if refusal else 200,
            "error_type": refusal.error_type if refusal else None,
            "message": str(refusal) if refusal else None,
            "items_ingested": len(inputs.work_list.items),
            "items_normalized": len(inputs.batch.succeeded),
            "items_asked": items_asked(inputs.batch, len(inputs.work_list.given_up)),
            "seconds": {name: round(value, 3) for name, value in inputs.seconds.items()},
            "request": {
                "period_days": request.period_days,
                "sources": request.sources,
                "from_date": request.from_date,
                "to_date": request.to_date,
                "dry_run": request.dry_run,
                "ignored": request.ignored,
            },
            "window": inputs.plan.window,
            "settings": _relevant_settings(inputs.settings),
            "work": work_counts(inputs.work_list, inputs.batch),
            "bedrock": bedrock_numbers(inputs.batch),
            "pacing": pacing_report(inputs.pacer, inputs.batch, inputs.settings.max_workers),
            "cost": _cost(inputs),
            "sources": [
                {**source.to_dict(), "failed_runs": inputs.failed_runs.get(source.source_key, 0)}
                for source in inputs.ingested.sources
            ],
            "disabled_sources": inputs.plan.disabled,
            "skipped_sources": inputs.plan.skipped,
            "warnings": inputs.plan.warnings,
            "unsupported": inputs.plan.unsupported,
            "problems": inputs.ingested.problems,
            "items": item_reports(inputs.batch),
            "version": __version__,
        }
    )
    decoded: dict[str, Any] = msgspec.json.decode(report)  # dates, enums and tuples as JSON types
    return decoded


def _cost(inputs: ReportInputs) -> dict[str, Any]:
    """Return what the run used of everything that AWS charges for. Prices change, and differ by region and model."""
    tokens, seconds, memory = inputs.batch.tokens, inputs.seconds["total"], inputs.memory_megabytes
    return {
        "bedrock": {
            "requests": inputs.batch.attempts,
            "input_tokens": tokens.input_tokens if tokens else 0,
            "output_tokens": tokens.output_tokens if tokens else 0,
            "requests_of_unknown_usage": tokens.unknown if tokens else 0,
        },
        "s3": inputs.store_requests,
        "lambda": {
            "seconds": round(seconds, 3),
            "memory_megabytes": memory,
            "gigabyte_seconds": None if memory is None else round(seconds * memory / 1024, 3),
        },
    }


def _relevant_settings(settings: Settings) -> dict[str, Any]:
    """Return the settings that affect a run; none of them is a secret."""
    return {
        "env": settings.env,
        "project_name": settings.project_name,
        "model_id": settings.model_id,
        "region": settings.region,
        "max_workers": settings.max_workers,
        "policy": settings.policy.to_env(),
        "quota": asdict(settings.quota) if settings.quota else None,
        "pacing": settings.pacing,
        "pace_table": settings.pace_table,
        "read_timeout": settings.read_timeout,
        "on_concurrent_run": settings.on_concurrent_run,
        "mode": settings.mode,
    }
