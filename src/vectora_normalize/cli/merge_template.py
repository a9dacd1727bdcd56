"""``vectora-normalize merge-template``: adds the runtime template to the template of a stack with other functions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

if TYPE_CHECKING:
    from vectora_normalize.operations.stack_template import MergedTemplate

RUNTIME: Final = Path("infra/s1-runtime.yaml")
OUT: Final = Path("build/merged.yaml")
_FAILED: Final = 1


def merge_template(
    deployed: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="Template of the stack, or output of `aws cloudformation get-template`."),
    ],
    runtime: Annotated[Path, typer.Option(metavar="FILE", help="The template that is added.")] = RUNTIME,
    out: Annotated[Path, typer.Option(metavar="FILE", help="The merged template.")] = OUT,
) -> None:
    """Merge the runtime template into the template of a deployed stack that also has other functions.

    An update of such a stack with the runtime template alone would delete the other functions. The merged template
    keeps them and the configuration of the function. Exit code: 0, or 1 if the templates cannot be merged.
    """
    from vectora_normalize.operations.stack_template import TemplateError, merge_templates  # noqa: PLC0415 - not for --help

    try:
        merged = merge_templates(deployed.read_bytes(), runtime.read_bytes())
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(merged.text, "utf-8")
    except (TemplateError, OSError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(_FAILED) from None
    _show(merged)
    typer.echo(f"{out}")


def _show(merged: MergedTemplate) -> None:
    lines = {
        "stay as they are": merged.kept,
        "added": merged.added,
        "of the function stay": merged.function_kept,
        "of the function change": merged.function_changed,
        "parameters of the stack": merged.parameters_kept,
        "parameters to give": merged.parameters_required or ("none",),
    }
    for title, names in lines.items():
        typer.echo(f"{title}: {', '.join(names)}")
