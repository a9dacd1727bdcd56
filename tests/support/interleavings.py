"""An explorer of interleavings: a module's code with a point of choice before every statement, under one scheduler.

Threads are greenlets of ``support.dst.scheduler``, locks are its locks, and time is virtual. The module itself is left
alone: a copy is made of its source, in which ``self.x += 1`` reads and writes in two steps, as threads do.
"""

from __future__ import annotations

import ast
import importlib.util
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

from support.dst.scheduler import Choices, Process, Scheduler

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class _Points(ast.NodeTransformer):
    """Puts a call of ``__point__`` before each statement of a function."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        self.generic_visit(node)
        node.body = self._with_points(node.body)
        return node

    def visit_With(self, node: ast.With) -> Any:  # noqa: ANN401 - as NodeTransformer has it
        return self._inner(node)

    def visit_While(self, node: ast.While) -> Any:  # noqa: ANN401 - as NodeTransformer has it
        return self._inner(node)

    def visit_For(self, node: ast.For) -> Any:  # noqa: ANN401 - as NodeTransformer has it
        return self._inner(node)

    def visit_If(self, node: ast.If) -> Any:  # noqa: ANN401 - as NodeTransformer has it
        return self._inner(node)

    def _inner(self, node: Any) -> Any:  # noqa: ANN401 - a statement with a body
        self.generic_visit(node)
        node.body = self._with_points(node.body)
        if getattr(node, "orelse", None):
            node.orelse = self._with_points(node.orelse)
        return node

    def _with_points(self, body: Sequence[ast.stmt]) -> list[ast.stmt]:
        found: list[ast.stmt] = []
        for statement in body:
            if not isinstance(statement, (ast.Nonlocal, ast.Global)) and not _is_docstring(statement):
                found.append(_point())
            found.extend(_split(statement))
        return found


def _is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _point() -> ast.stmt:
    return ast.Expr(ast.Call(ast.Name("__point__", ast.Load()), [], []))


def _split(statement: ast.stmt) -> list[ast.stmt]:
    """``a.b += c`` as three statements: read, a point, write."""
    if not isinstance(statement, ast.AugAssign) or not isinstance(statement.target, (ast.Attribute, ast.Subscript)):
        return [statement]
    target = statement.target
    read = ast.parse(ast.unparse(target), mode="eval").body
    changed = ast.BinOp(read, statement.op, statement.value)
    return [
        ast.Assign([ast.Name("__new__", ast.Store())], changed),
        _point(),
        ast.Assign([target], ast.Name("__new__", ast.Load())),
    ]


class _Current:
    """What the copies of modules call; each exploration sets its scheduler."""

    process: Process | None = None

    def point(self) -> None:
        """A point at which another thread may run."""
        if self.process is None:  # while the module is imported
            return
        scheduler = self.process.scheduler
        if scheduler.choices.below(3) == 2:
            scheduler.current.priority = scheduler.choices.below(1000)
            scheduler.sleep(0)

    def lock(self) -> Any:  # noqa: ANN401 - a lock of the simulation
        assert self.process is not None
        return self.process.clock.threads.lock()


def instrumented(name: str, *, change: tuple[str, str] | None = None, **replaced: Any) -> tuple[ModuleType, _Current]:  # noqa: ANN401 - globals of the module
    """Return a copy of a module with points, and what decides at them.

    Args:
        name: The module.
        change: A part of its source, and what stands there instead.
        replaced: Globals of the copy, such as other copies.
    """
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    source = Path(spec.origin).read_text("utf-8")
    if change is not None:
        assert source.count(change[0]) >= 1, change[0]
        source = source.replace(*change)
    tree = ast.fix_missing_locations(_Points().visit(ast.parse(source)))
    module = ModuleType(f"{name}_with_points")
    current = _Current()
    module.__dict__.update(__point__=current.point, __file__=spec.origin, __package__=spec.parent)
    sys.modules[module.__name__] = module
    exec(compile(tree, spec.origin, "exec"), module.__dict__)  # noqa: S102 - the project's own source
    if "threading" in module.__dict__:
        module.__dict__["threading"] = SimpleNamespace(Lock=current.lock)
    module.__dict__.update(replaced)
    return module, current


def explore(
    currents: Sequence[_Current], play: Callable[[Process], Callable[[], None]], *, schedules: int, changes: int = 2
) -> int:
    """Run a scene in many interleavings; return the number of different ones.

    Args:
        currents: Of the copies that take part.
        play: Gets the process, starts threads in it, and returns what checks the result.
        schedules: How many.
        changes: How many priorities change at random in each.

    Raises:
        AssertionError: The check failed; a note names the seed.
    """
    different: set[tuple[int, ...]] = set()
    for seed in range(schedules):
        choices = Choices(seed)
        scheduler = Scheduler(choices, changes=changes)
        process = Process(scheduler, "process")
        for current in currents:
            current.process = process
        checks: list[Callable[[], None]] = []

        def main(process: Process = process, checks: list[Callable[[], None]] = checks) -> None:
            checks.append(play(process))

        process.start(main)
        try:
            scheduler.run()
            if process.error is not None:
                raise process.error  # noqa: TRY301 - the note below names the seed
            for check in checks:
                check()
        except BaseException as error:
            error.add_note(f"in the interleaving of seed {seed}")
            raise
        finally:
            scheduler.close()
        different.add(tuple(choices.made))
    return len(different)
