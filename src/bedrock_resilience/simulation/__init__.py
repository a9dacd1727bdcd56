"""Simulations with the production executor, policy and pacers on a virtual clock, and advice on finished runs."""

from __future__ import annotations

from bedrock_resilience.simulation._advice import (
    Advice,
    Recommendation,
    advise,
    rebuild,
    recommend,
    recommend_max_tokens,
)
from bedrock_resilience.simulation._bounds import lower_bound
from bedrock_resilience.simulation._driver import simulate
from bedrock_resilience.simulation._load import LoadReport, LoadScenario, simulate_load
from bedrock_resilience.simulation._plots import plot_run, plot_schedule
from bedrock_resilience.simulation._report import InstanceReport, SimulationReport, Span
from bedrock_resilience.simulation._run_stats import RunStats, read_run_stats
from bedrock_resilience.simulation._scenario import QuotaChange, Scenario, Tokens
from bedrock_resilience.simulation._service import SimulatedRequest
from bedrock_resilience.simulation._stores import StoreConditions
from bedrock_resilience.simulation._sweep import PACERS, make_pacer, parse_sweeps, sweep
from bedrock_resilience.simulation._trials import Measure, Trial, TrialResult, run_trial

__all__ = [
    "PACERS",
    "Advice",
    "InstanceReport",
    "LoadReport",
    "LoadScenario",
    "Measure",
    "QuotaChange",
    "Recommendation",
    "RunStats",
    "Scenario",
    "SimulatedRequest",
    "SimulationReport",
    "Span",
    "StoreConditions",
    "Tokens",
    "Trial",
    "TrialResult",
    "advise",
    "lower_bound",
    "make_pacer",
    "parse_sweeps",
    "plot_run",
    "plot_schedule",
    "read_run_stats",
    "rebuild",
    "recommend",
    "recommend_max_tokens",
    "run_trial",
    "simulate",
    "simulate_load",
    "sweep",
]
