"""Pacing on the wire: unmodified boto3 against the emulator, in real time.

600 requests a minute, burst 5, 12 threads, 300 calls of 0.65 s: the incident's numbers with time ten times as fast. The
contract's retry alone, and with ``AdaptivePacer``; the emulator's counts beside the report's.

    python -m benchmarks.pacing.wire

Takes about a minute. The exit code is 1 if the pacer makes more than a fifth of the throttles, or if a count
differs.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from bedrock_resilience import AdaptivePacer, BoundedExecutor, Quota, RetryPolicy, bedrock_runtime_client
from bedrock_resilience.bedrock import converse
from bedrock_resilience.emulator import BedrockEmulator

if TYPE_CHECKING:
    from bedrock_resilience.batch._report import BatchReport
    from bedrock_resilience.pacing import Pacer

THREADS = 12
CALLS = 300
QUOTA = Quota(requests_per_minute=600, burst=5)
LATENCY = 0.65
POLICY = RetryPolicy(base_delay=0.05)  # ten times as fast, like everything here


def run(pacer: Pacer | None, *, calls: int = CALLS) -> tuple[BatchReport[str, dict[str, Any]], int, int, int]:
    """The report of one run, and the requests, throttles and invocation ids that the emulator counted."""
    with BedrockEmulator(quota=QUOTA, latency=LATENCY) as emulator:
        client = bedrock_runtime_client(
            "eu-west-3",
            workers=THREADS,
            endpoint_url=emulator.endpoint_url,
            aws_access_key_id="emulator",
            aws_secret_access_key="emulator",  # noqa: S106 - the emulator accepts any
        )
        try:
            executor = BoundedExecutor(THREADS, policy=POLICY, pacer=pacer)
            report = executor.run(
                lambda text: converse(
                    client, modelId="anthropic.claude", messages=[{"role": "user", "content": [{"text": text}]}]
                ),
                [f"item {number}" for number in range(calls)],
            )
        finally:
            client.close()
        return report, emulator.requests, emulator.throttles, len(emulator.invocation_ids)


def main() -> int:
    """Print the table; 1 where a target is missed."""
    print(f"{'setting':<16}{'calls':>7}{'throttles':>11}{'lost':>6}{'seconds':>9}   emulator: requests, throttles, ids")
    throttles: list[int] = []
    agree = True
    for name, pacer in (("retry alone", None), ("AdaptivePacer", AdaptivePacer())):
        report, requests, refused, ids = run(pacer)
        throttles.append(report.throttles)
        agree &= (report.attempts, report.throttles, report.attempts) == (requests, refused, ids)
        print(
            f"{name:<16}{report.attempts:>7}{report.throttles:>11}{len(report.failed):>6}{report.elapsed:>9.1f}"
            f"   {requests:>18}, {refused}, {ids}"
        )
    alone, paced = throttles
    print(
        f"throttles, paced over alone: {paced}/{alone} = {paced / max(1, alone):.3f}; limit 0.2. Counts agree: {agree}"
    )
    return 0 if agree and paced * 5 <= alone else 1


if __name__ == "__main__":
    sys.exit(main())
