"""The pause of the garbage collector, and what it covers."""

from __future__ import annotations

import gc
import subprocess
import sys

import pytest

from vectora_normalize.gc_pause import gc_paused

IMPORT = """
import sys
import vectora_normalize.{name}
print(*sys.modules)
"""


@pytest.mark.parametrize("name", ["handler", "worker"])
def test_the_pause_is_the_first_import_of_an_entry_point(name: str) -> None:
    found = subprocess.run([sys.executable, "-c", IMPORT.format(name=name)], capture_output=True, text=True, check=True)
    modules = found.stdout.split()
    ours = [module for module in modules if module.startswith(("vectora_normalize.", "bedrock_resilience"))]
    assert ours[0] == "vectora_normalize.gc_pause"  # a module is added again when its import is complete
    assert {"botocore.session", "yaml"} <= set(modules)


@pytest.mark.parametrize("collects", [True, False])
def test_collection_goes_on_as_before_even_after_an_error(*, collects: bool) -> None:
    before = gc.isenabled()
    try:
        (gc.enable if collects else gc.disable)()
        with gc_paused():
            assert not gc.isenabled()
        assert gc.isenabled() is collects
        with pytest.raises(KeyError), gc_paused():
            raise KeyError
        assert gc.isenabled() is collects
    finally:
        gc.unfreeze()
        (gc.enable if before else gc.disable)()


def test_what_is_made_in_the_pause_is_left_out_of_later_collections() -> None:
    gc.unfreeze()
    try:
        with gc_paused():
            made = [[object()] for _ in range(1_000)]
        assert gc.get_freeze_count() >= len(made)
    finally:
        gc.unfreeze()
