"""`vectora-normalize package`: the zip that Lambda runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from vectora_normalize.operations.package import Package

_FAILED: Final = 1
_MOST_PARTS: Final = 6  # of the largest that are shown
_MEBI: Final = 1024 * 1024
# Written out here, so that --help needs none of what packaging needs; a test holds them against the originals.
OUT: Final = Path("build/ingest-normalize.zip")
PYTHON: Final = "3.12"
PLATFORM: Final = "manylinux2014_x86_64"


def package(
    out: Annotated[Path, typer.Option(metavar="FILE", help="The zip.")] = OUT,
    python: Annotated[str, typer.Option(metavar="VERSION", help="Version of the function's runtime.")] = PYTHON,
    platform: Annotated[
        list[str] | None, typer.Option(metavar="TAG", help=f"Wheels that may be taken; {PLATFORM}. May be repeated.")
    ] = None,
    constraint: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Versions, as an earlier package wrote them beside its zip.")
    ] = None,
    without_boto3: Annotated[bool, typer.Option("--without-boto3", help="Leave boto3 to the runtime's own.")] = False,  # noqa: FBT002 - a flag
) -> None:
    """Build the zip of the Lambda: this version's code and all that it needs, for the function's machine.

    The same versions give the same bytes. Wheels come from pip's package index; nothing is compiled here, so any
    machine will do. Exit code: 0, or 1 where it could not be built.
    """
    from vectora_normalize.operations.package import PackagingError, Target, build_package  # noqa: PLC0415 - as above

    try:
        target = Target(python, tuple(platform or [PLATFORM]))
        built = build_package(out, target, with_boto3=not without_boto3, constraint=constraint)
    except (PackagingError, OSError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(_FAILED) from None
    _show(built)


def _show(built: Package) -> None:
    from vectora_normalize.operations.package import MOST_UNZIPPED, MOST_ZIPPED  # noqa: PLC0415 - as above

    archive = built.archive
    console = Console(highlight=False)
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(justify="right")
    table.add_column()
    table.add_row("zip", _megabytes(archive.size), _share(archive.size, MOST_ZIPPED))
    table.add_row("unzipped", _megabytes(archive.unzipped), _share(archive.unzipped, MOST_UNZIPPED))
    for name, size in list(archive.parts.items())[:_MOST_PARTS]:
        table.add_row(f"  {name}", _megabytes(size))
    console.print(table)
    for line in (f"for {built.target}", f"sha256 {archive.sha256}", f"versions {built.pins}", f"{archive.path}"):
        console.print(line, markup=False, soft_wrap=True)


def _megabytes(size: int) -> str:
    return f"{size / _MEBI:.1f} MB"


def _share(size: int, limit: int) -> str:
    return f"{size / limit:.0%} of the {limit // _MEBI} MB that Lambda takes"
