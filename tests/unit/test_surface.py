"""The public surface is written down: a change of it shows in the diff of ``tests/surface.txt``."""

from __future__ import annotations

import importlib

import pytest

from support.surface import RECORD, modules, names, record

_MAX_PUBLIC_MODULES = 40


def test_the_surface_is_the_recorded_one() -> None:
    assert record() == RECORD.read_text("utf-8"), "run `make surface`, and tell the change in CHANGELOG.md"


def test_the_number_of_public_modules_is_bounded() -> None:
    assert len(modules()) <= _MAX_PUBLIC_MODULES


@pytest.mark.parametrize("module", modules())
def test_every_public_module_lists_its_names(module: str) -> None:
    loaded = importlib.import_module(module)
    assert names(module) == sorted(set(loaded.__all__))
    for name in loaded.__all__:
        assert getattr(loaded, name) is not None
