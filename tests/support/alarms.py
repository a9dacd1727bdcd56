"""Alarms of CloudWatch, evaluated over the metrics of one period: single metrics, and the metric math that we use."""

from __future__ import annotations

import ast
import operator
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_BINARY: Final[dict[type, Callable[[float, float], float]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: lambda left, right: left / right,
}
_COMPARISONS: Final[dict[type, Callable[[float, float], bool]]] = {ast.Gt: operator.gt, ast.GtE: operator.ge}
_OPERATORS: Final[dict[str, Callable[[float, float], bool]]] = {
    "GreaterThanThreshold": operator.gt,
    "LessThanThreshold": operator.lt,
}


def evaluate(expression: str, values: Mapping[str, float | None]) -> float | None:
    """The value of an expression of metric math; None where a metric that it needs has no data."""
    return _value(ast.parse(expression, mode="eval").body, values)


def _value(node: ast.expr, values: Mapping[str, float | None]) -> float | None:
    if isinstance(node, ast.Constant):
        return float(node.value)  # type: ignore[arg-type]  # expressions have numbers only
    if isinstance(node, ast.Name):
        return values[node.id]
    if isinstance(node, ast.Call):
        return _call(node, [_value(argument, values) for argument in node.args])
    if isinstance(node, ast.Compare):
        left, right = _value(node.left, values), _value(node.comparators[0], values)
        return None if left is None or right is None else float(_COMPARISONS[type(node.ops[0])](left, right))
    assert isinstance(node, ast.BinOp)
    left, right = _value(node.left, values), _value(node.right, values)
    no_data = left is None or right is None or (isinstance(node.op, ast.Div) and right == 0)
    return None if no_data else _BINARY[type(node.op)](left, right)  # type: ignore[arg-type]  # both are numbers here


def _call(node: ast.Call, given: list[float | None]) -> float | None:
    assert isinstance(node.func, ast.Name)
    if node.func.id == "FILL":
        return given[1] if given[0] is None else given[0]
    assert node.func.id == "IF"
    return None if given[0] is None else given[1] if given[0] else given[2]


def metric_of(alarm: Mapping[str, Any]) -> list[str]:
    """The names of the metrics that an alarm watches, with their namespaces."""
    if "MetricName" in alarm:
        return [f"{alarm['Namespace']}/{alarm['MetricName']}"]
    stats = [one["MetricStat"]["Metric"] for one in alarm["Metrics"] if "MetricStat" in one]
    return [f"{metric['Namespace']}/{metric['MetricName']}" for metric in stats]


def rings(alarm: Mapping[str, Any], metrics: Mapping[str, float]) -> bool:
    """Whether an alarm is in the state ALARM after a period.

    Args:
        alarm: Its properties in a template.
        metrics: Namespace, "/" and name of each metric that has data in the period, to its value under the statistic.
    """
    if "MetricName" in alarm:
        value = metrics.get(metric_of(alarm)[0])
    else:
        ids = {
            one["Id"]: metrics.get(
                f"{one['MetricStat']['Metric']['Namespace']}/{one['MetricStat']['Metric']['MetricName']}"
            )
            for one in alarm["Metrics"]
            if "MetricStat" in one
        }
        (expression,) = [one["Expression"] for one in alarm["Metrics"] if "Expression" in one]
        value = evaluate(expression, ids)
    if value is None:
        return bool(alarm["TreatMissingData"] == "breaching")
    return _OPERATORS[alarm["ComparisonOperator"]](value, float(alarm["Threshold"]))
