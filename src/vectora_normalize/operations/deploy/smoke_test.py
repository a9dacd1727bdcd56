"""What the test event came to: the answer, held against the contract."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from vectora_normalize.contract import show
from vectora_normalize.operations.deploy.errors import DeployError

if TYPE_CHECKING:
    from collections.abc import Mapping

_KEYS: Final = ("client_id", "items_ingested", "items_normalized", "execution_time_seconds")
_DONE: Final = 200
_BLAME: Final = {400: "the event or the configuration is wrong", 409: "another run of the client is under way"}


@dataclass(frozen=True, slots=True, kw_only=True)
class SmokeTestResult:
    """A test event that was answered as it should be.

    Args:
        items_ingested: Items of the event's window.
        items_normalized: Those that Bedrock has read.
        seconds: What the run took.
    """

    items_ingested: int
    items_normalized: int
    seconds: float

    def __str__(self) -> str:
        return f"answer 200: {self.items_normalized} of {self.items_ingested} items normalised in {self.seconds:.1f} s"

    @property
    def remark(self) -> str | None:
        """What someone should look at, though the answer is good."""
        if self.items_ingested == 0:
            return "there was no item in the window, so Bedrock has not been asked; an event with more days shows more"
        if self.items_normalized < self.items_ingested:
            return "not every item was normalised; the run report in the data bucket says why"
        return None


def judge(answer: object) -> SmokeTestResult:
    """The answer of a function as a trial.

    Raises:
        DeployError: It is a 400, a 409 or a 502, or nothing that the contract knows.
    """
    fields = _object(answer)
    status, told = fields.get("statusCode"), _object(fields.get("body"))
    if not isinstance(status, int) or not told:
        raise _unknown(answer)
    if status != _DONE:
        blame = _BLAME.get(status, "sources or Bedrock failed")
        raise DeployError(
            f"the code is in place, but {blame}: {status} {told.get('error_type')}: {told.get('message')}"
        )
    if set(told) != set(_KEYS) or not all(isinstance(told[name], int | float) for name in _KEYS[1:]):
        raise _unknown(answer)
    return SmokeTestResult(
        items_ingested=int(told["items_ingested"]),
        items_normalized=int(told["items_normalized"]),
        seconds=float(told["execution_time_seconds"]),
    )


def _object(value: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}


def _unknown(answer: object) -> DeployError:
    return DeployError(f"the code is in place, but its answer is none of the contract: {show(answer)}")
