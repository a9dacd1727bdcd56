"""Files that the commands draw. Needs the extra ``[plot]``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bedrock_resilience.cli._output import refuse

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_SUFFIXES = (".svg", ".png", ".pdf")


def check_drawable(option: str, file: Path) -> None:
    """End the command with one line if the file cannot be drawn; called before the simulation starts."""
    if file.suffix not in _SUFFIXES:
        refuse(f"{option}: got {str(file)!r}; accepted: a file that ends in {', '.join(_SUFFIXES)}")
    if not file.parent.is_dir():
        refuse(f"{option}: got {str(file)!r}; accepted: a file in an existing folder")


def draw(option: str, file: Path, plot: Callable[[Path], None]) -> None:
    """Draw the file; end the command with one line if that fails."""
    check_drawable(option, file)
    try:
        plot(file)
    except ModuleNotFoundError as missing:
        refuse(f"{option} needs {missing.name}: pip install 'bedrock-resilience[plot]'")
    except OSError as problem:
        refuse(f"{option}: got {str(file)!r}; accepted: a file that can be written ({problem.strerror})")
