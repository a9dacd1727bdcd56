"""Pauses the garbage collector while objects are made that stay as long as the process.

It is a module of its own because its import comes before all others: each of them makes such objects.
"""

from __future__ import annotations

import contextlib
import gc
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator


@contextlib.contextmanager
def gc_paused() -> Generator[None]:
    """Pause the garbage collector, and exclude all objects made in the block from later collections.

    Modules and botocore's description of S3 consist of some 100,000 objects, which stay as long as the process.
    Python would scan all of them every few thousand objects more, which takes a tenth of a cold start.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()
