"""The smoke test of a deployment: checks the function's answer to a test event against the contract."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from vectora_normalize.contract import show
from vectora_normalize.operations.deploy.errors import DeployError

if TYPE_CHECKING:
    from collections.abc import Mapping

_KEYS: Final = ("client_id", "items_ingested", "items_normalized", "execution_time_seconds")
_OK: Final = 200
_CAUSES: Final = {400: "the event or the configuration is wrong", 409: "another run of the client is in progress"}


@dataclass(frozen=True, slots=True, kw_only=True)
class SmokeTestResult:
    """The numbers of an answer 200.

    Args:
        items_ingested: The items in the window of the event.
        items_normalized: Those of them that are normalized.
        seconds: Duration of the run.
    """

    items_ingested: int
    items_normalized: int
    seconds: float

    def __str__(self) -> str:
        return f"answer 200: {self.items_normalized} of {self.items_ingested} items normalized in {self.seconds:.1f} s"

    @property
    def note(self) -> str | None:
        """A limitation of the test that its reader must consider; None if there is none."""
        if self.items_ingested == 0:
            return "no item was in the window, so no request was sent to Bedrock; an event with more days tests more"
        if self.items_normalized < self.items_ingested:
            return "not every item was normalized; the run report in the data bucket says why"
        return None


def check_answer(answer: object) -> SmokeTestResult:
    """Return the result of the smoke test.

    Args:
        answer: The answer of the function.

    Raises:
        DeployError: The answer is a 400, 409 or 502, or does not conform to the contract.
    """
    fields = _object(answer)
    status, body = fields.get("statusCode"), _object(fields.get("body"))
    if not isinstance(status, int) or not body:
        raise _unknown(answer)
    if status != _OK:
        cause = _CAUSES.get(status, "sources or Bedrock failed")
        raise DeployError(f"the test failed, because {cause}: {status} {body.get('error_type')}: {body.get('message')}")
    if set(body) != set(_KEYS) or not all(isinstance(body[name], int | float) for name in _KEYS[1:]):
        raise _unknown(answer)
    return SmokeTestResult(
        items_ingested=int(body["items_ingested"]),
        items_normalized=int(body["items_normalized"]),
        seconds=float(body["execution_time_seconds"]),
    )


def _object(value: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}


def _unknown(answer: object) -> DeployError:
    return DeployError(f"the code is deployed, but the answer does not conform to the contract: {show(answer)}")
