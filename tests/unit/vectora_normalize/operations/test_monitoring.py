"""Log lines are JSON that the metric filters still match; metrics are one line of the embedded metric format."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import pytest

from support.logs import restored_loggers
from vectora_normalize.operations.monitoring import configure_logging, emit_by_source, emit_metrics

if TYPE_CHECKING:
    from collections.abc import Iterator

LINE = "ThrottlingException détectée (tentative 1/4). Retry dans 0.52s..."


@pytest.fixture(autouse=True)
def loggers() -> Iterator[None]:
    with restored_loggers():
        yield


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_message_is_written_unchanged_with_its_accents(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("INFO", request_id="r-1", client_id="lai_weekly")
    logging.getLogger("vectora_normalize.normalize.batch").warning("ThrottlingException détectée %s", "(tentative 1/4)")
    logging.getLogger("bedrock_resilience").error(LINE)
    written = capsys.readouterr().out
    assert "ThrottlingException détectée (tentative 1/4)" in written
    assert LINE in written
    first = json.loads(written.splitlines()[0])
    assert first.pop("timestamp").endswith("+00:00")
    first.pop("location")
    assert first == {
        "level": "WARNING",
        "message": "ThrottlingException détectée (tentative 1/4)",
        "service": "ingest-normalize",
        "request_id": "r-1",
        "client_id": "lai_weekly",
    }


def test_a_line_is_written_once_however_often_logging_is_configured(capsys: pytest.CaptureFixture[str]) -> None:
    for request_id in ("r-1", "r-2"):
        configure_logging("INFO", request_id=request_id)
    logging.getLogger("vectora_normalize").info("once")
    assert [(line["message"], line["request_id"]) for line in lines(capsys)] == [("once", "r-2")]


def test_the_root_logger_does_not_write_the_line_again(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    handler = logging.StreamHandler()
    root.addHandler(handler)
    try:
        configure_logging("INFO")
        logging.getLogger("vectora_normalize").info("once")
    finally:
        root.removeHandler(handler)
    captured = capsys.readouterr()
    assert captured.err == ""
    assert captured.out.count("once") == 1


def test_lines_below_the_level_are_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("WARNING")
    logging.getLogger("vectora_normalize.pipeline").info("quiet")
    logging.getLogger("vectora_normalize.pipeline").warning("loud")
    assert [line["message"] for line in lines(capsys)] == ["loud"]


def test_a_key_without_a_value_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("INFO", request_id="r-1", client_id=None)
    logging.getLogger("vectora_normalize").info("x")
    assert "client_id" not in lines(capsys)[0]


def test_an_exception_is_on_the_same_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("INFO")
    try:
        raise ValueError("wrong")  # noqa: TRY301 - the traceback is the point
    except ValueError:
        logging.getLogger("vectora_normalize").exception("it failed")
    (line,) = lines(capsys)
    assert line["exception_name"] == "ValueError"
    assert "wrong" in line["exception"]


def test_metrics_are_one_line_of_the_embedded_metric_format(capsys: pytest.CaptureFixture[str]) -> None:
    emit_metrics(
        {"Attempts": 104, "DurationSeconds": 180.5, "RetryRate": 12.5},
        dimensions={"Environment": "dev"},
        properties={"request_id": "r-1"},
    )
    (line,) = lines(capsys)
    directive = line["_aws"]["CloudWatchMetrics"]
    assert directive == [
        {
            "Namespace": "VectoraInbox",
            "Dimensions": [["Environment", "service"]],
            "Metrics": [
                {"Name": "Attempts", "Unit": "Count"},
                {"Name": "DurationSeconds", "Unit": "Seconds"},
                {"Name": "RetryRate", "Unit": "Percent"},
            ],
        }
    ]
    assert {key: value for key, value in line.items() if key != "_aws"} == {
        "Environment": "dev",
        "service": "ingest-normalize",
        "request_id": "r-1",
        "Attempts": [104.0],
        "DurationSeconds": [180.5],
        "RetryRate": [12.5],
    }


def test_each_source_has_a_line_of_its_own_under_a_name_in_ascii(capsys: pytest.CaptureFixture[str]) -> None:
    emit_by_source(
        {
            "press__a": {"ItemsNormalized": 3},
            "presse__\u00e9t\u00e9": {"SourcesFailed": 1},
            "x" * 2000: {"ItemsFailed": 1},
        },
        dimensions={"Environment": "dev"},
        properties={"request_id": "r-1"},
    )
    first, second, third = lines(capsys)
    (directive,) = first["_aws"]["CloudWatchMetrics"]
    assert sorted(directive["Dimensions"][0]) == ["Environment", "Source", "service"]
    assert (first["Source"], first["ItemsNormalized"], first["request_id"]) == ("press__a", [3.0], "r-1")
    assert (second["Source"], second["SourcesFailed"]) == (r"presse__\xe9t\xe9", [1.0])
    assert third["Source"] == "x" * 1024
