"""``vectora-normalize package``: builds the deployment package of the Lambda."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from vectora_normalize.operations.package import Package

_FAILED: Final = 1
_MAX_SHOWN: Final = 6  # of the largest top-level names
_MEBI: Final = 1024 * 1024
# Copies, so that --help does not import what packaging requires; a test compares them with the originals.
OUT: Final = Path("build/ingest-normalize.zip")
PYTHON: Final = "3.12"
PLATFORM: Final = "manylinux2014_x86_64"


def package(
    out: Annotated[Path, typer.Option(metavar="FILE", help="The zip.")] = OUT,
    python: Annotated[str, typer.Option(metavar="VERSION", help="Version of the function's runtime.")] = PYTHON,
    platform: Annotated[
        list[str] | None,
        typer.Option(metavar="TAG", help=f"Platform tag of acceptable wheels; may be repeated. Default: {PLATFORM}."),
    ] = None,
    requirements: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Install exactly the versions and hashes of this file: infra/requirements.txt, or the .txt beside an "
            "earlier package. Default: the newest versions.",
        ),
    ] = None,
    constraint: Annotated[Path | None, typer.Option(metavar="FILE", help="Constraints file for pip.")] = None,
    without_boto3: Annotated[  # noqa: FBT002 - a flag
        bool, typer.Option("--without-boto3", help="Leave boto3 out; the function uses that of its runtime.")
    ] = False,
) -> None:
    """Build the zip of the Lambda: the code of this version and its dependencies, for the machine of the function.

    The same versions produce the same bytes. The command downloads wheels from pip's package index and compiles
    nothing, so it works on any machine. Exit code: 0, or 1 if the zip could not be built.
    """
    from vectora_normalize.operations.package import PackagingError, Target, build_package  # noqa: PLC0415 - as above

    try:
        target = Target(python, tuple(platform or [PLATFORM]))
        built = build_package(
            out, target, with_boto3=not without_boto3, constraint=constraint, requirements=requirements
        )
    except (PackagingError, OSError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(_FAILED) from None
    _show(built)


def _show(built: Package) -> None:
    from vectora_normalize.operations.package import MAX_UNZIPPED_BYTES, MAX_ZIPPED_BYTES  # noqa: PLC0415 - as above

    archive = built.archive
    console = Console(highlight=False)
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(justify="right")
    table.add_column()
    table.add_row("zip", _megabytes(archive.size), _share(archive.size, MAX_ZIPPED_BYTES))
    table.add_row("unzipped", _megabytes(archive.unzipped), _share(archive.unzipped, MAX_UNZIPPED_BYTES))
    for name, size in list(archive.unzipped_by_name.items())[:_MAX_SHOWN]:
        table.add_row(f"  {name}", _megabytes(size))
    console.print(table)
    for line in (
        f"for {built.target}",
        f"sha256 {archive.sha256}",
        f"versions {built.requirements}",
        f"{archive.path}",
    ):
        console.print(line, markup=False, soft_wrap=True)


def _megabytes(size: int) -> str:
    return f"{size / _MEBI:.1f} MB"


def _share(size: int, limit: int) -> str:
    return f"{size / limit:.0%} of the {limit // _MEBI} MB that Lambda accepts"
