"""Pictures on the command line, where the extra ``[plot]`` is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bedrock_resilience.cli._output import refuse

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import ModuleType

_KINDS = (".svg", ".png", ".pdf")


def plots() -> ModuleType:
    """The module that draws."""
    from bedrock_resilience.simulation import _plots as module  # noqa: PLC0415 - not for --help

    return module


def check_drawable(option: str, file: Path) -> None:
    """End the command with one line where no picture can be drawn into this file: before the work, not after it."""
    if file.suffix not in _KINDS:
        refuse(f"{option}: got {str(file)!r}; accepted: a file that ends in {', '.join(_KINDS)}")
    if not file.parent.is_dir():
        refuse(f"{option}: got {str(file)!r}; accepted: a file in a folder that exists")


def draw(option: str, file: Path, paint: Callable[[Path], None]) -> None:
    """Draw into a file; end the command with one line where that cannot be."""
    check_drawable(option, file)
    try:
        paint(file)
    except ModuleNotFoundError as missing:
        refuse(f"{option} needs {missing.name}: pip install 'bedrock-resilience[plot]'")
    except OSError as problem:
        refuse(f"{option}: got {str(file)!r}; accepted: a file that can be written ({problem.strerror})")
