"""The entry point: errors outside of the commands that handle them."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, NoReturn

import pytest

from vectora_normalize import cli
from vectora_normalize.cli import app as apps

if TYPE_CHECKING:
    from collections.abc import Callable


def end_with(error: BaseException) -> Callable[[], NoReturn]:
    def app() -> NoReturn:
        raise error

    return app


@pytest.mark.parametrize("name", ["typer", "boto3", "yaml", "feedparser.encodings"])
def test_a_missing_package_is_named_with_the_remedy(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apps, "app", end_with(ModuleNotFoundError("none", name=name)))
    with pytest.raises(SystemExit) as raised:
        cli.main()
    assert raised.value.code == (f"error: {name} is not installed; pip install 'bedrock-resilience[normalize,cli]'")


@pytest.mark.parametrize("name", ["vectora_normalize.nowhere", "bedrock_resilience.nowhere", None])
def test_a_missing_module_of_this_distribution_is_raised(name: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apps, "app", end_with(ModuleNotFoundError("none", name=name)))
    with pytest.raises(ModuleNotFoundError):
        cli.main()


def test_ctrl_c_while_it_starts_is_130(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apps, "app", end_with(KeyboardInterrupt()))
    with pytest.raises(SystemExit) as raised:
        cli.main()
    assert raised.value.code == 130


def test_a_terminal_without_accents_gets_question_marks(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(shown, encoding="ascii"))

    def app() -> None:
        print("Médincell 에스티팜", flush=True)  # noqa: T201 - what is under test

    monkeypatch.setattr(apps, "app", app)
    cli.main()
    assert shown.getvalue() == b"M?dincell ????\n"


def test_a_stream_without_an_encoding_is_not_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    monkeypatch.setattr(apps, "app", lambda: None)
    cli.main()
