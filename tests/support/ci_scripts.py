"""The scripts of ``.ci``, which are files and no package, as modules."""

from __future__ import annotations

import importlib.util
import sys
from typing import TYPE_CHECKING

from support.pages import ROOT

if TYPE_CHECKING:
    from types import ModuleType


def load_script(name: str) -> ModuleType:
    """Import ``.ci/{name}.py``."""
    spec = importlib.util.spec_from_file_location(name, ROOT / ".ci" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up by name
    spec.loader.exec_module(module)
    return module
