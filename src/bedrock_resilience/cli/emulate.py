"""``bedrock-resilience emulate``: a Bedrock Runtime on this machine, until Ctrl-C."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bedrock_resilience.cli.console import refuse
from bedrock_resilience.cli.quota_options import Burst, RequestsPerMinute, TokensPerDay, TokensPerMinute, quota_from
from bedrock_resilience.emulator import CONFESSION, BedrockEmulator, parse_latency, serve

if TYPE_CHECKING:
    from bedrock_resilience.emulator.latency import Latency

DEFAULT_PORT = 8377


def emulate(
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port on 127.0.0.1; 0 takes a free one.")] = DEFAULT_PORT,
    rpm: RequestsPerMinute = None,
    tpm: TokensPerMinute = None,
    tpd: TokensPerDay = None,
    burst: Burst = None,
    latency: Annotated[str, typer.Option(help="Seconds, uniform:<low>,<high> or lognormal:<median>,<sigma>.")] = "0",
    seed: Annotated[int, typer.Option(help="Seed of random latencies and faults.")] = 0,
) -> None:
    """Run a Bedrock Runtime on loopback that unmodified AWS SDKs talk to. It is no language model.

    Prints the environment variables that point an SDK at it, and at the end what it has seen.
    """
    emulator = BedrockEmulator(
        quota_from(rpm, tpm, tpd, burst), latency=_latency(latency), port=port, seed=seed, log_size=0
    )
    try:
        serve(emulator, on_ready=_announce)
    except OSError as problem:
        refuse(f"port: got {port}; accepted: a free port of 127.0.0.1, or 0 ({problem.strerror})")
    typer.echo(f"{emulator.requests} requests, {emulator.throttles} throttled")


def _announce(emulator: BedrockEmulator) -> None:
    typer.echo(f"# {CONFESSION}")
    for name, value in emulator.client_env().items():
        typer.echo(f"export {name}={value}")


def _latency(text: str) -> Latency:
    try:
        return parse_latency(text)
    except ValueError as problem:
        refuse(str(problem))
